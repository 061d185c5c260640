//! Experiments that people start and stop, for an admin API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::experiment::Experiment;
use super::happening::Happening;
use super::problem::ChaosError;
use super::rig::{Driver, Rig};
use super::runner::{Levers, Published};
use crate::change::Target;
use crate::clock::{Clock, Moment};
use crate::topology::Topology;
use crate::truth::FaultTruth;

/// Experiments by number, over the same levers as a plan's and beside them. They grow and end
/// only while [`run`](Manual::run) runs.
#[derive(Debug)]
pub struct Manual {
    topology: Arc<Topology>,
    clock: Clock,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    rig: Rig,
    published: Published,
    next: u64,
    /// Of experiments that were stopped or started since the driver last told of any.
    untold: Vec<Happening>,
}

/// One that is on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct On {
    pub number: u64,
    /// As in the ground truth.
    pub id: String,
    pub experiment: String,
    pub kind: String,
    pub description: String,
    pub targets: Vec<Target>,
    pub since: Moment,
    pub until: Moment,
    /// From 0 to 1.
    pub strength: f64,
    /// Requests, connections, lines or arrivals so far.
    pub affected: u64,
}

impl Manual {
    pub fn new(topology: Arc<Topology>, levers: &Levers, clock: Clock) -> Manual {
        let meters = Arc::clone(&levers.meters);
        let rig = Rig::new(Arc::clone(&topology), meters, Driver::People, clock.now());
        Manual {
            topology,
            clock,
            state: Mutex::new(State {
                rig,
                published: Published::new(levers),
                next: 1,
                untold: Vec::new(),
            }),
            changed: Notify::new(),
        }
    }

    /// Returns its number.
    ///
    /// # Errors
    ///
    /// What of the experiment does not fit the topology.
    pub fn start(&self, experiment: Experiment) -> Result<u64, ChaosError> {
        let file = experiment.name.clone();
        let experiment = experiment
            .fit(&self.topology, "")
            .map_err(|problems| ChaosError { file, problems })?;
        let now = self.clock.now();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let happening = state.rig.put_in(number, experiment, now);
        state.tell_later(happening);
        state.publish(now);
        drop(state);
        self.changed.notify_one();
        Ok(number)
    }

    /// What it really did; none when it is not on.
    pub fn stop(&self, number: u64) -> Option<FaultTruth> {
        let now = self.clock.now();
        let mut state = self.state();
        let truth = state.rig.take_out(number, now)?;
        state.publish(now);
        state.tell_later(Happening::FaultOut {
            at: now,
            truth: truth.clone(),
        });
        drop(state);
        self.changed.notify_one();
        Some(truth)
    }

    pub fn list(&self) -> Vec<On> {
        let now = self.clock.now();
        let state = self.state();
        let on = state.rig.running().map(|running| {
            let experiment = running.experiment();
            On {
                number: running.number(),
                id: running.id(),
                experiment: experiment.name.clone(),
                kind: experiment.kind().to_owned(),
                description: experiment.description.clone(),
                targets: experiment
                    .faults
                    .iter()
                    .map(|placed| placed.target.clone())
                    .collect(),
                since: running.started(),
                until: running.ends(),
                strength: running.strength(now),
                affected: running.affected(),
            }
        });
        on.collect()
    }

    /// Lets experiments grow and end until it is stopped; then ends them all. One at a time.
    pub async fn run(&self, stop: CancellationToken, mut tell: impl FnMut(&Happening)) {
        loop {
            let now = self.clock.now();
            let (happenings, next) = {
                let mut state = self.state();
                let mut happenings = std::mem::take(&mut state.untold);
                happenings.extend(state.rig.tick(now));
                state.publish(now);
                (happenings, state.rig.next(now))
            };
            happenings.iter().for_each(&mut tell);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                () = sleep_until(self.clock.instant(next)) => {}
            }
        }
        let numbers = self.state().rig.numbers();
        for number in numbers {
            self.stop(number);
        }
        let untold = std::mem::take(&mut self.state().untold);
        untold.iter().for_each(&mut tell);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn publish(&mut self, now: Moment) {
        let actives = self.rig.actives(now);
        self.published.set(actives);
    }

    /// Nobody may be listening: the oldest go first.
    fn tell_later(&mut self, happening: Happening) {
        const KEPT: usize = 100;
        if self.untold.len() == KEPT {
            self.untold.remove(0);
        }
        self.untold.push(happening);
    }
}
