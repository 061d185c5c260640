//! The receivers as their clients see them: the OpenTelemetry SDK, and clients with bad manners.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod grpc;
mod http;
mod sdk;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use futures::future::BoxFuture;
use monitor_core::{
    Batch, Change, FacetCount, HistogramBucket, IngestView, LogSearch, Payload, SearchError,
    SearchPage, SearchRequest, Time, View,
};
use monitor_serve::configuration::Understood;
use monitor_serve::receive::{Auth, Limits, Receivers};
use monitor_serve::{Changes, Clock, Configurations, Intake, Kept, NotKept, Ports, Refused};
use tokio::sync::{Semaphore, broadcast, watch};

/// An intake that keeps what it gets, and refuses when told to.
#[derive(Debug)]
struct Recorder {
    batches: Mutex<Vec<Batch>>,
    refusal: Mutex<Option<Refused>>,
    /// Each batch needs one permit before it is safe.
    safe: Semaphore,
    /// Has a permit for each batch that arrived.
    arrived: Semaphore,
}

impl Intake for Recorder {
    fn submit(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            if let Some(refusal) = self.refusal.lock().unwrap().clone() {
                return Err(refusal);
            }
            self.arrived.add_permits(1);
            self.safe.acquire().await.unwrap().forget();
            self.batches.lock().unwrap().push(batch);
            Ok(())
        })
    }
}

impl Recorder {
    fn refuse(&self, refusal: Refused) {
        *self.refusal.lock().unwrap() = Some(refusal);
    }

    fn accept(&self) {
        *self.refusal.lock().unwrap() = None;
    }

    /// One line an item: service, what it is, its text or name.
    fn told(&self) -> Vec<String> {
        let batches = self.batches.lock().unwrap();
        let items = batches
            .iter()
            .flat_map(|batch| batch.items.iter().map(move |item| (batch, item)));
        items
            .map(|(batch, item)| {
                let service = &batch.sources[item.source as usize].resource.service;
                match &item.payload {
                    Payload::Log(log) => {
                        let severity = log.severity.map_or("-", |it| it.as_str());
                        format!("{service} {severity} {}", log.text)
                    }
                    Payload::Span(span) => {
                        format!("{service} {} {}", span.kind.as_str(), span.name)
                    }
                    Payload::Histogram(point) => {
                        format!("{service} {} {:?}", point.metric, point.counts)
                    }
                    Payload::Level(point) => format!("{service} {} {}", point.metric, point.share),
                }
            })
            .collect()
    }
}

#[derive(Debug)]
struct Noon;

const NOON: Time = Time::from_secs(1_795_262_400);

impl Clock for Noon {
    fn now(&self) -> Time {
        NOON
    }
}

/// Receivers search nothing.
#[derive(Debug)]
struct NoSearch;

impl LogSearch for NoSearch {
    fn search(&self, _: &SearchRequest) -> Result<SearchPage, SearchError> {
        Ok(SearchPage::default())
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

impl Changes for Recorder {
    fn note(&self, _: Vec<Change>) -> BoxFuture<'_, Result<Vec<bool>, Refused>> {
        Box::pin(async { Err(Refused::Stopping) })
    }
}

impl Configurations for Recorder {
    fn all(&self) -> Arc<Kept> {
        Arc::default()
    }

    fn put(&self, _: String, _: Understood) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async { Ok(()) })
    }

    fn forget(&self, _: String) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async { Ok(()) })
    }
}

/// Receivers with a recording intake behind them.
struct Bench {
    recorder: Arc<Recorder>,
    ports: Ports,
    receivers: Receivers,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Limits::default())
    }

    fn with(limits: Limits) -> Bench {
        let recorder = Arc::new(Recorder {
            batches: Mutex::default(),
            refusal: Mutex::default(),
            safe: Semaphore::new(1_000),
            arrived: Semaphore::new(0),
        });
        let ports = Ports {
            clock: Arc::new(Noon),
            intake: recorder.clone(),
            changes: recorder.clone(),
            configurations: recorder.clone(),
            models: Arc::new(crate::query::two_models::Two::default()),
            search: Arc::new(NoSearch),
            view: watch::channel(Arc::new(View::default())).1,
            ingest: watch::channel(Arc::new(IngestView::default())).1,
            workloads: watch::channel(Arc::default()).1,
            live: broadcast::channel(1).0,
            ready: watch::channel(Ok(())).1,
            registry: prometheus::Registry::new(),
        };
        let receivers = Receivers::new(&ports, limits).unwrap();
        Bench {
            recorder,
            ports,
            receivers,
        }
    }

    fn http(&self) -> Router {
        self.receivers.otlp_http(Auth::open())
    }

    fn grpc(&self) -> Router {
        self.receivers.otlp_grpc(Auth::open())
    }

    /// The receivers' own counters, as `name{labels} value`, those at zero left out.
    fn counters(&self) -> String {
        let mut lines = Vec::new();
        for family in self.ports.registry.gather() {
            for metric in family.get_metric() {
                let labels: Vec<String> = metric
                    .get_label()
                    .iter()
                    .map(|label| format!("{}={}", label.name(), label.value()))
                    .collect();
                let name = family.name().trim_start_matches("crosswatch_ingest_");
                let value = metric.get_counter().get_value();
                lines.push(format!("{name}{{{}}} {value}", labels.join(",")));
            }
        }
        lines.sort();
        lines.join("\n") + "\n"
    }
}

/// A token, and the door it opens.
fn locked() -> Auth {
    Auth::decide(
        "0.0.0.0:4317".parse().unwrap(),
        vec!["old-token".to_owned(), "new-token".to_owned()],
    )
    .unwrap()
}

/// Serves on a free port of loopback until the test's runtime ends.
async fn listen(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
