//! How the steps of journeys have been lately, for whoever judges whether that is usual.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{ApiKey, JourneyTypeId, Name, Time};

use super::super::Journeys;
use super::{BLOCK, Block, DISORDERED, Key, MISSING, WAYS};

/// Journeys of one type that ended well within a few seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCounts {
    pub kind: JourneyTypeId,
    /// What people call the type.
    pub name: Name,
    pub entry: Arc<ApiKey>,
    pub start: Time,
    pub span: Duration,
    /// Journeys in which something that is usually told was not: nothing is known to be missing in them.
    pub unclear: u64,
    /// With a step missing, repeated, and out of order.
    pub troubles: [StepTrouble; WAYS],
}

/// Journeys that are not as usual in one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepTrouble {
    pub journeys: u64,
    /// Of so many in which it would show.
    pub of: u64,
    /// The step that most of them have it with, in how many, and the step that it came before.
    pub step: Option<(Arc<ApiKey>, u64, Option<Arc<ApiKey>>)>,
}

impl Journeys {
    /// Of journeys that ended before `before` and were not taken yet, in order of types and time. O(types).
    pub fn take_steps(&mut self, before: Time) -> Vec<StepCounts> {
        let mut taken = Vec::new();
        for place in 0..self.kinds.kinds.len() {
            let steps = &mut self.kinds.kinds[place].steps;
            let blocks: Vec<Block> = steps.take(before.as_secs()).collect();
            let kind = &self.kinds.kinds[place];
            let Some(entry) = self.api(kind.entry).filter(|_| !blocks.is_empty()) else {
                continue;
            };
            let name = self.name_of(kind, &entry);
            for block in blocks {
                taken.push(StepCounts {
                    kind: kind.id,
                    name: name.clone(),
                    entry: Arc::clone(&entry),
                    start: Time::from_secs(block.start),
                    span: Duration::from_secs(BLOCK.unsigned_abs()),
                    unclear: block.unclear,
                    troubles: std::array::from_fn(|way| StepTrouble {
                        journeys: block.odd[way],
                        of: if way == MISSING {
                            block.whole
                        } else {
                            block.clear
                        },
                        step: block.worst(way).and_then(|(step, cases)| {
                            let usual = kind.steps.usual.get(&step);
                            let before = usual.filter(|_| way == DISORDERED);
                            let before = before.and_then(|usual| self.api(usual.after));
                            Some((self.api(step.1)?, cases, before))
                        }),
                    }),
                });
            }
        }
        taken
    }

    /// What is usual of this type's steps is learned again: it has been otherwise for so long.
    pub fn learn_steps_afresh(&mut self, kind: JourneyTypeId) {
        let known = self.kinds.kinds.iter_mut().find(|known| known.id == kind);
        if let Some(known) = known {
            known.steps.begin_afresh();
        }
    }

    fn api(&self, op: u32) -> Option<Arc<ApiKey>> {
        self.names.find(op)?.api.clone()
    }
}

impl Block {
    /// The step that most journeys are odd by in this way, and how many.
    fn worst(&self, way: usize) -> Option<(Key, u64)> {
        let cases = self.steps.iter().map(|(step, cases)| (*step, cases[way]));
        cases
            .filter(|(_, cases)| *cases > 0)
            .max_by_key(|(step, cases)| (*cases, Reverse(*step)))
    }
}
