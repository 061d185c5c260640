//! The platform as a file: environments, links, services, clients, journeys.
//!
//! Everything a service is, it is by this file: one program can be any of them. Read by
//! [`parse`](Topology::parse), which refuses what does not fit together; what it returns needs no
//! second look.

mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::{Dist, length, maybe_length};

/// A shop with payments: sixteen services in two clouds and a data centre.
pub const SHOP: &str = include_str!("../topologies/shop.yaml");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    pub name: String,
    pub environments: BTreeMap<String, EnvironmentSpec>,
    pub links: Vec<LinkSpec>,
    #[serde(default)]
    pub queues: BTreeMap<String, QueueSpec>,
    pub services: BTreeMap<String, ServiceSpec>,
    /// The service that clients call.
    pub entry: String,
    pub clients: Vec<ClientSpec>,
    pub journeys: Vec<JourneySpec>,
    pub load: LoadSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentKind {
    Cloud,
    OnPrem,
    Edge,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSpec {
    pub kind: EnvironmentKind,
    /// OpenTelemetry's `cloud.provider`.
    #[serde(default)]
    pub provider: Option<String>,
    #[serde(default)]
    pub region: Option<String>,
    #[serde(default)]
    pub zones: Vec<String>,
    #[serde(default)]
    pub cluster: Option<String>,
    /// The data centre's name.
    #[serde(default)]
    pub site: Option<String>,
    /// How far its clocks are from the truth; negative when they are slow.
    #[serde(default)]
    pub clock_offset_ms: i64,
    /// A cloud adds replicas; without this, capacity is fixed.
    #[serde(default)]
    pub scaling: Option<ScalingSpec>,
    /// Nightly work beside the requests.
    #[serde(default)]
    pub batch: Option<BatchSpec>,
    #[serde(default)]
    pub maintenance: Vec<WindowSpec>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalingSpec {
    /// Share of workers busy that it aims at.
    pub target_utilisation: f64,
    pub max_replicas: u32,
    #[serde(with = "length")]
    pub every: Duration,
    /// From the decision to the first request taken.
    #[serde(with = "length")]
    pub cold_start: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSpec {
    pub service: String,
    pub store: String,
    pub window: WindowSpec,
    /// Statements a second while it lasts.
    pub per_second: f64,
}

/// A time of day in UTC, every day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// Since midnight.
    #[serde(with = "length")]
    pub at: Duration,
    #[serde(with = "length")]
    pub lasts: Duration,
}

/// The wire between two environments, the same in both directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    pub between: [String; 2],
    /// One way.
    #[serde(with = "length")]
    pub latency: Duration,
    /// Standard deviation of the latency; order is kept.
    #[serde(with = "length")]
    pub jitter: Duration,
    /// Share of segments lost; each costs a retransmission.
    #[serde(default)]
    pub loss: f64,
    pub megabits_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSpec {
    /// The service that holds it.
    pub broker: String,
    /// Messages it holds at most; more are refused.
    pub capacity: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Http1,
    Http2,
    Grpc,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    pub environment: String,
    #[serde(default)]
    pub namespace: String,
    pub version: String,
    pub protocol: Protocol,
    #[serde(default)]
    pub tls: bool,
    #[serde(default = "one")]
    pub replicas: u32,
    /// Requests that a replica works on at once; more wait in line.
    pub workers: u32,
    /// How many may wait; more are refused with 503.
    #[serde(default = "backlog")]
    pub backlog: u32,
    pub log: LogSpec,
    #[serde(default)]
    pub tracing: TracingSpec,
    /// At this much memory a replica is killed.
    #[serde(default = "memory")]
    pub memory_mb: u64,
    /// Databases, one connection pool per replica.
    #[serde(default)]
    pub stores: BTreeMap<String, StoreSpec>,
    /// One per replica.
    #[serde(default)]
    pub caches: BTreeMap<String, CacheSpec>,
    /// `GET /products/{id}`, or `shop.Catalog/GetProduct` when the protocol is gRPC.
    #[serde(default)]
    pub routes: BTreeMap<String, RouteSpec>,
    /// What it takes from queues.
    #[serde(default)]
    pub consumes: BTreeMap<String, ConsumerSpec>,
    /// Refuses a client beyond its class' quota with 429.
    #[serde(default)]
    pub enforces_quota: bool,
}

fn one() -> u32 {
    1
}

fn backlog() -> u32 {
    1_024
}

fn memory() -> u64 {
    512
}

/// How a service writes its log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// JSON of Node's pino with `req`, `res` and `responseTime`.
    Pino,
    /// JSON of Go's zap.
    Zap,
    /// JSON in Elastic's common schema, from logback.
    Ecs,
    Logfmt,
    /// Spring Boot's text, with Java stack traces.
    Spring,
    /// nginx' combined format with request time and id.
    Nginx,
    /// Envoy's default access log.
    Envoy,
    Klog,
    /// RFC 5424.
    Syslog,
    /// Free text without any ids.
    Plain,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSpec {
    pub dialect: Dialect,
    #[serde(default)]
    pub level: Level,
}

/// What is passed on to the next service, and what is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// W3C `traceparent`, and `x-request-id` when it came in.
    #[default]
    Traceparent,
    /// Only `x-request-id`.
    RequestId,
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracingSpec {
    pub propagates: Propagation,
    pub exports_spans: bool,
}

impl Default for TracingSpec {
    fn default() -> TracingSpec {
        TracingSpec {
            propagates: Propagation::Traceparent,
            exports_spans: true,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSpec {
    /// OpenTelemetry's `db.system.name`.
    pub system: String,
    pub connections: u32,
    /// How long a request waits for a connection before it fails.
    #[serde(with = "length")]
    pub patience: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    pub entries: usize,
    #[serde(with = "length")]
    pub ttl: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    pub steps: Vec<Step>,
    /// Share of requests that fail on a good day.
    #[serde(default)]
    pub error_ratio: f64,
    /// Bytes of the answer's body.
    #[serde(default = "body")]
    pub bytes: usize,
}

fn body() -> usize {
    256
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSpec {
    /// Messages worked on at once, per replica.
    pub concurrency: u32,
    pub steps: Vec<Step>,
}

/// What a request does, one after the other, while it holds a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The processor's time.
    Work(Dist),
    Call(CallSpec),
    /// All at once; over when the last is.
    Parallel(Vec<Step>),
    Cached(CachedSpec),
    Query(QuerySpec),
    /// A message to a queue.
    Publish(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSpec {
    pub service: String,
    pub route: String,
    #[serde(with = "length")]
    pub timeout: Duration,
    /// Including the first.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Before the second attempt; doubles, with full jitter.
    #[serde(default, with = "maybe_length")]
    pub backoff: Option<Duration>,
    #[serde(default)]
    pub breaker: Option<BreakerSpec>,
    /// Connections of a replica to this service.
    #[serde(default = "connections")]
    pub connections: u32,
    /// Its failure does not fail the caller.
    #[serde(default)]
    pub optional: bool,
}

fn connections() -> u32 {
    64
}

/// Opens when of the last `window` calls at least `failure_ratio` failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpec {
    pub window: u32,
    pub failure_ratio: f64,
    /// Until one call is let through to try.
    #[serde(with = "length")]
    pub open: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedSpec {
    pub cache: String,
    /// `{id}` stands for the path's parameter.
    pub key: String,
    /// When it is not there; what they find is kept.
    pub miss: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySpec {
    pub store: String,
    /// As it is logged and traced.
    pub statement: String,
    pub takes: Dist,
    /// Rows that only one request can hold at a time, `{id}` as above.
    #[serde(default)]
    pub locks: Option<String>,
}

/// A class of clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    pub name: String,
    /// Of the arrivals.
    pub weight: f64,
    /// How many there are.
    pub count: u32,
    /// Who they belong to.
    pub tenants: Vec<String>,
    pub user_agent: String,
    /// Requests a second that one of them may make.
    #[serde(default)]
    pub quota_per_second: Option<f64>,
    #[serde(default)]
    pub bot: bool,
}

/// What a client came for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneySpec {
    pub name: String,
    pub weight: f64,
    /// The classes that go on it; empty is all.
    #[serde(default)]
    pub clients: Vec<String>,
    pub steps: Vec<JourneyStep>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyStep {
    /// A route of the entry service.
    pub request: String,
    /// Share of journeys that take this step.
    #[serde(default = "always")]
    pub share: f64,
    /// Before the next step.
    #[serde(default)]
    pub think: Option<Dist>,
}

fn always() -> f64 {
    1.0
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSpec {
    /// Journeys that begin in a second, on average over the week.
    pub journeys_per_second: f64,
    /// How far the day's peak is above the mean, as a share of it.
    #[serde(default)]
    pub daily_swing: f64,
    /// Saturday's and Sunday's share of a weekday.
    #[serde(default = "always")]
    pub weekend: f64,
    /// Simulated days in a day.
    #[serde(default = "always")]
    pub time_compression: f64,
    /// Values that `{id}` can have; a few are asked for far more often than others (Zipf).
    pub ids: u64,
    #[serde(with = "length")]
    pub timeout: Duration,
}

/// What does not fit together, as `services.cart.routes["GET /cart/{id}"]: …`.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    #[error("cannot read the topology: {0}")]
    Syntax(String),
    #[error("the topology does not fit together:\n{}", .0.join("\n"))]
    Meaning(Vec<String>),
}

impl Topology {
    pub fn parse(yaml: &str) -> Result<Topology, TopologyError> {
        let topology: Topology = serde_saphyr::from_str(yaml)
            .map_err(|error| TopologyError::Syntax(error.to_string()))?;
        let problems = check::problems(&topology);
        if problems.is_empty() {
            Ok(topology)
        } else {
            Err(TopologyError::Meaning(problems))
        }
    }

    /// The shipped one.
    ///
    /// # Panics
    ///
    /// Never: a test reads it.
    pub fn shop() -> Topology {
        Topology::parse(SHOP).expect("the shipped topology is tested")
    }
}
