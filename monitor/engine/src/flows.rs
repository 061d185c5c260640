//! What goes from one workload to another, second by second: for whoever looks for a cause.
//!
//! Spans of both ends of a call are summed into stretches of some seconds, kept for two minutes.
//! What leaves that memory becomes part of the usual, unless its workload was in an incident meanwhile:
//! incidents begin before they are known, and many are over before what they did leaves it. So what an
//! incident is compared with is what was usual before it. Sums are of integers: the order in which spans
//! arrive decides nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monitor_core::{
    Call, CallEnd, CallSource, Callee, Name, Outcome, ServiceKey, Side, Time, Workload,
};
use monitor_diagnose::{EdgeFlow, Flows, Level, NodeFlow};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::places::Places;

/// Workloads and pairs of them that are told apart; of more nothing is known here.
const MAX_NODES: usize = 10_000;
const MAX_EDGES: usize = 16_384;
/// Seconds of a stretch, and stretches that are kept.
const STRETCH: i64 = 5;
const KEPT: i64 = 24;
/// The usual forgets half of what it knew in ten minutes.
const KEEP_SHARE: f64 = 0.9942;
/// Stretches before something is usual.
const FEWEST: f64 = 6.0;

/// Sums over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sum {
    calls: u64,
    /// Failed or refused.
    bad: u64,
    micros: u64,
}

impl Sum {
    fn add(&mut self, micros: u64, outcome: Outcome) {
        self.calls += 1;
        self.bad += u64::from(outcome != Outcome::Ok);
        self.micros = self.micros.saturating_add(micros);
    }

    fn merge(&mut self, other: &Sum) {
        self.calls += other.calls;
        self.bad += other.bad;
        self.micros = self.micros.saturating_add(other.micros);
    }
}

/// Of a node: its own calls, those it made of workloads, those it made of others.
/// Of an edge: as its caller has it, as its callee has it, what its caller was answered.
type Sums = [Sum; 3];

/// What one second brought, by place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowBucket {
    nodes: BTreeMap<u32, Sums>,
    edges: BTreeMap<u32, Sums>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FlowBook {
    node_places: Places<(ServiceKey, Name)>,
    edge_places: Places<(Workload, Callee)>,
    nodes: Vec<Track>,
    edges: Vec<Track>,
    /// By workload's place, its edges, those from it first.
    #[serde(skip)]
    around: FxHashMap<Workload, Vec<u32>>,
    /// The stretch that is being filled.
    stretch: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Track {
    recent: VecDeque<(i64, Sums)>,
    usual: Usual,
    first: Option<i64>,
    /// The stretch up to which nothing becomes usual.
    doubted: Option<i64>,
}

/// Means over stretches, of late ones more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    weight: f64,
    calls: [f64; 3],
    bad: [f64; 3],
    seconds: [f64; 3],
    /// How far numbers of one stretch are from these, on average, and of how many that is.
    spread: [f64; 4],
    spread_weight: f64,
}

