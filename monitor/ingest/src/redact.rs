//! Removes secrets and personal data before anything is stored.
//!
//! Called by every receiver with a whole batch ([`Redactor::redact_batch`]) before it reaches the
//! write-ahead log. What is found is replaced by `[REDACTED:kind]` and counted by kind; JSON stays
//! JSON and logfmt stays logfmt. What must not be lost survives: trace ids, UUIDs, versions,
//! addresses, timestamps.
//!
//! One pass decides whether there is anything to look at (`scan`): an automaton over key words and
//! prefixes of tokens, and a search for long runs of digits. Only what it finds is examined:
//! values by the name they stand beside (`keyed`), tokens by their shape (`shapes`), numbers by
//! their check digits (`numbers`, `checks`).

mod batch;
mod checks;
mod config;
mod edits;
mod keyed;
mod numbers;
mod scan;
mod shapes;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use config::{RedactConfig, RedactError, Rule};
use monitor_core::Name;

use config::Extra;
use edits::Edits;
use scan::Scanner;

/// How many replacements were made, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactionCounts(BTreeMap<Name, u64>);

impl RedactionCounts {
    pub fn add(&mut self, kind: &str, replacements: u64) {
        match self.0.get_mut(kind) {
            Some(count) => *count += replacements,
            None => {
                self.0.insert(kind.into(), replacements);
            }
        }
    }

    pub fn merge(&mut self, other: &RedactionCounts) {
        for (kind, count) in other.iter() {
            self.add(kind, count);
        }
    }

    /// In alphabetical order of the kinds.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.0.iter().map(|(kind, count)| (kind, *count))
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Replacing one secret can bring another to light, hardly ever twice.
const MAX_PASSES: usize = 4;

/// Finds and replaces secrets; immutable, shared by all receivers.
#[derive(Debug)]
pub struct Redactor {
    enabled: bool,
    scanner: Scanner,
    extra: Extra,
}

impl Redactor {
    /// # Errors
    ///
    /// When one of the given patterns is no regular expression, or a kind no plain word.
    pub fn new(config: RedactConfig) -> Result<Redactor, RedactError> {
        Ok(Redactor {
            enabled: config.enabled,
            scanner: Scanner::new(&config.keys),
            extra: Extra::new(config)?,
        })
    }

    /// The text without secrets; borrowed when there were none.
    ///
    /// Redacting what was redacted changes nothing. The result is at most some thirty times as
    /// long as the text (one replacement per byte would be needed for that).
    pub fn redact_text<'a>(&self, text: &'a str, counts: &mut RedactionCounts) -> Cow<'a, str> {
        if !self.enabled {
            return Cow::Borrowed(text);
        }
        let mut current = Cow::Borrowed(text);
        for _ in 0..MAX_PASSES {
            let Some(next) = self.pass(&current, counts) else {
                break;
            };
            current = Cow::Owned(next);
        }
        current
    }

    fn pass(&self, text: &str, counts: &mut RedactionCounts) -> Option<String> {
        let mut edits = Edits::default();
        self.scanner.find(text, &self.extra, &mut edits);
        numbers::find(text, &mut edits);
        self.extra.find(text, &mut edits);
        if edits.is_empty() {
            return None;
        }
        edits.apply(text, |found| self.extra.allows(found), counts)
    }
}
