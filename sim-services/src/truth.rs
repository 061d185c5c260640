//! What really happened, and what the watcher said: the two sides that the scorecard compares.
//!
//! Both are plain data with a JSON form. Whoever watched is translated into [`Said`] by an adapter
//! of its own; nothing here knows a monitor.

mod passage;

use serde::{Deserialize, Serialize};

pub(crate) use self::passage::Underway;
pub use self::passage::{PASSAGE, Passage, Passages};
use crate::change::Target;
use crate::clock::Moment;

/// A run from its first request to its last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    pub topology: String,
    pub seed: u64,
    /// Whether time was fast-forwarded.
    pub virtual_time: bool,
    pub started: Moment,
    /// From here on the watcher should know what is normal.
    pub judged_from: Moment,
    pub ended: Moment,
    /// Every Api that existed, as `(environment, service, route)`.
    pub apis: Vec<(String, String, String)>,
    pub faults: Vec<FaultTruth>,
}

/// One fault, or one change that is none, and its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultTruth {
    /// Unique in its run: `07-database-slow`.
    pub id: String,
    /// The experiment's name, and what it is a case of: `database-slow`.
    pub experiment: String,
    pub kind: String,
    /// One sentence for people.
    pub description: String,
    pub targets: Vec<Target>,
    /// Nothing is wrong; nobody should be paged.
    pub benign: bool,
    /// It grows for so long that it can be foreseen.
    pub ramp: bool,
    pub cause: Cause,
    /// Services where it shows, the cause among them.
    pub symptoms: Vec<String>,
    pub started: Moment,
    /// When it had its full strength.
    pub full: Moment,
    pub ended: Moment,
    /// The first request, connection or line that was affected.
    pub first_affected: Option<Moment>,
    pub last_affected: Option<Moment>,
    pub affected: u64,
    /// When the affected service first broke its objective; for what grows.
    pub breached: Option<Moment>,
    pub acted: Acted,
}

/// The right answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// None when no service is to blame, such as a wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Other answers that are as right: both ends of a wire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// Whether a fault did what it was to do, by its own measure on the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acted {
    pub yes: bool,
    /// `mean latency of ledger 31 ms, 3.9 ms before`.
    pub evidence: String,
}

/// What the watcher said, when it said it (not when it says it was).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub at: Moment,
    #[serde(flatten)]
    pub what: Statement,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "kebab-case")]
pub enum Statement {
    /// An anomaly opened at one Api or service. Pages nobody.
    Anomaly {
        id: String,
        service: String,
        environment: String,
        what: String,
    },
    AnomalyOver {
        id: String,
    },
    /// Somebody is paged.
    Page {
        id: String,
        service: String,
        environment: String,
        summary: String,
    },
    PageOver {
        id: String,
    },
    /// An incident opened or changed; who is suspected, the likeliest first.
    Incident {
        id: String,
        /// The services in it.
        services: Vec<String>,
        suspects: Vec<Suspect>,
    },
    IncidentOver {
        id: String,
    },
    /// Something is foreseen.
    Risk {
        id: String,
        service: String,
        environment: String,
        /// When it is expected.
        expected: Moment,
        probability: f64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub service: String,
    pub environment: String,
    /// Rather than the service, a wire between environments is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub between: bool,
    /// Why, in a sentence.
    pub why: String,
}
