//! What listens where: the routers of `serve`, put together and guarded.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use monitor_serve::Ports;
use monitor_serve::receive::{Auth, Limits, Receivers};
use tokio_util::sync::CancellationToken;

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
    monitor_serve::router(ports, stop.clone(), |router| auth.protect(router))
}
