//! From what the model thinks of a value to a verdict that keeps to the set sensitivity.
//!
//! The model's surprise is a mean over sides that depend on each other, so it is no p-value. It is
//! made one by its rank among all that the model has said of this very signal, with an extrapolated
//! tail ([`super::surprise`]). Until there are enough of those, e · 10^−surprise is one: the
//! geometric mean of p-values, times e, is a p-value however they depend (V. Vovk, R. Wang,
//! "Combining p-values via averaging", Biometrika 107, 2020). How small it has to be for an alarm
//! follows from the sensitivity, and from how small it was in normal times ([`super::clusters`]).
//!
//! The model itself learns every value, also the strange ones, so that it follows a signal to a new
//! level within hours; what an anomaly was like hardly becomes the measure of what is strange.
//! While held (maintenance), a value is judged by a copy of the model and forgotten.

use std::time::Duration;

use monitor_core::{Band, Score, Time};
use serde::{Deserialize, Serialize};

use super::clusters::{Clusters, UNLIKELY};
use super::sides::Side;
use super::surprise::Surprise;
use super::{Opinion, StreamModel};
use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::learning::LearningRule;
use crate::options::{Options, direction};
use crate::sensitivity::Sensitivity;

/// Values that the model needs before it says anything, at one a minute.
const RULE: LearningRule = LearningRule {
    seconds: 50 * 60,
    calls: 50,
};
/// The band leaves out so many of a hundred.
const OUT_OF_BAND: f32 = 0.02;
/// An anomaly that has lasted this long is how the signal is now.
const SHIFT_AFTER: Duration = Duration::from_secs(12 * 3_600);

/// Judges a number of which nothing is known but its past; 23 KiB once learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamDetector {
    sensitivity: Sensitivity,
    model: StreamModel,
    /// How often the model was surprised this much, in normal times.
    surprises: Surprise,
    /// How far values are from what was expected of them, in normal times.
    distances: Surprise,
    clusters: Clusters,
    learned: u64,
    held: bool,
}

impl StreamDetector {
    pub fn new(sensitivity: Sensitivity) -> StreamDetector {
        StreamDetector {
            sensitivity,
            model: StreamModel::new(),
            surprises: Surprise::new(),
            distances: Surprise::new(),
            clusters: Clusters::new(),
            learned: 0,
            held: false,
        }
    }

    /// What it takes in memory, heap included.
    pub fn bytes(&self) -> usize {
        size_of::<StreamDetector>() - size_of::<StreamModel>() + self.model.bytes()
            - 2 * size_of::<Surprise>()
            + self.surprises.bytes()
            + self.distances.bytes()
    }

    fn opinion(&mut self, at: Time, value: f64) -> Option<Opinion> {
        let secs = at.as_nanos() as f64 / 1e9;
        if self.held {
            self.model.clone().observe(secs, value)
        } else {
            self.model.observe(secs, value)
        }
    }

    /// How likely it is that the model is surprised this much when nothing is wrong.
    fn probability(&self, surprise: f64) -> f64 {
        if self.surprises.is_learning() {
            return (std::f64::consts::E * 10f64.powf(-surprise)).min(1.0);
        }
        10f64.powf(-f64::from(self.surprises.of_logarithm(surprise as f32)))
    }

    fn band(&self, typical: f64) -> Band {
        let reach = self.distances.exceeded_by(OUT_OF_BAND).unwrap_or_default();
        Band {
            lower: typical - f64::from(reach),
            upper: typical + f64::from(reach),
        }
    }
}

