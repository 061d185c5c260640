//! What a program is written in, as far as its words for trouble tell.

use crate::net::CallError;
use crate::topology::{Dialect, Protocol};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Java,
    Node,
    Go,
    Proxy,
    /// C, and what is older.
    C,
}

/// The type of what was thrown and its message.
pub(super) type Thrown = (&'static str, String);

impl Family {
    pub(super) fn of(dialect: Dialect) -> Family {
        match dialect {
            Dialect::Spring | Dialect::Ecs => Family::Java,
            Dialect::Pino => Family::Node,
            Dialect::Zap | Dialect::Logfmt | Dialect::Klog => Family::Go,
            Dialect::Nginx | Dialect::Envoy => Family::Proxy,
            Dialect::Syslog | Dialect::Plain => Family::C,
        }
    }

    pub(super) fn user_agent(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Family::Java, Protocol::Grpc) => "grpc-java-netty/1.66.0",
            (Family::Java, _) => "Apache-HttpClient/5.3.1 (Java/21.0.4)",
            (Family::Node, _) => "undici",
            (Family::Go, Protocol::Grpc) => "grpc-go/1.65.0",
            (Family::Go, _) => "Go-http-client/2.0",
            (Family::Proxy, _) => "nginx/1.27.3",
            (Family::C, _) => "libcurl/7.88.1",
        }
    }

    /// A call without an answer.
    pub(super) fn call_error(self, callee: &str, error: &CallError) -> Thrown {
        match self {
            Family::Java => java(callee, error),
            Family::Node => node(callee, error),
            Family::Go => go(callee, error),
            Family::Proxy => proxy(callee, error),
            Family::C => c(callee, error),
        }
    }

    /// An answer that says no.
    pub(super) fn bad_answer(self, callee: &str, status: u16, grpc: Option<u8>) -> Thrown {
        if let Some(code) = grpc {
            let name = grpc_name(code);
            return match self {
                Family::Java => (
                    "io.grpc.StatusRuntimeException",
                    format!("{name}: {callee} did not succeed"),
                ),
                _ => (
                    "rpc error",
                    format!("rpc error: code = {name} desc = {callee} did not succeed"),
                ),
            };
        }
        let kind = match self {
            Family::Java if status >= 500 => {
                "org.springframework.web.client.HttpServerErrorException"
            }
            Family::Java => "org.springframework.web.client.HttpClientErrorException",
            Family::Node => "ResponseStatusCodeError",
            Family::Go => "unexpected status",
            Family::Proxy => "upstream returned an error",
            Family::C => "EBADMSG",
        };
        (kind, format!("{status} {} from {callee}", reason(status)))
    }

    pub(super) fn breaker_open(self, callee: &str) -> Thrown {
        match self {
            Family::Java => (
                "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
                format!("CircuitBreaker '{callee}' is OPEN and does not permit further calls"),
            ),
            Family::Node => ("EOPENBREAKER", format!("Breaker is open: {callee}")),
            Family::Go => (
                "gobreaker.ErrOpenState",
                "circuit breaker is open".to_owned(),
            ),
            Family::Proxy => (
                "no live upstreams",
                format!("no live upstreams while connecting to upstream \"{callee}\""),
            ),
            Family::C => ("EAGAIN", format!("{callee} is marked as down")),
        }
    }

    pub(super) fn pool_timeout(self, store: &str, millis: u128) -> Thrown {
        match self {
            Family::Java => (
                "java.sql.SQLTransientConnectionException",
                format!(
                    "{store} - Connection is not available, request timed out after {millis}ms."
                ),
            ),
            Family::Node => (
                "TimeoutError",
                "ResourceRequest timed out waiting for a free connection".to_owned(),
            ),
            Family::Go => (
                "context deadline exceeded",
                format!("acquire connection from {store}: context deadline exceeded"),
            ),
            Family::Proxy | Family::C => {
                ("ETIMEDOUT", format!("{store}: too many connections in use"))
            }
        }
    }

    /// A mistake of its own.
    pub(super) fn bug(self) -> Thrown {
        match self {
            Family::Java => (
                "java.lang.IllegalStateException",
                "unexpected state of entity".to_owned(),
            ),
            Family::Node => (
                "TypeError",
                "Cannot read properties of undefined (reading 'id')".to_owned(),
            ),
            Family::Go => (
                "runtime error",
                "invalid memory address or nil pointer dereference".to_owned(),
            ),
            Family::Proxy => ("internal error", "could not parse the answer".to_owned()),
            Family::C => ("EIO", "input/output error".to_owned()),
        }
    }
}

