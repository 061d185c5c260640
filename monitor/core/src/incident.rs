//! Anomalies that belong together, and who is to blame.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AnomalyId, Change, Time, Workload};

/// The hash of the anomaly that began it: the same input gives the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One that may have caused an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub workload: Workload,
    /// 0 to 1, rounded to hundredths. It orders the suspects of one incident and is no probability.
    pub score: f64,
    /// For a person: `changed first, at 10:05:12, 4 s before payments; nothing it calls is unusual`.
    pub why: String,
}

/// Anomalies of services that call each other, at about the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    /// When its first anomaly began.
    pub began: Time,
    /// When it was certain enough to say so.
    pub opened: Time,
    /// When its services or its first suspects last changed.
    pub changed: Time,
    /// When it was over for long enough to say so.
    pub ended: Option<Time>,
    /// It turned out to be a part of this older one, which goes on.
    pub merged_into: Option<IncidentId>,
    /// Those with anomalies open, in order; all that had any once it is over.
    pub services: Vec<Workload>,
    /// The earliest first, a few hundred at most.
    pub anomalies: Vec<AnomalyId>,
    /// The likeliest first.
    pub suspects: Vec<Suspect>,
    /// What was done to its services near its beginning, the nearest first.
    #[serde(default)]
    pub changes: Vec<Change>,
}

impl Incident {
    /// The likeliest cause, once there is one.
    pub fn root_cause(&self) -> Option<&Suspect> {
        self.suspects.first()
    }
}
