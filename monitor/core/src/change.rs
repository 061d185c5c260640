//! What people and machines do to a platform, and what an incident may have come from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Name, Time, Workload};

/// One change; what it does not name it concerns whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Unique among its source's changes for a day.
    pub id: Name,
    pub source: Name,
    pub at: Time,
    /// `rollout`, `scaling`, `oom_kill`, `node`, …
    pub kind: Name,
    pub namespace: Option<Name>,
    pub service: Option<Name>,
    pub environment: Option<Name>,
    /// In a sentence: `orders went from 3.2.1 to 3.2.2`.
    pub summary: String,
    pub attributes: Vec<(Name, Name)>,
}

impl Change {
    pub fn concerns(&self, workload: &Workload) -> bool {
        fn fits(said: Option<&Name>, found: &Name) -> bool {
            said.is_none_or(|said| said == found)
        }
        fits(self.namespace.as_ref(), &workload.service.namespace)
            && fits(self.service.as_ref(), &workload.service.name)
            && fits(self.environment.as_ref(), &workload.environment)
    }
}

/// `rollout: orders went from 3.2.1 to 3.2.2`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.summary.is_empty() {
            f.write_str(&self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.summary)
        }
    }
}
