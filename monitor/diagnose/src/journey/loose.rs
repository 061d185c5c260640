//! Hops without ids: fitted together by time and by who calls whom.
//!
//! A request that was served lies within the call that asked for it, and a call within the request
//! that it was made for, once clocks are corrected ([`clocks`]). Where several fit, what usually
//! happens decides: which operation asks for which, after how long ([`habits`]); and each call has
//! one answer ([`matching`]). As TraceWeaver (Ashok et al.: "TraceWeaver: Distributed Request Tracing
//! for Microservices Without Application Modification", SIGCOMM 2024) does and vPath and WAP5 did
//! before. How sure each connection is comes with it.
//!
//! A call with ids to a service that knows none waits here for its answer too.

mod clocks;
mod habits;
mod matching;

use std::collections::BTreeMap;

use monitor_core::{CallSource, SpanKind};
use serde::{Deserialize, Serialize};

use self::habits::Habits;
use super::names::{NONE, Names};
use super::part::Part;
use super::skew::Skews;

/// Hops that wait at most.
const MAX_LOOSE: usize = 50_000;
/// How long, in seconds, a hop waits for what it belongs to after its end.
const WAIT: i64 = 6;
/// How often hops are fitted together, in seconds.
const EVERY: i64 = 2;
/// How sure a journey is of which a call found no answer, though the callee tells of itself.
const UNANSWERED: f32 = 0.1;
/// Of calls that were answered, so many find none: another one has it.
const TAKEN: f32 = 0.02;
/// Calls of an operation after which it is known how often none is found.
const FEW: f32 = 20.0;
/// Operations whose calls are counted.
const MAX_CALLS: usize = 20_000;
/// Synthetic ids have it set, so that they meet no span's but by a chance of one in 2^63.
const MADE: u64 = 1 << 63;

const SPEAKS: u8 = 1;
const SILENT: u8 = 2;

/// A hop that waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) part: Part,
    /// The journey that it belongs to, when it has ids.
    pub(super) key: Option<u128>,
}

