//! A replica's sources of chance, one for each matter so that they do not disturb each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random::Dice;
use crate::telemetry::Identity;

#[derive(Debug)]
pub(super) struct Chance {
    /// Of traces, spans and requests.
    pub(super) ids: Mutex<Dice>,
    work: Mutex<Dice>,
    faults: Mutex<Dice>,
    retries: Mutex<Dice>,
    talk: Mutex<Dice>,
}

impl Chance {
    pub(super) fn new(seed: u64, identity: &Identity) -> Chance {
        let (service, replica) = (&identity.service, identity.replica);
        let dice = |matter| {
            Mutex::new(Dice::new(
                seed,
                &format!("service/{service}/{replica}/{matter}"),
            ))
        };
        Chance {
            ids: dice("ids"),
            work: dice("work"),
            faults: dice("faults"),
            retries: dice("retries"),
            talk: dice("talk"),
        }
    }

    pub(super) fn ids(&self) -> MutexGuard<'_, Dice> {
        locked(&self.ids)
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Dice> {
        locked(&self.work)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Dice> {
        locked(&self.faults)
    }

    pub(super) fn retries(&self) -> MutexGuard<'_, Dice> {
        locked(&self.retries)
    }

    pub(super) fn talk(&self) -> MutexGuard<'_, Dice> {
        locked(&self.talk)
    }
}

fn locked(dice: &Mutex<Dice>) -> MutexGuard<'_, Dice> {
    dice.lock().unwrap_or_else(PoisonError::into_inner)
}
