//! Signals whose nature is known: what a forecaster can know of them is what they are made of.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Series;

/// Four weeks at a value in five minutes.
const VALUES: u32 = 4 * 7 * 288;
const STEP_SECS: f64 = 300.0;
/// A Monday, at midnight.
const BEGINS: f64 = 1_767_571_200.0;

/// The same seed gives the same series.
pub fn series(seed: u64) -> Vec<Series> {
    let mut made = Vec::new();
    let mut make = |name: &str, value: &mut dyn FnMut(f64, &mut StdRng) -> f64| {
        let mut random = StdRng::seed_from_u64(seed ^ made.len() as u64);
        let days = |at: u32| f64::from(at) / 288.0;
        made.push(Series {
            name: format!("synthetic/{name}"),
            secs: (0..VALUES)
                .map(|at| BEGINS + f64::from(at) * STEP_SECS)
                .collect(),
            values: (0..VALUES).map(|at| value(days(at), &mut random)).collect(),
        });
    };
    let day = |days: f64| 1.0 + 0.6 * (days * std::f64::consts::TAU).sin();
    let weekend = |days: f64| if days.rem_euclid(7.0) < 5.0 { 1.0 } else { 0.4 };
    make("noise", &mut |_, random| 100.0 + 10.0 * normal(random));
    make("daily", &mut |days, random| {
        100.0 * day(days) + 5.0 * normal(random)
    });
    make("daily and weekly", &mut |days, random| {
        100.0 * day(days) * weekend(days) + 5.0 * normal(random)
    });
    make("daily, multiplicative noise", &mut |days, random| {
        100.0 * day(days) * (0.15 * normal(random)).exp()
    });
    make("trend", &mut |days, random| {
        100.0 + 5.0 * days + 3.0 * normal(random)
    });
    let mut at = 100.0;
    make("random walk", &mut |_, random| {
        at += normal(random);
        at
    });
    make("level shift", &mut |days, random| {
        let level = if days < 14.0 { 100.0 } else { 160.0 };
        level + 5.0 * normal(random)
    });
    make("heavy tails", &mut |_, random| {
        20.0 * (0.8 * normal(random)).exp()
    });
    make("mostly zero", &mut |_, random| {
        if random.random::<f64>() < 0.05 {
            50.0 * random.random::<f64>()
        } else {
            0.0
        }
    });
    made
}

/// A standard normal number: Box and Muller.
fn normal(random: &mut StdRng) -> f64 {
    let (a, b): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (b * std::f64::consts::TAU).cos()
}
