//! What the platform does when nothing is wrong: the stretch of time that a fault is compared with.

use std::collections::VecDeque;
use std::time::Duration;

use super::measure::Stretch;
use crate::clock::Moment;
use crate::meter::{Meters, Reading};

/// Readings of undisturbed time.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Since the last disturbance, the oldest first; never empty while it is quiet.
    readings: VecDeque<(Moment, Reading)>,
    /// Until the platform has recovered from the last fault.
    settles: Moment,
    next: Moment,
    /// The latest stretch, for faults that begin while others are on.
    last: Stretch,
}

impl Quiet {
    const EVERY: Duration = Duration::from_secs(5);
    /// As long as the longest fault.
    const KEPT: usize = 120;

    /// Quiet from now on.
    pub(super) fn new(now: Moment, meters: &Meters) -> Quiet {
        Quiet {
            readings: VecDeque::from([(now, meters.read())]),
            settles: now,
            next: now + Quiet::EVERY,
            last: Stretch::default(),
        }
    }

    /// When it wants to look again, as long as nothing is on.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Nothing is on.
    pub(super) fn look(&mut self, now: Moment, meters: &Meters) {
        if now < self.next {
            return;
        }
        self.next = now + Quiet::EVERY;
        if now >= self.settles {
            self.readings.push_back((now, meters.read()));
            if self.readings.len() > Quiet::KEPT {
                self.readings.pop_front();
            }
        }
    }

    /// A fault begins that lasts for `length`: about as much undisturbed time, as near as there is.
    pub(super) fn end(&mut self, now: Moment, reading: &Reading, length: Duration) -> Stretch {
        let wanted = now - length;
        let from = self
            .readings
            .iter()
            .rev()
            .find(|(at, _)| *at <= wanted)
            .or_else(|| self.readings.front());
        if let Some((at, before)) = from
            && *at < now
        {
            self.last = Stretch {
                did: reading.since(before),
                length: now.since(*at),
            };
        }
        self.readings.clear();
        self.last.clone()
    }

    /// The last fault is over; what follows for a while is its wake.
    pub(super) fn begin(&mut self, now: Moment, settle: Duration) {
        self.readings.clear();
        self.settles = now + settle;
        self.next = self.settles;
    }
}
