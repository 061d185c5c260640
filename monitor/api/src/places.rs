//! Where things run: services and environments, each with the state of its Apis.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::ApiState;

/// A service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    pub environment: String,
    pub namespace: String,
    pub service: String,
    /// The worst score of its Apis; at most 1 is normal.
    pub score: f64,
    pub apis: u64,
    /// Its Apis by state; states that none is in are absent.
    pub apis_by_state: BTreeMap<ApiState, u64>,
    /// Of all its Apis, over the last minute.
    pub calls_per_second: f64,
    pub error_ratio: f64,
    /// Of its logs, over the last minute; `null` when it has sent none.
    pub logs_per_second: Option<f64>,
    /// Share of log records at ERROR or above, 0 to 1.
    pub log_error_ratio: Option<f64>,
    pub logs_total: u64,
    pub log_errors_total: u64,
    /// Distinct log templates.
    pub templates: u64,
    #[schema(format = DateTime)]
    pub last_seen: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    pub name: String,
    /// `on-prem`, `cloud`, `edge` or `unknown`.
    pub kind: String,
    pub provider: Option<String>,
    pub region: Option<String>,
    pub zone: Option<String>,
    pub cluster: Option<String>,
    /// The worst score of its Apis; at most 1 is normal.
    pub score: f64,
    pub services: u64,
    pub apis: u64,
    /// Its Apis by state; states that none is in are absent.
    pub apis_by_state: BTreeMap<ApiState, u64>,
    /// Of all its Apis, over the last minute.
    pub calls_per_second: f64,
    pub error_ratio: f64,
}

/// Filters of `GET /services`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ServicesQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
