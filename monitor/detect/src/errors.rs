//! A share of failures above what was learned, by an exact test.
//!
//! Server errors of an Api, error records of a service, records of one log template: each is a
//! number of cases out of so many. How often a case occurs is Beta-distributed rather than fixed,
//! because failures come in bursts (one client, one bad node), so the exact tail is the
//! beta-binomial's. Three failures of four calls are then a nuisance, and thirty of forty a page.

use std::time::Duration;

use monitor_core::{Band, Direction, Score, Time};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::experience::Experience;
use crate::kinship::{Kinship, upper_quartile};
use crate::learning::LearningRule;
use crate::options::Options;
use crate::sensitivity::Sensitivity;
use crate::tails::{beta_binomial_above, beta_binomial_quantile};

/// Which share it is; decides the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RatioKind {
    /// Server errors of calls.
    Errors,
    /// The same over minutes.
    ErrorDrift,
    /// Records at ERROR or above.
    LogErrors,
    /// Records of one template.
    Template,
    /// Records of a template that was never seen before, at ERROR.
    NewTemplate,
    /// Calls refused as too many.
    Throttled,
    /// Calls refused for want of credentials or rights.
    Unauthorised,
    /// Calls that are other mistakes of their callers.
    ClientErrors,
    /// Records in a format that was not seen before.
    LogFormat,
    /// Calls that ended in a status that was not seen before.
    NewStatus,
    /// Answers of a size that was not seen before.
    NewSize,
    /// Records that bear another time than that at which they came.
    Mistimed,
    /// Calls to a dependency that failed.
    DependencyErrors,
    /// Journeys without a step that nearly all have, …
    MissingStep,
    /// … that have one more often than nearly all, …
    RepeatedStep,
    /// … that have one before the one it follows.
    StepOrder,
}

