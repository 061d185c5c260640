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
    /// What is expected later, the soonest first.
    #[serde(default)]
    pub later: Vec<ImpactOutlook>,
    /// `null` while no type of journeys that passes its services is known well enough.
    #[serde(default)]
    pub users: Option<UserImpact>,
    /// All this in a sentence.
    pub summary: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentImpact {
    pub environment: String,
    pub affected: f64,
}

/// The share of clients' calls that go wrong in the minute that ends so much later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImpactOutlook {
    pub horizon_seconds: u32,
    /// The chance that the incident lasts until then, as others have lasted; 0 to 1.
    pub lasts_ratio: f64,
    pub affected: ImpactForecast,
}

/// What an incident is to those who use the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UserImpact {
    /// Journeys beyond the usual that failed or were late since it began.
    pub journeys_so_far: f64,
    /// Apdex of all journeys that pass its services, over the last minute; `null` without any.
    pub apdex: Option<f64>,
    pub apdex_usually: Option<f64>,
    /// The types it hurts, the worst first.
    pub journeys: Vec<JourneyImpact>,
    /// Of objectives of its services and of those where these journeys enter, the most spent first.
    pub budgets: Vec<BudgetImpact>,
}

/// What an incident is to journeys of one type. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JourneyImpact {
    /// The `id` of the type in `GET /journeys/types`.
    pub r#type: String,
    pub name: String,
    pub journeys_per_second: f64,
    /// The share that failed or was late in the last minute …
    pub hurt: f64,
    /// … and usually is.
    pub usually: f64,
    pub apdex: f64,
    pub apdex_usually: f64,
    /// Journeys hurt beyond the usual since the incident began.
    pub so_far: f64,
}

/// What is spent of an objective's error budget. 1 is all that its window allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetImpact {
    pub environment: String,
    pub namespace: String,
    pub service: String,
    pub objective: String,
    /// How much the service counts beside others: 4 when it is `critical`, 2 when `high`, ½ when `low`.
    pub weight: f64,
    /// Since the incident began.
    pub spent: f64,
    /// Of the whole window; less than 0 when more was spent.
    pub left: f64,
    /// When nothing is left if it goes on as in the last five minutes; `null` when it lasts for longer
    /// than its window.
    #[schema(format = DateTime)]
    pub gone: Option<String>,
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
