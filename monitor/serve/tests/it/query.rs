//! The site in-process: what each endpoint answers, to friends and to others.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod changes;
mod client;
mod configuration;
mod endpoints;
mod fixture;
mod hostile;
mod live;
mod metrics;
mod models;
mod openapi;
mod page;
mod parcels;
mod predictions;
mod tail;
pub(crate) mod two_models;
mod what_if;
mod workloads;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use fixture::{Site, Stopped, noon, site};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status, content type and body, for goldens.
    fn show(&self) -> String {
        let kind = self.headers[header::CONTENT_TYPE].to_str().unwrap();
        let body = match serde_json::from_str::<serde_json::Value>(&self.body) {
            Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
            Err(_) => self.body.clone(),
        };
        format!("{} {kind}\n{body}\n", self.status.as_u16())
    }
}

fn usual() -> Site {
    site(Arc::new(Stopped(noon())))
}

fn router(site: &Site) -> Router {
    monitor_serve::router(
        site.ports.clone(),
        CancellationToken::new(),
        std::convert::identity,
    )
}

async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn get_from(site: &Site, uri: &str) -> Answer {
    send(router(site), Request::get(uri).body(Body::empty()).unwrap()).await
}

async fn get(uri: &str) -> Answer {
    get_from(&usual(), uri).await
}
