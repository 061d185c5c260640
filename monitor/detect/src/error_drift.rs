//! Slow growth of failures: over minutes to hours, a little at a time.
//!
//! Windows of some seconds hold few failures, so a share that grows slowly is within what they may hold
//! until it is many times the usual. This one sums up five minutes at a time and judges them as
//! [`RatioDetector`] does windows. How blocks scatter, the hours of the day included, is learned; those
//! that are already unusual teach nothing.
//!
//! What is found by windows is not said again: the engine tells of it by
//! [`ErrorDriftDetector::disturbed`], and [`ErrorDriftDetector::rebase`] when it has become the new normal.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

use crate::block::{Blocks, Enough};
use crate::detector::{Detector, Reading, Sample, Verdict};
use crate::errors::{RatioDetector, RatioKind};
use crate::experience::Experience;
use crate::learning::LearningRule;
use crate::options::Options;
use crate::sensitivity::Sensitivity;

const BLOCK_SECS: u32 = 300;
const ENOUGH: Enough = Enough {
    time: Duration::from_secs(BLOCK_SECS as u64),
    calls: 20,
};
/// Before the first verdict: an hour, and more where calls are few.
const RULE: LearningRule = LearningRule {
    seconds: 3_600,
    calls: 1_000,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorDriftDetector {
    ratio: RatioDetector,
    /// Failed calls.
    gathered: Blocks<u64>,
}

impl ErrorDriftDetector {
    pub fn new(
        options: Options,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> ErrorDriftDetector {
        let kind = RatioKind::ErrorDrift;
        ErrorDriftDetector {
            ratio: RatioDetector::new(kind, options, RULE, sensitivity, shift_after),
            gathered: Blocks::default(),
        }
    }

    /// What is gathered now is part of an anomaly that is already known: what comes after it begins anew.
    pub fn disturbed(&mut self) {
        self.gathered.drop_begun();
    }

    /// There is a new normal: what was learned is of the past.
    pub fn rebase(&mut self) {
        self.ratio.forget();
        self.gathered.drop_begun();
    }
}

impl Detector for ErrorDriftDetector {
    fn name(&self) -> &'static str {
        self.ratio.name()
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Share { part, whole } = sample.reading else {
            return None;
        };
        let block = self.gathered.add(sample, whole, ENOUGH, |failed| {
            *failed = failed.saturating_add(part);
        })?;
        self.ratio.judge(&Sample {
            start: block.start,
            span: sample.end().since(block.start),
            active_secs: BLOCK_SECS,
            reading: Reading::Share {
                part: block.sum,
                whole: block.calls,
            },
        })
    }

    fn skip_to(&mut self, time: Time) {
        self.gathered.drop_begun();
        self.ratio.skip_to(time);
    }

    fn tune(&mut self, options: Options, sensitivity: Sensitivity) {
        self.ratio.tune(options, sensitivity);
    }

    fn experience(&self) -> Experience {
        self.ratio.experience()
    }

    /// None while it learns.
    fn most_alarms_per_week(&self, others: Experience) -> f64 {
        if self.ratio.is_learning() {
            return 0.0;
        }
        self.ratio.most_alarms_per_week(others)
    }

    fn grant(&mut self, sensitivity: Sensitivity) {
        self.ratio.grant(sensitivity);
    }

    fn hold(&mut self, hold: bool) {
        self.ratio.hold(hold);
    }
}
