//! Each detector on its own: what it finds, what it leaves alone, and that it is deterministic.

use std::f64::consts::TAU;
use std::time::Duration;

use monitor_core::{Sketch, Time};
use monitor_detect::{
    Detector, LatencyDetector, LearningRule, Options, PerCallDetector, Phase, RatioDetector,
    RatioKind, Reading, Sample, Sensitivity, TrafficDetector, Verdict,
};
use proptest::prelude::*;

use crate::random::Random;

const RULE: LearningRule = LearningRule {
    seconds: 25,
    calls: 30,
};
const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

fn budget() -> Sensitivity {
    Sensitivity::per_week(0.1)
}

fn latency(options: Options) -> LatencyDetector {
    LatencyDetector::new(options, RULE, budget(), HALF_AN_HOUR)
}

fn errors() -> RatioDetector {
    let options = RatioDetector::default_options();
    RatioDetector::new(RatioKind::Errors, options, RULE, budget(), HALF_AN_HOUR)
}

fn traffic() -> TrafficDetector {
    let options = TrafficDetector::default_options();
    TrafficDetector::new(options, RULE, budget(), HALF_AN_HOUR)
}

/// Feeds windows of five seconds; the `i`-th is made by `reading`.
fn feed(
    detector: &mut dyn Detector,
    windows: std::ops::Range<i64>,
    mut reading: impl FnMut(i64) -> Fed,
) -> Vec<Verdict> {
    windows
        .filter_map(|i| {
            let fed = reading(i);
            detector.judge(&Sample {
                start: Time::from_secs(i * 5),
                span: Duration::from_secs(5),
                active_secs: 5,
                reading: match &fed {
                    Fed::Share(part, whole) => Reading::Share {
                        part: *part,
                        whole: *whole,
                    },
                    Fed::Durations(sketch) => Reading::Durations(sketch),
                    Fed::Count(calls) => Reading::Count(*calls),
                },
            })
        })
        .collect()
}

enum Fed {
    Share(u64, u64),
    Durations(Sketch),
    Count(u64),
}

fn durations(random: &mut Random, calls: usize, median: f64) -> Fed {
    let mut sketch = Sketch::new();
    (0..calls).for_each(|_| sketch.add(median * (0.4 * random.normal()).exp()));
    Fed::Durations(sketch)
}

fn anomalous(verdicts: &[Verdict]) -> usize {
    verdicts
        .iter()
        .filter(|verdict| verdict.phase.is_anomalous())
        .count()
}

#[test]
fn six_hours_of_ordinary_latency_is_normal_and_a_shift_is_not() {
    let mut random = Random(1);
    let mut detector = latency(LatencyDetector::default_options());
    let usual = feed(&mut detector, 0..4_320, |_| {
        durations(&mut random, 40, 0.05)
    });
    assert_eq!(anomalous(&usual), 0);
    assert!(matches!(usual[0].phase, Phase::Learning(_)));
    assert_eq!(usual[1000].phase, Phase::Normal);
    let shifted = feed(&mut detector, 4_320..4_330, |_| {
        durations(&mut random, 40, 0.1)
    });
    assert!(shifted[1].phase.is_anomalous(), "{shifted:?}");
}

#[test]
fn one_pause_is_no_anomaly() {
    let mut random = Random(2);
    let mut detector = latency(LatencyDetector::default_options());
    let verdicts = feed(&mut detector, 0..2_000, |i| {
        let median = if i > 100 && i % 50 == 0 { 1.0 } else { 0.05 };
        durations(&mut random, 40, median)
    });
    assert_eq!(anomalous(&verdicts), 0);
}

#[test]
fn what_the_user_does_not_want_to_hear_is_not_said() {
    let mut random = Random(3);
    let options = Options {
        min_rel_dev_from_expected: 3.0,
        ..LatencyDetector::default_options()
    };
    let mut detector = latency(options);
    let verdicts = feed(&mut detector, 0..200, |i| {
        durations(&mut random, 40, if i < 100 { 0.05 } else { 0.15 })
    });
    assert_eq!(anomalous(&verdicts), 0);
    let mut detector = latency(Options {
        data_range: (0.0, 0.12),
        ..options
    });
    let verdicts = feed(&mut detector, 0..200, |i| {
        durations(&mut random, 40, if i < 100 { 0.05 } else { 0.15 })
    });
    assert!(anomalous(&verdicts) > 50);
}

#[test]
fn failures_beyond_the_learned_share_are_found_in_one_window() {
    let mut random = Random(4);
    let mut detector = errors();
    let usual = feed(&mut detector, 0..5_000, |_| {
        Fed::Share(random.binomial(100, 0.01), 100)
    });
    assert_eq!(anomalous(&usual), 0);
    let burst = feed(&mut detector, 5_000..5_001, |_| Fed::Share(20, 100));
    assert!(burst[0].phase.is_anomalous(), "{burst:?}");
    assert!(burst[0].band.upper < 0.1, "{burst:?}");
}

