//! The words of the HTTP API under `/api/v1`, as it sends them.
//!
//! Written by `monitor-serve`, read by the command line, the operator and anyone else's client.
//! Deliberately ignorant of `monitor-core`: renaming a word inside the monitor cannot change the
//! wire. Conventions of every type here:
//!
//! - times are RFC 3339 in UTC; a number's unit is in its name (`_seconds`, `_per_second`,
//!   `_ratio` is 0 to 1), and values of a signal carry their unit beside them;
//! - `null` says "not known", never zero;
//! - fields and enum values are only ever added within `v1`; readers ignore what they do not know.

mod alerts;
mod anomalies;
mod apis;
mod changes;
#[cfg(feature = "client")]
pub mod client;
mod configuration;
mod incidents;
mod journeys;
mod listing;
mod live;
mod models;
mod places;
mod predictions;
mod problem;
mod search;
mod status;
mod streams;
mod what_if;
mod workloads;

pub use alerts::{Alert, AlertSeverity, AlertState, AlertsQuery};
pub use anomalies::{
    AnomaliesQuery, Anomaly, Band, Contribution, Direction, Evidence, Explanation, Measure, Subject,
};
pub use apis::{
    Api, ApiDetail, ApiForecast, ApiState, ApisQuery, ObjectiveState, Signal, SignalForecast,
    Signals,
};
pub use changes::{Change, ChangeRefusal, ChangesOutcome, ChangesQuery};
#[cfg(feature = "client")]
pub use client::{Client, ClientError, Tail};
pub use configuration::{
    Configuration, ConfigurationOutcome, ConfigurationSource, Detection, FieldMetric,
    JourneySettings, Maintenance, Objective, Probe, Receiver, Refusal, Route, Select, WorkloadName,
    WorkloadSettings,
};
pub use incidents::{
    BudgetImpact, EnvironmentImpact, Impact, ImpactForecast, ImpactOutlook, Incident,
    IncidentsQuery, JourneyImpact, Suspect, UserImpact, Workload,
};
pub use journeys::{
    ClockOffset, Experience, JourneyHop, JourneyType, Journeys, LateJourney, TimeSpent, Topology,
    TopologyEdge, TopologyNode, TopologyQuery,
};
pub use listing::Listing;
pub use live::{LiveCall, LiveKind, LiveMessage, LiveQuery};
pub use models::{
    Alarm, Answer, BacktestFold, BacktestResult, Backtested, Candidate, Comparison, Feedback,
    FeedbackQuery, ForecastPoint, ForecastRequest, Learned, LearnedQuery, LearnedSignal, Model,
    ModelDetail, ModelState, NewBacktest, NewFeedback, NewTrial, Opinion, Point, Promotion, Recipe,
    ScoreRange, Scores, Series, SeriesForecast, SeriesForecasts, SeriesScore, Tally,
};
pub use places::{Environment, Service, ServicesQuery};
pub use predictions::{
    FailureRecord, ForecastRecord, JourneyChance, Predictions, PredictionsQuery, ReliabilityBin,
    Risk, RiskRecord, TrackRecord,
};
pub use problem::Problem;
pub use search::{
    FacetCount, Facets, FacetsQuery, Histogram, HistogramBucket, HistogramQuery, Order, Record,
    RecordKind, SearchPage, SearchQuery, TailMessage, TailQuery, Trace, TraceQuery,
};
pub use status::{IngestCounts, Status, StatusCounts};
pub use streams::{ReasonCount, Stream, StreamsQuery, Template, TemplatesQuery, Unrecognised};
pub use what_if::{AffectedCaller, JourneyLoss, WhatIf, WhatIfQuery};
pub use workloads::{IncidentRef, ProbeView, RouteView, WorkloadView, Workloads, WorkloadsQuery};

/// Every path below is relative to this.
pub const PREFIX: &str = "/api/v1";
