//! Anomalies that belong together, and who is to blame.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AnomalyId, Change, Name, Time, Workload};

/// The hash of the anomaly that began it: the same input gives the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a suspect is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Culprit {
    /// The workload itself.
    #[default]
    Service,
    /// The wire between two environments; the workload is one that is called over it.
    Link { one: Name, other: Name },
    /// All wires of an environment.
    Environment { name: Name },
}

/// `the wire between cloud-a and on-prem`; empty for a service, which has a name of its own.
impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Culprit::Service => Ok(()),
            Culprit::Link { one, other } => write!(f, "the wire between {one} and {other}"),
            Culprit::Environment { name } => write!(f, "all wires of {name}"),
        }
    }
}

/// One that may have caused an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub workload: Workload,
    #[serde(default)]
    pub culprit: Culprit,
    /// 0 to 1, rounded to hundredths. It orders the suspects of one incident and is no probability.
    pub score: f64,
    /// For a person: `changed first, at 10:05:12, 4 s before payments; nothing it calls is unusual`.
    pub why: String,
}

/// What clients have of an incident. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// At the services that no other calls.
    pub calls_per_second: f64,
    /// Share of these that failed or were refused in the last half minute …
    pub affected: f64,
    /// … and usually.
    pub usually: f64,
    /// Of the calls to the incident's services, by environment.
    pub by_environment: Vec<(Name, f64)>,
    /// Of the clients' calls.
    pub next_minute: Forecast,
}

/// `12.5 % of clients' calls go wrong, 0.1 % usually; up to 35 % in the next minute`
impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of clients' calls go wrong, {:.1} % usually; between {:.1} and {:.1} % in the next minute",
            self.affected * 100.0,
            self.usually * 100.0,
            self.next_minute.low * 100.0,
            self.next_minute.high * 100.0
        )?;
        for (environment, share) in &self.by_environment {
            write!(
                f,
                "; {:.1} % at its services in {environment}",
                share * 100.0
            )?;
        }
        Ok(())
    }
}

/// A number to come, with an interval that should hold it nine times of ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
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
    /// Where it is: `only in cloud-a`, `in all 3 environments of shop/orders`.
    #[serde(default)]
    pub scope: String,
    /// As of about half a minute ago at most; `None` when calls are not seen at both ends.
    #[serde(default)]
    pub impact: Option<Impact>,
    /// What was done to its services near its beginning, the nearest first.
    #[serde(default)]
    pub changes: Vec<Change>,
}

impl Suspect {
    /// Whom to name: the service, or the wire.
    pub fn name(&self) -> String {
        match self.culprit {
            Culprit::Service => self.workload.to_string(),
            _ => self.culprit.to_string(),
        }
    }
}

impl Incident {
    /// Whether its likeliest cause is between environments rather than at one service.
    pub fn is_between_environments(&self) -> bool {
        self.root_cause()
            .is_some_and(|cause| cause.culprit != Culprit::Service)
    }

    /// The likeliest cause, once there is one.
    pub fn root_cause(&self) -> Option<&Suspect> {
        self.suspects.first()
    }
}
