//! How full things were, until the second in which it was read is judged.
//!
//! Readings come in any order and some seconds late: what comes too late counts as of the first second
//! that is not judged yet. They are no sign of life: a runtime's gauges go on when nobody calls it.

use std::collections::BTreeMap;

use monitor_core::{Name, Observation, ServiceKey};
use serde::{Deserialize, Serialize};

/// Readings of one service in one second.
const MAX_READINGS: usize = 256;
/// Services with readings in one second.
const MAX_SERVICES: usize = 10_000;

/// By replica and series.
pub(crate) type Readings = BTreeMap<(Name, Name), f32>;

type ByService = BTreeMap<(ServiceKey, Name), Readings>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PendingLevels(BTreeMap<i64, ByService>);

impl PendingLevels {
    /// Takes an [`Observation::Level`]; how many had no room.
    pub(crate) fn add(&mut self, observation: &Observation, earliest: i64) -> u64 {
        let Observation::Level {
            service,
            environment,
            instance,
            what,
            at,
            share,
        } = observation
        else {
            return 0;
        };
        let second = self.0.entry(at.as_secs().max(earliest)).or_default();
        let place = (service.clone(), Name::clone(environment));
        if second.len() >= MAX_SERVICES && !second.contains_key(&place) {
            return 1;
        }
        let readings = second.entry(place).or_default();
        let series = (Name::clone(instance), Name::clone(what));
        if readings.len() >= MAX_READINGS && !readings.contains_key(&series) {
            return 1;
        }
        let fullest = readings.entry(series).or_insert(*share);
        *fullest = fullest.max(*share);
        0
    }

    /// What was read before `end`, a second after the other.
    pub(crate) fn take_before(&mut self, end: i64) -> BTreeMap<i64, ByService> {
        let later = self.0.split_off(&end);
        std::mem::replace(&mut self.0, later)
    }
}
