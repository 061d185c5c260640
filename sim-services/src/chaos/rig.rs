//! Experiments that are on, and what they are to the platform: without tasks, clocks or chance.
//!
//! Whoever drives it says what time it is and publishes what it returns.

mod breach;
mod running;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) use running::Running;

use super::experiment::Experiment;
use super::happening::Happening;
use super::quiet::Quiet;
use crate::change::Active;
use crate::clock::Moment;
use crate::meter::Meters;
use crate::topology::Topology;
use crate::truth::FaultTruth;

#[derive(Debug)]
pub(super) struct Rig {
    topology: Arc<Topology>,
    meters: Arc<Meters>,
    quiet: Quiet,
    /// By number.
    on: BTreeMap<u64, Running>,
    ids: Ids,
}

/// Ids of changes. They are times, so that those of one driver never come again, not even in its
/// next run over the same platform.
#[derive(Debug)]
struct Ids {
    /// Set in those of people, so that they are not those of a plan.
    mark: u64,
    last: u64,
}

impl Ids {
    fn next(&mut self, now: Moment) -> u64 {
        let now = u64::try_from(now.0).unwrap_or(0);
        self.last = now.max(self.last + 1);
        self.last | self.mark
    }
}

/// Who drives a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Plan,
    People,
}

impl Rig {
    pub(super) fn new(
        topology: Arc<Topology>,
        meters: Arc<Meters>,
        driver: Driver,
        now: Moment,
    ) -> Rig {
        let quiet = Quiet::new(now, &meters);
        let mark = match driver {
            Driver::Plan => 0,
            Driver::People => 1 << 63,
        };
        Rig {
            topology,
            meters,
            quiet,
            on: BTreeMap::new(),
            ids: Ids { mark, last: 0 },
        }
    }

    /// Begins an experiment that fits the topology.
    pub(super) fn put_in(&mut self, number: u64, experiment: Experiment, now: Moment) -> Happening {
        let reading = self.meters.read();
        let before = self.quiet.end(now, &reading, experiment.duration);
        let running = Running::new(number, experiment, now, before, reading);
        let happening = running.began();
        self.on.insert(number, running);
        happening
    }

    /// Ends an experiment, early or not.
    pub(super) fn take_out(&mut self, number: u64, now: Moment) -> Option<FaultTruth> {
        let running = self.on.remove(&number)?;
        let truth = running.truth(&self.topology, &self.meters, now);
        if self.on.is_empty() {
            self.quiet.begin(now, running.settle());
        }
        Some(truth)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.on.keys().copied().collect()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Running> {
        self.on.values()
    }

    /// What has come to pass by now: ends, full strengths, and readings that had to be taken.
    pub(super) fn tick(&mut self, now: Moment) -> Vec<Happening> {
        let mut happenings = Vec::new();
        let over: Vec<u64> = self
            .running()
            .filter(|running| running.ends() <= now)
            .map(Running::number)
            .collect();
        for running in self.on.values_mut() {
            running.watch(now, &self.meters);
            happenings.extend(running.full_by(now));
        }
        for number in over {
            if let Some(truth) = self.take_out(number, now) {
                happenings.push(Happening::FaultOut { at: now, truth });
            }
        }
        if self.on.is_empty() {
            self.quiet.look(now, &self.meters);
        }
        happenings
    }

    /// All that is different now.
    pub(super) fn actives(&mut self, now: Moment) -> Vec<Active> {
        let Rig { on, ids, .. } = self;
        on.values_mut()
            .flat_map(|running| running.actives(&self.topology, now, || ids.next(now)))
            .collect()
    }

    /// When it must be asked again, if nothing else happens.
    pub(super) fn next(&self, now: Moment) -> Moment {
        let next = self.running().map(|running| running.next(now)).min();
        next.unwrap_or_else(|| self.quiet.next())
            .max(now + Duration::from_millis(1))
    }
}
