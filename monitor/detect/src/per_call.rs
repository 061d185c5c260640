//! How often a service calls somebody else for each call that it serves.
//!
//! A cache that fails, retries, a query in a loop: none of these need show in what a service
//! answers, and all of them show in what it asks. What was made while so many calls were served is
//! compared with the learned ratio by a negative binomial test (Poisson with learned overdispersion,
//! since requests differ in what they need), as traffic is with its rate. So a day with twice the
//! requests is no news here.

use std::time::Duration;

use monitor_core::{Band, Direction, Time};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::learning::LearningRule;
use crate::options::{DetectionDirection, Options, direction};
use crate::sensitivity::Sensitivity;
use crate::tails::{count_at_least, count_at_most};

/// Overdispersion before any was seen: the ratio of windows varies by a quarter beyond Poisson.
const PRIOR_DISPERSION: f64 = 0.06;
const PRIOR_WINDOWS: f64 = 10.0;
const MOST_DISPERSION: f64 = 2.0;
/// Windows remembered.
const MEMORY: f64 = 360.0;
/// Calls that the ratio is as uncertain as, before any was seen.
const PRIOR_SERVED: f64 = 20.0;
/// One odd request can fill a window; two must agree.
const MOST_OF_ONE_WINDOW: f64 = 0.55;
/// Fewer calls than this, expected or made, tell nothing.
const FEWEST: f64 = 8.0;
const PRESSING_SECS: u32 = 2;
/// Windows that a new ratio must have seen.
const STABLE_WINDOWS: f64 = 10.0;

/// Online, O(1) for each window and in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerCallDetector {
    options: Options,
    rule: LearningRule,
    sensitivity: Sensitivity,
    shift_after: Duration,
    seconds: u32,
    served: u64,
    model: Model,
    evidence: Evidence,
    candidate: Option<(Time, Model)>,
    held: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Model {
    /// Both fade.
    made: f64,
    served: f64,
    dispersion: f64,
    windows: f64,
}

impl PerCallDetector {
    pub fn new(
        options: Options,
        rule: LearningRule,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> PerCallDetector {
        PerCallDetector {
            options,
            rule,
            sensitivity,
            shift_after,
            seconds: 0,
            served: 0,
            model: Model::default(),
            evidence: Evidence::default(),
            candidate: None,
            held: false,
        }
    }

    /// A third more calls than expected, and one more for each twenty served.
    pub fn default_options() -> Options {
        Options {
            detection_direction: DetectionDirection::AboveExpected,
            min_dev_from_expected: 0.05,
            min_rel_dev_from_expected: 0.33,
            data_range: (0.0, f64::INFINITY),
            ..Options::default()
        }
    }

    fn probability(&self, made: u64, served: u64) -> f64 {
        let (expected, actual) = (self.model.ratio(), made as f64 / served as f64);
        let mean = expected * served as f64;
        if mean.max(made as f64) < FEWEST || !self.options.concerns(actual, expected) {
            return 1.0;
        }
        let dispersion = self.model.predictive();
        if actual < expected {
            count_at_most(made, mean, dispersion)
        } else {
            // What was never seen to be called has no ratio that could be scaled.
            count_at_least(made, mean.max(0.5), dispersion)
        }
    }

    fn has_shifted(&mut self, sample: &Sample<'_>, made: u64, served: u64) -> bool {
        let (since, model) = self
            .candidate
            .get_or_insert_with(|| (sample.start, Model::default()));
        model.learn(made, served);
        let lasted = sample.end().since(*since);
        lasted >= self.shift_after && model.windows >= STABLE_WINDOWS
    }
}

impl Detector for PerCallDetector {
    fn name(&self) -> &'static str {
        "calls-per-call"
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::PerCall { made, served } = sample.reading else {
            return None;
        };
        if served == 0 {
            return None;
        }
        let (typical, learned_from) = (self.model.ratio(), self.served);
        let actual = made as f64 / served as f64;
        let learning = self.rule.progress(self.seconds, self.served);
        let p = match learning {
            Some(_) => 1.0,
            None => self.probability(made, served),
        };
        // Before it is taught, which changes what was expected.
        let margin = self.model.margin(served);
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p,
            most: Most::Share(MOST_OF_ONE_WINDOW),
        };
        let (score, mut phase) = self.evidence.weigh(window, self.sensitivity);
        if let Some(progress) = learning {
            phase = Phase::Learning(progress);
        }
        if self.held {
            self.candidate = None;
        } else if self.evidence.is_anomalous() {
            if self.has_shifted(sample, made, served) {
                if let Some((_, model)) = self.candidate.take() {
                    self.model = model;
                }
                self.evidence.reset();
                phase = Phase::Shifted;
            }
        } else {
            self.candidate = None;
            if self.evidence.teaches(p) {
                self.model.learn(made, served);
                self.served = self.served.saturating_add(served);
                self.seconds = self.seconds.saturating_add(sample.active_secs);
            }
        }
        Some(Verdict {
            score,
            outside: p < OUTSIDE,
            phase,
            guarded: learning.is_some(),
            start: sample.start,
            end: sample.end(),
            statistic: "calls per call",
            direction: if actual == typical {
                Direction::Above
            } else {
                direction(actual, typical)
            },
            typical,
            actual,
            band: Band {
                lower: (typical - margin).max(0.0),
                upper: typical + margin,
            },
            observations: served,
            learned_from,
        })
    }

    fn is_pressing(&self, sample: &Sample<'_>) -> bool {
        let Reading::PerCall { made, served } = sample.reading else {
            return false;
        };
        if served == 0
            || sample.active_secs < PRESSING_SECS
            || self.evidence.is_anomalous()
            || self.rule.progress(self.seconds, self.served).is_some()
        {
            return false;
        }
        let window = Window {
            start: sample.start,
            end: sample.end(),
            p: self.probability(made, served),
            most: Most::Share(MOST_OF_ONE_WINDOW),
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

    fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.evidence.hold(hold);
    }
}

impl Model {
    fn ratio(&self) -> f64 {
        if self.served > 0.0 {
            self.made / self.served
        } else {
            0.0
        }
    }

    fn predictive(&self) -> f64 {
        let known = self.windows.min(MEMORY);
        ((PRIOR_WINDOWS * PRIOR_DISPERSION + known * self.dispersion) / (PRIOR_WINDOWS + known))
            .clamp(0.0, MOST_DISPERSION)
            // The ratio itself is uncertain, by the calls that it was learned from.
            + 1.0 / (PRIOR_SERVED + self.made)
    }

    /// Beyond this lies about one window in a hundred, on either side.
    fn margin(&self, served: u64) -> f64 {
        let mean = self.ratio() * served as f64;
        2.33 * (mean + self.predictive() * mean * mean).sqrt() / served.max(1) as f64
    }

    fn learn(&mut self, made: u64, served: u64) {
        let (made, served) = (made as f64, served as f64);
        let mean = self.ratio() * served;
        self.windows += 1.0;
        if self.windows > 1.0 && mean >= 1.0 {
            let residual = made - mean;
            let shown = ((residual * residual - mean) / (mean * mean)).clamp(-1.0, 4.0);
            let weight = 1.0 / self.windows.min(MEMORY);
            self.dispersion = (self.dispersion + (shown - self.dispersion) * weight).max(0.0);
        }
        let fade = 1.0 - 1.0 / MEMORY;
        self.made = self.made * fade + made;
        self.served = self.served * fade + served;
    }
}
