//! Taking a record's text apart into literals that repeat and variables that do not, and putting
//! it together again.
//!
//! A *layout* is the whole text of a record with its variables cut out: the masked prefix (a
//! header of the log format), the message's mined shape, the masked suffix. Its literal words are
//! indexed once, in the [dictionary](crate::dictionary); a record then costs one layout number,
//! and the words of its variables.
//!
//! A word may straddle a border between literal and variable (`blk_<*>`, `user<*>`). Such words
//! are counted among the variables' words: [`Layout::regions`] says how far to reach.

use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use monitor_core::{Message, Record, TemplateId};
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::words::is_word_char;

/// The layout that fits everything: one variable, no literals.
pub(crate) const WHOLE: u32 = 0;

/// Headers longer than this are kept as one variable, and so are texts that fall into more
/// variables than [`MAX_VARIABLES`]: they will not repeat.
const MAX_MASKED: usize = 2048;
const MAX_VARIABLES: usize = 128;
/// Longest literal text of a layout worth keeping in memory.
const MAX_LITERALS: usize = 4096;

/// How a text is stored: its literal pieces, around one variable in each gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    /// One more than there are variables.
    pub(crate) pieces: Vec<Box<str>>,
    /// The template, and the message's shape with `<*>` for variables.
    pub(crate) template: Option<(TemplateId, Arc<str>)>,
    /// Of the [`Split`] it was made from, to find it again.
    pub(crate) hash: u64,
}

/// A stretch of text around one or more variables in which words are not purely literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    first: u32,
    last: u32,
    /// Bytes of the literals beside it that belong to words touching it.
    left: u32,
    right: u32,
}

impl Layout {
    pub(crate) fn whole() -> Layout {
        Layout {
            pieces: vec!["".into(), "".into()],
            template: None,
            hash: 0,
        }
    }

    pub(crate) fn regions(&self) -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for (variable, around) in self.pieces.windows(2).enumerate() {
            let variable = variable as u32;
            let (left, right) = (tail(&around[0]) as u32, head(&around[1]) as u32);
            match regions.last_mut() {
                // Nothing but word characters between two variables: a word may span both.
                Some(region) if left as usize == around[0].len() => {
                    region.last = variable;
                    region.right = right;
                }
                _ => regions.push(Region {
                    first: variable,
                    last: variable,
                    left,
                    right,
                }),
            }
        }
        regions
    }

    /// The stretches of literal text whose words every record of this layout has, whatever its
    /// variables are.
    pub(crate) fn for_each_literal<'a>(&'a self, mut found: impl FnMut(&'a str)) {
        let last = self.pieces.len() - 1;
        for (index, piece) in self.pieces.iter().enumerate() {
            let start = if index == 0 { 0 } else { head(piece) };
            let end = if index == last {
                piece.len()
            } else {
                piece.len() - tail(piece)
            };
            if start < end {
                found(&piece[start..end]);
            }
        }
    }

    /// Puts the text together. Missing variables count as empty.
    pub(crate) fn fill<'a>(&self, mut variables: impl Iterator<Item = &'a str>) -> String {
        let mut text = String::from(&*self.pieces[0]);
        for piece in &self.pieces[1..] {
            text.push_str(variables.next().unwrap_or_default());
            text.push_str(piece);
        }
        text
    }
}

impl Region {
    pub(crate) fn range(&self, variables: &[Range<u32>]) -> Range<usize> {
        let start = variables[self.first as usize].start - self.left;
        let end = variables[self.last as usize].end + self.right;
        start as usize..end as usize
    }
}

/// A record's text taken apart: candidate for a layout.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// Ascending byte ranges of the text.
    pub(crate) variables: Vec<Range<u32>>,
    /// Of the literals and of the template.
    pub(crate) hash: u64,
    /// For the words of the variables, to be used again.
    pub(crate) scratch: String,
}

impl Split {
    /// Splits the text finely: message by its shape, the rest by masking what has digits.
    /// `false` when it is not worth a layout of its own.
    pub(crate) fn fine(&mut self, record: &Record) -> bool {
        self.variables.clear();
        let text = &record.text;
        let mut hasher = FxHasher::default();
        match shaped(record) {
            Some((message, matched)) => {
                let (start, end) = (message.start as usize, message.end as usize);
                if start + (text.len() - end) > MAX_MASKED {
                    return false;
                }
                mask(text, 0..start, &mut self.variables, &mut hasher);
                hasher.write_u64(matched.shape.id.0);
                self.variables.extend(
                    matched
                        .variables
                        .iter()
                        .map(|range| message.start + range.start..message.start + range.end),
                );
                mask(text, end..text.len(), &mut self.variables, &mut hasher);
            }
            None => {
                if text.len() > MAX_MASKED {
                    return false;
                }
                // Its message is not a slice of the text, but the template is still to be found.
                hasher.write_u64(record.template.as_ref().map_or(0, |m| m.shape.id.0));
                mask(text, 0..text.len(), &mut self.variables, &mut hasher);
            }
        }
        self.hash = hasher.finish();
        self.variables.len() <= MAX_VARIABLES
    }

