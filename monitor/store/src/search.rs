//! Answers the port `monitor_core::LogSearch` from the partitions' last commits.
//!
//! Each search takes one list of snapshots and works through those that its time range touches;
//! partitions do not overlap in time, so pages are put together partition by partition.

mod collect;
mod fields;
mod glob;
mod phrase;
mod plan;
mod show;
mod tantivy_query;
mod units;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use monitor_core::{
    FacetCount, HistogramBucket, LogSearch, SearchError, SearchPage, SearchRequest, Time,
};

use crate::dictionary::Dictionary;
use crate::index::Snapshots;
use crate::partition::Snapshot;
use crate::search::collect::{Counted, Histogram, NumberCounts, Page};
use crate::search::fields::{Facet, FieldName};
use crate::search::plan::Plan;
use crate::search::show::Stores;

/// Longest page. Deeper paging than this is better served by narrowing the time range.
const MAX_LIMIT: usize = 10_000;
const MAX_BUCKETS: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Search {
    snapshots: Snapshots,
}

/// A query ready to run, and the time that it can match in.
struct Prepared {
    plan: Plan,
    /// Of the request alone; the plan has its own terms on time.
    wanted: Range<Time>,
    snapshots: Vec<Snapshot>,
}

impl Search {
    pub(crate) fn new(snapshots: Snapshots) -> Search {
        Search { snapshots }
    }

    fn prepare(&self, request: &SearchRequest) -> Result<Prepared, SearchError> {
        let query = crate::query::parse(&request.query).map_err(|error| SearchError::Syntax {
            message: error.message,
            position: error.position,
        })?;
        let plan = Plan::of(&query)?;
        let wanted = request.from.unwrap_or(Time::MIN)..request.to.unwrap_or(Time::MAX);
        let possible = plan.time_bounds();
        let all = Arc::clone(
            &self
                .snapshots
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let touches = |span: &Range<Time>, other: &Range<Time>| {
            span.start < other.end && other.start < span.end
        };
        // `Time::MAX` as an end means no end, here and for the last partition of all time.
        let snapshots = all
            .iter()
            .filter(|snapshot| {
                touches(&snapshot.span, &wanted) && touches(&snapshot.span, &possible)
            })
            .cloned()
            .collect();
        Ok(Prepared {
            plan,
            wanted,
            snapshots,
        })
    }
}

impl Prepared {
    fn query(
        &self,
        snapshot: &Snapshot,
        dictionary: &Dictionary,
    ) -> Box<dyn tantivy::query::Query> {
        let query = self.plan.query(dictionary, &snapshot.dictionary);
        let inside =
            self.wanted.start <= snapshot.span.start && snapshot.span.end <= self.wanted.end;
        if inside {
            query
        } else {
            tantivy_query::all_of(vec![query, tantivy_query::time_range(&self.wanted)])
        }
    }

    fn run<C: tantivy::collector::Collector>(
        &self,
        snapshot: &Snapshot,
        collector: &C,
    ) -> Result<C::Fruit, SearchError> {
        // The lock is let go before the search runs: it may take long, and the writer waits.
        let query = {
            let dictionary = snapshot
                .dictionary
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            self.query(snapshot, &dictionary)
        };
        snapshot
            .searcher
            .search(&*query, collector)
            .map_err(index_error)
    }
}

pub(crate) fn index_error(error: tantivy::TantivyError) -> SearchError {
    SearchError::Index(Box::new(error))
}

impl LogSearch for Search {
    fn search(&self, request: &SearchRequest) -> Result<SearchPage, SearchError> {
        let prepared = self.prepare(request)?;
        let mut page = SearchPage::default();
        let mut offset = request.offset as u64;
        let mut ordered: Vec<&Snapshot> = prepared.snapshots.iter().collect();
        if request.newest_first {
            ordered.reverse();
        }
        for snapshot in ordered {
            let wanted = request.limit.min(MAX_LIMIT) - page.hits.len();
            let keep = if wanted == 0 {
                0
            } else {
                wanted.saturating_add(usize::try_from(offset).unwrap_or(usize::MAX))
            };
            let Counted { count, kept } = prepared.run(
                snapshot,
                &Page {
                    keep,
                    newest_first: request.newest_first,
                },
            )?;
            page.total += count;
            let skipped = offset.min(count);
            offset -= skipped;
            let mut stores = Stores::new(&snapshot.searcher);
            for (_, address) in kept.into_iter().skip(skipped as usize).take(wanted) {
                page.hits.push(stores.hit(address, &snapshot.dictionary)?);
            }
        }
        Ok(page)
    }

