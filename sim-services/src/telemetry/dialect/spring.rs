//! Text of Spring Boot's default pattern for logback, with stack traces over many lines.

use super::java::Thrown;
use super::stamp::Stamp;
use super::{camel, grpc_code_upper, hex, java, put, quote, worker};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Ids, Message};
use crate::topology::{EnvironmentKind, Level};

pub(super) fn access(out: &mut String, who: &Identity, at: Moment, access: &Access) {
    let class = match access.grpc_status {
        Some(_) => "grpc.LoggingInterceptor".to_owned(),
        None => format!("web.{}Controller", camel(&who.service)),
    };
    begin(out, who, at, (access.level(), &class), &access.ids);
    match access.grpc_status {
        Some(code) => {
            out.push_str("rpc ");
            quote::bare(out, &access.route);
            put!(out, " grpc.code={}", grpc_code_upper(code));
        }
        None => {
            quote::bare(out, &access.method);
            out.push(' ');
            quote::bare(out, &access.path);
            put!(out, " {}", access.status);
        }
    }
    put!(out, " in {} ms", access.duration.as_millis());
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    begin(out, who, at, (message.level, message.logger), &message.ids);
    out.push_str(&message.text);
    for (place, (key, value)) in message.fields.iter().enumerate() {
        put!(out, "{}{key}={value}", if place == 0 { " [" } else { ", " });
    }
    if !message.fields.is_empty() {
        out.push(']');
    }
    if let Some((kind, text)) = &message.error {
        out.push_str("\n\n");
        Thrown::new(who, kind, text).trace(out, who, message.logger);
    }
}

/// `2026-03-01T10:00:00.123Z  INFO 1 --- [orders] [nio-8080-exec-7] [trace-span] c.a.Logger : `.
fn begin(out: &mut String, who: &Identity, at: Moment, (level, class): (Level, &str), ids: &Ids) {
    Stamp::of(at).rfc3339(out, 3);
    let level = match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    let thread = format!("http-nio-8080-exec-{}", worker(ids, at, 40));
    let thread = &thread[thread.len().saturating_sub(15)..];
    put!(
        out,
        " {level:>5} {} --- [{}] [{thread}] [",
        pid(who),
        who.service
    );
    match (ids.trace, ids.span) {
        (Some(trace), Some(span)) => {
            hex(out, &trace);
            out.push('-');
            hex(out, &span);
        }
        // As wide as the ids would be.
        _ => put!(out, "{:49}", ""),
    }
    let class = format!("{}.{class}", java::package(who));
    let class = java::abbreviated(&class, 39);
    put!(out, "] {class:<40} : ");
}

/// In a container it is the first process.
fn pid(who: &Identity) -> u64 {
    match who.kind {
        EnvironmentKind::OnPrem => 1_000 + super::mark(&who.instance, 0) % 30_000,
        EnvironmentKind::Cloud | EnvironmentKind::Edge => 1,
    }
}
