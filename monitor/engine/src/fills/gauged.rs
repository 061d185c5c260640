//! Gauges of what is used of what there is, one for each series of each replica.
//!
//! Their latest readings are kept at three distances, so that a leak of minutes and one of hours are
//! both a line through a dozen points. A collector's saw teeth are none: what was emptied twice from
//! a level is expected to be there again, and growth counts from that level on; what the collector
//! leaves each time is followed instead.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use monitor_core::Name;
use monitor_detect::forecast::trend::{FEWEST, Trend};
use serde::{Deserialize, Serialize};

use super::{APART_SECS, BELIEVED_FOR, EMPTIED, FORGET_SECS, Filling, Source};

/// Series followed of one service: replicas times what each has.
const MAX_SERIES: usize = 64;
/// Distances of readings, in seconds, and how many are kept at each.
const APART: [i64; 3] = [APART_SECS, 60, 600];
const KEPT: usize = 12;
/// A line is sought through so many of the latest of them: what has just begun to grow does not show in all.
const LENGTHS: [usize; 3] = [FEWEST, 8, KEPT + 1];
/// What was not read for so many times its last wait is read no more.
const WAITS: i64 = 3;
/// Less growth than this share of all is no growth …
const LEAST_GROWTH: f64 = 0.02;
/// … nor is one that hides in the noise, …
const NOISES: f64 = 4.0;
/// … that chance explains (Mann's test, in standard deviations) …
const LEAST_Z: f64 = 2.0;
/// (which is no question of a line this straight: what is left of it is rounding, and it is believed
/// twice as long) …
const STRAIGHT: f64 = 20.0;
/// … or a step (squared residuals of the line over those of the step).
const BETTER_THAN_STEP: f64 = 0.7;
/// Part of a slope that is nearly the slope.
const NEARLY: f64 = 0.8;
/// From here on it was full, whatever emptied it.
const WAS_FULL: f32 = 0.9;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Gauged(BTreeMap<(Name, Name), Series>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Series {
    latest: (i64, f32),
    /// Seconds between the last two readings.
    wait: i64,
    kept: [VecDeque<(i64, f32)>; 3],
    /// The last two levels from which it was emptied before it was full; 0 for none.
    emptied: [f32; 2],
    /// What was left each time.
    left: VecDeque<(i64, f32)>,
}

impl Gauged {
    pub(super) fn read(&mut self, second: i64, instance: &Name, what: &Name, share: f32) -> bool {
        let key = (Name::clone(instance), Name::clone(what));
        if self.0.len() >= MAX_SERIES && !self.0.contains_key(&key) {
            self.0
                .retain(|_, series| second <= series.latest.0.saturating_add(FORGET_SECS));
            if self.0.len() >= MAX_SERIES {
                return false;
            }
        }
        let series = self
            .0
            .entry(key)
            .or_insert_with(|| Series::new(second, share));
        series.read(second, share);
        true
    }

    /// What grows, as it looks at `now`.
    pub(super) fn filling(&self, now: i64) -> impl Iterator<Item = Filling> {
        self.0.iter().filter_map(move |((instance, what), series)| {
            let source = || Source::Gauged {
                what: Name::clone(what),
                instance: Name::clone(instance),
            };
            let fresh = series.latest.0 + (WAITS * series.wait).clamp(60, FORGET_SECS);
            (now <= fresh).then(|| series.filling(source)).flatten()
        })
    }
}

impl Series {
    fn new(second: i64, share: f32) -> Series {
        Series {
            latest: (second, share),
            wait: 0,
            kept: Default::default(),
            emptied: [0.0; 2],
            left: VecDeque::new(),
        }
    }

    fn read(&mut self, second: i64, share: f32) {
        let (before, was) = self.latest;
        if second < before {
            return;
        }
        if share < was - EMPTIED {
            if was < WAS_FULL {
                self.emptied = [was, self.emptied[0]];
                self.left.push_back((second, share));
                if self.left.len() > KEPT {
                    self.left.pop_front();
                }
            } else {
                self.left.clear();
            }
            self.kept = Default::default();
        }
        self.wait = second - before;
        self.latest = (second, share);
        for (kept, apart) in self.kept.iter_mut().zip(APART) {
            if kept.back().is_none_or(|last| second - last.0 >= apart) {
                kept.push_back((second, share));
                if kept.len() > KEPT {
                    kept.pop_front();
                }
            }
        }
    }

    /// The oldest reading since which it has grown nearly as fast as now.
    fn began(&self, latest: (i64, f32), slope: f64) -> (i64, f32) {
        let mut began = latest;
        let kept = self.kept.iter().chain([&self.left]);
        for reading in kept.flat_map(|kept| kept.iter().rev()) {
            let age = (latest.0 - reading.0) as f64;
            if f64::from(latest.1 - reading.1) < NEARLY * slope * age {
                continue;
            }
            if reading.0 < began.0 {
                began = *reading;
            }
        }
        began
    }

    /// The line through its latest readings, the nearest first: what grows faster than it did is
    /// full sooner. Then the line through what was left each time that it was emptied.
    fn filling(&self, source: impl FnOnce() -> Source) -> Option<Filling> {
        let usual = self.emptied[0].min(self.emptied[1]) + EMPTIED;
        let is_usual = self.emptied[1] > 0.0 && self.latest.1 <= usual;
        let kept = self.kept.iter().filter(|_| !is_usual);
        let risen = kept.map(|kept| (kept, self.latest));
        let left = (self.left.back()).map(|last| (&self.left, *last));
        let (trend, points, latest) = risen.chain(left).find_map(|(readings, latest)| {
            let (trend, points) = clearest(readings, latest)?;
            Some((trend, points, latest))
        })?;
        let arrival = trend.reaches(1.0)?;
        let (since, first) = self.began(latest, trend.slope);
        let is_straight = trend.slope * trend.span >= STRAIGHT * trend.noise;
        let times = if is_straight { 2.0 } else { 1.0 } * BELIEVED_FOR;
        Some(Filling {
            source: source(),
            first: f64::from(first),
            latest: f64::from(latest.1),
            since,
            at: latest.0,
            readings: points,
            slope: trend.slope,
            full_in: arrival.expected,
            earliest: arrival.earliest,
            last: arrival.latest,
            believed_for: times * (latest.0 - since) as f64,
        })
    }
}

/// The clearest of the lines through the latest readings, and how many readings there are; `None` when they
/// do not grow.
fn clearest(readings: &VecDeque<(i64, f32)>, latest: (i64, f32)) -> Option<(Trend, usize)> {
    let last = (readings.back() != Some(&latest)).then_some(&latest);
    let points: Vec<(f64, f64)> = readings
        .iter()
        .chain(last)
        .map(|(at, share)| ((at - latest.0) as f64, f64::from(*share)))
        .collect();
    let lengths = LENGTHS.iter().map(|length| points.len().min(*length));
    let lines = lengths.filter_map(|length| line(&points[points.len() - length..]));
    let clear = |trend: &Trend| trend.slope / trend.slope_error.max(1e-12);
    let clearest = lines.max_by(|a, b| clear(a).total_cmp(&clear(b)))?;
    Some((clearest, points.len()))
}

fn line(points: &[(f64, f64)]) -> Option<Trend> {
    let trend = Trend::of(points)?;
    let growth = trend.slope * trend.span;
    let grows = growth >= LEAST_GROWTH.max(NOISES * trend.noise)
        && (trend.z >= LEAST_Z || growth >= STRAIGHT * trend.noise)
        && trend.against_step < BETTER_THAN_STEP;
    grows.then_some(trend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from(text)
    }

    /// Reads `share(second)` every ten seconds.
    fn watch(gauged: &mut Gauged, seconds: std::ops::Range<i64>, share: impl Fn(f64) -> f64) {
        for second in seconds.step_by(10) {
            let share = share(second as f64) as f32;
            assert!(gauged.read(second, &name("web-0"), &name("heap"), share));
        }
    }

    fn next(gauged: &Gauged, now: i64) -> Option<Filling> {
        gauged.filling(now).next()
    }

    #[test]
    fn a_leak_is_seen_within_a_minute_or_two_and_its_end_told() {
        let mut gauged = Gauged::default();
        watch(&mut gauged, 0..3_600, |_| 0.3);
        assert_eq!(next(&gauged, 3_600), None);
        // Full after twenty minutes.
        let leak = |at: f64| 0.3 + 0.7 * (at - 3_600.0) / 1_200.0;
        watch(&mut gauged, 3_600..3_720, leak);
        let filling = next(&gauged, 3_720).expect("two minutes of a leak");
        assert!((filling.full_in - 1_090.0).abs() < 60.0, "{filling:?}");
        assert!(filling.earliest < filling.full_in && filling.full_in < filling.last);
        watch(&mut gauged, 3_720..4_500, leak);
        let filling = next(&gauged, 4_500).expect("a leak");
        assert!((filling.full_in - 310.0).abs() < 20.0, "{filling:?}");
    }

    #[test]
    fn a_leak_of_hours_is_seen_too() {
        let mut gauged = Gauged::default();
        // A half in ten hours, in steps of a hundredth.
        watch(&mut gauged, 0..7_200, |at| {
            0.3 + (at / 36_000.0 * 0.5 * 100.0).floor() / 100.0
        });
        let filling = next(&gauged, 7_200).expect("a slow leak");
        assert!((filling.slope * 36_000.0 - 0.5).abs() < 0.15, "{filling:?}");
    }

    #[test]
    fn the_saw_teeth_of_a_collector_are_no_growth() {
        let mut gauged = Gauged::default();
        // A quarter to three quarters in four minutes, again and again.
        let teeth = |at: f64| 0.25 + 0.5 * (at % 240.0) / 240.0;
        watch(&mut gauged, 0..720, teeth);
        for minute in 12..120 {
            watch(&mut gauged, minute * 60..minute * 60 + 60, teeth);
            assert_eq!(next(&gauged, minute * 60 + 59), None, "minute {minute}");
        }
    }

    #[test]
    fn what_a_collector_leaves_each_time_is_growth() {
        let mut gauged = Gauged::default();
        // Up to eight tenths in each four minutes, and every time a little less is freed.
        let teeth = |at: f64| {
            let floor = 0.2 + 0.04 * (at / 240.0).floor();
            floor + (0.8 - floor) * (at % 240.0) / 240.0
        };
        watch(&mut gauged, 0..2_000, teeth);
        let filling = next(&gauged, 2_000).expect("a leak under saw teeth");
        // From 0.52 after eight collections, to all.
        assert!((filling.full_in - 2_880.0).abs() < 300.0, "{filling:?}");
    }

    #[test]
    fn noise_steps_and_what_is_read_no_more_are_no_growth() {
        let mut gauged = Gauged::default();
        watch(&mut gauged, 0..3_600, |at| 0.5 + 0.03 * (at * 0.7).sin());
        assert_eq!(next(&gauged, 3_600), None);
        watch(&mut gauged, 3_600..3_650, |_| 0.7);
        assert_eq!(next(&gauged, 3_650), None, "a cache was filled");
        let mut gauged = Gauged::default();
        watch(&mut gauged, 0..300, |at| 0.3 + at / 1_000.0);
        assert!(next(&gauged, 300).is_some());
        assert_eq!(next(&gauged, 400), None);
    }

    #[test]
    fn a_new_process_is_followed_anew() {
        let mut gauged = Gauged::default();
        for start in [0, 1_000, 2_000] {
            watch(&mut gauged, start..start + 990, |at| {
                0.3 + 0.69 * (at - start as f64) / 990.0
            });
            let now = start + 990;
            assert!(next(&gauged, now).is_some(), "full each time, at {now}");
        }
    }

    #[test]
    fn ever_new_replicas_take_bounded_memory() {
        let mut gauged = Gauged::default();
        let taken = (0..1_000).filter(|at| {
            let instance = name(&format!("web-{at}"));
            gauged.read(*at, &instance, &name("heap"), 0.5)
        });
        assert_eq!(taken.count(), MAX_SERIES);
        assert!(gauged.read(FORGET_SECS + 2_000, &name("new"), &name("heap"), 0.5));
    }
}
