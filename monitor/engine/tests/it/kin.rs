//! What a new Api borrows from those like it.

use monitor_core::{Anomaly, ApiState, Subject};

use crate::world::{Traffic, World, orders};

/// A call every fourteen seconds or so.
const SPARSE: f64 = 0.07;

fn new_route() -> Traffic {
    orders().at("orders", "/orders/{id}/items").rate(SPARSE)
}

/// Ten minutes of what was there before, and then of a new Api: four minutes as it is and six with
/// this fault.
fn ten_minutes(seed: u64, before: &[Traffic], new: &Traffic, fault: &Traffic) -> World {
    let mut world = World::new(seed);
    world.run(600, before);
    for (seconds, new) in [(240, new), (360, fault)] {
        let mut traffic = before.to_vec();
        traffic.push(new.clone());
        world.run(seconds, &traffic);
    }
    world
}

fn of<'a>(world: &'a World, traffic: &Traffic) -> Vec<&'a Anomaly> {
    let key = traffic.key();
    let is_of = |subject: &Subject| matches!(subject, Subject::Api(api) if **api == key);
    let mut opened = world.opened();
    opened.retain(|anomaly| is_of(&anomaly.signal.subject));
    opened
}

fn known() -> [Traffic; 2] {
    [
        orders().rate(2.0),
        orders().at("orders", "/orders").rate(1.0).slower(3.0),
    ]
}

fn strangers() -> [Traffic; 2] {
    known().map(|traffic| Traffic {
        service: "search",
        ..traffic
    })
}

/// How many of so many worlds tell of the fault within ten minutes of the Api's first call.
fn found(detector: &str, before: &[Traffic], new: &Traffic, fault: &Traffic) -> usize {
    let told = |seed: &u64| {
        let world = ten_minutes(*seed, before, new, fault);
        let opened = of(&world, new);
        opened.iter().any(|anomaly| &*anomaly.detector == detector)
    };
    (61..67).filter(told).count()
}

#[test]
fn a_failing_new_route_is_found_within_ten_minutes_because_its_siblings_are_known() {
    let (new, fault) = (new_route(), new_route().failing(1.0));
    let with = found("error-ratio", &known(), &new, &fault);
    let without = found("error-ratio", &strangers(), &new, &fault);
    assert!(with >= 5 && without <= 3, "{with} {without}");
}

#[test]
fn a_slow_new_route_is_found_within_ten_minutes_because_its_siblings_are_known() {
    let (new, fault) = (new_route(), new_route().slower(5.0));
    let with = found("latency-spike", &known(), &new, &fault);
    let without = found("latency-spike", &strangers(), &new, &fault);
    assert!(with >= 4 && without <= 1, "{with} {without}");
}

#[test]
fn the_same_api_in_another_environment_teaches_even_better() {
    let elsewhere = |traffic: Traffic| Traffic {
        environment: "cloud-b",
        ..traffic
    };
    let new = elsewhere(orders().rate(SPARSE));
    let fault = new.clone().failing(0.8);
    let with = found("error-ratio", &known(), &new, &fault);
    assert!(with >= 5, "{with}");
}

#[test]
fn a_new_route_is_learning_until_its_own_first_calls() {
    let mut world = World::new(71);
    world.run(600, &known());
    let with_new = [known().to_vec(), vec![new_route()]].concat();
    world.run(60, &with_new);
    let view = world.api(&new_route());
    assert_eq!(view.state, ApiState::Learning, "{}", view.reason);
    assert!(
        view.reason.contains("of 8 calls") || view.reason.contains("of 5 seconds"),
        "{}",
        view.reason
    );
    world.run(400, &with_new);
    assert_eq!(world.api(&new_route()).state, ApiState::Ok);
}

#[test]
fn a_sibling_that_is_different_by_nature_raises_nothing_false() {
    let different: [(&str, Traffic); 6] = [
        ("fails a tenth", new_route().failing(0.1)),
        ("fails a third", new_route().failing(0.33)),
        ("slow", new_route().slower(40.0)),
        (
            "scatters",
            Traffic {
                spread: 1.3,
                ..new_route()
            },
        ),
        (
            "two kinds of calls",
            Traffic {
                canary: ("v42", 0.3),
                canary_only: true,
                ..new_route().slower(15.0)
            },
        ),
        (
            "busy and rough",
            Traffic {
                rough: true,
                ..new_route().rate(3.0)
            },
        ),
    ];
    let mut stories = String::new();
    let mut raised = 0;
    for (what, new) in &different {
        for seed in 81..83 {
            let mut world = World::new(seed);
            world.run(600, &known());
            world.run(3600, &[known().to_vec(), vec![new.clone()]].concat());
            for anomaly in of(&world, new) {
                raised += 1;
                let why = &anomaly.explanation.why;
                stories.push_str(&format!("{what} {seed}: {} {why}\n", anomaly.detector));
            }
        }
    }
    assert!(raised <= 1, "{stories}");
}
