//! What differs between two stretches of a recording.
//!
//! For recordings without a lead-in to learn from: minutes of a fault against minutes without. The
//! caller names the service or Api, fills a [`WindowStats`] for each stretch, and gets differences
//! with a p-value, an effect and a sentence. A difference counts only when it is both certain and
//! large: with thousands of calls everything is certain, and with ten everything looks large.

mod rank;
mod stats;
mod two_sample;

use std::time::Duration;

use monitor_core::{Direction, Score, Sketch, TemplateId};

pub use rank::{Ranked, rank_services};
pub use stats::{TemplateStats, WindowStats};

use two_sample::{binomial_two_sided, fisher_two_sided, log_shift, mann_whitney};

/// Adjusted p-values above this are chance; at this value the score is at most 1.
const CERTAIN: f64 = 1e-3;
/// Some milliseconds more or less matter to nobody; shifts are measured on top of this. Seconds.
const SOFT_SECS: f64 = 0.01;
/// Effects that are worth a look and give a score of 1 when certain: durations up by three tenths,
/// five of a hundred calls failing, two of a hundred records of another kind, half the calls gone.
const DURATION_EFFECT: f64 = 0.262;
const FAILURE_EFFECT: f64 = 0.05;
const TEMPLATE_EFFECT: f64 = 0.02;
const RATE_EFFECT: f64 = 0.7;
/// Templates compared, the most frequent first.
const MAX_TEMPLATES: usize = 512;

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Time spent in the service itself, without its callees.
    SelfTime,
    /// Time on the way from and back to its callers.
    NetworkTime,
    /// Time on the way to and back from the services that it calls.
    OutgoingTime,
    Latency,
    ErrorRatio,
    LogErrorRatio,
    NewTemplate {
        id: TemplateId,
        error: bool,
    },
    VanishedTemplate(TemplateId),
    TemplateShare {
        id: TemplateId,
        error: bool,
    },
    CallRate,
}

impl Aspect {
    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::SelfTime => "self-time",
            Aspect::NetworkTime => "network-time",
            Aspect::OutgoingTime => "outgoing-time",
            Aspect::Latency => "latency",
            Aspect::ErrorRatio => "error-ratio",
            Aspect::LogErrorRatio => "log-error-ratio",
            Aspect::NewTemplate { .. } => "new-template",
            Aspect::VanishedTemplate(_) => "vanished-template",
            Aspect::TemplateShare { .. } => "template-share",
            Aspect::CallRate => "call-rate",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub aspect: Aspect,
    pub direction: Direction,
    /// In the aspect's unit: seconds (95th percentile or median), shares, calls a second.
    pub reference: f64,
    pub actual: f64,
    /// After control of the false-discovery rate over all aspects compared.
    pub p: f64,
    /// 1 is worth a look.
    pub effect: f64,
    /// Above 1: certain and large.
    pub score: Score,
    pub why: String,
}

/// All differences, the most striking first. Certain and large ones have a score above 1; the
/// others are there for those who want to see that nothing else differs.
pub fn compare(reference: &WindowStats, window: &WindowStats) -> Vec<Difference> {
    let mut found = Vec::new();
    found.extend(durations(
        Aspect::SelfTime,
        &reference.self_times,
        &window.self_times,
    ));
    found.extend(durations(
        Aspect::NetworkTime,
        &reference.network_times,
        &window.network_times,
    ));
    found.extend(durations(
        Aspect::OutgoingTime,
        &reference.outgoing_times,
        &window.outgoing_times,
    ));
    found.extend(durations(
        Aspect::Latency,
        &reference.latencies,
        &window.latencies,
    ));
    found.extend(shares(
        Aspect::ErrorRatio,
        (reference.server_errors, reference.calls),
        (window.server_errors, window.calls),
    ));
    found.extend(shares(
        Aspect::LogErrorRatio,
        (reference.log_errors, reference.records),
        (window.log_errors, window.records),
    ));
    found.extend(templates(reference, window));
    found.extend(call_rate(reference, window));
    control_false_discoveries(&mut found);
    for difference in &mut found {
        let certainty = difference.p.max(f64::MIN_POSITIVE).ln() / CERTAIN.ln();
        difference.score = Score::new(certainty.min(difference.effect));
    }
    found.sort_by(|a, b| {
        b.score
            .get()
            .total_cmp(&a.score.get())
            .then(b.effect.total_cmp(&a.effect))
            .then(a.aspect.cmp(&b.aspect))
    });
    found
}

fn durations(aspect: Aspect, reference: &Sketch, window: &Sketch) -> Option<Difference> {
    if reference.is_empty() || window.is_empty() {
        return None;
    }
    let whole_sample = mann_whitney(reference, window).min(log_shift(reference, window, SOFT_SECS));
    let shift = |q: f64| {
        let softened = |sketch: &Sketch| (sketch.quantile(q).unwrap_or(0.0) + SOFT_SECS).ln();
        softened(window) - softened(reference)
    };
    let levels = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];
    let whole = levels.into_iter().map(shift).sum::<f64>() / levels.len() as f64;
    let tail = shift(0.95) / 2.0;
    let strongest = if tail.abs() > whole.abs() {
        tail
    } else {
        whole
    };
    let (name, q) = if tail.abs() > whole.abs() {
        ("p95", 0.95)
    } else {
        ("p50", 0.5)
    };
    let (from, to) = (
        reference.quantile(q).unwrap_or(0.0),
        window.quantile(q).unwrap_or(0.0),
    );
    let share = tail_share(reference, window);
    let what = match aspect {
        Aspect::SelfTime => "own time",
        Aspect::NetworkTime => "time on the way here",
        Aspect::OutgoingTime => "time on the way to others",
        _ => "response time",
    };
    Some(Difference {
        aspect,
        direction: direction(strongest),
        reference: from,
        actual: to,
        // Three tests, the best of which counts.
        p: (3.0 * whole_sample.min(share)).min(1.0),
        effect: strongest.abs() / DURATION_EFFECT,
        score: Score::NORMAL,
        why: format!(
            "{what} {name} {} instead of {} ({} and {} calls)",
            millis(to),
            millis(from),
            window.count(),
            reference.count()
        ),
    })
}

