//! What a query means: its terms with fields resolved and values understood, and from there a
//! tantivy query for each partition.
//!
//! A plan is made once per search; what depends on a partition's dictionary is looked up when its
//! query is made.

use std::ops::{Bound as End, Range};
use std::sync::{Arc, PoisonError};

use monitor_core::{SearchError, Severity, Time, Value as Attribute};

use super::fields::{ContextField, FieldName, OperationField, WholeField, status_code};
use super::glob::{Test, within};
use super::phrase::Phrase;
use super::tantivy_query::{self as queries, AnyQuery};
use super::units::{duration_nanos, time_span};
use crate::dictionary::{Context, Dictionary, Operation};
use crate::intern::{SharedDictionary, present};
use crate::query::{Bound, FieldMatch, Position, Query, Value};
use crate::record::put_key;
use crate::schema;
use crate::stored::Stored;

#[derive(Clone, Debug)]
pub(super) enum Plan {
    All,
    Text(Phrase),
    Time(Range<Time>),
    Duration(End<u64>, End<u64>),
    Template(Test),
    Severity(SeverityTest),
    Status(StatusTest),
    Context(ContextField, Test),
    Operation(OperationField, Test),
    Whole(WholeField, Test),
    /// The record has the field with this bit of `present`.
    Present(u16),
    Attribute {
        key: String,
        test: AttributeTest,
    },
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Not(Box<Plan>),
}

#[derive(Clone, Debug)]
pub(super) enum SeverityTest {
    Exists,
    OneOf(Vec<Severity>),
}

#[derive(Clone, Debug)]
pub(super) enum StatusTest {
    Like(Test),
    Range(Range<u32>),
}

#[derive(Clone, Debug)]
pub(super) enum AttributeTest {
    Exists,
    Phrase(Phrase),
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
}

impl Plan {
    pub(super) fn of(query: &Query) -> Result<Plan, SearchError> {
        let all = |inner: &[Query]| inner.iter().map(Plan::of).collect::<Result<Vec<_>, _>>();
        Ok(match query {
            Query::All => Plan::All,
            Query::Text(value) => Plan::Text(Phrase::of(value, 1)?),
            Query::Field { name, at, matches } => field(name, *at, matches)?,
            Query::And(inner) => Plan::And(all(inner)?),
            Query::Or(inner) => Plan::Or(all(inner)?),
            Query::Not(inner) => Plan::Not(Box::new(Plan::of(inner)?)),
        })
    }

    /// Outside of this nothing can match.
    pub(super) fn time_bounds(&self) -> Range<Time> {
        match self {
            Plan::Time(span) => span.clone(),
            Plan::And(inner) => inner
                .iter()
                .map(Plan::time_bounds)
                .fold(Time::MIN..Time::MAX, |all, one| {
                    all.start.max(one.start)..all.end.min(one.end)
                }),
            _ => Time::MIN..Time::MAX,
        }
    }

