//! What others want of this monitor: how workloads are to be watched, when not to page, whom to tell.
//!
//! A source (an operator, a person's script) puts its whole wish at once; what it leaves out is
//! forgotten. Putting the same again changes nothing. The monitor keeps it over restarts and says
//! of each part whether it was taken up, and if not, why.
//!
//! Several sources hold beside each other, as with configuration folders: they are read in the order
//! of their names, and in what two of them say of the same workload the later one wins; a list is
//! replaced whole. What is said of one environment wins over what is said of all. A workload is
//! paused when any source pauses it. Windows and routes of all sources hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `PUT /configuration/{source}`; also what `GET /configuration/{source}` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Configuration {
    /// Chosen by the source, compared for equality only: it sees by this whether the monitor still
    /// has what it last sent.
    pub revision: String,
    pub workloads: Vec<WorkloadSettings>,
    pub maintenance: Vec<Maintenance>,
    pub routing: Vec<Route>,
    pub journeys: Vec<JourneySettings>,
}

/// What a type of journeys is called, and which one it is a part of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct JourneySettings {
    /// As `GET /journeys/types` tells it.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// The id of another type: the journeys of this one are counted as that one's.
    pub same_as: Option<String>,
}

/// How one service is watched. Everything but its name may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WorkloadSettings {
    /// `service.namespace`.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// Only in this environment; everywhere when absent.
    pub environment: Option<String>,
    /// Neither judged nor learned from; records are kept.
    pub paused: bool,
    /// False alarms that are acceptable, for each Api and week.
    pub false_alarms_per_week: Option<f64>,
    /// By signal: `latency`, `error_ratio`, `traffic`, `logs`.
    pub detection: BTreeMap<String, Detection>,
    /// Names for paths: `GET /orders/{id}`. They come before the templates that are found.
    pub routes: Vec<String>,
    /// Paths that are no Apis, with `*` for anything: `/healthz`, `/internal/*`.
    pub exclude_paths: Vec<String>,
    pub log_format: Option<String>,
    pub objectives: Vec<Objective>,
    pub metrics: Vec<FieldMetric>,
    pub probes: Vec<Probe>,
    /// Who is asked when it breaks; an annotation of its alerts.
    pub owner: Option<String>,
    pub runbook_url: Option<String>,
    /// `critical`, `high`, `medium` or `low`: `service.criticality` of OpenTelemetry.
    pub criticality: Option<String>,
}

/// The words of vmanomaly, with their meanings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Detection {
    /// False: this signal is not judged.
    pub enabled: Option<bool>,
    /// Values outside are anomalous whatever was learned; in the signal's unit.
    pub data_range: Option<[f64; 2]>,
    /// `both`, `above_expected` or `below_expected`.
    pub detection_direction: Option<String>,
    /// Smaller deviations are never anomalies; in the signal's unit.
    pub min_dev_from_expected: Option<f64>,
    /// The same as a share of what is expected: 0.2 is a fifth.
    pub min_rel_dev_from_expected: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Objective {
    pub name: String,
    /// Of all calls, those that must succeed (and be fast enough), 0 to 1.
    pub objective_ratio: f64,
    /// With it the objective is about latency: calls slower than this are bad.
    pub latency_threshold_seconds: Option<f64>,
    pub window_seconds: u64,
    /// `GET /orders/{id}`; all of the service's when absent.
    pub route: Option<String>,
}

/// A number out of a log field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FieldMetric {
    pub name: String,
    /// Where in the record: `queue.depth`.
    pub field: String,
    pub unit: Option<String>,
}

/// A request that the monitor makes itself, at intervals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Probe {
    pub name: String,
    pub url: String,
    pub method: String,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
    pub expect_status: Vec<u16>,
}

/// A time in which something is different on purpose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Maintenance {
    pub name: String,
    #[schema(format = DateTime)]
    pub starts_at: String,
    #[schema(format = DateTime)]
    pub ends_at: String,
    /// Alerts of the chosen are not sent.
    pub mute: bool,
    /// What the chosen do teaches the models nothing.
    pub exclude_learning: bool,
    pub select: Select,
}

/// Which workloads. All that is given must hold; an empty one chooses everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Select {
    /// Any of these pairs.
    pub workloads: Vec<WorkloadName>,
    pub environments: Vec<String>,
    pub namespaces: Vec<String>,
    /// `critical`, `warning`, `info`; only for alerts.
    pub severities: Vec<String>,
}

#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
pub struct WorkloadName {
    pub namespace: String,
    pub service: String,
}

/// Which alerts go where, beside the destinations of the monitor's own settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Route {
    pub name: String,
    pub select: Select,
    /// Another severity than the computed one.
    pub severity: Option<String>,
    pub receivers: Vec<Receiver>,
}

/// Its address may hold a secret: it is never shown again, `GET` answers `***` in its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Receiver {
    pub name: String,
    /// `alertmanager` or `webhook`.
    pub kind: String,
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
}

/// Answer to `PUT /configuration/{source}`: 200 also when some parts were refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigurationOutcome {
    pub revision: String,
    /// How many parts are in force.
    pub accepted: u64,
    pub refused: Vec<Refusal>,
}

/// Item of `GET /configuration`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigurationSource {
    pub source: String,
    pub revision: String,
    /// How many parts are in force.
    pub accepted: u64,
    pub refused: Vec<Refusal>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// `workloads`, `maintenance`, `routing` or `journeys`.
    pub part: String,
    /// `namespace/service`, the name of the window or route, or the type's id.
    pub name: String,
    /// What is wrong and what to write instead, in a sentence.
    pub reason: String,
    /// False: the part is in force but for what the reason says.
    pub whole: bool,
}
