//! `MaintenanceWindow`: a time in which something is different on purpose.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::Length;
use crate::chaos_experiment::utc;
use crate::monitored_api::Binding;

/// A time in which something is different on purpose.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "crosswatch.dev",
    version = "v1alpha1",
    kind = "MaintenanceWindow",
    plural = "maintenancewindows",
    shortname = "mwin",
    category = "crosswatch",
    namespaced,
    status = "MaintenanceWindowStatus",
    derive = "PartialEq",
    doc = "A time in which workloads of its namespace are different on purpose; one in the operator's namespace may name any.",
    label("app.kubernetes.io/part-of", "crosswatch"),
    printcolumn(name = "Active", type_ = "boolean", json_path = ".status.active"),
    printcolumn(
        name = "Starts",
        type_ = "string",
        json_path = ".status.startsAt",
        description = "Of the window that is open or comes next."
    ),
    printcolumn(name = "Ends", type_ = "string", json_path = ".status.endsAt"),
    printcolumn(
        name = "Workloads",
        type_ = "integer",
        json_path = ".status.workloads",
        description = "MonitoredApis that it chooses."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.muteAlerts || self.excludeLearning").message("a window that neither mutes alerts nor excludes learning does nothing: leave at least one of muteAlerts and excludeLearning true"))]
pub struct MaintenanceWindowSpec {
    /// MonitoredApis by their labels; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::selector")]
    pub selector: Option<LabelSelector>,
    /// Only in these environments; in all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub environments: Vec<String>,
    /// Only for a window in the operator's own namespace; others reach their own namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    pub schedule: WindowSchedule,
    /// Alerts of the chosen are not sent.
    #[serde(default = "yes")]
    pub mute_alerts: bool,
    /// What the chosen do teaches the models nothing.
    #[serde(default = "yes")]
    pub exclude_learning: bool,
}

fn yes() -> bool {
    true
}

impl Default for MaintenanceWindowSpec {
    fn default() -> MaintenanceWindowSpec {
        MaintenanceWindowSpec {
            selector: None,
            environments: Vec::new(),
            namespaces: Vec::new(),
            schedule: WindowSchedule::default(),
            mute_alerts: true,
            exclude_learning: true,
        }
    }
}

/// Once, from a moment to a moment; or again and again, by cron and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cron) != has(self.startsAt)").message("a schedule is startsAt and endsAt (once) or cron and duration (again and again)"),
    validation = Rule::new("has(self.cron) == has(self.duration)").message("cron needs duration, and only cron has one: how long each window is open"),
    validation = Rule::new("has(self.startsAt) == has(self.endsAt)").message("startsAt and endsAt belong together"),
    validation = Rule::new("!has(self.startsAt) || !has(self.endsAt) || timestamp(self.startsAt) < timestamp(self.endsAt)").message("endsAt must be after startsAt")
)]
pub struct WindowSchedule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub starts_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub ends_at: Option<String>,
    /// When each opens: `0 2 * * SUN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 128))]
    pub cron: Option<String>,
    /// How long each stays open: `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Length>,
    /// Of `cron`: `Europe/London`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 63))]
    pub time_zone: String,
}

/// Which window is open or comes next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindowStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub bindings: Vec<Binding>,
    #[serde(default)]
    pub active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub starts_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::moment")]
    pub ends_at: Option<String>,
    #[serde(default)]
    pub workloads: i32,
}