    /// Splits the text coarsely: what surrounds the message is one variable on each side. There
    /// are as many of these layouts as there are shapes.
    pub(crate) fn coarse(&mut self, record: &Record) -> bool {
        self.variables.clear();
        let mut hasher = FxHasher::default();
        hasher.write_u8(1);
        match shaped(record) {
            Some((message, matched)) => {
                hasher.write_u64(matched.shape.id.0);
                self.variables.push(0..message.start);
                self.variables.extend(
                    matched
                        .variables
                        .iter()
                        .map(|range| message.start + range.start..message.start + range.end),
                );
                self.variables.push(message.end..record.text.len() as u32);
            }
            None => {
                let Some(matched) = &record.template else {
                    return false;
                };
                hasher.write_u64(matched.shape.id.0);
                self.variables.push(0..record.text.len() as u32);
            }
        }
        self.hash = hasher.finish();
        true
    }

    /// The layout of this split, `None` when its literals are too long to keep.
    pub(crate) fn layout(&self, record: &Record) -> Option<Layout> {
        let mut pieces: Vec<Box<str>> = Vec::with_capacity(self.variables.len() + 1);
        let mut at = 0;
        for variable in &self.variables {
            pieces.push(record.text[at..variable.start as usize].into());
            at = variable.end as usize;
        }
        pieces.push(record.text[at..].into());
        let literals: usize = pieces.iter().map(|piece| piece.len()).sum();
        (literals <= MAX_LITERALS).then(|| Layout {
            pieces,
            template: template_of(record),
            hash: self.hash,
        })
    }

    /// Whether the literals are those of `layout`, byte for byte: hashes alone are not proof.
    pub(crate) fn fits(&self, record: &Record, layout: &Layout) -> bool {
        let text = record.text.as_bytes();
        let template = record.template.as_ref().map(|m| m.shape.template);
        if layout.pieces.len() != self.variables.len() + 1
            || layout.template.as_ref().map(|(id, _)| *id) != template
        {
            return false;
        }
        let mut at = 0;
        self.variables
            .iter()
            .zip(&layout.pieces)
            .all(|(variable, piece)| {
                let literal = &text[at..variable.start as usize];
                at = variable.end as usize;
                literal == piece.as_bytes()
            })
            && &text[at..] == layout.pieces[self.variables.len()].as_bytes()
    }

    pub(crate) fn whole(&mut self, record: &Record) {
        self.variables.clear();
        self.variables.push(0..record.text.len() as u32);
    }
}

fn template_of(record: &Record) -> Option<(TemplateId, Arc<str>)> {
    record
        .template
        .as_ref()
        .map(|m| (m.shape.template, m.shape.text().into()))
}

/// The message's range in the text and its match, when both are sound: ranges are ascending,
/// inside the message and on character boundaries, as many as the shape has gaps.
fn shaped(record: &Record) -> Option<(&Range<u32>, &monitor_core::TemplateMatch)> {
    let Message::Within(message) = &record.message else {
        return None;
    };
    let matched = record.template.as_ref()?;
    let inside = record
        .text
        .get(message.start as usize..message.end as usize)?;
    let mut at = 0;
    let sound = matched.variables.len() < MAX_VARIABLES
        && matched.shape.pieces.len() == matched.variables.len() + 1
        && matched.variables.iter().all(|variable| {
            let sound = at <= variable.start
                && inside
                    .get(variable.start as usize..variable.end as usize)
                    .is_some();
            at = variable.end;
            sound
        });
    sound.then_some((message, matched))
}

