//! A site of the invented platform: its ports, with stand-ins behind them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::*;
use monitor_serve::configuration::Understood;
use monitor_serve::workloads::{Book, Published, Revisions};
use monitor_serve::{Changes, Clock, Configurations, Intake, Kept, NotKept, Ports, Refused};
use tokio::sync::{broadcast, watch};

use super::parcels::{ingest, records, view};
use super::two_models::Two;

/// What holds the other ends of the ports.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) ports: Ports,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) workloads: watch::Sender<Arc<Published>>,
    pub(crate) ingest: watch::Sender<Arc<IngestView>>,
    pub(crate) ready: watch::Sender<Result<(), String>>,
}

pub(crate) fn noon() -> Time {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn site(clock: Arc<dyn Clock>) -> Site {
    let now = clock.now();
    let (view_in, view) = watch::channel(Arc::new(view(now)));
    let (ingest_in, ingest) = watch::channel(Arc::new(ingest(now)));
    let published = Book::new(now).take(&view.borrow(), &Revisions::new(), now);
    let (workloads_in, workloads) = watch::channel(Arc::new(published));
    let (ready_in, ready) = watch::channel(Ok(()));
    let registry = prometheus::Registry::new();
    let syncs = prometheus::IntCounter::new(
        "crosswatch_wal_syncs_total",
        "Groups of batches forced to disk before they were acknowledged.",
    )
    .unwrap();
    syncs.inc_by(7);
    registry.register(Box::new(syncs)).unwrap();
    let commit = prometheus::HistogramOpts::new(
        "crosswatch_index_commit_duration_seconds",
        "How long a commit of the index takes.",
    )
    .buckets(vec![0.005, 0.1]);
    let commit = prometheus::Histogram::with_opts(commit).unwrap();
    commit.observe(0.07);
    commit.observe(3.0);
    registry.register(Box::new(commit)).unwrap();
    let ports = Ports {
        clock,
        intake: Arc::new(NoIntake),
        changes: Arc::new(Noted::default()),
        configurations: Arc::new(Memory::default()),
        models: Arc::new(Two::default()),
        search: Arc::new(Records(records(now))),
        view,
        ingest,
        workloads,
        live: broadcast::channel(16).0,
        ready,
        registry,
    };
    Site {
        ports,
        view: view_in,
        workloads: workloads_in,
        ingest: ingest_in,
        ready: ready_in,
    }
}

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Time);

impl Clock for Stopped {
    fn now(&self) -> Time {
        self.0
    }
}

#[derive(Debug)]
struct NoIntake;

impl Intake for NoIntake {
    fn submit(&self, _batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async { Err(Refused::Stopping) })
    }
}

/// Knows every change by its id.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<Vec<Change>>);

impl Changes for Noted {
    fn note(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<Vec<bool>, Refused>> {
        let mut noted = self.0.lock().unwrap();
        let mut new = Vec::new();
        for change in changes {
            let known = noted.iter().any(|known| known.id == change.id);
            new.push(!known);
            noted.push(change);
        }
        Box::pin(async move { Ok(new) })
    }
}

/// Keeps what is wanted until the test ends.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Arc<Kept>>);

impl Configurations for Memory {
    fn all(&self) -> Arc<Kept> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn put(&self, source: String, wish: Understood) -> BoxFuture<'_, Result<(), NotKept>> {
        Arc::make_mut(&mut self.0.lock().unwrap()).insert(source, Arc::new(wish));
        Box::pin(async { Ok(()) })
    }

    fn forget(&self, source: String) -> BoxFuture<'_, Result<(), NotKept>> {
        Arc::make_mut(&mut self.0.lock().unwrap()).remove(&source);
        Box::pin(async { Ok(()) })
    }
}

/// Answers from a list. Understands words, `service:x` and `trace_id:x`; passes over other fields
/// and what stands in brackets at the end.
#[derive(Debug)]
pub(crate) struct Records(pub(crate) Vec<Hit>);

impl Records {
    fn matching(&self, request: &SearchRequest) -> Result<Vec<&Hit>, SearchError> {
        let query = request.query.split(" AND (").next().unwrap_or_default();
        if let Some(position) = query.find('(') {
            let message = "this bracket is never closed".to_owned();
            return Err(SearchError::Syntax { message, position });
        }
        let words: Vec<&str> = query
            .split_whitespace()
            .filter(|word| *word != "AND")
            .collect();
        for (field, _) in words.iter().filter_map(|word| word.split_once(':')) {
            if ![
                "service",
                "environment",
                "route",
                "trace_id",
                "severity",
                "template",
            ]
            .contains(&field)
            {
                return Err(SearchError::UnknownField {
                    field: field.to_owned(),
                    known: "environment, service, trace_id".to_owned(),
                });
            }
        }
        let holds = |hit: &Hit, word: &str| match word.split_once(':') {
            Some(("service", name)) => *hit.service.name == *name,
            Some(("trace_id", id)) => hit.trace_id.is_some_and(|trace| trace.to_string() == id),
            Some(_) => true,
            None => hit.text.contains(word.trim_matches('"')),
        };
        Ok(self
            .0
            .iter()
            .filter(|hit| request.from.is_none_or(|from| hit.time >= from))
            .filter(|hit| request.to.is_none_or(|to| hit.time < to))
            .filter(|hit| words.iter().all(|word| holds(hit, word)))
            .collect())
    }
}

impl LogSearch for Records {
    fn search(&self, request: &SearchRequest) -> Result<SearchPage, SearchError> {
        let mut hits = self.matching(request)?;
        hits.sort_by_key(|hit| (hit.time, hit.id));
        if request.newest_first {
            hits.reverse();
        }
        Ok(SearchPage {
            total: hits.len() as u64,
            hits: hits
                .into_iter()
                .skip(request.offset)
                .take(request.limit)
                .cloned()
                .collect(),
        })
    }

    fn histogram(
        &self,
        request: &SearchRequest,
        step: Duration,
    ) -> Result<Vec<HistogramBucket>, SearchError> {
        let hits = self.matching(request)?;
        let (Some(from), Some(to)) = (request.from, request.to) else {
            return Ok(Vec::new());
        };
        let mut buckets = Vec::new();
        let mut start = from.floor(step);
        while start < to {
            let count = hits
                .iter()
                .filter(|hit| hit.time.floor(step) == start)
                .count() as u64;
            buckets.push(HistogramBucket { start, count });
            start = start + step;
        }
        Ok(buckets)
    }

    fn facets(
        &self,
        request: &SearchRequest,
        field: &str,
        limit: usize,
    ) -> Result<Vec<FacetCount>, SearchError> {
        if field != "service" {
            return Err(SearchError::UnknownField {
                field: field.to_owned(),
                known: "environment, service, trace_id".to_owned(),
            });
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for hit in self.matching(request)? {
            *counts.entry(hit.service.name.to_string()).or_insert(0) += 1;
        }
        let mut counts: Vec<FacetCount> = counts
            .into_iter()
            .map(|(value, count)| FacetCount { value, count })
            .collect();
        counts.sort_by_key(|facet| std::cmp::Reverse(facet.count));
        counts.truncate(limit);
        Ok(counts)
    }
}
