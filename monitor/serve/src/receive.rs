//! The doors: OTLP over gRPC and HTTP, and JSON lines.
//!
//! Composed by the binary's wiring, which binds the sockets. A receiver authenticates, bounds,
//! decompresses and decodes; it answers only after [`Intake::submit`](crate::Intake::submit) has
//! said that the batch is safe, and in the words its protocol has for partial success, refusal and
//! overload. What records mean, and redaction, are behind the intake.

mod admission;
mod auth;
mod body;
mod counters;
mod deliver;
mod grpc;
mod http;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub use auth::{Auth, AuthConfigError};

use crate::Ports;
use admission::Admission;
use counters::Protocol;
use deliver::Delivery;

/// How much a receiver takes on. The defaults bound its memory to about 3 GB under a deliberate
/// attack by an authenticated sender, and to far less in practice.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of an HTTP body as sent.
    pub body_bytes: usize,
    /// Bytes of a body or gRPC message after decompression.
    pub decoded_bytes: usize,
    /// Requests being worked on at once, per protocol; one more is answered with "later".
    pub requests_in_flight: usize,
    /// How long a sender may take over its HTTP body.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // The OpenTelemetry Collector takes 20 MiB over HTTP and 4 MiB over gRPC; exporters
            // are configured to stay below.
            body_bytes: 20 << 20,
            decoded_bytes: 32 << 20,
            requests_in_flight: 64,
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// The receivers of one monitor. They share their counters and what they remember of cumulative
/// metrics, so make one and take all routers from it.
#[derive(Clone, Debug)]
pub struct Receivers {
    delivery: Arc<Delivery>,
    limits: Limits,
}

impl Receivers {
    /// # Errors
    ///
    /// When the registry already has the receivers' metrics.
    pub fn new(ports: &Ports, limits: Limits) -> Result<Receivers, prometheus::Error> {
        Ok(Receivers {
            delivery: Arc::new(Delivery::new(ports)?),
            limits,
        })
    }

    /// The gRPC services for logs, traces and metrics (port 4317). Needs HTTP/2 without TLS, which
    /// `axum::serve` speaks.
    pub fn otlp_grpc(&self, auth: Auth) -> Router {
        let routes = grpc::routes(&self.delivery, &self.limits);
        self.guarded(routes, Protocol::OtlpGrpc, auth)
    }

    /// `/v1/logs`, `/v1/traces`, `/v1/metrics` and `/insert/jsonline` (port 4318).
    pub fn otlp_http(&self, auth: Auth) -> Router {
        let otlp = http::otlp_routes(&self.delivery, self.limits);
        let otlp = self.guarded(otlp, Protocol::OtlpHttp, auth.clone());
        let lines = http::jsonline_routes(&self.delivery, self.limits);
        otlp.merge(self.guarded(lines, Protocol::JsonLines, auth))
    }

    /// Counting sees every answer; a stranger takes no place from those who are known.
    fn guarded(&self, routes: Router, protocol: Protocol, auth: Auth) -> Router {
        let admission = Admission::new(self.limits.requests_in_flight);
        let counting = (protocol, Arc::clone(&self.delivery));
        routes
            .layer(from_fn_with_state(admission, admission::admit))
            .layer(from_fn_with_state(auth, auth::guard))
            .layer(from_fn_with_state(counting, counters::count_requests))
    }
}
