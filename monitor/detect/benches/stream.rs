//! What the model of one signal costs.
//!
//! `cargo bench -p monitor-detect --bench stream`. Time is per value of a learned model; in
//! `learned_model` the bytes still allocated are those of one signal.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use monitor_detect::StreamModel;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const STEP: f64 = 300.0;
/// Two weeks of five-minute values.
const LEARNED: u32 = 4_032;

fn main() {
    divan::main();
}

/// A day's wave with noise.
fn value(i: u32) -> f64 {
    let day = f64::from(i) * STEP / 86_400.0 * std::f64::consts::TAU;
    let noise = f64::from(i.wrapping_mul(2_654_435_769) >> 8) / f64::from(1u32 << 24);
    100.0 + 30.0 * day.sin() + 4.0 * noise
}

fn learned() -> StreamModel {
    let mut model = StreamModel::new();
    (0..LEARNED).for_each(|i| {
        model.observe(f64::from(i) * STEP, value(i));
    });
    model
}

#[divan::bench]
fn a_day_of_values(bencher: Bencher<'_, '_>) {
    let model = learned();
    bencher
        .counter(ItemsCount::new(288u32))
        .with_inputs(|| model.clone())
        .bench_values(|mut model| {
            for i in LEARNED..LEARNED + 288 {
                black_box(model.observe(f64::from(i) * STEP, black_box(value(i))));
            }
            model
        });
}

#[divan::bench(sample_count = 10)]
fn learned_model() -> usize {
    black_box(learned()).bytes()
}
