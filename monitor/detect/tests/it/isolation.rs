//! Combinations of values that are each usual.

use std::time::Duration;

use monitor_core::Time;
use monitor_detect::{
    Attitude, Isolated, IsolationForest, Minute, MinuteHabit, Phase, Sensitivity,
};

use crate::random::Random;

const START: i64 = 1_700_000_040;

/// A platform of Apis whose load comes in waves that slow them down.
struct Platform {
    random: Random,
    forest: IsolationForest,
    apis: Vec<(MinuteHabit, f64)>,
    minute: i64,
    sensitivity: Sensitivity,
    /// How far the waves go, in logarithms, and how response time goes with the rate.
    waves: f64,
    slowing: f64,
}

impl Platform {
    fn new(apis: usize, per_week: f64) -> Platform {
        Platform {
            random: Random(9),
            forest: IsolationForest::default(),
            apis: vec![(MinuteHabit::default(), 0.0); apis],
            minute: 0,
            sensitivity: Sensitivity::per_week(per_week),
            waves: 0.4,
            slowing: 0.8,
        }
    }

    /// A minute of all Apis; `change` may alter the logarithms of rate and median of one. What is said
    /// of each.
    fn pass(&mut self, change: impl Fn(usize, [f64; 2]) -> [f64; 2]) -> Vec<Option<Isolated>> {
        let start = Time::from_secs(START + self.minute * 60);
        let attitude = Attitude {
            disturbed: false,
            held: false,
            sensitivity: self.sensitivity,
            shift_after: Duration::from_secs(1_800),
        };
        let (random, forest) = (&mut self.random, &mut self.forest);
        let told = (0..)
            .zip(&mut self.apis)
            .map(|(at, (habit, wave))| {
                *wave = 0.9 * *wave + 0.44 * random.normal();
                let load = self.waves * *wave;
                let mut noise = || 0.06 * random.normal();
                let usual = [load + noise(), self.slowing * load + noise()];
                let [rate, time] = change(at, usual);
                let calls = (600.0 * (1.0 + at as f64 / 4.0) * rate.exp()) as u64;
                let p50 = 0.05 * (1.0 + at as f64) * time.exp();
                let minute = Minute {
                    start,
                    span: Duration::from_secs(60),
                    calls,
                    errors: random.binomial(calls, 0.002),
                    p50,
                    p95: p50 * (0.8 + 0.08 * random.normal()).exp(),
                    usual_rate: None,
                    usual_time: None,
                };
                forest.judge(habit, &minute, attitude)
            })
            .collect();
        self.minute += 1;
        self.forest
            .end_minute(Time::from_secs(START + self.minute * 60));
        told
    }

    /// How often somebody's anomaly began.
    fn alarms(&mut self, minutes: i64) -> usize {
        let mut open = vec![false; self.apis.len()];
        let mut alarms = 0;
        for _ in 0..minutes {
            for (told, open) in self.pass(|_, usual| usual).into_iter().zip(&mut open) {
                let now = told.is_some_and(|told| told.verdict.phase.is_anomalous());
                alarms += usize::from(now && !*open);
                *open = now;
            }
        }
        alarms
    }
}

#[test]
fn a_combination_of_values_that_are_each_usual_is_found_and_named() {
    let mut platform = Platform::new(12, 0.0125);
    assert_eq!(platform.alarms(2_000), 0);
    // Half the usual load, and the response times of half as much more: waves go so far every hour.
    let mut found = None;
    for minute in 0..15 {
        let told = platform.pass(|api, usual| {
            let noise = [usual[0] * 0.1, usual[1] * 0.1];
            if api == 3 {
                [-0.6 + noise[0], 0.4 + noise[1]]
            } else {
                usual
            }
        });
        for (api, told) in told.into_iter().enumerate() {
            let anomalous = told.filter(|told| told.verdict.phase.is_anomalous());
            assert!(anomalous.is_none() || api == 3, "{api} {anomalous:?}");
            if let Some(told) = anomalous {
                found.get_or_insert((minute, told));
            }
        }
    }
    let (minute, told) = found.expect("the combination is found");
    assert!(minute <= 10, "{minute}");
    let names: Vec<&str> = told.quantities.iter().map(|known| known.name).collect();
    assert!(
        names.contains(&"rate") && names.contains(&"response time"),
        "{names:?}"
    );
    let of = |name: &str| {
        told.quantities
            .iter()
            .find(|known| known.name == name)
            .unwrap()
    };
    assert!((0.3..0.8).contains(&of("rate").actual), "{told:?}");
    assert!((1.2..2.5).contains(&of("response time").actual), "{told:?}");
}