/// What is believed of a share before anything was seen: Jeffreys' half a case, in 50.
const PRIOR_CASES: f64 = 0.5;
const PRIOR_WHOLE: f64 = 50.0;
/// Calls remembered, and those of so many windows where that is more: four hours of five seconds each.
/// Older ones fade.
const MEMORY: f64 = 50_000.0;
const MEMORY_WINDOWS: f64 = 2_880.0;
/// Correlation of failures that is taken for granted: as strong as 200 independent calls at first,
/// as 2,000 once many windows were seen to be calmer.
const EARLY_CORRELATION: f64 = 1.0 / 200.0;
const LATE_CORRELATION: f64 = 1.0 / 2_000.0;
/// Windows after which half of the early caution is gone.
const CALM_WINDOWS: f64 = 50.0;
const MOST_CORRELATION: f64 = 0.3;
/// Fewer cases than this in a window never count as outside the band.
const FEWEST_CASES: u32 = 5;
const TOO_FEW: f64 = 0.05;
/// Even while learning: this share of failures, over so many calls, cannot be normal.
const GUARD_SHARE: f64 = 0.5;
const GUARD_WHOLE: u64 = 20;
/// Enough for an alarm at any sensitivity.
const GUARD_P: f64 = 1e-15;
/// As many calls is the chance of others known from, at first, and after so many windows what was
/// borrowed is doubted no more.
const DOUBTED_SIZE: f64 = 20.0;
const DOUBT: u8 = 24;
/// Failures take this many times longer than other levels to become the new normal.
const SHIFT_FACTOR: u32 = 12;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioDetector {
    kind: RatioKind,
    options: Options,
    rule: LearningRule,
    sensitivity: Sensitivity,
    shift_after: Duration,
    seconds: u32,
    model: Model,
    evidence: Evidence,
    candidate: Option<Box<(Time, Model)>>,
    held: bool,
    /// How long to doubt what was borrowed from others, in windows.
    doubt: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Model {
    cases: f64,
    whole: f64,
    /// Observations ever learned from.
    learned: u64,
    /// Weighted mean of the intra-class correlation that each window showed.
    correlation: f64,
    windows: f64,
}

impl RatioDetector {
    pub fn new(
        kind: RatioKind,
        options: Options,
        rule: LearningRule,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> RatioDetector {
        RatioDetector {
            kind,
            options,
            rule,
            sensitivity,
            shift_after: match kind {
                RatioKind::Errors
                | RatioKind::ErrorDrift
                | RatioKind::LogErrors
                | RatioKind::Throttled
                | RatioKind::Unauthorised
                | RatioKind::DependencyErrors => shift_after * SHIFT_FACTOR,
                RatioKind::Template
                | RatioKind::NewTemplate
                | RatioKind::ClientErrors
                | RatioKind::LogFormat
                | RatioKind::Mistimed
                | RatioKind::NewStatus
                | RatioKind::NewSize
                | RatioKind::MissingStep
                | RatioKind::RepeatedStep
                | RatioKind::StepOrder => shift_after,
            },
            seconds: 0,
            model: Model::default(),
            evidence: Evidence::default(),
            candidate: None,
            held: false,
            doubt: 0,
        }
    }

    /// Begins with what others have learned that do the same work or the like, and after so few own
    /// calls as `rule` says. It weighs as much as [`PRIOR_WHOLE`] calls, and at first its chance is
    /// believed to scatter as widely as between `kin`: what fails by nature more than they do is not
    /// anomalous unless most of it fails.
    pub fn borrow(&mut self, others: &[&RatioDetector], kin: Kinship, rule: LearningRule) {
        let chance = |other: &&RatioDetector| {
            let (a, b) = other.model.beta();
            a / (a + b)
        };
        let Some(chance) = upper_quartile(others.iter().map(chance).collect()) else {
            return;
        };
        self.rule = rule;
        self.model.cases = chance * PRIOR_WHOLE;
        self.model.whole = PRIOR_WHOLE;
        self.doubt = match kin {
            Kinship::Same => DOUBT / 4,
            Kinship::Sibling => DOUBT,
        };
    }

    /// The chance's distribution.
    fn beta(&self) -> (f64, f64) {
        let (a, b) = self.model.beta();
        let size = DOUBTED_SIZE * f64::from(DOUBT) / f64::from(self.doubt.max(1));
        if self.doubt == 0 || a + b <= size {
            return (a, b);
        }
        (a * size / (a + b), b * size / (a + b))
    }

    /// Starts with the knowledge that `whole` records over so many seconds held no case.
    pub fn never_seen(mut self, whole: u64, seconds: u32) -> RatioDetector {
        self.seconds = seconds;
        self.model.whole = (whole as f64).min(MEMORY);
        self.model.learned = whole;
        self
    }

    /// There is no verdict yet.
    pub(crate) fn is_learning(&self) -> bool {
        self.rule
            .progress(self.seconds, self.model.learned)
            .is_some()
    }

    /// What was learned of the share is of the past; how high evidence climbs is not.
    pub(crate) fn forget(&mut self) {
        self.seconds = 0;
        self.model = Model::default();
        self.candidate = None;
        self.evidence.reset();
    }

    /// One percentage point more than expected, and above it.
    pub fn default_options() -> Options {
        Options {
            detection_direction: crate::DetectionDirection::AboveExpected,
            min_dev_from_expected: 0.01,
            min_rel_dev_from_expected: 0.5,
            data_range: (0.0, 1.0),
            ..Options::default()
        }
    }

    fn probability(&self, part: u64, whole: u64, (a, b): (f64, f64), learning: bool) -> f64 {
        let actual = part as f64 / whole as f64;
        if learning {
            return if self.guard(part, whole) {
                GUARD_P
            } else {
                1.0
            };
        }
        if !self.options.in_range(actual) {
            f64::MIN_POSITIVE
        } else if !self.options.concerns(actual, a / (a + b)) {
            1.0
        } else {
            let tail = beta_binomial_above(part, whole, a, b);
            if part < self.fewest_cases() {
                tail.max(TOO_FEW)
            } else {
                tail
            }
        }
    }

    fn fewest_cases(&self) -> u64 {
        let wanted = f64::from(FEWEST_CASES) * self.options.interest.sqrt();
        (wanted.round() as u64).max(2)
    }

    fn guard(&self, part: u64, whole: u64) -> bool {
        self.kind == RatioKind::Errors
            && whole >= GUARD_WHOLE
            && part as f64 >= GUARD_SHARE * whole as f64
    }
}

impl Detector for RatioDetector {
    fn name(&self) -> &'static str {
        match self.kind {
            RatioKind::Errors => "error-ratio",
            RatioKind::ErrorDrift => "error-drift",
            RatioKind::LogErrors => "log-error-ratio",
            RatioKind::Template => "log-template-rate",
            RatioKind::NewTemplate => "new-log-template",
            RatioKind::Throttled => "throttled-ratio",
            RatioKind::Unauthorised => "unauthorised-ratio",
            RatioKind::ClientErrors => "client-error-ratio",
            RatioKind::LogFormat => "log-format",
            RatioKind::NewStatus => "new-status",
            RatioKind::NewSize => "new-size",
            RatioKind::Mistimed => "clock",
            RatioKind::DependencyErrors => "dependency-error-ratio",
            RatioKind::MissingStep => "journey-step-missing",
            RatioKind::RepeatedStep => "journey-step-repeated",
            RatioKind::StepOrder => "journey-step-order",
        }
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Share { part, whole } = sample.reading else {
            return None;
        };
        if whole == 0 {
            return None;
        }
        let (a, b) = self.beta();
        let typical = a / (a + b);
        let actual = part as f64 / whole as f64;
        let learned_from = self.model.learned;
        let learning = self.rule.progress(self.seconds, learned_from);
        let p = self.probability(part, whole, (a, b), learning.is_some());
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p,
            most: Most::All,
        };
        let (score, phase) = self.evidence.weigh(window, self.sensitivity);
        let mut phase = match (learning, phase) {
            (Some(progress), Phase::Normal) => Phase::Learning(progress),
            (_, phase) => phase,
        };
        if self.held {
            self.candidate = None;
        } else if self.evidence.is_anomalous() {
            let (since, model) = &mut **self
                .candidate
                .get_or_insert_with(|| Box::new((sample.start, Model::default())));
            model.learn(part, whole);
            if sample.end().since(*since) >= self.shift_after {
                self.model = std::mem::take(model);
                self.doubt = 0;
                self.candidate = None;
                self.evidence.reset();
                phase = Phase::Shifted;
            }
        } else {
            self.candidate = None;
            if self.evidence.teaches(p) {
                self.model.learn(part, whole);
                self.doubt = self.doubt.saturating_sub(1);
                self.seconds = self.seconds.saturating_add(sample.active_secs);
            }
            if let Phase::Learning(_) = phase {
                phase = match self.rule.progress(self.seconds, self.model.learned) {
                    Some(progress) => Phase::Learning(progress),
                    None => Phase::Normal,
                };
            }
        }
        // The band costs more than the verdict, and a service has many templates.
        let wanted = p < OUTSIDE
            || matches!(
                self.kind,
                RatioKind::Errors | RatioKind::ErrorDrift | RatioKind::LogErrors
            );
        let upper = if wanted {
            beta_binomial_quantile(OUTSIDE, whole, a, b)
        } else {
            0
        };
        Some(Verdict {
            score: if learning.is_some() && !phase.is_anomalous() {
                Score::NORMAL
            } else {
                score
            },
            outside: p < OUTSIDE,
            phase,
            guarded: learning.is_some(),
            start: sample.start,
            end: sample.end(),
            statistic: match self.kind {
                RatioKind::NewStatus => "share of calls",
                RatioKind::NewSize => "share of answers",
                RatioKind::Errors | RatioKind::ErrorDrift => "error ratio",
                RatioKind::LogErrors => "log error ratio",
                RatioKind::Template
                | RatioKind::NewTemplate
                | RatioKind::LogFormat
                | RatioKind::Mistimed => "share of records",
                RatioKind::Throttled => "throttled ratio",
                RatioKind::Unauthorised => "unauthorised ratio",
                RatioKind::ClientErrors => "client error ratio",
                RatioKind::DependencyErrors => "error ratio",
                RatioKind::MissingStep | RatioKind::RepeatedStep | RatioKind::StepOrder => {
                    "share of journeys"
                }
            },
            direction: Direction::Above,
            typical: if self.model.cases == 0.0 {
                0.0
            } else {
                typical
            },
            actual,
            band: Band {
                lower: 0.0,
                upper: upper as f64 / whole as f64,
            },
            observations: whole,
            learned_from,
        })
    }

    fn is_pressing(&self, sample: &Sample<'_>) -> bool {
        let Reading::Share { part, whole } = sample.reading else {
            return false;
        };
        if part < self.fewest_cases() || self.evidence.is_anomalous() {
            return false;
        }
        let learning = self.rule.progress(self.seconds, self.model.learned);
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p: self.probability(part, whole, self.beta(), learning.is_some()),
            most: Most::All,
        };
        self.evidence.presses(window, self.sensitivity)
    }

    fn skip_to(&mut self, _time: Time) {
        self.candidate = None;
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
    }
}

