//! What fills up: memory, pools, disks, queues.
//!
//! A leak of memory slows requests down only in its last minutes, but it shows long before: in warnings
//! with numbers ([`warned`]), and in the gauges of runtimes and pools ([`gauged`]). Called by the
//! service's track; [`crate::risk`] says when it is full.

mod gauged;
mod warned;

use std::fmt;

use monitor_core::{Name, TemplateId};
use serde::{Deserialize, Serialize};

use self::gauged::Gauged;
use self::warned::Warned;
use crate::bucket::LogBucket;

/// Readings nearer to each other say nothing of how fast it grows.
const APART_SECS: i64 = 10;
/// By so much less than it was, it has been emptied.
const EMPTIED: f32 = 0.05;
/// Growth is believed for so many times as long as it has been seen.
const BELIEVED_FOR: f64 = 3.0;
/// Growth that has not been read of for so long has ended.
const FORGET_SECS: i64 = 6 * 3_600;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fills {
    warned: Warned,
    gauged: Gauged,
}

/// Something that grows towards its limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filling {
    pub(crate) source: Source,
    /// Shares of what there is: at the first reading, and at the latest.
    pub(crate) first: f64,
    pub(crate) latest: f64,
    /// Of the first and of the latest reading, in seconds.
    pub(crate) since: i64,
    pub(crate) at: i64,
    pub(crate) readings: usize,
    /// Of what there is, a second.
    pub(crate) slope: f64,
    /// Seconds after the latest reading at which it is full: most likely, soonest, and latest.
    pub(crate) full_in: f64,
    pub(crate) earliest: f64,
    pub(crate) last: f64,
    /// For so many seconds it is believed to go on.
    pub(crate) believed_for: f64,
}

/// Who says so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Warned(TemplateId),
    Gauged { what: Name, instance: Name },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Warned(template) => template.fmt(f),
            Source::Gauged { what, instance } if instance.is_empty() => f.write_str(what),
            Source::Gauged { what, instance } => write!(f, "{what} of {instance}"),
        }
    }
}

impl Fills {
    /// What was written in `second`; seconds ascend.
    pub(crate) fn add(&mut self, second: i64, bucket: &LogBucket) {
        self.warned.add(second, bucket);
    }

    /// What a gauge of one of its replicas said. Whether there was room to follow it.
    pub(crate) fn read(&mut self, second: i64, instance: &Name, what: &Name, share: f32) -> bool {
        self.gauged.read(second, instance, what, share)
    }

    /// What will be full first, as it looks at `now`. O(1): readings are few.
    pub(crate) fn next(&self, now: i64) -> Option<Filling> {
        let full = |filling: &Filling| filling.at as f64 + filling.full_in;
        let found = self.warned.filling(now).chain(self.gauged.filling(now));
        found.min_by(|a, b| full(a).total_cmp(&full(b)))
    }
}
