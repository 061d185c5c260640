//! Journeys as metrics. None before the first hop.

use monitor_core::JourneysView;

use super::exposition::{Exposition, Kind};

#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
pub(super) fn write(out: &mut Exposition, journeys: &JourneysView) {
    let counts = &journeys.counts;
    if counts.hops == 0 {
        return;
    }
    for (name, kind, help, value) in [
        (
            "crosswatch_journeys_total",
            Kind::Counter,
            "Journeys that are over, of any type.",
            counts.journeys,
        ),
        (
            "crosswatch_journeys_inferred_total",
            Kind::Counter,
            "Journeys that were put together by time and peers, for want of ids.",
            counts.inferred,
        ),
        (
            "crosswatch_journeys_in_flight",
            Kind::Gauge,
            "Journeys of which something was heard lately.",
            counts.in_flight,
        ),
        (
            "crosswatch_journeys_late",
            Kind::Gauge,
            "Journeys in flight for longer than 99 % of their type, as far as they are listed.",
            journeys.late.len() as u64,
        ),
        (
            "crosswatch_journey_types",
            Kind::Gauge,
            "Types of journeys that are known.",
            counts.types,
        ),
        (
            "crosswatch_journeys_evicted_total",
            Kind::Counter,
            "Journeys of one hop that made room for others: a flood of ids.",
            counts.evicted,
        ),
        (
            "crosswatch_journey_hops_total",
            Kind::Counter,
            "Spans and log records that told of a journey.",
            counts.hops,
        ),
    ] {
        out.family(name, kind, help).sample(&[], value as f64);
    }
    let mut dropped = out.family(
        "crosswatch_journey_hops_dropped_total",
        Kind::Counter,
        "Hops that are in no journey: they came after its end, or again, or there were too many.",
    );
    for (reason, value) in [
        ("late", counts.late),
        ("duplicated", counts.duplicated),
        ("crowded", counts.crowded),
        ("unplaced", counts.unplaced),
    ] {
        dropped.sample(&[("reason", reason)], value as f64);
    }
    let mut offsets = out.family(
        "crosswatch_environment_clock_offset_seconds",
        Kind::Gauge,
        "By how much an environment's clock is ahead of the reference's.",
    );
    for skew in &journeys.skews {
        offsets.sample(&[("environment", &skew.environment)], skew.offset);
    }
}