    fn histogram(
        &self,
        request: &SearchRequest,
        step: Duration,
    ) -> Result<Vec<HistogramBucket>, SearchError> {
        let prepared = self.prepare(request)?;
        let step = step.max(Duration::from_nanos(1));
        let mut counts: BTreeMap<Time, u64> = BTreeMap::new();
        for snapshot in &prepared.snapshots {
            for (start, count) in prepared.run(snapshot, &Histogram { step })? {
                *counts.entry(start).or_default() += count;
            }
        }
        let first = request
            .from
            .map(|from| from.floor(step))
            .or(counts.keys().next().copied());
        let last = request
            .to
            .map(|to| (to - Duration::from_nanos(1)).floor(step))
            .or(counts.keys().next_back().copied());
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Vec::new());
        };
        if last < first {
            return Ok(Vec::new());
        }
        let buckets = last.since(first).as_nanos() / step.as_nanos() + 1;
        if buckets > u128::from(MAX_BUCKETS) {
            return Err(SearchError::Syntax {
                message: format!(
                    "the time range holds {buckets} intervals of {step:?}, of which at most \
                     {MAX_BUCKETS} are counted at once: choose longer ones"
                ),
                position: 1,
            });
        }
        let mut filled = Vec::with_capacity(buckets as usize);
        let mut start = first;
        for _ in 0..buckets {
            filled.push(HistogramBucket {
                start,
                count: counts.get(&start).copied().unwrap_or(0),
            });
            start = start + step;
        }
        Ok(filled)
    }

    fn facets(
        &self,
        request: &SearchRequest,
        field: &str,
        limit: usize,
    ) -> Result<Vec<FacetCount>, SearchError> {
        let facet = FieldName::of(field)
            .facet()
            .ok_or_else(|| SearchError::UnknownField {
                field: field.to_owned(),
                known: fields::known(),
            })?;
        let prepared = self.prepare(request)?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for snapshot in &prepared.snapshots {
            match &facet {
                Facet::Column { name, value } => {
                    let numbers = prepared.run(snapshot, &NumberCounts { column: name })?;
                    let dictionary = snapshot
                        .dictionary
                        .read()
                        .unwrap_or_else(PoisonError::into_inner);
                    for (number, count) in numbers {
                        if let Some(value) = value(&dictionary, number) {
                            *counts.entry(value).or_default() += count;
                        }
                    }
                }
                Facet::Stored(value) => {
                    let documents = prepared.run(snapshot, &tantivy::collector::DocSetCollector)?;
                    let mut documents: Vec<_> = documents.into_iter().collect();
                    documents.sort_unstable();
                    let mut stores = Stores::new(&snapshot.searcher);
                    for address in documents {
                        for value in value(&stores.stored(address)?) {
                            *counts.entry(value).or_default() += 1;
                        }
                    }
                }
            }
        }
        let mut counts: Vec<FacetCount> = counts
            .into_iter()
            .map(|(value, count)| FacetCount { value, count })
            .collect();
        // Stable: equal counts stay in the order of their values.
        counts.sort_by_key(|facet| std::cmp::Reverse(facet.count));
        counts.truncate(limit);
        Ok(counts)
    }
}
