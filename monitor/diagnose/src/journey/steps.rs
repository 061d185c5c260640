//! Which steps the journeys of a type have, how often and in which order, and which journeys do not.
//!
//! A step is an Api that another one asks for. One that nearly all journeys have is missed by one without it; one
//! that is asked for more often than nearly ever is repeated; one that was asked for before the one that
//! it nearly always follows is out of order. [`sight`] says what a journey shows of its steps, and what it
//! cannot show; here is learned what is usual. Whether there are more odd journeys than usual is judged by
//! the engine, which is told of them through [`counts`].
//!
//! Only journeys that end well are counted: others stop half-way.

pub(super) mod counts;
mod sight;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::tree::Tree;
use sight::{Asked, Calls, Shown};

/// Steps of one type that are told apart.
const MOST: usize = 64;
/// Journeys before it is known what is usual.
const FEW: u32 = 100;
/// What so many journeys do, nearly all do.
const ALWAYS: f64 = 0.98;
/// Journeys after which all counts are halved: shapes change.
const FORGET: u32 = 20_000;
/// Once, twice, three and four times; up to 8, to 16, to 32, and more.
const TIMES: usize = 8;
/// Seconds that are counted together.
const BLOCK: i64 = 10;
/// Blocks that wait to be judged; the oldest go first.
const BLOCKS: usize = 32;

/// In which way a journey's steps are not as usual.
pub(super) const WAYS: usize = 3;
pub(super) const MISSING: usize = 0;
pub(super) const REPEATED: usize = 1;
pub(super) const DISORDERED: usize = 2;

/// The Api that asks, and the one that is asked for.
pub(super) type Key = (u32, u32);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steps {
    journeys: u32,
    usual: BTreeMap<Key, Usual>,
    calls: Calls,
    blocks: VecDeque<Block>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    /// Journeys whose caller was there and well since the step was first seen, and those that had it.
    of: u32,
    had: u32,
    /// Those in which the caller told of it too.
    told: u32,
    times: [u32; TIMES],
    /// What the same caller asked for before it, and in how many journeys it was that.
    after: u32,
    followed: u32,
    /// Journeys in which that or anything else could have been.
    placed: u32,
}

/// Journeys that ended within a few seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Block {
    /// In seconds.
    start: i64,
    /// Journeys of which all is known that is usually told.
    whole: u64,
    /// Journeys of which it is known what was asked for.
    clear: u64,
    /// Journeys of which something is not known.
    unclear: u64,
    /// Those that are not as usual, in each way.
    odd: [u64; WAYS],
    /// The steps that are to blame.
    steps: BTreeMap<Key, [u64; WAYS]>,
}

impl Steps {
    /// Counts a journey that ended well and of which nothing was heard after `heard` (seconds).
    /// O(hops + steps · hops of one caller), of 64 steps at most.
    pub(super) fn count(&mut self, tree: &Tree, heard: i64) {
        let shown = sight::shown(tree, &mut self.calls);
        let Some(shown) = shown else {
            self.block(heard).unclear += 1;
            return;
        };
        let odd = self.compare(&shown);
        let block = self.block(heard);
        block.clear += 1;
        block.whole += u64::from(shown.whole);
        block.unclear += u64::from(!shown.whole);
        let mut ways = [false; WAYS];
        for (step, way) in &odd {
            ways[*way] = true;
            if block.steps.len() < MOST || block.steps.contains_key(step) {
                block.steps.entry(*step).or_default()[*way] += 1;
            }
        }
        for (sum, is_odd) in block.odd.iter_mut().zip(ways) {
            *sum += u64::from(is_odd);
        }
        if odd.is_empty() && shown.whole {
            self.learn(&shown);
        }
    }

    /// What is usual is learned again: journeys have been otherwise for so long.
    fn begin_afresh(&mut self) {
        self.journeys = 0;
        self.usual.clear();
    }

    /// Those that began before a second, the oldest first.
    fn take(&mut self, before: i64) -> impl Iterator<Item = Block> {
        let ready = self.blocks.partition_point(|block| block.start < before);
        self.blocks.drain(..ready)
    }

    fn block(&mut self, heard: i64) -> &mut Block {
        let start = heard.div_euclid(BLOCK) * BLOCK;
        if self.blocks.back().is_none_or(|last| last.start < start) {
            if self.blocks.len() >= BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back(Block {
                start,
                ..Block::default()
            });
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn compare(&self, shown: &Shown) -> Vec<(Key, usize)> {
        let mut odd = Vec::new();
        for (step, usual) in &self.usual {
            let Some(now) = shown.steps.get(step) else {
                // Only steps that their callers tell of: of the others, nobody can say that they were not asked for.
                let always = usual.of >= FEW && nearly(usual.had, usual.of);
                if always && nearly(usual.told, usual.had) && shown.lacks(*step) {
                    odd.push((*step, MISSING));
                }
                continue;
            };
            let seldomer = usual.times[..frequency(now.times)].iter().sum();
            if usual.had >= FEW && nearly(seldomer, usual.had) {
                odd.push((*step, REPEATED));
            }
            let before = shown.steps.get(&(step.0, usual.after));
            let in_order = usual.placed >= FEW && nearly(usual.followed, usual.placed);
            if in_order && before.is_some_and(|before| now.is_asked_before(before)) {
                odd.push((*step, DISORDERED));
            }
        }
        odd
    }

    fn learn(&mut self, shown: &Shown) {
        self.journeys += 1;
        for (step, usual) in &mut self.usual {
            if shown.is_well(step.0) {
                usual.of += 1;
            }
        }
        for (step, now) in &shown.steps {
            if self.usual.len() >= MOST && !self.usual.contains_key(step) {
                continue;
            }
            let first = Usual {
                of: 1,
                ..Usual::default()
            };
            let usual = self.usual.entry(*step).or_insert(first);
            let beside = shown.steps.contains_key(&(step.0, usual.after));
            usual.learn(now, beside);
        }
        if self.journeys >= FORGET {
            self.journeys /= 2;
            self.usual.retain(|_, usual| {
                usual.fade();
                usual.had > 0
            });
        }
    }
}

impl Usual {
    /// `beside`: what it usually follows was asked for too, before it or not.
    fn learn(&mut self, now: &Asked, beside: bool) {
        self.had += 1;
        self.told += u32::from(now.told);
        self.times[frequency(now.times)] += 1;
        // The most frequent one is found by a vote in which others cancel it (Boyer and Moore, "MJRTY", 1981).
        if self.followed == 0
            && let Some(after) = now.after
        {
            self.after = after;
        }
        if now.after == Some(self.after) {
            self.placed += 1;
            self.followed += 1;
        } else if now.after.is_some() || beside {
            self.placed += 1;
            self.followed = self.followed.saturating_sub(1);
        }
    }

    fn fade(&mut self) {
        for count in [
            &mut self.of,
            &mut self.had,
            &mut self.told,
            &mut self.followed,
            &mut self.placed,
        ] {
            *count /= 2;
        }
        self.times = self.times.map(|times| times / 2);
    }
}

/// Into [`Usual::times`].
fn frequency(times: u32) -> usize {
    match times {
        0..=4 => times.saturating_sub(1) as usize,
        // 5 to 8 is the fifth.
        more => (((more - 1).ilog2() + 2) as usize).min(TIMES - 1),
    }
}

fn nearly(part: u32, whole: u32) -> bool {
    f64::from(part) >= ALWAYS * f64::from(whole)
}
