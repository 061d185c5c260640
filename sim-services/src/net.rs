//! How requests travel: what services, links and clients agree on.
//!
//! [`Handler`] and [`Caller`] are the two ends; what is between them is real HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::HeaderMap;

/// One request, its body read. The body of a gRPC request is its message, without the frame.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: hyper::Method,
    /// With the query, as it is on the wire: `/products/4711?page=2`,
    /// `/shop.catalog.Catalog/GetProduct`.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Only of gRPC.
    pub grpc_status: Option<u8>,
    pub body: Bytes,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("no such host: {0}")]
    Resolve(String),
    #[error("connection refused by {0}")]
    Refused(SocketAddr),
    /// With the peer's alert or the verifier's reason.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    #[error("no connection became free in {} ms", .0.as_millis())]
    PoolExhausted(Duration),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Closed or reset before the answer was complete.
    #[error("connection lost: {0}")]
    Broken(String),
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Must spawn what shall go on when the caller goes away.
    fn handle(self: Arc<Self>, request: Request, peer: SocketAddr) -> BoxFuture<'static, Reply>;
}

/// Makes requests, from one place of the platform.
pub trait Caller: Send + Sync + 'static {
    /// To one replica of a service; `timeout` includes finding and connecting it.
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>>;
}
