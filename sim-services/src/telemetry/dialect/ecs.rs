//! JSON in Elastic's common schema, as its encoder for logback writes it.

use super::java::Thrown;
use super::json::Object;
use super::stamp::Stamp;
use super::{address, camel, grpc_code_upper, java, rpc, worker};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Ids, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, who: &Identity, at: Moment, access: &Access) {
    let text = match access.grpc_status {
        Some(code) => format!("{} {}", access.route, grpc_code_upper(code)),
        None => format!("{} {} {}", access.method, access.path, access.status),
    };
    let logger = format!(
        "{}.web.{}Controller",
        java::package(who),
        camel(&who.service)
    );
    let mut line = begin(out, who, at, (access.level(), &logger, &text), &access.ids);
    if let Some(code) = access.grpc_status {
        let (service, method) = rpc(access);
        line.text("rpc.system", "grpc");
        line.text("rpc.service", service);
        line.text("rpc.method", method);
        line.text("grpc.code", &grpc_code_upper(code));
    } else {
        line.text("http.request.method", &access.method);
        let (path, query) = match access.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (access.path.as_str(), None),
        };
        line.text("url.path", path);
        line.maybe("url.query", query);
        line.number("http.response.status_code", access.status);
        line.number("http.request.body.bytes", access.request_bytes);
        line.number("http.response.body.bytes", access.response_bytes);
    }
    line.number("event.duration", access.duration.as_nanos());
    let outcome = if access.is_fault() {
        "failure"
    } else {
        "success"
    };
    line.text("event.outcome", outcome);
    line.text("client.address", address(&access.peer).0);
    line.maybe("client.user.id", access.client.as_deref());
    line.maybe("organization.id", access.tenant.as_deref());
    line.text("user_agent.original", &access.user_agent);
    line.end();
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    let logger = format!("{}.{}", java::package(who), message.logger);
    let what = (message.level, logger.as_str(), message.text.as_str());
    let mut line = begin(out, who, at, what, &message.ids);
    for (key, value) in &message.fields {
        line.text(key, value);
    }
    if let Some((kind, text)) = &message.error {
        let thrown = Thrown::new(who, kind, text);
        line.text("error.type", &thrown.kind);
        line.text("error.message", &thrown.text);
        let mut stack = String::with_capacity(2_048);
        thrown.trace(&mut stack, who, message.logger);
        stack.push('\n');
        line.text("error.stack_trace", &stack);
    }
    line.end();
}

fn begin<'a>(
    out: &'a mut String,
    who: &Identity,
    at: Moment,
    (level, logger, text): (Level, &str, &str),
    ids: &Ids,
) -> Object<'a> {
    let mut line = Object::begin(out);
    let stamp = line.key("@timestamp");
    stamp.push('"');
    Stamp::of(at).rfc3339(stamp, 3);
    stamp.push('"');
    // The encoder pads, so that messages line up.
    line.key("log.level").push_str(match level {
        Level::Debug => r#""DEBUG""#,
        Level::Info => r#" "INFO""#,
        Level::Warn => r#" "WARN""#,
        Level::Error => r#""ERROR""#,
    });
    line.text("message", text);
    line.text("ecs.version", "1.2.0");
    line.text("service.name", &who.service);
    line.text("service.version", &who.version);
    line.text("service.environment", "production");
    line.text("service.node.name", &who.instance);
    line.text("event.dataset", &who.service);
    let thread = format!("http-nio-8080-exec-{}", worker(ids, at, 40));
    line.text("process.thread.name", &thread);
    line.text("log.logger", logger);
    if let Some(trace) = ids.trace {
        line.hex("trace.id", &trace);
    }
    if let Some(span) = ids.span {
        line.hex("span.id", &span);
    }
    line.maybe("http.request.id", ids.request.as_deref());
    line
}
