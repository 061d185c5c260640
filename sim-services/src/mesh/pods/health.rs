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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn only_who_serves_is_ready() {
        let (health, seen) = watch::channel(Health::default());
        let router = router(seen);
        let status = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            answer.status().as_u16()
        };
        for (now, ready) in [
            (Health::Starting, 503),
            (Health::Serving, 200),
            (Health::Down, 503),
            (Health::Serving, 200),
            (Health::Draining, 503),
        ] {
            health.send_replace(now);
            assert_eq!(status("/readyz").await, ready, "{now:?}");
            assert_eq!(status("/livez").await, 200, "{now:?}");
        }
    }
}
