//! `ChaosExperiment`: something that goes wrong on purpose, and what ought to be made of it.
//!
//! The shape is that of the files under `chaos/`. A kind's parameters are known to the platform
//! that the fault happens on; it says what is wrong with them, and the operator writes it here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Length;

/// Something that goes wrong on purpose, and what ought to be made of it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "crosswatch.dev",
    version = "v1alpha1",
    kind = "ChaosExperiment",
    plural = "chaosexperiments",
    shortname = "chaos",
    category = "crosswatch",
    namespaced,
    status = "ChaosExperimentStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Something that goes wrong on purpose (spec), and what was made of it (status).",
    label("app.kubernetes.io/part-of", "crosswatch"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Acted",
        type_ = "boolean",
        json_path = ".status.acted.observed",
        description = "Whether the fault did what it was to do."
    ),
    printcolumn(
        name = "Verdict",
        type_ = "string",
        json_path = ".status.verdict.result"
    ),
    printcolumn(
        name = "Detected",
        type_ = "string",
        json_path = ".status.timeToDetect",
        description = "From the first affected request to the incident."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.faults) > 0").message("needs at least one fault: `- kind: latency` with a `target`"),
    validation = Rule::new("self.suspend || self.faults == oldSelf.faults && self.duration == oldSelf.duration && self.ramp == oldSelf.ramp || oldSelf.suspend").message("faults, ramp and duration of an experiment cannot change once it is not suspended; make a new one")
)]
pub struct ChaosExperimentSpec {
    /// A sentence for people.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// They come and go together.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub faults: Vec<Fault>,
    /// From nothing to full strength; `0s` is abrupt.
    #[serde(default)]
    pub ramp: Length,
    /// From the start to the end, the ramp included.
    #[serde(default = "a_minute")]
    #[x_kube(validation = Rule::new("!self.matches('^(0+([.]0+)?(ms|s|m|h|d|w))+$')").message("duration must be more than 0s"))]
    pub duration: Length,
    /// Undisturbed time after it, before the verdict.
    #[serde(default = "a_minute")]
    pub recovery: Length,
    /// When it starts; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ChaosSchedule>,
    /// What a good watcher makes of it; what is absent is not judged.
    #[serde(default, skip_serializing_if = "Expectations::is_empty")]
    pub expect: Expectations,
    /// True: it does not start, and ends when it has started.
    #[serde(default)]
    pub suspend: bool,
    /// When it is ended before its time: the limits of what it may break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
}

fn a_minute() -> Length {
    Length::from_secs(60)
}

/// A fault and where it happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// `latency`, `error-burst`, `database-slow`, `partition`, …
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z][a-z0-9-]*$')").message("a kind of fault is in lower case: latency, error-burst, database-slow"))]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Target::is_empty")]
    pub target: Target,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub parameters: Map<String, Value>,
}

/// Where a fault happens; what is absent applies to all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub route: Option<String>,
    /// From 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replica: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub tenant: Option<String>,
    /// Only replicas of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub version: Option<String>,
}

impl Target {
    pub fn is_empty(&self) -> bool {
        *self == Target::default()
    }
}

/// When it starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.at) != has(self.cron)").message("a schedule is `at` (once) or `cron` (again and again): set exactly one of them"))]
pub struct ChaosSchedule {
    /// Once, at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub at: Option<String>,
    /// Again and again: `30 3 * * MON-FRI`. What is due while one still runs is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 128))]
    pub cron: Option<String>,
    /// Of `cron`: `Europe/London`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 63))]
    pub time_zone: String,
}

pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

/// What a good watcher makes of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.mayPage) || self.mayPage || !has(self.detectedWithin)").message("detectedWithin cannot be expected where mayPage is false: there is nothing to detect"))]
pub struct Expectations {
    /// Services where it shows, the cause among them: an incident of any of them is its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub symptoms: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<Cause>,
    /// False when nothing is wrong: incidents are false alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_page: Option<bool>,
    /// From the first affected request to the incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_within: Option<Length>,
}

impl Expectations {
    pub fn is_empty(&self) -> bool {
        *self == Expectations::default()
    }
}

/// The right answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub environment: Option<String>,
    /// Other answers that are as right: both ends of a wire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub also: Vec<String>,
}

/// Limits of what it may break. Crossing any of them ends it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.maxServices) || has(self.maxEnvironments) || has(self.maxErrorRatio)").message("abort needs at least one limit: maxServices, maxEnvironments or maxErrorRatio"))]
pub struct Abort {
    /// More services than these in open incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_services: Option<i32>,
    /// More environments than these in open incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_environments: Option<i32>,
    /// A larger share than this of `service`'s calls failing, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub max_error_ratio: Option<f64>,
    /// Whose calls `maxErrorRatio` is about: the platform's entry.
    #[serde(default = "edge")]
    #[schemars(length(min = 1, max = 253))]
    pub service: String,
}

fn edge() -> String {
    "edge".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Not started yet.
    #[default]
    Pending,
    /// The fault is on.
    Running,
    /// It is over; what follows of it is waited for.
    Recovering,
    /// Over, with a verdict.
    Completed,
    /// Ended before its time: by a limit, by `suspend`.
    Aborted,
    /// It could not be done.
    Failed,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Recovering => "Recovering",
            Phase::Completed => "Completed",
            Phase::Aborted => "Aborted",
            Phase::Failed => "Failed",
        }
    }

    /// Nothing more will happen in this run.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Completed | Phase::Aborted | Phase::Failed)
    }
}

/// How far it is, and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChaosExperimentStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default)]
    pub phase: Phase,
    /// Why it is in this phase, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Which run it is, from 1; those of a schedule count up.
    #[serde(default)]
    pub run: i64,
    /// Of this run on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// When this run was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub due: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub started_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub ended_at: Option<String>,
    /// Whether it did what it was to do, by its own measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<Acted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// From the first affected request to the incident: `4.2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_detect: Option<String>,
    /// The incident it was found as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    pub observed: bool,
    /// `mean latency of ledger 31 ms, 3.9 ms before`.
    #[serde(default)]
    pub evidence: String,
}

/// The watcher, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub result: VerdictResult,
    /// One sentence for each expectation.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VerdictResult {
    Passed,
    Failed,
    /// The fault did not act, or the monitor could not be asked: nothing can be said.
    Inconclusive,
}
