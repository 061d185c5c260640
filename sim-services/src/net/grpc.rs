//! gRPC over HTTP/2 as far as single messages need it: frames, trailers, status codes.
//!
//! After the protocol's own description, `PROTOCOL-HTTP2.md` in the repository of gRPC.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

pub(super) const OK: u8 = 0;
pub(super) const UNKNOWN: u8 = 2;
pub(super) const RESOURCE_EXHAUSTED: u8 = 8;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const INTERNAL: u8 = 13;

const PREFIX: usize = 5;

/// A message with its prefix: not compressed, so many bytes.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The one message of `frame`.
///
/// # Errors
///
/// The status code and what is wrong.
pub(super) fn unframed(mut frame: Bytes) -> Result<Bytes, (u8, &'static str)> {
    if frame.len() < PREFIX {
        return Err((INTERNAL, "no message"));
    }
    let compressed = frame.get_u8() != 0;
    let length = frame.get_u32();
    if compressed {
        Err((UNIMPLEMENTED, "compressed messages are not supported"))
    } else if usize::try_from(length).is_ok_and(|length| length == frame.len()) {
        Ok(frame)
    } else {
        Err((INTERNAL, "the message is not as long as it says"))
    }
}

/// The code for an answer that came without one (`http-grpc-status-mapping.md`).
pub(super) fn code_of_http(status: u16) -> u8 {
    match status {
        200 => OK,
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => 14,
        _ => UNKNOWN,
    }
}

pub(super) fn code_in(headers: &HeaderMap) -> Option<u8> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// An answer's body: bytes, then trailers if it is gRPC.
#[derive(Debug)]
pub(super) struct Answer {
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    pub(super) fn plain(data: Bytes) -> Answer {
        Answer {
            data,
            trailers: None,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(if self.data.has_remaining() {
            Some(Ok(Frame::data(std::mem::take(&mut self.data))))
        } else {
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers)))
        })
    }

    fn is_end_stream(&self) -> bool {
        !self.data.has_remaining() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

/// A message with its status in the trailers, or for an error a status alone in the headers
/// ("Trailers-Only").
pub(super) fn response(
    code: u8,
    why: Option<&'static str>,
    message: &[u8],
) -> hyper::Response<Answer> {
    let mut status = HeaderMap::with_capacity(2);
    status.insert(STATUS, HeaderValue::from(u16::from(code)));
    if let Some(why) = why {
        status.insert(MESSAGE, HeaderValue::from_static(why));
    }
    let mut response = hyper::Response::new(if code == OK {
        Answer {
            data: framed(message),
            trailers: Some(status),
        }
    } else {
        let mut answer = hyper::Response::new(Answer::plain(Bytes::new()));
        *answer.headers_mut() = status;
        answer
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, CONTENT_TYPE);
        return answer;
    });
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_one_whole_message() {
        let frame = framed(b"milk");
        assert_eq!(&frame[..], b"\0\0\0\0\x04milk");
        assert_eq!(unframed(frame.clone()), Ok(Bytes::from_static(b"milk")));
        assert_eq!(unframed(frame.slice(..7)).unwrap_err().0, INTERNAL);
        assert_eq!(unframed(frame.slice(..3)).unwrap_err().0, INTERNAL);
        let compressed = Bytes::from_static(b"\x01\0\0\0\0");
        assert_eq!(unframed(compressed).unwrap_err().0, UNIMPLEMENTED);
    }
}
