//! How likely an Api fails in the next five minutes, from what precedes failures.
//!
//! One regression for all Apis: what precedes a failure is much the same everywhere, and a single Api
//! fails too rarely to learn from. It is said once a minute of each Api that has calls and is not
//! failing already, and learned from five minutes later, or as soon as it fails.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::learner::Learner;
use crate::ledger::Ledger;

/// Ahead.
pub(crate) const FAILURE_HORIZON_SECS: u32 = 300;
pub(super) const HORIZON_SECS: i64 = FAILURE_HORIZON_SECS as i64;
const SIGNS: usize = 9;
/// What an operator would guess: hardly ever without a sign; likely when a trend arrives in time.
const GUESS: [f64; SIGNS] = [-6.5, 4.0, 2.5, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0];

/// What may precede a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Precursors {
    /// The chance that a trend, if there is one, arrives within the horizon.
    pub(super) arrives: f64,
    /// How far the response time is from usual (0) to its limit (1).
    pub(super) way: f64,
    /// How much further than a minute ago.
    pub(super) rising: f64,
    /// The same for failing calls.
    pub(super) failing_calls: f64,
    pub(super) anomalous: bool,
    /// Its service logs what is unusual.
    pub(super) complaints: bool,
    /// Another Api of its service is at risk.
    pub(super) sibling: bool,
}

/// One statement that waits to be compared with what comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    until: i64,
    chance: f32,
    signs: [f32; SIGNS],
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Failures {
    learner: Learner,
}

impl Precursors {
    fn signs(&self) -> [f64; SIGNS] {
        let flag = |is: bool| f64::from(u8::from(is));
        let way = self.way.clamp(0.0, 1.0);
        [
            1.0,
            self.arrives,
            way,
            way * way,
            self.rising.clamp(-1.0, 1.0),
            self.failing_calls.clamp(0.0, 1.0),
            flag(self.anomalous),
            flag(self.complaints),
            flag(self.sibling),
        ]
    }
}

impl Failures {
    pub(super) fn say(&self, waiting: &mut VecDeque<Waiting>, now: i64, precursors: Precursors) {
        let signs = precursors.signs();
        let chance = self.learner.chance(&GUESS, &signs);
        waiting.push_back(Waiting {
            until: now.saturating_add(HORIZON_SECS),
            chance: chance as f32,
            signs: signs.map(|sign| sign as f32),
        });
    }

    /// It failed: all that was said of it was about this.
    pub(super) fn came(&mut self, waiting: &mut VecDeque<Waiting>, now: i64, ledger: &mut Ledger) {
        // Of what was said longest ago it may have come too late.
        while waiting.front().is_some_and(|said| said.until < now) {
            if let Some(said) = waiting.pop_front() {
                self.learn(&said, false, ledger);
            }
        }
        for said in waiting.drain(..) {
            self.learn(&said, true, ledger);
        }
    }

    /// What was said to happen before `now` has not.
    pub(super) fn not_come(
        &mut self,
        waiting: &mut VecDeque<Waiting>,
        now: i64,
        ledger: &mut Ledger,
    ) {
        while waiting.front().is_some_and(|said| said.until <= now) {
            if let Some(said) = waiting.pop_front() {
                self.learn(&said, false, ledger);
            }
        }
    }

    fn learn(&mut self, said: &Waiting, came: bool, ledger: &mut Ledger) {
        ledger.failure(f64::from(said.chance), came);
        self.learner.learn(&GUESS, &said.signs.map(f64::from), came);
    }
}
