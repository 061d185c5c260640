//! What one journey shows of its steps, and of which of them it can show nothing.
//!
//! What was not told is not missing. A journey is clear when every span names a parent that came, and
//! whole when also every call was answered that usually is. So samples, spans that come late and exporters that
//! fail make journeys unclear instead of accusing a step. Places in the tree are by ids, never by clocks; the
//! order of two steps is told by the one caller that asked for both.
//! What goes through queues may come much later and is left out.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{CallSource, Outcome, SpanKind};
use serde::{Deserialize, Serialize};

use super::super::names::NONE;
use super::super::tree::Tree;
use super::{Key, MOST};

/// Calls without an answer before it is believed that somebody does not tell of what he serves.
const SILENT: u32 = 20;

/// Who answers which calls: by what the caller calls it and whom it names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calls(BTreeMap<(u32, u32), Habit>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Habit {
    seen: u32,
    /// The one Api that ever answered, or several.
    answer: Option<u32>,
    several: bool,
}

#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Every call was answered that usually is.
    pub(super) whole: bool,
    pub(super) steps: BTreeMap<Key, Asked>,
    /// What was served, by spans or by logs, and whether that went well.
    served: BTreeMap<u32, bool>,
}

/// One step of one journey.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) times: u32,
    /// The caller told of it too.
    pub(super) told: bool,
    /// When it was first asked for, by which request.
    first: Option<(i64, usize)>,
    /// What that request had asked for and got before.
    pub(super) after: Option<u32>,
}

impl Asked {
    /// By the clock of the one who asked for both; never when two did.
    pub(super) fn is_asked_before(&self, other: &Asked) -> bool {
        (self.first.zip(other.first))
            .is_some_and(|((mine, me), (theirs, them))| me == them && mine < theirs)
    }
}

impl Shown {
    /// Whether the journey went without a step: its caller did its work, and nobody served it.
    pub(super) fn lacks(&self, (caller, step): Key) -> bool {
        self.whole && self.is_well(caller) && !self.served.contains_key(&step)
    }

    /// Its place, as long as there is one.
    fn step(&mut self, key: Key) -> Option<&mut Asked> {
        if self.steps.len() >= MOST && !self.steps.contains_key(&key) {
            return None;
        }
        Some(self.steps.entry(key).or_default())
    }

    /// Whether this was served without failing.
    pub(super) fn is_well(&self, op: u32) -> bool {
        self.served.get(&op).copied().unwrap_or_default()
    }
}

impl Calls {
    fn answered(&mut self, call: (u32, u32), by: u32) {
        if self.0.len() >= MOST && !self.0.contains_key(&call) {
            return;
        }
        let habit = self.0.entry(call).or_default();
        habit.several |= *habit.answer.get_or_insert(by) != by;
    }

    /// Nobody was heard to answer. Who should have, if that is known; `Err` when nobody ever does.
    fn unanswered(&mut self, call: (u32, u32)) -> Result<Option<u32>, ()> {
        if self.0.len() >= MOST && !self.0.contains_key(&call) {
            return Ok(None);
        }
        let habit = self.0.entry(call).or_default();
        habit.seen = habit.seen.saturating_add(1);
        match habit.answer {
            None if habit.seen > SILENT => Err(()),
            answer => Ok(answer.filter(|_| !habit.several)),
        }
    }
}

/// `None` when a span's place in the journey is not known. Learns who answers.
pub(super) fn shown(tree: &Tree, calls: &mut Calls) -> Option<Shown> {
    let mut shown = Shown {
        whole: true,
        ..Shown::default()
    };
    // Of each hop: the request for which it is done, and whether that came by a message. Of each call: who
    // answered.
    let mut within: Vec<Option<usize>> = vec![None; tree.steps.len()];
    let mut queued = vec![false; tree.steps.len()];
    let mut answers = vec![NONE; tree.steps.len()];
    let op = |place: usize| tree.steps[place].part.op;
    for (place, step) in tree.steps.iter().enumerate() {
        let (part, above) = (&step.part, step.parent);
        let caller = above.and_then(|above| within[above]);
        within[place] = caller;
        if part.source != CallSource::Span {
            // Logs have no parents by ids; what they tell was served is not missing.
            if part.serves() && part.op != NONE {
                shown.served.entry(part.op).or_insert(true);
            }
            continue;
        }
        if place > 0 && (above.is_none() || part.confidence < 1.0) {
            return None;
        }
        let message = matches!(part.role, SpanKind::Consumer | SpanKind::Producer);
        queued[place] = message && place > 0 || above.is_some_and(|above| queued[above]);
        if queued[place] || !part.serves() || part.op == NONE {
            continue;
        }
        within[place] = Some(place);
        *shown.served.entry(part.op).or_default() |= part.outcome == Outcome::Ok;
        let Some((above, caller)) = above.zip(caller) else {
            continue;
        };
        let Some(now) = shown.step((op(caller), part.op)) else {
            continue;
        };
        now.times += 1;
        if tree.steps[above].part.role == SpanKind::Client {
            now.told = true;
            answers[above] = part.op;
        }
    }
    let mut told = BTreeSet::new();
    for (place, step) in tree.steps.iter().enumerate() {
        let part = &step.part;
        let asks = part.role == SpanKind::Client && part.source == CallSource::Span;
        let Some(caller) = within[place].filter(|_| asks && !queued[place]) else {
            continue;
        };
        let call = (part.op, part.peer);
        if answers[place] == NONE {
            let Ok(known) = calls.unanswered(call) else {
                continue;
            };
            shown.whole = false;
            let Some(known) = known else {
                continue;
            };
            // It was asked for, whoever lost the answer.
            if let Some(now) = shown.step((op(caller), known)) {
                now.times += 1;
                now.told = true;
            }
            answers[place] = known;
        } else {
            calls.answered(call, answers[place]);
        }
        let key = (op(caller), answers[place]);
        if !told.insert(key) || shown.step(key).is_none() {
            continue;
        }
        let before = (tree.steps.iter().enumerate()).filter(|(other, known)| {
            known.parent == step.parent
                && known.part.end <= part.start
                && answers[*other] != NONE
                && answers[*other] != answers[place]
        });
        let before = before.max_by_key(|(other, known)| (known.part.end, *other));
        let before = before.map(|(other, _)| answers[other]);
        if let Some(now) = shown.step(key) {
            now.first = Some((part.start, caller));
            now.after = before;
        }
    }
    Some(shown)
}
