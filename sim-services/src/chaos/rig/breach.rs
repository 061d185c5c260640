//! When a service that gets slower broke its objective.

use std::collections::VecDeque;
use std::time::Duration;

use crate::chaos::measure::Stretch;
use crate::clock::Moment;
use crate::meter::{Meters, Reading, ReplicaCounts};

/// The objective: a mean latency over five seconds of at most four times the undisturbed one, and
/// no replica killed for want of memory.
#[derive(Debug)]
pub(super) struct Breach {
    service: String,
    /// In nanoseconds; none when nothing was measured before.
    objective: Option<f64>,
    window: VecDeque<(Moment, ReplicaCounts)>,
    next: Moment,
    at: Option<Moment>,
}

const TIMES: f64 = 4.0;
const WINDOW: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(1);

impl Breach {
    pub(super) fn new(service: &str, before: &Stretch, now: Moment, reading: &Reading) -> Breach {
        Breach {
            service: service.to_owned(),
            objective: mean(&before.did.service(service)).map(|mean| mean * TIMES),
            window: VecDeque::from([(now, reading.service(service))]),
            next: now + EVERY,
            at: None,
        }
    }

    pub(super) fn at(&self) -> Option<Moment> {
        self.at
    }

    pub(super) fn next(&self) -> Moment {
        self.next
    }

    pub(super) fn look(&mut self, now: Moment, meters: &Meters) {
        if now < self.next || self.at.is_some() {
            return;
        }
        self.next = now + EVERY;
        let counts = meters.read().service(&self.service);
        self.window.push_back((now, counts));
        while self.window.len() > 2 && self.window[1].0 + WINDOW <= now {
            self.window.pop_front();
        }
        let (_, first) = &self.window[0];
        let did = counts.since(first);
        let slow = mean(&did)
            .zip(self.objective)
            .is_some_and(|(mean, objective)| mean > objective);
        if slow || did.out_of_memory_kills > 0 {
            self.at = Some(now);
        }
    }
}

fn mean(counts: &ReplicaCounts) -> Option<f64> {
    (counts.requests > 0).then(|| counts.duration_ns as f64 / counts.requests as f64)
}
