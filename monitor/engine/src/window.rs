//! Gathers seconds until there are enough calls to judge.
//!
//! A busy Api is judged every five seconds; one with a call a second when twenty have come; a
//! sparse one after ten minutes with whatever there is. So the sample size, and with it what a
//! window can tell, varies little.

use monitor_core::{Sketch, Time};
use monitor_detect::{Reading, Sample};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::bucket::{CallBucket, LogBucket};
use crate::dimensions::Dimensions;
use crate::sizes::Sizes;

/// When a window is long enough.
#[derive(Clone, Copy, Debug)]
struct Enough {
    shortest_secs: i64,
    many: u64,
    minute_secs: i64,
    some: u64,
    longest_secs: i64,
}

const CALLS: Enough = Enough {
    shortest_secs: 5,
    many: 20,
    minute_secs: 60,
    some: 8,
    longest_secs: 600,
};

const RECORDS: Enough = Enough {
    many: 50,
    some: 10,
    ..CALLS
};

impl Enough {
    fn is_reached(self, seconds: i64, count: u64) -> bool {
        (seconds >= self.shortest_secs && count >= self.many)
            || (seconds >= self.minute_secs && count >= self.some)
            || seconds >= self.longest_secs
    }
}

/// Whether so many records in so many seconds are worth a judgement.
pub(crate) fn are_enough_records(seconds: i64, records: u64) -> bool {
    RECORDS.is_reached(seconds, records)
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallWindow {
    start: Option<i64>,
    end: i64,
    pub(crate) active_secs: u32,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) throttled: u64,
    pub(crate) unauthorised: u64,
    /// Other mistakes of callers.
    pub(crate) client_errors: u64,
    pub(crate) latencies: Sketch,
    pub(crate) sizes: Sizes,
    pub(crate) dimensions: Dimensions,
}

impl CallWindow {
    pub(crate) fn add(&mut self, second: i64, bucket: &CallBucket) {
        self.start.get_or_insert(second);
        self.active_secs += 1;
        self.calls += bucket.calls;
        self.errors += bucket.server_errors;
        self.throttled += bucket.throttled;
        self.unauthorised += bucket.unauthorised;
        self.client_errors += bucket.client_errors.saturating_sub(bucket.unauthorised);
        self.latencies.merge(&bucket.latencies);
        self.sizes.merge(&bucket.sizes);
        self.dimensions.merge(&bucket.dimensions);
    }

    /// The whole window, when the end of `second` completes it, or what came so far presses.
    pub(crate) fn take_complete(
        &mut self,
        second: i64,
        presses: impl FnOnce(&CallWindow) -> bool,
    ) -> Option<CallWindow> {
        self.end = second + 1;
        let start = self.start?;
        (CALLS.is_reached(self.end - start, self.calls) || presses(self))
            .then(|| std::mem::take(self))
    }

    /// What has come so far, at the end of a recording.
    pub(crate) fn take(&mut self) -> Option<CallWindow> {
        self.start.is_some().then(|| std::mem::take(self))
    }

    pub(crate) fn start(&self) -> Time {
        Time::from_secs(self.start.unwrap_or(self.end))
    }

    pub(crate) fn end(&self) -> Time {
        Time::from_secs(self.end)
    }

    pub(crate) fn span(&self) -> Duration {
        self.end().since(self.start())
    }

    pub(crate) fn sample<'a>(&self, reading: Reading<'a>) -> Sample<'a> {
        Sample {
            start: self.start(),
            span: self.span(),
            active_secs: self.active_secs,
            reading,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogWindow {
    start: Option<i64>,
    end: i64,
    pub(crate) active_secs: u32,
    pub(crate) sum: LogBucket,
}

impl LogWindow {
    pub(crate) fn add(&mut self, second: i64, bucket: &LogBucket) {
        self.start.get_or_insert(second);
        self.active_secs += 1;
        self.sum.merge(bucket);
    }

    pub(crate) fn take_complete(
        &mut self,
        second: i64,
        presses: impl FnOnce(&LogWindow) -> bool,
    ) -> Option<LogWindow> {
        self.end = second + 1;
        let start = self.start?;
        (RECORDS.is_reached(self.end - start, self.sum.records) || presses(self))
            .then(|| std::mem::take(self))
    }

    pub(crate) fn take(&mut self) -> Option<LogWindow> {
        self.start.is_some().then(|| std::mem::take(self))
    }

    pub(crate) fn start(&self) -> Time {
        Time::from_secs(self.start.unwrap_or(self.end))
    }

    pub(crate) fn end(&self) -> Time {
        Time::from_secs(self.end)
    }

    pub(crate) fn span(&self) -> Duration {
        self.end().since(self.start())
    }

    /// So many of its records.
    pub(crate) fn sample(&self, part: u64) -> Sample<'static> {
        Sample {
            start: self.start(),
            span: self.span(),
            active_secs: self.active_secs,
            reading: Reading::Share {
                part,
                whole: self.sum.records,
            },
        }
    }
}
