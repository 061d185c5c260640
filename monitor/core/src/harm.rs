//! How bad an anomaly is for those who call, from 0 to 100.
//!
//! The score tells how sure it is that something is unusual; a hundredth more failures of a million
//! calls are sure, and harm few. This is the other number, for the page and for sorting:
//!
//! ```text
//! severity = 100 · √(effect · share) · (m + 5) / (m + 10)
//! ```
//!
//! `effect` is how much is lost to a call that is hit: all of it when it fails or is never made, and
//! 1 − typical/actual of the wait when it is slow, which is a half at twice and four fifths at five times
//! the usual. `share` is the share of calls that are hit: those that fail beyond the usual, those that
//! stay away, and a quarter of a slow Api's, since a verdict about its 95th percentile speaks for a
//! twentieth and one about its median for half of them. `m` are the minutes that it has lasted: what has
//! just begun counts half, and what stays comes close to the whole. Harm is felt in proportion to
//! neither, hence the root.

use crate::{Anomaly, Direction, Measure, Time};

/// The share of calls that is taken to be slow.
const SLOW_SHARE: f64 = 0.25;
/// Of what writes more, less, or in other words than usual, the calls may all be well.
const LOG_SHARE: f64 = 0.1;
/// Minutes: the weight of duration is (m + HALF) / (m + 2 · HALF).
const HALF: f64 = 5.0;

impl Anomaly {
    /// How bad it is at `now`, 0 to 100: it grows with the effect on a call, with the share of the calls
    /// that are hit, and with time.
    pub fn severity_percent(&self, now: Time) -> f64 {
        let (typical, actual) = (self.explanation.typical, self.explanation.actual);
        let more = actual - typical;
        let longer = if actual > 0.0 { more / actual } else { 0.0 };
        let (effect, share) = match self.signal.measure {
            Measure::ErrorRatio
            | Measure::ThrottledRatio
            | Measure::UnauthorisedRatio
            | Measure::ClientErrorRatio => (1.0, more),
            Measure::Latency => (longer, SLOW_SHARE),
            Measure::Rate if self.direction == Direction::Below => (1.0, fewer(typical, actual)),
            // More calls are served as long as nothing else is wrong.
            Measure::Rate | Measure::CallsPerCall => (longer, SLOW_SHARE),
            Measure::LogRate if self.direction == Direction::Below => {
                (fewer(typical, actual), LOG_SHARE)
            }
            Measure::LogErrorRatio
            | Measure::LogFormatRatio
            | Measure::NewStatusRatio
            | Measure::NewSizeRatio
            | Measure::MistimedRatio
            | Measure::JourneySteps(_)
            | Measure::Saturation => (more, LOG_SHARE),
            Measure::TemplateRate(_) | Measure::LogRate | Measure::Combination => {
                (longer, LOG_SHARE)
            }
            // What it means to anyone only those know who asked for it.
            Measure::Number => (1.0, LOG_SHARE),
        };
        let minutes = self.duration(now).as_secs_f64() / 60.0;
        let lasting = (minutes + HALF) / (minutes + 2.0 * HALF);
        let harm = 100.0 * (unit(effect) * unit(share)).sqrt() * lasting;
        (harm * 10.0).round() / 10.0
    }
}

/// Which share stays away.
fn fewer(typical: f64, actual: f64) -> f64 {
    if typical > 0.0 {
        1.0 - actual / typical
    } else {
        0.0
    }
}

/// Between 0 and 1; what is no number is 0.
fn unit(value: f64) -> f64 {
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{AnomalyId, Band, Explanation, Name, Score, ServiceKey, SignalKey, Subject};

    fn after(minutes: u64, measure: Measure, (typical, actual): (f64, f64)) -> f64 {
        let start = Time::from_secs(1_000);
        let anomaly = Anomaly {
            id: AnomalyId(1),
            signal: SignalKey {
                subject: Subject::Service {
                    environment: "cloud".into(),
                    service: ServiceKey::new("shop", "orders"),
                },
                measure,
            },
            detector: Name::from("any"),
            direction: if actual > typical {
                Direction::Above
            } else {
                Direction::Below
            },
            start,
            detected: start,
            end: None,
            score: Score::new(9.0),
            explanation: Explanation {
                typical,
                actual,
                band: Band {
                    lower: 0.0,
                    upper: 0.0,
                },
                observations: 1,
                learned_from: 1,
                contributions: Vec::new(),
                why: String::new(),
            },
        };
        anomaly.severity_percent(start + Duration::from_secs(minutes * 60))
    }

    #[test]
    fn it_grows_with_time_with_the_effect_and_with_the_share_of_calls() {
        let outage = [0, 5, 60].map(|minutes| after(minutes, Measure::ErrorRatio, (0.0, 1.0)));
        assert_eq!(outage, [50.0, 66.7, 92.9]);
        let failing = [0.02, 0.25, 0.8].map(|share| after(5, Measure::ErrorRatio, (0.0, share)));
        assert_eq!(failing, [9.4, 33.3, 59.6]);
        let slower = [1.3, 2.0, 5.0].map(|times| after(5, Measure::Latency, (0.1, 0.1 * times)));
        assert_eq!(slower, [16.0, 23.6, 29.8]);
        let away = [0.5, 0.0].map(|rate| after(5, Measure::Rate, (1.0, rate)));
        assert_eq!(away, [47.1, 66.7]);
    }

    #[test]
    fn whatever_the_numbers_it_stays_between_0_and_100() {
        for numbers in [
            (0.0, 0.0),
            (0.0, f64::INFINITY),
            (f64::NAN, 1.0),
            (1e300, 1e-300),
            (-1.0, 5.0),
        ] {
            for measure in [
                Measure::ErrorRatio,
                Measure::Latency,
                Measure::Rate,
                Measure::LogRate,
                Measure::CallsPerCall,
            ] {
                let severity = after(1_000_000, measure, numbers);
                assert!((0.0..=100.0).contains(&severity), "{measure:?} {numbers:?}");
            }
        }
    }
}
