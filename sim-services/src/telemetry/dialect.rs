//! How a log event is written down, as the real software of each [`Dialect`] writes it.
//!
//! Called by [`Voice`](super::voice::Voice) with the replica's own, possibly wrong, time. Whatever
//! a path or a user agent contains, a line about a request is one line; only stack traces have
//! more.

mod ecs;
mod envoy;
mod go;
mod java;
mod json;
mod klog;
mod logfmt;
mod nginx;
mod pino;
mod plain;
mod quote;
mod spring;
mod stamp;
mod syslog;
mod zap;

use std::borrow::Cow;

use super::{Access, Identity, Ids, LogEvent};
use crate::clock::Moment;
use crate::topology::Dialect;

/// Appends formatted text to a string, which cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        $crate::telemetry::dialect::append($out, format_args!($($text)*))
    };
}
use put;

/// `at` is when the replica's clock says it is: for a request, when it ended.
pub fn write(dialect: Dialect, who: &Identity, at: Moment, event: &LogEvent) -> String {
    let mut line = String::with_capacity(384);
    let out = &mut line;
    match (dialect, event) {
        (Dialect::Pino, LogEvent::Access(access)) => pino::access(out, who, at, access),
        (Dialect::Pino, LogEvent::Message(message)) => pino::message(out, who, at, message),
        (Dialect::Zap, LogEvent::Access(access)) => zap::access(out, at, access),
        (Dialect::Zap, LogEvent::Message(message)) => zap::message(out, who, at, message),
        (Dialect::Ecs, LogEvent::Access(access)) => ecs::access(out, who, at, access),
        (Dialect::Ecs, LogEvent::Message(message)) => ecs::message(out, who, at, message),
        (Dialect::Logfmt, LogEvent::Access(access)) => logfmt::access(out, at, access),
        (Dialect::Logfmt, LogEvent::Message(message)) => logfmt::message(out, at, message),
        (Dialect::Spring, LogEvent::Access(access)) => spring::access(out, who, at, access),
        (Dialect::Spring, LogEvent::Message(message)) => spring::message(out, who, at, message),
        (Dialect::Nginx, LogEvent::Access(access)) => nginx::access(out, at, access),
        (Dialect::Nginx, LogEvent::Message(message)) => nginx::message(out, who, at, message),
        (Dialect::Envoy, LogEvent::Access(access)) => envoy::access(out, who, at, access),
        (Dialect::Envoy, LogEvent::Message(message)) => envoy::message(out, who, at, message),
        (Dialect::Klog, LogEvent::Access(access)) => klog::access(out, at, access),
        (Dialect::Klog, LogEvent::Message(message)) => klog::message(out, at, message),
        (Dialect::Syslog, LogEvent::Access(access)) => syslog::access(out, who, at, access),
        (Dialect::Syslog, LogEvent::Message(message)) => syslog::message(out, who, at, message),
        (Dialect::Plain, LogEvent::Access(access)) => plain::access(out, at, access),
        (Dialect::Plain, LogEvent::Message(message)) => plain::message(out, at, message),
    }
    line
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(out, text).expect("a string takes everything");
}

/// A number that looks arbitrary and is the same for the same text: process ids, thread numbers,
/// line numbers. FNV-1a, 64 bits, with its high bits mixed down.
pub(super) fn mark(text: &str, salt: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 29)
}

/// From 1 to `most`: the worker thread of a request, or of whoever speaks at that time.
fn worker(ids: &Ids, at: Moment, most: u64) -> u64 {
    let arbitrary = match ids.span {
        Some(span) => u64::from_be_bytes(span),
        None => u64::try_from(at.0).unwrap_or(0) / 1_000,
    };
    1 + (arbitrary ^ (arbitrary >> 17)) % most
}

fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    hex(&mut text, bytes);
    text
}

/// As gRPC's libraries spell it.
fn grpc_code(code: u8) -> &'static str {
    const CODES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    CODES.get(usize::from(code)).unwrap_or(&"Unknown")
}

/// `DEADLINE_EXCEEDED`: the same as other languages' libraries spell it.
fn grpc_code_upper(code: u8) -> String {
    let mut text = String::new();
    for (place, c) in grpc_code(code).chars().enumerate() {
        if place > 0 && c.is_ascii_uppercase() && code != 0 {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    // The one word whose spelling differs.
    text.replace("CANCELED", "CANCELLED")
}

/// `shop.catalog.Catalog` and `GetProduct`.
fn rpc(access: &Access) -> (&str, &str) {
    access.route.rsplit_once('/').unwrap_or(("", &access.route))
}

/// An address and its port, when it has one.
fn address(peer: &str) -> (&str, Option<&str>) {
    match peer.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (host.trim_matches(['[', ']']), Some(port))
        }
        _ => (peer, None),
    }
}

/// Milliseconds, to the microsecond.
fn millis(length: std::time::Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e3
}

/// What was thrown, for languages whose errors are texts: its kind in front, unless the text has it.
fn error_text<'a>(kind: &str, text: &'a str) -> Cow<'a, str> {
    if text.contains(kind) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{kind}: {text}"))
    }
}

/// `"LegacyCore"` for `legacy-core`.
fn camel(name: &str) -> String {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|word| {
            let mut chars = word.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(chars)
        })
        .collect()
}
