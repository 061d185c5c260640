//! What happens to journeys if something is taken away.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What of `GET /what-if`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhatIfQuery {
    /// What is taken away: `service:shop/payment`, `service:shop/payment@cloud-a`,
    /// `environment:on-prem`, `api:cloud-a/shop/payment POST /pay`, or `other:NAME` for a database, a
    /// queue or a third party.
    pub remove: String,
}

/// What is to be expected. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhatIf {
    /// The watermark; `null` before the first record.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    pub removed: String,
    /// All journeys, of types that lose some and of those that do not.
    pub journeys_per_second: f64,
    /// Of these, the share that fails usually …
    pub usually: f64,
    /// … and would then.
    pub fails: f64,
    /// Types of which some are lost, the worst first.
    pub types: Vec<JourneyLoss>,
    /// Who calls what is taken away, the most frequent first: over the last five minutes.
    pub callers: Vec<AffectedCaller>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JourneyLoss {
    /// The `id` of the type in `GET /journeys/types`.
    pub r#type: String,
    pub name: String,
    pub environment: String,
    pub service: String,
    pub operation: String,
    pub journeys_per_second: f64,
    /// The share that waits for what is taken away.
    pub needs: f64,
    /// Of these, how many are lost without it …
    pub lost: f64,
    /// … as so many journeys showed whose call to it failed; without any, all are taken to be.
    pub seen: u64,
    pub usually: f64,
    pub fails: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AffectedCaller {
    pub name: String,
    /// To what is taken away.
    pub calls_per_second: f64,
    /// Of all its calls.
    pub share: f64,
}
