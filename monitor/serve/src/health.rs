//! `/livez`, `/readyz`, `/healthz`: for whoever restarts us or sends us traffic.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        // Answering at all is being alive. What is not ready is not to be restarted for it.
        .route("/livez", get("ok\n"))
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(ready))
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    match &*shared.ports.ready.borrow() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
