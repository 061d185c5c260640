//! What happens as it happens: the messages of the WebSocket `/api/v1/live`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Alert, Anomaly, Incident};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveKind {
    Calls,
    Anomalies,
    Incidents,
    Alerts,
}

impl LiveKind {
    pub const ALL: [LiveKind; 4] = [
        LiveKind::Calls,
        LiveKind::Anomalies,
        LiveKind::Incidents,
        LiveKind::Alerts,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            LiveKind::Calls => "calls",
            LiveKind::Anomalies => "anomalies",
            LiveKind::Incidents => "incidents",
            LiveKind::Alerts => "alerts",
        }
    }
}

/// Parameters of `GET /live`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiveQuery {
    /// What to send, with commas between: `calls,anomalies,incidents,alerts`. All when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Send at most so many calls; 0 to 1 000, 20 when absent. The rest is counted in `skipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<u64>,
}

/// One message, a JSON text frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LiveMessage {
    /// The first message: the connection stands.
    Hello {
        version: String,
        #[schema(format = DateTime)]
        now: String,
    },
    Call(Box<LiveCall>),
    Anomaly(Box<Anomaly>),
    Incident(Box<Incident>),
    Alert(Box<Alert>),
    /// The reader was too slow, and this many events are gone.
    Lagged {
        missed: u64,
    },
}

/// One finished request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveCall {
    pub api_id: String,
    pub environment: String,
    pub namespace: String,
    pub service: String,
    pub method: String,
    pub route: String,
    /// `span`, `log`, `metric` or `probe`.
    pub source: String,
    #[schema(format = DateTime)]
    pub end: String,
    pub duration_seconds: Option<f64>,
    /// The code its protocol gave, as text: `503`, `grpc 14`.
    pub status: Option<String>,
    /// `ok`, `client-error`, `throttled` or `server-error`.
    pub outcome: String,
    pub error_type: Option<String>,
    pub trace_id: Option<String>,
    /// Calls that matched but were not sent since the last one that was.
    pub skipped: u64,
}
