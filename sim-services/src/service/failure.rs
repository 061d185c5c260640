//! What went wrong with a request: how it is answered, and how it is logged.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::family::{Family, Thrown, grpc_name, reason};
use crate::net::{CallError, Reply};
use crate::topology::Level;

/// Built only when something fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// HTTP's.
    pub(super) status: u16,
    /// gRPC's.
    pub(super) code: u8,
    pub(super) level: Level,
    pub(super) logger: &'static str,
    pub(super) text: String,
    pub(super) thrown: Option<Thrown>,
    pub(super) fields: Vec<(&'static str, String)>,
}

pub(super) const DEADLINE_EXCEEDED: u8 = 4;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const INTERNAL: u8 = 13;
pub(super) const UNAVAILABLE: u8 = 14;

impl Failure {
    pub(super) fn no_route(path: &str) -> Failure {
        Failure {
            status: 404,
            code: UNIMPLEMENTED,
            level: Level::Debug,
            logger: "Router",
            text: format!("no route for {path}"),
            thrown: None,
            fields: Vec::new(),
        }
    }

    pub(super) fn over_quota(client: &str) -> Failure {
        Failure {
            status: 429,
            code: code_of(429),
            level: Level::Warn,
            logger: "RateLimiter",
            text: format!("quota of client {client} exceeded"),
            thrown: None,
            fields: vec![("client", client.to_owned())],
        }
    }

    pub(super) fn overloaded(waiting: u32) -> Failure {
        Failure {
            status: 503,
            code: UNAVAILABLE,
            level: Level::Error,
            logger: "WorkerPool",
            text: format!("request refused, {waiting} are waiting for a worker"),
            thrown: None,
            fields: vec![("waiting", waiting.to_string())],
        }
    }

    /// As a fault wants it.
    pub(super) fn wanted(family: Family, status: u16, error: &str) -> Failure {
        let level = if status >= 500 {
            Level::Error
        } else {
            Level::Warn
        };
        let (_, what) = family.bug();
        let message = match status {
            401 => "credentials were not accepted".to_owned(),
            403 => "access is denied".to_owned(),
            429 => "too many requests".to_owned(),
            500 => what,
            _ => reason(status).to_owned(),
        };
        Failure {
            status,
            code: code_of(status),
            level,
            logger: "RequestHandler",
            text: format!("request failed with {status} {}", reason(status)),
            thrown: Some((name(error), message)),
            fields: vec![("status", status.to_string())],
        }
    }

    /// A mistake as there are a few on every good day.
    pub(super) fn bug(family: Family) -> Failure {
        Failure {
            status: 500,
            code: INTERNAL,
            level: Level::Error,
            logger: "RequestHandler",
            text: "unhandled error".to_owned(),
            thrown: Some(family.bug()),
            fields: Vec::new(),
        }
    }

    pub(super) fn pool(family: Family, store: &str, patience: Duration) -> Failure {
        Failure {
            status: 500,
            code: INTERNAL,
            level: Level::Error,
            logger: "ConnectionPool",
            text: format!("timed out waiting for a connection from pool {store}"),
            thrown: Some(family.pool_timeout(store, patience.as_millis())),
            fields: vec![("pool", store.to_owned())],
        }
    }

    pub(super) fn breaker_open(family: Family, callee: &str) -> Failure {
        Failure {
            status: 503,
            code: UNAVAILABLE,
            level: Level::Error,
            logger: "CircuitBreaker",
            text: format!("call to {callee} not permitted, circuit breaker is open"),
            thrown: Some(family.breaker_open(callee)),
            fields: vec![("peer", callee.to_owned())],
        }
    }

    /// A call that got no answer.
    pub(super) fn call(family: Family, callee: &str, error: &CallError) -> Failure {
        let (status, code) = match error {
            CallError::Timeout(_) => (504, DEADLINE_EXCEEDED),
            CallError::PoolExhausted(_) => (503, UNAVAILABLE),
            CallError::Resolve(_)
            | CallError::Refused(_)
            | CallError::Tls(_)
            | CallError::Broken(_) => (502, UNAVAILABLE),
        };
        Failure {
            status,
            code,
            level: Level::Error,
            logger: "HttpClient",
            text: format!("call to {callee} failed"),
            thrown: Some(family.call_error(callee, error)),
            fields: vec![("peer", callee.to_owned())],
        }
    }

