//! Response-time spike against the learned level and spread.
//!
//! Works on the logarithms of a window's median and 95th percentile: latencies multiply, and a
//! shift of either matters (all calls a little slower, or a few much slower). Each has a robust
//! [`Level`] that knows how far a window of so many calls may stray.

use std::time::Duration;

use monitor_core::{Band, Score, Sketch, Time};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::evidence::{Evidence, OUTSIDE, Window};
use crate::experience::Experience;
use crate::kinship::upper_quartile;
use crate::learning::LearningRule;
use crate::level::{Expected, Level};
use crate::options::{DetectionDirection, Options, direction};
use crate::seasonal::{Outward, Season};
use crate::sensitivity::Sensitivity;
use crate::stragglers::Stragglers;

/// Spread of windows' medians and 95th percentiles that is taken for granted: 6 and 12 percent.
const MEDIAN_FLOOR: f64 = 0.06;
const TAIL_FLOOR: f64 = 0.12;
/// Variance of a sample quantile in units of σ²/n for a normal σ: π/2 for the median and
/// q(1−q)/φ(z_q)² = 4.47 for q = 0.95.
const MEDIAN_VARIANCE: f64 = 1.571;
const TAIL_VARIANCE: f64 = 4.47;
/// Fewer calls than this say nothing of a level.
const FEWEST_CALLS: u64 = 5;
/// One pause of a garbage collector fills one window; two must agree.
const MOST_OF_ONE_WINDOW: f64 = 0.55;
/// Nor is a window judged before its time that has calls of fewer seconds.
const PRESSING_SECS: u32 = 2;
/// A window this unlikely under the would-be new level shows that it is not stable.
const UNSTABLE: f64 = 1e-4;
/// Windows that a new level must have seen …
const STABLE_WINDOWS: u32 = 10;
/// … and how far it may have gone on since the first of them, as a logarithm: what grows is no level.
const STABLE_WITHIN: f64 = 0.2;
/// What is borrowed from others weighs as much as so many windows.
const BORROWED: u32 = 32;
/// Durations below this, in seconds, are all the same.
const SHORTEST: f32 = 1e-6;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyDetector {
    options: Options,
    rule: LearningRule,
    sensitivity: Sensitivity,
    shift_after: Duration,
    seconds: u32,
    calls: u64,
    windows: u32,
    model: Model,
    stragglers: Stragglers,
    evidence: Evidence,
    /// Faster than learned: nobody's trouble, but a level to re-learn.
    faster: Evidence,
    candidate: Option<Box<Candidate>>,
    /// Median and 95th percentile over the day and the week, in seconds.
    season: Season,
    held: bool,
    grows: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    /// Standard deviation of one call's log-latency.
    spread: f64,
    windows: u32,
    /// What is known of spread and scatter from others, in windows.
    borrowed: u32,
    median: Level,
    tail: Level,
}

/// What the level would be if the anomaly were the new normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Candidate {
    since: Time,
    calls: u64,
    model: Model,
    /// The median's level when it had seen the first windows.
    began: f64,
}

/// How far one window is from what was learned.
#[derive(Clone, Copy, Debug)]
struct Judged {
    median: Expected,
    tail: Expected,
    p_median: f64,
    p_tail: f64,
    deviations: f64,
    p: f64,
}

#[derive(Clone, Copy, Debug)]
struct Quantiles {
    calls: u64,
    median: f64,
    tail: f64,
    spread: f64,
}

