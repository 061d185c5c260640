//! Journeys: which hops belong to one request, what kinds of journeys there are, and how they fare.
//!
//! Fed by the engine with every hop that the pipeline tells of. Hops with ids are gathered by their
//! ids ([`flights`]); hops without are fitted together by time and by who calls whom ([`loose`]).
//! A journey that is over becomes a tree ([`tree`]) and is counted: by its type ([`kinds`]), in the
//! graph of calls ([`graph`]), for the clocks ([`skew`]). All goes by the hops' own time, and the
//! same hops in the same order give the same journeys.

mod critical;
mod fares;
mod finished;
mod flights;
mod graph;
mod kinds;
mod loose;
mod names;
mod needs;
mod part;
mod skew;
mod steps;
#[cfg(test)]
mod tests;
mod tree;
mod twins;
mod users;
mod view;
mod waits;
mod wishes;

use std::collections::VecDeque;
use std::time::Duration;

use monitor_core::{
    ApiKey, CallSource, Hop, JourneyCounts, JourneyTypeId, JourneyWish, SpanKind, Time, TraceId,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use finished::{Journey, Stop};
pub use steps::counts::{StepCounts, StepTrouble};
pub use users::{Exposed, TypeHops};

use flights::{Flight, Flights, Put};
use graph::Graph;
use kinds::Kinds;
use loose::Loose;
use names::{NONE, Names};
use part::{Part, large, small};
use skew::Skews;
use tree::Tree;
use twins::Twins;
use waits::Waits;
use wishes::Wishes;

/// Finished journeys that wait for someone to take them; the oldest go first.
const FINISHED: usize = 4_096;
/// A journey's hop lasts no longer, as far as time goes on by it.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Nanoseconds: clocks are not compared by logs that are less exact.
const PRECISE: i64 = 100_000_000;
/// Logs of one journey that clocks are compared by.
const HINTS: usize = 16;
/// Links followed of one hop: a batch may have thousands.
const MAX_LINKS: usize = 32;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Journeys {
    names: Names,
    flights: Flights,
    loose: Loose,
    twins: Twins,
    skews: Skews,
    kinds: Kinds,
    graph: Graph,
    waits: Waits,
    /// The newest second that a hop told of.
    second: i64,
    counts: JourneyCounts,
    #[serde(skip)]
    finished: VecDeque<Journey>,
    #[serde(skip)]
    keeps: bool,
    /// Given anew after a restart.
    #[serde(skip)]
    wishes: Wishes,
}

impl Journeys {
    /// Builds what a snapshot does not hold.
    pub fn reindex(&mut self) {
        self.names.reindex();
        self.flights.reindex();
        self.loose.reindex();
    }

    /// What people call types, and which of them they count as one.
    pub fn configure(&mut self, wishes: &[JourneyWish]) {
        self.wishes = Wishes::new(wishes);
    }

    /// From now on [`Journeys::take_finished`] has something to take.
    pub fn keep_finished(&mut self) {
        self.keeps = true;
    }

    /// Those that ended since this was last asked, as they ended.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Journey> {
        self.finished.drain(..)
    }

    /// Takes one hop. O(1), and O(n log n) in the hops of a journey that is over by it.
    pub fn see(&mut self, hop: &Hop) {
        self.counts.hops += 1;
        let part = Part::of(hop, self.counts.hops, &mut self.names);
        self.graph.hear(hop, &part);
        // A span that claims to have lasted for years does not take the others there.
        self.advance(hop.end().min(hop.start + LONGEST).as_secs());
        let keys = keys_of(hop);
        if keys.is_empty() {
            if !part.is_mention() && !self.loose.put(part) {
                self.counts.unplaced += 1;
            }
            return;
        }
        self.loose.speaks_with_ids(&part);
        self.twins.see(&part, hop.trace.as_ref().map(key_of));
        let origin = hop.client.as_deref().map_or(part.node, small);
        self.follow_links(hop, part, origin);
        self.put(&keys, Some(part), hop.trace.is_some(), origin);
        if let Some(key) = keys.first()
            && part.asks()
        {
            self.loose.expect(*key, part, &self.names);
        }
    }

    /// A link to one other journey joins the two; of a batch, each of the others has the batch as
    /// its next hop.
    fn follow_links(&mut self, hop: &Hop, part: Part, origin: u32) {
        let others = || {
            hop.links
                .iter()
                .filter(|(trace, _)| Some(*trace) != hop.trace)
                .take(MAX_LINKS)
        };
        if others().count() == 1
            && let (Some(own), Some((trace, _))) = (hop.trace, others().next())
        {
            self.put(&[key_of(&own), key_of(trace)], None, true, origin);
            return;
        }
        for (trace, span) in others() {
            let shared = Part {
                parent: u64::from_be_bytes(*span.as_bytes()),
                ..part
            };
            // Without its trace it would only be the batch again.
            if self.flights.has(key_of(trace)) {
                self.put(&[key_of(trace)], Some(shared), true, origin);
            }
        }
    }

    fn put(&mut self, keys: &[u128], part: Option<Part>, is_trace: bool, origin: u32) {
        let evicted = &mut self.counts.evicted;
        match (self.flights).put(keys, part, is_trace, origin, self.second, evicted) {
            Put::Taken => {}
            Put::Late => self.counts.late += 1,
            Put::Crowded => self.counts.crowded += 1,
        }
    }

    /// Nothing came until `now`.
    pub fn pass(&mut self, now: Time) {
        self.advance(now.as_secs());
    }

    /// All that is in flight is over: the end of a recording.
    pub fn finish(&mut self) {
        let end = self.second + flights::QUIET_QUEUED + 1;
        self.advance(end);
    }

    fn advance(&mut self, second: i64) {
        if second <= self.second {
            return;
        }
        self.second = second;
        for (key, parts) in self.loose.settle(second, &self.names, &mut self.skews) {
            match key {
                Some(key) => {
                    for part in parts {
                        self.put(&[key], Some(part), false, part.node);
                    }
                }
                None => {
                    self.counts.inferred += 1;
                    self.conclude(parts, None);
                }
            }
        }
        self.join_twins(second);
        let mut over: Vec<Flight> = Vec::new();
        self.flights.over(second, &mut over);
        for flight in over {
            let trace = flight
                .is_trace
                .then(|| flight.keys.first().and_then(trace_of))
                .flatten();
            self.conclude(flight.parts, trace);
        }
    }

    /// Journeys without a trace join the one whose requests they tell of again.
    fn join_twins(&mut self, second: i64) {
        for key in self.flights.apart(second) {
            let Some(flight) = self.flights.get(key) else {
                continue;
            };
            let known = |trace| Some(self.flights.get(trace)?.parts.as_slice());
            let ahead = self.skews.ahead();
            let Some(found) = self.twins.find(&flight.parts, &self.names, ahead, known) else {
                continue;
            };
            if self.flights.has(found.trace) {
                self.flights.doubt(key, found.sure);
                self.flights.join(found.trace, key);
            } else {
                // What it tells of is over.
                self.counts.late += self.flights.drop_all_of(key);
            }
        }
    }

    fn conclude(&mut self, parts: Vec<Part>, trace: Option<TraceId>) {
        self.hint_clocks(&parts);
        let tree = Tree::of(parts, &self.names, self.skews.ahead());
        self.counts.duplicated += u64::from(tree.repeated);
        if tree.is_empty() {
            return;
        }
        self.counts.journeys += 1;
        self.measure_clocks(&tree);
        self.graph.add(&tree, &self.names);
        let confidence = tree.steps.iter().map(|step| step.part.confidence).product();
        let heard = self.second.saturating_mul(1_000_000_000);
        self.waits.count(&tree);
        let found = self.kinds.add(&tree, &self.names, confidence, heard);
        if self.keeps {
            if self.finished.len() >= FINISHED {
                self.finished.pop_front();
            }
            let kind = found.map(|kind| self.shown(self.kinds.kinds[kind as usize].id));
            let journey = finished::journey(&tree, &self.names, trace, kind, confidence);
            self.finished.push_back(journey);
        }
    }

    /// Of a journey told by logs alone, what its parts say of the clocks.
    fn hint_clocks(&mut self, parts: &[Part]) {
        let served: SmallVec<[&Part; 8]> = parts
            .iter()
            .filter(|part| {
                part.role == SpanKind::Server
                    && part.source == CallSource::Log
                    && part.confidence >= 1.0
                    && part.blur() < PRECISE
            })
            .take(HINTS)
            .collect();
        if served.len() < 2 || parts.iter().any(|part| part.source == CallSource::Span) {
            return;
        }
        for (place, one) in served.iter().enumerate() {
            for other in &served[place + 1..] {
                let (outer, inner) = if one.length() >= other.length() {
                    (one, other)
                } else {
                    (other, one)
                };
                let ends = (self.names.home(outer.node), self.names.home(inner.node));
                if ends.0 != ends.1 && ends.0 != NONE && ends.1 != NONE {
                    let (outer, inner) = ((outer.start, outer.end), (inner.start, inner.end));
                    self.skews.hint(ends.0, ends.1, outer, inner);
                }
            }
        }
    }

    /// Every call across environments that both sides told of, as their own clocks had it.
    fn measure_clocks(&mut self, tree: &Tree) {
        for step in &tree.steps {
            let Some(above) = step.parent.map(|parent| &tree.steps[parent].part) else {
                continue;
            };
            let part = &step.part;
            let both = (above.role, part.role) == (SpanKind::Client, SpanKind::Server);
            // Inferred ones were found by means of the clocks.
            if !both || part.confidence < 1.0 || part.source != CallSource::Span {
                continue;
            }
            let ends = (self.names.home(above.node), self.names.home(part.node));
            if ends.0 == ends.1 || ends.0 == NONE || ends.1 == NONE {
                continue;
            }
            let raw = |part: &Part, end: u32| {
                let ahead = self.skews.ahead().get(end as usize).copied().unwrap_or(0);
                (part.start + ahead, part.end + ahead)
            };
            let (asked, served) = (raw(above, ends.0), raw(part, ends.1));
            self.skews.pair(ends.0, ends.1, asked, served);
        }
    }

    /// How many hops in flight there are, and what became of the others.
    pub fn counts(&self) -> JourneyCounts {
        JourneyCounts {
            in_flight: self.flights.len() as u64,
            types: self.kinds.len() as u64,
            ..self.counts
        }
    }

    /// Of each Api of which enough calls are known, those that it waits for, by itself or through others,
    /// with the share of its calls that do. O(Apis · those that each waits for).
    pub fn waits(&self) -> impl Iterator<Item = (&ApiKey, Vec<(&ApiKey, f64)>)> {
        self.waits.shares(&self.names)
    }

    /// The types whose journeys pass a workload, with the share that does.
    pub fn through(&self, workload: &monitor_core::Workload) -> Vec<(JourneyTypeId, f64)> {
        view::through(self, workload)
    }
}

fn keys_of(hop: &Hop) -> SmallVec<[u128; 2]> {
    let mut keys = SmallVec::new();
    keys.extend(hop.trace.as_ref().map(key_of));
    if let Some(request) = &hop.request {
        // Some make one id serve as both.
        let key = request
            .parse::<TraceId>()
            .map_or_else(|_| large(request), |id| key_of(&id));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn key_of(trace: &TraceId) -> u128 {
    u128::from_be_bytes(*trace.as_bytes())
}

fn trace_of(key: &u128) -> Option<TraceId> {
    TraceId::new(key.to_be_bytes())
}