impl FlowBook {
    pub(crate) fn reindex(&mut self) {
        self.node_places.reindex();
        self.edge_places.reindex();
        self.around.clear();
        for place in 0..self.edges.len() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            self.index(place);
        }
    }

    fn index(&mut self, place: u32) {
        let (caller, callee) = self.edge_places.key(place).clone();
        if let Callee::Workload(callee) = callee {
            self.around.entry(callee).or_default().push(place);
        }
        self.around.entry(caller).or_default().push(place);
    }

    pub(crate) fn call(&mut self, call: &Call, bucket: &mut FlowBucket) {
        let (CallSource::Span, Some(took)) = (call.source, call.duration) else {
            return;
        };
        let key = (call.api.service.clone(), call.api.environment.clone());
        if let Some(place) = self.node(key) {
            bucket.nodes.entry(place).or_default()[0].add(micros(took), call.status.outcome());
        }
    }

    pub(crate) fn end(&mut self, end: &CallEnd, bucket: &mut FlowBucket) {
        let key = (end.caller.clone(), end.callee.clone());
        let known = self.edges.len();
        let Some(place) = self.edge_places.place(&key, MAX_EDGES, || key.clone()) else {
            return;
        };
        if place as usize >= known {
            self.edges.push(Track::default());
            self.index(place);
        }
        let took = micros(end.took);
        let side = usize::from(end.side == Side::Callee);
        let sums = bucket.edges.entry(place).or_default();
        sums[side].add(took, end.outcome);
        if end.side == Side::Caller && end.answered {
            sums[2].add(took, end.outcome);
        }
        if end.side == Side::Caller {
            let inside = matches!(end.callee, Callee::Workload(_));
            let key = (end.caller.service.clone(), end.caller.environment.clone());
            if let Some(place) = self.node(key) {
                let part = if inside { 1 } else { 2 };
                bucket.nodes.entry(place).or_default()[part].add(took, end.outcome);
            }
        }
    }

    fn node(&mut self, key: (ServiceKey, Name)) -> Option<u32> {
        let place = self.node_places.place(&key, MAX_NODES, || key.clone())?;
        if place as usize >= self.nodes.len() {
            self.nodes.push(Track::default());
        }
        Some(place)
    }

    /// Takes a judged second over. `held` are in incidents: nothing is learned of them.
    pub(crate) fn step(&mut self, second: i64, bucket: &FlowBucket, held: &BTreeSet<Workload>) {
        let stretch = second.div_euclid(STRETCH);
        if self.stretch.is_some_and(|known| stretch > known) {
            self.learn(stretch, held);
        }
        self.stretch = self.stretch.max(Some(stretch));
        for (tracks, sums) in [
            (&mut self.nodes, &bucket.nodes),
            (&mut self.edges, &bucket.edges),
        ] {
            for (place, sums) in sums {
                if let Some(track) = tracks.get_mut(*place as usize) {
                    track.add(stretch, sums);
                }
            }
        }
    }

    fn learn(&mut self, stretch: i64, held: &BTreeSet<Workload>) {
        let oldest = stretch - KEPT;
        for (place, track) in (0u32..).zip(&mut self.nodes) {
            let (service, environment) = self.node_places.key(place);
            let is_held = !held.is_empty()
                && held.contains(&Workload {
                    service: service.clone(),
                    environment: environment.clone(),
                });
            track.forget(oldest, is_held, node_numbers);
        }
        for (place, track) in (0u32..).zip(&mut self.edges) {
            let (caller, callee) = self.edge_places.key(place);
            let is_held = held.contains(caller)
                || matches!(callee, Callee::Workload(callee) if held.contains(callee));
            track.forget(oldest, is_held, edge_numbers);
        }
    }

    /// Nothing was seen until `second`: what is kept is as old as it was.
    pub(crate) fn skip(&mut self, blind: i64) {
        let stretches = blind.div_euclid(STRETCH);
        self.stretch = self.stretch.map(|known| known + stretches);
        for track in self.nodes.iter_mut().chain(&mut self.edges) {
            for at in [&mut track.first, &mut track.doubted].into_iter().flatten() {
                *at += stretches;
            }
            for (at, _) in &mut track.recent {
                *at += stretches;
            }
        }
    }

    /// What is known of these and the edges between them and others, from `since` up to `end`.
    pub(crate) fn compare(&self, concerned: &BTreeSet<Workload>, since: Time, end: i64) -> Flows {
        let last = (end - 1).div_euclid(STRETCH);
        let first = since
            .as_secs()
            .div_euclid(STRETCH)
            .clamp(last - KEPT + 1, last);
        #[expect(clippy::cast_precision_loss, reason = "two minutes at most")]
        let seconds = (end - first * STRETCH).max(1) as f64;
        let mut flows = Flows::default();
        let mut places: BTreeSet<u32> = BTreeSet::new();
        for workload in concerned {
            let key = (workload.service.clone(), workload.environment.clone());
            if let Some(place) = self.node_places.known(&key)
                && let Some(track) = self.nodes.get(place as usize)
                && let Some(flow) = track.node(first, seconds)
            {
                flows.nodes.insert(workload.clone(), flow);
            }
            places.extend(self.around.get(workload).into_iter().flatten());
        }
        for place in places {
            if let Some(flow) = self.edges[place as usize].edge(first, seconds) {
                flows
                    .edges
                    .insert(self.edge_places.key(place).clone(), flow);
            }
        }
        flows
    }
}

