//! One template: the words that are fixed, the positions that vary, and the shapes it took.

use std::sync::Arc;

use monitor_core::{Shape, ShapeId, TemplateId};
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::scan::{Token, is_joint};

/// A position of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Slot {
    Word(Box<str>),
    Variable,
    /// A unit of the number before it, of which there were several: part of the variable.
    Unit,
}

impl Slot {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Slot::Word(word) => Some(word),
            Slot::Variable | Slot::Unit => None,
        }
    }
}

/// Units that stand a space behind their number.
pub(super) fn is_unit(word: &str) -> bool {
    matches!(
        word,
        "B" | "KB"
            | "MB"
            | "GB"
            | "TB"
            | "KiB"
            | "MiB"
            | "GiB"
            | "kB"
            | "ns"
            | "us"
            | "ms"
            | "s"
            | "sec"
            | "seconds"
            | "minutes"
            | "hours"
            | "days"
            | "millis"
            | "m"
            | "h"
            | "bytes"
    )
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Template {
    pub(super) id: TemplateId,
    pub(super) slots: Vec<Slot>,
    /// One more than slots; runs of white space are one space.
    pub(super) gaps: Arc<[Box<str>]>,
    pub(super) count: u64,
    /// Raised whenever `slots` change, so that what was derived from them is derived anew.
    pub(super) generation: u32,
    /// The template that took this one in.
    pub(super) merged_into: Option<u32>,
    pub(super) shapes: Vec<Arc<Shape>>,
}

impl Template {
    /// Whether the tokens fit, word for word.
    pub(super) fn matches(&self, message: &str, tokens: &[Token]) -> bool {
        self.slots.len() == tokens.len()
            && self
                .slots
                .iter()
                .zip(tokens)
                .all(|(slot, token)| match slot {
                    Slot::Variable => true,
                    Slot::Unit => !token.variable && is_unit(token.text(message)),
                    Slot::Word(word) => !token.variable && **word == *token.text(message),
                })
    }

    pub(super) fn words(&self) -> usize {
        self.slots.iter().filter_map(Slot::word).count()
    }

    /// The template for people, with `<*>` for each variable; `prefix` gives what all values of the
    /// variable at a slot begin with.
    pub(super) fn text<'p>(&self, prefix: impl Fn(usize) -> &'p str) -> String {
        let mut text = String::new();
        let mut gaps = self.gaps.iter();
        text.push_str(gaps.next().map_or("", |gap| gap));
        for ((from, to), is_word) in
            spans(&self.slots, |i| self.gaps[i].as_bytes()).zip_words(self.slots.len())
        {
            match &self.slots[from] {
                Slot::Word(word) if is_word => text.push_str(word),
                _ => {
                    if from == to {
                        text.push_str(prefix(from));
                    }
                    text.push_str("<*>");
                }
            }
            text.push_str(&self.gaps[to + 1]);
        }
        text
    }
}

/// Variables of a template as inclusive ranges of slots: neighbours held together by a joint
/// (`<*>:<*>`) are one.
pub(super) struct Spans(Vec<(usize, usize)>);

pub(super) fn spans<'g>(slots: &[Slot], gap_before: impl Fn(usize) -> &'g [u8]) -> Spans {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        if slot.word().is_some() {
            continue;
        }
        let joins = |gap: &[u8]| is_joint(gap) || *slot == Slot::Unit && gap == b" ";
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == index && joins(gap_before(index)) => *to = index,
            _ => spans.push((index, index)),
        }
    }
    Spans(spans)
}

impl Spans {
    pub(super) fn ranges(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// All slots in order: variables as their ranges, words as ranges of one (`true`).
    fn zip_words(self, slots: usize) -> Vec<((usize, usize), bool)> {
        let mut all = Vec::with_capacity(slots);
        let mut next = 0;
        for (from, to) in self.0 {
            all.extend((next..from).map(|i| ((i, i), true)));
            all.push(((from, to), false));
            next = to + 1;
        }
        all.extend((next..slots).map(|i| ((i, i), true)));
        all
    }
}

pub(super) fn shape(template: TemplateId, pieces: Vec<Box<str>>) -> Shape {
    let mut hash = Hash::new().number(template.0);
    for piece in &pieces {
        hash = hash.bytes(piece.as_bytes());
    }
    Shape {
        id: ShapeId(hash.finish()),
        template,
        pieces,
    }
}
