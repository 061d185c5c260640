//! What usually happens: which operation leads to which, how often and after how long.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Pairs of operations remembered; beyond, new ones are judged as strangers.
const MAX_PAIRS: usize = 20_000;
/// Milliseconds: nothing is known of when.
const WIDE: f64 = 10.0;
/// Clocks and timers are no better than this.
const NARROW: f64 = 0.5;
/// The slowest that habits follow.
const SLOWEST: f64 = 0.02;

/// A length that varies about its usual: a Laplace distribution that is learned as it goes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Gap {
    centre: f64,
    spread: f64,
}

impl Gap {
    fn density(&self, x: f64) -> f64 {
        let off = (x - self.centre).abs();
        let spread = self.spread.max(NARROW);
        let far = (spread * 10.0).max(WIDE);
        let usual = (-off / spread).exp() / (2.0 * spread);
        // One in ten is not as usual: a connection was made first, a clock was corrected. Cauchy's
        // distribution, so that what is far off is unlikely and never impossible.
        let unusual = far / (std::f64::consts::PI * (far * far + off * off));
        0.9 * usual + 0.1 * unusual
    }

    fn learn(&mut self, x: f64, rate: f64) {
        let off = x - self.centre;
        let most = 3.0 * self.spread.max(NARROW);
        // The centre of absolute deviations is the median: outliers pull no harder than others.
        self.centre += off.clamp(-most, most) * rate;
        self.spread += (off.abs().min(4.0 * most) - self.spread) * rate;
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pair {
    times: f64,
    /// From the parent's start to the child's, and from the child's end to the parent's; in
    /// milliseconds.
    before: Gap,
    after: Gap,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Habits {
    /// By parent's and child's operation.
    pairs: BTreeMap<(u32, u32), Pair>,
    /// Parents of each operation.
    parents: BTreeMap<u32, f64>,
    #[serde(skip)]
    index: FxHashMap<(u32, u32), Pair>,
}

impl Habits {
    /// Nothing of it holds: a clock turned out to be another.
    pub(super) fn forget(&mut self) {
        *self = Habits::default();
    }

    pub(super) fn reindex(&mut self) {
        self.index = self.pairs.iter().map(|(key, pair)| (*key, *pair)).collect();
    }

    /// How well a child fits its parent, as a density per square millisecond times how often that
    /// happens. `alike`: their names say that one is the other's answer.
    pub(super) fn weight(&self, pair: (u32, u32), before: f64, after: f64, alike: bool) -> f64 {
        let hint = if alike { 1.0 } else { 0.02 };
        let parents = self.parents.get(&pair.0).copied().unwrap_or(0.0);
        match self.index.get(&pair) {
            Some(known) => {
                let often = (known.times + hint) / (parents + 1.0).max(known.times + 1.0);
                often * known.before.density(before) * known.after.density(after)
            }
            None => {
                let unknown = Gap {
                    centre: 0.0,
                    spread: WIDE,
                };
                hint / (parents + 1.0) * unknown.density(before) * unknown.density(after)
            }
        }
    }

    /// How many children of an operation its parent has, at least one.
    pub(super) fn most(&self, pair: (u32, u32)) -> f64 {
        let parents = self.parents.get(&pair.0).copied().unwrap_or(0.0).max(1.0);
        let times = self.index.get(&pair).map_or(0.0, |known| known.times);
        (times / parents).max(1.0)
    }

    pub(super) fn saw_parent(&mut self, op: u32) {
        if self.parents.len() < MAX_PAIRS || self.parents.contains_key(&op) {
            *self.parents.entry(op).or_default() += 1.0;
        }
    }

    pub(super) fn saw(&mut self, pair: (u32, u32), before: f64, after: f64) {
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&pair) {
            return;
        }
        let known = self.pairs.entry(pair).or_insert(Pair {
            times: 0.0,
            before: Gap {
                centre: before,
                spread: WIDE / 2.0,
            },
            after: Gap {
                centre: after,
                spread: WIDE / 2.0,
            },
        });
        known.times += 1.0;
        let rate = (1.0 / (known.times + 1.0)).max(SLOWEST);
        known.before.learn(before, rate);
        known.after.learn(after, rate);
        self.index.insert(pair, *known);
    }
}
