//! What comes in and how well it is understood: streams and templates.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One output of one service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stream {
    pub environment: String,
    pub namespace: String,
    pub service: String,
    /// A file's path, `stdout`, a scope.
    pub stream: String,
    /// The format recognised now; `null`: format not recognised, see `unrecognised`.
    pub format: Option<String>,
    /// How many times the format changed.
    pub format_changes: u64,
    pub records: u64,
    pub unrecognised: Unrecognised,
    /// How durations were understood, when there are any.
    pub duration_unit: Option<String>,
    #[schema(format = DateTime)]
    pub last_seen: String,
}

/// Records kept as text only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unrecognised {
    pub records: u64,
    pub by_reason: Vec<ReasonCount>,
    /// Up to three of them, as they arrived.
    pub examples: Vec<String>,
    /// What to tell a person, when there is something to tell.
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    pub reason: String,
    pub records: u64,
}

/// Filters of `GET /streams`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamsQuery {
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `false`: only streams with records that were not recognised; `true`: only those without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<bool>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A log message with its variables masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Template {
    pub namespace: String,
    pub service: String,
    /// Stable across restarts.
    pub id: String,
    /// With `<*>` for each variable.
    pub text: String,
    pub records: u64,
    #[schema(format = DateTime)]
    pub first_seen: String,
    #[schema(format = DateTime)]
    pub last_seen: String,
}

/// Filters of `GET /templates`. All given ones must hold; the most frequent come first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TemplatesQuery {
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Part of the text, in any case of letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
