//! What the servers need from the rest of the monitor.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{
    Alert, AlertId, Anomaly, AnomalyId, Answer, ApiFuture, ApiKey, Backtested, Batch, Call, Change,
    Comparison, Feedback, Incident, IngestView, Learned, Model, ModelId, Recipe, SharedSearch,
    Subject, Time, View,
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

/// What a person's answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Anomaly(AnomalyId),
    /// All the anomalies that it stands for.
    Alert(AlertId),
}

/// A stretch of stored records to try recipes on.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestRequest {
    pub from: Time,
    pub to: Time,
    pub folds: u32,
    pub recipes: Vec<(String, Recipe)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BacktestAnswer {
    /// Stored records that were read.
    pub records: u64,
    pub results: Vec<Backtested>,
}

/// What the model of a single signal thinks of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    pub time: Time,
    pub value: f64,
    pub typical: f64,
    pub evidence: f64,
    pub surprise: f64,
    pub alarm: f64,
    /// From where it is most surprising.
    pub side: &'static str,
}

/// What a single signal will be, some time after its last value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foreseen {
    pub after: Duration,
    pub median: f64,
    /// Nine of ten values lie within; `None` until some such forecasts were compared with what came.
    pub interval: Option<(f64, f64)>,
    /// Forecasts of this horizon that were compared with what came.
    pub scored: u32,
}

/// Which Apis and services are asked about.
pub type Wanted = Box<dyn Fn(&Subject) -> bool + Send>;
/// The answers of [`Models::score`]: of each series its opinions, or why there are none.
pub type Scored = Vec<Result<Vec<Opinion>, String>>;

/// The answers of [`Models::forecast`]: of each series its future, as far as it can be told.
pub type Forecasts = Vec<Result<Vec<Foreseen>, String>>;

/// Looks after the models: see `monitor-engine`'s `Models`.
pub trait Models: Send + Sync + Debug {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Model>, ModelsError>>;

    /// Of the active model and the one on trial.
    fn comparison(&self) -> BoxFuture<'_, Result<Comparison, ModelsError>>;

    fn learned(&self, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Learned>, ModelsError>>;

    /// What is expected of an Api; `None` when it is not known.
    fn future(&self, api: Arc<ApiKey>) -> BoxFuture<'_, Result<Option<ApiFuture>, ModelsError>>;

    /// Puts a model on trial: with what the active one has learned, or `afresh`.
    fn begin(
        &self,
        recipe: Recipe,
        afresh: bool,
        automatic: bool,
    ) -> BoxFuture<'_, Result<Model, ModelsError>>;

    fn end(&self, id: ModelId) -> BoxFuture<'_, Result<(), ModelsError>>;

    fn promote(&self, id: ModelId, if_better: bool) -> BoxFuture<'_, Result<Model, ModelsError>>;

    fn roll_back(&self) -> BoxFuture<'_, Result<Model, ModelsError>>;

    /// `ignore` mutes for `lasting`.
    fn answer(
        &self,
        about: About,
        answer: Answer,
        note: String,
        lasting: Duration,
    ) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>>;

    /// What people said, the latest first.
    fn feedback(&self) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>>;

    fn backtest(
        &self,
        request: BacktestRequest,
    ) -> BoxFuture<'_, Result<BacktestAnswer, ModelsError>>;

    /// Judges series that somebody sends, each by a new model; in order of time.
    fn score(&self, series: Vec<Vec<(Time, f64)>>) -> BoxFuture<'_, Result<Scored, ModelsError>>;

    /// Foretells series that somebody sends, so long after the last value of each.
    fn forecast(
        &self,
        series: Vec<Vec<(Time, f64)>>,
        after: Vec<Duration>,
    ) -> BoxFuture<'_, Result<Forecasts, ModelsError>>;
}

/// Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelsError {
    /// 404.
    #[error("{0}")]
    Unknown(String),
    /// 409: not as things are.
    #[error("{0}")]
    NotNow(String),
    /// 400.
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The monitor's fault; the log says more.
    #[error("{0}")]
    Failed(&'static str),
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
    pub models: Arc<dyn Models>,
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
