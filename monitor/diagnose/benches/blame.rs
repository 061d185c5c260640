//! What blaming costs on a large platform.
//!
//! `cargo bench -p monitor-diagnose --bench blame`: 1,000 services with 20,000 Apis in six layers, all
//! of them losing time; measuring what each node loses is part of it, learning its habit is not.

use std::borrow::Cow;

use divan::{Bencher, black_box};
use monitor_diagnose::blame::{Costs, Excess, Habit, Layout, Node, Tuning, Unit, blame};

const SERVICES: usize = 1_000;
const APIS: usize = 20_000;
const LAYERS: usize = 6;
const LAYOUT: Layout = Layout {
    before: 30,
    during: 30,
};

fn main() {
    divan::main();
}

fn chance(i: usize) -> usize {
    i.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 33
}

/// Services first, then Apis; each Api calls three of the next layer, and a service its own Apis.
fn callees(node: usize) -> Vec<usize> {
    if node < SERVICES {
        return (0..APIS / SERVICES)
            .map(|i| SERVICES + node * (APIS / SERVICES) + i)
            .collect();
    }
    let layer = (node - SERVICES) * LAYERS / APIS;
    let width = APIS / LAYERS;
    if layer + 1 >= LAYERS {
        return Vec::new();
    }
    (0..3)
        .map(|i| SERVICES + (layer + 1) * width + chance(node * 3 + i) % width)
        .collect()
}

fn costs(node: usize, length: usize, slow_from: usize) -> Costs {
    let each = |i: usize| {
        let noise = chance(node.wrapping_mul(977).wrapping_add(i)) % 100;
        0.1 + noise as f64 * 1e-4 + if i >= slow_from { 0.2 } else { 0.0 }
    };
    Costs {
        calls: vec![100.0; length],
        each: (0..length).map(each).collect(),
    }
}

#[divan::bench(sample_count = 10)]
fn a_thousand_services_and_twenty_thousand_apis(bencher: Bencher<'_, '_>) {
    let tuning = Tuning::default();
    let all = SERVICES + APIS;
    let platform: Vec<(Vec<usize>, Habit, Costs)> = (0..all)
        .map(|node| {
            let habit = Habit::learn(&costs(node, 200, 200), LAYOUT, &tuning);
            (callees(node), habit, costs(node, 60, 30))
        })
        .collect();
    bencher.bench(|| {
        let nodes: Vec<Node<'_>> = platform
            .iter()
            .map(|(callees, habit, costs)| Node {
                name: Cow::Borrowed("GET /orders/{id}"),
                callees: Cow::Borrowed(callees),
                excess: Excess::measure(habit, costs, LAYOUT, Unit::Seconds, &tuning),
            })
            .collect();
        black_box(blame(&nodes, 0, Unit::Seconds, &tuning))
    });
}
