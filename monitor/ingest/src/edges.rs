//! Who calls whom, learned from spans and from what records say of the other side.
//!
//! Called by the pipeline with every record. Three kinds of evidence: a span whose parent is a span
//! of another service, whichever of the two comes first; a client's span that names its peer, for
//! services that export no spans; and a record that names its caller, its callee, or the queue that it
//! takes from. Says so once for each pair in some seconds, and tells of each call, as each end's span has it, who waited how long
//! for whom; what edges are good for is the engine's part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    CallEnd, CallFacts, CallStatus, Callee, EdgeCounts, Name, Observation, Outcome, Record,
    Resource, Side, SpanId, SpanKind, Time, TraceId, Workload,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::calls::attribute;

mod halves;
mod queues;

use halves::Halves;
use queues::Queues;

/// Workloads told apart; records of more are counted and draw no edges.
const MAX_WORKLOADS: usize = 10_000;
/// Pairs remembered as told; beyond, all are told once more.
const MAX_PAIRS: usize = 65_536;
/// A pair is told again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// Attributes by which a client's span names a database or a queue, best first.
const STORE: [&str; 4] = ["db.namespace", "db.name", "db.system.name", "db.system"];
/// Attributes by which a producer's span names the queue.
const QUEUE: [&str; 2] = [
    "messaging.destination.template",
    "messaging.destination.name",
];
/// Attributes by which a client's span names whom it called, best first; `peer.service` and its
/// like are among the record's facts already.
const PEER: [&str; 2] = ["server.address", "net.peer.name"];

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Edges {
    workloads: Vec<Workload>,
    #[serde(skip)]
    places: FxHashMap<Workload, Place>,
    #[serde(skip)]
    named: FxHashMap<Name, SmallVec<[Place; 2]>>,
    /// Spans seen, of which a child may still come.
    parents: Halves,
    /// By their parents' ids, spans of which the parent has not come yet.
    orphans: Halves,
    told: BTreeMap<(u32, u32), Time>,
    counts: EdgeCounts,
    queues: Queues,
}

