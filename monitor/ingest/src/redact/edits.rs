//! What is to be replaced in one text, and replacing it without breaking JSON around it.

use std::ops::Range;

use monitor_core::Name;

use super::RedactionCounts;

#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, Kind)>);

#[derive(Debug)]
enum Kind {
    Built(&'static str),
    Own(Name),
}

impl Kind {
    fn as_str(&self) -> &str {
        match self {
            Kind::Built(kind) => kind,
            Kind::Own(kind) => kind,
        }
    }
}

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, range: Range<usize>, kind: &'static str) {
        self.0.push((range, Kind::Built(kind)));
    }

    pub(super) fn push(&mut self, range: Range<usize>, kind: &Name) {
        self.0.push((range, Kind::Own(Name::clone(kind))));
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(_, kind)| keep(kind.as_str()));
    }

    /// The text with all replacements, `None` when all were allowed to stay.
    ///
    /// Where two overlap, the one that begins first, then the longer one.
    pub(super) fn apply(
        mut self,
        text: &str,
        allowed: impl Fn(&str) -> bool,
        counts: &mut RedactionCounts,
    ) -> Option<String> {
        self.0
            .sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut json = Json::of(text);
        let mut result = String::with_capacity(text.len() + 32);
        let mut end = 0;
        for (range, kind) in &self.0 {
            let Some(found) = text.get(range.clone()) else {
                continue;
            };
            if range.start < end || found.is_empty() || allowed(found) {
                continue;
            }
            // A bare number becomes a string, with all that belongs to it.
            let (from, to, quote) = match json.bare(text, range) {
                Some((bare, quote)) if bare.start >= end => (bare.start, bare.end, quote),
                _ => (range.start, range.end, ""),
            };
            result.push_str(&text[end..from]);
            result.push_str(quote);
            result.push_str("[REDACTED:");
            result.push_str(kind.as_str());
            result.push(']');
            result.push_str(quote);
            counts.add(kind.as_str(), 1);
            end = to;
        }
        if end == 0 {
            return None;
        }
        result.push_str(&text[end..]);
        Some(result)
    }
}

/// Whether the text is one JSON object or array, by its first and last characters: `[main] …` is
/// none.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.trim().as_bytes();
    let inner = text.get(1..).unwrap_or_default().trim_ascii_start();
    match (text.first(), text.last()) {
        (Some(b'{'), Some(b'}')) => matches!(inner.first(), Some(b'"' | b'}')),
        (Some(b'['), Some(b']')) => inner
            .first()
            .is_some_and(|b| matches!(b, b'{' | b'[' | b'"' | b'-') || b.is_ascii_digit()),
        _ => false,
    }
}

/// Knows whether a position of a JSON text is inside a string; positions must ascend.
struct Json {
    document: bool,
    at: usize,
    in_string: bool,
}

impl Json {
    fn of(text: &str) -> Json {
        Json {
            document: is_json(text),
            at: 0,
            in_string: false,
        }
    }

    /// The bare JSON value around `range` and the quotes it needs, when it is one.
    fn bare(&mut self, text: &str, range: &Range<usize>) -> Option<(Range<usize>, &'static str)> {
        let bytes = text.as_bytes();
        while self.at < range.start {
            match bytes[self.at] {
                b'\\' if self.in_string => self.at += 1,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
            self.at += 1;
        }
        let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_');
        let from = range.start
            - bytes[..range.start]
                .iter()
                .rev()
                .take_while(|b| part(b))
                .count();
        let to = range.end + bytes[range.end..].iter().take_while(|b| part(b)).count();
        let before = bytes[..from].trim_ascii_end();
        if self.document && !self.in_string {
            return before
                .last()
                .is_some_and(|b| matches!(b, b':' | b'[' | b','))
                .then_some((from..to, "\""));
        }
        // JSON within other text, or JSON escaped within a JSON string.
        let key = before.strip_suffix(b":")?.trim_ascii_end();
        if key.ends_with(b"\\\"") {
            Some((from..to, "\\\""))
        } else if key.ends_with(b"\"") && !self.document {
            Some((from..to, "\""))
        } else {
            None
        }
    }
}
