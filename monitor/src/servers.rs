//! What listens where: the routers of `serve`, put together and guarded.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use monitor_serve::Ports;
use monitor_serve::receive::{Auth, Limits, Receivers};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// A router for each address.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) http: Router,
    pub(crate) otlp_grpc: Router,
    pub(crate) otlp_http: Router,
}

impl Servers {
    /// `addresses` of the page, of OTLP over gRPC and of OTLP over HTTP: each decides whether it
    /// needs a token.
    pub(crate) fn new(
        ports: &Ports,
        tokens: &[String],
        addresses: (SocketAddr, SocketAddr, SocketAddr),
        stop: &CancellationToken,
    ) -> anyhow::Result<Servers> {
        let auth = |address| Auth::decide(address, tokens.to_vec());
        let receivers =
            Receivers::new(ports, Limits::default()).context("registering the receivers")?;
        Ok(Servers {
            http: page_and_api(ports.clone(), auth(addresses.0)?, stop),
            otlp_grpc: receivers.otlp_grpc(auth(addresses.1)?),
            otlp_http: receivers.otlp_http(auth(addresses.2)?),
        })
    }
}

pub(crate) fn page_and_api(ports: Ports, auth: Auth, stop: &CancellationToken) -> Router {
    monitor_serve::router(ports, stop.clone(), |router| {
        auth.protect(router.route_layer(from_fn(traced)))
    })
}

/// Our own traces: a span for each request that a person or program makes of us. What the receivers
/// take has none; a monitor that watches itself would never come to rest.
async fn traced(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}
