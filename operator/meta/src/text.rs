//! Values that people wrote into metadata: taken when they are usable, otherwise a word why not.

use std::collections::BTreeMap;

use crate::source::{Of, Source, Sourced};

/// Of a name: a service, an environment, an owner. Kubernetes' own names have at most 253 bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;
/// Of any other value.
pub(crate) const MAX_VALUE_BYTES: usize = 1_024;
/// How much of a refused value is shown.
const SHOWN_CHARACTERS: usize = 40;

/// Labels and annotations of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metadata<'a> {
    pub(crate) of: Of,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

impl<'a> Metadata<'a> {
    pub(crate) fn annotation(&self, key: &str) -> Option<Sourced<&'a str>> {
        let value = self.annotations.get(key)?;
        let source = Source::Annotation {
            of: self.of,
            key: key.to_owned(),
        };
        Some(Sourced::new(value, source))
    }

    pub(crate) fn label(&self, key: &str) -> Option<Sourced<&'a str>> {
        let value = self.labels.get(key)?;
        let source = Source::Label {
            of: self.of,
            key: key.to_owned(),
        };
        Some(Sourced::new(value, source))
    }

    /// The annotation, or else the label.
    pub(crate) fn either(&self, key: &str) -> impl Iterator<Item = Sourced<&'a str>> + use<'a> {
        self.annotation(key).into_iter().chain(self.label(key))
    }
}

/// The first of `candidates` that is usable; what is not is noted.
pub(crate) fn first<'a, T>(
    candidates: impl IntoIterator<Item = Sourced<&'a str>>,
    parse: impl Fn(&str) -> Result<T, String>,
    notes: &mut Vec<String>,
) -> Option<Sourced<T>> {
    for candidate in candidates {
        match parse(candidate.value) {
            Ok(value) => return Some(Sourced::new(value, candidate.source)),
            Err(why) => notes.push(format!("{} is ignored: {why}", candidate.source)),
        }
    }
    None
}

pub(crate) fn name(text: &str) -> Result<String, String> {
    bounded(text, MAX_NAME_BYTES)
}

pub(crate) fn value(text: &str) -> Result<String, String> {
    bounded(text, MAX_VALUE_BYTES)
}

fn bounded(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > most {
        return Err(format!(
            "it has {} bytes, and at most {most} are taken",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} has control characters", quoted(text)));
    }
    Ok(text.to_owned())
}

/// Switches are written in several ways; anything else is a mistake to be told of.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => Ok(true),
        "false" | "no" | "off" | "0" | "disabled" => Ok(false),
        _ => Err(format!("{} is neither true nor false", quoted(text))),
    }
}

/// A value as it is shown in a note: never long, never with line breaks.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
