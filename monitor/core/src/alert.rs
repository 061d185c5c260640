//! What a person receives.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, Name, Time};

/// The hash of an alert's labels, which are its identity: never values, scores or pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertId(pub u64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertSeverity {
    Info,
    Warning,
    Critical,
}

impl AlertSeverity {
    pub fn as_str(self) -> &'static str {
        match self {
            AlertSeverity::Info => "info",
            AlertSeverity::Warning => "warning",
            AlertSeverity::Critical => "critical",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertState {
    /// Seen, not yet long enough to tell anyone.
    Pending,
    Firing,
    Resolved,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub id: AlertId,
    pub state: AlertState,
    pub severity: AlertSeverity,
    /// Prometheus label names and values; `alertname`, `severity`, `service`, …
    pub labels: BTreeMap<Name, Name>,
    /// `summary`, `description`, … for people.
    pub annotations: BTreeMap<Name, String>,
    pub starts_at: Time,
    /// When it was resolved.
    pub ends_at: Option<Time>,
    /// Why nobody is told of it, in a sentence; `None` when they are.
    pub muted: Option<String>,
    /// The anomalies it stands for, the worst first.
    pub anomalies: Vec<Anomaly>,
}