/// Masks runs that have a digit in them: numbers, dates, ids, addresses. Runs may have `-`, `.`,
/// `:` and `_` inside, so that a timestamp or a UUID is one variable.
fn mask(text: &str, range: Range<usize>, variables: &mut Vec<Range<u32>>, hasher: &mut FxHasher) {
    let bytes = text.as_bytes();
    let mut literal = range.start;
    let mut at = range.start;
    while at < range.end {
        if !CLASSES[usize::from(bytes[at])].starts_run() {
            at += 1;
            continue;
        }
        let start = at;
        let mut end = at;
        let mut digits = false;
        while at < range.end {
            let class = CLASSES[usize::from(bytes[at])];
            match class {
                Class::Digit => digits = true,
                Class::Other => break,
                Class::Letter | Class::Joiner => {}
            }
            at += 1;
            if class.starts_run() {
                end = at;
            }
        }
        if digits {
            hasher.write(&bytes[literal..start]);
            hasher.write_u8(0xff);
            variables.push(start as u32..end as u32);
            literal = end;
        }
    }
    hasher.write(&bytes[literal..range.end]);
    hasher.write_u8(0xfe);
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Digit,
    /// Letters, and every byte that is not ASCII, so that borders are character boundaries.
    Letter,
    Joiner,
    Other,
}

impl Class {
    fn starts_run(self) -> bool {
        matches!(self, Class::Digit | Class::Letter)
    }
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        classes[index] = if byte.is_ascii_digit() {
            Class::Digit
        } else if byte.is_ascii_alphabetic() || byte >= 128 {
            Class::Letter
        } else if matches!(byte, b'-' | b'.' | b':' | b'_') {
            Class::Joiner
        } else {
            Class::Other
        };
        index += 1;
    }
    classes
};

/// Bytes of the run of word characters that the piece begins with.
fn head(piece: &str) -> usize {
    piece
        .find(|character| !is_word_char(character))
        .unwrap_or(piece.len())
}

/// Bytes of the run of word characters that the piece ends with.
fn tail(piece: &str) -> usize {
    piece
        .char_indices()
        .rev()
        .find(|(_, character)| !is_word_char(*character))
        .map_or(piece.len(), |(at, character)| {
            piece.len() - at - character.len_utf8()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{for_each_word, words};
    use monitor_core::{
        CallFacts, Correlation, Kind, Resource, Shape, ShapeId, TemplateMatch, Time, TimeOrigin,
    };
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn record(text: String, message: Message, variables: Vec<Range<u32>>) -> Record {
        Record {
            kind: Kind::Log,
            time: Time::EPOCH,
            time_origin: TimeOrigin::Record,
            written_ahead: None,
            observed: Time::EPOCH,
            resource: Arc::new(Resource::of_service("cart")),
            stream: "stdout".into(),
            severity: None,
            format: None,
            message,
            template: Some(TemplateMatch {
                shape: Arc::new(Shape {
                    id: ShapeId(7),
                    template: TemplateId(7),
                    pieces: vec!["".into(); variables.len() + 1],
                }),
                variables: variables.into(),
            }),
            ids: Correlation::default(),
            facts: CallFacts::default(),
            span: None,
            attributes: Vec::new(),
            text,
        }
    }

    fn check(split: &Split, record: &Record) {
        let Some(layout) = split.layout(record) else {
            return;
        };
        assert!(split.fits(record, &layout));
        let variables = split
            .variables
            .iter()
            .map(|range| &record.text[range.start as usize..range.end as usize]);
        assert_eq!(layout.fill(variables), record.text);
        // Words of literals and words of regions are together the words of the text.
        let mut found = Vec::new();
        let mut buffer = String::new();
        layout.for_each_literal(|literal| {
            for_each_word(literal, &mut buffer, |word| found.push(word.to_owned()));
        });
        for region in layout.regions() {
            let text = &record.text[region.range(&split.variables)];
            for_each_word(text, &mut buffer, |word| found.push(word.to_owned()));
        }
        found.sort();
        found.dedup();
        let mut expected = words(&record.text);
        expected.sort();
        expected.dedup();
        assert_eq!(found, expected);
    }

    proptest! {
        /// Also for ranges that are no ranges of the text: those of a miner gone wrong.
        #[test]
        fn texts_are_put_together_as_they_were(
            text in "[ab1é_ :|-]{0,24}|\\PC{0,24}",
            message in (0u32..30, 0u32..30),
            variables in vec((0u32..24, 0u32..5), 0..4),
            decoded in any::<bool>(),
        ) {
            let message = if decoded {
                Message::Decoded(text.to_uppercase().into())
            } else {
                Message::Within(message.0.min(message.1)..message.0.max(message.1))
            };
            let variables = variables.into_iter().map(|(at, length)| at..at + length).collect();
            let record = record(text, message, variables);
            let mut split = Split::default();
            if split.fine(&record) {
                check(&split, &record);
            }
            if split.coarse(&record) {
                check(&split, &record);
            }
            split.whole(&record);
            check(&split, &record);
        }
    }
}
