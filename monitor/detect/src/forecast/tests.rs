use super::*;

/// From -1 to 1, without any pattern that matters here.
fn noise(at: u32) -> f64 {
    let mixed = at.wrapping_mul(2_654_435_761);
    f64::from((mixed ^ (mixed >> 13)).wrapping_mul(0x5bd1_e995) >> 8) / f64::from(1u32 << 23) - 1.0
}

fn fed(minutes: u32, every: u32, value: impl Fn(u32) -> f64) -> (Forecaster, Vec<Scored>) {
    let mut forecaster = Forecaster::new();
    let mut scored = Vec::new();
    for at in (0..minutes).step_by(every as usize) {
        scored.extend(forecaster.observe(f64::from(at) * 60.0, value(at)));
    }
    (forecaster, scored)
}

/// What cannot say is not a number, which equals nothing; bytes can be compared.
fn bytes(forecaster: &Forecaster) -> Vec<u8> {
    postcard::to_stdvec(forecaster).unwrap()
}

fn coverage(scored: &[Scored], horizon: u32) -> f64 {
    let at: Vec<_> = scored
        .iter()
        .filter(|s| s.counts && s.horizon == horizon)
        .collect();
    at.iter().filter(|s| s.is_inside()).count() as f64 / at.len() as f64
}

fn daily(at: u32) -> f64 {
    100.0 + 50.0 * (f64::from(at) / 1_440.0 * std::f64::consts::TAU).sin() + 5.0 * noise(at)
}

#[test]
fn a_daily_pattern_is_found_and_forecast_a_day_ahead() {
    let (forecaster, scored) = fed(14 * 1_440, 5, daily);
    let day: Vec<_> = scored.iter().filter(|s| s.horizon == 86_400).collect();
    let late = &day[day.len() / 2..];
    let error = late
        .iter()
        .map(|s| (s.quantiles[2] - s.actual).abs())
        .sum::<f64>();
    // The noise alone is 2.5 on average; the pattern would be 32.
    assert!(
        error / (late.len() as f64) < 5.0,
        "{}",
        error / late.len() as f64
    );
    let half_a_day = forecaster.forecast(43_200.0).unwrap();
    assert!(
        (half_a_day.median - daily(14 * 1_440 + 720)).abs() < 15.0,
        "{half_a_day:?}"
    );
}

#[test]
fn nine_of_ten_values_lie_in_the_interval_at_each_horizon() {
    let (_, scored) = fed(28 * 1_440, 5, daily);
    // Of a day few come, and what is said of them is longer in use.
    for horizon in &HORIZONS[..4] {
        let share = coverage(&scored, *horizon);
        assert!((0.84..=0.97).contains(&share), "{horizon} s: {share}");
    }
}

#[test]
fn an_interval_is_told_once_such_ones_were_tried() {
    let (hour, _) = fed(60, 1, daily);
    let interval = |after: f64| hour.forecast(after).unwrap().interval();
    assert!(interval(300.0).is_some());
    // Something is expected of tomorrow, but how far it may be off is not known after an hour.
    assert_eq!(interval(86_400.0), None);
    let (days, _) = fed(3 * 1_440, 5, daily);
    assert!(days.forecast(86_400.0).unwrap().interval().is_some());
}

#[test]
fn what_wanders_is_covered_too() {
    let mut at_now = 0.0;
    let walk: Vec<f64> = (0..20_000)
        .map(|at| {
            at_now += noise(at);
            at_now
        })
        .collect();
    let (_, scored) = fed(20_000, 1, |at| walk[at as usize]);
    for horizon in &HORIZONS[..4] {
        let share = coverage(&scored, *horizon);
        assert!((0.82..=0.97).contains(&share), "{horizon} s: {share}");
    }
}

#[test]
fn a_gap_and_a_wild_value_cost_little() {
    let value = |at: u32| if at == 5_000 { 1e9 } else { daily(at) };
    let mut forecaster = Forecaster::new();
    for at in (0..14_400u32).filter(|at| !(8_000..9_000).contains(at)) {
        forecaster.observe(f64::from(at) * 60.0, value(at));
    }
    let hour = forecaster.forecast(3_600.0).unwrap();
    assert!((hour.median - daily(14_460)).abs() < 20.0, "{hour:?}");
}

#[test]
fn nonsense_teaches_nothing() {
    let (mut forecaster, _) = fed(600, 1, daily);
    let before = forecaster.clone();
    for (secs, value) in [
        (f64::NAN, 1.0),
        (1e9, f64::NAN),
        (1e9, f64::INFINITY),
        (10.0, 1.0),
    ] {
        assert!(forecaster.observe(secs, value).is_empty());
    }
    assert_eq!(bytes(&forecaster), bytes(&before));
}

#[test]
fn nothing_is_said_before_there_is_enough_and_beyond_a_week() {
    let (forecaster, _) = fed(5, 1, daily);
    assert_eq!(forecaster.forecast(300.0), None);
    let (forecaster, _) = fed(60, 1, daily);
    assert!(forecaster.forecast(300.0).is_some());
    assert_eq!(forecaster.forecast(700_000.0), None);
}

#[test]
fn memory_is_bounded_and_a_copy_goes_on_alike() {
    let (mut forecaster, _) = fed(10 * 1_440, 1, daily);
    assert!(forecaster.bytes() < 6 * 1_024, "{}", forecaster.bytes());
    let mut copy: Forecaster = postcard::from_bytes(&bytes(&forecaster)).unwrap();
    let later = f64::from(10 * 1_440) * 60.0;
    assert_eq!(forecaster.observe(later, 90.0), copy.observe(later, 90.0));
    assert_eq!(bytes(&forecaster), bytes(&copy));
}
