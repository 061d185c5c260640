//! Own time, and time on the way.
//!
//! Own time is compared operation by operation, because which operations are asked for changes. The
//! way is compared for each pair of services; a service that is slow to be reached is so for all
//! that call it, and one that is slow to reach others is so for all it calls.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::Name;

use super::odds::shift;
use super::paths::by_operation;
use super::rank::{Basis, Reason};
use super::scene::Scene;

/// Milliseconds below which differences mean nothing.
const FLOOR: f64 = 2.0;
/// Standard deviation of the logarithm by which two healthy minutes differ …
const DRIFT: f64 = 0.3;
/// … and two pairs of services.
const FOREIGN_DRIFT: f64 = 0.6;
/// A service that all it calls seems slow to: rather they are, or the way is theirs.
const DOUBT: f64 = 2.0;

/// For each service the strongest evidence of its operations.
pub(super) fn own(reference: &Scene, window: &Scene) -> BTreeMap<Name, Reason> {
    let known = by_operation(reference);
    let mut reasons: BTreeMap<Name, Reason> = BTreeMap::new();
    for (operation, places) in by_operation(window) {
        let Some(before) = known.get(&operation) else {
            continue;
        };
        let of = |scene: &Scene, places: &[usize]| -> Vec<f64> {
            let own = |place: &usize| millis(scene.executions[*place].own);
            places.iter().map(own).collect()
        };
        let (mut before, mut now) = (of(reference, before), of(window, &places));
        let Some((nats, _)) = shift(&before, &now, FLOOR, DRIFT) else {
            continue;
        };
        if nats > reasons.get(&operation.0).map_or(0.0, |best| best.nats) {
            let why = format!(
                "its own time for `{}` is {} instead of {}",
                operation.1,
                typical(&mut now),
                typical(&mut before)
            );
            reasons.insert(operation.0, Reason::new(Basis::OwnTime, nats, why));
        }
    }
    reasons
}

type Pair = (Name, Name);

/// For each service the evidence of all calls to it, or of all calls from it.
pub(super) fn way(reference: &Scene, window: &Scene) -> BTreeMap<Name, Reason> {
    let (before, now) = (ways(reference), ways(window));
    let mut to: BTreeMap<Name, Vec<f64>> = BTreeMap::new();
    for ((_, callee), waits) in &before {
        to.entry(callee.clone()).or_default().extend(waits);
    }
    let everywhere: Vec<f64> = before.values().flatten().copied().collect();
    let mut incoming: BTreeMap<&Name, Vec<(f64, &Pair)>> = BTreeMap::new();
    let mut outgoing: BTreeMap<&Name, Vec<(f64, &Pair)>> = BTreeMap::new();
    for (pair, waits) in &now {
        // A pair that the reference has no call of is held against the callee's other callers, or
        // against everybody.
        let found = match (before.get(pair), to.get(&pair.1)) {
            (Some(waited), _) => shift(waited, waits, FLOOR, DRIFT),
            (None, Some(waited)) => shift(waited, waits, FLOOR, FOREIGN_DRIFT),
            (None, None) => shift(&everywhere, waits, FLOOR, FOREIGN_DRIFT),
        };
        if let Some((nats, _)) = found {
            incoming.entry(&pair.1).or_default().push((nats, pair));
            outgoing.entry(&pair.0).or_default().push((nats, pair));
        }
    }
    let mut reasons: BTreeMap<Name, Reason> = BTreeMap::new();
    for (ends, doubt) in [(incoming, 0.0), (outgoing, DOUBT)] {
        let inward = doubt == 0.0;
        for (service, found) in ends {
            let nats = found.iter().map(|(nats, _)| nats).sum::<f64>() - doubt;
            if nats <= reasons.get(service).map_or(0.0, |best| best.nats) {
                continue;
            }
            let strongest = found
                .iter()
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, pair)| *pair);
            let Some(pair) = strongest else { continue };
            let mut waits = now[pair].clone();
            let mut earlier = before
                .get(pair)
                .or_else(|| to.get(&pair.1))
                .unwrap_or(&everywhere)
                .clone();
            let (subject, other) = if inward {
                ("calls to it are", format!("from {}", pair.0))
            } else {
                ("its calls are", format!("to {}", pair.1))
            };
            let why = format!(
                "{subject} on the way for {} instead of {} ({other})",
                typical(&mut waits),
                typical(&mut earlier)
            );
            reasons.insert(service.clone(), Reason::new(Basis::WayTime, nats, why));
        }
    }
    reasons
}

fn ways(scene: &Scene) -> BTreeMap<Pair, Vec<f64>> {
    let mut ways: BTreeMap<Pair, Vec<f64>> = BTreeMap::new();
    for execution in &scene.executions {
        if let (Some(caller), Some(way)) = (execution.caller, execution.way) {
            let pair = (
                scene.executions[caller].service.clone(),
                execution.service.clone(),
            );
            ways.entry(pair).or_default().push(millis(way));
        }
    }
    ways
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn typical(millis: &mut [f64]) -> String {
    match super::odds::median(millis) {
        Some(middle) if middle >= 10.0 => format!("{middle:.0} ms"),
        Some(middle) => format!("{middle:.1} ms"),
        None => "nothing".to_owned(),
    }
}