/// A workload's number among those known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Edges {
    /// Builds what a snapshot does not hold.
    pub(crate) fn reindex(&mut self) {
        self.places.clear();
        self.named.clear();
        for (place, workload) in (0..).map(Place).zip(&self.workloads) {
            self.places.insert(workload.clone(), place);
            self.named
                .entry(workload.service.name.clone())
                .or_default()
                .push(place);
        }
    }

    pub(crate) fn counts(&self) -> EdgeCounts {
        self.counts
    }

    /// The place of whoever produced a record; `None` for the nameless, and when there are too many.
    pub(crate) fn place(&mut self, resource: &Resource) -> Option<Place> {
        if crate::pipeline::is_unnamed(&resource.service) {
            return None;
        }
        let workload = Workload {
            service: resource.service.clone(),
            environment: Arc::clone(&resource.environment.name),
        };
        if let Some(place) = self.places.get(&workload) {
            return Some(*place);
        }
        if self.workloads.len() >= MAX_WORKLOADS {
            self.counts.unplaced += 1;
            return None;
        }
        let place = Place(u32::try_from(self.workloads.len()).ok()?);
        self.workloads.push(workload.clone());
        self.named
            .entry(workload.service.name.clone())
            .or_default()
            .push(place);
        self.places.insert(workload, place);
        Some(place)
    }

    /// What a log record says of its own service's callers and callees.
    pub(crate) fn log(&mut self, home: Place, record: &Record, out: &mut Vec<Observation>) {
        let at = record.time.min(record.observed);
        if record.facts.caller.is_some() || record.facts.callee.is_some() {
            self.both_ends(home, &record.facts, at, out);
        }
        let template = record.template.as_ref();
        if let Some(template) = template.map(|matched| matched.shape.template)
            && let Some(queue) =
                self.queues
                    .taken_from(home, template.0, record.message(), record.observed)
        {
            for producer in queue.producers() {
                self.tell(producer, home, at, out);
            }
            if let Some(broker) = queue.broker() {
                self.tell(home, broker, at, out);
            }
        }
    }

    pub(crate) fn span(&mut self, home: Place, record: &Record, out: &mut Vec<Observation>) {
        let (Some((kind, duration)), Some(trace), Some(span)) =
            (record.span, record.ids.trace_id, record.ids.span_id)
        else {
            return;
        };
        // Inner spans are many, and the span by which a service calls another is not one of them.
        if kind == SpanKind::Internal {
            return;
        }
        let at = (record.time + duration).min(record.observed);
        let outcome = record.facts.status.unwrap_or(CallStatus::Unknown).outcome();
        let key = key(&trace, &span);
        while let Some(child) = self.orphans.take(key) {
            let child = Half::from_bits(child);
            self.tell(home, child.place, at, out);
            if kind == SpanKind::Client {
                self.served(home, child, at, out);
            }
        }
        let own = Half::new(home, duration, outcome, kind == SpanKind::Client);
        self.counts.forgotten += u64::from(self.parents.put(key, own.to_bits()));
        if let (SpanKind::Server | SpanKind::Consumer, Some(parent)) =
            (kind, record.ids.parent_span_id)
        {
            let parent = self::key(&trace, &parent);
            match self.parents.get(parent).map(Half::from_bits) {
                Some(caller) => {
                    self.tell(caller.place, home, at, out);
                    if caller.waits {
                        self.served(caller.place, own, at, out);
                    }
                }
                None => {
                    self.counts.forgotten += u64::from(self.orphans.put(parent, own.to_bits()));
                }
            }
        }
        match kind {
            SpanKind::Client => self.client(home, record, at, duration, outcome, out),
            SpanKind::Producer => self.producer(home, record, at, out),
            _ => {}
        }
        self.both_ends(home, &record.facts, at, out);
    }

    /// A call as its caller saw it.
    fn client(
        &mut self,
        home: Place,
        record: &Record,
        at: Time,
        took: Duration,
        outcome: Outcome,
        out: &mut Vec<Observation>,
    ) {
        let named = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| attribute(&record.attributes, name))
        };
        let said = record.facts.callee.as_deref();
        let known = said
            .or_else(|| named(&PEER))
            .and_then(|peer| self.resolve(peer, home));
        if let Some(callee) = known
            && said.is_none()
        {
            self.tell(home, callee, at, out);
        }
        let callee = match known {
            Some(callee) if callee == home => return,
            Some(callee) => Callee::Workload(self.workloads[callee.0 as usize].clone()),
            None => match named(&STORE).or(said).or_else(|| named(&PEER)) {
                Some(name) => Callee::Outside(name.into()),
                None => return,
            },
        };
        out.push(Observation::CallEnd(Box::new(CallEnd {
            caller: self.workloads[home.0 as usize].clone(),
            callee,
            side: Side::Caller,
            at,
            took,
            outcome,
            answered: record.facts.status.is_some_and(is_answer),
        })));
    }

    /// Who keeps the queue that a message went to.
    fn producer(&mut self, home: Place, record: &Record, at: Time, out: &mut Vec<Observation>) {
        let named = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| attribute(&record.attributes, name))
        };
        let broker = named(&PEER).and_then(|peer| self.resolve(peer, home));
        if let Some(broker) = broker {
            self.tell(home, broker, at, out);
        }
        if let Some(queue) = named(&QUEUE) {
            self.queues.written(queue, home, broker);
        }
    }

    /// A call as its callee saw it.
    fn served(&self, caller: Place, own: Half, at: Time, out: &mut Vec<Observation>) {
        if caller == own.place {
            return;
        }
        let workload = |place: Place| self.workloads.get(place.0 as usize).cloned();
        if let (Some(caller), Some(callee)) = (workload(caller), workload(own.place)) {
            out.push(Observation::CallEnd(Box::new(CallEnd {
                caller,
                callee: Callee::Workload(callee),
                side: Side::Callee,
                at,
                took: Duration::from_micros(own.micros.into()),
                outcome: own.outcome,
                answered: true,
            })));
        }
    }

    fn both_ends(&mut self, home: Place, facts: &CallFacts, at: Time, out: &mut Vec<Observation>) {
        if let Some(caller) = &facts.caller
            && let Some(caller) = self.resolve(caller, home)
        {
            self.tell(caller, home, at, out);
        }
        if let Some(callee) = &facts.callee
            && let Some(callee) = self.resolve(callee, home)
        {
            self.tell(home, callee, at, out);
        }
    }

    /// The known workload that a name or address means to `home`: the one whose service's name is
    /// its first label. Of several, the one nearest to `home`, if one is.
    fn resolve(&self, peer: &str, home: Place) -> Option<Place> {
        let label = peer.split(['.', ':', '/']).next()?;
        let known = self.named.get(label)?;
        if let [only] = known.as_slice() {
            return Some(*only);
        }
        let home = &self.workloads[home.0 as usize];
        let mut near = known
            .iter()
            .copied()
            .filter(|place| self.workloads[place.0 as usize].environment == home.environment);
        let (first, second) = (near.next()?, near.next());
        if second.is_none() {
            return Some(first);
        }
        known.iter().copied().find(|place| {
            let workload = &self.workloads[place.0 as usize];
            workload.environment == home.environment
                && workload.service.namespace == home.service.namespace
        })
    }

    fn tell(&mut self, caller: Place, callee: Place, at: Time, out: &mut Vec<Observation>) {
        if caller == callee {
            return;
        }
        let pair = (caller.0, callee.0);
        match self.told.get_mut(&pair) {
            Some(last) if at.since(*last) < AGAIN => return,
            Some(last) => *last = at,
            None => {
                if self.told.len() >= MAX_PAIRS {
                    self.told.clear();
                }
                self.told.insert(pair, at);
            }
        }
        self.counts.told += 1;
        out.push(Observation::Edge {
            caller: self.workloads[caller.0 as usize].clone(),
            callee: self.workloads[callee.0 as usize].clone(),
            at,
        });
    }
}

