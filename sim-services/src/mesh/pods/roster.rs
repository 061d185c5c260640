//! Who follows the control: the replicas' numbers, and what they have reported.
//!
//! Kubernetes' pods have no numbers that targets could name, so each pod is given the lowest that is
//! free in its service, and when one goes, the others move up: the numbers of so many replicas are
//! always those below it. What replicas report is added to the platform's own counters, as
//! if they had counted there themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::words::{Report, Touched};
use crate::broker::Depth;
use crate::change::Conditions;
use crate::clock::Moment;
use crate::mesh::state::ReplicaState;
use crate::meter::{LinkCounts, Meters, ReplicaCounts, count_by};

/// A pod that has not been heard of for so long is no more.
const GONE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: Mutex<BTreeMap<String, Seat>>,
    /// Counts changes of numbers.
    changed: watch::Sender<u64>,
    /// Counts reports, and pods that went.
    news: watch::Sender<u64>,
}

/// One pod's.
#[derive(Debug)]
struct Seat {
    service: String,
    number: u32,
    /// Streams that it reads; more than one while it changes from one to another.
    streams: u32,
    seen: Moment,
    told: Told,
}

/// What a pod's process has told so far.
#[derive(Debug, Default)]
struct Told {
    process: u64,
    counts: ReplicaCounts,
    links: BTreeMap<(String, String), LinkCounts>,
    dns_failures: u64,
    touched: BTreeMap<u64, u64>,
    last: Option<Report>,
}

impl Roster {
    /// A pod reads a stream; its number. Must be followed by [`leave`](Self::leave).
    pub(super) fn join(&self, service: &str, pod: &str, now: Moment) -> u32 {
        let mut seats = self.lock();
        let number = sit(&mut seats, service, pod, now);
        if let Some(seat) = seats.get_mut(pod) {
            seat.streams += 1;
        }
        number
    }

    /// A pod reads one stream less.
    pub(super) fn leave(&self, pod: &str, now: Moment) {
        if let Some(seat) = self.lock().get_mut(pod) {
            seat.streams = seat.streams.saturating_sub(1);
            seat.seen = now;
        }
    }

    /// None when the pod is not known any more.
    pub(super) fn number(&self, pod: &str) -> Option<u32> {
        self.lock().get(pod).map(|seat| seat.number)
    }

    /// Told when numbers have changed.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Told when something was reported, or a pod has gone.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Forgets pods that are gone, and lets the others move up.
    pub(super) fn sweep(&self, now: Moment) {
        let mut seats = self.lock();
        let before = seats.len();
        seats.retain(|_, seat| seat.streams > 0 || now.since(seat.seen) < GONE);
        if seats.len() < before {
            if renumber(&mut seats) {
                self.changed.send_modify(|times| *times += 1);
            }
            self.news.send_modify(|times| *times += 1);
        }
    }

    /// Adds what is new in a report to the platform's counters and to the touches of what is on.
    pub(super) fn take(
        &self,
        report: Report,
        conditions: &Conditions,
        meters: &Meters,
        now: Moment,
    ) {
        let mut seats = self.lock();
        sit(&mut seats, &report.service, &report.pod, now);
        let Some(seat) = seats.get_mut(&report.pod) else {
            return;
        };
        seat.seen = now;
        if seat.told.process != report.process {
            seat.told = Told {
                process: report.process,
                ..Told::default()
            };
        }
        let told = &mut seat.told;
        let meter = meters.replica(&report.service, seat.number);
        meter.add(&report.counts.since(&told.counts));
        told.counts = report.counts;
        for (from, to, counts) in &report.links {
            let known = told.links.entry((from.clone(), to.clone())).or_default();
            meters.link(from, to).add(&counts.since(known));
            *known = *counts;
        }
        let failures = report.dns_failures.saturating_sub(told.dns_failures);
        count_by(&meters.dns_failures, failures);
        told.dns_failures = report.dns_failures;
        for touched in &report.touched {
            told.touch(touched, conditions);
        }
        let still: BTreeSet<u64> = report.touched.iter().map(|touched| touched.id).collect();
        told.touched.retain(|id, _| still.contains(id));
        told.last = Some(report);
        self.news.send_modify(|times| *times += 1);
    }

    /// Of one service, in the order of numbers.
    pub(super) fn replicas(&self, service: &str) -> Vec<ReplicaState> {
        let seats = self.lock();
        let mut replicas: Vec<ReplicaState> = seats
            .iter()
            .filter(|(_, seat)| seat.service == service)
            .filter_map(|(pod, seat)| {
                let report = seat.told.last.as_ref()?;
                Some(ReplicaState {
                    replica: seat.number,
                    instance: pod.clone(),
                    zone: None,
                    version: report.version.clone(),
                    phase: report.phase,
                    address: report.address,
                    busy: report.busy,
                    workers: report.workers,
                    waiting: report.waiting,
                    // Known to who looks after processes.
                    restarts: 0,
                })
            })
            .collect();
        replicas.sort_by_key(|replica| replica.replica);
        replicas
    }