#[test]
fn an_api_whose_failures_come_in_bursts_is_judged_by_its_bursts() {
    let mut random = Random(5);
    let mut detector = errors();
    // Every tenth window one client fails for a while: four of a hundred calls.
    let mut usual = |i: i64| {
        let chance = if i % 10 == 3 { 0.04 } else { 0.002 };
        Fed::Share(random.binomial(100, chance), 100)
    };
    assert_eq!(anomalous(&feed(&mut detector, 0..3_000, &mut usual)), 0);
}

#[test]
fn traffic_that_halves_is_found_and_its_scatter_is_not() {
    let mut random = Random(6);
    let mut detector = traffic();
    let usual = feed(&mut detector, 0..10_000, |_| {
        Fed::Count(random.binomial(400, 0.25))
    });
    assert_eq!(anomalous(&usual), 0);
    let half = feed(&mut detector, 10_000..10_010, |_| {
        Fed::Count(random.binomial(400, 0.12))
    });
    assert!(anomalous(&half) > 5, "{half:?}");
}

#[test]
fn one_window_of_less_traffic_is_told_of_only_where_many_false_alarms_are_permitted() {
    let of_one_window = |permitted: f64| {
        let whole = Sensitivity::per_week(permitted);
        let options = TrafficDetector::default_options().permitted(whole);
        let mut detector = TrafficDetector::new(options, RULE, whole, HALF_AN_HOUR);
        let mut random = Random(18);
        // Some thirty calls in the five minutes that such an Api is judged by.
        feed(&mut detector, 0..6_000, |_| {
            Fed::Count(random.binomial(2, 0.25))
        });
        let lull = feed(&mut detector, 6_000..6_120, |at| {
            Fed::Count(random.binomial(2, if at < 6_045 { 0.06 } else { 0.25 }))
        });
        anomalous(&lull)
    };
    assert_eq!(of_one_window(0.1), 0);
    assert!(of_one_window(10.0) > 0);
}

#[test]
fn tides_faster_than_an_hour_are_followed_and_an_outage_on_them_is_not() {
    let mut random = Random(16);
    let mut detector = traffic();
    // Up and down between 40 and 160 in 24 minutes.
    let tide = |at: i64| 0.25 * (1.0 + 0.6 * (at as f64 * 5.0 / 1440.0 * TAU).sin());
    let usual = feed(&mut detector, 0..2_000, |at| {
        Fed::Count(random.binomial(400, tide(at)))
    });
    assert_eq!(anomalous(&usual[360..]), 0);
    let outage = feed(&mut detector, 2_000..2_010, |at| {
        Fed::Count(random.binomial(400, 0.4 * tide(at)))
    });
    assert!(anomalous(&outage) > 5, "{outage:?}");
}

#[test]
fn the_end_of_a_peak_is_no_drop_and_what_ends_below_the_usual_is() {
    let mut random = Random(16);
    let tide = |at: i64| 0.25 * (1.0 + 0.6 * (at as f64 * 5.0 / 1440.0 * TAU).sin());
    let mut detector = traffic();
    // Up to a crest.
    feed(&mut detector, 0..2_088, |at| {
        Fed::Count(random.binomial(400, tide(at)))
    });
    let mut falls_to = |chance: f64| {
        let mut detector = detector.clone();
        let after = feed(&mut detector, 2_088..2_112, |_| {
            Fed::Count(random.binomial(400, chance))
        });
        anomalous(&after)
    };
    assert_eq!(falls_to(0.25), 0);
    assert!(falls_to(0.1) > 5);
}

#[test]
fn traffic_that_goes_away_slowly_is_not_taken_for_a_tide() {
    let mut random = Random(17);
    let mut detector = traffic();
    feed(&mut detector, 0..3_600, |_| {
        Fed::Count(random.binomial(400, 0.25))
    });
    // Nearly all of it within ten minutes.
    let fading = feed(&mut detector, 3_600..3_720, |at| {
        let left = 1.0 - 0.9 * (at - 3_600) as f64 / 120.0;
        Fed::Count(random.binomial(400, 0.25 * left))
    });
    assert!(anomalous(&fading) > 10, "{fading:?}");
}

