//! Processors and memory, where somebody measured them.

use std::collections::BTreeMap;

use monitor_core::Name;

use super::odds::{above, median, spread};
use super::rank::{Basis, Reason};

/// Standard deviation of a healthy service's logarithm of usage that is taken for granted …
const SPREAD: f64 = 0.3;
/// … for as much as this many measurements.
const WEIGHT: f64 = 5.0;

/// Measurements of one resource of one service (or of one of its replicas).
#[derive(Clone, Debug)]
pub struct Usage {
    pub service: Name,
    /// For people: `CPU`, `memory`.
    pub resource: Name,
    /// In any one unit: when all was well, and in the window.
    pub reference: Vec<f64>,
    pub window: Vec<f64>,
    /// Differences below this, in the same unit, mean nothing.
    pub floor: f64,
}

/// For each service the strongest evidence of its resources.
pub(super) fn judge(usages: &[Usage]) -> BTreeMap<Name, Reason> {
    let mut reasons: BTreeMap<Name, Reason> = BTreeMap::new();
    for usage in usages {
        let log = |value: &f64| (value.max(0.0) + usage.floor).ln();
        let mut before: Vec<f64> = usage.reference.iter().map(log).collect();
        let count = before.len() as f64;
        let (Some(usual), Some(most)) = (
            median(&mut before),
            usage.window.iter().copied().max_by(f64::total_cmp),
        ) else {
            continue;
        };
        let wide = spread(&mut before, usual);
        let variance = (wide * wide * count + SPREAD * SPREAD * WEIGHT) / (count + WEIGHT);
        let scale = (variance * (1.0 + std::f64::consts::FRAC_PI_2 / count)).sqrt();
        let nats = above(log(&most) - usual, scale);
        if nats > reasons.get(&usage.service).map_or(0.0, |best| best.nats) {
            let why = format!(
                "its {} is {most:.1} instead of {:.1}",
                usage.resource,
                usual.exp() - usage.floor
            );
            let reason = Reason::new(Basis::Usage, nats, why);
            reasons.insert(usage.service.clone(), reason);
        }
    }
    reasons
}
