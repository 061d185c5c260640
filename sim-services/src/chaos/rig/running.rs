//! One experiment that is on.

use std::sync::Arc;
use std::time::Duration;

use super::breach::Breach;
use crate::change::{Active, Touch};
use crate::chaos::experiment::Experiment;
use crate::chaos::happening::Happening;
use crate::chaos::measure::{self, Stretch};
use crate::clock::Moment;
use crate::meter::{Meters, Reading};
use crate::topology::Topology;
use crate::truth::{Acted, FaultTruth};

#[derive(Debug)]
pub(in crate::chaos) struct Running {
    number: u64,
    experiment: Experiment,
    started: Moment,
    /// Of every fault, of every part.
    slots: Vec<Vec<Slot>>,
    before: Stretch,
    at_start: Reading,
    full_told: bool,
    /// Of faults that can be foreseen.
    breach: Option<Breach>,
}

/// What stays the same of a change while its strength does not.
#[derive(Debug)]
struct Slot {
    id: u64,
    again: u64,
    announces: bool,
    touch: Arc<Touch>,
}

impl Running {
    pub(super) fn new(
        number: u64,
        experiment: Experiment,
        now: Moment,
        before: Stretch,
        at_start: Reading,
    ) -> Running {
        let breach = experiment
            .faults
            .iter()
            .find(|placed| placed.fault.foreseeable())
            .and_then(|placed| placed.target.service.as_ref())
            .map(|service| Breach::new(service, &before, now, &at_start));
        Running {
            number,
            slots: experiment.faults.iter().map(|_| Vec::new()).collect(),
            experiment,
            started: now,
            before,
            at_start,
            full_told: false,
            breach,
        }
    }

    pub(in crate::chaos) fn number(&self) -> u64 {
        self.number
    }

    pub(in crate::chaos) fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    pub(in crate::chaos) fn started(&self) -> Moment {
        self.started
    }

    pub(in crate::chaos) fn ends(&self) -> Moment {
        self.started + self.experiment.duration
    }

    fn full(&self) -> Moment {
        self.started + self.experiment.ramp
    }

    pub(in crate::chaos) fn strength(&self, now: Moment) -> f64 {
        self.experiment.strength(now.since(self.started))
    }

    pub(in crate::chaos) fn affected(&self) -> u64 {
        self.touches().map(Touch::count).sum()
    }

    fn touches(&self) -> impl Iterator<Item = &Touch> {
        self.slots.iter().flatten().map(|slot| &*slot.touch)
    }

    /// Unique among those that one driver ever ran: `07-database-slow`.
    pub(in crate::chaos) fn id(&self) -> String {
        format!("{:02}-{}", self.number, self.experiment.kind())
    }

    pub(super) fn began(&self) -> Happening {
        Happening::FaultIn {
            at: self.started,
            id: self.id(),
            experiment: self.experiment.clone(),
        }
    }

    pub(super) fn full_by(&mut self, now: Moment) -> Option<Happening> {
        let due = !self.full_told && self.full() <= now;
        self.full_told |= due;
        // Without a ramp there is nothing to tell that its beginning did not.
        (due && !self.experiment.ramp.is_zero()).then(|| Happening::Full {
            at: now,
            id: self.id(),
        })
    }

    pub(super) fn watch(&mut self, now: Moment, meters: &Meters) {
        if let Some(breach) = &mut self.breach {
            breach.look(now, meters);
        }
    }

    /// How long after it the platform may still feel it.
    pub(super) fn settle(&self) -> Duration {
        self.experiment.recovery / 2
    }

    pub(super) fn actives(
        &mut self,
        topology: &Topology,
        now: Moment,
        mut id: impl FnMut() -> u64,
    ) -> Vec<Active> {
        let strength = self.strength(now);
        let on_for = now.since(self.started);
        let mut actives = Vec::new();
        for (placed, slots) in self.experiment.faults.iter().zip(&mut self.slots) {
            let parts = placed
                .fault
                .parts(topology, &placed.target, strength, on_for);
            for (index, part) in parts.into_iter().enumerate() {
                if index == slots.len() {
                    slots.push(Slot {
                        id: id(),
                        again: part.again,
                        announces: part.announces(),
                        touch: Arc::default(),
                    });
                }
                let slot = &mut slots[index];
                if slot.again != part.again {
                    slot.again = part.again;
                    slot.id = id();
                }
                actives.push(Active {
                    id: slot.id,
                    target: part.target,
                    change: part.change,
                    touch: Arc::clone(&slot.touch),
                });
            }
        }
        actives
    }

    pub(super) fn next(&self, now: Moment) -> Moment {
        let mut next = self.ends();
        let mut at = |moment: Moment| {
            if moment > now {
                next = next.min(moment);
            }
        };
        at(self.full());
        if now < self.full() {
            at(self.after_steps(now, Experiment::STEP));
        }
        if let Some(every) = self.experiment.again_every() {
            at(self.after_steps(now, every));
        }
        if let Some(breach) = &self.breach {
            at(breach.next());
        }
        next
    }

    /// The first multiple of `every` since the start that is later than now.
    fn after_steps(&self, now: Moment, every: Duration) -> Moment {
        let every = every.max(Duration::from_millis(1));
        let steps = now.since(self.started).as_nanos() / every.as_nanos();
        let steps = u32::try_from(steps + 1).unwrap_or(u32::MAX);
        self.started + every.saturating_mul(steps)
    }

    pub(super) fn truth(&self, topology: &Topology, meters: &Meters, now: Moment) -> FaultTruth {
        let during = Stretch {
            did: meters.read().since(&self.at_start),
            length: now.since(self.started),
        };
        let experiment = &self.experiment;
        // What harmed counts; where nothing did, what announced itself.
        let harms = || self.slots.iter().flatten().filter(|slot| !slot.announces);
        let counted: Vec<&Touch> = if harms().next().is_some() {
            harms().map(|slot| &*slot.touch).collect()
        } else {
            self.touches().collect()
        };
        FaultTruth {
            id: self.id(),
            experiment: experiment.name.clone(),
            kind: experiment.kind().to_owned(),
            description: experiment.description.clone(),
            targets: experiment
                .faults
                .iter()
                .map(|placed| placed.target.clone())
                .collect(),
            benign: experiment.benign(),
            ramp: experiment
                .faults
                .iter()
                .any(|placed| placed.fault.foreseeable()),
            cause: experiment.expect.root_cause.clone().unwrap_or_default(),
            symptoms: experiment.expect.symptoms.clone(),
            started: self.started,
            full: self.full().min(now),
            ended: now,
            first_affected: counted.iter().filter_map(|touch| touch.first()).min(),
            last_affected: counted.iter().filter_map(|touch| touch.last()).max(),
            affected: counted.iter().map(|touch| touch.count()).sum(),
            breached: self.breach.as_ref().and_then(Breach::at),
            acted: self.acted(topology, &during),
        }
    }

    /// All of its faults must have.
    fn acted(&self, topology: &Topology, during: &Stretch) -> Acted {
        let all: Vec<Acted> = self
            .experiment
            .faults
            .iter()
            .zip(&self.slots)
            .map(|(placed, slots)| {
                let touched = slots.iter().map(|slot| slot.touch.count()).sum();
                measure::acted(placed, topology, &self.before, during, touched)
            })
            .collect();
        let evidence: Vec<&str> = all.iter().map(|acted| acted.evidence.as_str()).collect();
        Acted {
            yes: all.iter().all(|acted| acted.yes),
            evidence: evidence.join("; "),
        }
    }
}
