//! How likely an Api fails in the next five minutes, from what precedes failures.
//!
//! One regression for all Apis: what precedes a failure is much the same everywhere, and a single Api
//! fails too rarely to learn from. It is said once a minute of each Api that has calls and is not
//! failing already, and learned from five minutes later, or as soon as it fails.

use std::collections::VecDeque;

use monitor_core::TemplateId;
use serde::{Deserialize, Serialize};

use super::learner::Learner;
use super::omens::{self, Omens};
use crate::ledger::Ledger;

/// Ahead.
pub(crate) const FAILURE_HORIZON_SECS: u32 = 300;
pub(super) const HORIZON_SECS: i64 = FAILURE_HORIZON_SECS as i64;
const SIGNS: usize = 18;
/// Rounded from a fit to eight runs of the simulated platform. What it has no cases of is an operator's guess
/// (failing calls) or nothing at first (other Apis of its service, warnings: where there are gauges they add
/// nothing). Hardly ever without a sign, likely when a trend arrives in time or goes most of the way, or when
/// something will be nearly full; no more so when it is both.
const GUESS: [f64; SIGNS] = [
    -5.5, 2.6, 1.8, 1.3, 5.8, 2.9, 2.0, -0.8, -0.4, 0.0, -2.3, -1.2, 0.0, 0.0, 11.7, 7.4, -4.7,
    -5.9,
];
/// Part of the way to its limit at the horizon, if it goes on as in the last two minutes, from which a failure
/// is the likelier the further that is.
const ON_ITS_WAY: f64 = 0.3;

/// What may precede a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Precursors {
    /// The chance that a trend, if there is one, arrives within the horizon.
    pub(super) arrives: f64,
    /// How far the response time is from usual (0) to its limit (1).
    pub(super) way: f64,
    /// How much further than a minute ago.
    pub(super) rising: f64,
    /// How far it will be at the horizon if it goes on as in the last two minutes.
    pub(super) heading: f64,
    /// How far the share of failing calls is from usual (0) to its limit (1).
    pub(super) failing_calls: f64,
    pub(super) anomalous: bool,
    /// Its service logs what is unusual.
    pub(super) complaints: bool,
    /// Another Api of its service is at risk.
    pub(super) sibling: bool,
    /// How near the time is when a stated risk of its own is expected to come: 1 now, ½ at the horizon.
    pub(super) due: f64,
    /// The worst chance of what it calls, as said a minute ago.
    pub(super) below: f64,
    /// How full something of its service will be at the horizon.
    pub(super) filling: f64,
    /// The same of the worst of what it calls.
    pub(super) filling_below: f64,
}

/// What is known when a chance is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) precursors: Precursors,
    /// The worst of what its service newly warns of, and how often failures followed that.
    pub(super) omen: Option<(TemplateId, f64)>,
    /// How often they followed the worst of what those warn of that its service calls.
    pub(super) omen_below: Option<f64>,
}

/// One statement that waits to be compared with what comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    until: i64,
    chance: f32,
    signs: [f32; SIGNS],
    omen: Option<TemplateId>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Failures {
    learner: Learner,
    omens: Omens,
}

impl Statement {
    fn signs(&self) -> [f64; SIGNS] {
        let flag = |is: bool| f64::from(u8::from(is));
        let known = &self.precursors;
        let way = known.way.clamp(0.0, 1.0);
        let heading = (known.heading - ON_ITS_WAY).clamp(0.0, 1.0);
        [
            1.0,
            known.arrives,
            way,
            way * way,
            heading,
            known.rising.clamp(-1.0, 1.0),
            known.failing_calls.clamp(0.0, 1.0),
            flag(known.anomalous),
            flag(known.complaints),
            flag(known.sibling),
            known.due.clamp(0.0, 1.0),
            known.below.clamp(0.0, 1.0),
            self.omen.map_or(0.0, |(_, share)| omens::sign(share)),
            self.omen_below.map_or(0.0, omens::sign),
            known.filling,
            known.filling_below,
            known.filling * known.filling,
            heading * known.filling.max(known.filling_below),
        ]
    }
}

impl Failures {
    /// The worst of what a service newly warns of.
    pub(super) fn omen(&self, news: impl Iterator<Item = TemplateId>) -> Option<(TemplateId, f64)> {
        self.omens.worst(news)
    }

    /// The chance.
    pub(super) fn say(
        &self,
        waiting: &mut VecDeque<Waiting>,
        now: i64,
        statement: &Statement,
    ) -> f64 {
        let signs = statement.signs();
        let chance = self.learner.chance(&GUESS, &signs);
        waiting.push_back(Waiting {
            until: now.saturating_add(HORIZON_SECS),
            chance: chance as f32,
            signs: signs.map(|sign| sign as f32),
            omen: statement.omen.map(|(template, _)| template),
        });
        chance
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
        let signs = said.signs.map(f64::from);
        self.learner.learn_of_bunches(&GUESS, &signs, came);
        if let Some(template) = said.omen {
            self.omens.learn(template, came);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chance(precursors: Precursors) -> f64 {
        let statement = Statement {
            precursors,
            omen: None,
            omen_below: None,
        };
        Failures::default().say(&mut VecDeque::new(), 0, &statement)
    }

    const AT_REST: Precursors = Precursors {
        arrives: 0.0,
        way: 0.0,
        rising: 0.0,
        heading: 0.0,
        failing_calls: 0.0,
        anomalous: false,
        complaints: false,
        sibling: false,
        due: 0.0,
        below: 0.0,
        filling: 0.0,
        filling_below: 0.0,
    };

    #[test]
    fn before_anything_is_learned_no_sign_is_hardly_a_chance() {
        assert!(chance(AT_REST) < 0.01);
    }

    #[test]
    fn the_further_it_heads_the_likelier_it_fails() {
        let heading = |heading| {
            chance(Precursors {
                way: 0.3,
                rising: 0.1,
                heading,
                ..AT_REST
            })
        };
        assert!(heading(0.3) < 0.05, "{}", heading(0.3));
        assert!(heading(0.8) > 3.0 * heading(0.3), "{}", heading(0.8));
        assert!(heading(1.2) > 0.5, "{}", heading(1.2));
    }

    #[test]
    fn what_grows_because_something_fills_up_is_not_counted_twice() {
        let full = |heading| {
            chance(Precursors {
                heading,
                filling: 1.0,
                ..AT_REST
            })
        };
        assert!(full(0.0) > 0.75, "{}", full(0.0));
        assert!((full(1.3) - full(0.0)).abs() < 0.05, "{}", full(1.3));
    }
}
