//! Wildcard patterns and other tests on whole values, in lower case.

use crate::query::{Bound, FieldMatch, Part, Value};
use crate::record::{MAX_VALUE, lower_value};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glob {
    parts: Vec<Part>,
}

impl Glob {
    pub(super) fn new(parts: impl IntoIterator<Item = Part>) -> Glob {
        let parts = parts
            .into_iter()
            .map(|part| match part {
                Part::Literal(text) => Part::Literal(lower(&text)),
                wildcard => wildcard,
            })
            .collect();
        Glob { parts }
    }

    pub(super) fn literal(text: &str) -> Glob {
        Glob {
            parts: vec![Part::Literal(lower(text))],
        }
    }

    /// The one text that matches, when there are no wildcards.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [Part::Literal(text)] => Some(text),
            [] => Some(""),
            _ => None,
        }
    }

    /// Whether the lower-cased `text` matches from end to end. Linear in practice: only the last
    /// `*` is ever gone back to.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut symbols: Vec<Symbol> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => symbols.extend(text.chars().map(Symbol::Char)),
                Part::AnyOne => symbols.push(Symbol::AnyOne),
                Part::AnyRun => symbols.push(Symbol::AnyRun),
            }
        }
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut symbol) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match symbols.get(symbol) {
                Some(Symbol::AnyRun) => {
                    star = Some((symbol, at));
                    symbol += 1;
                }
                Some(Symbol::AnyOne) => {
                    at += 1;
                    symbol += 1;
                }
                Some(Symbol::Char(wanted)) if *wanted == text[at] => {
                    at += 1;
                    symbol += 1;
                }
                _ => match &mut star {
                    Some((after, from)) => {
                        *from += 1;
                        at = *from;
                        symbol = *after + 1;
                    }
                    None => return false,
                },
            }
        }
        symbols[symbol..].iter().all(|rest| *rest == Symbol::AnyRun)
    }

    /// For the term dictionary, after a literal prefix.
    pub(super) fn regex(&self, prefix: &str) -> String {
        let mut regex = String::new();
        escape(prefix, &mut regex);
        for part in &self.parts {
            match part {
                Part::Literal(text) => escape(text, &mut regex),
                Part::AnyOne => regex.push_str("(.|\n)"),
                Part::AnyRun => regex.push_str("(.|\n)*"),
            }
        }
        regex
    }

    /// Whether its literals could be part of a hexadecimal id of at most `digits` digits.
    pub(super) fn may_be_hex(&self, digits: usize) -> bool {
        let mut literals = 0;
        self.parts.iter().all(|part| match part {
            Part::Literal(text) => {
                literals += text.len();
                literals <= digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            _ => true,
        })
    }
}

#[derive(PartialEq)]
enum Symbol {
    Char(char),
    AnyOne,
    AnyRun,
}

pub(super) fn lower(text: &str) -> String {
    let mut lowered = String::new();
    if text.len() <= MAX_VALUE {
        lower_value(text, &mut lowered);
    } else {
        lower_value(&text[..text.floor_char_boundary(MAX_VALUE)], &mut lowered);
    }
    lowered
}

fn escape(text: &str, regex: &mut String) {
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            regex.push('\\');
        }
        regex.push(character);
    }
}

/// A test on a field's whole value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Exists,
    Is(Glob),
    /// In the order of their characters.
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
}

impl Test {
    pub(super) fn of(matches: &FieldMatch) -> Test {
        match matches {
            FieldMatch::Exists => Test::Exists,
            FieldMatch::Is(Value::Quoted(text)) => Test::Is(Glob::literal(text)),
            FieldMatch::Is(Value::Bare(parts)) => Test::Is(Glob::new(parts.iter().cloned())),
            FieldMatch::Range { low, high } => {
                let lowered = |bound: &Option<Bound>| {
                    bound.as_ref().map(|bound| Bound {
                        value: lower(&bound.value),
                        inclusive: bound.inclusive,
                    })
                };
                Test::Range {
                    low: lowered(low),
                    high: lowered(high),
                }
            }
        }
    }

    /// An absent or empty value passes no test.
    pub(super) fn passes(&self, value: Option<&str>) -> bool {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return false;
        };
        match self {
            Test::Exists => true,
            Test::Is(glob) => glob.matches(&lower(value)),
            Test::Range { low, high } => within(&lower(value).as_str(), low, high, |bound| {
                Some(bound.value.as_str())
            }),
        }
    }
}

/// Whether `value` is inside the range; a bound that cannot be compared with it is not.
pub(super) fn within<'a, T: PartialOrd>(
    value: &T,
    low: &'a Option<Bound>,
    high: &'a Option<Bound>,
    parse: impl Fn(&'a Bound) -> Option<T>,
) -> bool {
    let above = low.as_ref().is_none_or(|bound| {
        parse(bound).is_some_and(|end| *value > end || bound.inclusive && *value == end)
    });
    let below = high.as_ref().is_none_or(|bound| {
        parse(bound).is_some_and(|end| *value < end || bound.inclusive && *value == end)
    });
    above && below
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text.chars().map(|c| match c {
            '*' => Part::AnyRun,
            '?' => Part::AnyOne,
            other => Part::Literal(other.to_string()),
        }))
    }

    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            Some((wanted, rest)) => text
                .split_first()
                .is_some_and(|(c, after)| (*wanted == '?' || wanted == c) && slow(rest, after)),
        }
    }

    proptest! {
        #[test]
        fn globs_agree_with_their_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = slow(
                &pattern.chars().collect::<Vec<_>>(),
                &text.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(glob(&pattern).matches(&text), expected);
        }
    }
}
