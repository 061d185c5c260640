//! Errors as RFC 9457 problem documents: what is wrong, where, and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use monitor_api::Problem;
use monitor_core::SearchError;

use crate::ports::Refused;

const UNKNOWN_FIELD: &str = "urn:crosswatch:problem:unknown-field";

/// A problem on its way out of a handler.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: Box<Problem>,
    retry_after_seconds: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, kind: &str, title: &str, detail: String) -> Failure {
        Failure {
            problem: Box::new(Problem {
                kind: format!("urn:crosswatch:problem:{kind}"),
                title: title.to_owned(),
                status: status.as_u16(),
                detail,
                ..Problem::default()
            }),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn bad_parameter(parameter: &str, detail: String) -> Failure {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "bad-parameter",
            "A parameter cannot be used",
            detail,
        )
        .at(parameter)
    }

    pub(crate) fn bad_body(detail: String) -> Failure {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "bad-body",
            "The body cannot be used",
            detail,
        )
        .at("body")
    }

    pub(crate) fn too_large(limit: usize) -> Failure {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("more than {limit} bytes are not read"),
        )
        .at("body")
    }

    pub(crate) fn unsupported(detail: &str) -> Failure {
        Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-body",
            "The body is of another kind",
            detail.to_owned(),
        )
    }

    /// 503, to be tried again in a while.
    pub(crate) fn unavailable(detail: String) -> Failure {
        let mut failure = Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not now",
            detail,
        );
        failure.retry_after_seconds = Some(5);
        failure
    }

    pub(crate) fn not_found(detail: String) -> Failure {
        Failure::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    /// 409: it may be possible when things are otherwise.
    pub(crate) fn conflict(detail: String) -> Failure {
        Failure::new(
            StatusCode::CONFLICT,
            "conflict",
            "Not as things are",
            detail,
        )
    }

    pub(crate) fn method_not_allowed() -> Failure {
        Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This path does not take that method",
            "GET /api/v1/openapi.json says which methods each path takes".to_owned(),
        )
    }

    pub(crate) fn foreign_origin(detail: String) -> Failure {
        Failure::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            "The page that asks comes from elsewhere",
            detail,
        )
    }

    pub(crate) fn not_a_websocket(detail: String) -> Failure {
        Failure::new(
            StatusCode::UPGRADE_REQUIRED,
            "not-a-websocket",
            "This is a WebSocket",
            detail,
        )
        .hint("connect with a WebSocket client: ws://HOST:PORT/api/v1/live")
    }

    /// 429, to be tried again after a second.
    pub(crate) fn too_many(detail: &str) -> Failure {
        let mut failure = Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "Too many at once",
            detail.to_owned(),
        )
        .hint("try again in a moment");
        failure.retry_after_seconds = Some(1);
        failure
    }

    /// The monitor's fault. The cause belongs to the log, not to whoever asked.
    pub(crate) fn internal(detail: &str) -> Failure {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The monitor failed",
            detail.to_owned(),
        )
        .hint("the monitor's log says more")
    }

    pub(crate) fn at(mut self, parameter: &str) -> Failure {
        self.problem.parameter = Some(parameter.to_owned());
        self
    }

    pub(crate) fn hint(mut self, hint: &str) -> Failure {
        self.problem.hint = Some(hint.to_owned());
        self
    }

    /// A field was named by its own parameter: what is wrong with it is not wrong with the query.
    pub(crate) fn about_field(mut self, field: &str) -> Failure {
        if self.problem.kind == UNKNOWN_FIELD
            && self.problem.detail.ends_with(&format!("`{field}`"))
        {
            self.problem.parameter = Some("field".to_owned());
        }
        self
    }

    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::Full { .. } => Failure::too_many("the monitor is behind"),
            Refused::DiskFull { .. } | Refused::Stopping => {
                Failure::unavailable(refused.to_string())
            }
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Failure {
        match error {
            SearchError::Syntax { message, position } => {
                let mut failure = Failure::new(
                    StatusCode::BAD_REQUEST,
                    "bad-query",
                    "The query is not understood",
                    message,
                )
                .at("query")
                .hint("for example: service:cart AND severity:ERROR \"connection refused\"");
                failure.problem.position = u64::try_from(position).ok();
                failure
            }
            SearchError::UnknownField { field, known } => Failure::new(
                StatusCode::BAD_REQUEST,
                "unknown-field",
                "There is no such field",
                format!("cannot search by `{field}`"),
            )
            .at("query")
            .hint(&format!("fields are {known}")),
            SearchError::Index(cause) => {
                tracing::error!(error = &*cause, "the log index could not answer a search");
                Failure::internal("the log index could not answer")
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
