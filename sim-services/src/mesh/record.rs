//! What is known of a run's faults when they are over, for its timeline.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Tell, apis};
use crate::chaos::Happening;
use crate::clock::Moment;
use crate::topology::Topology;
use crate::truth::{FaultTruth, Timeline};

/// Of one run; whoever hears of happenings notes them here.
#[derive(Debug)]
pub(super) struct Record {
    topology: Arc<Topology>,
    seed: u64,
    virtual_time: bool,
    started: Moment,
    truth: Mutex<Truth>,
}

#[derive(Debug, Default)]
struct Truth {
    judged_from: Option<Moment>,
    faults: Vec<FaultTruth>,
}

impl Record {
    pub(super) fn new(
        topology: Arc<Topology>,
        seed: u64,
        virtual_time: bool,
        started: Moment,
    ) -> Record {
        Record {
            topology,
            seed,
            virtual_time,
            started,
            truth: Mutex::default(),
        }
    }

    /// Somebody is judged from now on, if nobody was before.
    pub(super) fn judge_from(&self, now: Moment) {
        self.truth().judged_from.get_or_insert(now);
    }

    pub(super) fn note(&self, tell: &Tell, happening: &Happening) {
        if let Happening::FaultOut { truth: fault, .. } = happening {
            self.truth().faults.push(fault.clone());
        }
        tell(happening);
    }

    /// What really happened until now.
    pub(super) fn timeline(&self, now: Moment) -> Timeline {
        let truth = self.truth();
        Timeline {
            topology: self.topology.name.clone(),
            seed: self.seed,
            virtual_time: self.virtual_time,
            started: self.started,
            judged_from: truth.judged_from.unwrap_or(self.started),
            ended: now,
            apis: apis(&self.topology),
            faults: truth.faults.clone(),
        }
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