/// One end of a call, as it waits for the other: in 64 bits, of which 32 hold the duration in
/// microseconds (71 minutes at most).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Half {
    place: Place,
    micros: u32,
    outcome: Outcome,
    /// It is the span of a client, which waits for its child.
    waits: bool,
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Ok,
    Outcome::ClientError,
    Outcome::Throttled,
    Outcome::ServerError,
];
/// Of 64 bits, the lowest name the workload, the next two the outcome, one whether it waits.
const PLACE_BITS: u32 = 29;

impl Half {
    fn new(place: Place, took: Duration, outcome: Outcome, waits: bool) -> Half {
        Half {
            place,
            micros: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            outcome,
            waits,
        }
    }

    fn to_bits(self) -> u64 {
        let outcome = OUTCOMES
            .iter()
            .zip(0u64..)
            .find_map(|(known, at)| (*known == self.outcome).then_some(at))
            .unwrap_or_default();
        u64::from(self.place.0)
            | outcome << PLACE_BITS
            | u64::from(self.waits) << (PLACE_BITS + 2)
            | u64::from(self.micros) << 32
    }

    fn from_bits(bits: u64) -> Half {
        Half {
            place: Place((bits & ((1 << PLACE_BITS) - 1)) as u32),
            micros: (bits >> 32) as u32,
            outcome: OUTCOMES[(bits >> PLACE_BITS & 3) as usize],
            waits: bits >> (PLACE_BITS + 2) & 1 == 1,
        }
    }
}

/// Statuses that the caller's own library sets when nobody answers it: gRPC's CANCELLED,
/// DEADLINE_EXCEEDED and UNAVAILABLE are not told apart from a server's.
fn is_answer(status: CallStatus) -> bool {
    match status {
        CallStatus::Http(_) => true,
        CallStatus::Grpc(code) => !matches!(code, 1 | 4 | 14),
        _ => false,
    }
}

/// Span ids are unique within their trace only.
fn key(trace: &TraceId, span: &SpanId) -> u64 {
    let (_, low) = trace.as_bytes().split_at(8);
    let low = <[u8; 8]>::try_from(low).map_or(0, u64::from_be_bytes);
    u64::from_be_bytes(*span.as_bytes()) ^ low.rotate_left(32)
}
