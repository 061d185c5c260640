//! The values of fields, each in the spellings that occur.

use std::sync::LazyLock;

use monitor_core::{CallStatus, Name};

use super::Scalar;
use crate::formats::scan::{digits, is_digits};

pub(super) fn identifier(value: Scalar<'_>) -> Option<Name> {
    match value {
        Scalar::Str(text) if text.len() <= 256 => value.as_str().map(Name::from),
        Scalar::Int(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// A service's name; out of Envoy's `outbound|8080||orders.shop.svc.cluster.local` its first label.
pub(super) fn service_name(value: Scalar<'_>) -> Option<Name> {
    let text = value.as_str()?;
    if let Some((direction, host)) = text.split_once('|') {
        if direction.starts_with("inbound") {
            return None;
        }
        let host = host.rsplit('|').next()?;
        return host
            .split('.')
            .next()
            .filter(|name| !name.is_empty())
            .map(Name::from);
    }
    if text.ends_with(".svc.cluster.local") {
        return text.split('.').next().map(Name::from);
    }
    Some(text.into())
}

/// The address without its port; of a forwarding list the first, which is the client.
pub(in crate::formats) fn client_address(text: &str) -> Option<Name> {
    let text = text.split(',').next()?.trim();
    let bare = match text.rsplit_once(':') {
        // One colon only: an IPv4 address or a name with a port. IPv6 needs brackets for a port.
        Some((host, port)) if is_digits(port) && !host.contains(':') => host,
        Some((host, port)) if is_digits(port) && host.ends_with(']') => {
            host.trim_start_matches('[').trim_end_matches(']')
        }
        _ => text,
    };
    (!bare.is_empty() && bare != "-").then(|| Name::from(bare))
}

/// The path of a path, of a URL, or of a path with a query; `None` when it is none of them.
pub(in crate::formats) fn path_of(target: &str) -> Option<&str> {
    let path = match target.find("://") {
        Some(scheme) if scheme <= 8 => {
            let rest = &target[scheme + 3..];
            match rest.find(['/', '?', '#']) {
                Some(slash) => &rest[slash..],
                None => "/",
            }
        }
        _ => target,
    };
    let path = path.split(['?', '#']).next()?;
    if path.is_empty() {
        return Some("/");
    }
    (path.starts_with('/') || path == "*").then_some(path)
}

/// `shop.Cart/Add` out of `/shop.Cart/Add`.
pub(super) fn rpc_path(path: &str) -> Option<&str> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let rpc = !service.is_empty()
        && !method.is_empty()
        && !method.contains('/')
        && method
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && (service.contains('.') || method.as_bytes()[0].is_ascii_uppercase());
    rpc.then(|| &path[1..])
}

const METHODS: [&str; 9] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE",
];

static METHOD_NAMES: LazyLock<[Name; 9]> = LazyLock::new(|| METHODS.map(Name::from));
pub(super) static RPC: LazyLock<Name> = LazyLock::new(|| Name::from("RPC"));

/// The shared name of an HTTP method, whatever its case.
#[inline]
pub(in crate::formats) fn http_method(text: &str) -> Option<Name> {
    let index = METHODS
        .iter()
        .position(|method| text.eq_ignore_ascii_case(method))?;
    METHOD_NAMES.get(index).cloned()
}

/// `200`, `"200"`, `"200 OK"`.
pub(in crate::formats) fn http_status(value: Scalar<'_>) -> Option<CallStatus> {
    let number = match value {
        Scalar::Str(text) => {
            let (number, count) = digits(text.as_bytes(), 0, 4);
            if count != 3 || text.as_bytes().get(3).is_some_and(|byte| *byte != b' ') {
                return None;
            }
            i64::try_from(number).ok()?
        }
        _ => value.as_int()?,
    };
    (100..=599)
        .contains(&number)
        .then_some(())
        .and_then(|()| u16::try_from(number).ok())
        .map(CallStatus::Http)
}

const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) fn grpc_status(value: Scalar<'_>) -> Option<CallStatus> {
    if let Some(code) = value.as_int() {
        return u8::try_from(code)
            .ok()
            .filter(|code| *code <= 16)
            .map(CallStatus::Grpc);
    }
    grpc_code(value.as_str()?)
}

/// A name in capitals that can only be gRPC's. `OK` and `UNKNOWN` are too common to be one.
pub(super) fn grpc_name(text: &str) -> Option<CallStatus> {
    match grpc_code(text)? {
        CallStatus::Grpc(0 | 2) => None,
        status
            if text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_') =>
        {
            Some(status)
        }
        _ => None,
    }
}

/// A gRPC status by its name: `DEADLINE_EXCEEDED`, `DeadlineExceeded`, Go's `Canceled`.
pub(in crate::formats) fn grpc_code(text: &str) -> Option<CallStatus> {
    let same = |name: &str| {
        let mut left = name.bytes().filter(|byte| *byte != b'_');
        let mut right = text.bytes().filter(|byte| *byte != b'_');
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(&b) => {}
                _ => return false,
            }
        }
    };
    if text.eq_ignore_ascii_case("canceled") {
        return Some(CallStatus::Grpc(1));
    }
    let index = GRPC.iter().position(|name| same(name))?;
    u8::try_from(index).ok().map(CallStatus::Grpc)
}
