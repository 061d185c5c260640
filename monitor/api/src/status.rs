//! How the monitor itself is doing, and how things are in one sentence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ApiState, ReasonCount};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// How things are, in one sentence.
    pub headline: String,
    pub version: String,
    /// The revision it was built from, when known.
    pub revision: Option<String>,
    pub ready: bool,
    /// Why it is not ready.
    pub not_ready_reason: Option<String>,
    /// The monitor's clock.
    #[schema(format = DateTime)]
    pub now: String,
    /// Everything that happened before it has been judged; `null` before the first record.
    #[schema(format = DateTime)]
    pub watermark: Option<String>,
    pub counts: StatusCounts,
    pub ingest: IngestCounts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCounts {
    pub environments: u64,
    pub services: u64,
    pub apis: u64,
    /// States that no Api is in are absent.
    pub apis_by_state: BTreeMap<ApiState, u64>,
    pub anomalies_open: u64,
    pub alerts_firing: u64,
    /// Calls, log records and histogram points that the engine has seen.
    pub observations: u64,
    /// Too late for the signals; stored and searchable all the same.
    pub late: u64,
    /// Further in the future than is tolerated.
    pub future: u64,
    /// Counted under `~other` because of the limit on Apis.
    pub overflowed: u64,
    pub anomalies_total: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestCounts {
    pub streams: u64,
    /// Streams with records whose format was not recognised.
    pub streams_unrecognised: u64,
    pub records: u64,
    pub records_unrecognised: u64,
    pub templates: u64,
    /// Secrets removed before anything was stored, by kind.
    pub redactions: Vec<ReasonCount>,
}
