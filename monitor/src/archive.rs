//! A folder that a replay left, answering the same API as a running monitor.
//!
//! So that `search`, `explain` and `forecast` have one way to ask. Serves on a free loopback port until
//! closed; takes nothing in. What was learned is as it was when the replay ended.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::future::BoxFuture;
use monitor_core::{Anomaly, AnomalyId, Batch, Change, Incident, IngestView, View};
use monitor_serve::configuration::Understood;
use monitor_serve::receive::Auth;
use monitor_serve::{Changes, Configurations, Intake, Kept, NotKept, Ports, Refused};
use monitor_store::{Index, IndexConfig};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::replay::{self, ANOMALIES, INCIDENTS};

use self::models::Recorded;

mod models;

#[derive(Debug)]
pub struct Archive {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    learned: Result<(), String>,
    _index: Index,
}

/// Takes nothing.
#[derive(Debug)]
struct Shut;

impl Intake for Shut {
    fn submit(&self, _: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async { Err(Refused::Stopping) })
    }
}

impl Changes for Shut {
    fn note(&self, _: Vec<Change>) -> BoxFuture<'_, Result<Vec<bool>, Refused>> {
        Box::pin(async { Err(Refused::Stopping) })
    }
}

impl Configurations for Shut {
    fn all(&self) -> Arc<Kept> {
        Arc::default()
    }

    fn put(&self, _: String, _: Understood) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async { Err(NotKept::Disk("this is a recording".to_owned())) })
    }

    fn forget(&self, _: String) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async { Err(NotKept::Disk("this is a recording".to_owned())) })
    }
}

pub async fn open(folder: &Path) -> anyhow::Result<Archive> {
    if !folder.join("index").is_dir() {
        bail!("there is no index in it: run `crosswatch replay` with this --data first");
    }
    let owned = folder.to_owned();
    let (index, anomalies, incidents, heart) = tokio::task::spawn_blocking(move || {
        let (index, _) = Index::open(&owned.join("index"), archive_config())?;
        let heart = replay::learned(&owned);
        anyhow::Ok((index, anomalies(&owned)?, incidents(&owned)?, heart))
    })
    .await
    .context("opening ended early")??;
    let (learned, heart) = match heart {
        Ok(heart) => (Ok(()), Some(heart)),
        Err(error) => (Err(error.to_string()), None),
    };
    let (view, ingest) = match &heart {
        Some(heart) => (heart.view(), heart.ingest_view()),
        None => (View::default(), IngestView::default()),
    };
    // All that there were, and not only what a monitor at work still remembers.
    let view = View {
        anomalies,
        incidents,
        ..view
    };
    let (_, view) = watch::channel(Arc::new(view));
    let (_, ingest) = watch::channel(Arc::new(ingest));
    let (_, ready) = watch::channel(Ok(()));
    let ports = Ports {
        clock: Arc::new(SystemClock),
        intake: Arc::new(Shut),
        changes: Arc::new(Shut),
        configurations: Arc::new(Shut),
        models: Arc::new(Recorded::new(heart)),
        search: index.search(),
        view,
        ingest,
        workloads: watch::channel(Arc::default()).1,
        live: broadcast::channel(1).0,
        ready,
        registry: prometheus::Registry::new(),
    };
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let router = crate::servers::page_and_api(ports, Auth::open(), &stop);
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopped.cancelled().await })
            .await
    });
    Ok(Archive {
        address,
        stop,
        server,
        learned,
        _index: index,
    })
}

impl Archive {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether what was learned can be told too, or why there are only records, anomalies and incidents.
    pub fn learned(&self) -> Result<(), &str> {
        self.learned.as_ref().copied().map_err(String::as_str)
    }

    pub async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.server.await.context("the archive's server")??)
    }
}

/// Nothing is retired from a recording: it is of the time it is of.
pub(crate) fn archive_config() -> IndexConfig {
    IndexConfig {
        retention_age: None,
        retention_bytes: None,
        ..IndexConfig::default()
    }
}

/// Newest first. An interrupted replay has not written any yet.
fn incidents(folder: &Path) -> anyhow::Result<Vec<Incident>> {
    let path = folder.join(INCIDENTS);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut incidents: Vec<Incident> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("`{}`, line {}", path.display(), number + 1))
        })
        .collect::<Result<_, _>>()?;
    incidents.reverse();
    Ok(incidents)
}

/// The last state of each anomaly, newest first.
fn anomalies(folder: &Path) -> anyhow::Result<Vec<Anomaly>> {
    let path = folder.join(ANOMALIES);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut last: BTreeMap<AnomalyId, Anomaly> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let anomaly: Anomaly = serde_json::from_str(line)
            .with_context(|| format!("`{}`, line {}", path.display(), number + 1))?;
        last.insert(anomaly.id, anomaly);
    }
    let mut anomalies: Vec<Anomaly> = last.into_values().collect();
    anomalies.sort_by_key(|anomaly| (std::cmp::Reverse(anomaly.start), anomaly.id));
    Ok(anomalies)
}
