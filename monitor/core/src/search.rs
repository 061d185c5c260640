//! The port through which stored records are searched.
//!
//! Here because its consumers (`serve`, the command line, the replay report) must not know what
//! index answers.

use std::sync::Arc;

use crate::{Kind, Name, ServiceKey, Severity, SpanId, Time, TraceId, Value};

/// A query in the search language, and which part of the answer is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    /// `service:cart AND status:>=500 "connection refused"`; empty matches everything.
    pub query: String,
    /// Inclusive.
    pub from: Option<Time>,
    /// Exclusive.
    pub to: Option<Time>,
    pub limit: usize,
    /// Records to pass over, for paging.
    pub offset: usize,
    pub newest_first: bool,
}

impl Default for SearchRequest {
    fn default() -> SearchRequest {
        SearchRequest {
            query: String::new(),
            from: None,
            to: None,
            limit: 100,
            offset: 0,
            newest_first: true,
        }
    }
}

/// One stored record, as a search returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Names the record for good: where in the write-ahead log it was acknowledged.
    pub id: RecordId,
    pub kind: Kind,
    pub time: Time,
    pub service: ServiceKey,
    pub environment: Name,
    pub instance: Name,
    pub severity: Option<Severity>,
    pub format: Option<Name>,
    /// As it arrived, redactions apart.
    pub text: String,
    pub template: Option<String>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub attributes: Vec<(Name, Value)>,
}

/// The batch's sequence number in the write-ahead log, and the item's place in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    pub batch: u64,
    pub item: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    pub hits: Vec<Hit>,
    /// All that match, not only those on this page.
    pub total: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistogramBucket {
    pub start: Time,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FacetCount {
    pub value: String,
    pub count: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The person's mistake: the message says what and where.
    #[error("query: {message} at character {position}")]
    Syntax { message: String, position: usize },
    #[error("cannot search by `{field}`: fields are {known}")]
    UnknownField { field: String, known: String },
    #[error("the log index could not answer")]
    Index(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Answers from everything committed so far. Calls block: run them off the async runtime.
pub trait LogSearch: Send + Sync + std::fmt::Debug {
    fn search(&self, request: &SearchRequest) -> Result<SearchPage, SearchError>;

    /// Counts per interval of `step`, empty intervals included, at most 10 000 of them.
    fn histogram(
        &self,
        request: &SearchRequest,
        step: std::time::Duration,
    ) -> Result<Vec<HistogramBucket>, SearchError>;

    /// The most frequent values of `field` among the matching records.
    fn facets(
        &self,
        request: &SearchRequest,
        field: &str,
        limit: usize,
    ) -> Result<Vec<FacetCount>, SearchError>;
}

/// A shared handle to whatever index is in use.
pub type SharedSearch = Arc<dyn LogSearch>;