impl LatencyDetector {
    pub fn new(
        options: Options,
        rule: LearningRule,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> LatencyDetector {
        LatencyDetector {
            options,
            rule,
            sensitivity,
            shift_after,
            seconds: 0,
            calls: 0,
            windows: 0,
            model: Model::new(),
            stragglers: Stragglers::default(),
            evidence: Evidence::default(),
            faster: Evidence::default(),
            candidate: None,
            season: Season::new([Outward::Up; 2], SHORTEST),
            held: false,
            grows: false,
        }
    }

    /// Whether it is known from elsewhere to be growing towards its end. What is usual stays what it was:
    /// the level follows within a quarter of an hour, and what its windows are out by would pass for
    /// scatter.
    pub fn grows(&mut self, grows: bool) {
        self.grows = grows;
    }

    /// Slower than five milliseconds and a fifth more than expected, whatever the statistics say:
    /// below that nobody waits.
    pub fn default_options() -> Options {
        Options {
            detection_direction: DetectionDirection::AboveExpected,
            min_dev_from_expected: 0.005,
            min_rel_dev_from_expected: 0.2,
            ..Options::default()
        }
    }

    /// Begins with the spread and the scatter that others have learned, but not with how long their
    /// calls take, and after so few own calls as `rule` says. Those of some windows count for as much.
    pub fn borrow(&mut self, others: &[&LatencyDetector], rule: LearningRule) {
        let of = |what: fn(&Model) -> f64| {
            let known = others.iter().filter(|other| other.model.windows > 0);
            upper_quartile(known.map(|other| what(&other.model)).collect())
        };
        let (Some(spread), Some(median), Some(tail)) = (
            of(|model| model.spread),
            of(|model| model.median.scatter()),
            of(|model| model.tail.scatter()),
        ) else {
            return;
        };
        self.rule = rule;
        self.model.spread = spread;
        self.model.borrowed = BORROWED;
        self.model
            .median
            .scatters(median.max(1.0), f64::from(BORROWED));
        self.model.tail.scatters(tail.max(1.0), f64::from(BORROWED));
    }

    /// Local time is so many seconds ahead of UTC: days and weeks begin by it.
    pub fn set_utc_offset(&mut self, secs: i32) {
        self.season.set_offset(secs);
    }

    /// The median and the 95th percentile in seconds that are usual at this hour; `None` where nobody
    /// knows yet.
    pub fn usual(&self, at: Time) -> Option<[f64; 2]> {
        self.season.usual(at)
    }

    /// At this hour slower calls are usual than the last ones were.
    pub fn expects_slower(&self, at: Time) -> bool {
        let mut local = self.model.median.expect(0.0);
        let before = local.location;
        if let Some([usual, _]) = self.season.usual(at) {
            local.reaches(usual.ln());
        }
        local.location > before
    }

    fn learn(&mut self, quantiles: Quantiles, active_secs: u32) {
        self.model.learn(quantiles);
        self.calls = self.calls.saturating_add(quantiles.calls);
        self.seconds = self.seconds.saturating_add(active_secs);
    }

    fn weigh(&self, at: Time, quantiles: Quantiles) -> Judged {
        let [mut median, mut tail] = self.model.expect(quantiles);
        if let Some([usual_median, usual_tail]) = self.season.usual(at) {
            median.reaches(usual_median.ln());
            tail.reaches(usual_tail.ln());
        }
        let above = |expected: Expected, value: f64| {
            let typical = expected.location.exp();
            if !self.options.in_range(value.exp()) {
                f64::MIN_POSITIVE
            } else if self.options.concerns(value.exp(), typical) {
                expected.above(value)
            } else {
                1.0
            }
        };
        let (p_median, p_tail) = (above(median, quantiles.median), above(tail, quantiles.tail));
        // Only what is far enough to concern anyone strays.
        let far = |p: f64, expected: Expected, value: f64| {
            if p < 1.0 {
                expected.deviations(value)
            } else {
                0.0
            }
        };
        let deviations =
            far(p_median, median, quantiles.median).max(far(p_tail, tail, quantiles.tail));
        let p = (2.0 * p_median.min(p_tail)).min(1.0);
        Judged {
            median,
            tail,
            p_median,
            p_tail,
            deviations,
            p: p.max(self.stragglers.beyond(deviations)).min(1.0),
        }
    }

    /// Follows what may be a new level; true when it has been stable for long enough.
    fn has_shifted(&mut self, sample: &Sample<'_>, quantiles: Quantiles) -> bool {
        let slower = self.evidence.is_anomalous();
        if !slower && !self.faster.is_anomalous() {
            self.candidate = None;
            return false;
        }
        let fresh = || Candidate {
            since: sample.start,
            calls: 0,
            model: Model::new(),
            began: 0.0,
        };
        let candidate = self.candidate.get_or_insert_with(|| Box::new(fresh()));
        let [median, tail] = candidate.model.expect(quantiles);
        let unstable = |expected: Expected, value: f64| {
            let p = expected.above(value);
            !(UNSTABLE..=1.0 - UNSTABLE).contains(&p)
        };
        if candidate.model.windows == STABLE_WINDOWS {
            candidate.began = median.location;
        }
        if candidate.model.windows >= STABLE_WINDOWS
            && (unstable(median, quantiles.median)
                || unstable(tail, quantiles.tail)
                || (median.location - candidate.began).abs() > STABLE_WITHIN)
        {
            **candidate = fresh();
        }
        candidate.model.learn(quantiles);
        candidate.calls += quantiles.calls;
        // Nobody is waiting for the end of an improvement.
        let wait = if slower {
            self.shift_after
        } else {
            self.shift_after / 3
        };
        sample.end().since(candidate.since) >= wait && candidate.model.windows >= STABLE_WINDOWS
    }
}

impl Detector for LatencyDetector {
    fn name(&self) -> &'static str {
        "latency-spike"
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Durations(sketch) = sample.reading else {
            return None;
        };
        let quantiles = Quantiles::of(sketch)?;
        if quantiles.calls < FEWEST_CALLS {
            return None;
        }
        let learned_from = self.calls;
        if let Some(progress) = self.rule.progress(self.seconds, self.calls) {
            if !self.held {
                self.learn(quantiles, sample.active_secs);
            }
            let typical = self.model.expect(quantiles)[1];
            return Some(verdict(
                sample,
                (quantiles, quantiles.tail, typical, "p95", learned_from),
                (Score::NORMAL, Phase::Learning(progress), false),
            ));
        }
        // Before the hour of the day is asked: it only says what may be slow.
        let [local, _] = self.model.expect(quantiles);
        let p_faster = (2.0 * (1.0 - local.above(quantiles.median))).min(1.0);
        let Judged {
            median,
            tail,
            p_median,
            p_tail,
            deviations,
            p,
        } = self.weigh(sample.start, quantiles);
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p,
            most: self.options.most_of_one(sample.span, MOST_OF_ONE_WINDOW),
        };
        let (score, mut phase) = self.evidence.weigh(window, self.sensitivity);
        if self.held || self.grows {
            // Neither its stragglers nor what may be a new level is remembered.
        } else if self.evidence.is_anomalous() {
            self.stragglers.was_anomaly();
        } else {
            self.stragglers.see(deviations);
            if self.evidence.is_clear() {
                self.stragglers.was_normal();
            }
        }
        if !self.held {
            let values = [quantiles.median.exp(), quantiles.tail.exp()];
            let anomalous = self.evidence.is_anomalous() || self.grows;
            self.season
                .see(sample.start, sample.span, values, anomalous);
        }
        self.faster.weigh(
            Window {
                p: p_faster,
                ..window
            },
            self.sensitivity,
        );
        if self.held {
            self.candidate = None;
        } else if self.has_shifted(sample, quantiles) {
            if let Some(candidate) = self.candidate.take() {
                self.model = candidate.model;
                self.calls = candidate.calls;
            }
            phase = if self.evidence.is_anomalous() {
                Phase::Shifted
            } else {
                Phase::Normal
            };
            self.evidence.reset();
            self.faster.reset();
        } else if !self.grows && self.evidence.teaches(p) && self.faster.teaches(p_faster) {
            self.learn(quantiles, sample.active_secs);
        }
        let (value, expected, statistic) = if p_median < OUTSIDE && p_tail >= OUTSIDE {
            (quantiles.median, median, "p50")
        } else {
            (quantiles.tail, tail, "p95")
        };
        Some(verdict(
            sample,
            (quantiles, value, expected, statistic, learned_from),
            (score, phase, p < OUTSIDE),
        ))
    }

    /// A second alone may be a pause that ends for all at once.
    fn is_pressing(&self, sample: &Sample<'_>) -> bool {
        let Reading::Durations(sketch) = sample.reading else {
            return false;
        };
        if sample.active_secs < PRESSING_SECS || self.evidence.is_anomalous() {
            return false;
        }
        let Some(quantiles) = Quantiles::of(sketch).filter(|found| found.calls >= FEWEST_CALLS)
        else {
            return false;
        };
        if self.rule.progress(self.seconds, self.calls).is_some() {
            return false;
        }
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p: self.weigh(sample.start, quantiles).p,
            most: self.options.most_of_one(sample.span, MOST_OF_ONE_WINDOW),
        };
        self.evidence.presses(window, self.sensitivity)
    }

    fn skip_to(&mut self, _time: Time) {
        // Between two samples nothing is kept; a candidate's age must not include the blind time.
        self.candidate = None;
        self.season.skip();
    }

    fn tune(&mut self, options: Options, sensitivity: Sensitivity) {
        self.options = options;
        self.sensitivity = sensitivity;
    }

    fn experience(&self) -> Experience {
        self.evidence.experience()
    }

    fn most_alarms_per_week(&self, others: Experience) -> f64 {
        self.evidence.most_alarms_per_week(others)
    }

    fn grant(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.evidence.hold(hold);
        self.faster.hold(hold);
    }
}

