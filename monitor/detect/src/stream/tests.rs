//! What the model says of signals with known statistics.

use proptest::prelude::*;

use super::*;

const STEP: f64 = 300.0;

/// A day's wave with a little deterministic noise.
fn wave(i: u32) -> f64 {
    let day = f64::from(i) * STEP / 86_400.0 * std::f64::consts::TAU;
    let noise = f64::from(i.wrapping_mul(2_654_435_769) >> 8) / f64::from(1u32 << 24);
    100.0 + 30.0 * day.sin() + 4.0 * noise
}

fn opinions(values: impl IntoIterator<Item = f64>) -> Vec<Opinion> {
    let mut model = StreamModel::new();
    (0u32..)
        .zip(values)
        .filter_map(|(i, value)| model.observe(f64::from(i) * STEP, value))
        .collect()
}

#[test]
fn a_flat_day_in_the_middle_of_the_range_is_found() {
    let flat = 2_900..3_100u32;
    let values = (0..4_032).map(|i| if flat.contains(&i) { 100.0 } else { wave(i) });
    let opinions = opinions(values);
    let highest =
        |range: std::ops::Range<usize>| opinions[range].iter().map(|o| o.alarm).fold(0.0, f64::max);
    assert!(highest(2_900..3_110) > 1.5 * highest(1_000..2_900));
}

#[test]
fn a_job_that_runs_every_night_is_expected_and_one_at_noon_is_not() {
    let nightly = |i: u32| wave(i) + if i % 288 == 30 { 500.0 } else { 0.0 };
    let values = (0..4_032).map(|i| {
        if i == 3_800 {
            wave(i) + 500.0
        } else {
            nightly(i)
        }
    });
    let opinions = opinions(values);
    let nights = opinions[2_000..3_800].iter().map(|o| o.alarm);
    let (noon, night) = (opinions[3_800].alarm, nights.fold(0.0, f64::max));
    assert!(noon > 1.5 * night, "{noon} at noon, {night} at night");
}

#[test]
fn a_signal_that_never_changes_never_alarms_and_its_first_change_does() {
    let values = (0..2_000).map(|i| if i == 1_990 { 46.0 } else { 45.0 });
    let opinions = opinions(values);
    assert!(opinions[..1_990].iter().all(|o| o.alarm < 0.1));
    assert!(opinions[1_990].alarm > 1.0);
}

#[test]
fn what_is_no_number_is_neither_judged_nor_learned() {
    let mut model = StreamModel::new();
    model.observe(0.0, 1.0);
    let before = model.clone();
    assert_eq!(model.observe(300.0, f64::NAN), None);
    assert_eq!(model, before);
}

#[test]
fn a_learned_model_stays_below_24_kib_and_survives_a_restart() {
    let mut model = StreamModel::new();
    (0..10_000).for_each(|i| {
        model.observe(f64::from(i) * STEP, wave(i));
    });
    let saved = postcard::to_allocvec(&model).unwrap();
    assert!(saved.len() < 24 * 1_024, "{}", saved.len());
    assert!(model.bytes() < 24 * 1_024, "{}", model.bytes());
    let mut restored: StreamModel = postcard::from_bytes(&saved).unwrap();
    assert_eq!(restored.observe(3e6, 500.0), model.observe(3e6, 500.0));
}

proptest! {
    #[test]
    fn any_numbers_give_finite_opinions(values in prop::collection::vec(any::<f64>(), 0..400)) {
        for opinion in opinions(values) {
            prop_assert!(opinion.evidence.is_finite() && opinion.alarm.is_finite());
        }
    }

    /// Seconds or milliseconds, it is the same signal.
    #[test]
    fn the_unit_of_a_signal_does_not_matter(exponent in -8i32..8) {
        let scale = 2f64.powi(exponent * 4);
        let plain = opinions((0..600).map(wave));
        let scaled = opinions((0..600).map(|i| wave(i) * scale));
        for (plain, scaled) in plain.iter().zip(&scaled) {
            prop_assert!((plain.alarm - scaled.alarm).abs() < 1e-3);
        }
    }
}
