//! One side's evidence of one step of a journey.
//!
//! The pipeline makes one of each span, of each log record that tells how long something took or
//! that carries ids, and `diagnose` assembles journeys from them. A [`Call`](crate::Call) is what an
//! Api's health is judged by; a hop is where a request was, and when.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{ApiKey, CallSource, Name, Outcome, SpanId, SpanKind, Time, TraceId, Workload};

/// Whom a hop went to, as its own side names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peer {
    /// A service or an address.
    Service(Name),
    Database(Name),
    Queue(Name),
}

/// A finished step, as one side of it tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    pub source: CallSource,
    /// [`SpanKind::Server`] and [`SpanKind::Consumer`] served something, [`SpanKind::Client`] and
    /// [`SpanKind::Producer`] asked for something; [`SpanKind::Internal`] from a log is a record
    /// that carries ids and tells of no request's end.
    pub role: SpanKind,
    pub workload: Workload,
    /// Replica; empty when unknown.
    pub instance: Name,
    pub version: Option<Name>,
    /// What was served.
    pub api: Option<Arc<ApiKey>>,
    /// What was asked for, in the words of who asked: of few different values.
    pub operation: Name,
    pub peer: Option<Peer>,
    pub trace: Option<TraceId>,
    pub span: Option<SpanId>,
    pub parent: Option<SpanId>,
    /// Spans that this one follows from, mostly of other traces.
    pub links: SmallVec<[(TraceId, SpanId); 1]>,
    /// A request's or correlation id.
    pub request: Option<Name>,
    pub client: Option<Name>,
    /// By its own, possibly wrong, clock.
    pub start: Time,
    pub duration: Duration,
    /// How much later than written it may have been: a second, when only seconds are written.
    pub precision: Duration,
    pub outcome: Outcome,
    /// It says of itself that it is not the first attempt.
    pub resent: bool,
}

impl Hop {
    pub fn end(&self) -> Time {
        self.start + self.duration
    }
}
