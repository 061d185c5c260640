//! Faults that are known to have been injected: was what they did found?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_core::{Name, Observation, ServiceKey, SpanId, SpanItem, SpanKind, Time};
use monitor_detect::compare::{Ranked, WindowStats, compare, rank_services};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Fault, time};
use crate::wording::{Lookup, spell_out_sentence};

/// Services shown for each fault.
const SHOWN: usize = 5;

/// What a minute of a recording holds, by service. Part of the checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Minute {
    observations: BTreeMap<ServiceKey, Vec<Observation>>,
    spans: Vec<Span>,
}

/// Enough of a span to tell whose time it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Span {
    service: ServiceKey,
    id: SpanId,
    parent: Option<SpanId>,
    served: bool,
    start: Time,
    duration: Duration,
}

impl Minute {
    pub(super) fn span(&mut self, service: &ServiceKey, span: &SpanItem) {
        self.spans.push(Span {
            service: service.clone(),
            id: span.span_id,
            parent: span.parent,
            served: matches!(span.kind, SpanKind::Server | SpanKind::Consumer),
            start: span.start,
            duration: span.duration,
        });
    }

    pub(super) fn observe(&mut self, observations: &[Observation]) {
        for observation in observations {
            let service = match observation {
                Observation::Call(call) => &call.api.service,
                Observation::Log { service, .. } => service,
                Observation::Histogram { api, .. } => &api.service,
                Observation::Edge { .. } | Observation::Dependency { .. } | Observation::Hop(_) => {
                    continue;
                }
            };
            self.observations
                .entry(service.clone())
                .or_default()
                .push(observation.clone());
        }
    }

    fn stats(&self, length: Duration) -> BTreeMap<ServiceKey, WindowStats> {
        let mut stats: BTreeMap<ServiceKey, WindowStats> = BTreeMap::new();
        for (service, observations) in &self.observations {
            let entry = stats
                .entry(service.clone())
                .or_insert_with(|| WindowStats::new(length));
            observations
                .iter()
                .for_each(|observation| entry.add(observation));
        }
        let mut of = |service: &ServiceKey, add: &dyn Fn(&mut WindowStats)| {
            add(stats
                .entry(service.clone())
                .or_insert_with(|| WindowStats::new(length)));
        };
        for (service, own) in self.own_times() {
            of(service, &|stats| stats.add_self_time(own));
        }
        for (caller, callee, gap) in self.gaps() {
            of(callee, &|stats| stats.add_network_time(gap));
            of(caller, &|stats| stats.add_outgoing_time(gap));
        }
        stats
    }

    /// For each call between services, what the caller waited beyond the callee's work: the way
    /// there and back.
    fn gaps(&self) -> Vec<(&ServiceKey, &ServiceKey, Duration)> {
        let by_id: FxHashMap<SpanId, &Span> =
            self.spans.iter().map(|span| (span.id, span)).collect();
        self.spans
            .iter()
            .filter(|span| span.served)
            .filter_map(|span| {
                let caller = by_id.get(&span.parent?)?;
                (!caller.served && caller.service != span.service).then(|| {
                    let gap = caller.duration.saturating_sub(span.duration);
                    (&caller.service, &span.service, gap)
                })
            })
            .collect()
    }

    /// How long each served request kept its own service busy: its span, without the stretches in
    /// which it waited for other services.
    fn own_times(&self) -> Vec<(&ServiceKey, Duration)> {
        let place: FxHashMap<SpanId, usize> = self
            .spans
            .iter()
            .enumerate()
            .map(|(place, span)| (span.id, place))
            .collect();
        // For each served span, the stretches that its request spent in other services: a span of
        // another service below it, wherever its parents within the service are.
        let mut waits: BTreeMap<usize, Vec<(Time, Time)>> = BTreeMap::new();
        for span in self.spans.iter().filter(|span| span.served) {
            let mut above = span.parent.and_then(|parent| place.get(&parent).copied());
            let Some(caller) = above else { continue };
            let end = span.start + span.duration;
            // The caller's client span, when there is one, includes the way there and back.
            let caller = &self.spans[caller];
            let stretch = (
                caller.start.min(span.start),
                (caller.start + caller.duration).max(end),
            );
            let stretch = if caller.served {
                (span.start, end)
            } else {
                stretch
            };
            // A chain longer than this is a loop of ids.
            for _ in 0..64 {
                let Some(at) = above else { break };
                if self.spans[at].served {
                    waits.entry(at).or_default().push(stretch);
                    break;
                }
                above = self.spans[at]
                    .parent
                    .and_then(|parent| place.get(&parent).copied());
            }
        }
        self.spans
            .iter()
            .enumerate()
            .filter(|(_, span)| span.served)
            .map(|(at, span)| {
                let waited = waits.remove(&at).map_or(Duration::ZERO, |stretches| {
                    covered(stretches, span.start, span.start + span.duration)
                });
                (&span.service, span.duration.saturating_sub(waited))
            })
            .collect()
    }
}

