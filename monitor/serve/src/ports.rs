//! What the servers need from the rest of the monitor.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{
    Alert, Anomaly, Batch, Call, Change, Incident, IngestView, SharedSearch, Time, View,
};
use tokio::sync::{broadcast, watch};

use crate::configuration::Understood;
use crate::workloads::Published;

/// Takes batches. Resolves once the batch is safe on disk; until then nothing is promised.
pub trait Intake: Send + Sync + Debug {
    fn submit(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>>;
}

/// A whole batch was refused; none of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 429 / RESOURCE_EXHAUSTED.
    #[error("the intake queue is full; retry in {} s", retry_after.as_secs())]
    Full { retry_after: Duration },
    /// 503 / UNAVAILABLE.
    #[error("the disk is full: {detail}; retry in {} s", retry_after.as_secs())]
    DiskFull {
        detail: String,
        retry_after: Duration,
    },
    /// 503 / UNAVAILABLE.
    #[error("the monitor is stopping")]
    Stopping,
}

/// Takes note of what was done to the platform.
pub trait Changes: Send + Sync + Debug {
    /// Whether each is new.
    fn note(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<Vec<bool>, Refused>>;
}

/// What is kept, by source.
pub type Kept = BTreeMap<String, Arc<Understood>>;

/// Keeps what others want of this monitor, over restarts too, and brings it into force.
pub trait Configurations: Send + Sync + Debug {
    fn all(&self) -> Arc<Kept>;

    /// Resolves once it is safe on disk. The same again changes nothing.
    fn put(&self, source: String, wish: Understood) -> BoxFuture<'_, Result<(), NotKept>>;

    fn forget(&self, source: String) -> BoxFuture<'_, Result<(), NotKept>>;
}

/// Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    #[error("there are {most} sources already")]
    TooMany { most: usize },
    #[error("{0}")]
    Disk(String),
}

/// What browsers and `crosswatch` clients see as it happens.
#[derive(Clone, Debug)]
pub enum LiveEvent {
    Call(Call),
    Anomaly(Anomaly),
    /// It opened, changed or ended.
    Incident(Incident),
    Alert(Alert),
}

/// Reads the clock; only the binary's wiring implements it with a real one.
pub trait Clock: Send + Sync + Debug {
    fn now(&self) -> Time;
}

/// Everything the servers read. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub intake: Arc<dyn Intake>,
    pub changes: Arc<dyn Changes>,
    pub configurations: Arc<dyn Configurations>,
    pub search: SharedSearch,
    pub view: watch::Receiver<Arc<View>>,
    pub ingest: watch::Receiver<Arc<IngestView>>,
    /// Kept in step with the view by [`crate::workloads::follow`].
    pub workloads: watch::Receiver<Arc<Published>>,
    /// Subscribe for live events; a reader that lags misses some and is told how many.
    pub live: broadcast::Sender<LiveEvent>,
    /// `Err` says why the monitor is not ready, in a sentence.
    pub ready: watch::Receiver<Result<(), String>>,
    /// The monitor's own metrics, beside what `serve` renders from the view.
    pub registry: prometheus::Registry,
}
