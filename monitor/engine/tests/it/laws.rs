//! Laws: order, ticks and restarts change nothing.

use monitor_core::{Observation, Time};
use monitor_engine::{Effect, Engine, EngineConfig};
use proptest::prelude::*;

use crate::world::{Random, START, Traffic, edge, orders, second};

/// Six minutes of three Apis with a fault in the middle, and the second each arrives in.
fn recording(seed: u64) -> Vec<(i64, Observation)> {
    let mut random = Random::new(seed);
    let quiet = orders().at("search", "/search").rate(2.0);
    let mut arrivals = Vec::new();
    for offset in 0..360 {
        let slow = (200..260).contains(&offset);
        let traffic: Vec<Traffic> = vec![
            orders().rate(6.0).slower(if slow { 6.0 } else { 1.0 }),
            orders()
                .at("cart", "/cart")
                .rate(3.0)
                .failing(if slow { 0.5 } else { 0.0 }),
            quiet.clone(),
        ];
        for observation in second(&mut random, START + offset, &traffic) {
            arrivals.push((START + offset, observation));
        }
        if offset % 10 == 0 {
            for (caller, callee) in [("orders", "cart"), ("orders", "search")] {
                arrivals.push((START + offset, edge(caller, callee, START + offset)));
            }
        }
    }
    arrivals
}

fn outcome(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Resend(_)))
        .map(|effect| format!("{effect:?}"))
        .collect()
}

fn live() -> EngineConfig {
    EngineConfig {
        lateness: std::time::Duration::from_secs(5),
        ..EngineConfig::default()
    }
}

/// Ticks every second, as live.
fn run(config: EngineConfig, arrivals: &[(i64, Observation)]) -> Vec<Effect> {
    let mut engine = Engine::new(config);
    let mut effects = Vec::new();
    let mut at = arrivals.first().map_or(START, |arrival| arrival.0);
    for (second, observation) in arrivals {
        while at < *second {
            at += 1;
            effects.extend(engine.tick(Time::from_secs(at)));
        }
        engine.observe(observation);
    }
    effects.extend(engine.finish());
    effects
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_within_the_lateness_changes_nothing(seed in 0u64..50, shuffle in any::<u64>()) {
        let arrivals = recording(seed);
        let mut delayed = arrivals.clone();
        let mut random = Random::new(shuffle);
        for (arrival, _) in &mut delayed {
            *arrival += (random.next() % 5) as i64;
        }
        delayed.sort_by_key(|(arrival, _)| *arrival);
        let straight = run(live(), &arrivals);
        prop_assert!(straight.iter().any(|effect| matches!(effect, Effect::IncidentOpened(_))));
        prop_assert_eq!(outcome(&straight), outcome(&run(live(), &delayed)));
    }

    #[test]
    fn the_number_and_spacing_of_ticks_changes_nothing(seed in 0u64..50, ticks in any::<u64>()) {
        let arrivals = recording(seed);
        let mut engine = Engine::new(EngineConfig::replay());
        let mut effects = Vec::new();
        let mut random = Random::new(ticks);
        let mut newest = Time::MIN;
        for (_, observation) in &arrivals {
            engine.observe(observation);
            newest = newest.max(observation.time());
            if random.next().is_multiple_of(400) {
                effects.extend(engine.tick(newest));
            }
        }
        effects.extend(engine.finish());
        let mut once = Engine::new(EngineConfig::replay());
        arrivals.iter().for_each(|(_, observation)| once.observe(observation));
        let at_once = once.finish();
        prop_assert!(!at_once.is_empty());
        prop_assert_eq!(outcome(&at_once), outcome(&effects));
    }

    #[test]
    fn a_restart_goes_on_as_if_nothing_had_happened(seed in 0u64..50, at in 0usize..3_000) {
        let arrivals = recording(seed);
        let at = at.min(arrivals.len());
        let mut straight = Engine::new(live());
        let mut restarted = Engine::new(live());
        let mut effects = (Vec::new(), Vec::new());
        for (index, (second, observation)) in arrivals.iter().enumerate() {
            if index == at {
                let bytes = restarted.snapshot();
                restarted = Engine::restore(live(), &bytes).unwrap();
                prop_assert!(restarted.snapshot() == bytes);
            }
            straight.observe(observation);
            restarted.observe(observation);
            effects.0.extend(straight.tick(Time::from_secs(*second)));
            effects.1.extend(restarted.tick(Time::from_secs(*second)));
        }
        effects.0.extend(straight.finish());
        effects.1.extend(restarted.finish());
        prop_assert_eq!(&effects.0, &effects.1);
        prop_assert!(straight.snapshot() == restarted.snapshot());
        prop_assert_eq!(straight.view(), restarted.view());
    }
}

#[test]
fn what_is_no_snapshot_is_refused_with_a_reason() {
    let error = |bytes: &[u8]| Engine::restore(live(), bytes).unwrap_err().to_string();
    assert_eq!(
        error(b"hello"),
        "the bytes are not a snapshot of the engine"
    );
    let mut bytes = Engine::new(live()).snapshot();
    bytes[6] = 99;
    assert_eq!(
        error(&bytes),
        "the snapshot is of version 99, this is version 19"
    );
    let bytes = Engine::new(live()).snapshot();
    assert_eq!(error(&bytes[..bytes.len() - 3]), "the snapshot is damaged");
}
