//! What listens where: the routers of `serve`, put together.

use std::net::SocketAddr;

use axum::Router;
use monitor_serve::Ports;
use monitor_serve::receive::{self, Auth};

/// A router for each address.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) http: Router,
    pub(crate) otlp_grpc: Router,
    pub(crate) otlp_http: Router,
}