    /// A call whose answer says no. The edge passes the answer on, as a proxy does; others do not
    /// know what to do with it.
    pub(super) fn answer(family: Family, entry: bool, callee: &str, reply: &Reply) -> Failure {
        let given = match reply.grpc_status {
            Some(code) => status_of(code),
            None => reply.status,
        };
        let code = match reply.grpc_status.unwrap_or_else(|| code_of(reply.status)) {
            code @ (DEADLINE_EXCEEDED | UNAVAILABLE) => code,
            _ => INTERNAL,
        };
        let shown = match reply.grpc_status {
            Some(code) => grpc_name(code).to_owned(),
            None => given.to_string(),
        };
        Failure {
            status: if entry { given } else { 502 },
            code,
            level: if entry && given < 500 {
                Level::Warn
            } else {
                Level::Error
            },
            logger: "HttpClient",
            text: format!("{callee} answered {shown}"),
            thrown: Some(family.bad_answer(callee, reply.status, reply.grpc_status)),
            fields: vec![("peer", callee.to_owned()), ("peer_status", shown)],
        }
    }

    /// `error.type` of a server's span.
    pub(super) fn kind(&self) -> String {
        match &self.thrown {
            Some((kind, _)) => (*kind).to_owned(),
            None => self.status.to_string(),
        }
    }
}

/// gRPC's code for HTTP's status, as the faults are meant; 500 is INTERNAL here.
pub(super) fn code_of(status: u16) -> u8 {
    match status {
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 10,
        429 => 8,
        501 => UNIMPLEMENTED,
        502 | 503 => UNAVAILABLE,
        504 => DEADLINE_EXCEEDED,
        500.. => INTERNAL,
        _ => 2,
    }
}

/// HTTP's status for gRPC's code, as gateways translate it (google.rpc.Code).
pub(super) fn status_of(code: u8) -> u16 {
    match code {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        DEADLINE_EXCEEDED => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        16 => 401,
        8 => 429,
        UNIMPLEMENTED => 501,
        UNAVAILABLE => 503,
        _ => 500,
    }
}

/// Whether the server is to blame: its answers with 5xx, or the codes that OpenTelemetry counts
/// as errors of a server.
pub(super) fn is_fault(status: u16, grpc: Option<u8>) -> bool {
    match grpc {
        Some(code) => matches!(code, 2 | 4 | 12..=15),
        None => status >= 500,
    }
}

/// An error's name from a fault's file as one that a program has: kept for good, once for each
/// name, of which there are as many as faults are written.
fn name(error: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(error) {
        return known;
    }
    let kept: &'static str = Box::leak(error.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_edge_passes_answers_on() {
        let reply = |status, grpc_status| Reply {
            status,
            grpc_status,
            body: bytes::Bytes::new(),
        };
        let status = |entry, reply| Failure::answer(Family::Proxy, entry, "cart", &reply).status;
        assert_eq!(status(true, reply(429, None)), 429);
        assert_eq!(status(true, reply(200, Some(16))), 401);
        assert_eq!(status(true, reply(503, None)), 503);
        assert_eq!(status(false, reply(403, None)), 502);
        let inner = Failure::answer(Family::Go, false, "cart", &reply(504, None));
        assert_eq!(inner.code, DEADLINE_EXCEEDED);
    }

    #[test]
    fn codes_go_there_and_back() {
        for status in [400, 401, 403, 404, 409, 429, 500, 501, 503, 504] {
            assert_eq!(status_of(code_of(status)), status);
        }
    }

    #[test]
    fn a_faults_error_is_named_once() {
        let name = || name("java.lang.OutOfMemoryError");
        assert!(std::ptr::eq(name(), name()));
    }
}
