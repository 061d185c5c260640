//! How much load a moment of the week has, as a multiple of the mean.
//!
//! A pure function of the time; arrivals are thinned by it. Faults that change the load are not
//! its matter.

use std::f64::consts::PI;

use crate::clock::Moment;
use crate::topology::LoadSpec;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
const WEEK: f64 = 7.0 * DAY;
/// Of the week, which begins on Monday.
const SATURDAY: f64 = 5.0 * DAY;
/// The least load of the day, in UTC …
const TROUGH: f64 = 4.0 * HOUR;
/// … and the most.
const PEAK: f64 = 20.0 * HOUR;
/// Before and after midnight, in which a weekday becomes a weekend: people do not all stop at once.
const TURN: f64 = 3.0 * HOUR;

/// Load over the week. Its mean over a week is 1.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    start: Moment,
    /// Calendar seconds in a second.
    compression: f64,
    swing: f64,
    weekday: f64,
    weekend: f64,
}

impl Shape {
    /// Of a platform that starts at `start`; from there on its calendar runs faster by the
    /// specification's compression.
    pub fn new(spec: &LoadSpec, start: Moment) -> Shape {
        // Five weekdays and two days of a weekend are seven.
        let weekday = 7.0 / (5.0 + 2.0 * spec.weekend);
        Shape {
            start,
            compression: spec.time_compression,
            swing: spec.daily_swing,
            weekday,
            weekend: weekday * spec.weekend,
        }
    }

    /// Always 1: for benchmarks, and for tests against theory.
    pub fn constant() -> Shape {
        Shape {
            start: Moment::default(),
            compression: 1.0,
            swing: 0.0,
            weekday: 1.0,
            weekend: 1.0,
        }
    }

    /// What day and hour it is for the clients at `at`.
    pub fn calendar(&self, at: Moment) -> Moment {
        let nanos = at.since(self.start).as_secs_f64() * self.compression * 1e9;
        // A float that is too large becomes the last moment there is.
        self.start.shifted(nanos as i64)
    }

    /// The load at `at`; its mean over a week is 1.
    pub fn at(&self, at: Moment) -> f64 {
        let second = second_of_week(self.calendar(at));
        let week = self.weekday + (self.weekend - self.weekday) * weekendness(second);
        week * daily(second % DAY, self.swing)
    }

    /// Nothing that [`at`](Self::at) returns is more than this.
    pub fn peak(&self) -> f64 {
        self.weekday.max(self.weekend) * (1.0 + self.swing)
    }
}

/// Two half-waves of a cosine, a long one up to the evening and a short one down at night. Each is
/// as much above 1 as below it, so the mean of the day is exactly 1.
fn daily(second: f64, swing: f64) -> f64 {
    let since_trough = (second - TROUGH).rem_euclid(DAY);
    let up = PEAK - TROUGH;
    let phase = if since_trough < up {
        since_trough / up - 1.0
    } else {
        (since_trough - up) / (DAY - up)
    };
    1.0 + swing * (PI * phase).cos()
}

/// 0 on a weekday, 1 at a weekend. The turns on Saturday and on Monday mirror each other, so what
/// one adds to the week's mean the other takes away.
fn weekendness(second: f64) -> f64 {
    // From Saturday's midnight; negative before it.
    let since = if second < TURN { second + WEEK } else { second } - SATURDAY;
    let turned = |since: f64| {
        let share = ((since + TURN) / (2.0 * TURN)).clamp(0.0, 1.0);
        (1.0 - (PI * share).cos()) / 2.0
    };
    turned(since) - turned(since - 2.0 * DAY)
}

/// Since Monday's midnight in UTC.
fn second_of_week(at: Moment) -> f64 {
    // The epoch was a Thursday.
    const EPOCH: i64 = 3 * 86_400 * 1_000_000_000;
    const WEEK_NANOS: i64 = 7 * 86_400 * 1_000_000_000;
    let nanos = (at.0.rem_euclid(WEEK_NANOS) + EPOCH) % WEEK_NANOS;
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    /// A Monday.
    const MONDAY: Moment = Moment(1_767_571_200_000_000_000);

    fn shape(swing: f64, weekend: f64, compression: f64) -> Shape {
        let spec = LoadSpec {
            journeys_per_second: 20.0,
            daily_swing: swing,
            weekend,
            time_compression: compression,
            ids: 1,
            timeout: Duration::from_secs(8),
        };
        Shape::new(&spec, MONDAY)
    }

    fn hours(hours: f64) -> Duration {
        Duration::from_secs_f64(hours * HOUR)
    }

    #[test]
    fn a_week_looks_like_one() {
        let shape = shape(0.4, 0.7, 1.0);
        let mut table = String::from("hour");
        for day in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] {
            table.push_str(&format!("   {day}"));
        }
        for hour in [0, 4, 8, 12, 16, 20, 22] {
            table.push_str(&format!("\n{hour:>4}"));
            for day in 0..7 {
                let at = MONDAY + hours(f64::from(day * 24 + hour));
                table.push_str(&format!("  {:.2}", shape.at(at)));
            }
        }
        expect![[r#"
            hour   Mon   Tue   Wed   Thu   Fri   Sat   Sun
               0  0.93  1.09  1.09  1.09  1.09  0.93  0.77
               4  0.66  0.66  0.66  0.66  0.66  0.46  0.46
               8  0.78  0.78  0.78  0.78  0.78  0.55  0.55
              12  1.09  1.09  1.09  1.09  1.09  0.77  0.77
              16  1.40  1.40  1.40  1.40  1.40  0.98  0.98
              20  1.53  1.53  1.53  1.53  1.53  1.07  1.07
              22  1.40  1.40  1.40  1.40  1.37  0.98  1.01"#]]
        .assert_eq(&table);
    }

    #[test]
    fn a_compressed_day_passes_in_an_hour() {
        let (slow, fast) = (shape(0.4, 0.7, 1.0), shape(0.4, 0.7, 24.0));
        for hour in 0..200 {
            let hour = f64::from(hour);
            let got = fast.at(MONDAY + hours(hour / 24.0));
            assert!((got - slow.at(MONDAY + hours(hour))).abs() < 1e-6);
        }
    }

    #[test]
    fn a_constant_shape_is_one() {
        assert_eq!(Shape::constant().at(MONDAY), 1.0);
        assert_eq!(Shape::constant().peak(), 1.0);
    }

    proptest! {
        #[test]
        fn the_mean_of_a_week_is_one_and_nothing_is_beyond_the_peak(
            swing in 0.0..=1.0_f64,
            weekend in 0.0..2.0_f64,
        ) {
            let shape = shape(swing, weekend, 1.0);
            let minutes = 7 * 24 * 60;
            let mut sum = 0.0;
            let mut last = shape.at(MONDAY);
            for minute in 0..minutes {
                let load = shape.at(MONDAY + hours(f64::from(minute) / 60.0));
                prop_assert!((0.0..=shape.peak() + 1e-12).contains(&load), "{load}");
                prop_assert!((load - last).abs() < 0.03, "a jump to {load} from {last}");
                last = load;
                sum += load;
            }
            let mean = sum / f64::from(minutes);
            prop_assert!((mean - 1.0).abs() < 1e-6, "{mean}");
        }
    }
}
