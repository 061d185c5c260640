//! What probes are told.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;

/// How a replica stands to its callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Starting,
    /// It takes requests.
    Serving,
    /// An experiment says that nothing listens.
    Down,
    /// It finishes what it has begun.
    Draining,
}

/// `/livez` and `/healthz` for as long as the process works, `/readyz` when it takes requests.
pub fn router(health: watch::Receiver<Health>) -> Router {
    let alive = async || "ok\n";
    Router::new()
        .route("/livez", get(alive))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<watch::Receiver<Health>>) -> (StatusCode, &'static str) {
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    match *health.borrow() {
        Health::Serving => (StatusCode::OK, "ok\n"),
        Health::Starting => (unready, "starting\n"),
        Health::Down => (unready, "an experiment keeps it down\n"),
        Health::Draining => (unready, "draining\n"),
    }
}
