//! How often the API was asked, by whom and for what: tests and benchmarks count with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// Requests over HTTP since the start. Those of the same process are not counted: they cost nothing
/// that a real cluster would feel.
#[derive(Debug, Default)]
pub struct Requests {
    /// Contended once per request, for an addition.
    counts: Mutex<BTreeMap<Request, u64>>,
}

/// What requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    pub group: String,
    /// Empty for what is no resource: discovery, health.
    pub resource: String,
    pub subresource: String,
    pub code: u16,
}

/// Kinds of requests that are told apart at most; unknown resources of bad clients are no reason to
/// grow.
const MOST: usize = 20_000;

impl Requests {
    pub(crate) fn count(&self, request: Request) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MOST || counts.contains_key(&request) {
            *counts.entry(request).or_default() += 1;
        }
    }

    /// How many there were of those that are meant. Watches count when they begin.
    pub fn total(&self, meant: impl Fn(&Request) -> bool) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .filter(|(request, _)| meant(request))
            .map(|(_, count)| count)
            .sum()
    }

    /// All counts, in order.
    pub fn snapshot(&self) -> BTreeMap<Request, u64> {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// In Prometheus' text format, with the API server's own names; users are added up.
    pub(crate) fn metrics(&self) -> String {
        let mut by_kind: BTreeMap<(String, String, String, String, u16), u64> = BTreeMap::new();
        for (request, count) in self.snapshot() {
            let Request {
                verb,
                group,
                resource,
                subresource,
                code,
                ..
            } = request;
            *by_kind
                .entry((verb.to_uppercase(), group, resource, subresource, code))
                .or_default() += count;
        }
        let mut text = String::from(
            "# HELP apiserver_request_total Counter of apiserver requests.\n\
             # TYPE apiserver_request_total counter\n",
        );
        for ((verb, group, resource, subresource, code), count) in by_kind {
            writeln!(
                text,
                "apiserver_request_total{{verb=\"{verb}\",group=\"{group}\",resource=\"{resource}\",\
                 subresource=\"{subresource}\",code=\"{code}\"}} {count}"
            )
            .expect("writing to a text cannot fail");
        }
        text
    }
}
