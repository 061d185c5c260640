//! Combinations of values that are each usual and together are not: an isolation forest.
//!
//! F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation forest" (ICDM 2008): random splits separate what is
//! unlike the rest after few steps, whatever the features and however they depend on each other. For a
//! stream it is grown anew from a bounded sample of the last day. One forest serves all Apis: each Api's
//! minute is told in multiples of what its own minutes stray ([`habit`]), so an Api costs its habits and its
//! evidence, and a new one is judged by what all others have shown.
//!
//! A row's p-value is its rank among rows of normal times ([`forest`]); p-values add up to evidence as
//! everywhere. What isolated a row is told exactly: the depth gained at each split belongs to the split's
//! feature, and the gains add up to all that was gained ([`tree`]). A minute that a single quantity alone
//! isolates is left to that quantity's own detectors.

mod forest;
mod habit;
mod random;
mod reservoir;
mod row;
mod tree;

use std::time::Duration;

use monitor_core::{Band, Direction, Time};
use serde::{Deserialize, Serialize};

use crate::detector::{Phase, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::sensitivity::Sensitivity;
use crate::tail::Tail;
use forest::Forest;
use habit::{Habit, Seen};
use random::Chance;
use reservoir::Reservoir;
use row::{FAILURES, QUANTITIES, RATE, TAIL, TIME};

/// Fewer calls in a minute tell nothing of its percentiles.
const FEWEST_CALLS: u64 = 20;
/// Rows before the first forest; a rank among fewer says too little.
const FEWEST_ROWS: usize = 256;
/// A forest is grown anew after so long, and sooner while it has few rows.
const GROWN_EVERY: Duration = Duration::from_secs(3_600);
const GROWN_EARLY: Duration = Duration::from_secs(600);
/// Two minutes must agree.
const MOST_OF_ONE_MINUTE: f64 = 0.55;
/// Only what one of the quantities does is of concern: a rate that differs by this part, a response time
/// that differs by this part and so many seconds, so many more failures.
const RATE_CONCERNS: f64 = 0.3;
const TIME_CONCERNS: f64 = 0.2;
const SECONDS_CONCERN: f64 = 0.005;
const FAILURES_CONCERN: f32 = 0.01;
/// A quantity with so much of what isolates a row takes part in it; two have to.
const TAKES_PART: f32 = 0.2;
/// Quantities whose parts reach this together are named.
const NAMED: f32 = 0.75;

/// One minute of one Api, complete.
#[derive(Clone, Copy, Debug)]
pub struct Minute {
    pub start: Time,
    pub span: Duration,
    pub calls: u64,
    /// Server errors.
    pub errors: u64,
    /// Seconds.
    pub p50: f64,
    pub p95: f64,
    /// Calls a second that this hour usually reaches, downwards and upwards, where that is known; and
    /// the median response time, upwards.
    pub usual_rate: Option<[f64; 2]>,
    pub usual_time: Option<f64>,
}

/// How a minute is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Attitude {
    /// Something else is known to be wrong: nothing is concluded, and what is usual may be changing.
    pub disturbed: bool,
    /// It is judged and teaches nothing.
    pub held: bool,
    pub sensitivity: Sensitivity,
    /// What has been this way for so long is the new normal.
    pub shift_after: Duration,
}

/// The forest of all Apis with the rows that it is grown from: some 120 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsolationForest {
    reservoir: Reservoir,
    forest: Option<Forest>,
    grown: Time,
    /// Rows kept since it was grown.
    news: u32,
    learned_from: u64,
    /// How high evidence climbs in normal times, of all Apis: what isolates a minute often lasts for
    /// several, and all together show soon how often.
    tail: Tail,
    chance: Chance,
}

/// What one Api's minutes are like, and what speaks against them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinuteHabit {
    habit: Habit,
    evidence: Evidence,
}

/// A verdict, and what made the minute stand apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolated {
    pub verdict: Verdict,
    /// Empty unless the minute is outside the band; that with the largest part first.
    pub quantities: Vec<Quantity>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// `rate`, `response time`, `slow tail`, `failures`.
    pub name: &'static str,
    /// How many times the usual it is; of failures, their share.
    pub actual: f64,
    /// The usual share of failures, otherwise 1.
    pub usual: f64,
    /// Its part of what isolates the minute, and of what isolates normal ones.
    pub share: f64,
    pub usual_share: f64,
}

impl Default for IsolationForest {
    fn default() -> IsolationForest {
        IsolationForest {
            reservoir: Reservoir::default(),
            forest: None,
            grown: Time::EPOCH,
            news: 0,
            learned_from: 0,
            tail: Tail::default(),
            chance: Chance::new(0x6372_6f73_7377_6174),
        }
    }
}