    pub(super) fn query(&self, dictionary: &Dictionary, shared: &SharedDictionary) -> AnyQuery {
        let each = |inner: &[Plan]| {
            inner
                .iter()
                .map(|plan| plan.query(dictionary, shared))
                .collect::<Vec<_>>()
        };
        let contexts = |test: &dyn Fn(&Context) -> bool| {
            let found = numbers_where(&dictionary.contexts, |context| test(context));
            queries::numbers(schema::CONTEXT, &found, dictionary.contexts.len())
        };
        let operations = |test: &dyn Fn(&Operation) -> bool| {
            let found = numbers_where(&dictionary.operations, |operation| test(operation));
            queries::numbers(schema::OPERATION, &found, dictionary.operations.len())
        };
        match self {
            Plan::All => queries::everything(),
            Plan::And(inner) => queries::all_of(each(inner)),
            Plan::Or(inner) => queries::any_of(each(inner)),
            Plan::Not(inner) => queries::not(inner.query(dictionary, shared)),
            Plan::Time(span) => queries::time_range(span),
            Plan::Duration(low, high) => queries::duration_range(*low, *high),
            Plan::Context(field, test) => contexts(&|context| test.passes(field.value(context))),
            Plan::Operation(field, test) => {
                operations(&|operation| test.passes(field.value(operation)))
            }
            Plan::Present(bit) => operations(&|operation| operation.present & bit != 0),
            Plan::Severity(test) => operations(&|operation| match (test, operation.severity) {
                (_, None) => false,
                (SeverityTest::Exists, Some(_)) => true,
                (SeverityTest::OneOf(wanted), Some(severity)) => wanted.contains(&severity),
            }),
            Plan::Status(test) => operations(&|operation| {
                status_code(operation).is_some_and(|code| match test {
                    StatusTest::Like(test) => test.passes(Some(&code.to_string())),
                    StatusTest::Range(range) => range.contains(&u32::from(code)),
                })
            }),
            Plan::Template(test) => {
                let found = numbers_where(&dictionary.layouts, |layout| {
                    let id = layout.template.as_ref().map(|(id, _)| id.to_string());
                    test.passes(id.as_deref())
                });
                queries::numbers(schema::LAYOUT, &found, dictionary.layouts.len())
            }
            Plan::Whole(field, test) => match test {
                Test::Is(glob) => queries::matching(field.field(), "", glob),
                Test::Exists => Plan::Present(field.present()).query(dictionary, shared),
                Test::Range { .. } => {
                    let (field, test) = (*field, test.clone());
                    let candidates = Plan::Present(field.present()).query(dictionary, shared);
                    queries::checked(
                        candidates,
                        Arc::new(move |_, stored| test.passes(field.stored(stored).as_deref())),
                    )
                }
            },
            Plan::Text(phrase) => text(phrase, dictionary, shared),
            Plan::Attribute { key, test } => attribute(key, test),
        }
    }
}

fn numbers_where<T>(entries: &[Arc<T>], test: impl Fn(&T) -> bool) -> Vec<u32> {
    (0..)
        .zip(entries)
        .filter(|(_, entry)| test(entry))
        .map(|(number, _)| number)
        .collect()
}

fn text(phrase: &Phrase, dictionary: &Dictionary, shared: &SharedDictionary) -> AnyQuery {
    let (certain, candidates) = phrase.query(dictionary);
    let Some(candidates) = candidates else {
        return certain;
    };
    let (phrase, shared) = (phrase.clone(), Arc::clone(shared));
    let checked = queries::checked(
        candidates,
        Arc::new(move |layout, stored| {
            let layout = shared
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .layouts
                .get(layout as usize)
                .cloned();
            let text =
                layout.map(|layout| layout.fill(stored.variables.iter().map(String::as_str)));
            text.is_some_and(|text| phrase.is_in(&text))
                || stored
                    .decoded
                    .as_ref()
                    .is_some_and(|text| phrase.is_in(text))
        }),
    );
    queries::any_of(vec![certain, checked])
}

fn attribute(key: &str, test: &AttributeTest) -> AnyQuery {
    let mut prefix = String::new();
    put_key(key, &mut prefix);
    let exists = || queries::term(schema::ATTRIBUTES, &prefix);
    let wanted = prefix.clone();
    let values = move |stored: &Stored, test: &dyn Fn(&Attribute) -> bool| {
        let mut key = String::new();
        stored.attributes.iter().any(|(name, value)| {
            key.clear();
            put_key(name, &mut key);
            key == wanted && test(value)
        })
    };
    match test {
        AttributeTest::Exists => exists(),
        AttributeTest::Phrase(phrase) => {
            let mut candidates: Vec<AnyQuery> = phrase
                .words
                .iter()
                .map(|word| queries::matching(schema::ATTRIBUTES, &prefix, word))
                .collect();
            if candidates.len() == 1 {
                return candidates.remove(0);
            }
            let phrase = phrase.clone();
            queries::checked(
                queries::all_of(candidates),
                Arc::new(move |_, stored| {
                    values(stored, &|value| phrase.is_in(&value.to_string()))
                }),
            )
        }
        AttributeTest::Range { low, high } => {
            let (low, high) = (low.clone(), high.clone());
            queries::checked(
                exists(),
                Arc::new(move |_, stored| values(stored, &|value| in_range(value, &low, &high))),
            )
        }
    }
}

