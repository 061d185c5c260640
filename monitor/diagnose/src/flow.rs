//! What calls between workloads were like since an incident began, beside what they usually are.
//!
//! The engine measures (it sees every span), the ranking of suspects reads: here are only the
//! numbers that go from one to the other.

use std::collections::BTreeMap;

use monitor_core::{Callee, Workload};

/// One number now, as it usually is, and by how much it usually differs from that between one
/// stretch of some seconds and the next (mean absolute deviation).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Level {
    pub usual: f64,
    pub now: f64,
    pub spread: f64,
}

impl Level {
    /// What is above the usual and its usual differences, and at least a tenth of the usual.
    pub fn rise(self) -> f64 {
        let noise = (3.0 * self.spread).max(0.1 * self.usual);
        let more = self.now - self.usual;
        if more > noise { more } else { 0.0 }
    }

    /// By how many times it grew; 1 when nothing is known of it.
    pub fn ratio(self) -> f64 {
        if self.usual > 0.0 {
            self.now / self.usual
        } else {
            1.0
        }
    }
}

/// What a workload did. Times are in seconds for each call, shares of calls from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeFlow {
    /// Calls seen since the incident began.
    pub calls: f64,
    /// Calls a second.
    pub rate: Level,
    /// Its time for a call, without waiting for other workloads; what it waits for its databases
    /// is in here.
    pub own: Level,
    /// Of this, for its databases and others that send nothing themselves.
    pub stores: Level,
    /// Share of its calls that failed or were refused.
    pub bad: Level,
    /// Failed or refused calls a second, without those of which a call of its own had failed.
    pub own_bad: Level,
}

/// What went from one to another, as both ends have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EdgeFlow {
    pub calls: f64,
    /// Calls a second.
    pub rate: Level,
    /// What its caller waited for a call.
    pub took: Level,
    /// What its callee worked on a call.
    pub served: Level,
    /// The difference.
    pub wire: Level,
    /// Share of calls that failed or were refused, as the caller has it …
    pub bad: Level,
    /// … and as the callee has it, of those that reached it.
    pub served_bad: Level,
    /// Share of calls of which the callee says nothing.
    pub unserved: Level,
    /// Share of calls that ended in a bad answer, as the caller has it; the others that failed had
    /// none.
    pub refused: Level,
}

/// Of an incident's surroundings. What is not known well enough to be compared is not in here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flows {
    pub nodes: BTreeMap<Workload, NodeFlow>,
    pub edges: BTreeMap<(Workload, Callee), EdgeFlow>,
}

impl Flows {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.edges.is_empty()
    }

    /// Edges to a workload, with their callers.
    pub fn into<'a>(
        &'a self,
        callee: &'a Workload,
    ) -> impl Iterator<Item = (&'a Workload, &'a EdgeFlow)> {
        self.edges
            .iter()
            .filter_map(move |((caller, peer), flow)| match peer {
                Callee::Workload(known) if known == callee => Some((caller, flow)),
                _ => None,
            })
    }

    /// Edges from a workload.
    pub fn from<'a>(
        &'a self,
        caller: &'a Workload,
    ) -> impl Iterator<Item = (&'a Callee, &'a EdgeFlow)> {
        // Of the keys of one caller, those to workloads come first.
        self.edges
            .iter()
            .filter(move |((known, _), _)| known == caller)
            .map(|((_, peer), flow)| (peer, flow))
    }
}
