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

use crate::detector::{Detector, Reading, Sample, Verdict};
use crate::errors::{RatioDetector, RatioKind};
use crate::experience::Experience;
use crate::learning::LearningRule;
use crate::options::Options;
use crate::sensitivity::Sensitivity;

const BLOCK: Duration = Duration::from_secs(300);
const BLOCK_SECS: u32 = 300;
/// Calls below which a block goes on.
const FEWEST_CALLS: u64 = 20;
/// Before the first verdict: an hour, and more where calls are few.
const RULE: LearningRule = LearningRule {
    seconds: 3_600,
    calls: 1_000,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorDriftDetector {
    blocks: RatioDetector,
    begun: Option<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    start: Time,
    failed: u64,
    calls: u64,
    disturbed: bool,
}

impl ErrorDriftDetector {
    pub fn new(
        options: Options,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> ErrorDriftDetector {
        let kind = RatioKind::ErrorDrift;
        ErrorDriftDetector {
            blocks: RatioDetector::new(kind, options, RULE, sensitivity, shift_after),
            begun: None,
        }
    }

    /// What is gathered now is part of an anomaly that is already known.
    pub fn disturbed(&mut self) {
        if let Some(block) = &mut self.begun {
            block.disturbed = true;
        }
    }

    /// There is a new normal: what was learned is of the past.
    pub fn rebase(&mut self) {
        self.blocks.forget();
        self.begun = None;
    }
}

impl Detector for ErrorDriftDetector {
    fn name(&self) -> &'static str {
        self.blocks.name()
    }

    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Share { part, whole } = sample.reading else {
            return None;
        };
        let block = self.begun.get_or_insert(Block {
            start: sample.start,
            failed: 0,
            calls: 0,
            disturbed: false,
        });
        block.failed = block.failed.saturating_add(part);
        block.calls = block.calls.saturating_add(whole);
        let span = sample.end().since(block.start);
        if span < BLOCK || block.calls < FEWEST_CALLS {
            return None;
        }
        let block = self.begun.take().filter(|block| !block.disturbed)?;
        self.blocks.judge(&Sample {
            start: block.start,
            span,
            active_secs: BLOCK_SECS,
            reading: Reading::Share {
                part: block.failed,
                whole: block.calls,
            },
        })
    }

    fn skip_to(&mut self, time: Time) {
        self.begun = None;
        self.blocks.skip_to(time);
    }

    fn tune(&mut self, options: Options, sensitivity: Sensitivity) {
        self.blocks.tune(options, sensitivity);
    }

    fn experience(&self) -> Experience {
        self.blocks.experience()
    }

    /// None while it learns.
    fn most_alarms_per_week(&self, others: Experience) -> f64 {
        if self.blocks.is_learning() {
            return 0.0;
        }
        self.blocks.most_alarms_per_week(others)
    }

    fn grant(&mut self, sensitivity: Sensitivity) {
        self.blocks.grant(sensitivity);
    }

    fn hold(&mut self, hold: bool) {
        self.blocks.hold(hold);
    }
}
