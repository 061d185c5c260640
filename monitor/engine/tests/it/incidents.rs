//! Incidents on simulated traffic: what belongs together, who is suspected, what alerts say of it.

use expect_test::expect;
use monitor_core::{AlertState, Severity};
use monitor_engine::{Effect, Engine, EngineConfig};

use crate::world::{START, Traffic, World, log, orders};

const CALLS: [(&str, &str); 4] = [
    ("edge", "checkout"),
    ("checkout", "payments"),
    ("payments", "ledger"),
    ("edge", "search"),
];

fn shop() -> Vec<Traffic> {
    ["edge", "checkout", "payments", "ledger", "search"]
        .map(|service| orders().at(service, "/").rate(10.0))
        .to_vec()
}

/// The same, with those of the services changed.
fn shop_with(changed: &[&str], change: impl Fn(Traffic) -> Traffic) -> Vec<Traffic> {
    let change = |traffic: Traffic| match changed.contains(&traffic.service) {
        true => change(traffic),
        false => traffic,
    };
    shop().into_iter().map(change).collect()
}

fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.edges = CALLS.to_vec();
    world.run(120, &shop());
    world
}

#[test]
fn a_slow_ledger_is_one_incident_and_to_blame() {
    let mut world = world(41);
    let slow = shop_with(&["edge", "checkout", "payments", "ledger"], |traffic| {
        traffic.slower(6.0)
    });
    world.run(60, &slow).run(120, &shop());
    expect![[r#"
        +129 s opened: checkout, edge, ledger, payments
          ledger 0.85: changed at 22:15:20, together with checkout; it calls nobody that we know of; 3 of 3 others depend on it
          payments 0.19: changed at 22:15:20; it calls ledger, which changed at the same time
          checkout 0.16: changed at 22:15:20; it calls payments, which changed at the same time
        +244 s closed: checkout, edge, ledger, payments"#]].assert_eq(&world.incidents());
    let view = world.engine.view();
    assert_eq!(view.incidents.len(), 1);
    assert_eq!(view.counts.incidents_opened, 1);
    // One alert is told of, and says where it comes from.
    let told: Vec<String> = world
        .alerts(AlertState::Firing)
        .iter()
        .map(|alert| {
            assert_eq!(
                alert.annotations["incident"],
                view.incidents[0].id.to_string()
            );
            let cause = &alert.annotations["root_cause"];
            let cause = cause.split(':').next().unwrap();
            format!("{} because of {cause}", alert.labels["service"])
        })
        .collect();
    assert_eq!(told, ["ledger because of shop/ledger @ cloud-a"]);
}

#[test]
fn two_faults_far_apart_are_two_incidents() {
    let mut world = world(43);
    let slow = shop_with(&["ledger", "payments", "search"], |traffic| {
        traffic.slower(6.0)
    });
    world.run(30, &slow);
    expect![[r#"
        +129 s opened: ledger, payments
          ledger 0.85: changed at 22:15:20, together with payments; it calls nobody that we know of; 1 of 1 others depend on it
          payments 0.12: changed at 22:15:20; it calls ledger, which changed at the same time
        +129 s opened: search
          search 0.85: changed at 22:15:20; it calls nobody that we know of"#]].assert_eq(&world.incidents());
}

#[test]
fn a_dead_callee_is_to_blame() {
    let mut world = world(45);
    let mut dead = shop_with(&["edge", "checkout", "payments"], |traffic| {
        traffic.failing(0.6)
    });
    dead.retain(|traffic| traffic.service != "ledger");
    world.run(60, &dead).run(90, &shop());
    expect![[r#"
        +127 s opened: checkout, edge, ledger, payments
          payments 0.86: changed at 22:15:20, together with checkout; ledger, which it calls, only has another load; 3 of 3 others depend on it
          checkout 0.16: changed at 22:15:20; it calls payments, which changed at the same time
          edge 0.13: changed at 22:15:20; it calls checkout, which changed at the same time
        +132 s changed: checkout, edge, ledger, payments
          ledger 1.00: nothing came from it since 22:15:20, while payments, which calls it, is in trouble; changed at 22:15:21, together with checkout; it calls nobody that we know of; 3 of 3 others depend on it
          payments 0.23: changed at 22:15:20; it calls ledger, which changed 1 s after it
          checkout 0.16: changed at 22:15:20; it calls payments, which changed at the same time
        +242 s closed: checkout, edge, ledger, payments"#]].assert_eq(&world.incidents());
}

#[test]
fn a_callee_known_by_its_logs_alone_is_to_blame_when_they_stop() {
    let mut world = World::new(47);
    world.edges = vec![("checkout", "core"), ("orders", "core")];
    let callers = |failing: f64| {
        ["checkout", "orders"].map(|service| orders().at(service, "/").rate(10.0).failing(failing))
    };
    let run = |world: &mut World, seconds: i64, failing: f64, alive: bool| {
        for _ in 0..seconds {
            if alive {
                let line = log(
                    "core",
                    monitor_core::Time::from_secs(world.now),
                    Severity::Info,
                    1,
                );
                world.observe(&line).observe(&line);
            }
            world.run(1, &callers(failing));
        }
    };
    run(&mut world, 120, 0.0, true);
    run(&mut world, 40, 0.5, false);
    expect![[r#"
        +127 s opened: orders
          orders 0.86: changed at 22:15:20; nothing it calls is unusual
        +128 s opened: checkout
          checkout 0.86: changed at 22:15:20; nothing it calls is unusual
        +132 s closed: checkout
        +132 s changed: checkout, orders
          core 1.00: nothing came from it since 22:15:20, while checkout and orders, which call it, are in trouble; 2 of 2 others depend on it
          checkout 0.13: changed at 22:15:20; it calls core, which changed at the same time
          orders 0.13: changed at 22:15:20; it calls core, which changed at the same time"#]].assert_eq(&world.incidents());
}

#[test]
fn a_restart_in_the_middle_of_an_incident_goes_on() {
    let slow = || shop_with(&["payments", "ledger"], |traffic| traffic.slower(6.0));
    let mut straight = world(49);
    let mut restarted = world(49);
    for world in [&mut straight, &mut restarted] {
        world.run(30, &slow());
    }
    assert_eq!(restarted.engine.view().incidents.len(), 1);
    restarted.engine =
        Engine::restore(EngineConfig::default(), &restarted.engine.snapshot()).unwrap();
    for world in [&mut straight, &mut restarted] {
        world.run(30, &slow()).run(120, &shop());
    }
    assert_eq!(straight.effects, restarted.effects);
    assert!(straight.effects.iter().any(
        |effect| matches!(effect, Effect::IncidentClosed(incident) if incident.ended.is_some())
    ));
    assert!(straight.engine.snapshot() == restarted.engine.snapshot());
}

#[test]
fn edges_alone_are_no_sign_of_life_and_late_ones_count() {
    let mut world = World::new(51);
    world.run(60, &shop());
    let before = world.engine.view();
    // A batch of spans that was held back for a minute.
    world.observe(&crate::world::edge("payments", "ledger", START));
    world.blind(20);
    for _ in 0..5 {
        world.now += 1;
        let effects = world.engine.tick(monitor_core::Time::from_secs(world.now));
        assert!(effects.is_empty());
    }
    let after = world.engine.view();
    assert_eq!(after.counts.edges, before.counts.edges + 1);
    assert_eq!(after.counts.late, before.counts.late);
    let slow = shop_with(&["payments", "ledger"], |traffic| traffic.slower(6.0));
    world.run(60, &shop()).run(30, &slow);
    assert_eq!(
        world.engine.view().incidents.len(),
        1,
        "{}",
        world.incidents()
    );
}