fn verdict(
    sample: &Sample<'_>,
    (quantiles, value, expected, statistic, learned_from): (
        Quantiles,
        f64,
        Expected,
        &'static str,
        u64,
    ),
    (score, phase, outside): (Score, Phase, bool),
) -> Verdict {
    let typical = expected.location.exp();
    let margin = expected.margin();
    Verdict {
        score,
        outside,
        phase,
        guarded: matches!(phase, Phase::Learning(_)),
        start: sample.start,
        end: sample.end(),
        statistic,
        direction: direction(value.exp(), typical),
        typical,
        actual: value.exp(),
        band: Band {
            lower: (expected.location - margin).exp(),
            upper: (expected.location + margin).exp(),
        },
        observations: quantiles.calls,
        learned_from,
    }
}

impl Quantiles {
    fn of(sketch: &Sketch) -> Option<Quantiles> {
        // A duration of zero is one below the clock's resolution.
        let ln = |q: f64| Some(sketch.quantile(q)?.max(1e-6).ln());
        Some(Quantiles {
            calls: sketch.count(),
            median: ln(0.5)?,
            tail: ln(0.95)?,
            // A normal's quartiles lie 1.349 deviations apart.
            spread: ((ln(0.75)? - ln(0.25)?) / 1.349).clamp(0.02, 3.0),
        })
    }
}

