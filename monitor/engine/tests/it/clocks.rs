//! Services whose clocks are wrong.

use expect_test::expect;
use monitor_core::{Measure, Observation, Severity, Time};

use crate::world::{START, Traffic, World, log, orders, second};

fn cart() -> Traffic {
    orders().at("cart", "/carts/{id}")
}

/// Two services are called, and write five records a second each; orders by a clock so many seconds
/// ahead.
fn run(world: &mut World, seconds: i64, ahead: impl Fn(i64) -> i64) {
    for _ in 0..seconds {
        let ahead = ahead(world.now);
        for mut observation in second(&mut world.random, world.now, &[orders(), cart()]) {
            if let Observation::Call(call) = &mut observation
                && &*call.api.service.name == "orders"
            {
                call.end = Time::from_secs(call.end.as_secs() + ahead);
            }
            world.engine.observe(&observation);
        }
        for (service, ahead) in [("orders", ahead), ("cart", 0)] {
            for _ in 0..5 {
                let time = Time::from_secs(world.now + ahead);
                world.observe(&log(service, time, Severity::Info, 1));
            }
        }
        world.pass_second();
    }
}

#[test]
fn a_wrong_clock_is_told_as_such_and_not_as_silence() {
    for (ahead, told) in [
        (
            -41,
            expect![[r#"
                +303 s clock since +300 s: its clock is 41 s behind, or its records come so late: 100 % of records (15 of 15 in 3 s) bear wrong times
                ServiceClockWrong warning firing
                clock over at +363 s
                ServiceClockWrong warning resolved"#]],
        ),
        (
            154,
            expect![[r#"
                +303 s clock since +300 s: its clock is 2 min ahead: 100 % of records (15 of 15 in 3 s) bear wrong times
                ServiceClockWrong warning firing
                clock over at +363 s
                ServiceClockWrong warning resolved"#]],
        ),
    ] {
        let mut world = World::new(11);
        run(&mut world, 300, |_| 0);
        run(&mut world, 60, |_| ahead);
        run(&mut world, 120, |_| 0);
        told.assert_eq(&world.story());
    }
}

/// What carries its records knows the time, and they do not.
fn run_stamped(world: &mut World, seconds: i64, written_ahead: Option<i32>) {
    for _ in 0..seconds {
        for observation in second(&mut world.random, world.now, &[orders()]) {
            world.engine.observe(&observation);
        }
        for _ in 0..5 {
            let mut record = log("orders", Time::from_secs(world.now), Severity::Info, 1);
            if let Observation::Log {
                written_ahead: ahead,
                ..
            } = &mut record
            {
                *ahead = written_ahead;
            }
            world.observe(&record);
        }
        world.pass_second();
    }
}

#[test]
fn a_wrong_clock_is_told_too_where_somebody_else_knows_the_time() {
    let mut world = World::new(15);
    run_stamped(&mut world, 200, Some(2));
    run_stamped(&mut world, 100, None);
    assert_eq!(world.opened().len(), 0, "{}", world.story());
    run_stamped(&mut world, 60, Some(154));
    run_stamped(&mut world, 120, Some(-1));
    expect![[r#"
        +303 s clock since +300 s: its clock is 2 min ahead: 100 % of records (15 of 15 in 3 s) bear wrong times
        ServiceClockWrong warning firing
        clock over at +363 s
        ServiceClockWrong warning resolved"#]]
    .assert_eq(&world.story());
}

#[test]
fn its_incident_names_the_clock() {
    let mut world = World::new(11);
    run(&mut world, 300, |_| 0);
    run(&mut world, 60, |_| -41);
    run(&mut world, 120, |_| 0);
    expect![[r#"
        +308 s opened: orders
          orders 0.86: its records bear wrong times; changed at 22:18:20; it calls nobody that we know of
        +423 s closed: orders"#]]
    .assert_eq(&world.incidents());
}

#[test]
fn a_backlog_that_is_caught_up_with_is_no_wrong_clock() {
    let mut world = World::new(12);
    run(&mut world, 300, |_| 0);
    // Ten minutes late, and catching up with twenty seconds a second.
    run(&mut world, 31, |now| (now - START - 300) * 20 - 600);
    run(&mut world, 120, |_| 0);
    let clocks = world
        .opened()
        .into_iter()
        .filter(|anomaly| anomaly.signal.measure == Measure::MistimedRatio);
    assert_eq!(clocks.count(), 0, "{}", world.story());
}

#[test]
fn a_clock_that_is_always_wrong_is_the_usual() {
    let mut world = World::new(13);
    run(&mut world, 600, |_| 300);
    assert_eq!(world.opened().len(), 0, "{}", world.story());
}

#[test]
fn a_service_that_dies_with_a_right_clock_is_silent() {
    let mut world = World::new(14);
    run(&mut world, 300, |_| 0);
    world.run(60, &[cart()]);
    let silent = world
        .opened()
        .into_iter()
        .any(|anomaly| anomaly.signal.measure == Measure::Rate);
    assert!(silent, "{}", world.story());
}
