//! What is answered when a request cannot be granted.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A status and a sentence, without the line's end.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl Problem {
    pub(super) fn bad_request(what: impl Into<String>) -> Problem {
        Problem(StatusCode::BAD_REQUEST, what.into())
    }

    pub(super) fn not_found(what: impl Into<String>) -> Problem {
        Problem(StatusCode::NOT_FOUND, what.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Reads a body as JSON, whatever its content type says.
pub(super) fn json<T: serde::de::DeserializeOwned>(body: &str, like: &str) -> Result<T, Problem> {
    serde_json::from_str(body)
        .map_err(|error| Problem::bad_request(format!("the body is not like {like}: {error}")))
}