/// Whether more of the window's calls than of the reference's lie above the reference's 95th
/// percentile; finds a shift of the tail that leaves the middle in place.
fn tail_share(reference: &Sketch, window: &Sketch) -> f64 {
    let Some(limit) = reference.quantile(0.95) else {
        return 1.0;
    };
    let above = |sketch: &Sketch| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count gives the count back"
        )]
        let above = (sketch.share_above(limit) * sketch.count() as f64).round() as u64;
        above
    };
    fisher_two_sided(
        above(window),
        window.count(),
        above(reference),
        reference.count(),
    )
}

fn shares(aspect: Aspect, reference: (u64, u64), window: (u64, u64)) -> Option<Difference> {
    if reference.1 == 0 || window.1 == 0 {
        return None;
    }
    let share = |(part, whole): (u64, u64)| part as f64 / whole as f64;
    let change = share(window) - share(reference);
    let what = if aspect == Aspect::ErrorRatio {
        "calls failed"
    } else {
        "log records are errors"
    };
    Some(Difference {
        aspect,
        direction: direction(change),
        reference: share(reference),
        actual: share(window),
        p: fisher_two_sided(window.0, window.1, reference.0, reference.1),
        effect: change.abs() / FAILURE_EFFECT,
        score: Score::NORMAL,
        why: format!(
            "{} of {} {what} instead of {} of {}",
            window.0, window.1, reference.0, reference.1
        ),
    })
}

fn templates(reference: &WindowStats, window: &WindowStats) -> Vec<Difference> {
    if reference.records == 0 || window.records == 0 {
        return Vec::new();
    }
    let mut ids: Vec<TemplateId> = reference
        .templates
        .keys()
        .chain(window.templates.keys())
        .copied()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let of =
        |stats: &WindowStats, id: &TemplateId| stats.templates.get(id).copied().unwrap_or_default();
    ids.sort_by_key(|id| {
        let records = of(reference, id).records + of(window, id).records;
        (std::cmp::Reverse(records), *id)
    });
    ids.truncate(MAX_TEMPLATES);
    let exposure = window.records as f64 / (window.records + reference.records) as f64;
    ids.into_iter()
        .map(|id| {
            let (before, now) = (of(reference, &id), of(window, &id));
            let error = before.errors + now.errors > 0;
            let share = |stats: TemplateStats, whole: u64| stats.records as f64 / whole as f64;
            let (from, to) = (share(before, reference.records), share(now, window.records));
            let aspect = match (before.records, now.records) {
                (0, _) => Aspect::NewTemplate { id, error },
                (_, 0) => Aspect::VanishedTemplate(id),
                _ => Aspect::TemplateShare { id, error },
            };
            // A message that was never there before is news at a handful of records; each doubling
            // of them is worth as much again.
            let effect = if before.records == 0 {
                ((1.0 + now.records as f64).ln() / 6f64.ln()).max((to - from) / TEMPLATE_EFFECT)
            } else {
                (to - from).abs() / TEMPLATE_EFFECT
            };
            let kind = if error { "error message" } else { "message" };
            Difference {
                aspect,
                direction: direction(to - from),
                reference: from,
                actual: to,
                p: binomial_two_sided(now.records, now.records + before.records, exposure),
                effect,
                score: Score::NORMAL,
                why: format!(
                    "{kind} {id}: {} of {} records instead of {} of {}",
                    now.records, window.records, before.records, reference.records
                ),
            }
        })
        .collect()
}

fn call_rate(reference: &WindowStats, window: &WindowStats) -> Option<Difference> {
    let (before, now) = (reference.span.as_secs_f64(), window.span.as_secs_f64());
    if before == 0.0 || now == 0.0 || reference.calls + window.calls == 0 {
        return None;
    }
    let (from, to) = (reference.calls as f64 / before, window.calls as f64 / now);
    let change =
        ((window.calls as f64 + 1.0) / now / ((reference.calls as f64 + 1.0) / before)).ln();
    Some(Difference {
        aspect: Aspect::CallRate,
        direction: direction(change),
        reference: from,
        actual: to,
        p: binomial_two_sided(
            window.calls,
            window.calls + reference.calls,
            now / (now + before),
        ),
        effect: change.abs() / RATE_EFFECT,
        score: Score::NORMAL,
        why: format!("{to:.2} calls/s instead of {from:.2}"),
    })
}

/// Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995: adjusted
/// p-values in place.
fn control_false_discoveries(differences: &mut [Difference]) {
    let mut order: Vec<usize> = (0..differences.len()).collect();
    order.sort_by(|&a, &b| differences[b].p.total_cmp(&differences[a].p));
    let total = differences.len() as f64;
    let mut smallest = 1.0f64;
    for (from_top, at) in order.into_iter().enumerate() {
        let rank = total - from_top as f64;
        smallest = smallest.min(differences[at].p * total / rank);
        differences[at].p = smallest;
    }
}

fn direction(change: f64) -> Direction {
    if change < 0.0 {
        Direction::Below
    } else {
        Direction::Above
    }
}

fn millis(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    if duration.as_millis() >= 10 {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.2} ms", seconds * 1e3)
    }
}
