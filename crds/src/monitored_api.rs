//! `MonitoredApi`: one workload's APIs, how they are watched, and how they are.
//!
//! The operator makes one for each workload whose pods emit logs. People write their own where they
//! want something different from the usual, or edit what was made: what they set stays theirs.

mod status;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{
    Binding, BindingCondition, EnvironmentStatus, IncidentStatus, MonitoredApiStatus, PodCounts,
    RouteStatus, ServiceStatus,
};
use crate::Length;

/// The APIs of one workload: how they are watched (spec) and how they are (status).
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "crosswatch.dev",
    version = "v1alpha1",
    kind = "MonitoredApi",
    plural = "monitoredapis",
    shortname = "mapi",
    category = "crosswatch",
    namespaced,
    status = "MonitoredApiStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "The APIs of one workload: how they are watched (spec) and how they are (status).",
    label("app.kubernetes.io/part-of", "crosswatch"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether everything that is asked for is in force."
    ),
    printcolumn(
        name = "Env",
        type_ = "string",
        json_path = ".status.environment",
        description = "Where its pods run."
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "learning, ok, anomalous, at-risk, silent or paused: the worst of its APIs."
    ),
    printcolumn(
        name = "P99",
        type_ = "string",
        json_path = ".status.p99",
        description = "The slowest API's 99th percentile of the last minute."
    ),
    printcolumn(
        name = "Err%",
        type_ = "string",
        json_path = ".status.errorPercent",
        description = "Failed calls of the last minute, in percent."
    ),
    printcolumn(
        name = "Score",
        type_ = "string",
        json_path = ".status.score",
        description = "At most 1 is normal."
    ),
    printcolumn(
        name = "Pods",
        type_ = "integer",
        json_path = ".status.pods.total",
        description = "Pods that are counted to it."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Baseline",
        type_ = "string",
        json_path = ".status.baseline",
        priority = 1,
        description = "How many of its APIs have learned enough for verdicts."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.reason",
        priority = 1,
        description = "Why it is in this state."
    ),
    printcolumn(
        name = "Last Log",
        type_ = "date",
        json_path = ".status.lastLog",
        priority = 1,
        description = "When its last log record was written."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.workloadRef) != has(self.selector)").message("set exactly one of workloadRef (one workload, by kind and name) and selector (pods, by labels)"),
    validation = Rule::new("!has(self.routes) || self.routes.all(r, r.template.contains('/') || r.template.contains('.') || r.template.contains(' '))").message("a route's template is a method and a path, such as `GET /orders/{id}`")
)]
pub struct MonitoredApiSpec {
    /// The workload in this namespace whose pods these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("workloadRef cannot change; make another MonitoredApi for another workload"))]
    pub workload_ref: Option<WorkloadRef>,

    /// Pods of this namespace by their labels, instead of a workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::selector")]
    pub selector: Option<LabelSelector>,

    /// The name that its telemetry carries, where it is another than follows from labels,
    /// annotations and the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,

    /// Only what runs in this environment. Where a workload runs is said by the annotation
    /// `crosswatch.dev/env` on pod, workload, namespace or node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub environment: Option<String>,

    /// Neither judged nor learned from while true; its records are kept.
    #[serde(default)]
    pub paused: bool,

    /// What its log lines look like, where they are not recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,

    /// Names of routes, where the templates that are found do not suit. They come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["template".into()]))]
    pub routes: Vec<RouteSpec>,

    /// Paths that are no APIs, with `*` for anything: `/healthz`, `/internal/*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(path, path.startsWith('/') || path.startsWith('*'))").message("a path begins with `/` or `*`: /healthz, /internal/*"))]
    pub exclude_paths: Vec<String>,

    /// What is promised of it: crossing one is a risk before it is an alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub objectives: Vec<Objective>,

    /// How readily something is called an anomaly.
    #[serde(default, skip_serializing_if = "Detection::is_empty")]
    pub detection: Detection,

    /// Numbers out of log fields that are watched like its own signals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub metrics: Vec<FieldMetric>,

    /// Requests that the monitor makes itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<Probe>,

    /// Who is asked when it breaks, and how bad that is.
    #[serde(default, skip_serializing_if = "Ownership::is_empty")]
    pub ownership: Ownership,
}

/// A workload by kind and name.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// `apps/v1`; only needed for kinds that Kubernetes itself does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub api_version: Option<String>,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `CronJob`, `Job`, `Pod`, or whatever owns the pods.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z][A-Za-z0-9]*$')").message("a kind begins with a capital letter: Deployment, StatefulSet, DaemonSet, CronJob, Job, Pod"))]
    pub kind: String,
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A service by the name of OpenTelemetry's resource attributes.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// `service.name`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// `service.namespace`; the resource's namespace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub namespace: Option<String>,
}

/// A hint for reading its log lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogFormat {
    /// `json`, `logfmt`, `nginx`, `apache`, …: the formats that the monitor lists.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][a-z0-9_.-]*$')").message("a format's name is in lower case: json, logfmt, nginx"))]
    pub name: String,
}

