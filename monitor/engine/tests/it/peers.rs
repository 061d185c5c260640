//! Replicas, versions and environments against each other.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{ApiKey, Call, CallSource, CallStatus, Observation, ServiceKey, Time};
use monitor_engine::{Engine, EngineConfig};

use crate::world::World;

/// Calls to one replica of `checkout`.
#[derive(Clone, Copy, Debug)]
struct Replica {
    name: &'static str,
    version: &'static str,
    environment: &'static str,
    per_second: f64,
    median_ms: f64,
    failing: f64,
}

const REPLICA: Replica = Replica {
    name: "checkout-0",
    version: "v41",
    environment: "cloud-a",
    per_second: 3.0,
    median_ms: 50.0,
    failing: 0.002,
};

fn six() -> Vec<Replica> {
    [
        "checkout-0",
        "checkout-1",
        "checkout-2",
        "checkout-3",
        "checkout-4",
        "checkout-5",
    ]
    .map(|name| Replica { name, ..REPLICA })
    .to_vec()
}

fn run(world: &mut World, seconds: i64, replicas: &[Replica]) {
    for _ in 0..seconds {
        let mut calls = Vec::new();
        for replica in replicas {
            for route in ["/pay", "/basket/{id}"] {
                for _ in 0..world.random.poisson(replica.per_second) {
                    let random = &mut world.random;
                    let offset = Duration::from_micros(random.next() % 1_000_000);
                    let slower = if route == "/pay" { 3.0 } else { 1.0 };
                    let ms = replica.median_ms * slower * (0.4 * random.normal()).exp();
                    let failed = random.unit() < replica.failing;
                    calls.push(Call {
                        api: Arc::new(ApiKey {
                            environment: replica.environment.into(),
                            service: ServiceKey::new("shop", "checkout"),
                            method: "GET".into(),
                            route: route.into(),
                        }),
                        source: CallSource::Span,
                        end: Time::from_secs(world.now) + offset,
                        duration: Some(Duration::from_secs_f64(ms / 1e3)),
                        response_bytes: None,
                        status: CallStatus::Http(if failed { 503 } else { 200 }),
                        error_type: None,
                        instance: replica.name.into(),
                        version: Some(replica.version.into()),
                        caller: None,
                        client: None,
                        trace_id: None,
                        span_id: None,
                        parent: None,
                        request_id: None,
                        synthetic: false,
                    });
                }
            }
        }
        calls.sort_by_key(|call| call.end);
        for call in calls {
            world.observe(&Observation::Call(call));
        }
        world.pass_second();
    }
}

/// What was said by those who compare.
fn odd(world: &World) -> String {
    let story = world.story();
    let lines = story.lines().filter(|line| line.contains("odd-"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn one_slow_replica_of_six_is_named() {
    let mut world = World::new(23);
    run(&mut world, 300, &six());
    assert_eq!(odd(&world), "");
    let mut replicas = six();
    replicas[3].median_ms *= 4.0;
    run(&mut world, 60, &replicas);
    run(&mut world, 60, &six());
    let said = odd(&world);
    assert!(said.contains("replica checkout-3 is"), "{said}");
    assert!(said.contains("slower than its 5 peers"), "{said}");
    assert_eq!(said.matches("odd-replica since").count(), 1, "{said}");
}

#[test]
fn one_failing_replica_of_six_is_named_once_it_is_known_how_failures_come() {
    let mut world = World::new(29);
    let usual = six().into_iter().map(|replica| Replica {
        failing: 0.03,
        ..replica
    });
    let usual: Vec<Replica> = usual.collect();
    run(&mut world, 900, &usual);
    let mut replicas = usual.clone();
    replicas[1].failing = 0.5;
    run(&mut world, 120, &replicas);
    run(&mut world, 60, &usual);
    let said = odd(&world);
    assert!(
        said.contains("of calls to replica checkout-1 failed"),
        "{said}"
    );
    assert!(said.contains("at its 5 peers"), "{said}");
}

#[test]
fn a_bad_new_version_is_named() {
    let mut world = World::new(31);
    let old = &six()[..5];
    run(&mut world, 300, old);
    let canary = Replica {
        version: "v42",
        median_ms: 150.0,
        ..six()[5]
    };
    let mut both = old.to_vec();
    both.push(canary);
    run(&mut world, 120, &both);
    let said = odd(&world);
    assert!(said.contains("version v42 is"), "{said}");
    assert!(said.contains("slower than its only peer"), "{said}");
}

#[test]
fn an_environment_that_is_always_slower_is_told_of_when_that_changes() {
    let mut world = World::new(37);
    let there = Replica {
        environment: "on-prem",
        median_ms: 100.0,
        ..REPLICA
    };
    run(&mut world, 900, &[REPLICA, there]);
    assert_eq!(odd(&world), "");
    // Slower for all: no contrast.
    let both = [REPLICA, there].map(|replica| Replica {
        median_ms: replica.median_ms * 3.0,
        ..replica
    });
    run(&mut world, 120, &both);
    assert_eq!(odd(&world), "");
    run(&mut world, 300, &[REPLICA, there]);
    let slower = Replica {
        median_ms: 400.0,
        ..there
    };
    run(&mut world, 60, &[REPLICA, slower]);
    let said = odd(&world);
    assert!(said.contains("environment on-prem is"), "{said}");
    assert!(said.contains("slower than its only peer"), "{said}");
}

#[test]
fn a_restored_engine_compares_as_the_other_would_have() {
    let mut world = World::new(41);
    run(&mut world, 200, &six());
    let bytes = world.engine.snapshot();
    let mut other = World::new(41);
    other.engine = Engine::restore(EngineConfig::default(), &bytes).unwrap();
    other.random = world.random.clone();
    other.now = world.now;
    world.effects.clear();
    let mut replicas = six();
    replicas[0].median_ms *= 4.0;
    run(&mut world, 60, &replicas);
    run(&mut other, 60, &replicas);
    assert!(odd(&world).contains("checkout-0"), "{}", world.story());
    assert_eq!(world.effects, other.effects);
}
