//! Calls between workloads, as the span of one of their ends has them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Name, Outcome, Time, Workload};

/// Both ends of a call together tell waiting from working, and the wire from who is behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEnd {
    pub caller: Workload,
    pub callee: Callee,
    pub side: Side,
    /// When it ended, by the clock of whoever tells of it.
    pub at: Time,
    pub took: Duration,
    pub outcome: Outcome,
    /// Its end was an answer from the other side, not a timeout or a connection that broke.
    pub answered: bool,
}

/// Whom a call was made to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Callee {
    Workload(Workload),
    /// A database, queue or third party that sends nothing itself, by the name its callers give it.
    Outside(Name),
}

/// Who tells of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    Caller,
    Callee,
}
