//! What each kind does to the platform.

use std::time::Duration;

use proptest::prelude::*;
use sim_services::chaos::{Experiment, Fault, plan_of, shipped};
use sim_services::topology::Topology;

fn experiments(shop: &Topology) -> Vec<Experiment> {
    shipped()
        .iter()
        .flat_map(|(name, yaml)| plan_of(name, yaml, shop, |_| None).unwrap().steps)
        .map(|step| step.experiment)
        .collect()
}

fn at(shop: &Topology, experiment: &Experiment, strength: f64) -> Vec<String> {
    experiment
        .faults
        .iter()
        .flat_map(|placed| {
            placed
                .fault
                .parts(shop, &placed.target, strength, Duration::ZERO)
        })
        .map(|part| {
            format!(
                "{}: {}",
                part.target,
                serde_json::to_string(&part.change).unwrap()
            )
        })
        .collect()
}

#[test]
fn every_kind_at_full_strength() {
    let shop = Topology::shop();
    let experiments = experiments(&shop);
    let mut text = String::new();
    for kind in Fault::KINDS {
        let of_kind = experiments
            .iter()
            .find(|experiment| experiment.kind() == kind);
        let parts = at(&shop, of_kind.unwrap(), 1.0);
        text.push_str(&format!("{kind}\n  {}\n", parts.join("\n  ")));
    }
    expect_test::expect![[]].assert_eq(&text);
}

#[test]
fn what_has_degrees_is_half_as_strong_half_way() {
    let shop = Topology::shop();
    let mut text = String::new();
    for name in [
        "ledger-database-slow",
        "cart-error-burst",
        "search-latency-jitter",
        "orders-pool-exhaustion",
        "traffic-drop",
        "cloud-a-on-prem-link-slow",
        "legacy-core-down",
    ] {
        let experiments = experiments(&shop);
        let experiment = experiments
            .iter()
            .find(|experiment| experiment.name == name);
        text.push_str(&format!(
            "{}\n",
            at(&shop, experiment.unwrap(), 0.5).join("\n")
        ));
    }
    expect_test::expect![[]].assert_eq(&text);
}

#[test]
fn a_stampede_comes_again_and_again() {
    let shop = Topology::shop();
    let experiments = experiments(&shop);
    let stampede = experiments
        .iter()
        .find(|experiment| experiment.kind() == "cache-stampede")
        .unwrap();
    let placed = &stampede.faults[0];
    let flushes = |secs| {
        let on_for = Duration::from_secs(secs);
        let parts = placed.fault.parts(&shop, &placed.target, 1.0, on_for);
        parts.iter().map(|part| part.again).collect::<Vec<_>>()
    };
    assert_eq!(flushes(0), [0, 0]);
    assert_eq!(flushes(4), [0, 0]);
    // Only the flush; the store stays slow.
    assert_eq!(flushes(11), [2, 0]);
}

proptest! {
    /// A change keeps its id by its place among the parts.
    #[test]
    fn parts_are_the_same_in_number_at_every_strength(strength in 0.001..1.0f64, secs in 0u64..400) {
        let shop = Topology::shop();
        for experiment in experiments(&shop) {
            for placed in &experiment.faults {
                let parts = |strength| {
                    let on_for = Duration::from_secs(secs);
                    let parts = placed.fault.parts(&shop, &placed.target, strength, on_for);
                    parts
                        .into_iter()
                        .map(|part| (part.target, std::mem::discriminant(&part.change)))
                        .collect::<Vec<_>>()
                };
                prop_assert_eq!(parts(strength), parts(1.0));
                prop_assert!(parts(0.0).is_empty());
            }
        }
    }
}