impl IsolationForest {
    /// Judges a minute by its Api's habits and by what minutes of all Apis are like. O(trees · depth).
    pub fn judge(
        &mut self,
        api: &mut MinuteHabit,
        minute: &Minute,
        attitude: Attitude,
    ) -> Option<Isolated> {
        let seen = api.habit.see(minute)?;
        if attitude.disturbed && !api.evidence.is_anomalous() {
            api.habit.begin_afresh();
            api.habit.learn(&seen);
            return None;
        }
        let Some(forest) = self.forest.as_ref().filter(|_| api.habit.is_warm()) else {
            self.learn(api, &seen, attitude.held);
            return None;
        };
        let score = forest.score(&seen.row);
        let mut p = forest.p(score);
        let mut shares = [0.0; QUANTITIES];
        if p < OUTSIDE {
            shares = forest.shares_of(&seen.row);
            if !concerns(&seen) || shares.iter().filter(|share| **share >= TAKES_PART).count() < 2 {
                p = 1.0;
            }
        }
        let window = Window {
            start: minute.start,
            end: minute.start + minute.span,
            p,
            most: Most::Share(MOST_OF_ONE_MINUTE),
        };
        api.evidence.hold(attitude.held);
        let (evidence, mut phase) =
            api.evidence
                .weigh_among(window, attitude.sensitivity, &mut self.tail);
        let quantities = if p < OUTSIDE {
            quantities(&seen, shares, forest.usual_shares())
        } else {
            Vec::new()
        };
        let (typical, upper) = (forest.quantile(0.5), forest.quantile(0.99));
        match phase {
            Phase::Anomalous { since }
                if !attitude.held && window.end.since(since) >= attitude.shift_after =>
            {
                phase = Phase::Shifted;
                api.evidence.reset();
                api.habit.begin_afresh();
                api.habit.learn(&seen);
            }
            Phase::Anomalous { .. } => api.habit.note(&seen),
            _ => self.learn(api, &seen, attitude.held),
        }
        Some(Isolated {
            verdict: Verdict {
                score: evidence,
                outside: p < OUTSIDE,
                phase,
                guarded: false,
                start: minute.start,
                end: window.end,
                statistic: "isolation",
                direction: Direction::Above,
                typical,
                actual: score,
                band: Band { lower: 0.0, upper },
                observations: minute.calls,
                learned_from: self.learned_from,
            },
            quantities,
        })
    }

    /// All Apis have been judged of the minute that ends at `now`. O(1), and every hour O(rows · trees ·
    /// depth).
    pub fn end_minute(&mut self, now: Time) {
        self.reservoir.pass();
        let every = if self.reservoir.rows.len() < reservoir::ROWS {
            GROWN_EARLY
        } else {
            GROWN_EVERY
        };
        if self.news > 0
            && self.reservoir.rows.len() >= FEWEST_ROWS
            && now.since(self.grown) >= every
        {
            self.forest = Some(Forest::grow(&self.reservoir.rows, &mut self.chance));
            self.grown = now;
            self.news = 0;
        }
    }

    fn learn(&mut self, api: &mut MinuteHabit, seen: &Seen, held: bool) {
        if held {
            api.habit.note(seen);
            return;
        }
        if api.habit.is_warm() {
            self.learned_from = self.learned_from.saturating_add(1);
            self.news += u32::from(self.reservoir.offer(seen.row, &mut self.chance));
        }
        api.habit.learn(seen);
    }
}

/// Whether anything is far enough from its usual for anyone to care.
fn concerns(seen: &Seen) -> bool {
    let times = |at: usize| f64::from(seen.values[at] - seen.levels[at]).exp();
    let far = |times: f64, part: f64| times >= 1.0 + part || times <= 1.0 / (1.0 + part);
    let seconds = f64::from(seen.values[TIME]).exp() - f64::from(seen.levels[TIME]).exp();
    let tail = f64::from(seen.values[TIME] + seen.values[TAIL]).exp();
    far(times(RATE), RATE_CONCERNS)
        || (far(times(TIME), TIME_CONCERNS) && seconds.abs() >= SECONDS_CONCERN)
        || (far(times(TAIL), TIME_CONCERNS) && tail >= SECONDS_CONCERN)
        || seen.values[FAILURES] - seen.levels[FAILURES] >= FAILURES_CONCERN
}

fn quantities(seen: &Seen, shares: [f32; QUANTITIES], usual: [f32; QUANTITIES]) -> Vec<Quantity> {
    let mut order: Vec<usize> = (0..QUANTITIES).collect();
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let mut named = Vec::new();
    let mut sum = 0.0;
    for at in order {
        if named.len() >= 2 && sum >= NAMED {
            break;
        }
        sum += shares[at];
        let (name, actual, usually) = match at {
            FAILURES => ("failures", seen.values[at], seen.levels[at]),
            _ => (
                ["rate", "response time", "slow tail"][at],
                (seen.values[at] - seen.levels[at]).exp(),
                1.0,
            ),
        };
        named.push(Quantity {
            name,
            actual: f64::from(actual),
            usual: f64::from(usually),
            share: f64::from(shares[at]),
            usual_share: f64::from(usual[at]),
        });
    }
    named
}