/// A journey, or a part of one with ids.
pub(super) type Settled = (Option<u128>, Vec<Part>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Loose {
    items: Vec<Item>,
    habits: Habits,
    /// Of each operation that is asked for: calls, and those without an answer.
    calls: BTreeMap<u32, (f32, f32)>,
    /// How each node tells of itself.
    manners: Vec<u8>,
    silent: u32,
    last: i64,
    made: u64,
}

impl Loose {
    pub(super) fn reindex(&mut self) {
        self.habits.reindex();
    }

    /// Whether there was room for it, or no need.
    pub(super) fn put(&mut self, part: Part) -> bool {
        // Its spans tell the same, and better.
        if part.node == NONE || (part.source == CallSource::Log && self.has(part.node, SPEAKS)) {
            return true;
        }
        if self.items.len() >= MAX_LOOSE {
            return false;
        }
        if part.serves() && !self.has(part.node, SILENT) {
            self.mark(part.node, SILENT);
            self.silent += 1;
        }
        self.items.push(Item { part, key: None });
        true
    }

    pub(super) fn speaks_with_ids(&mut self, part: &Part) {
        if part.source == CallSource::Span && !self.has(part.node, SPEAKS) {
            self.mark(part.node, SPEAKS);
        }
    }

    /// A call with ids: what it asked for may be told without.
    pub(super) fn expect(&mut self, key: u128, part: Part, names: &Names) {
        if self.silent == 0 || part.role != SpanKind::Client || self.items.len() >= MAX_LOOSE {
            return;
        }
        if self.has(names.resolve(part.peer, part.node), SILENT) {
            let key = Some(key);
            self.items.push(Item { part, key });
        }
    }

    fn has(&self, node: u32, manner: u8) -> bool {
        has(&self.manners, node, manner)
    }

    fn mark(&mut self, node: u32, manner: u8) {
        let node = node as usize;
        if node == NONE as usize {
            return;
        }
        if self.manners.len() <= node {
            self.manners.resize(node + 1, 0);
        }
        self.manners[node] |= manner;
    }

    /// Fits together what is there, and hands over what is complete at `second`.
    pub(super) fn settle(&mut self, second: i64, names: &Names, skews: &mut Skews) -> Vec<Settled> {
        if self.items.is_empty() || second < self.last + EVERY {
            return Vec::new();
        }
        self.last = second;
        if clocks::suppose(&self.items, names, skews) {
            self.habits.forget();
        }
        let mut both: Vec<(Part, Item)> = std::mem::take(&mut self.items)
            .into_iter()
            .map(|item| (corrected(item.part, names, skews.ahead()), item))
            .collect();
        both.sort_by_key(|(part, _)| (part.start, part.end, part.op, part.number));
        let (shifted, items): (Vec<Part>, Vec<Item>) = both.into_iter().unzip();
        let limit = (second - WAIT).saturating_mul(1_000_000_000);
        let parents = matching::parents(&shifted, names, &mut self.habits, limit);
        self.hand_over(items, &shifted, &parents, limit, names)
    }

    fn hand_over(
        &mut self,
        mut items: Vec<Item>,
        shifted: &[Part],
        parents: &[Option<(usize, f32)>],
        limit: i64,
        names: &Names,
    ) -> Vec<Settled> {
        // Of each, the top of its tree: found by walking up, which ends as parents begin earlier or
        // are of another role.
        let mut tops: Vec<usize> = (0..items.len()).collect();
        for (place, top) in tops.iter_mut().enumerate() {
            let mut at = place;
            for _ in 0..items.len() {
                match parents[at] {
                    Some((parent, _)) => at = parent,
                    None => break,
                }
            }
            *top = at;
        }
        let mut trees: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut kept = Vec::new();
        for (place, top) in tops.iter().enumerate() {
            if shifted[*top].end <= limit {
                trees.entry(*top).or_default().push(place);
            } else {
                kept.push(items[place]);
            }
        }
        let mut answered = vec![false; items.len()];
        for (parent, _) in parents.iter().flatten() {
            answered[*parent] = true;
        }
        let mut settled = Vec::with_capacity(trees.len());
        for members in trees.values() {
            for place in members {
                if items[*place].part.id == 0 {
                    self.made = self.made.wrapping_add(1);
                    items[*place].part.id = self.made | MADE;
                }
            }
        }
        for (top, members) in trees {
            let key = items[top].key;
            let parts = members.into_iter().filter_map(|place| {
                let mut part = items[place].part;
                if let Some((parent, sure)) = parents[place] {
                    part.parent = items[parent].part.id;
                    part.confidence = sure;
                }
                let callee = names.resolve(part.peer, part.node);
                if part.role == SpanKind::Client && has(&self.manners, callee, SILENT) {
                    part.confidence *= sure_of_call(&mut self.calls, part.op, answered[place]);
                }
                // What has ids is with its journey already.
                items[place].key.is_none().then_some(part)
            });
            let parts: Vec<Part> = parts.collect();
            if !parts.is_empty() {
                settled.push((key, parts));
            }
        }
        self.items = kept;
        settled
    }
}

fn corrected(mut part: Part, names: &Names, ahead: &[i64]) -> Part {
    let home = names.home(part.node) as usize;
    let offset = ahead.get(home).copied().unwrap_or(0);
    part.start -= offset;
    part.end -= offset;
    part
}

fn has(manners: &[u8], node: u32, manner: u8) -> bool {
    (manners.get(node as usize)).is_some_and(|manners| manners & manner != 0)
}

/// Counts a call, and says how sure one is that its answer, or that there is none, is right. Where
/// many find none, the callee does not tell of all that it serves, and its silence means little.
fn sure_of_call(calls: &mut BTreeMap<u32, (f32, f32)>, op: u32, answered: bool) -> f32 {
    if calls.len() >= MAX_CALLS && !calls.contains_key(&op) {
        return if answered { 1.0 } else { UNANSWERED };
    }
    let (all, without) = calls.entry(op).or_default();
    // The last thousand or so.
    if *all >= 1_000.0 {
        *all *= 0.5;
        *without *= 0.5;
    }
    *all += 1.0;
    if answered {
        return 1.0;
    }
    *without += 1.0;
    if *all < FEW {
        return UNANSWERED;
    }
    (1.0 - TAKEN * *all / *without).max(UNANSWERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_means_little_of_those_who_seldom_tell() {
        let mut calls = BTreeMap::new();
        let often: Vec<f32> = (0..200)
            .map(|n| sure_of_call(&mut calls, 1, n % 100 != 99))
            .filter(|sure| *sure < 1.0)
            .collect();
        assert_eq!(often, [UNANSWERED; 2]);
        let seldom = (0..200).map(|n| sure_of_call(&mut calls, 2, n % 2 == 0));
        assert!(seldom.last().is_some_and(|sure| sure > 0.9 && sure < 1.0));
    }
}
