//! What journeys of one type wait for, and whether they can do without.
//!
//! Learned from whole journeys: of those that ended well, how many waited for an Api, a workload, a
//! database or an environment. What is only told to a queue is not waited for. When the last call of
//! a journey to something failed, the journey shows whether it could do without: it was lost, or
//! spared by another way, a fallback, or because nobody minded.

use std::collections::BTreeMap;

use monitor_core::{JourneyNeed, Need, SpanKind};
use serde::{Deserialize, Serialize};

use super::names::{NONE, Names};
use super::part::Part;
use super::tree::Tree;

/// Told apart, of one type.
const MOST: usize = 192;
/// Journeys after which all counts are halved: shapes change.
const FORGET: u64 = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Api(u32),
    Node(u32),
    Environment(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    waited: u64,
    lost: u64,
    spared: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Needs {
    /// Journeys that ended well.
    well: u64,
    counts: BTreeMap<Key, Counts>,
}

/// When something was last asked by a journey, and whether that failed.
type Asked = BTreeMap<Key, (i64, bool)>;

impl Needs {
    pub(super) fn count(&mut self, tree: &Tree, names: &Names, well: bool) {
        self.well += u64::from(well);
        for (key, (_, failed)) in asked(tree, names) {
            if self.counts.len() >= MOST && !self.counts.contains_key(&key) {
                continue;
            }
            let counts = self.counts.entry(key).or_default();
            counts.waited += u64::from(well);
            counts.lost += u64::from(failed && !well);
            counts.spared += u64::from(failed && well);
        }
        if self.well >= FORGET {
            self.well /= 2;
            self.counts.retain(|_, counts| {
                counts.waited /= 2;
                counts.lost /= 2;
                counts.spared /= 2;
                *counts != Counts::default()
            });
        }
    }

    /// Counts another type's as its own.
    pub(super) fn absorb(&mut self, other: &Needs) {
        self.well += other.well;
        for (key, theirs) in &other.counts {
            let counts = self.counts.entry(*key).or_default();
            counts.waited += theirs.waited;
            counts.lost += theirs.lost;
            counts.spared += theirs.spared;
        }
    }

    /// That which most need first.
    pub(super) fn view(&self, names: &Names) -> Vec<JourneyNeed> {
        let mut needs: Vec<JourneyNeed> = self
            .counts
            .iter()
            .filter_map(|(key, counts)| {
                let what = match key {
                    Key::Api(op) => Need::Api(names.find(*op)?.api.clone()?),
                    Key::Node(node) => Need::Node(names.node(*node)?.clone()),
                    Key::Environment(place) => {
                        Need::Environment(names.environments().get(*place as usize)?.clone())
                    }
                };
                #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
                let share = counts.waited as f64 / self.well.max(1) as f64;
                Some(JourneyNeed {
                    what,
                    share: share.min(1.0),
                    lost: counts.lost,
                    spared: counts.spared,
                })
            })
            .collect();
        needs.sort_by(|a, b| (b.share.total_cmp(&a.share)).then_with(|| a.what.cmp(&b.what)));
        needs
    }
}

/// All that a journey waited for.
fn asked(tree: &Tree, names: &Names) -> Asked {
    let mut found = Asked::new();
    let mut waits = vec![true; tree.steps.len()];
    for (place, step) in tree.steps.iter().enumerate() {
        let part = &step.part;
        // Nobody waits for what takes a message from a queue, nor for what that asks for.
        let above = step.parent.is_none_or(|parent| waits[parent]);
        let first = place == 0 && part.serves();
        waits[place] = above && (first || part.role != SpanKind::Consumer);
        // A stray has no part in it that is known.
        let stray = place > 0 && step.parent.is_none();
        if !waits[place] || stray || part.role == SpanKind::Internal {
            continue;
        }
        let caller = step.parent.map(|parent| &tree.steps[parent].part);
        // What its caller has of it counts: an answer may come too late.
        let called = caller.is_some_and(|caller| part.serves() && caller.asks());
        let failed = part.failed() || called && caller.is_some_and(Part::failed);
        let mut note = |key: Key| {
            let asked = found.entry(key).or_insert((part.start, failed));
            match key {
                // Of an environment all calls have to fail: its services are many.
                Key::Environment(_) => asked.1 &= failed,
                _ if part.start > asked.0 => *asked = (part.start, failed),
                _ => {}
            }
        };
        if part.serves() && part.op != NONE {
            note(Key::Api(part.op));
        }
        let node = match part.role {
            SpanKind::Server | SpanKind::Consumer => part.node,
            // Who takes the message is another matter.
            SpanKind::Producer => part.peer,
            _ => tree.callee_of(place, names),
        };
        if node != NONE && !called {
            note(Key::Node(node));
            let home = names.home(node);
            if home != NONE {
                note(Key::Environment(home));
            }
        }
    }
    found
}
