//! What operators turn by hand while a platform runs: log levels, and how much load there is.
//!
//! They are changes like those of experiments, published beside them, but no faults: nobody is
//! judged by them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::change::{Active, Change, Conditions, Target};
use crate::chaos::Levers;
use crate::topology::Level;

/// Ids of plans count from 1, those of manual experiments have the highest bit.
const IDS: u64 = 1 << 62;

#[derive(Debug)]
pub struct Settings {
    levers: Levers,
    on: Mutex<On>,
}

#[derive(Debug, Default)]
struct On {
    last: u64,
    /// By what is set, so that another value replaces the one before.
    set: BTreeMap<String, Active>,
}

impl Settings {
    pub(super) fn new(levers: Levers) -> Settings {
        Settings {
            levers,
            on: Mutex::default(),
        }
    }

    /// From now on a service logs from this level on; none is the topology's.
    pub fn log_level(&self, service: &str, level: Option<Level>) {
        let target = Target {
            service: Some(service.to_owned()),
            ..Target::default()
        };
        self.set(
            format!("log-level/{service}"),
            target,
            level.map(Change::LogLevel),
        );
    }

    /// From now on so many times the load; 1 is the topology's, or what it was started with.
    pub fn load_factor(&self, factor: f64) {
        let change = Change::Load {
            factor,
            clients: String::new(),
        };
        let is_usual = (factor - 1.0).abs() < f64::EPSILON;
        self.set(
            "load".to_owned(),
            Target::default(),
            (!is_usual).then_some(change),
        );
    }

    fn set(&self, what: String, target: Target, change: Option<Change>) {
        let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        let before = on.set.remove(&what).map(|active| active.id);
        let active = change.map(|change| {
            on.last += 1;
            Active {
                id: IDS + on.last,
                target,
                change,
                touch: Arc::default(),
            }
        });
        if let Some(active) = &active {
            on.set.insert(what, active.clone());
        }
        self.levers.conditions.send_modify(|conditions| {
            let others = conditions.0.iter().filter(|on| Some(on.id) != before);
            *conditions = Arc::new(Conditions(others.cloned().chain(active).collect()));
        });
    }
}
