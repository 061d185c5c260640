//! Bodies of requests and answers.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::protobuf;
use crate::status::Status;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// As in the API server (`MaxRequestBodyBytes`).
const MOST_BYTES: usize = 3 * 1024 * 1024;

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

pub(super) fn streamed(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
}

pub(super) fn answer(code: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json(code: u16, value: &Value) -> Response<Body> {
    answer(code, "application/json", full(value.to_string()))
}

pub(super) fn refusal(status: &Status) -> Response<Body> {
    let mut response = json(status.code, &status.to_json());
    if let Some(seconds) = status.details["retryAfterSeconds"].as_u64() {
        response
            .headers_mut()
            .insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

pub(super) async fn read(body: Incoming) -> Result<Bytes, Status> {
    match Limited::new(body, MOST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let mut status =
                Status::bad_request(format!("Request entity too large: limit is {MOST_BYTES}"));
            (status.code, status.reason) = (413, "RequestEntityTooLarge");
            Err(status)
        }
        Err(error) => Err(Status::bad_request(format!(
            "cannot read the request's body: {error}"
        ))),
    }
}

/// JSON, or what the content is said to be: YAML, Kubernetes' protobuf.
pub(super) fn parse(bytes: &[u8], content_type: &str) -> Result<Value, Status> {
    let mime = content_type.split(';').next().unwrap_or("").trim();
    if mime == "application/vnd.kubernetes.protobuf" {
        return protobuf::read(bytes);
    }
    if !(mime.is_empty() || mime.ends_with("json") || mime.ends_with("yaml")) {
        return Err(unknown_format());
    }
    if mime.ends_with("yaml") {
        // YAML of people is mostly JSON of programs; that is read faster.
        if let Ok(value) = serde_json::from_slice(bytes) {
            return Ok(value);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Status::bad_request(format!("the body is not UTF-8: {error}")))?;
        return serde_saphyr::from_str(text)
            .map_err(|error| Status::bad_request(format!("error parsing YAML: {error}")));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Status::bad_request(format!(
            "couldn't get version/kind; json parse error: {error}"
        ))
    })
}

/// As the API server refuses what it cannot read.
pub(super) fn unknown_format() -> Status {
    Status::unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: \
         application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}
