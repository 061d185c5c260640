//! Workloads as the monitor sees them: for whoever keeps a resource for each of them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::ApiState;

/// Answer of `GET /workloads`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Workloads {
    /// Ask with `?after=` this for what changes later. Changes when the monitor starts anew, so
    /// that everything is answered again.
    pub cursor: String,
    /// Of each source, the revision of the configuration in force.
    pub configurations: std::collections::BTreeMap<String, String>,
    /// Everything, or what changed in a way that matters (see [`WorkloadView::changed`]) since the
    /// cursor.
    pub items: Vec<WorkloadView>,
    /// True: these are all that there are, because no cursor was given or one of another time; what
    /// is not among them is not known any more. False: these are what changed since the cursor.
    /// Numbers move all the time without anything having changed: to see them, ask without one.
    pub complete: bool,
}

/// A service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkloadView {
    /// `service.namespace`; of a pod its Kubernetes namespace.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    pub environment: String,
    /// When anything that is not a mere number last changed: state, flags, format, routes' states.
    #[schema(format = DateTime)]
    pub changed: String,
    /// The worst of its Apis.
    pub state: ApiState,
    /// Why, in a sentence.
    pub reason: String,
    /// At most 1 is normal.
    pub score: f64,
    /// `null`: no log record yet, whatever else is known of it.
    #[schema(format = DateTime)]
    pub first_log: Option<String>,
    #[schema(format = DateTime)]
    pub last_log: Option<String>,
    #[schema(format = DateTime)]
    pub last_seen: String,
    pub logs_total: u64,
    /// Most of its records are in this format: `json`, `logfmt`, `nginx`, …; `null` while none is known.
    pub log_format: Option<String>,
    /// Records that no format fits, among those of the last minutes, 0 to 1.
    pub unrecognised_ratio: f64,
    /// Share of its Apis that have learned enough for verdicts, 0 to 1; 0 while it has none.
    pub learned_ratio: f64,
    pub apis: u64,
    /// Over the last minute.
    pub calls_per_second: f64,
    pub error_ratio: f64,
    /// The slowest Api's.
    pub latency_p99_seconds: Option<f64>,
    /// At most five, worst first.
    pub routes: Vec<RouteView>,
    /// Open incidents in which it has a part.
    pub incidents: Vec<IncidentRef>,
    /// What the monitor asks it itself. Neither learned from nor alerted on.
    #[serde(default)]
    pub probes: Vec<ProbeView>,
}

/// The last outcome of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    pub name: String,
    pub ok: bool,
    /// Why it failed, in a sentence.
    pub failure: Option<String>,
    pub duration_seconds: f64,
    #[schema(format = DateTime)]
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteView {
    /// The Api's id.
    pub id: String,
    pub method: String,
    pub route: String,
    pub state: ApiState,
    pub score: f64,
    pub calls_per_second: f64,
    pub error_ratio: f64,
    pub latency_p99_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentRef {
    pub id: String,
    /// It is the first suspect.
    pub root_cause: bool,
    pub summary: String,
    #[schema(format = DateTime)]
    pub opened_at: String,
}

/// Filters of `GET /workloads`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkloadsQuery {
    /// A cursor of an earlier answer: only what changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Wait this long for a change before answering with nothing; at most 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}
