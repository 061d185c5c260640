//! JSON of Node's pino under Fastify, with the ids that OpenTelemetry's instrumentation adds.

use super::json::Object;
use super::{address, grpc_code_upper, millis, put, rpc};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Ids, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, who: &Identity, at: Moment, access: &Access) {
    let mut line = begin(out, who, at, access.level(), &access.ids);
    line.maybe("clientId", access.client.as_deref());
    line.maybe("tenant", access.tenant.as_deref());
    let is_rpc = access.grpc_status.is_some();
    if let Some(code) = access.grpc_status {
        let (service, method) = rpc(access);
        line.object("rpc", |rpc| {
            rpc.text("service", service);
            rpc.text("method", method);
        });
        line.object("grpc", |grpc| grpc.text("code", &grpc_code_upper(code)));
    } else {
        let (host, port) = address(&access.peer);
        line.object("req", |req| {
            req.text("method", &access.method);
            req.text("url", &access.path);
            req.text("host", &who.service);
            req.text("remoteAddress", host);
            if let Some(port) = port {
                req.number("remotePort", port);
            }
        });
        line.object("res", |res| res.number("statusCode", access.status));
    }
    line.number("responseTime", millis(access.duration));
    line.text(
        "msg",
        if is_rpc {
            "rpc completed"
        } else {
            "request completed"
        },
    );
    line.end();
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    let mut line = begin(out, who, at, message.level, &message.ids);
    if !message.logger.is_empty() {
        line.text("name", message.logger);
    }
    for (key, value) in &message.fields {
        line.text(key, value);
    }
    if let Some((kind, text)) = &message.error {
        let kind: &str = kind;
        line.object("err", |err| {
            err.text("type", kind);
            err.text("message", text);
            err.text("stack", &stack(message.logger, kind, text));
        });
    }
    line.text("msg", &message.text);
    line.end();
}

fn begin<'a>(
    out: &'a mut String,
    who: &Identity,
    at: Moment,
    level: Level,
    ids: &Ids,
) -> Object<'a> {
    let mut line = Object::begin(out);
    let number = match level {
        Level::Debug => 20,
        Level::Info => 30,
        Level::Warn => 40,
        Level::Error => 50,
    };
    line.number("level", number);
    line.number("time", at.0.div_euclid(1_000_000));
    line.number("pid", 1);
    line.text("hostname", &who.instance);
    line.maybe("reqId", ids.request.as_deref());
    if let Some(trace) = ids.trace {
        line.hex("trace_id", &trace);
        if let Some(span) = ids.span {
            line.hex("span_id", &span);
        }
        line.text("trace_flags", "01");
    }
    line
}

fn stack(logger: &str, kind: &str, text: &str) -> String {
    let mut stack = format!("{kind}: {text}");
    let file = super::go::snake(logger).replace('_', "-");
    let place = 20 + super::mark(kind, 1) % 300;
    put!(
        &mut stack,
        "\n    at {logger}.handle (/app/dist/{file}.js:{place}:15)"
    );
    stack.push_str(
        "\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)\
         \n    at async Object.<anonymous> (/app/dist/routes.js:61:20)",
    );
    stack
}