/// By number when the bounds are numbers, by text otherwise.
fn in_range(value: &Attribute, low: &Option<Bound>, high: &Option<Bound>) -> bool {
    let number = match value {
        Attribute::Int(number) => Some(*number as f64),
        Attribute::Float(number) => Some(*number),
        Attribute::Str(text) => text.trim().parse().ok(),
        Attribute::Bool(_) => None,
    };
    let numeric = low
        .iter()
        .chain(high)
        .all(|bound| bound.value.parse::<f64>().is_ok());
    if numeric {
        number.is_some_and(|number| within(&number, low, high, |bound| bound.value.parse().ok()))
    } else {
        let text = value.to_string();
        within(&text.as_str(), low, high, |bound| {
            Some(bound.value.as_str())
        })
    }
}

fn field(name: &str, at: Position, matches: &FieldMatch) -> Result<Plan, SearchError> {
    let wrong = |message: String| SearchError::Syntax {
        message,
        position: at.0,
    };
    Ok(match FieldName::of(name) {
        FieldName::Text => match matches {
            FieldMatch::Is(value) => Plan::Text(Phrase::of(value, at.0)?),
            FieldMatch::Exists => Plan::All,
            FieldMatch::Range { .. } => {
                return Err(wrong(format!("`{name}` is text and has no order")));
            }
        },
        FieldName::Time => time(matches).map_err(|value| {
            wrong(format!(
                "expected a time such as 2026-01-31 or 2026-01-31T10:05:00Z, found `{value}`"
            ))
        })?,
        FieldName::Duration => duration(matches).map_err(|value| {
            wrong(format!(
                "expected a duration such as 250ms or 1.5s, found `{value}`"
            ))
        })?,
        FieldName::Severity => severity(matches).map_err(|value| {
            wrong(format!(
                "expected one of trace, debug, info, warn, error, fatal, found `{value}`"
            ))
        })?,
        FieldName::Status => status(matches)
            .map_err(|value| wrong(format!("expected a number such as 500, found `{value}`")))?,
        FieldName::Template => Plan::Template(Test::of(matches)),
        FieldName::Context(field) => Plan::Context(field, Test::of(matches)),
        FieldName::Operation(field) => Plan::Operation(field, Test::of(matches)),
        FieldName::Whole(field) => Plan::Whole(field, Test::of(matches)),
        FieldName::Attribute(key) => Plan::Attribute {
            key,
            test: match matches {
                FieldMatch::Exists => AttributeTest::Exists,
                FieldMatch::Is(value) => AttributeTest::Phrase(Phrase::of(value, at.0)?),
                FieldMatch::Range { low, high } => AttributeTest::Range {
                    low: low.clone(),
                    high: high.clone(),
                },
            },
        },
    })
}

/// The text of a value without wildcards, or what is wrong with it.
fn plain(value: &Value) -> Result<&str, String> {
    value
        .literal()
        .ok_or_else(|| "a term with wildcards".to_owned())
}

