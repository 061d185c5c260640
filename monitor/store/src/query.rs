//! The query language, as people know it from Lucene, Kibana and their like.
//!
//! A text becomes a [`Query`] here, and the same text again by `Display`; what its fields mean is
//! the business of [`crate::search`].
//!
//! ```text
//! connection refused                 both words
//! "connection refused"               neighbours, in this order
//! service:cart status:>=500          field and value; implicit AND
//! duration:>250ms  status:[500 TO 599]  time:[2026-01-01 TO 2026-01-02}
//! rout* path:/orders/*  trace_id:*   wildcards; the field exists
//! -timeout  NOT (a OR b)  level:(warn OR error)
//! \* \: "\"quoted\""                 escapes
//! ```

mod display;
mod parse;

#[cfg(test)]
mod tests;

pub(crate) use parse::parse;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    All,
    /// Words anywhere in the text.
    Text(Value),
    Field {
        name: String,
        /// Characters before it in the query, for messages.
        at: Position,
        matches: FieldMatch,
    },
    /// At least two, none of them an `And`.
    And(Vec<Query>),
    /// At least two, none of them an `Or`.
    Or(Vec<Query>),
    Not(Box<Query>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldMatch {
    Is(Value),
    Exists,
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) value: String,
    pub(crate) inclusive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// May have wildcards. Never empty; no two literals side by side.
    Bare(Vec<Part>),
    Quoted(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    /// `*`
    AnyRun,
    /// `?`
    AnyOne,
}

impl Value {
    /// The text, when there are no wildcards.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Value::Quoted(text) => Some(text),
            Value::Bare(parts) => match &parts[..] {
                [Part::Literal(text)] => Some(text),
                _ => None,
            },
        }
    }
}

/// Where something stands in the query. Not part of what a query means: any two are equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position(pub(crate) usize);

impl PartialEq for Position {
    fn eq(&self, _: &Position) -> bool {
        true
    }
}

impl Eq for Position {}

/// A text that is not a query: what is wrong, and where, in characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryError {
    pub(crate) message: String,
    pub(crate) position: usize,
}
