//! When a model has seen enough to speak.

use std::fmt;

use serde::{Deserialize, Serialize};

/// No verdict before both are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearningRule {
    /// Seconds in which anything arrived.
    pub seconds: u32,
    /// Calls or records.
    pub calls: u64,
}

impl LearningRule {
    /// `None` once it is fulfilled.
    pub(crate) fn progress(self, seconds: u32, calls: u64) -> Option<Progress> {
        (seconds < self.seconds || calls < self.calls).then_some(Progress {
            seconds,
            of_seconds: self.seconds,
            calls,
            of_calls: self.calls,
        })
    }
}

/// How far learning has come: `learning: 41 of 60 seconds with calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub seconds: u32,
    pub of_seconds: u32,
    pub calls: u64,
    pub of_calls: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds < self.of_seconds {
            write!(
                f,
                "learning: {} of {} seconds with calls",
                self.seconds, self.of_seconds
            )
        } else {
            write!(
                f,
                "learning: {} of {} calls",
                self.calls.min(self.of_calls),
                self.of_calls
            )
        }
    }
}