impl Track {
    fn add(&mut self, stretch: i64, sums: &Sums) {
        self.first.get_or_insert(stretch);
        let at = match self.recent.back() {
            Some((last, _)) if *last >= stretch => self
                .recent
                .iter()
                .rposition(|(at, _)| *at == stretch)
                .unwrap_or(self.recent.len() - 1),
            _ => {
                self.recent.push_back((stretch, Sums::default()));
                self.recent.len() - 1
            }
        };
        for (known, new) in self.recent[at].1.iter_mut().zip(sums) {
            known.merge(new);
        }
    }

    fn forget(&mut self, oldest: i64, held: bool, numbers: fn(&[f64; 3], &[f64; 3]) -> [f64; 4]) {
        if held {
            self.doubted = Some(oldest + KEPT);
        }
        // Also a stretch without any call is usual, once there were some.
        let empty = (oldest, Sums::default());
        let gone = match self.recent.front() {
            Some((at, _)) if *at <= oldest => self.recent.pop_front().unwrap_or(empty),
            _ => empty,
        };
        let is_usual = self.doubted < Some(gone.0);
        if is_usual && self.first.is_some_and(|first| first <= oldest) {
            self.usual.learn(&gone.1, numbers);
        }
    }

    fn since(&self, first: i64) -> Sums {
        let mut all = Sums::default();
        for (_, sums) in self.recent.iter().filter(|(at, _)| *at >= first) {
            for (known, new) in all.iter_mut().zip(sums) {
                known.merge(new);
            }
        }
        all
    }

    fn node(&self, first: i64, seconds: f64) -> Option<NodeFlow> {
        let usual = self.usual.means()?;
        let now = Means::of(&self.since(first), seconds);
        let [own, stores, _, _] = node_numbers(&now.calls, &now.seconds);
        let [own_usual, stores_usual, _, _] = node_numbers(&usual.calls, &usual.seconds);
        let level = |now: f64, usual: f64, spread: f64| Level { usual, now, spread };
        Some(NodeFlow {
            calls: now.calls[0] * seconds,
            rate: level(now.calls[0], usual.calls[0], self.usual.spread(3)),
            own: level(own, own_usual, self.usual.spread(0)),
            stores: level(stores, stores_usual, self.usual.spread(1)),
            bad: level(
                share(now.bad[0], now.calls[0]),
                share(usual.bad[0], usual.calls[0]),
                self.usual.spread(2),
            ),
            own_bad: level(
                (now.bad[0] - now.bad[1]).max(0.0),
                (usual.bad[0] - usual.bad[1]).max(0.0),
                0.0,
            ),
        })
    }

    fn edge(&self, first: i64, seconds: f64) -> Option<EdgeFlow> {
        let usual = self.usual.means()?;
        let now = Means::of(&self.since(first), seconds);
        let [took, served, wire, _] = edge_numbers(&now.calls, &now.seconds);
        let [took_usual, served_usual, wire_usual, _] = edge_numbers(&usual.calls, &usual.seconds);
        let level = |now: f64, usual: f64, spread: f64| Level { usual, now, spread };
        let unserved = |calls: &[f64; 3]| (1.0 - share(calls[1], calls[0])).clamp(0.0, 1.0);
        Some(EdgeFlow {
            calls: now.calls[0] * seconds,
            rate: level(now.calls[0], usual.calls[0], self.usual.spread(3)),
            took: level(took, took_usual, self.usual.spread(0)),
            served: level(served, served_usual, self.usual.spread(1)),
            wire: level(wire, wire_usual, self.usual.spread(2)),
            bad: level(
                share(now.bad[0], now.calls[0]),
                share(usual.bad[0], usual.calls[0]),
                0.0,
            ),
            served_bad: level(
                share(now.bad[1], now.calls[1]),
                share(usual.bad[1], usual.calls[1]),
                0.0,
            ),
            unserved: level(unserved(&now.calls), unserved(&usual.calls), 0.0),
            refused: level(
                share(now.bad[2], now.calls[0]),
                share(usual.bad[2], usual.calls[0]),
                0.0,
            ),
        })
    }
}

/// Calls, bad calls and seconds spent, each a second.
#[derive(Clone, Copy, Debug)]
struct Means {
    calls: [f64; 3],
    bad: [f64; 3],
    seconds: [f64; 3],
}

