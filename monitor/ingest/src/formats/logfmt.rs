//! logfmt: `time=… level=info msg="…" key=value`, Heroku's router and lograge among it.

use std::borrow::Cow;

use monitor_core::FormatName;

use super::aliases::{Field, meaning};
use super::duration::Unit;
use super::fields::{self, Collect};
use super::scan::{closing_quote, skip_blanks};
use super::{Parsed, Stream};

/// Pairs beyond this stay in the text only.
const MOST_PAIRS: usize = 256;

pub(super) fn parse(text: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let mut first = Pairs { text, at: 0 };
    // Cheap refusal: nearly every other format has no `=` in its first word.
    if !matches!(first.next(), Some(Token::Pair { .. })) {
        return false;
    }
    let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(16);
    let mut words = 0;
    let mut known = false;
    for token in (Pairs { text, at: 0 }) {
        match token {
            Token::Pair { key, value } => {
                known |= matches!(
                    key,
                    "level" | "lvl" | "msg" | "message" | "time" | "ts" | "severity"
                );
                if pairs.len() < MOST_PAIRS {
                    pairs.push((key, value));
                }
            }
            Token::Word => words += 1,
        }
    }
    let enough = if known {
        pairs.len() >= 2 && words <= pairs.len()
    } else {
        pairs.len() >= 3 && words == 0
    };
    if !enough {
        return false;
    }
    let has = |name: &str| pairs.iter().any(|(key, _)| *key == name);
    let (format, unit): (FormatName, Option<Unit>) = if has("controller") && has("action") {
        ("lograge", Some(Unit::Millis))
    } else if has("dyno") && has("connect") {
        ("heroku-router", Some(Unit::Millis))
    } else {
        ("logfmt", None)
    };
    parsed.format = Some(format);
    let mut collect = Collect::new(text, stream, parsed, unit);
    for (key, value) in &pairs {
        let field = match (format, *key) {
            ("heroku-router", "service") => Field::DurationIn(Unit::Millis),
            ("heroku-router", "at") => Field::Level,
            ("heroku-router", "fwd") => Field::Client,
            ("heroku-router", "code" | "desc") => Field::Other,
            (_, "caller") => Field::Other,
            _ => meaning(key),
        };
        collect.put(key, field, fields::scalar(value));
    }
    let message = collect.finish();
    fields::tell(text, message, stream, parsed);
    true
}

enum Token<'t> {
    Pair { key: &'t str, value: Cow<'t, str> },
    Word,
}

struct Pairs<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Pairs<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let bytes = self.text.as_bytes();
        let mut start = skip_blanks(bytes, self.at);
        while matches!(bytes.get(start), Some(b'\n' | b'\r')) {
            start = skip_blanks(bytes, start + 1);
        }
        let mut end = start;
        while bytes.get(end).is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'/')
        }) {
            end += 1;
        }
        if start >= bytes.len() {
            return None;
        }
        if end == start || bytes.get(end) != Some(&b'=') {
            self.at = super::scan::word_end(bytes, start).max(start + 1);
            return Some(Token::Word);
        }
        let key = self.text.get(start..end)?;
        let begin = end + 1;
        if bytes.get(begin) == Some(&b'"')
            && let Some(close) = closing_quote(bytes, begin)
        {
            self.at = close + 1;
            let value = unescaped(self.text.get(begin + 1..close)?);
            return Some(Token::Pair { key, value });
        }
        let stop = super::scan::word_end(bytes, begin);
        self.at = stop;
        Some(Token::Pair {
            key,
            value: Cow::Borrowed(self.text.get(begin..stop)?),
        })
    }
}

pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}
