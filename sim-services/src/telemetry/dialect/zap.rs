//! JSON of Go's zap with its production encoder; gRPC calls as go-grpc-middleware logs them.

use super::json::Object;
use super::{address, error_text, go, grpc_code, millis, rpc};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Ids, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, at: Moment, access: &Access) {
    if let Some(code) = access.grpc_status {
        let (service, method) = rpc(access);
        let mut line = begin(
            out,
            at,
            access.level(),
            "grpc",
            "logging/interceptor.go:217",
        );
        line.text("msg", "finished unary call");
        line.text("system", "grpc");
        line.text("span.kind", "server");
        line.text("grpc.service", service);
        line.text("grpc.method", method);
        line.text("grpc.code", grpc_code(code));
        line.number("grpc.time_ms", millis(access.duration));
        line.text("peer.address", &access.peer);
        finish(line, access);
        return;
    }
    let mut line = begin(out, at, access.level(), "http", "middleware/logging.go:64");
    line.text("msg", "request");
    line.text("method", &access.method);
    line.text("path", &access.path);
    line.number("status", access.status);
    line.number("duration", access.duration.as_secs_f64());
    line.number("bytes", access.response_bytes);
    line.text("remote_ip", address(&access.peer).0);
    line.text("user_agent", &access.user_agent);
    finish(line, access);
}

fn finish(mut line: Object<'_>, access: &Access) {
    line.maybe("client_id", access.client.as_deref());
    line.maybe("tenant", access.tenant.as_deref());
    ids(&mut line, &access.ids);
    line.end();
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    let logger = go::snake(message.logger);
    let caller = go::caller(&logger, message.logger, &message.text);
    let mut line = begin(out, at, message.level, &logger, &caller);
    line.text("msg", &message.text);
    for (key, value) in &message.fields {
        line.text(key, value);
    }
    ids(&mut line, &message.ids);
    if let Some((kind, text)) = &message.error {
        let kind: &str = kind;
        line.text("error", &error_text(kind, text));
        let mut stack = String::with_capacity(512);
        go::stack(&mut stack, who, message.logger, kind);
        line.text("stacktrace", &stack);
    }
    line.end();
}

fn begin<'a>(
    out: &'a mut String,
    at: Moment,
    level: Level,
    logger: &str,
    caller: &str,
) -> Object<'a> {
    let mut line = Object::begin(out);
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    line.text("level", level);
    // As zap's own encoder: nanoseconds since the epoch, divided as floating point.
    #[expect(clippy::cast_precision_loss, reason = "zap loses the same")]
    let seconds = at.0 as f64 / 1e9;
    line.number("ts", seconds);
    if !logger.is_empty() {
        line.text("logger", logger);
    }
    line.text("caller", caller);
    line
}

fn ids(line: &mut Object<'_>, ids: &Ids) {
    line.maybe("request_id", ids.request.as_deref());
    if let Some(trace) = ids.trace {
        line.hex("trace_id", &trace);
    }
    if let Some(span) = ids.span {
        line.hex("span_id", &span);
    }
}