fn java(callee: &str, error: &CallError) -> Thrown {
    match error {
        CallError::Timeout(_) => ("java.net.SocketTimeoutException", "Read timed out".into()),
        CallError::Refused(_) => ("java.net.ConnectException", "Connection refused".into()),
        CallError::Resolve(_) => (
            "java.net.UnknownHostException",
            format!("{callee}: Name or service not known"),
        ),
        CallError::Tls(reason) => ("javax.net.ssl.SSLHandshakeException", reason.clone()),
        CallError::PoolExhausted(_) => (
            "org.apache.http.conn.ConnectionPoolTimeoutException",
            "Timeout waiting for connection from pool".into(),
        ),
        CallError::Broken(_) => ("java.net.SocketException", "Connection reset".into()),
    }
}

fn node(callee: &str, error: &CallError) -> Thrown {
    match error {
        CallError::Timeout(after) => (
            "ETIMEDOUT",
            format!(
                "request to {callee} timed out after {} ms",
                after.as_millis()
            ),
        ),
        CallError::Refused(at) => ("ECONNREFUSED", format!("connect ECONNREFUSED {at}")),
        CallError::Resolve(_) => ("ENOTFOUND", format!("getaddrinfo ENOTFOUND {callee}")),
        CallError::Tls(reason) => ("ERR_TLS_HANDSHAKE", reason.clone()),
        CallError::PoolExhausted(_) => (
            "UND_ERR_POOL_TIMEOUT",
            format!("no socket for {callee} became free"),
        ),
        CallError::Broken(_) => ("ECONNRESET", "socket hang up".into()),
    }
}

fn go(callee: &str, error: &CallError) -> Thrown {
    match error {
        CallError::Timeout(_) => (
            "context deadline exceeded",
            format!("call to {callee}: context deadline exceeded"),
        ),
        CallError::Refused(at) => (
            "connection refused",
            format!("dial tcp {at}: connect: connection refused"),
        ),
        CallError::Resolve(_) => (
            "no such host",
            format!("dial tcp: lookup {callee}: no such host"),
        ),
        CallError::Tls(reason) => (
            "tls: handshake failure",
            format!("tls: failed to verify certificate: {reason}"),
        ),
        CallError::PoolExhausted(_) => (
            "context deadline exceeded",
            format!("waiting for a connection to {callee}: context deadline exceeded"),
        ),
        CallError::Broken(_) => (
            "unexpected EOF",
            format!("read from {callee}: unexpected EOF"),
        ),
    }
}

fn proxy(callee: &str, error: &CallError) -> Thrown {
    match error {
        CallError::Timeout(_) => (
            "upstream timed out",
            "upstream timed out (110: Connection timed out) while reading response header from upstream".into(),
        ),
        CallError::Refused(at) => (
            "connection refused",
            format!("connect() failed (111: Connection refused) while connecting to upstream, upstream: \"{at}\""),
        ),
        CallError::Resolve(_) => (
            "host not found",
            format!("{callee} could not be resolved (3: Host not found)"),
        ),
        CallError::Tls(reason) => (
            "SSL handshake failed",
            format!("SSL_do_handshake() failed while SSL handshaking to upstream: {reason}"),
        ),
        CallError::PoolExhausted(_) => (
            "no live upstreams",
            format!("no connection to upstream \"{callee}\" became free"),
        ),
        CallError::Broken(_) => (
            "upstream prematurely closed connection",
            "upstream prematurely closed connection while reading response header from upstream".into(),
        ),
    }
}

fn c(callee: &str, error: &CallError) -> Thrown {
    match error {
        CallError::Timeout(_) => ("ETIMEDOUT", format!("{callee}: Connection timed out")),
        CallError::Refused(_) => ("ECONNREFUSED", format!("{callee}: Connection refused")),
        CallError::Resolve(_) => ("EAI_NONAME", format!("{callee}: Name or service not known")),
        CallError::Tls(reason) => ("EPROTO", format!("{callee}: {reason}")),
        CallError::PoolExhausted(_) => ("EMFILE", format!("{callee}: too many open connections")),
        CallError::Broken(_) => ("ECONNRESET", format!("{callee}: Connection reset by peer")),
    }
}

/// Of gRPC's status codes.
pub(super) fn grpc_name(code: u8) -> &'static str {
    const NAMES: [&str; 17] = [
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
    NAMES.get(usize::from(code)).copied().unwrap_or("UNKNOWN")
}

pub(super) fn reason(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}
