//! Which services each request really passed: the truth about journeys.
//!
//! On its way a request carries a header that no service logs: the journey, and the passage that
//! asked. Only when somebody wants to know ([`Sink::passages`](crate::telemetry::sink::Sink)).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Moment;

/// `{journey}-{passage}`, both decimal.
pub const PASSAGE: HeaderName = HeaderName::from_static("x-sim-passage");

/// One request or message that one replica dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    pub id: u64,
    /// The first passage of it.
    pub journey: u64,
    /// The passage that asked for this one; none for a client's request.
    pub parent: Option<u64>,
    pub service: String,
    pub environment: String,
    pub instance: String,
    /// As the topology names it; empty when there is no such route.
    pub route: String,
    /// Whether it took a message from a queue.
    pub consumed: bool,
    /// By the platform's true clock.
    pub start: Moment,
    pub end: Moment,
    /// Its span, when it exports any.
    pub span: Option<[u8; 8]>,
    /// The request's id, when it knows one.
    pub request: Option<Arc<str>>,
}

/// All that were finished since the last time.
#[derive(Debug, Default)]
pub struct Passages {
    next: AtomicU64,
    finished: Mutex<Vec<Passage>>,
}

/// A passage that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Underway {
    pub(crate) id: u64,
    pub(crate) journey: u64,
    pub(crate) parent: Option<u64>,
}

impl Passages {
    pub fn take(&self) -> Vec<Passage> {
        std::mem::take(&mut self.finished.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn begin(&self, headers: &HeaderMap) -> Underway {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = headers.get(PASSAGE).and_then(|value| {
            let (journey, parent) = value.to_str().ok()?.split_once('-')?;
            Some((journey.parse().ok()?, parent.parse().ok()?))
        });
        Underway {
            id,
            journey: asked.map_or(id, |(journey, _)| journey),
            parent: asked.map(|(_, parent)| parent),
        }
    }

    pub(crate) fn end(&self, passage: Passage) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push(passage);
    }
}

impl Underway {
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(format!("{}-{}", self.journey, self.id))
            .unwrap_or(HeaderValue::from_static(""))
    }
}
