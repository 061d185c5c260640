//! Cumulative histograms to deltas: remembers the last point of each series.
//!
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#resets-and-gaps>

use std::time::Duration;

use monitor_core::Time;
use rustc_hash::FxHashMap;

use super::buckets::Buckets;

/// A platform of a thousand instances with ten routes each. About 2 kB a series: 20 MB at most.
const MAX_SERIES: usize = 10_000;
/// Senders export every minute or more often; what is silent for this long is gone.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// Looking for forgotten series costs a walk over all of them.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What we know of the cumulative series seen so far. Bounded.
#[derive(Debug)]
pub struct CumulativeState {
    /// When we began to listen: what a series counted before that is history, not news.
    since: Time,
    series: FxHashMap<Box<str>, Last>,
    swept: Time,
}

#[derive(Clone, Debug)]
struct Last {
    start: Time,
    at: Time,
    received: Time,
    buckets: Buckets,
    sum: Option<f64>,
}

/// What one request changed, so that it can be taken back.
#[derive(Debug, Default)]
pub struct Advance {
    /// Key, the time of the point that we stored, what was there before.
    steps: Vec<(Box<str>, Time, Option<Last>)>,
}

/// A point as it came: counts since `start`.
pub(super) struct Point {
    pub(super) start: Option<Time>,
    pub(super) at: Time,
    pub(super) buckets: Buckets,
    pub(super) sum: Option<f64>,
}

pub(super) enum Step {
    Delta {
        start: Time,
        buckets: Buckets,
        sum: Option<f64>,
    },
    /// The point is remembered, but what it adds cannot be told.
    Baseline,
    /// Not newer than what we have.
    Stale,
    Full,
}

impl CumulativeState {
    /// `since`: when the receiver started.
    pub fn new(since: Time) -> CumulativeState {
        CumulativeState {
            since,
            series: FxHashMap::default(),
            swept: since,
        }
    }

    /// How many series are remembered.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Forgets the points of a request that was not taken in the end.
    ///
    /// A series that has advanced further meanwhile stays as it is.
    pub fn undo(&mut self, advance: Advance) {
        for (key, at, before) in advance.steps.into_iter().rev() {
            if self.series.get(&key).is_some_and(|last| last.at == at) {
                match before {
                    Some(before) => _ = self.series.insert(key, before),
                    None => _ = self.series.remove(&key),
                }
            }
        }
    }

    pub(super) fn advance(
        &mut self,
        key: String,
        point: Point,
        received: Time,
        advance: &mut Advance,
    ) -> Step {
        let key = key.into_boxed_str();
        let last = self.series.get(&key);
        if last.is_some_and(|last| point.at <= last.at) {
            return Step::Stale;
        }
        if last.is_none() && !self.has_room(received) {
            return Step::Full;
        }
        let last = self.series.get(&key);
        let step = self.compare(last, &point);
        let now = Last {
            start: point.start.unwrap_or(point.at),
            at: point.at,
            received,
            buckets: point.buckets,
            sum: point.sum,
        };
        let before = self.series.insert(key.clone(), now);
        advance.steps.push((key, point.at, before));
        step
    }

    fn compare(&self, last: Option<&Last>, point: &Point) -> Step {
        let whole = |start| Step::Delta {
            start,
            buckets: point.buckets.clone(),
            sum: point.sum,
        };
        match (last, point.start) {
            (None, Some(start)) if start >= self.since => whole(start),
            (None, _) => Step::Baseline,
            // The sender says that it began anew.
            (Some(last), Some(start)) if start > last.start => whole(start.max(last.at)),
            (Some(last), _) => match point.buckets.since(&last.buckets) {
                Some(buckets) => Step::Delta {
                    start: last.at,
                    buckets,
                    sum: point.sum.zip(last.sum).map(|(now, then)| now - then),
                },
                // Fewer than before without saying so: it began anew all the same.
                None if point.buckets.same_layout(&last.buckets) => whole(last.at),
                None => Step::Baseline,
            },
        }
    }

    fn has_room(&mut self, received: Time) -> bool {
        if self.series.len() >= MAX_SERIES && received.since(self.swept) >= SWEEP_EVERY {
            self.swept = received;
            self.series
                .retain(|_, last| received.since(last.received) < FORGET_AFTER);
        }
        self.series.len() < MAX_SERIES
    }
}
