//! How programs in Go say things.

use std::time::Duration;

use super::{Identity, camel, grpc_code, mark, millis, put, rpc};
use crate::telemetry::Access;

/// As `time.Duration` prints itself: `850.2µs`, `12.345ms`, `1m2.5s`.
pub(super) fn duration(out: &mut String, length: Duration) {
    let nanos = length.as_nanos();
    match nanos {
        0 => out.push_str("0s"),
        1..1_000 => put!(out, "{nanos}ns"),
        1_000..1_000_000 => decimal(out, nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(out, nanos, 1_000_000, "ms"),
        _ => {
            let (minutes, seconds) = (length.as_secs() / 60, nanos % 60_000_000_000);
            if minutes >= 60 {
                put!(out, "{}h", minutes / 60);
            }
            if minutes > 0 {
                put!(out, "{}m", minutes % 60);
            }
            decimal(out, seconds, 1_000_000_000, "s");
        }
    }
}

fn decimal(out: &mut String, value: u128, unit: u128, name: &str) {
    put!(out, "{}", value / unit);
    let rest = value % unit;
    if rest > 0 {
        let width = unit.ilog10() as usize;
        put!(out, ".{rest:0width$}");
        out.truncate(out.trim_end_matches('0').len());
    }
    out.push_str(name);
}

/// `cart/service.go:217`, the same for texts that begin alike: numbers and names come later.
pub(super) fn caller(folder: &str, logger: &str, text: &str) -> String {
    let line = source_line(text, 400);
    let file = snake(logger);
    if folder.is_empty() {
        format!("{file}.go:{line}")
    } else {
        format!("{folder}/{file}.go:{line}")
    }
}

/// Where in its file a text is printed, from 20 on.
pub(super) fn source_line(text: &str, most: u64) -> u64 {
    let varies = |c: char| !c.is_ascii_alphabetic() && c != ' ';
    let start = text.split(varies).next().unwrap_or_default();
    20 + mark(start, 7) % most
}

/// The fields of go-grpc-middleware's second version about a call that ended, in its order.
pub(super) fn grpc_call(access: &Access, code: u8, mut say: impl FnMut(&str, &str)) {
    let (service, method) = rpc(access);
    say("protocol", "grpc");
    say("grpc.component", "server");
    say("grpc.service", service);
    say("grpc.method", method);
    say("grpc.method_type", "unary");
    say("peer.address", &access.peer);
    say("grpc.code", grpc_code(code));
    say("grpc.time_ms", &millis(access.duration).to_string());
}

/// Frames as zap's `stacktrace` and pkg/errors' `%+v` print them.
pub(super) fn stack(out: &mut String, who: &Identity, logger: &str, kind: &str) {
    let service = &who.service;
    let module = format!("github.com/acme/{service}");
    let folder = snake(logger);
    let line = |salt| 20 + mark(kind, salt) % 300;
    put!(
        out,
        "{module}/internal/{folder}.(*{}).Handle\n\t/src/internal/{folder}/{folder}.go:{}\n",
        camel(logger),
        line(1)
    );
    put!(
        out,
        "{module}/internal/server.(*Server).dispatch\n\t/src/internal/server/server.go:{}\n",
        line(2)
    );
    out.push_str(
        "net/http.HandlerFunc.ServeHTTP\n\t/usr/local/go/src/net/http/server.go:2294\n\
         net/http.(*conn).serve\n\t/usr/local/go/src/net/http/server.go:2102",
    );
}

/// `order_service` for `OrderService`.
pub(super) fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (place, c) in name.chars().filter(char::is_ascii_alphanumeric).enumerate() {
        if c.is_ascii_uppercase() && place > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