/// The name of one route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// `GET /orders/{id}`; without a method for all methods.
    #[schemars(length(min = 1, max = 256))]
    pub template: String,
}

/// A promise. Exactly one of latency and availability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.latency) != has(self.availability)").message("an objective is about latency or about availability: set exactly one of them"))]
pub struct Objective {
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// So many of the calls are faster than the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyObjective>,
    /// So many of the calls succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<AvailabilityObjective>,
    /// Over how long the promise is kept.
    #[serde(default = "four_weeks")]
    pub window: Length,
    /// `GET /orders/{id}`; all of the workload's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub route: Option<String>,
}

fn four_weeks() -> Length {
    Length::from_secs(28 * 86_400)
}

/// `quantile: 0.99, threshold: 300ms`: 99 of 100 calls are answered within 300 ms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyObjective {
    /// Of all calls, those that must be fast enough: above 0, below 1.
    #[serde(default = "ninety_nine")]
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 1, "exclusiveMaximum" = true))]
    pub quantile: f64,
    pub threshold: Length,
}

fn ninety_nine() -> f64 {
    0.99
}

/// `target: 0.999`: one call in a thousand may fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailabilityObjective {
    /// Of all calls, those that must succeed: above 0, below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 1, "exclusiveMaximum" = true))]
    pub target: f64,
}

/// How readily something is called an anomaly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// False alarms that are acceptable, for each API and week: fewer is less sensitive. The
    /// monitor's own setting when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 100))]
    pub false_alarms_per_week: Option<f64>,
    /// Signals that are judged otherwise than usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub signals: Vec<SignalDetection>,
}

impl Detection {
    pub fn is_empty(&self) -> bool {
        *self == Detection::default()
    }
}

/// How one signal is judged. The words are vmanomaly's, in the spelling of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.dataRange) || self.dataRange[0] < self.dataRange[1]").message("dataRange is the lowest and the highest value that can be normal, in this order"),
)]
pub struct SignalDetection {
    /// `latency`, `error_ratio`, `traffic`, `logs`, or one of the metrics.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// False: it is not judged.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// vmanomaly's `data_range`: what lies outside is anomalous whatever was learned. In the
    /// signal's unit (seconds, ratio, per second).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub data_range: Option<Vec<f64>>,
    /// vmanomaly's `detection_direction`: which deviations count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_direction: Option<DetectionDirection>,
    /// vmanomaly's `min_dev_from_expected`: smaller deviations are never anomalies. In the signal's
    /// unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_dev_from_expected: Option<f64>,
    /// vmanomaly's `min_rel_dev_from_expected`: the same as a share of what is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_rel_dev_from_expected: Option<f64>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectionDirection {
    Both,
    AboveExpected,
    BelowExpected,
}

impl DetectionDirection {
    pub fn as_str(self) -> &'static str {
        match self {
            DetectionDirection::Both => "both",
            DetectionDirection::AboveExpected => "above_expected",
            DetectionDirection::BelowExpected => "below_expected",
        }
    }
}

/// A number out of a log field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldMetric {
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z_][a-zA-Z0-9_.]*$')").message("a metric's name is made of letters, digits, `_` and `.`, such as queue.depth"))]
    pub name: String,
    /// Where in the record: `queue.depth`.
    #[schemars(length(min = 1, max = 256))]
    pub field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub unit: Option<String>,
}

/// A request that the monitor makes at intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// `http://orders.shop/healthz`.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+')").message("a probe needs a whole address: http://HOST:PORT/PATH"))]
    pub url: String,
    #[serde(default = "get")]
    #[schemars(extend("enum" = ["GET", "HEAD", "OPTIONS", "POST"]))]
    pub method: String,
    #[serde(default = "half_a_minute")]
    pub interval: Length,
    #[serde(default = "five_seconds")]
    pub timeout: Length,
    /// Statuses that are well; any from 200 to 399 when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 100, max = 599)))]
    pub expect_status: Vec<u16>,
}

fn get() -> String {
    "GET".to_owned()
}

fn half_a_minute() -> Length {
    Length::from_secs(30)
}

fn five_seconds() -> Length {
    Length::from_secs(5)
}

/// Who is asked when it breaks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ownership {
    /// A team or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('http://') || self.startsWith('https://')").message("write the runbook's address with http:// or https://"))]
    pub runbook_url: Option<String>,
    /// `service.criticality` of OpenTelemetry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<Criticality>,
    /// Anything else that its alerts shall say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub annotations: BTreeMap<String, String>,
}

impl Ownership {
    pub fn is_empty(&self) -> bool {
        *self == Ownership::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    Critical,
    High,
    Medium,
    Low,
}

impl Criticality {
    pub fn as_str(self) -> &'static str {
        match self {
            Criticality::Critical => "critical",
            Criticality::High => "high",
            Criticality::Medium => "medium",
            Criticality::Low => "low",
        }
    }
}
