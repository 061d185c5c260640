//! Bodies: what a request is about, and what an answer is filled with.

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method};
use prost::Message as _;

/// What a gRPC method is asked, whichever it is.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ask {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) payload: Bytes,
}

/// What it answers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) payload: Bytes,
}

/// Of an answer; about so long.
pub(super) fn answer(bytes: usize, grpc: bool) -> Bytes {
    if grpc {
        let payload = Bytes::from(vec![b'x'; bytes]);
        return Answer { payload }.encode_to_vec().into();
    }
    const AROUND: usize = r#"{"data":""}"#.len();
    format!(
        r#"{{"data":"{}"}}"#,
        "x".repeat(bytes.saturating_sub(AROUND))
    )
    .into()
}

/// The thing that a request is about, when its path does not say: `{"id":"4711"}`, or an [`Ask`].
pub(super) fn id_of_body(body: &[u8], grpc: bool) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Subject {
        id: String,
    }
    let id = if grpc {
        Ask::decode(body).ok()?.id
    } else {
        serde_json::from_slice::<Subject>(body).ok()?.id
    };
    // It becomes part of paths and keys.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!id.is_empty() && id.len() <= 64 && id.bytes().all(plain)).then_some(id)
}

/// The body of a request about `id`.
pub(super) fn body_about(id: &str, grpc: bool, method: &Method) -> Bytes {
    if grpc {
        let ask = Ask {
            id: id.to_owned(),
            payload: Bytes::new(),
        };
        ask.encode_to_vec().into()
    } else if *method == Method::GET {
        Bytes::new()
    } else {
        format!(r#"{{"id":"{id}"}}"#).into()
    }
}

pub(super) fn content_type(headers: &mut HeaderMap, grpc: bool, body: &Bytes) {
    let kind = if grpc {
        "application/grpc"
    } else if body.is_empty() {
        return;
    } else {
        "application/json"
    };
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(kind));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_carry_ids() {
        let post = Method::POST;
        for grpc in [false, true] {
            let body = body_about("4711", grpc, &post);
            assert_eq!(id_of_body(&body, grpc), Some("4711".to_owned()));
            assert_eq!(id_of_body(&body_about("a/../b", grpc, &post), grpc), None);
        }
        assert_eq!(id_of_body(b"{", false), None);
        assert_eq!(answer(256, false).len(), 256);
    }
}