impl Model {
    fn new() -> Model {
        Model {
            spread: 0.0,
            windows: 0,
            borrowed: 0,
            median: Level::new(MEDIAN_FLOOR),
            tail: Level::new(TAIL_FLOOR),
        }
    }

    /// Sampling variance of the median and the 95th percentile.
    fn variances(&self, quantiles: Quantiles) -> [f64; 2] {
        let spread = if self.windows < self.borrowed {
            // Who scatters more than others by nature shows it in each of its windows.
            self.spread.max(quantiles.spread)
        } else if self.windows == 0 {
            quantiles.spread
        } else {
            self.spread
        };
        let per_call = spread * spread / quantiles.calls as f64;
        [MEDIAN_VARIANCE * per_call, TAIL_VARIANCE * per_call]
    }

    fn expect(&self, quantiles: Quantiles) -> [Expected; 2] {
        let [median, tail] = self.variances(quantiles);
        [self.median.expect(median), self.tail.expect(tail)]
    }

    fn learn(&mut self, quantiles: Quantiles) {
        let [median, tail] = self.variances(quantiles);
        self.median.learn(quantiles.median, median);
        self.tail.learn(quantiles.tail, tail);
        self.windows = self.windows.saturating_add(1);
        let known = self.windows.saturating_add(self.borrowed).min(200);
        self.spread += (quantiles.spread - self.spread) / f64::from(known);
    }
}
