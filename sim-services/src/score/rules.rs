//! What is agreed before anything is counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::figures::seconds;

/// The lengths of time that decide what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// How long after a fault's end a statement can still be about it: queues drain, caches fill
    /// and breakers close for about that long. Ends early when the next fault sets in.
    #[serde(rename = "settle_seconds", with = "seconds")]
    pub settle: Duration,
    /// How long after a fault's end it can still be detected and explained: a watcher that closes
    /// its windows every few seconds says late what it saw in time.
    #[serde(rename = "grace_seconds", with = "seconds")]
    pub grace: Duration,
    /// How long after the last effect of a fault everything said about it should be over: half a
    /// minute that a page is kept so that it does not flap, and a minute for the watcher's windows.
    #[serde(rename = "recovery_seconds", with = "seconds")]
    pub recovery: Duration,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            settle: Duration::from_secs(60),
            grace: Duration::from_secs(15),
            recovery: Duration::from_secs(90),
        }
    }
}
