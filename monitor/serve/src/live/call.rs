//! A finished request in the wire's words.

use monitor_api::LiveCall;
use monitor_core::{Call, CallStatus, Outcome};

use crate::query::words::api_id;

/// `skipped` calls matched since the last one that was sent.
pub(super) fn live_call(call: &Call, skipped: u64) -> LiveCall {
    let key = &call.api;
    LiveCall {
        api_id: api_id(key),
        environment: key.environment.to_string(),
        namespace: key.service.namespace.to_string(),
        service: key.service.name.to_string(),
        method: key.method.to_string(),
        route: key.route.to_string(),
        source: call.source.as_str().to_owned(),
        end: call.end.to_string(),
        duration_seconds: call.duration.map(|duration| duration.as_secs_f64()),
        status: match call.status {
            CallStatus::Http(code) => Some(code.to_string()),
            CallStatus::Grpc(code) => Some(format!("grpc {code}")),
            CallStatus::Failed(_) | CallStatus::Unknown => None,
        },
        outcome: match call.status.outcome() {
            Outcome::Ok => "ok",
            Outcome::ClientError => "client-error",
            Outcome::Throttled => "throttled",
            Outcome::ServerError => "server-error",
        }
        .to_owned(),
        error_type: call.error_type.as_ref().map(ToString::to_string),
        trace_id: call.trace_id.map(|id| id.to_string()),
        skipped,
    }
}