    /// How many pods of a service follow now.
    pub(super) fn followers(&self, service: &str) -> u32 {
        let seats = self.lock();
        let of_service = seats.values().filter(|seat| seat.service == service);
        of_service.map(|_| 1).sum()
    }

    pub(super) fn queues(&self) -> BTreeMap<String, Depth> {
        let seats = self.lock();
        let reports = seats.values().filter_map(|seat| seat.told.last.as_ref());
        reports.flat_map(|report| report.queues.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn touch(&mut self, touched: &Touched, conditions: &Conditions) {
        let known = self.touched.entry(touched.id).or_default();
        let more = touched.count.saturating_sub(*known);
        *known = touched.count;
        let on = conditions.0.iter().find(|active| active.id == touched.id);
        if let Some(active) = on {
            // The first of a pod is the first of it each time that it is told.
            (active.touch).absorb(touched.first, touched.last, more);
        }
    }
}

/// The pod's number; the lowest free one when it is new.
fn sit(seats: &mut BTreeMap<String, Seat>, service: &str, pod: &str, now: Moment) -> u32 {
    if let Some(seat) = seats.get_mut(pod) {
        seat.seen = now;
        return seat.number;
    }
    let of_service = seats.values().filter(|seat| seat.service == service);
    let taken: BTreeSet<u32> = of_service.map(|seat| seat.number).collect();
    let number = (0..).find(|number| !taken.contains(number)).unwrap_or(0);
    let seat = Seat {
        service: service.to_owned(),
        number,
        streams: 0,
        seen: now,
        told: Told::default(),
    };
    seats.insert(pod.to_owned(), seat);
    number
}

/// So that the numbers of each service have no gaps; whether any changed.
fn renumber(seats: &mut BTreeMap<String, Seat>) -> bool {
    let mut all: Vec<&mut Seat> = seats.values_mut().collect();
    all.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
    let mut changed = false;
    let mut next: BTreeMap<String, u32> = BTreeMap::new();
    for seat in all {
        let next = next.entry(seat.service.clone()).or_default();
        changed |= seat.number != *next;
        seat.number = *next;
        *next += 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Active, Change, Target};
    use crate::mesh::state::Phase;
    use std::sync::Arc;

    fn at(secs: i64) -> Moment {
        Moment::from_secs(secs)
    }

    fn report(pod: &str, process: u64, requests: u64, touched: u64) -> Report {
        Report {
            pod: pod.into(),
            service: "cart".into(),
            process,
            version: "1".into(),
            phase: Phase::Running,
            address: None,
            busy: 0,
            workers: 8,
            waiting: 0,
            counts: ReplicaCounts {
                requests,
                ..ReplicaCounts::default()
            },
            links: Vec::new(),
            dns_failures: 0,
            queues: BTreeMap::new(),
            touched: vec![Touched {
                id: 7,
                first: at(1),
                last: at(2),
                count: touched,
            }],
        }
    }

    #[test]
    fn a_pod_keeps_its_number_and_others_move_up_when_one_goes() {
        let roster = Roster::default();
        let changed = roster.changed();
        for pod in ["a", "b", "c"] {
            roster.join("cart", pod, at(0));
        }
        assert_eq!(roster.join("orders", "d", at(0)), 0);
        assert_eq!(roster.join("cart", "b", at(0)), 1);
        roster.leave("a", at(1));
        roster.sweep(at(2));
        assert_eq!(roster.number("c"), Some(2), "it may be back in a moment");
        assert!(!changed.has_changed().unwrap());
        roster.sweep(at(7));
        let numbers = ["a", "b", "c", "d"].map(|pod| roster.number(pod));
        assert_eq!(numbers, [None, Some(0), Some(1), Some(0)]);
        assert!(changed.has_changed().unwrap());
    }

    #[test]
    fn what_is_told_twice_counts_once_and_a_new_process_counts_anew() {
        let (roster, meters) = (Roster::default(), Meters::default());
        let on = Active {
            id: 7,
            target: Target::default(),
            change: Change::Mute,
            touch: Arc::default(),
        };
        let conditions = Conditions(vec![on.clone()]);
        let reports = [(1, 10, 3), (1, 10, 3), (1, 15, 4), (2, 2, 1), (2, 5, 1)];
        for (process, requests, touched) in reports {
            let report = report("a", process, requests, touched);
            roster.take(report, &conditions, &meters, at(3));
        }
        assert_eq!(meters.read().service("cart").requests, 20);
        assert_eq!(on.touch.count(), 5);
        assert_eq!(
            (on.touch.first(), on.touch.last()),
            (Some(at(1)), Some(at(2)))
        );
        assert_eq!(roster.replicas("cart").len(), 1);
    }
}
