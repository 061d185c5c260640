//! Words and phrases to be found in a text: the part of a plan that the layouts answer.

use monitor_core::SearchError;

use super::glob::Glob;
use super::tantivy_query::{self as queries, AnyQuery};
use crate::dictionary::Dictionary;
use crate::layout::Layout;
use crate::query::{Part, Value};
use crate::schema;
use crate::words::{MAX_WORD, is_word_char, words};

/// Neighbouring words, any of which may have wildcards. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phrase {
    pub(super) words: Vec<Glob>,
}

impl Phrase {
    /// # Errors
    /// When there is no letter or digit in it, hence nothing that is indexed.
    pub(super) fn of(value: &Value, position: usize) -> Result<Phrase, SearchError> {
        let words: Vec<Glob> = match value {
            Value::Quoted(text) => words(text).iter().map(|word| Glob::literal(word)).collect(),
            Value::Bare(parts) => split(parts),
        };
        if words.is_empty() {
            return Err(SearchError::Syntax {
                message: "expected a word: there is no letter or digit in this term".to_owned(),
                position,
            });
        }
        Ok(Phrase { words })
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        let words = words(text);
        words.windows(self.words.len()).any(|window| {
            window
                .iter()
                .zip(&self.words)
                .all(|(word, wanted)| wanted.matches(word))
        })
    }

    /// Layouts whose every record has the phrase, ascending.
    fn certain(&self, dictionary: &Dictionary) -> Vec<u32> {
        let [word] = &self.words[..] else {
            let mut buffer = String::new();
            let contains = |layout: &Layout, buffer: &mut String| {
                let mut found = false;
                layout.for_each_literal(|literal| {
                    buffer.clear();
                    buffer.push_str(literal);
                    found |= self.is_in(buffer);
                });
                found
            };
            return (0..)
                .zip(&dictionary.layouts)
                .filter(|(_, layout)| contains(layout, &mut buffer))
                .map(|(id, _)| id)
                .collect();
        };
        let mut ids: Vec<u32> = match word.as_literal() {
            Some(word) => dictionary.words.get(word).cloned().unwrap_or_default(),
            None => dictionary
                .words
                .iter()
                .filter(|(found, _)| word.matches(found))
                .flat_map(|(_, ids)| ids.iter().copied())
                .collect(),
        };
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Records that certainly have the phrase, and other records that have all of its words. The
    /// second is `None` for a single word, where the first is exact.
    pub(super) fn query(&self, dictionary: &Dictionary) -> (AnyQuery, Option<AnyQuery>) {
        let of = dictionary.layouts.len();
        let layouts = self.certain(dictionary);
        let certain = queries::numbers(schema::LAYOUT, &layouts, of);
        if let [word] = &self.words[..] {
            return (queries::any_of(vec![certain, in_variables(word)]), None);
        }
        let mut candidates: Vec<AnyQuery> = self
            .words
            .iter()
            .map(|word| {
                let alone = Phrase {
                    words: vec![word.clone()],
                };
                alone.query(dictionary).0
            })
            .collect();
        if !layouts.is_empty() {
            // Nothing has to be read to know about these.
            candidates.push(queries::not(certain.box_clone()));
        }
        (certain, Some(queries::all_of(candidates)))
    }
}

/// Records with the word among their variables' words or as one of their ids.
fn in_variables(word: &Glob) -> AnyQuery {
    let mut alternatives = vec![queries::matching(schema::WORDS, "", word)];
    let length = word.as_literal().map(str::len);
    if length.is_none_or(|length| length == 32) && word.may_be_hex(32) {
        alternatives.push(queries::matching(schema::TRACE, "", word));
    }
    if length.is_none_or(|length| length == 16) && word.may_be_hex(16) {
        alternatives.push(queries::matching(schema::SPAN, "", word));
        alternatives.push(queries::matching(schema::PARENT, "", word));
    }
    queries::any_of(alternatives)
}

/// Takes a term with wildcards apart into words, as a text is: at what is neither word nor
/// wildcard.
fn split(parts: &[Part]) -> Vec<Glob> {
    let mut words: Vec<Vec<Part>> = vec![Vec::new()];
    for part in parts {
        let Part::Literal(text) = part else {
            if let Some(word) = words.last_mut() {
                word.push(part.clone());
            }
            continue;
        };
        for character in text.chars() {
            if !is_word_char(character) {
                words.push(Vec::new());
            } else if let Some(word) = words.last_mut() {
                match word.last_mut() {
                    Some(Part::Literal(literal)) => literal.push(character),
                    _ => word.push(Part::Literal(character.to_string())),
                }
            }
        }
    }
    // A wildcard by itself between two separators would be any word at all; it asks for nothing.
    words.retain(|word| word.iter().any(|part| matches!(part, Part::Literal(_))));
    words
        .into_iter()
        .map(|word| match &word[..] {
            // In the form that words have.
            [Part::Literal(text)] => {
                let mut found = crate::words::words(text);
                Glob::literal(&found.pop().unwrap_or_default())
            }
            _ => Glob::new(word.into_iter().map(|part| match part {
                Part::Literal(text) => {
                    let end = text.floor_char_boundary(MAX_WORD);
                    Part::Literal(text[..end].to_owned())
                }
                wildcard => wildcard,
            })),
        })
        .collect()
}
