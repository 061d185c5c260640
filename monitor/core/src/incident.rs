//! Anomalies that belong together, and who is to blame.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AnomalyId, Change, JourneyTypeId, Name, ServiceKey, Time, Workload};

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
    /// The same later on, the soonest first.
    #[serde(default)]
    pub later: Vec<Outlook>,
    /// `None` while no type of journeys that passes its services is known well enough.
    #[serde(default)]
    pub users: Option<UserImpact>,
}

/// What share of clients' calls will go wrong, in the minute that ends so much later.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    pub horizon_secs: u32,
    /// The chance that the incident lasts until then, as others have lasted.
    pub lasts: f64,
    pub affected: Forecast,
}

/// What an incident is to those who use the platform. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserImpact {
    /// Journeys beyond the usual that failed or were late since it began.
    pub journeys_so_far: f64,
    /// Of all journeys that pass its services, each type weighted by its rate and by how critical
    /// its entry's service is; `None` without any in the last minute.
    pub apdex: Option<f64>,
    pub apdex_usually: Option<f64>,
    /// The types it hurts, the worst first.
    pub journeys: Vec<JourneyImpact>,
    /// Of objectives of its services and of those where these journeys enter.
    pub budgets: Vec<BudgetImpact>,
}

/// What it is to journeys of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyImpact {
    pub kind: JourneyTypeId,
    pub name: Name,
    /// Journeys a second.
    pub rate: f64,
    /// The share that fails or is late, over the last minute …
    pub hurt: f64,
    /// … and usually.
    pub usually: f64,
    pub apdex: f64,
    pub apdex_usually: f64,
    /// Beyond the usual, since it began.
    pub so_far: f64,
}

/// What is spent of an objective's error budget. 1 is all that its window allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetImpact {
    pub service: ServiceKey,
    pub environment: Name,
    pub objective: Name,
    /// How much its service counts beside others; 1 unless someone said how critical it is.
    pub weight: f64,
    /// Since the incident began.
    pub spent: f64,
    /// Of the whole window; less than nothing when more was spent.
    pub left: f64,
    /// When nothing is left if it goes on as in the last five minutes; `None` when it lasts for
    /// longer than its window.
    pub gone: Option<Time>,
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
        if let Some(users) = &self.users {
            write!(f, "{users}")?;
        }
        Ok(())
    }
}

/// Types named in a sentence.
const NAMED: usize = 3;

/// `; 212 journeys so far; POST /orders: 35 % fail or are late, 1 % usually; Apdex 0.61, 0.97 usually`
impl fmt::Display for UserImpact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.journeys_so_far >= 1.0 {
            write!(f, "; {:.0} journeys hurt so far", self.journeys_so_far)?;
        }
        for hurt in self.journeys.iter().take(NAMED) {
            write!(
                f,
                "; {}: {:.0} % fail or are late, {:.0} % usually",
                hurt.name,
                hurt.hurt * 100.0,
                hurt.usually * 100.0
            )?;
        }
        if let (Some(apdex), Some(usually)) = (self.apdex, self.apdex_usually) {
            write!(f, "; Apdex {apdex:.2}, {usually:.2} usually")?;
        }
        for budget in self.budgets.iter().take(NAMED) {
            write!(
                f,
                "; {:.1} % of the error budget `{}` of {} spent, ",
                budget.spent * 100.0,
                budget.objective,
                budget.service
            )?;
            match budget.gone {
                _ if budget.left <= 0.0 => write!(f, "nothing left")?,
                Some(gone) => write!(f, "all gone at {gone} at this rate")?,
                None => write!(f, "{:.0} % left", budget.left * 100.0)?,
            }
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
