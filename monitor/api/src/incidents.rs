//! Incidents: anomalies that belong together, and who may have caused them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Change;

/// A service in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workload {
    pub environment: String,
    pub namespace: String,
    pub service: String,
    /// For people: `shop/ledger @ on-prem`.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suspect {
    pub workload: Workload,
    /// `service`; or `link` or `environment`: what lies between environments is suspected, and the
    /// workload is one that is called over it.
    #[serde(default = "service")]
    pub kind: String,
    /// 0 to 1. It orders the suspects of one incident and is no probability.
    pub score: f64,
    /// For a person: `changed first, at 10:05:12, 4 s before payments; nothing it calls is unusual`.
    pub why: String,
}

fn service() -> String {
    "service".to_owned()
}

/// What clients have of an incident: of their calls to the services that no other calls. Shares are
/// from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Impact {
    pub calls_per_second: f64,
    /// Share of these that failed or were refused in the last half minute …
    pub affected: f64,
    /// … and usually.
    pub usually: f64,
    /// Of the calls to the incident's services, where they are.
    pub by_environment: Vec<EnvironmentImpact>,
    /// What is expected of the next minute.
    pub next_minute: ImpactForecast,
    /// All this in a sentence.
    pub summary: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentImpact {
    pub environment: String,
    pub affected: f64,
}

/// A share of calls, with the ends of its interval of 90 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImpactForecast {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// The same while it lasts; the same input gives the same id.
    pub id: String,
    /// Whether it lasts still.
    pub open: bool,
    /// When its first anomaly began.
    #[schema(format = DateTime)]
    pub began: String,
    /// When it was certain enough to say so.
    #[schema(format = DateTime)]
    pub opened: String,
    /// When its services or its first suspects last changed.
    #[schema(format = DateTime)]
    pub changed: String,
    /// `null` while open.
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// The older incident that it turned out to be a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    pub duration_seconds: f64,
    /// Those with anomalies that last still; all that had any once it is over.
    pub services: Vec<Workload>,
    /// Ids, the earliest first.
    pub anomalies: Vec<String>,
    /// The likeliest first.
    pub suspects: Vec<Suspect>,
    /// Where it is: `only in cloud-a`, `in all 3 environments of shop/orders`, `between cloud-a and
    /// on-prem`.
    #[serde(default)]
    pub scope: String,
    /// `null` while nothing is known of clients.
    #[serde(default)]
    pub impact: Option<Impact>,
    /// What was done to its services near its beginning, the nearest first.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// Filters of `GET /incidents`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncidentsQuery {
    /// One of its services: `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `true`: only those that last still; `false`: only those that are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
