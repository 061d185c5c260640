//! Experiments that people start and stop, for an admin API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::experiment::Experiment;
use super::happening::Happening;
use super::problem::ChaosError;
use super::rig::{Driver, Rig, Running};
use super::runner::{Levers, Published};
use crate::change::Target;
use crate::clock::{Clock, Moment};
use crate::topology::Topology;
use crate::truth::{Acted, FaultTruth};

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
    /// The last ones that are over, by number.
    over: BTreeMap<u64, FaultTruth>,
    /// Under which key experiments were started, for whoever asks again because no answer came.
    keys: BTreeMap<String, u64>,
}

/// Experiments that are over, and keys, that are remembered: months of them by hand.
const KEPT: usize = 1_000;

/// How one experiment stands, or what became of it. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub number: u64,
    pub phase: Phase,
    /// Its name.
    pub experiment: String,
    pub started: String,
    /// When it will be over, if nobody ends it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Requests, connections, lines or arrivals so far.
    pub affected: u64,
    /// Whether it really did what it should; known when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acted: Option<Acted>,
    /// All that is known of it when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<FaultTruth>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Running,
    Over,
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
                over: BTreeMap::new(),
                keys: BTreeMap::new(),
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
        self.start_once(None, experiment)
    }

    /// The number of the experiment that was started under this key before; [`start`](Self::start)
    /// when there is none.
    ///
    /// # Errors
    ///
    /// What of the experiment does not fit the topology.
    pub fn start_once(&self, key: Option<&str>, experiment: Experiment) -> Result<u64, ChaosError> {
        let file = experiment.name.clone();
        let experiment = experiment
            .fit(&self.topology, "")
            .map_err(|problems| ChaosError { file, problems })?;
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(number) = key.and_then(|key| state.keys.get(key)) {
            return Ok(*number);
        }
        let number = state.next;
        state.next += 1;
        if let Some(key) = key {
            state.keys.insert(key.to_owned(), number);
            // Whoever asks again does so within minutes.
            let oldest = number.saturating_sub(KEPT as u64);
            state.keys.retain(|_, number| *number > oldest);
        }
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
        state.keep(number, truth.clone());
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
        state
            .rig
            .running()
            .map(|running| on(running, now))
            .collect()
    }

    /// None when there never was one of this number, or so long ago that it is forgotten.
    pub fn get(&self, number: u64) -> Option<Standing> {
        let now = self.clock.now();
        let state = self.state();
        let mut running = state.rig.running();
        if let Some(running) = running.find(|running| running.number() == number) {
            let on = on(running, now);
            return Some(Standing {
                number,
                phase: Phase::Running,
                experiment: on.experiment,
                started: on.since.to_string(),
                until: Some(on.until.to_string()),
                ended: None,
                affected: on.affected,
                acted: None,
                truth: None,
            });
        }
        let truth = state.over.get(&number)?.clone();
        Some(Standing {
            number,
            phase: Phase::Over,
            experiment: truth.experiment.clone(),
            started: truth.started.to_string(),
            until: None,
            ended: Some(truth.ended.to_string()),
            affected: truth.affected,
            acted: Some(truth.acted.clone()),
            truth: Some(truth),
        })
    }

    /// Lets experiments grow and end until it is stopped; then ends them all. One at a time.
    pub async fn run(&self, stop: CancellationToken, mut tell: impl FnMut(&Happening)) {
        loop {
            let now = self.clock.now();
            let (happenings, next) = {
                let mut state = self.state();
                let mut happenings = std::mem::take(&mut state.untold);
                happenings.extend(state.tick(now));
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

fn on(running: &Running, now: Moment) -> On {
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
}

impl State {
    fn publish(&mut self, now: Moment) {
        let actives = self.rig.actives(now);
        self.published.set(actives);
    }

    fn tick(&mut self, now: Moment) -> Vec<Happening> {
        let mut over = self.rig.numbers();
        let happenings = self.rig.tick(now);
        let on = self.rig.numbers();
        over.retain(|number| !on.contains(number));
        // Both are in the order of numbers.
        let truths = happenings.iter().filter_map(|happening| match happening {
            Happening::FaultOut { truth, .. } => Some(truth),
            _ => None,
        });
        for (number, truth) in over.into_iter().zip(truths) {
            self.keep(number, truth.clone());
        }
        happenings
    }

    fn keep(&mut self, number: u64, truth: FaultTruth) {
        self.over.insert(number, truth);
        if self.over.len() > KEPT {
            self.over.pop_first();
        }
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