/// How much of `from`..`to` the stretches cover together.
fn covered(mut stretches: Vec<(Time, Time)>, from: Time, to: Time) -> Duration {
    stretches.sort();
    let mut reached = from;
    let mut total = Duration::ZERO;
    for (start, end) in stretches {
        let (start, end) = (start.max(reached), end.min(to));
        if end > start {
            total += end.since(start);
            reached = end;
        }
    }
    total
}

/// A service that differed from its fault-free minute, and how.
#[derive(Debug, Serialize)]
pub struct Cause {
    pub service: String,
    pub score: f64,
    pub why: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct FaultReport {
    #[serde(serialize_with = "at")]
    pub injected: Time,
    pub kind: String,
    pub service: String,
    /// Why nothing could be compared, if so.
    pub not_compared: Option<String>,
    pub compared: usize,
    pub unusual: usize,
    /// Whether the faulty one was among the unusual ones.
    pub faulty_unusual: bool,
    /// The faulty service's place by all evidence, the weak included; the best of those with its
    /// score.
    pub rank: Option<usize>,
    /// How many have its score, itself included.
    pub tied: usize,
    /// The first of them.
    pub services: Vec<Cause>,
}

fn at<S: serde::Serializer>(moment: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    time(&Some(*moment), serializer)
}

/// Compares the fault's minute with the fault-free one of its day, service by service.
pub(super) fn judge(
    fault: &Fault,
    minutes: &BTreeMap<Time, Minute>,
    lookup: Lookup<'_>,
) -> FaultReport {
    let mut report = FaultReport {
        injected: fault.injected,
        kind: fault.kind.clone(),
        service: fault.service.to_string(),
        not_compared: None,
        compared: 0,
        unusual: 0,
        faulty_unusual: false,
        rank: None,
        tied: 0,
        services: Vec::new(),
    };
    let recorded = |window: Option<super::Window>| {
        window.and_then(|window| {
            let stats = minutes.get(&window.start)?.stats(window.length);
            (!stats.is_empty()).then_some(stats)
        })
    };
    let Some(reference) = recorded(fault.reference) else {
        report.not_compared = Some("the recording has no fault-free minute".to_owned());
        return report;
    };
    let Some(window) = recorded(Some(fault.window)) else {
        report.not_compared = Some(format!(
            "the recording has nothing of {}",
            fault.window.start
        ));
        return report;
    };
    let nothing = WindowStats::new(fault.window.length);
    let names: BTreeSet<&ServiceKey> = reference.keys().chain(window.keys()).collect();
    let keys: BTreeMap<Name, &ServiceKey> = names
        .iter()
        .map(|service| (Name::from(service.to_string()), *service))
        .collect();
    let differences: Vec<(Name, Vec<_>)> = names
        .into_iter()
        .map(|service| {
            let before = reference.get(service).unwrap_or(&nothing);
            let now = window.get(service).unwrap_or(&nothing);
            (Name::from(service.to_string()), compare(before, now))
        })
        .collect();
    let ranked = rank_services(
        differences
            .iter()
            .map(|(name, found)| (name, found.as_slice())),
    );
    report.compared = ranked.len();
    report.unusual = ranked
        .iter()
        .filter(|service| !service.reasons.is_empty())
        .count();
    if let Some(faulty) = ranked
        .iter()
        .find(|service| *service.service == *report.service)
    {
        let tied = |other: &&Ranked| other.evidence.total_cmp(&faulty.evidence).is_eq();
        let before = ranked
            .iter()
            .filter(|other| other.evidence > faulty.evidence)
            .count();
        report.rank = (faulty.evidence > 0.0).then_some(before + 1);
        report.tied = ranked.iter().filter(tied).count();
        report.faulty_unusual = !faulty.reasons.is_empty();
    }
    report.services = ranked
        .into_iter()
        .filter(|service| service.evidence > 0.0)
        .take(SHOWN)
        .map(|service| Cause {
            service: service.service.to_string(),
            score: service.evidence,
            why: service
                .reasons
                .into_iter()
                .map(|reason| {
                    let service = keys
                        .get(&service.service)
                        .copied()
                        .unwrap_or(&fault.service);
                    spell_out_sentence(&reason.why, service, lookup)
                })
                .collect(),
        })
        .collect();
    report
}

#[derive(Debug, Serialize)]
pub struct FaultSummary {
    pub by_kind: Vec<SummaryRow>,
    pub all: SummaryRow,
    /// Faults of which the recording has nothing to compare; in none of the rows.
    pub not_compared: usize,
}

#[derive(Debug, Serialize)]
pub struct SummaryRow {
    pub kind: String,
    pub cases: usize,
    /// Services with something unusual, on average.
    pub unusual_services: f64,
    /// Cases in which the faulty service was among them.
    pub faulty_among: usize,
    pub as_at_1: f64,
    pub as_at_3: f64,
    pub as_at_5: f64,
}

impl FaultSummary {
    pub(super) fn of(faults: &[FaultReport]) -> FaultSummary {
        let compared: Vec<&FaultReport> = faults
            .iter()
            .filter(|fault| fault.not_compared.is_none())
            .collect();
        let kinds: BTreeSet<&str> = compared.iter().map(|fault| fault.kind.as_str()).collect();
        let by_kind = kinds
            .into_iter()
            .map(|kind| {
                let of_kind: Vec<&FaultReport> = compared
                    .iter()
                    .copied()
                    .filter(|fault| fault.kind == kind)
                    .collect();
                SummaryRow::of(kind, &of_kind)
            })
            .collect();
        FaultSummary {
            by_kind,
            all: SummaryRow::of("all", &compared),
            not_compared: faults.len() - compared.len(),
        }
    }
}

impl SummaryRow {
    fn of(kind: &str, faults: &[&FaultReport]) -> SummaryRow {
        let cases = faults.len();
        let mean = |value: &dyn Fn(&FaultReport) -> f64| {
            faults.iter().map(|fault| value(fault)).sum::<f64>() / cases.max(1) as f64
        };
        SummaryRow {
            kind: kind.to_owned(),
            cases,
            unusual_services: mean(&|fault| fault.unusual as f64),
            faulty_among: faults.iter().filter(|fault| fault.faulty_unusual).count(),
            as_at_1: mean(&|fault| hit(fault, 1)),
            as_at_3: mean(&|fault| hit(fault, 3)),
            as_at_5: mean(&|fault| hit(fault, 5)),
        }
    }
}

/// The probability that the faulty service is among the first `k`, when those with equal scores are
/// put in random order.
fn hit(fault: &FaultReport, k: usize) -> f64 {
    let Some(rank) = fault.rank else { return 0.0 };
    let places = (k + 1).saturating_sub(rank).min(fault.tied);
    places as f64 / fault.tied.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(rank: usize, tied: usize) -> FaultReport {
        FaultReport {
            injected: Time::EPOCH,
            kind: "delay".to_owned(),
            service: "cart".to_owned(),
            not_compared: None,
            compared: 10,
            unusual: 5,
            faulty_unusual: true,
            rank: Some(rank),
            tied,
            services: Vec::new(),
        }
    }

    #[test]
    fn ties_count_as_their_expected_value() {
        assert_eq!(hit(&fault(1, 1), 1), 1.0);
        assert_eq!(hit(&fault(1, 2), 1), 0.5);
        assert_eq!(hit(&fault(2, 4), 3), 0.5);
        assert_eq!(hit(&fault(4, 1), 3), 0.0);
    }

    #[test]
    fn overlapping_waits_are_counted_once() {
        let at = Time::from_secs;
        let stretches = vec![(at(1), at(3)), (at(2), at(4)), (at(9), at(20))];
        assert_eq!(covered(stretches, at(0), at(10)), Duration::from_secs(4));
    }
}
