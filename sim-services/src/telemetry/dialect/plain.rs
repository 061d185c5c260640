//! Free text of a program from before there were conventions: no ids, no fields, times and outcomes
//! in words.
//!
//! `2026-03-01 10:00:00,123 BOOK POST /cgi-bin/book finished in 12 ms rc=0`. The return code is 0,
//! 4 when the request was at fault, 8 when the program was, as on a mainframe.

use super::stamp::Stamp;
use super::{error_text, grpc_code, put, quote};
use crate::clock::Moment;
use crate::telemetry::{Access, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, at: Moment, access: &Access) {
    begin(out, at);
    if access.grpc_status.is_some() {
        out.push_str("RPC ");
        quote::bare(out, &access.route);
    } else {
        transaction(out, &access.route);
        out.push(' ');
        quote::bare(out, &access.method);
        out.push(' ');
        quote::bare(out, &access.path);
    }
    let millis = access.duration.as_millis();
    let is_refused = access.status >= 400 || access.grpc_status.is_some_and(|code| code != 0);
    let code = match is_refused {
        _ if access.is_fault() => 8,
        true => 4,
        false => 0,
    };
    if code == 0 {
        put!(out, " finished in {millis} ms rc=0");
    } else {
        put!(out, " failed after {millis} ms rc={code}");
    }
    if let Some(status) = access.grpc_status.filter(|status| *status != 0) {
        put!(out, " {}", grpc_code(status));
    }
}

pub(super) fn message(out: &mut String, at: Moment, message: &Message) {
    begin(out, at);
    out.push_str(match message.level {
        Level::Debug => "debug: ",
        Level::Info => "",
        Level::Warn => "WARNING ",
        Level::Error => "ERROR ",
    });
    out.push_str(&message.text);
    for (place, (key, value)) in message.fields.iter().enumerate() {
        put!(
            out,
            "{} {key} {value}",
            if place == 0 { "," } else { " and" }
        );
    }
    if let Some((kind, text)) = &message.error {
        put!(out, " ({})", error_text(kind, text));
    }
}

/// `2026-03-01 10:00:00,123 `.
fn begin(out: &mut String, at: Moment) {
    let stamp = Stamp::of(at);
    stamp.date(out, '-');
    out.push(' ');
    stamp.clock(out);
    out.push(',');
    stamp.fraction(out, 3);
    out.push(' ');
}

/// The last word of the route: `BOOK`.
fn transaction(out: &mut String, route: &str) {
    let word = route
        .rsplit('/')
        .find(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    for c in word.unwrap_or("ROOT").chars() {
        out.push(c.to_ascii_uppercase());
    }
}
