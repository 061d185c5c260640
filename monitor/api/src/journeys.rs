//! Journeys: what kinds there are and how they fare, those that are late, and the graph of calls.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One Api on the way of a type's journeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JourneyHop {
    pub environment: String,
    pub service: String,
    /// `GET /orders/{id}`
    pub operation: String,
    /// Share of the journeys that pass it.
    pub share: f64,
    /// Of the journeys that fail, the share that fails here first.
    pub drop_off: f64,
    /// Mean time that a journey waits for this Api's own work.
    pub own_seconds: f64,
    /// Its usual part of the type's 99th percentile; `null` while that is not known.
    pub budget_seconds: Option<f64>,
    /// Of that, how much its own work takes now; 1 is all.
    pub budget_used: Option<f64>,
}

/// Mean time of a journey in one environment, or between two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeSpent {
    pub environment: String,
    /// On the wire to this one; `null`: working in the environment.
    pub to: Option<String>,
    pub seconds: f64,
}

/// How users have journeys: the index of the Apdex Alliance (technical specification 1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Experience {
    /// Apdex's T: up to here users are satisfied, up to four times this they tolerate it.
    pub satisfied_seconds: f64,
    /// An objective says so; otherwise T is what nine of ten journeys usually take.
    pub stated: bool,
    /// 99 % usually take no longer.
    pub late_seconds: f64,
    /// Of the last minute; `null` without journeys.
    pub apdex: Option<f64>,
    pub apdex_usually: f64,
    /// Share that failed or was late in the last minute, and usually.
    pub hurt: Option<f64>,
    pub hurt_usually: f64,
}

/// Journeys that enter by one Api and take about the same way, over the last minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JourneyType {
    /// The same while the type is known, also after a restart.
    pub id: String,
    pub name: String,
    pub environment: String,
    pub service: String,
    pub operation: String,
    pub window_seconds: u64,
    /// In the window, as all numbers but `total`.
    pub journeys: u64,
    pub journeys_per_second: f64,
    /// Share that did not fail.
    pub success: f64,
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
    pub incomplete: u64,
    pub stuck: u64,
    pub retried: u64,
    pub duplicated: u64,
    /// Put together by time and peers, at least in part.
    pub inferred: u64,
    /// How sure it is on average that all of a journey is right.
    pub confidence: f64,
    /// The most of the critical path first.
    pub hops: Vec<JourneyHop>,
    pub time: Vec<TimeSpent>,
    /// `null` while it is not known what is usual.
    #[serde(default)]
    pub experience: Option<Experience>,
    /// The chance that the type fails within the next five minutes, 0 to 1; 1 while it does. `null`
    /// while it is not known what is usual.
    #[serde(default)]
    pub failure_chance: Option<f64>,
    pub total: u64,
    #[schema(format = DateTime)]
    pub first_seen: String,
    #[schema(format = DateTime)]
    pub last_seen: String,
}

/// A journey whose end is overdue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LateJourney {
    pub trace_id: Option<String>,
    /// What it seems to be.
    pub r#type: Option<String>,
    pub name: Option<String>,
    #[schema(format = DateTime)]
    pub began: String,
    pub age_seconds: f64,
    /// 99 % of its type are over after so long.
    pub p99_seconds: Option<f64>,
    pub hops: u32,
    /// Where it was last seen.
    pub last: String,
}

/// By how much an environment's clock is ahead of the reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClockOffset {
    pub environment: String,
    pub ahead_seconds: f64,
    pub uncertainty_seconds: f64,
    /// Calls that both sides told of.
    pub pairs: u64,
}

/// Journeys in flight, and what became of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Journeys {
    /// In flight for longer than 99 % of their type, the oldest first.
    pub late: Vec<LateJourney>,
    pub clocks: Vec<ClockOffset>,
    pub in_flight: u64,
    pub types: u64,
    pub journeys_total: u64,
    pub inferred_total: u64,
    pub hops_total: u64,
    /// Hops that came after their journey was over.
    pub late_hops_total: u64,
    pub duplicated_hops_total: u64,
    /// Journeys of one hop that made room for others.
    pub evicted_total: u64,
    /// Hops beyond what is kept of one journey, or of hops without ids.
    pub refused_hops_total: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopologyNode {
    /// `shop/orders @ cloud-a`, or a queue's, database's or third party's name.
    pub name: String,
    /// `service`, `queue`, `database` or `external`.
    pub kind: String,
    pub environment: Option<String>,
    /// Those that run now.
    pub versions: Vec<String>,
    pub replicas: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopologyEdge {
    /// Places in `nodes`.
    pub caller: usize,
    pub callee: usize,
    pub calls: u64,
    pub errors: u64,
    pub retries: u64,
    pub mean_seconds: f64,
    pub longest_seconds: f64,
    /// Mean of client's duration less server's, of calls that both told of; for a queue, the wait.
    pub network_seconds: Option<f64>,
}

/// The graph of calls in the minutes up to a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// From the beginning of this minute …
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// … to the end of this one.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    pub nodes: Vec<TopologyNode>,
    pub edges: Vec<TopologyEdge>,
}

/// When the graph is wanted of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopologyQuery {
    /// RFC 3339, `now`, or before now: `-15m`. The newest when absent; three hours are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}
