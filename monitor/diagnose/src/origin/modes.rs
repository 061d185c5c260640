//! A usual way that nothing takes any more, though the operation is asked for as before.
//!
//! A fault can end a request so early that what remains looks like another, harmless kind of
//! request. No execution is a detour then, but a way that many took is gone. Which kinds of
//! requests come depends on who calls, so ways are counted apart for each way of the caller; what
//! the callers' own change explains is thereby no evidence against the called. Requests that a
//! detour below them explains are left out: how they would have gone is not known.

use std::collections::BTreeMap;

use monitor_core::Name;

use super::odds::less_often;
use super::paths::{Operation, Way, Ways};
use super::rank::{Basis, Reason};
use super::scene::{Execution, Scene};

/// Requests after which a changed mix of them is believed.
const MEMORY: f64 = 4.0;
/// A mix that changes is more often the world's doing than a fault's.
const DOUBT: f64 = 2.0;
/// A way that fewer took before is not missed.
const MISSED: f64 = 3.0;

/// An operation, and how its caller went.
type Asked<'a> = (Operation, Option<(&'a str, &'a str, &'a Way)>);

/// For each service the strongest evidence of its operations.
pub(super) fn judge(ways: &Ways<'_>, explained: &[f64]) -> BTreeMap<Name, Reason> {
    let before = counts(ways.reference, &ways.before, |_| 1.0);
    let now = counts(ways.window, &ways.now, |place| 1.0 - explained[place]);
    let mut reasons: BTreeMap<Name, Reason> = BTreeMap::new();
    for (asked, known) in &before {
        let Some(seen) = now.get(asked) else { continue };
        let (earlier, later): (f64, f64) = (known.values().sum(), seen.values().sum());
        for (way, count) in known {
            // That something fails no longer is no fault.
            if *count < MISSED || ways.errors(way).next().is_some() {
                continue;
            }
            let took = seen.get(way).copied().unwrap_or(0.0);
            let usual = (*count + 0.5) / (earlier + 1.0);
            if took >= usual * later {
                continue;
            }
            let nats = less_often(took, later, usual, MEMORY) - DOUBT;
            let (service, operation) = &asked.0;
            if nats > reasons.get(service).map_or(0.0, |best| best.nats) {
                let why = format!(
                    "{took:.0} of {later:.0} requests to `{operation}` went a way that {count} of \
                     {earlier} went before"
                );
                reasons.insert(service.clone(), Reason::new(Basis::Way, nats, why));
            }
        }
    }
    reasons
}

fn counts<'a>(
    scene: &'a Scene,
    ways: &'a [Way],
    weight: impl Fn(usize) -> f64,
) -> BTreeMap<Asked<'a>, BTreeMap<&'a Way, f64>> {
    let mut counts: BTreeMap<Asked<'a>, BTreeMap<&Way, f64>> = BTreeMap::new();
    let asker = |caller: usize| {
        let Execution {
            service, operation, ..
        } = &scene.executions[caller];
        (&**service, &**operation, &ways[caller])
    };
    for (place, (execution, way)) in scene.executions.iter().zip(ways).enumerate() {
        let operation = (execution.service.clone(), execution.operation.clone());
        let key = (operation, execution.caller.map(asker));
        *counts.entry(key).or_default().entry(way).or_default() += weight(place);
    }
    counts
}
