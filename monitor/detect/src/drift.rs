//! Slow degradation of response times: over hours, a little at a time.
//!
//! The spike detector's level follows the tide within a quarter of an hour, and so it follows a leak.
//! This one sums up ten minutes at a time and compares them with a robust [`Level`] that remembers a
//! day and a half, and that learns nothing from blocks that are already unusual: a ramp of some hours leaves it behind.
//! How much blocks scatter, the hours of the day included, is part of what the level learns.
//!
//! What the spike detector has found is not said again: the engine tells of it by
//! [`DriftDetector::disturbed`], and [`DriftDetector::rebase`] when it has become the new normal.

use std::time::Duration;

use monitor_core::{Band, Direction, Score, Time};
use serde::{Deserialize, Serialize};

use crate::block::{Block, Blocks, Enough};
use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::experience::Experience;
use crate::learning::LearningRule;
use crate::level::Level;
use crate::options::{Options, direction};
use crate::sensitivity::Sensitivity;

/// Of a block.
const ENOUGH: Enough = Enough {
    time: Duration::from_secs(600),
    calls: 20,
};
/// Spread of blocks' medians that is taken for granted.
const FLOOR: f64 = 0.05;
/// Blocks before the first verdict: two hours.
const FEWEST_BLOCKS: u32 = 12;
/// One block alone is an incident, and the spike detector's; levels that wander for half an hour fill
/// two. Three must agree.
const MOST_OF_ONE_BLOCK: f64 = 0.36;
/// A degradation is the new normal after so many times what a spike needs.
const SHIFT_FACTOR: u32 = 12;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDetector {
    options: Options,
    sensitivity: Sensitivity,
    shift_after: Duration,
    level: Level,
    blocks: u32,
    calls: u64,
    /// Sums of the windows' log medians by calls.
    gathered: Blocks<f64>,
    evidence: Evidence,
    candidate: Option<Box<(Time, Level)>>,
    held: bool,
}

impl DriftDetector {
    pub fn new(options: Options, sensitivity: Sensitivity, shift_after: Duration) -> DriftDetector {
        DriftDetector {
            options,
            sensitivity,
            shift_after: shift_after * SHIFT_FACTOR,
            level: Level::new(FLOOR),
            blocks: 0,
            calls: 0,
            gathered: Blocks::default(),
            evidence: Evidence::default(),
            candidate: None,
            held: false,
        }
    }

    /// What is gathered now is part of an anomaly that is already known: what comes after it begins anew.
    pub fn disturbed(&mut self) {
        self.gathered.drop_begun();
    }

    /// There is a new normal: what was learned is of the past.
    pub fn rebase(&mut self) {
        self.level = Level::new(FLOOR);
        self.blocks = 0;
        self.gathered.drop_begun();
        self.candidate = None;
        self.evidence.reset();
    }

    fn judge_block(&mut self, block: &Block<f64>, end: Time) -> Verdict {
        let value = block.sum / block.calls as f64;
        let expected = self.level.expect(0.0);
        let typical = expected.location.exp();
        let learning = LearningRule {
            seconds: FEWEST_BLOCKS,
            calls: 0,
        }
        .progress(self.blocks, 0);
        let concerned = self.options.concerns(value.exp(), typical);
        let p = if learning.is_none() && concerned && value > expected.location {
            expected.above(value)
        } else {
            1.0
        };
        let window = Window {
            start: block.start,
            end,
            p,
            most: Most::Share(MOST_OF_ONE_BLOCK),
        };
        // What cannot be judged yet must not pass for hours in which nothing stirred.
        let (score, mut phase) = match learning {
            Some(progress) => (Score::NORMAL, Phase::Learning(progress)),
            None => self.evidence.weigh(window, self.sensitivity),
        };
        if self.held {
            self.candidate = None;
        } else if self.evidence.is_anomalous() {
            let (since, level) = &mut **self
                .candidate
                .get_or_insert_with(|| Box::new((block.start, Level::new(FLOOR))));
            level.learn(value, 0.0);
            if end.since(*since) >= self.shift_after {
                self.level = std::mem::replace(level, Level::new(FLOOR));
                self.candidate = None;
                self.evidence.reset();
                phase = Phase::Shifted;
            }
        } else {
            self.candidate = None;
            if p >= OUTSIDE {
                self.level.learn(value, 0.0);
                self.blocks = self.blocks.saturating_add(1);
                self.calls = self.calls.saturating_add(block.calls);
            }
        }
        let margin = expected.margin();
        Verdict {
            score,
            outside: p < OUTSIDE,
            phase,
            guarded: learning.is_some(),
            start: block.start,
            end,
            statistic: "p50",
            direction: if value > expected.location {
                Direction::Above
            } else {
                direction(value.exp(), typical)
            },
            typical,
            actual: value.exp(),
            band: Band {
                lower: (expected.location - margin).exp(),
                upper: (expected.location + margin).exp(),
            },
            observations: block.calls,
            learned_from: self.calls,
        }
    }
}

impl Detector for DriftDetector {
    fn name(&self) -> &'static str {
        "latency-drift"
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Durations(sketch) = sample.reading else {
            return None;
        };
        let (calls, median) = (sketch.count(), sketch.quantile(0.5)?);
        let block = self.gathered.add(sample, calls, ENOUGH, |sum| {
            *sum += calls as f64 * median.max(1e-6).ln();
        })?;
        Some(self.judge_block(&block, sample.end()))
    }

    fn skip_to(&mut self, _time: Time) {
        self.gathered.drop_begun();
        self.candidate = None;
    }

    fn tune(&mut self, options: Options, sensitivity: Sensitivity) {
        self.options = options;
        self.sensitivity = sensitivity;
    }

    fn experience(&self) -> Experience {
        self.evidence.experience()
    }

    /// None for the hours in which it learns.
    fn most_alarms_per_week(&self, others: Experience) -> f64 {
        if self.blocks < FEWEST_BLOCKS {
            return 0.0;
        }
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

#[cfg(test)]
mod tests {
    use monitor_core::Sketch;

    use super::*;

    #[test]
    fn after_an_anomaly_that_is_known_a_block_begins_at_once() {
        let sensitivity = Sensitivity::per_week(1.0);
        let mut drift = DriftDetector::new(Options::default(), sensitivity, 2 * ENOUGH.time);
        let mut calls = Sketch::new();
        (0..20).for_each(|_| calls.add(0.05));
        let mut verdicts = Vec::new();
        for minute in 0..26 {
            let sample = Sample {
                start: Time::from_secs(minute * 60),
                span: Duration::from_secs(60),
                active_secs: 60,
                reading: Reading::Durations(&calls),
            };
            verdicts.extend(drift.judge(&sample).map(|_| minute + 1));
            if (12..14).contains(&minute) {
                drift.disturbed();
            }
        }
        // Ten minutes, and ten from the end of what was disturbed on; not from the minute twenty on.
        assert_eq!(verdicts, [10, 24]);
    }
}
