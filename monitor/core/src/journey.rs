//! What is known of journeys, for readers: their types, those that are late, the graph of calls.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ApiKey, Name, Time, TraceId, Workload};

/// Stable while the type is known, across restarts, and across monitors that learn it alone: it
/// follows from the entry and the place among the entry's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JourneyTypeId(pub u64);

/// Sixteen hexadecimal digits.
impl fmt::Display for JourneyTypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Sixteen hexadecimal digits, as it is shown.
impl FromStr for JourneyTypeId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<JourneyTypeId, ParseIntError> {
        u64::from_str_radix(text, 16).map(JourneyTypeId)
    }
}

/// What a person says of a type of journeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyWish {
    pub id: JourneyTypeId,
    /// What people call it.
    pub name: Option<Name>,
    /// Its journeys are counted as this type's.
    pub same_as: Option<JourneyTypeId>,
}

/// A vertex of the graph of calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Node {
    Workload(Workload),
    Queue(Name),
    Database(Name),
    /// Called, and never heard of itself: a third party, or a service without telemetry.
    External(Name),
}

impl Node {
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Workload(_) => "service",
            Node::Queue(_) => "queue",
            Node::Database(_) => "database",
            Node::External(_) => "external",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Workload(workload) => workload.fmt(f),
            Node::Queue(name) | Node::Database(name) | Node::External(name) => f.write_str(name),
        }
    }
}

/// One Api on the way of a type's journeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyHop {
    pub api: Arc<ApiKey>,
    /// Of the journeys, how many pass it; 1 is all.
    pub share: f64,
    /// Of the journeys that fail, how many fail here first.
    pub drop_off: f64,
    /// Mean time in seconds that a journey waits for this Api's own work, on its critical path.
    pub own_seconds: f64,
    /// Of the type's usual p99, the part that this Api usually takes, in seconds.
    pub budget_seconds: Option<f64>,
    /// Of that, how much its own work takes now; 1 is all.
    pub budget_used: Option<f64>,
}

/// What journeys may need, from the smallest to the largest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Need {
    Api(Arc<ApiKey>),
    /// A workload, or a database, a queue or a third party that is called.
    Node(Node),
    Environment(Name),
}

/// How much a type's journeys need something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyNeed {
    pub what: Need,
    /// Of the journeys that end well, how many wait for it; what is told to a queue is not waited
    /// for.
    pub share: f64,
    /// Journeys whose last call to it failed and that failed …
    pub lost: u64,
    /// … or went well all the same, by another way or without it.
    pub spared: u64,
}

/// How users have journeys, over some time. Shares are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fare {
    pub journeys: f64,
    /// Failed or refused.
    pub failed: f64,
    /// Failed, refused, or late: longer than 99 % usually take.
    pub hurt: f64,
    /// From 0 to 1: the satisfied and half of those who tolerate it.
    pub apdex: f64,
}

/// How users have journeys of one type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experience {
    /// Seconds: up to here users are satisfied (Apdex's T), up to four times this they tolerate it.
    pub satisfied: f64,
    /// An objective says so; otherwise it is what nine of ten journeys usually take.
    pub stated: bool,
    /// Seconds: 99 % usually take no longer.
    pub late: f64,
    /// Over the last minute.
    pub now: Fare,
    pub usual: Fare,
}

/// Journeys of one kind, over the last minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyTypeView {
    pub id: JourneyTypeId,
    /// What people call it, or the entry's operation.
    pub name: Name,
    pub entry: Arc<ApiKey>,
    /// Those that the numbers below are of.
    pub window: Duration,
    pub journeys: u64,
    /// A second.
    pub rate: f64,
    /// Share that ended without the platform's fault.
    pub success: f64,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub incomplete: u64,
    /// Began, and did not end within many times its usual length.
    pub stuck: u64,
    pub retried: u64,
    pub duplicated: u64,
    /// Those put together by time and peers alone, and how sure that is on average.
    pub inferred: u64,
    pub confidence: f64,
    /// The most of the critical path first.
    pub hops: Vec<JourneyHop>,
    /// Mean seconds on the critical path, by environment.
    pub environments: Vec<(Name, f64)>,
    /// Mean seconds on the wire, from one environment to another.
    pub wire: Vec<(Name, Name, f64)>,
    /// What its journeys wait for, that which most need first.
    pub needs: Vec<JourneyNeed>,
    /// `None` while it is not known what is usual.
    pub experience: Option<Experience>,
    /// That it fails within the next five minutes, from 0 to 1; 1 while it does. `None` while it is
    /// not known what is usual.
    pub failure_chance: Option<f64>,
    pub total: u64,
    pub first_seen: Time,
    pub last_seen: Time,
}

/// A journey of which parts were seen, and its end not yet, for longer than usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LateJourney {
    pub trace: Option<TraceId>,
    /// Which it seems to be.
    pub kind: Option<JourneyTypeId>,
    pub name: Option<Name>,
    pub began: Time,
    pub age: Duration,
    /// 99 % of its type are over after so long.
    pub p99: Option<Duration>,
    pub hops: u32,
    /// Where it was last seen.
    pub last: Name,
}

/// By how much an environment's clock is ahead of the reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkewView {
    pub environment: Name,
    /// Seconds; negative when it is behind.
    pub offset: f64,
    /// It cannot be more wrong than this, as long as clocks hold still.
    pub uncertainty: f64,
    pub pairs: u64,
}

/// One minute of one edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeSample {
    /// Into [`GraphView::nodes`].
    pub caller: u32,
    pub callee: u32,
    pub calls: u32,
    pub errors: u32,
    pub retries: u32,
    /// Seconds, summed over `calls`.
    pub seconds: f64,
    pub longest: f32,
    /// Client's duration less server's (queues: the wait), summed over `paired`.
    pub network_seconds: f64,
    pub paired: u32,
}

/// All edges of one minute, in order of caller and callee.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphMinute {
    /// Minutes since the epoch.
    pub minute: i64,
    pub edges: Vec<EdgeSample>,
}

/// What runs of a node now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    pub node: Node,
    pub versions: Vec<Name>,
    /// Heard in the last minutes.
    pub replicas: u32,
}

/// The graph of calls, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphView {
    pub nodes: Vec<NodeView>,
    /// The oldest first.
    pub minutes: Vec<Arc<GraphMinute>>,
}

/// What came in and what became of it, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyCounts {
    pub hops: u64,
    /// Journeys that ended, of any kind.
    pub journeys: u64,
    /// Hops of a journey that was over.
    pub late: u64,
    /// The same hop again.
    pub duplicated: u64,
    /// Journeys of one hop that made room for others.
    pub evicted: u64,
    /// Hops of a journey that has more than we keep of one.
    pub crowded: u64,
    /// Hops without ids beyond those that we look through.
    pub unplaced: u64,
    /// Journeys put together by time and peers.
    pub inferred: u64,
    /// Now.
    pub in_flight: u64,
    pub types: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JourneysView {
    /// The most frequent first.
    pub types: Vec<JourneyTypeView>,
    /// The oldest first.
    pub late: Vec<LateJourney>,
    pub skews: Vec<SkewView>,
    pub graph: GraphView,
    pub counts: JourneyCounts,
}