impl Detector for StreamDetector {
    fn name(&self) -> &'static str {
        "stream"
    }

    /// Wants means of a minute, those minutes left out in which nothing came.
    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Gauge(value) = sample.reading else {
            return None;
        };
        let opinion = self.opinion(sample.start, value)?;
        let minutes = u32::try_from(self.learned).unwrap_or(u32::MAX);
        let learned_from = self.learned;
        let learning = RULE.progress(minutes.saturating_mul(60), learned_from);
        let band = self.band(opinion.typical);
        let p = if learning.is_some() {
            1.0
        } else {
            self.probability(opinion.surprise)
        };
        let accepted = self.sensitivity.probability(sample.span);
        let weighed = (self.clusters).weigh(
            p,
            opinion.surprise as f32,
            sample.start,
            accepted,
            self.held,
        );
        let mut phase = match learning {
            Some(progress) => Phase::Learning(progress),
            None => (weighed.alarm).map_or(Phase::Normal, |since| Phase::Anomalous { since }),
        };
        if let Some(peak) = weighed.ended {
            self.surprises.judge(peak);
        }
        if !self.held {
            self.learned += 1;
            if let Phase::Anomalous { since } = phase {
                if sample.end().since(since) >= SHIFT_AFTER {
                    self.clusters.reset();
                    (self.surprises, self.distances) = (Surprise::new(), Surprise::new());
                    phase = Phase::Shifted;
                }
            } else if learning.is_none() {
                self.surprises.judge(opinion.surprise as f32);
                let distance = (value - opinion.typical).abs();
                self.distances.judge(distance as f32);
            }
        }
        Some(Verdict {
            score: if learning.is_some() {
                Score::NORMAL
            } else {
                Score::new(weighed.score)
            },
            outside: p < UNLIKELY,
            phase,
            guarded: learning.is_some(),
            start: sample.start,
            end: sample.end(),
            statistic: words(opinion.most_surprising),
            direction: direction(value, opinion.typical),
            typical: opinion.typical,
            actual: value,
            band,
            observations: u64::from(sample.active_secs),
            learned_from,
        })
    }

    /// Values stand for themselves: nothing is gathered here.
    fn skip_to(&mut self, _time: Time) {}

    /// Of a number it is only known that someone wants it watched.
    fn tune(&mut self, _options: Options, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    fn grant(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    fn hold(&mut self, hold: bool) {
        self.held = hold;
    }
}

/// What it was unusual for, as a person would say it.
fn words(side: Side) -> &'static str {
    match side {
        Side::Day => "for this time of day",
        Side::Week => "for this hour of the week",
        Side::Envelope => "beyond what is reached around this time of day",
        Side::Level => "against everything it has been so far",
        Side::Course => "in its course over the last values, the time of day considered",
        Side::Shape => "in the shape of its last values",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_699_833_600;

    /// In [0, 1), in a fixed scrambled order.
    fn uniform(i: i64) -> f64 {
        let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A day's wave with noise, a value a minute.
    fn wave(minute: i64) -> f64 {
        let day = minute as f64 / 1_440.0 * std::f64::consts::TAU;
        let noise = (0..6).map(|part| uniform(minute * 6 + part)).sum::<f64>() - 3.0;
        100.0 + 30.0 * day.sin() + 4.0 * noise
    }

    fn judge(detector: &mut StreamDetector, minute: i64, value: f64) -> Verdict {
        let sample = Sample {
            start: Time::from_secs(START + minute * 60),
            span: Duration::from_secs(60),
            active_secs: 1,
            reading: Reading::Gauge(value),
        };
        detector.judge(&sample).unwrap()
    }

    fn learned(minutes: i64, per_week: f64) -> (StreamDetector, u32) {
        let mut detector = StreamDetector::new(Sensitivity::per_week(per_week));
        let (mut alarms, mut was) = (0, false);
        for minute in 0..minutes {
            let is = judge(&mut detector, minute, wave(minute))
                .phase
                .is_anomalous();
            alarms += u32::from(is && !was);
            was = is;
        }
        (detector, alarms)
    }

    #[test]
    fn alarms_keep_to_the_sensitivity_though_surprises_come_in_rows() {
        let (_, alarms) = learned(4 * 10_080, 5.0);
        // Twenty may be; half as many and twice as many each less than once in a hundred times.
        assert!((5..=40).contains(&alarms), "{alarms}");
        let (_, alarms) = learned(4 * 10_080, 0.1);
        assert!(alarms <= 2, "{alarms}");
    }

    #[test]
    fn a_jump_is_told_once_with_what_was_expected_and_is_normal_after_half_a_day() {
        let (mut detector, _) = learned(3 * 1_440, 0.1);
        let begun = 3 * 1_440;
        let (mut alarms, mut shifted, mut first) = (0, 0, None);
        let mut was = false;
        for minute in begun..begun + 1_440 {
            let verdict = judge(&mut detector, minute, wave(minute) + 60.0);
            let is = verdict.phase.is_anomalous();
            if is && !was {
                alarms += 1;
                first.get_or_insert((minute - begun, verdict.clone()));
            }
            shifted += u32::from(verdict.phase == Phase::Shifted);
            was = is;
        }
        let (after, verdict) = first.expect("a jump is an anomaly");
        assert!(after <= 3, "{after} minutes");
        assert!(verdict.band.upper < verdict.actual, "{verdict:?}");
        assert!(
            (verdict.typical - wave(begun + after)).abs() < 15.0,
            "{verdict:?}"
        );
        assert!(alarms <= 2 && shifted <= 1 && !was, "{alarms} {shifted}");
    }

    #[test]
    fn what_is_held_is_judged_and_teaches_nothing() {
        let (mut detector, _) = learned(1_440, 0.1);
        detector.hold(true);
        let before = detector.clone();
        let mut anomalous = false;
        for minute in 1_440..1_460 {
            anomalous |= judge(&mut detector, minute, 1e6).phase.is_anomalous();
        }
        assert!(anomalous);
        detector.clusters.reset();
        assert_eq!(detector, before);
    }

    #[test]
    fn a_restart_changes_no_verdict_and_a_learned_detector_stays_below_24_kib() {
        let (mut detector, _) = learned(10_080, 0.1);
        let saved = postcard::to_allocvec(&detector).unwrap();
        assert!(saved.len() < 24 * 1_024, "{}", saved.len());
        assert!(detector.bytes() < 24 * 1_024, "{}", detector.bytes());
        let mut restored: StreamDetector = postcard::from_bytes(&saved).unwrap();
        for minute in 10_080..10_100 {
            let value = wave(minute) + 30.0;
            let verdict = judge(&mut detector, minute, value);
            assert_eq!(judge(&mut restored, minute, value), verdict);
        }
    }
}
