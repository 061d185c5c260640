//! Metrics and health over HTTP.
//!
//! `/livez` fails when the task that decides has not come round for a while, so that Kubernetes
//! starts the operator anew; `/readyz` until first lists of everything have arrived. A monitor that
//! is away is no reason for either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The deciding task comes round every second at least.
const STUCK: Duration = Duration::from_secs(30);

/// Written by the deciding task, read by probes.
#[derive(Debug)]
pub(crate) struct Health {
    begun: Instant,
    /// Milliseconds since the beginning at which the task last came round.
    round_at: AtomicU64,
    synced: AtomicBool,
}

impl Health {
    pub(crate) fn new() -> Health {
        Health {
            begun: Instant::now(),
            round_at: AtomicU64::new(0),
            synced: AtomicBool::new(false),
        }
    }

    pub(crate) fn came_round(&self, synced: bool) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.round_at.store(millis, Ordering::Relaxed);
        self.synced.store(synced, Ordering::Relaxed);
    }

    fn is_live(&self) -> bool {
        let round_at = Duration::from_millis(self.round_at.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(round_at) < STUCK
    }

    fn is_ready(&self) -> bool {
        self.synced.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    metrics: Metrics,
}

pub(crate) async fn run(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Metrics,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .with_state(Shared { health, metrics });
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn scrape(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}

async fn livez(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.health.is_live() {
        true => (StatusCode::OK, "ok\n"),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the task that decides does not come round\n",
        ),
    }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.health.is_ready() {
        true => (StatusCode::OK, "ok\n"),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            "first lists of the cluster have not arrived yet\n",
        ),
    }
}
