//! Which service differs most, all evidence together.

use std::collections::BTreeMap;

use crate::compare::{Aspect, Difference};
use monitor_core::{Direction, Name};

/// Families of aspects: within one the strongest speaks, because its members say the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Time,
    /// Apart from `Time`: a slow link is seen at both its ends, and a service that is slow both as
    /// callee and as caller is the end that its links have in common.
    Outgoing,
    Failures,
    Messages,
    Traffic,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    pub service: Name,
    /// Combined evidence, weak evidence included; 0 when nothing differs at all.
    pub evidence: f64,
    /// What is certain and large, the strongest first; empty when nothing is.
    pub reasons: Vec<Difference>,
}

/// The services by combined evidence, ties by name. Each family of aspects contributes the
/// logarithm of its strongest difference, weighted by how close to a cause the aspect is:
/// a service's own time and errors are its own doing, while its response time contains its
/// callees' and its traffic depends on its callers.
pub fn rank_services<'a>(
    services: impl IntoIterator<Item = (&'a Name, &'a [Difference])>,
) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = services
        .into_iter()
        .map(|(service, differences)| {
            let knows_own_time = differences
                .iter()
                .any(|difference| difference.aspect == Aspect::SelfTime);
            let mut strongest: BTreeMap<Family, (f64, &Difference)> = BTreeMap::new();
            for difference in differences {
                let (family, weight) = weight(difference, knows_own_time);
                let evidence = weight * strength(difference.score.get());
                let best = strongest.entry(family).or_insert((evidence, difference));
                if evidence > best.0 {
                    *best = (evidence, difference);
                }
            }
            // Weak evidence orders those that show nothing certain; only certain evidence is a reason.
            let evidence = strongest
                .values()
                .map(|(evidence, _)| evidence)
                .sum::<f64>()
                + 0.0;
            let mut reasons: Vec<(f64, &Difference)> = strongest
                .into_values()
                .filter(|(_, difference)| difference.score.is_anomalous())
                .collect();
            reasons.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.aspect.cmp(&b.1.aspect)));
            Ranked {
                service: service.clone(),
                evidence,
                reasons: reasons
                    .into_iter()
                    .map(|(_, difference)| difference.clone())
                    .collect(),
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

/// Logarithmic, because ten times as slow is not ten times the evidence; below 1 it falls with the
/// square, so that several weak hints do not outweigh one certain difference.
fn strength(score: f64) -> f64 {
    if score > 1.0 {
        (1.0 + score).ln()
    } else {
        std::f64::consts::LN_2 * score * score
    }
}

fn weight(difference: &Difference, knows_own_time: bool) -> (Family, f64) {
    let above = difference.direction == Direction::Above;
    match difference.aspect {
        Aspect::SelfTime if above => (Family::Time, 1.0),
        Aspect::NetworkTime if above => (Family::Time, 0.9),
        Aspect::OutgoingTime if above => (Family::Outgoing, 0.7),
        Aspect::Latency if above && knows_own_time => (Family::Time, 0.25),
        Aspect::Latency if above => (Family::Time, 0.6),
        Aspect::SelfTime | Aspect::NetworkTime | Aspect::Latency => (Family::Time, 0.1),
        Aspect::OutgoingTime => (Family::Outgoing, 0.1),
        Aspect::ErrorRatio | Aspect::LogErrorRatio if above => (Family::Failures, 1.0),
        Aspect::ErrorRatio | Aspect::LogErrorRatio => (Family::Failures, 0.1),
        Aspect::NewTemplate { error: true, .. } => (Family::Messages, 1.0),
        Aspect::TemplateShare { error: true, .. } if above => (Family::Messages, 0.8),
        Aspect::NewTemplate { .. } => (Family::Messages, 0.4),
        // A message that used to come and does not any more: the code took another way.
        Aspect::VanishedTemplate(_) => (Family::Messages, 0.7),
        // How often usual messages come depends on who calls.
        Aspect::TemplateShare { .. } => (Family::Messages, 0.25),
        Aspect::CallRate => (Family::Traffic, 0.1),
    }
}
