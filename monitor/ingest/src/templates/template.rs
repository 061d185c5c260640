//! One template: the words that are fixed, the positions that vary, and the shapes it took.

use std::sync::Arc;

use monitor_core::{Shape, ShapeId, TemplateId};
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::scan::{Token, is_joint};

/// A position of a template; `None` is a variable.
pub(super) type Slot = Option<Box<str>>;

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
            && self.slots.iter().zip(tokens).all(|(slot, token)| match slot {
                None => true,
                Some(word) => !token.variable && **word == *token.text(message),
            })
    }

    pub(super) fn words(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The template for people, with `<*>` for each variable.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut gaps = self.gaps.iter();
        text.push_str(gaps.next().map_or("", |gap| gap));
        for ((from, to), is_word) in spans(&self.slots, |i| self.gaps[i].as_bytes()).zip_words(self.slots.len()) {
            match &self.slots[from] {
                Some(word) if is_word => text.push_str(word),
                _ => text.push_str("<*>"),
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
        if slot.is_some() {
            continue;
        }
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == index && is_joint(gap_before(index)) => *to = index,
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
