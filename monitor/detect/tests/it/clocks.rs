//! What happens when the clocks change and nobody has said by which clock an Api lives.

use std::time::Duration;

use monitor_core::Time;
use monitor_detect::{
    Detector, LearningRule, Phase, Reading, Sample, Sensitivity, TrafficDetector,
};

use crate::random::Random;

/// A Monday.
const START: i64 = 1_699_833_600;
const STEP: i64 = 10;
const DAY: i64 = 86_400;

/// Traffic of office hours, which from some day on are an hour earlier; on how many days of the two
/// weeks after there was an anomaly, and of the week before.
fn days_with_anomalies(before: i64, weekends: bool, hour: i64) -> (usize, usize) {
    let rule = LearningRule {
        seconds: 25,
        calls: 30,
    };
    let mut detector = TrafficDetector::new(
        TrafficDetector::default_options(),
        rule,
        Sensitivity::per_week(0.1),
        Duration::from_secs(1_800),
    );
    let mut random = Random(7);
    let (mut days_before, mut days_after) = (Vec::new(), Vec::new());
    let mut was = false;
    for step in 0..(before + 14) * DAY / STEP {
        let secs = step * STEP;
        let (day, shift) = (secs / DAY, if secs / DAY >= before { hour } else { 0 });
        let of_day = (secs + shift) % DAY / 3_600;
        let open = (8..18).contains(&of_day) && (!weekends || day % 7 < 5);
        let mean = if open { 30.0 } else { 6.0 };
        let scatter = f64::sqrt(mean) * random.normal();
        let sample = Sample {
            start: Time::from_secs(START + secs),
            span: Duration::from_secs(STEP.unsigned_abs()),
            active_secs: STEP.unsigned_abs() as u32,
            reading: Reading::Count((mean + scatter).round().max(0.0) as u64),
        };
        let Some(verdict) = detector.judge(&sample) else {
            continue;
        };
        let is = matches!(verdict.phase, Phase::Anomalous { .. });
        if is && !was {
            if day >= before {
                days_after.push(day);
            } else if day >= before - 7 {
                days_before.push(day);
            }
        }
        was = is;
    }
    days_before.dedup();
    days_after.dedup();
    (days_before.len(), days_after.len())
}

#[test]
fn an_hour_more_or_less_raises_alarms_on_two_days_at_most() {
    for (weeks, weekends) in [(1, false), (4, false), (4, true)] {
        for hour in [3_600, -3_600] {
            let (before, after) = days_with_anomalies(weeks * 7, weekends, hour);
            let what = format!("{weeks} weeks, weekends {weekends}, {hour}: {before} {after}");
            assert!(after <= 2, "{what}");
            assert!(weeks == 1 || before == 0, "{what}");
        }
    }
}
