//! The tail, over the clock of tokio.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use futures::StreamExt;
use monitor_core::{
    FacetCount, HistogramBucket, Hit, LogSearch, SearchError, SearchPage, SearchRequest,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::fixture::{Records, Site, noon};
use super::parcels::records;
use super::usual;

/// Records that can grow while they are searched.
#[derive(Clone, Debug, Default)]
struct Growing(Arc<Mutex<Vec<Hit>>>);

impl LogSearch for Growing {
    fn search(&self, request: &SearchRequest) -> Result<SearchPage, SearchError> {
        Records(self.0.lock().unwrap().clone()).search(request)
    }

    fn histogram(
        &self,
        _: &SearchRequest,
        _: Duration,
    ) -> Result<Vec<HistogramBucket>, SearchError> {
        Ok(Vec::new())
    }

    fn facets(&self, _: &SearchRequest, _: &str, _: usize) -> Result<Vec<FacetCount>, SearchError> {
        Ok(Vec::new())
    }
}

fn growing() -> (Site, Growing) {
    let mut site = usual();
    let index = Growing::default();
    site.ports.search = Arc::new(index.clone());
    (site, index)
}

async fn open(site: &Site, stop: &CancellationToken) -> axum::body::BodyDataStream {
    let router = monitor_serve::router(site.ports.clone(), stop.clone(), std::convert::identity);
    let request = Request::get("/api/v1/search/tail?query=service:labels&from=-1m")
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    response.into_body().into_data_stream()
}

/// The next message; comments that keep the connection alive are passed over.
async fn next(body: &mut axum::body::BodyDataStream) -> Option<serde_json::Value> {
    loop {
        let bytes = body.next().await?.unwrap();
        if let Some(data) = bytes.strip_prefix(b"data: ") {
            return Some(serde_json::from_slice(data).unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_records_are_sent_once() {
    let (site, index) = growing();
    let mut body = open(&site, &CancellationToken::new()).await;
    let all = records(noon());
    let labels = all
        .iter()
        .find(|hit| &*hit.service.name == "labels")
        .unwrap();
    index.0.lock().unwrap().extend(all.iter().cloned());
    let first = next(&mut body).await.unwrap();
    assert_eq!(
        (&first["type"], &first["id"]),
        (&"record".into(), &"40-3".into())
    );

    let mut later = labels.clone();
    later.id.batch = 41;
    index.0.lock().unwrap().push(later);
    assert_eq!(next(&mut body).await.unwrap()["id"], "41-3");
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_it() {
    let (site, _) = growing();
    let stop = CancellationToken::new();
    let mut body = open(&site, &stop).await;
    stop.cancel();
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_at_once() {
    let (site, _) = growing();
    let stop = CancellationToken::new();
    let router = monitor_serve::router(site.ports.clone(), stop, std::convert::identity);
    let request = || {
        Request::get("/api/v1/search/tail")
            .body(Body::empty())
            .unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..64 {
        let response = router.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    assert_eq!(
        router.clone().oneshot(request()).await.unwrap().status(),
        429
    );
    open.pop();
    assert_eq!(router.oneshot(request()).await.unwrap().status(), 200);
}
