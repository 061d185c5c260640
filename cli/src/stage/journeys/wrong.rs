//! Wrong journeys, for people: what the platform knows, and what an assembler made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use eval::journeys::Score;
use monitor_diagnose::Journey;
use sim_services::truth::Passage;

use super::Judge;

/// The first `tell` wrong journeys of a judge.
pub(super) fn told(
    score: &Score,
    tell: usize,
    judge: &Judge,
    truth: &BTreeMap<u64, Passage>,
) -> String {
    let wanted: BTreeSet<u64> = score.wrong.iter().take(tell).copied().collect();
    let mut out = String::new();
    let passage_of = |hop: u64| -> Option<u64> {
        let place = usize::try_from(hop).ok()?.checked_sub(1)?;
        judge.passages.get(place).copied().flatten()
    };
    for journey in &wanted {
        // Writing to a string cannot fail.
        writeln!(out, "\n{}: journey {journey}, as it was", score.evidence).unwrap_or_default();
        let passages = truth.values().filter(|passage| passage.journey == *journey);
        let mut base = None;
        for passage in passages {
            let base = *base.get_or_insert(passage.start.0);
            writeln!(
                out,
                "  {}{} below {:?}: {} {} {}, {} to {} us",
                if judge.seen.contains(&passage.id) {
                    ""
                } else {
                    "(untold) "
                },
                passage.id,
                passage.parent,
                passage.service,
                passage.instance,
                passage.route,
                (passage.start.0 - base) / 1_000,
                (passage.end.0 - base) / 1_000,
            )
            .unwrap_or_default();
        }
        let touches = |found: &&Journey| {
            found.stops.iter().any(|stop| {
                passage_of(stop.hop)
                    .and_then(|passage| truth.get(&passage))
                    .is_some_and(|passage| passage.journey == *journey)
            })
        };
        for found in judge.found.iter().filter(touches) {
            writeln!(
                out,
                "  as it was put together, sure {:.3}:",
                found.confidence
            )
            .unwrap_or_default();
            for (place, stop) in found.stops.iter().enumerate() {
                let node = stop.node.as_ref().map(ToString::to_string);
                writeln!(
                    out,
                    "    {place} below {:?}: {:?} {:?} {} {}, {} to {} us, passage {:?}, sure {:.3}",
                    stop.parent,
                    stop.source,
                    stop.role,
                    node.unwrap_or_default(),
                    stop.operation,
                    (stop.start.as_nanos() - base.unwrap_or(0)) / 1_000,
                    (stop.start.as_nanos() - base.unwrap_or(0)) / 1_000
                        + i64::try_from(stop.duration.as_micros()).unwrap_or(i64::MAX),
                    passage_of(stop.hop),
                    stop.confidence,
                )
                .unwrap_or_default();
            }
        }
    }
    out
}
