//! How long the clients waited, in HDR histograms, one per route.
//!
//! A latency is counted from the moment the request was *meant* to be sent: the arrival, or the
//! end of the client's thinking. A generator that counts from when it got round to sending leaves
//! out the wait of every request that a slow platform kept it from making ("coordinated
//! omission": G. Tene, "How NOT to Measure Latency", 2013), and shows a stall of ten seconds as
//! one slow request instead of hundreds. How late requests were sent is recorded beside, so that a
//! generator short of processor time is seen for what it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::journey::Outcome;
use super::summary::{Latency, RouteSummary, Summary};
use crate::clock::Moment;
use crate::meter::{LoadCounts, Meters, count, count_by};

/// Kept in µs with three digits, up to an hour: 200 kB for each histogram, two for each route.
const LONGEST_US: u64 = 3_600_000_000;

#[derive(Debug)]
pub(super) struct Recorder {
    meters: Arc<Meters>,
    since: Mutex<Since>,
    /// Each held for less than a microsecond, by one request when it is over.
    routes: Vec<Mutex<Record>>,
    under_way: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Since {
    at: Moment,
    counts: LoadCounts,
}

#[derive(Debug)]
struct Record {
    route: String,
    failed: u64,
    throttled: u64,
    latency: Histogram<u64>,
    late: Histogram<u64>,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) route: usize,
    pub(super) intended: Moment,
    pub(super) sent: Moment,
}

impl Recorder {
    pub(super) fn new(routes: &[String], meters: Arc<Meters>, now: Moment) -> Recorder {
        let counts = meters.load.read();
        Recorder {
            meters,
            since: Mutex::new(Since { at: now, counts }),
            routes: routes
                .iter()
                .map(|route| Mutex::new(Record::new(route)))
                .collect(),
            under_way: AtomicU64::new(0),
        }
    }

    pub(super) fn journey(&self) {
        count(&self.meters.load.journeys);
    }

    pub(super) fn shed(&self) {
        count(&self.meters.load.shed);
    }

    pub(super) fn sent(&self, route: usize, intended: Moment, sent: Moment) -> Sent {
        count(&self.under_way);
        Sent {
            route,
            intended,
            sent,
        }
    }

    pub(super) fn over(&self, request: Sent, outcome: Outcome, now: Moment) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let latency = now.since(request.intended);
        let load = &self.meters.load;
        count(&load.requests);
        count_by(&load.latency_ns, nanos(latency));
        let mut record = hold(&self.routes[request.route]);
        match outcome {
            Outcome::Answered => {}
            Outcome::Throttled => {
                count(&load.throttled);
                record.throttled += 1;
            }
            Outcome::Failed => {
                count(&load.failed);
                record.failed += 1;
            }
        }
        record.latency.saturating_record(micros(latency));
        let late = request.sent.since(request.intended);
        record.late.saturating_record(micros(late));
    }

    /// Forgets what was recorded, but not what is under way.
    pub(super) fn restart(&self, now: Moment) {
        *hold(&self.since) = Since {
            at: now,
            counts: self.meters.load.read(),
        };
        for record in &self.routes {
            let mut record = hold(record);
            record.failed = 0;
            record.throttled = 0;
            record.latency.reset();
            record.late.reset();
        }
    }

    pub(super) fn summary(&self, now: Moment) -> Summary {
        let since = *hold(&self.since);
        let length = now.since(since.at);
        let counts = self.meters.load.read().since(&since.counts);
        let mut all = Record::new("all");
        let mut routes = Vec::new();
        for record in &self.routes {
            let record = hold(record);
            all.failed += record.failed;
            all.throttled += record.throttled;
            for (sum, part) in [
                (&mut all.latency, &record.latency),
                (&mut all.late, &record.late),
            ] {
                // Both have the same bounds.
                sum.add(part).unwrap_or_default();
            }
            if !record.latency.is_empty() {
                routes.push(record.summary(length));
            }
        }
        Summary {
            from: since.at,
            to: now,
            journeys: counts.journeys,
            shed: counts.shed,
            under_way: self.under_way.load(Ordering::Relaxed),
            late: Latency::of(&all.late),
            all: all.summary(length),
            routes,
        }
    }
}

impl Record {
    fn new(route: &str) -> Record {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_US, 3)
                .expect("one to an hour of microseconds, with three digits, can be counted")
        };
        Record {
            route: route.to_owned(),
            failed: 0,
            throttled: 0,
            latency: histogram(),
            late: histogram(),
        }
    }

    fn summary(&self, length: Duration) -> RouteSummary {
        let requests = self.latency.len();
        let share = |part: u64| {
            if requests == 0 {
                0.0
            } else {
                part as f64 / requests as f64
            }
        };
        RouteSummary {
            route: self.route.clone(),
            requests,
            per_second: if length.is_zero() {
                0.0
            } else {
                requests as f64 / length.as_secs_f64()
            },
            failed_ratio: share(self.failed),
            throttled_ratio: share(self.throttled),
            latency: Latency::of(&self.latency),
        }
    }
}

/// A count that a panic interrupted is off by one at most.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(1_767_571_200_000_000_000);

    fn recorder() -> Recorder {
        let routes = ["GET /".to_owned(), "GET /slow".to_owned()];
        Recorder::new(&routes, Arc::default(), START)
    }

    #[test]
    fn waiting_counts_from_the_intended_start() {
        let recorder = recorder();
        let ms = Duration::from_millis;
        let request = recorder.sent(0, START, START + ms(40));
        assert_eq!(recorder.summary(START + ms(50)).under_way, 1);
        recorder.over(request, Outcome::Answered, START + ms(100));
        let summary = recorder.summary(START + Duration::from_secs(1));
        assert_eq!(summary.under_way, 0);
        assert_eq!(summary.all.per_second, 1.0);
        // Three digits: at most a thousandth off.
        assert!((summary.all.latency.max_ms - 100.0).abs() <= 0.1);
        assert!((summary.late.max_ms - 40.0).abs() <= 0.04);
        assert_eq!(recorder.meters.load.read().latency_ns, 100_000_000);
    }

    #[test]
    fn outcomes_are_counted_by_route_and_can_be_forgotten() {
        let recorder = recorder();
        recorder.journey();
        recorder.shed();
        for (route, outcome) in [
            (0, Outcome::Answered),
            (0, Outcome::Throttled),
            (1, Outcome::Failed),
            (1, Outcome::Answered),
        ] {
            let sent = recorder.sent(route, START, START);
            recorder.over(sent, outcome, START + Duration::from_millis(3));
        }
        let now = START + Duration::from_secs(2);
        let summary = recorder.summary(now);
        assert_eq!((summary.journeys, summary.shed), (1, 1));
        assert_eq!(summary.all.requests, 4);
        assert_eq!(summary.all.failed_ratio, 0.25);
        assert_eq!(summary.routes[0].throttled_ratio, 0.5);
        assert_eq!(summary.routes[1].failed_ratio, 0.5);
        let counts = recorder.meters.load.read();
        assert_eq!(
            (counts.requests, counts.failed, counts.throttled),
            (4, 1, 1)
        );

        recorder.restart(now);
        let summary = recorder.summary(now);
        assert_eq!(
            (summary.journeys, summary.shed, summary.all.requests),
            (0, 0, 0)
        );
        assert_eq!((summary.from, summary.to), (now, now));
        assert!(summary.routes.is_empty());
    }
}
