//! The trait that all detectors share, and the shapes that go through it.

use std::fmt::Debug;
use std::time::Duration;

use monitor_core::{Band, Direction, Score, Sketch, Time};

use crate::{Experience, Options, Progress, Sensitivity};

/// Judges one signal, online.
///
/// A model is state: implementations are `Serialize`, so that the engine can keep them across a
/// restart, and give the same verdicts for the same samples always.
pub trait Detector: Debug {
    /// Appears in anomalies and metrics: `latency-spike`.
    fn name(&self) -> &'static str;

    /// Takes the next sample; samples are ascending in time and do not overlap. `None` when it is
    /// not yet enough for a judgement (the detector aggregates), or of a kind that this detector
    /// cannot read.
    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict>;

    /// Whether a sample that is still being gathered shows so much already that to wait for the
    /// rest would only lose time: judged now, it would raise an alarm or go as far towards one as
    /// a single sample can. Changes nothing.
    fn is_pressing(&self, _sample: &Sample<'_>) -> bool {
        false
    }

    /// Nothing is known of the time up to `time`: begun aggregates are dropped, the model stays.
    fn skip_to(&mut self, time: Time);

    /// Judges by these from now on; what was learned stays.
    fn tune(&mut self, options: Options, sensitivity: Sensitivity);

    /// How near to an alarm normal times came. Of detectors of one kind it is added up.
    fn experience(&self) -> Experience {
        Experience::default()
    }

    /// How many false alarms a week it could raise at the utmost sensitivity, by what it has seen and
    /// `others` of its kind: of a larger budget the rest is of more use elsewhere.
    fn most_alarms_per_week(&self, _others: Experience) -> f64 {
        f64::INFINITY
    }

    /// Judges by this sensitivity from now on.
    fn grant(&mut self, _sensitivity: Sensitivity) {}

    /// While held, samples are judged by what was learned before and teach nothing.
    fn hold(&mut self, hold: bool);
}

/// One bucket of a signal.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub start: Time,
    pub span: Duration,
    /// How many of its seconds held anything; what learning is measured in.
    pub active_secs: u32,
    pub reading: Reading<'a>,
}

impl Sample<'_> {
    pub fn end(&self) -> Time {
        self.start + self.span
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// Events in the bucket.
    Count(u64),
    /// `part` of `whole` events have a property.
    Share { part: u64, whole: u64 },
    /// Calls made to somebody else while so many were served.
    PerCall { made: u64, served: u64 },
    /// Durations in seconds.
    Durations(&'a Sketch),
    /// One number of any unit.
    Gauge(f64),
}

/// What a detector thinks of the time it has judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// At most 1 is normal: accumulated evidence over what the sensitivity asks for.
    pub score: Score,
    /// This stretch alone lies outside the band.
    pub outside: bool,
    pub phase: Phase,
    /// The model is still learning; only what can never be normal was judged.
    pub guarded: bool,
    /// The judged stretch.
    pub start: Time,
    pub end: Time,
    /// What the numbers are: `p95`, `error ratio`, `rate`.
    pub statistic: &'static str,
    pub direction: Direction,
    pub typical: f64,
    pub actual: f64,
    /// Where 98 of 100 stretches like this one would lie.
    pub band: Band,
    /// How many calls or records the actual value rests on, and how many the typical one.
    pub observations: u64,
    pub learned_from: u64,
}

/// With hysteresis: one stretch does not make an anomaly, nor does one end it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// No verdict yet.
    Learning(Progress),
    Normal,
    /// Since the first stretch outside the band.
    Anomalous {
        since: Time,
    },
    /// It has been this way for so long that it is the new normal; said once.
    Shifted,
}

impl Phase {
    pub fn is_anomalous(self) -> bool {
        matches!(self, Phase::Anomalous { .. })
    }
}
