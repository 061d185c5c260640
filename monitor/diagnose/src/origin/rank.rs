//! All evidence together.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::Name;
use serde::{Deserialize, Serialize};

use super::paths::Ways;
use super::scene::Scene;
use super::usage::Usage;
use super::{modes, paths, times, usage};

/// The most that one kind of evidence is believed, in nats: beyond, the model is in doubt rather
/// than the service.
const MOST: f64 = 12.0;
/// How much a resource counts when no request feels it.
const UNFELT: f64 = 2.0;
/// A detour with this much evidence is what is told of a change, in nats.
const TELLING: f64 = 3.0;

/// What a reason rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Requests go other ways than before.
    Way,
    /// Its own time for an operation.
    OwnTime,
    /// The time that calls spend on the way.
    WayTime,
    /// Processors, memory.
    Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub basis: Basis,
    pub nats: f64,
    pub why: String,
}

impl Reason {
    pub(super) fn new(basis: Basis, nats: f64, why: String) -> Reason {
        Reason { basis, nats, why }
    }
}

/// A service, and how much speaks for it being the origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspicion {
    pub service: Name,
    /// In nats; 0 when nothing speaks for it.
    pub evidence: f64,
    /// The strongest first.
    pub reasons: Vec<Reason>,
}

/// Every service of either scene by the evidence that the fault began with it; ties by name.
///
/// `O(n log n)` in spans and lines, and for each operation the product of the different ways that
/// its requests take, which are at most a few hundred.
pub fn locate(reference: &Scene, window: &Scene, usages: &[Usage]) -> Vec<Suspicion> {
    let ways = Ways::new(reference, window);
    let (mut way, explained) = paths::judge(&ways);
    for (service, reason) in modes::judge(&ways, &explained) {
        // Two views of one change; the detour says more about it.
        match way.get_mut(&service) {
            Some(detour) if detour.nats >= TELLING => detour.nats = detour.nats.max(reason.nats),
            Some(detour) if detour.nats >= reason.nats => {}
            _ => {
                way.insert(service, reason);
            }
        }
    }
    let mut felt = [
        way,
        times::own(reference, window),
        times::way(reference, window),
    ];
    let mut used = usage::judge(usages);
    let services: BTreeSet<Name> = reference
        .executions
        .iter()
        .chain(&window.executions)
        .map(|execution| execution.service.clone())
        .chain(usages.iter().map(|usage| usage.service.clone()))
        .collect();
    let mut ranked: Vec<Suspicion> = services
        .into_iter()
        .map(|service| {
            let mut reasons: Vec<Reason> = felt
                .iter_mut()
                .filter_map(|kind: &mut BTreeMap<Name, Reason>| kind.remove(&service))
                .collect();
            for reason in &mut reasons {
                reason.nats = reason.nats.clamp(0.0, MOST);
            }
            let felt: f64 = reasons.iter().map(|reason| reason.nats).sum();
            if let Some(mut reason) = used.remove(&service) {
                reason.nats = reason.nats.clamp(0.0, MOST.min(UNFELT + felt));
                reasons.push(reason);
            }
            reasons.retain(|reason| reason.nats > 0.0);
            reasons.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.basis.cmp(&b.basis)));
            Suspicion {
                service,
                evidence: reasons.iter().map(|reason| reason.nats).sum::<f64>() + 0.0,
                reasons,
            }
        })
        .collect();
    ranked.sort_by(|a, b| {
        b.evidence
            .total_cmp(&a.evidence)
            .then_with(|| a.service.cmp(&b.service))
    });
    ranked
}
