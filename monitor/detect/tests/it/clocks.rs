//! What happens when clocks change and offices stay closed, and nobody has said so.

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

/// Calls in ten seconds during office hours, and at other times.
const OPEN: f64 = 30.0;
const CLOSED: f64 = 6.0;

/// The days, counted from a Monday, on which an anomaly of this traffic began; `mean` is of the calls in
/// ten seconds, by seconds.
fn days_with_anomalies(days: i64, mean: impl Fn(i64) -> f64) -> Vec<i64> {
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
    let mut found = Vec::new();
    let mut was = false;
    for step in 0..days * DAY / STEP {
        let secs = step * STEP;
        let mean = mean(secs);
        let calls = if mean < 1.0 {
            random.binomial(1, mean) as f64
        } else {
            mean + f64::sqrt(mean) * random.normal()
        };
        let sample = Sample {
            start: Time::from_secs(START + secs),
            span: Duration::from_secs(STEP.unsigned_abs()),
            active_secs: STEP.unsigned_abs() as u32,
            reading: Reading::Count(calls.round().max(0.0) as u64),
        };
        let Some(verdict) = detector.judge(&sample) else {
            continue;
        };
        let is = matches!(verdict.phase, Phase::Anomalous { .. });
        if is && !was {
            found.push(secs / DAY);
        }
        was = is;
    }
    found.dedup();
    found
}

fn is_open(secs: i64, weekends: bool) -> bool {
    (8..18).contains(&(secs % DAY / 3_600)) && (!weekends || secs / DAY % 7 < 5)
}

fn office(open: bool) -> f64 {
    if open { OPEN } else { CLOSED }
}

#[test]
fn an_hour_more_or_less_raises_alarms_on_two_days_at_most() {
    for (weeks, weekends) in [(1, false), (4, false), (4, true)] {
        let changes = weeks * 7;
        for hour in [3_600, -3_600] {
            let found = days_with_anomalies(changes + 14, |secs| {
                let shift = if secs / DAY >= changes { hour } else { 0 };
                office(is_open(secs + shift, weekends))
            });
            let after = found.iter().filter(|day| **day >= changes).count();
            let week_before = changes - 7..changes;
            let before = found.iter().filter(|day| week_before.contains(day)).count();
            let what = format!("{weeks} weeks, weekends {weekends}, {hour}: {found:?}");
            assert!(after <= 2, "{what}");
            assert!(weeks == 1 || before == 0, "{what}");
        }
    }
}

/// One call in two minutes by day and one in six at night, one by one.
fn seldom(secs: i64) -> f64 {
    let day = secs as f64 / DAY as f64 * std::f64::consts::TAU;
    STEP as f64 / 180.0 * (1.0 - 0.5 * day.cos())
}

#[test]
fn weeks_of_gaps_hide_no_silence_and_make_none() {
    for silent_from in [1, 3, 10, 24] {
        let noon = silent_from * DAY + DAY / 2;
        let found = days_with_anomalies(silent_from + 2, |secs| {
            if secs < noon { seldom(secs) } else { 0.0 }
        });
        assert_eq!(found, [silent_from], "from day {silent_from} on");
    }
}

/// A Wednesday, after four weeks.
const HOLIDAY: i64 = 30;

#[test]
fn nobody_is_woken_on_a_holiday_nor_for_it_on_the_day_after_and_a_week_later() {
    for weekends in [false, true] {
        let found = days_with_anomalies(HOLIDAY + 10, |secs| {
            office(is_open(secs, weekends) && secs / DAY != HOLIDAY)
        });
        for day in [HOLIDAY, HOLIDAY + 1, HOLIDAY + 7] {
            assert!(!found.contains(&day), "weekends {weekends}: {found:?}");
        }
    }
}

#[test]
fn a_holiday_teaches_nobody_that_the_same_weekday_may_be_down() {
    let down = HOLIDAY + 7;
    let noon = 12 * 3_600..14 * 3_600;
    for weekends in [false, true] {
        let found = days_with_anomalies(down + 1, |secs| {
            let off = secs / DAY == down && noon.contains(&(secs % DAY));
            office(is_open(secs, weekends) && secs / DAY != HOLIDAY && !off)
        });
        assert_eq!(found.last(), Some(&down), "weekends {weekends}: {found:?}");
    }
}
