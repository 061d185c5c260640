//! Refusals in the words of each protocol.
//!
//! OTLP/HTTP wants a `google.rpc.Status` in the request's encoding, gRPC a status in trailers; both
//! may carry details. Plain HTTP clients get the JSON form, which explains itself.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use monitor_ingest::otlp::Encoding;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::Refused;

/// Why a request was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unauthenticated(&'static str),
    /// The body is no request of this protocol.
    Undecodable(String),
    /// An encoding that we do not read.
    Unsupported(String),
    TooLarge {
        limit: usize,
    },
    TooSlow,
    /// More at once than we take.
    Busy {
        message: String,
        retry_after: Duration,
    },
    /// Nobody's fault but ours, and it passes.
    Unavailable {
        message: String,
        retry_after: Option<Duration>,
    },
    /// A bug of ours.
    Internal,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        let message = refused.to_string();
        match refused {
            Refused::Full { retry_after } => Failure::Busy {
                message,
                retry_after,
            },
            Refused::DiskFull { retry_after, .. } => Failure::Unavailable {
                message,
                retry_after: Some(retry_after),
            },
            Refused::Stopping => Failure::Unavailable {
                message,
                retry_after: None,
            },
        }
    }
}

/// How a client wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Grpc,
    Protobuf,
    Json,
}

impl Style {
    pub(super) fn of(headers: &HeaderMap) -> Style {
        match media_type(headers) {
            Some(kind) if kind.starts_with("application/grpc") => Style::Grpc,
            Some(kind) if kind == PROTOBUF => Style::Protobuf,
            _ => Style::Json,
        }
    }
}

impl From<Encoding> for Style {
    fn from(encoding: Encoding) -> Style {
        match encoding {
            Encoding::Protobuf => Style::Protobuf,
            Encoding::Json => Style::Json,
        }
    }
}

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// The content type without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or(value);
    Some(kind.trim().to_ascii_lowercase())
}

impl Failure {
    fn http_status(&self) -> StatusCode {
        match self {
            Failure::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Failure::Undecodable(_) => StatusCode::BAD_REQUEST,
            Failure::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Failure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Failure::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Failure::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn grpc_code(&self) -> Code {
        match self {
            Failure::Unauthenticated(_) => Code::Unauthenticated,
            Failure::Undecodable(_) | Failure::Unsupported(_) => Code::InvalidArgument,
            // Without RetryInfo: a client that sends the same again gets the same answer.
            Failure::TooLarge { .. } | Failure::Busy { .. } => Code::ResourceExhausted,
            Failure::TooSlow => Code::DeadlineExceeded,
            Failure::Unavailable { .. } => Code::Unavailable,
            Failure::Internal => Code::Internal,
        }
    }

    fn message(&self) -> String {
        match self {
            Failure::Unauthenticated(message) => (*message).to_owned(),
            Failure::Undecodable(message)
            | Failure::Unsupported(message)
            | Failure::Busy { message, .. }
            | Failure::Unavailable { message, .. } => message.clone(),
            Failure::TooLarge { limit } => {
                format!("the request is larger than {limit} bytes; send smaller batches")
            }
            Failure::TooSlow => "the request's body did not arrive in time".to_owned(),
            Failure::Internal => "the monitor could not process the request".to_owned(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Busy { retry_after, .. } => Some(*retry_after),
            Failure::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// As a gRPC status, with RetryInfo or BadRequest where the OTLP specification asks for them.
    pub(super) fn status(&self) -> Status {
        let mut details = ErrorDetails::new();
        if let Some(delay) = self.retry_after() {
            details.set_retry_info(Some(delay));
        }
        if let Failure::Undecodable(message) = self {
            details.add_bad_request_violation("body", message.clone());
        }
        Status::with_error_details(self.grpc_code(), self.message(), details)
    }

    pub(super) fn respond(&self, style: Style) -> Response {
        let (kind, body) = match style {
            Style::Grpc => return self.status().into_http(),
            // The details of a rich gRPC status are an encoded google.rpc.Status.
            Style::Protobuf => (PROTOBUF, Body::from(self.status().details().to_vec())),
            Style::Json => (JSON, Body::from(self.json().to_string())),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.http_status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(delay) = self.retry_after() {
            // Whole seconds, never zero: "at once" would bring everyone back at once.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        match self {
            Failure::Unauthenticated(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Failure::Unsupported(_) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            }
            _ => {}
        }
        response
    }

    /// `google.rpc.Status` in protobuf's JSON form.
    fn json(&self) -> serde_json::Value {
        let mut status = json!({
            "code": self.grpc_code() as i32,
            "message": self.message(),
        });
        if let Some(delay) = self.retry_after() {
            status["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", delay.as_secs_f64()),
            }]);
        }
        status
    }
}