impl Model {
    /// The parameters of the chance's distribution.
    fn beta(&self) -> (f64, f64) {
        let mean = (PRIOR_CASES + self.cases) / (PRIOR_WHOLE + self.whole);
        let caution = CALM_WINDOWS / (CALM_WINDOWS + self.windows);
        let floor = LATE_CORRELATION + (EARLY_CORRELATION - LATE_CORRELATION) * caution;
        let correlation = self.correlation.clamp(floor, MOST_CORRELATION);
        let size = (1.0 / correlation - 1.0).min(PRIOR_WHOLE + self.whole);
        (mean * size, (1.0 - mean) * size)
    }

    fn learn(&mut self, part: u64, whole: u64) {
        let (part, size) = (part as f64, whole as f64);
        let mean = (PRIOR_CASES + self.cases) / (PRIOR_WHOLE + self.whole);
        let variance = size * mean * (1.0 - mean);
        self.windows += 1.0;
        // A window in which less than one case was expected cannot show how cases cluster.
        if size >= 5.0 && size * mean >= 1.0 {
            let residual = part - size * mean;
            let excess = (residual * residual / variance).min(25.0) - 1.0;
            let shown = excess / (size - 1.0);
            self.correlation += (shown - self.correlation) / self.windows.min(200.0);
        }
        self.cases += part;
        self.whole += size;
        self.learned = self.learned.saturating_add(whole);
        let memory = MEMORY.max(MEMORY_WINDOWS * self.learned as f64 / self.windows);
        if self.whole > memory {
            self.cases *= memory / self.whole;
            self.whole = memory;
        }
    }
}
