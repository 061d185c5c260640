//! What the API answers when it does not do what was asked: the kind `Status` of `v1`.

use std::fmt;

use serde_json::{Value, json};

/// One refusal. Codes, reasons and the wording follow `k8s.io/apimachinery/pkg/api/errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, …
    pub reason: &'static str,
    pub message: String,
    pub details: Value,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// Why an object is refused as [`Status::invalid`]: one field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `spec.replicas`, `spec.routes[2].name`.
    pub field: String,
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueDuplicate`,
    /// `FieldValueTypeInvalid`, `FieldValueTooLong`, `FieldValueForbidden`, …
    pub reason: &'static str,
    /// After the field's path: `Required value`, `Invalid value: -1: must be greater than 0`.
    pub message: String,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: String, details: Value) -> Status {
        Status {
            code,
            reason,
            message,
            details,
        }
    }

    /// `resource` is written `pods` or `deployments.apps`.
    pub fn not_found(resource: &str, name: &str) -> Status {
        let message = format!("{resource} \"{name}\" not found");
        Status::new(404, "NotFound", message, about(resource, name))
    }

    pub fn already_exists(resource: &str, name: &str) -> Status {
        let message = format!("{resource} \"{name}\" already exists");
        Status::new(409, "AlreadyExists", message, about(resource, name))
    }

    /// A parameter of the request is not as it may be: one of the kind `CreateOptions`,
    /// `PatchOptions`, … of `meta.k8s.io`.
    pub(crate) fn invalid_option(kind: &str, cause: Cause) -> Status {
        Status::invalid(&format!("{kind}.meta.k8s.io"), "", &[cause])
    }

    /// The object has changed since it was read.
    pub fn conflict(resource: &str, name: &str, why: &str) -> Status {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Status::new(409, "Conflict", message, about(resource, name))
    }

    /// `kind` is written `Pod` or `Deployment.apps`.
    pub fn invalid(kind: &str, name: &str, causes: &[Cause]) -> Status {
        let said: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let all = match said.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let (short, group) = kind.split_once('.').unwrap_or((kind, ""));
        let mut details = about_kind(name, group, short);
        details["causes"] = json!(
            causes
                .iter()
                .map(|cause| json!({
                    "field": cause.field, "reason": cause.reason, "message": cause.message,
                }))
                .collect::<Vec<_>>()
        );
        Status::new(
            422,
            "Invalid",
            format!("{kind} \"{name}\" is invalid: {all}"),
            details,
        )
    }

    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::new(400, "BadRequest", message.into(), Value::Null)
    }

    pub fn forbidden(message: impl Into<String>) -> Status {
        Status::new(403, "Forbidden", message.into(), Value::Null)
    }

    pub fn unauthorized() -> Status {
        Status::new(401, "Unauthorized", "Unauthorized".to_owned(), Value::Null)
    }

    pub fn method_not_allowed() -> Status {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Status::new(405, "MethodNotAllowed", message, Value::Null)
    }

    pub fn unsupported_media_type(message: impl Into<String>) -> Status {
        Status::new(415, "UnsupportedMediaType", message.into(), Value::Null)
    }

    /// What a watch or a continued list starts from is no longer known.
    pub fn expired(message: impl Into<String>) -> Status {
        Status::new(410, "Expired", message.into(), Value::Null)
    }

    pub fn too_many_requests(retry_after_seconds: u64) -> Status {
        let message = "too many requests, please try again later".to_owned();
        let details = json!({ "retryAfterSeconds": retry_after_seconds });
        Status::new(429, "TooManyRequests", message, details)
    }

    pub fn internal(message: impl Into<String>) -> Status {
        Status::new(500, "InternalError", message.into(), Value::Null)
    }

    /// As it goes over the wire.
    pub fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn about(resource: &str, name: &str) -> Value {
    let (kind, group) = resource.split_once('.').unwrap_or((resource, ""));
    about_kind(name, group, kind)
}

/// What an answer is about; what is empty is left out, as everywhere on the wire.
pub(crate) fn about_kind(name: &str, group: &str, kind: &str) -> Value {
    let mut details = json!({ "kind": kind });
    for (key, value) in [("name", name), ("group", group)] {
        if !value.is_empty() {
            details[key] = json!(value);
        }
    }
    details
}
