//! Alerts: what a person is told about anomalies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Anomaly;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AlertSeverity {
    Info,
    Warning,
    Critical,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AlertState {
    /// Seen, not yet for long enough to tell anyone.
    Pending,
    Firing,
    Resolved,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The hash of its labels.
    pub id: String,
    pub state: AlertState,
    pub severity: AlertSeverity,
    /// Its identity, with Prometheus' label names: `alertname`, `severity`, `service`, …
    pub labels: BTreeMap<String, String>,
    /// For people: `summary`, `description`, …
    pub annotations: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    pub starts_at: String,
    /// When it was resolved.
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
    /// Why nobody is told of it, in a sentence; `null` when they are.
    #[serde(default)]
    pub muted: Option<String>,
    /// The anomalies it stands for, the worst first.
    pub anomalies: Vec<Anomaly>,
}

/// Filters of `GET /alerts`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// `pending`, `firing` or `resolved`.
    #[param(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
