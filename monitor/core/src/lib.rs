//! The words of Crosswatch as types.
//!
//! Every other crate speaks these. Nothing here does IO, reads a clock, or knows a wire format;
//! deriving `Serialize` is for the write-ahead log and snapshots only, never for the HTTP API
//! (that is `monitor-api`).

mod alert;
mod anomaly;
mod batch;
mod call;
mod call_end;
mod change;
mod harm;
mod hop;
mod identity;
mod ids;
mod incident;
mod journey;
mod model;
mod record;
mod risk;
mod search;
mod settings;
mod signal;
mod sketch;
mod time;
mod view;
mod zone;

pub use alert::{Alert, AlertId, AlertSeverity, AlertState};
pub use anomaly::{Anomaly, AnomalyId, Band, Contribution, Direction, Explanation, Score};
pub use batch::{
    Batch, HistogramPoint, Item, LevelPoint, LogItem, Origin, Payload, Source, SpanItem,
};
pub use call::{Call, CallSource, CallStatus, DurationOrigin, Outcome};
pub use call_end::{CallEnd, Callee, Side};
pub use change::Change;
pub use hop::{Hop, Peer};
pub use identity::{ApiKey, Environment, EnvironmentKind, Resource, ServiceKey, UNKNOWN, Workload};
pub use ids::{IdError, SpanId, TraceId};
pub use incident::{
    BudgetImpact, Culprit, Forecast, Impact, Incident, IncidentId, JourneyImpact, Outlook, Suspect,
    UserImpact,
};
pub use journey::{
    EdgeSample, Experience, Fare, GraphMinute, GraphView, JourneyCounts, JourneyHop, JourneyNeed,
    JourneyTypeId, JourneyTypeView, JourneyWish, JourneysView, LateJourney, Need, Node, NodeView,
    SkewView,
};
pub use model::{
    Alarm, Answer, Backtested, Comparison, Feedback, Fold, Learned, LearnedSignal, Model, ModelId,
    ModelState, NoModelId, Recipe, ScoreRange, Tally,
};
pub use record::{
    CallFacts, Correlation, FormatName, Kind, Message, Record, Severity, Shape, ShapeId, SpanKind,
    TemplateId, TemplateMatch, TimeOrigin, Value,
};
pub use risk::{
    ApiFuture, Coverage, Limit, Reliability, Risk, RiskId, RiskOutcome, ScoredFailures,
    ScoredRisks, SignalFuture, Stretches, TrackRecord,
};
pub use search::{
    FacetCount, HistogramBucket, Hit, LogSearch, RecordId, SearchError, SearchPage, SearchRequest,
    SharedSearch,
};
pub use settings::{
    AlertRoute, FieldMetric, Objective, PathPattern, Probe, Receiver, ReceiverKind, RouteTemplate,
    Select, Sense, Settings, Tuning, Watching, Window,
};
pub use signal::{Measure, NumberSeen, Observation, SignalKey, Subject};
pub use sketch::{Bin, Sketch};
pub use time::{Time, TimeError};
pub use view::{
    ApiState, ApiView, EdgeCounts, EngineCounts, FieldView, IngestView, LogsView, ObjectiveView,
    ProbeView, ServiceView, SignalView, StreamView, TemplateView, View,
};
pub use zone::{ZoneError, Zones};

/// What the user agent of our own probes begins with.
pub const PROBE_AGENT: &str = "crosswatch-probe/";

/// A short shared string: names, keys, routes. Cloning one is a reference count.
pub type Name = std::sync::Arc<str>;