#[test]
fn each_value_alone_is_nobodys_concern() {
    let mut platform = Platform::new(12, 0.0125);
    platform.alarms(2_000);
    for _ in 0..15 {
        // As the waves go.
        let told = platform.pass(|api, usual| if api == 3 { [-0.6, -0.5] } else { usual });
        let anomalous = |told: &Isolated| told.verdict.phase.is_anomalous();
        assert!(told.iter().flatten().all(|told| !anomalous(told)));
    }
}

#[test]
fn noise_raises_no_more_alarms_than_it_may() {
    for (waves, slowing) in [(0.4, 0.8), (0.4, 0.0), (0.0, 0.0)] {
        let mut platform = Platform::new(10, 4.0);
        (platform.waves, platform.slowing) = (waves, slowing);
        platform.alarms(600);
        let alarms = platform.alarms(10_080);
        println!("{alarms} alarms of 40");
        assert!(
            alarms <= 60,
            "{alarms} alarms in ten Api-weeks at four a week"
        );
    }
}

#[test]
fn what_stays_is_the_new_normal_after_half_an_hour() {
    let mut platform = Platform::new(12, 0.0125);
    platform.alarms(2_000);
    let mut phases = Vec::new();
    for _ in 0..90 {
        let told = platform.pass(|api, usual| match api {
            3 => [usual[0] * 0.2 - 0.6, usual[1] * 0.2 + 0.4],
            _ => usual,
        });
        phases.extend(
            told.into_iter()
                .nth(3)
                .flatten()
                .map(|told| told.verdict.phase),
        );
    }
    assert!(phases.contains(&Phase::Shifted), "{phases:?}");
    let last = phases.last().expect("minutes were judged");
    assert!(!last.is_anomalous(), "{last:?}");
}

#[test]
fn sparse_hostile_and_first_minutes_are_not_judged() {
    let mut forest = IsolationForest::default();
    let mut habit = MinuteHabit::default();
    let attitude = Attitude {
        disturbed: false,
        held: false,
        sensitivity: Sensitivity::per_week(1.0),
        shift_after: Duration::from_secs(1_800),
    };
    let minute = |at: i64, calls, p50, p95| Minute {
        start: Time::from_secs(START + at * 60),
        span: Duration::from_secs(60),
        calls,
        errors: 0,
        p50,
        p95,
        usual_rate: Some([0.0, 0.0]),
        usual_time: Some(0.0),
    };
    let values = [
        (3, 0.1, 0.2),
        (0, 0.0, 0.0),
        (50, f64::NAN, 1.0),
        (50, 0.1, f64::INFINITY),
    ];
    for (at, (calls, p50, p95)) in (0..).zip(values) {
        let told = forest.judge(&mut habit, &minute(at, calls, p50, p95), attitude);
        assert_eq!((told, &habit), (None, &MinuteHabit::default()));
    }
    // Huge and tiny ones are bounded.
    for at in 4..600 {
        let calls = if at % 7 == 0 { u64::MAX } else { 100 };
        let told = forest.judge(&mut habit, &minute(at, calls, 0.0, 1e300), attitude);
        assert!(told.is_none_or(|told| told.verdict.actual.is_finite()));
        forest.end_minute(Time::from_secs(START + at * 60));
    }
}

#[test]
fn a_forest_goes_on_after_a_restart_as_if_nothing_had_happened() {
    let mut platform = Platform::new(12, 4.0);
    platform.alarms(300);
    let bytes = postcard::to_allocvec(&(&platform.forest, &platform.apis)).unwrap();
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    let (mut forest, mut apis): (IsolationForest, Vec<(MinuteHabit, f64)>) =
        postcard::from_bytes(&bytes).unwrap();
    let random = Random(platform.random.0);
    let straight: Vec<_> = (0..200).map(|_| platform.pass(|_, usual| usual)).collect();
    std::mem::swap(&mut platform.forest, &mut forest);
    std::mem::swap(&mut platform.apis, &mut apis);
    platform.random = random;
    platform.minute -= 200;
    let restored: Vec<_> = (0..200).map(|_| platform.pass(|_, usual| usual)).collect();
    assert!(straight.iter().flatten().any(Option::is_some));
    assert_eq!(straight, restored);
}