fn parsed<T>(
    bound: &Option<Bound>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<(T, bool)>, String> {
    bound
        .as_ref()
        .map(|bound| {
            parse(&bound.value)
                .map(|value| (value, bound.inclusive))
                .ok_or_else(|| bound.value.clone())
        })
        .transpose()
}

fn time(matches: &FieldMatch) -> Result<Plan, String> {
    Ok(Plan::Time(match matches {
        FieldMatch::Exists => return Ok(Plan::All),
        FieldMatch::Is(value) => {
            let value = plain(value)?;
            time_span(value).ok_or_else(|| value.to_owned())?
        }
        // A day is included, or excluded, as a whole.
        FieldMatch::Range { low, high } => {
            let low = match parsed(low, time_span)? {
                None => Time::MIN,
                Some((span, true)) => span.start,
                Some((span, false)) => span.end,
            };
            let high = match parsed(high, time_span)? {
                None => Time::MAX,
                Some((span, true)) => span.end,
                Some((span, false)) => span.start,
            };
            low..high
        }
    }))
}

fn duration(matches: &FieldMatch) -> Result<Plan, String> {
    let end = |bound: Option<(u64, bool)>| match bound {
        None => End::Unbounded,
        Some((nanos, true)) => End::Included(nanos),
        Some((nanos, false)) => End::Excluded(nanos),
    };
    Ok(match matches {
        FieldMatch::Exists => Plan::Present(present::DURATION),
        FieldMatch::Is(value) => {
            let value = plain(value)?;
            let nanos = duration_nanos(value).ok_or_else(|| value.to_owned())?;
            Plan::Duration(End::Included(nanos), End::Included(nanos))
        }
        FieldMatch::Range { low, high } => Plan::Duration(
            end(parsed(low, duration_nanos)?),
            end(parsed(high, duration_nanos)?),
        ),
    })
}

fn severity(matches: &FieldMatch) -> Result<Plan, String> {
    let of = |text: &str| {
        let text = text.to_ascii_lowercase();
        Some(match &*text {
            "warning" => Severity::Warn,
            "err" => Severity::Error,
            "critical" | "crit" | "panic" | "emerg" | "alert" => Severity::Fatal,
            "information" | "notice" => Severity::Info,
            _ => Severity::ALL
                .into_iter()
                .find(|severity| severity.as_str().eq_ignore_ascii_case(&text))?,
        })
    };
    let wanted = match matches {
        FieldMatch::Exists => return Ok(Plan::Severity(SeverityTest::Exists)),
        FieldMatch::Is(value) => match value.literal() {
            Some(text) => vec![of(text).ok_or_else(|| text.to_owned())?],
            None => {
                let test = Test::of(matches);
                Severity::ALL
                    .into_iter()
                    .filter(|severity| test.passes(Some(severity.as_str())))
                    .collect()
            }
        },
        FieldMatch::Range { low, high } => {
            let (low, high) = (parsed(low, of)?, parsed(high, of)?);
            Severity::ALL
                .into_iter()
                .filter(|severity| {
                    low.is_none_or(|(low, inclusive)| {
                        *severity > low || inclusive && *severity == low
                    }) && high.is_none_or(|(high, inclusive)| {
                        *severity < high || inclusive && *severity == high
                    })
                })
                .collect()
        }
    };
    Ok(Plan::Severity(SeverityTest::OneOf(wanted)))
}

fn status(matches: &FieldMatch) -> Result<Plan, String> {
    let number = |text: &str| text.parse::<u16>().ok().map(u32::from);
    // `5xx`, as everybody writes it.
    let class = |text: &str| {
        let digit = text.strip_suffix("xx").or(text.strip_suffix("XX"))?;
        digit.parse::<u32>().ok().filter(|digit| *digit < 10)
    };
    Ok(Plan::Status(match matches {
        FieldMatch::Exists => StatusTest::Like(Test::Exists),
        FieldMatch::Is(value) => match value.literal() {
            Some(text) => match class(text) {
                Some(class) => StatusTest::Range(class * 100..class * 100 + 100),
                None => {
                    let code = number(text).ok_or_else(|| text.to_owned())?;
                    StatusTest::Range(code..code + 1)
                }
            },
            None => StatusTest::Like(Test::of(matches)),
        },
        FieldMatch::Range { low, high } => {
            let low = match parsed(low, number)? {
                None => 0,
                Some((code, inclusive)) => code + u32::from(!inclusive),
            };
            let high = match parsed(high, number)? {
                None => u32::MAX,
                Some((code, inclusive)) => code + u32::from(inclusive),
            };
            StatusTest::Range(low..high)
        }
    }))
}
