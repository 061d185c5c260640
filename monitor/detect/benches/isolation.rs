//! What a minute costs that the forest of all Apis judges.
//!
//! `cargo bench --workspace --bench isolation`. Items are minutes of an Api: at its least, 20 calls. In
//! `a_forest` and `a_thousand_habits` the bytes allocated are those of the one that all share, and a thousand times
//! those of an Api.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use monitor_core::Time;
use monitor_detect::{Attitude, IsolationForest, Minute, MinuteHabit, Sensitivity};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const APIS: usize = 1_000;
/// Until habits are known and the reservoir is full.
const LEARNED: i64 = 40;

fn main() {
    divan::main();
}

fn minute(api: usize, number: i64) -> Minute {
    let seed = (api as u64).wrapping_mul(2_654_435_769) ^ (number as u64).wrapping_mul(40_503);
    let noise = |part: u32| f64::from((seed.wrapping_mul(0x9e37_79b9) >> part) as u16) / 65_536.0;
    let p50 = 0.05 + 0.02 * noise(3);
    Minute {
        start: Time::from_secs(number * 60),
        span: Duration::from_secs(60),
        calls: 600 + (200.0 * noise(9)) as u64,
        errors: u64::from(noise(17) > 0.7),
        p50,
        p95: p50 * (2.0 + noise(23)),
        usual_rate: Some([9.0, 14.0]),
        usual_time: Some(0.08),
    }
}

fn pass(forest: &mut IsolationForest, habits: &mut [MinuteHabit], number: i64) {
    let attitude = Attitude {
        disturbed: false,
        held: false,
        sensitivity: Sensitivity::per_week(0.0125),
        shift_after: Duration::from_secs(1_800),
    };
    for (api, habit) in habits.iter_mut().enumerate() {
        black_box(forest.judge(habit, &minute(api, number), attitude));
    }
}

fn learned() -> (IsolationForest, Vec<MinuteHabit>) {
    let mut forest = IsolationForest::default();
    let mut habits = vec![MinuteHabit::default(); APIS];
    for number in 0..LEARNED {
        pass(&mut forest, &mut habits, number);
        forest.end_minute(Time::from_secs((number + 1) * 60));
    }
    (forest, habits)
}

#[divan::bench]
fn judge_a_minute(bencher: Bencher<'_, '_>) {
    let learned = learned();
    bencher
        .counter(ItemsCount::new(APIS))
        .with_inputs(|| learned.clone())
        .bench_local_refs(|(forest, habits)| pass(forest, habits, LEARNED));
}

/// Once an hour, for all Apis together.
#[divan::bench]
fn grow_a_forest(bencher: Bencher<'_, '_>) {
    let learned = learned();
    let later = Time::from_secs((LEARNED + 120) * 60);
    bencher
        .with_inputs(|| learned.clone())
        .bench_local_refs(|(forest, _)| forest.end_minute(black_box(later)));
}

#[divan::bench]
fn a_forest(bencher: Bencher<'_, '_>) {
    let (forest, _) = learned();
    bencher.bench_local(|| black_box(forest.clone()));
}

#[divan::bench]
fn a_thousand_habits(bencher: Bencher<'_, '_>) {
    let (_, habits) = learned();
    bencher.bench_local(|| black_box(habits.clone()));
}
