//! nginx as a proxy: the combined format with times and an id at the end, and its error log.
//!
//! The format would be configured as `… "$http_user_agent" rt=$request_time
//! urt="$upstream_response_time" rid=$request_id`, after F5's "Using NGINX Logging for Application
//! Performance Monitoring". Who called is `$remote_user`.

use std::time::Duration;

use super::stamp::Stamp;
use super::{address, error_text, mark, put, quote};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, at: Moment, access: &Access) {
    quote::nginx(out, address(&access.peer).0);
    out.push_str(" - ");
    // nginx writes it as it came; a space in it would shift the columns.
    let user = access.client.as_deref().filter(|user| !user.is_empty());
    quote::nginx(out, &user.unwrap_or("-").replace(' ', "_"));
    let stamp = Stamp::of(at);
    out.push_str(" [");
    stamp.day_of_month_name(out);
    out.push(':');
    stamp.clock(out);
    out.push_str(" +0000] \"");
    quote::nginx(out, &access.method);
    out.push(' ');
    quote::nginx(out, &access.path);
    let version = if access.grpc_status.is_some() {
        "2.0"
    } else {
        "1.1"
    };
    let (status, bytes) = (access.status, access.response_bytes);
    put!(out, " HTTP/{version}\" {status} {bytes} \"-\" \"");
    quote::nginx(out, dash(&access.user_agent));
    out.push_str("\" rt=");
    seconds(out, access.duration);
    out.push_str(" urt=\"");
    match &access.upstream {
        Some((_, took)) => seconds(out, *took),
        None => out.push('-'),
    }
    out.push_str("\" rid=");
    quote::nginx(out, access.ids.request.as_deref().unwrap_or("-"));
    if let Some(code) = access.grpc_status {
        put!(out, " grpc_status={code}");
    }
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    let stamp = Stamp::of(at);
    stamp.date(out, '/');
    out.push(' ');
    stamp.clock(out);
    let level = match message.level {
        Level::Debug => "debug",
        Level::Info => "notice",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let worker = 20 + mark(&who.instance, 0) % 20;
    put!(out, " [{level}] {worker}#{worker}: ");
    if let Some(request) = &message.ids.request {
        // The connection's number.
        put!(out, "*{} ", mark(request, 0) % 1_000_000);
    }
    quote::nginx(out, &message.text);
    if let Some((kind, text)) = &message.error {
        out.push_str(" (");
        quote::nginx(out, &error_text(kind, text));
        out.push(')');
    }
    for (key, value) in &message.fields {
        put!(out, ", {key}: \"");
        quote::nginx(out, value);
        out.push('"');
    }
    if let Some(request) = &message.ids.request {
        out.push_str(", request_id: \"");
        quote::nginx(out, request);
        out.push('"');
    }
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn seconds(out: &mut String, length: Duration) {
    put!(out, "{}.{:03}", length.as_secs(), length.subsec_millis());
}
