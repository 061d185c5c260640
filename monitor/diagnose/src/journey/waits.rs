//! Which Apis each Api waits for, by itself or through others.
//!
//! Learned from journeys, whatever their type: of an Api's calls that ended well, how many waited for each of
//! the Apis below it. What is only told to a queue is not waited for.

use std::collections::BTreeMap;

use monitor_core::{ApiKey, SpanKind};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::names::{NONE, Names};
use super::tree::Tree;

/// Apis that one waits for, told apart.
const MOST: usize = 64;
/// Calls before it is known what an Api waits for.
const FEW: u32 = 30;
/// Calls after which all counts are halved: shapes change.
const FORGET: u32 = 20_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Waits {
    /// As many as names are kept of.
    callers: BTreeMap<u32, Caller>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Caller {
    calls: u32,
    waited: BTreeMap<u32, u32>,
}

impl Waits {
    /// O(steps · depth).
    pub(super) fn count(&mut self, tree: &Tree) {
        // The step that waits, and the Api that it waits for.
        let mut pairs: SmallVec<[(usize, u32); 32]> = SmallVec::new();
        for (place, step) in tree.steps.iter().enumerate() {
            if step.part.op == NONE || !step.part.serves() {
                continue;
            }
            if !step.part.failed() {
                self.callers.entry(step.part.op).or_default().call();
            }
            let mut at = place;
            while tree.steps[at].part.role != SpanKind::Consumer
                && let Some(above) = tree.steps[at].parent
            {
                let part = &tree.steps[above].part;
                let is_caller = part.serves() && part.op != NONE && part.op != step.part.op;
                if is_caller && !part.failed() {
                    pairs.push((above, step.part.op));
                }
                at = above;
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        for (above, op) in pairs {
            if let Some(caller) = self.callers.get_mut(&tree.steps[above].part.op) {
                caller.waits_for(op);
            }
        }
    }

    /// Of each Api of which enough calls are known, those that it waits for, with the share of its calls that
    /// do.
    pub(super) fn shares<'a>(
        &'a self,
        names: &'a Names,
    ) -> impl Iterator<Item = (&'a ApiKey, Vec<(&'a ApiKey, f64)>)> {
        let api = |op: u32| names.find(op)?.api.as_deref();
        let known = (self.callers.iter()).filter(|(_, caller)| caller.calls >= FEW);
        known.filter_map(move |(op, caller)| {
            let shares = caller.waited.iter().filter_map(|(op, waited)| {
                let share = f64::from(*waited) / f64::from(caller.calls);
                Some((api(*op)?, share.min(1.0)))
            });
            Some((api(*op)?, shares.collect()))
        })
    }
}

impl Caller {
    fn call(&mut self) {
        self.calls += 1;
        if self.calls >= FORGET {
            self.calls /= 2;
            self.waited.retain(|_, waited| {
                *waited /= 2;
                *waited > 0
            });
        }
    }

    fn waits_for(&mut self, op: u32) {
        if self.waited.len() < MOST || self.waited.contains_key(&op) {
            *self.waited.entry(op).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::part::Part;
    use super::super::tests::part;
    use super::*;

    /// One that asks for a second, which asks for a third and tells a queue, which a fourth reads.
    fn tree(names: &Names) -> Tree {
        let step = |id, parent, op, role, start, end| Part {
            id,
            parent,
            op,
            node: op.min(3),
            ..part(role, start, end)
        };
        let (server, client) = (SpanKind::Server, SpanKind::Client);
        let parts = vec![
            step(1, 0, 0, server, 0, 100),
            step(2, 1, NONE, client, 10, 90),
            step(3, 2, 1, server, 20, 80),
            step(4, 3, NONE, client, 30, 40),
            step(5, 4, 2, server, 31, 39),
            step(6, 3, NONE, SpanKind::Producer, 50, 51),
            step(7, 6, 3, SpanKind::Consumer, 60, 70),
        ];
        Tree::of(parts, names, &[])
    }

    fn pairs(waits: &Waits) -> Vec<(u32, u32, u32)> {
        let callers = waits.callers.iter();
        callers
            .flat_map(|(op, caller)| {
                let waited = caller.waited.iter();
                waited.map(|(below, times)| (*op, *below, *times))
            })
            .collect()
    }

    #[test]
    fn all_below_is_waited_for_but_what_is_told_to_a_queue() {
        let names = Names::default();
        let mut waits = Waits::default();
        waits.count(&tree(&names));
        waits.count(&tree(&names));
        assert_eq!(pairs(&waits), [(0, 1, 2), (0, 2, 2), (1, 2, 2)]);
    }

    #[test]
    fn counts_are_halved_in_time_and_so_follow_what_changes() {
        let names = Names::default();
        let mut waits = Waits::default();
        (0..FORGET).for_each(|_| waits.count(&tree(&names)));
        let caller = &waits.callers[&0];
        assert_eq!(caller.calls, FORGET / 2);
        assert!(caller.waited[&1].abs_diff(FORGET / 2) <= 1, "{caller:?}");
    }
}
