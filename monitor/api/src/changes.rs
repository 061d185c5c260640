//! Changes that people and machines make: what an incident may have come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One change. `POST /changes` takes a list of them; the same id again is the same change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Change {
    /// Chosen by the sender, unique among its changes for a day.
    pub id: String,
    #[schema(format = DateTime)]
    pub at: String,
    /// `rollout`, `scaling`, `configuration`, `oom_kill`, `eviction`, `node`, `restart`, `chaos`, …
    pub kind: String,
    /// What it concerns; absent when the whole environment or platform.
    pub namespace: Option<String>,
    pub service: Option<String>,
    pub environment: Option<String>,
    /// In a sentence: `orders went from 3.2.1 to 3.2.2`.
    pub summary: String,
    /// Where it came from: `kubernetes`, `chaos-mesh`, `litmus`, a person's script.
    pub source: String,
    pub attributes: BTreeMap<String, String>,
}

/// Filters of `GET /changes`. All given ones must hold; newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangesQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Answer to `POST /changes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangesOutcome {
    pub accepted: u64,
    /// Known before.
    pub duplicates: u64,
    pub refused: Vec<ChangeRefusal>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeRefusal {
    pub id: String,
    pub reason: String,
}