#[test]
fn a_detector_does_not_read_what_it_cannot() {
    assert!(feed(&mut errors(), 0..1, |_| Fed::Count(1)).is_empty());
    assert!(feed(&mut traffic(), 0..1, |_| Fed::Share(1, 2)).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_series_gives_finite_verdicts_and_a_restored_model_goes_on_the_same(
        series in prop::collection::vec((0u64..1_000, 0u64..1_000_000, 1e-9f64..1e6), 1..120),
        cut in 0usize..120)
    {
        let mut ratio = errors();
        let mut slow = latency(LatencyDetector::default_options());
        let mut count = traffic();
        let mut restored: Option<(RatioDetector, LatencyDetector, TrafficDetector)> = None;
        for (at, (part, extra, seconds)) in (0i64..).zip(&series) {
            if at as usize == cut.min(series.len() - 1) {
                let bytes = postcard::to_stdvec(&(&ratio, &slow, &count)).unwrap();
                restored = Some(postcard::from_bytes(&bytes).unwrap());
            }
            let mut sketch = Sketch::new();
            sketch.add_n(*seconds, 1 + *part as u32);
            let judge = |ratio: &mut RatioDetector, slow: &mut LatencyDetector, count: &mut TrafficDetector| {
                let sample = |reading| Sample {
                    start: Time::from_secs(at * 10),
                    span: Duration::from_secs(10),
                    active_secs: 10,
                    reading,
                };
                [
                    ratio.judge(&sample(Reading::Share { part: *part, whole: part + extra })),
                    slow.judge(&sample(Reading::Durations(&sketch))),
                    count.judge(&sample(Reading::Count(*extra))),
                ]
            };
            let verdicts = judge(&mut ratio, &mut slow, &mut count);
            if let Some((ratio, slow, count)) = &mut restored {
                prop_assert_eq!(&verdicts, &judge(ratio, slow, count));
            }
            for verdict in verdicts.into_iter().flatten() {
                let numbers = [verdict.typical, verdict.actual, verdict.band.lower, verdict.band.upper, verdict.score.get()];
                prop_assert!(numbers.iter().all(|number| number.is_finite() && *number >= 0.0), "{:?}", verdict);
                prop_assert!(verdict.band.lower <= verdict.band.upper, "{:?}", verdict);
            }
        }
    }
}

/// Windows of five seconds with `served` calls each and about so many made.
fn asked(detector: &mut PerCallDetector, windows: std::ops::Range<i64>, made: u64) -> Vec<Verdict> {
    let mut random = Random(windows.start.unsigned_abs() + 1);
    windows
        .filter_map(|i| {
            let scatter = 1.0 + 0.1 * random.normal();
            detector.judge(&Sample {
                start: Time::from_secs(i * 5),
                span: Duration::from_secs(5),
                active_secs: 5,
                reading: Reading::PerCall {
                    made: (made as f64 * scatter).round() as u64,
                    served: 100,
                },
            })
        })
        .collect()
}

fn per_call() -> PerCallDetector {
    let options = PerCallDetector::default_options();
    PerCallDetector::new(options, RULE, budget(), HALF_AN_HOUR)
}

#[test]
fn twice_as_many_calls_made_for_each_one_served_is_found() {
    let mut detector = per_call();
    assert_eq!(anomalous(&asked(&mut detector, 0..200, 40)), 0);
    let verdicts = asked(&mut detector, 200..206, 80);
    let first = verdicts.iter().position(|one| one.phase.is_anomalous());
    assert!(first.is_some_and(|first| first <= 2), "{verdicts:#?}");
    assert!(verdicts[1].actual > verdicts[1].band.upper);
}

#[test]
fn what_was_never_asked_of_anybody_is_found_when_it_begins() {
    let mut detector = per_call();
    asked(&mut detector, 0..200, 0);
    assert!(anomalous(&asked(&mut detector, 200..206, 50)) > 0);
}

#[test]
fn calls_of_nobody_say_nothing_of_those_made() {
    let mut detector = per_call();
    let sample = Sample {
        start: Time::EPOCH,
        span: Duration::from_secs(5),
        active_secs: 5,
        reading: Reading::PerCall { made: 7, served: 0 },
    };
    assert_eq!(detector.judge(&sample), None);
    assert!(!detector.is_pressing(&sample));
}

#[test]
fn what_overwhelms_presses_and_what_is_usual_does_not() {
    let mut detector = errors();
    let second = |part, whole| Sample {
        start: Time::from_secs(10_000),
        span: Duration::from_secs(1),
        active_secs: 1,
        reading: Reading::Share { part, whole },
    };
    assert!(!detector.is_pressing(&second(10, 15)), "still learning");
    feed(&mut detector, 0..200, |i| {
        Fed::Share(u64::from(i % 10 == 0), 100)
    });
    assert!(detector.is_pressing(&second(10, 15)));
    assert!(!detector.is_pressing(&second(3, 3)), "too few to tell");
    assert!(!detector.is_pressing(&second(1, 20)));
    let before = detector.clone();
    detector.is_pressing(&second(15, 15));
    assert_eq!(detector, before, "asking changes nothing");
}
