//! A query's tree as text that parses to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::{Bound, FieldMatch, Part, Query, Value};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Query::All => Ok(()),
            Query::Text(value) => value.fmt(f),
            Query::Field { name, matches, .. } => write!(f, "{name}:{matches}"),
            Query::And(all) => separated(all, " AND ", f),
            Query::Or(all) => separated(all, " OR ", f),
            Query::Not(inner) => {
                f.write_str("NOT ")?;
                operand(inner, f)
            }
        }
    }
}

fn separated(all: &[Query], separator: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (index, query) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        operand(query, f)?;
    }
    Ok(())
}

fn operand(query: &Query, f: &mut Formatter<'_>) -> fmt::Result {
    match query {
        Query::And(_) | Query::Or(_) => write!(f, "({query})"),
        _ => query.fmt(f),
    }
}

impl Display for FieldMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FieldMatch::Is(value) => value.fmt(f),
            FieldMatch::Exists => f.write_char('*'),
            FieldMatch::Range {
                low: Some(low),
                high: None,
            } => {
                f.write_str(if low.inclusive { ">=" } else { ">" })?;
                quoted(&low.value, f)
            }
            FieldMatch::Range {
                low: None,
                high: Some(high),
            } => {
                f.write_str(if high.inclusive { "<=" } else { "<" })?;
                quoted(&high.value, f)
            }
            FieldMatch::Range { low, high } => {
                let closed = |bound: &Option<Bound>| bound.as_ref().is_none_or(|b| b.inclusive);
                f.write_char(if closed(low) { '[' } else { '{' })?;
                end(low.as_ref(), f)?;
                f.write_str(" TO ")?;
                end(high.as_ref(), f)?;
                f.write_char(if closed(high) { ']' } else { '}' })
            }
        }
    }
}

fn end(bound: Option<&Bound>, f: &mut Formatter<'_>) -> fmt::Result {
    match bound {
        Some(bound) => quoted(&bound.value, f),
        None => f.write_char('*'),
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Quoted(text) => quoted(text, f),
            Value::Bare(parts) => {
                // What would be an operator here must not be one.
                let mut first = true;
                let keyword = self
                    .literal()
                    .is_some_and(|text| matches!(text, "AND" | "OR" | "NOT" | "&&" | "||" | "TO"));
                for part in parts {
                    match part {
                        Part::AnyRun => f.write_char('*')?,
                        Part::AnyOne => f.write_char('?')?,
                        Part::Literal(text) => {
                            for character in text.chars() {
                                let special = character.is_whitespace()
                                    || matches!(
                                        character,
                                        '(' | ')' | '"' | '\\' | '*' | '?' | ':'
                                    )
                                    || first
                                        && (keyword
                                            || matches!(
                                                character,
                                                '-' | '!' | '>' | '<' | '[' | '{'
                                            ));
                                if special {
                                    f.write_char('\\')?;
                                }
                                f.write_char(character)?;
                                first = false;
                            }
                        }
                    }
                    first = false;
                }
                Ok(())
            }
        }
    }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}