impl Means {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of two minutes are far below 2^52"
    )]
    fn of(sums: &Sums, over: f64) -> Means {
        Means {
            calls: sums.map(|sum| sum.calls as f64 / over),
            bad: sums.map(|sum| sum.bad as f64 / over),
            seconds: sums.map(|sum| sum.micros as f64 / 1e6 / over),
        }
    }
}

impl Usual {
    fn learn(&mut self, sums: &Sums, numbers: fn(&[f64; 3], &[f64; 3]) -> [f64; 4]) {
        #[expect(clippy::cast_precision_loss, reason = "it is 5")]
        let new = Means::of(sums, STRETCH as f64);
        if let Some(known) = self.means()
            && new.calls[0] > 0.0
        {
            let now = numbers(&new.calls, &new.seconds);
            let usual = numbers(&known.calls, &known.seconds);
            self.spread_weight = self.spread_weight * KEEP_SHARE + 1.0;
            for ((spread, now), usual) in self.spread.iter_mut().zip(now).zip(usual) {
                *spread = *spread * KEEP_SHARE + (now - usual).abs();
            }
        }
        self.weight = self.weight * KEEP_SHARE + 1.0;
        for (known, new) in [
            (&mut self.calls, new.calls),
            (&mut self.bad, new.bad),
            (&mut self.seconds, new.seconds),
        ] {
            for (known, new) in known.iter_mut().zip(new) {
                *known = *known * KEEP_SHARE + new;
            }
        }
    }

    fn means(&self) -> Option<Means> {
        (self.weight >= FEWEST && self.calls[0] > 0.0).then(|| Means {
            calls: self.calls.map(|sum| sum / self.weight),
            bad: self.bad.map(|sum| sum / self.weight),
            seconds: self.seconds.map(|sum| sum / self.weight),
        })
    }

    fn spread(&self, of: usize) -> f64 {
        if self.spread_weight > 0.0 {
            self.spread[of] / self.spread_weight
        } else {
            0.0
        }
    }
}

/// A node's own time for a call, that of its databases within, nothing, its rate.
fn node_numbers(calls: &[f64; 3], seconds: &[f64; 3]) -> [f64; 4] {
    let own = (seconds[0] - seconds[1]).max(0.0);
    [
        share(own, calls[0]),
        share(seconds[2], calls[0]),
        0.0,
        calls[0],
    ]
}

/// An edge's time for a call as its caller has it, as its callee has it, the difference, its rate.
fn edge_numbers(calls: &[f64; 3], seconds: &[f64; 3]) -> [f64; 4] {
    let took = share(seconds[0], calls[0]);
    let served = share(seconds[1], calls[1]);
    let wire = if calls[1] > 0.0 {
        (took - served).max(0.0)
    } else {
        0.0
    };
    [took, served, wire, calls[0]]
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn micros(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many stretches of ten calls each that take so long.
    fn pass(book: &mut FlowBook, at: &mut i64, stretches: i64, micros: u64, held: bool) {
        let workload = Workload {
            service: ServiceKey::new("shop", "orders"),
            environment: "on-prem".into(),
        };
        let place = book
            .node((workload.service.clone(), workload.environment.clone()))
            .unwrap();
        let held = held.then_some(workload).into_iter().collect();
        for _ in 0..stretches {
            let mut bucket = FlowBucket::default();
            let sums = bucket.nodes.entry(place).or_default();
            (0..10).for_each(|_| sums[0].add(micros, Outcome::Ok));
            book.step(*at * STRETCH, &bucket, &held);
            *at += 1;
        }
    }

    #[test]
    fn what_is_remembered_of_an_incident_does_not_become_usual() {
        let (mut book, mut at) = (FlowBook::default(), 400_000_000);
        pass(&mut book, &mut at, 60, 10_000, false);
        // It began half a minute before it was known, and was over soon.
        pass(&mut book, &mut at, 6, 500_000, false);
        pass(&mut book, &mut at, 12, 500_000, true);
        pass(&mut book, &mut at, 60, 10_000, false);
        let usual = book.nodes[0].usual;
        let mean = usual.seconds[0] / usual.calls[0];
        assert!((mean - 0.01).abs() < 1e-9, "{mean}");
        // And it goes on learning.
        assert!(usual.weight > 60.0, "{usual:?}");
    }
}
