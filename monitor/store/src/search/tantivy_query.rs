//! Tantivy queries that plans are made of.

use std::collections::Bound;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use monitor_core::Time;
use tantivy::query::doc_predicate_query::{
    ConstOrVariableSegmentPredicate, DocPredicate, DocPredicateQuery, SegmentDocPredicate,
};
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, EnableScoring, Occur, Query, RangeQuery, RegexQuery,
    TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::store::StoreReader;
use tantivy::{DocId, SegmentReader, TantivyDocument, Term};

use super::glob::Glob;
use super::show::stored_in;
use crate::schema;
use crate::stored::Stored;

pub(super) type AnyQuery = Box<dyn Query>;

/// Below this many, each number gets a term query, which can skip; a set walks all its documents.
const FEW: usize = 16;

pub(super) fn nothing() -> AnyQuery {
    Box::new(EmptyQuery)
}

pub(super) fn everything() -> AnyQuery {
    Box::new(AllQuery)
}

pub(super) fn all_of(mut queries: Vec<AnyQuery>) -> AnyQuery {
    match queries.len() {
        0 => everything(),
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::intersection(queries)),
    }
}

pub(super) fn any_of(mut queries: Vec<AnyQuery>) -> AnyQuery {
    match queries.len() {
        0 => nothing(),
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::union(queries)),
    }
}

pub(super) fn not(query: AnyQuery) -> AnyQuery {
    Box::new(BooleanQuery::new(vec![
        (Occur::Must, everything()),
        (Occur::MustNot, query),
    ]))
}

pub(super) fn term(field: Field, text: &str) -> AnyQuery {
    term_query(Term::from_field_text(field, text))
}

fn term_query(term: Term) -> AnyQuery {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// Documents with one of the `numbers`, out of `0..of`.
pub(super) fn numbers(field: Field, numbers: &[u32], of: usize) -> AnyQuery {
    let terms = numbers
        .iter()
        .map(|number| Term::from_field_u64(field, u64::from(*number)));
    if numbers.is_empty() {
        nothing()
    } else if numbers.len() == of {
        everything()
    } else if numbers.len() <= FEW {
        any_of(terms.map(term_query).collect())
    } else {
        Box::new(TermSetQuery::new(terms))
    }
}

/// Documents with a term that begins with `prefix` and goes on as the pattern says.
pub(super) fn matching(field: Field, prefix: &str, glob: &Glob) -> AnyQuery {
    match glob.as_literal() {
        Some(text) => term(field, &format!("{prefix}{text}")),
        // A pattern that is too large to compile matches nothing: it is longer than any term.
        None => match RegexQuery::from_pattern(&glob.regex(prefix), field) {
            Ok(query) => Box::new(query),
            Err(_) => nothing(),
        },
    }
}

pub(super) fn time_range(span: &Range<Time>) -> AnyQuery {
    let at = |time: Time| Term::from_field_i64(schema::TIME, time.as_nanos());
    let end = if span.end == Time::MAX {
        Bound::Unbounded
    } else {
        Bound::Excluded(at(span.end))
    };
    let start = if span.start == Time::MIN {
        Bound::Unbounded
    } else {
        Bound::Included(at(span.start))
    };
    match (&start, &end) {
        (Bound::Unbounded, Bound::Unbounded) => everything(),
        _ => Box::new(RangeQuery::new(start, end)),
    }
}

pub(super) fn duration_range(low: Bound<u64>, high: Bound<u64>) -> AnyQuery {
    let at = |nanos| Term::from_field_u64(schema::DURATION, nanos);
    Box::new(RangeQuery::new(low.map(at), high.map(at)))
}

/// What is checked on the stored record: the document's layout number comes with it.
pub(super) type Check = Arc<dyn Fn(u64, &Stored) -> bool + Send + Sync>;

/// Documents that `candidates` matches and that pass the check.
pub(super) fn checked(candidates: AnyQuery, check: Check) -> AnyQuery {
    Box::new(DocPredicateQuery::from(Checked { candidates, check }))
}

struct Checked {
    candidates: AnyQuery,
    check: Check,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("candidates", &self.candidates)
            .finish_non_exhaustive()
    }
}

struct CheckedSegment {
    check: Check,
    store: StoreReader,
    layouts: Arc<dyn tantivy::columnar::ColumnValues<u64>>,
}

impl DocPredicate for Checked {
    type SegmentDocPredicate = CheckedSegment;

    fn doc_predicate(
        &self,
        reader: &SegmentReader,
    ) -> tantivy::Result<ConstOrVariableSegmentPredicate<CheckedSegment>> {
        let weight = self
            .candidates
            .weight(EnableScoring::disabled_from_schema(reader.schema()))?;
        Ok(ConstOrVariableSegmentPredicate::Variable {
            predicate: CheckedSegment {
                check: Arc::clone(&self.check),
                store: reader.get_store_reader(16)?,
                layouts: reader
                    .fast_fields()
                    .column_first_or_default(schema::LAYOUT_NAME)?,
            },
            necessary_condition: Box::new(weight.scorer(reader, 1.0)?),
        })
    }
}

impl SegmentDocPredicate for CheckedSegment {
    fn eval(&mut self, doc: DocId) -> bool {
        self.store
            .get::<TantivyDocument>(doc)
            .ok()
            .and_then(|document| stored_in(&document))
            .is_some_and(|stored| (self.check)(self.layouts.get_val(doc), &stored))
    }
}
