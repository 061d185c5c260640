//! Numbers that people want watched, as the engine sees them.

use std::sync::Arc;

use monitor_core::{
    AlertState, FieldMetric, Measure, Name, NumberSeen, Observation, ServiceKey, Settings, Subject,
    Time, Watching,
};
use monitor_engine::{Engine, EngineConfig};

use crate::world::{START, World};

fn wanting(names: &[&str], paused: bool) -> Arc<Settings> {
    let own = Watching {
        paused,
        metrics: names
            .iter()
            .map(|name| FieldMetric {
                name: Name::from(*name),
                field: Name::from(*name),
                unit: Some("jobs".into()),
            })
            .collect(),
        ..Watching::default()
    };
    let orders = ServiceKey::new("shop", "orders");
    Arc::new(Settings::new([(orders, None, own)], Vec::new(), Vec::new()))
}

fn value(name: &str, at: i64, value: f64) -> Observation {
    Observation::Number(Box::new(NumberSeen {
        service: ServiceKey::new("shop", "orders"),
        environment: "cloud-a".into(),
        name: name.into(),
        unit: Some("jobs".into()),
        time: Time::from_secs(at),
        value,
    }))
}

/// So many minutes of a number with noise, a value every 20 seconds.
fn minutes(world: &mut World, count: i64, name: &str, level: f64) {
    for _ in 0..count * 3 {
        let seen = level + 2.0 * world.random.normal();
        let at = world.now;
        world.observe(&value(name, at, seen));
        (0..20).for_each(|_| world.pass_second());
    }
}

fn learned(settings: &Arc<Settings>) -> World {
    let mut world = World::new(51);
    world.now = START - START % 60;
    world.engine.configure(settings);
    minutes(&mut world, 300, "depth", 40.0);
    world
}

#[test]
fn a_number_that_jumps_is_shown_with_what_was_expected_and_pages_nobody() {
    let mut world = learned(&wanting(&["depth"], false));
    assert!(world.opened().is_empty(), "{}", world.story());
    minutes(&mut world, 10, "depth", 120.0);
    let opened = world.opened();
    let [anomaly] = opened.as_slice() else {
        panic!("{}", world.story());
    };
    assert_eq!(&*anomaly.detector, "stream");
    assert_eq!(anomaly.signal.measure, Measure::Number);
    let Subject::Number { name, unit, .. } = &anomaly.signal.subject else {
        panic!("{anomaly:?}");
    };
    assert_eq!((&**name, unit.as_deref()), ("depth", Some("jobs")));
    let explanation = &anomaly.explanation;
    assert!(explanation.band.upper < 60.0 && explanation.actual > 100.0);
    assert_eq!(explanation.observations, 3);
    assert!(
        explanation.why.starts_with("depth 1"),
        "{}",
        explanation.why
    );
    assert!(world.alerts(AlertState::Firing).is_empty());
    assert!(world.engine.view().incidents.is_empty());
    let shown = world.engine.view().anomalies;
    assert_eq!(shown.len(), 1);
}

#[test]
fn a_restored_engine_judges_numbers_as_if_nothing_had_happened() {
    let settings = wanting(&["depth"], false);
    let mut one = learned(&settings);
    // Amid a minute.
    one.observe(&value("depth", one.now, 41.0));
    one.pass_second();
    let mut other = World::new(51);
    other.now = one.now;
    other.random = one.random.clone();
    other.engine = Engine::restore(EngineConfig::default(), &one.engine.snapshot()).unwrap();
    other.engine.configure(&settings);
    one.effects.clear();
    for world in [&mut one, &mut other] {
        minutes(world, 30, "depth", 55.0);
        minutes(world, 60, "depth", 40.0);
    }
    assert!(!one.opened().is_empty());
    assert_eq!(one.effects, other.effects);
}

#[test]
fn numbers_beyond_the_limit_are_counted_as_refused_and_the_first_by_name_stay() {
    let config = EngineConfig {
        max_numbers: 1,
        ..EngineConfig::default()
    };
    let mut world = World::with(config, 52);
    world.engine.configure(&wanting(&["a", "b", "c"], false));
    for name in ["c", "b", "a"] {
        let at = world.now;
        world.observe(&value(name, at, 1.0));
    }
    world.pass_second();
    (0..10).for_each(|_| world.pass_second());
    let counts = world.engine.view().counts;
    assert_eq!((counts.observations, counts.numbers_refused), (3, 2));
    let learned = world.engine.learned(|_| true);
    assert!(learned.len() <= 1, "{learned:?}");
}

#[test]
fn what_nobody_wants_any_more_is_closed_and_forgotten() {
    let mut world = learned(&wanting(&["depth"], false));
    minutes(&mut world, 10, "depth", 120.0);
    assert_eq!(world.opened().len(), 1);
    world.engine.configure(&wanting(&["other"], false));
    let at = world.now;
    world.observe(&value("other", at, 1.0));
    (0..5).for_each(|_| world.pass_second());
    let shown = world.engine.view().anomalies;
    assert!(shown.iter().all(|anomaly| anomaly.end.is_some()));
    let why = &shown[0].explanation.why;
    assert!(why.ends_with("nobody wants it watched any more"), "{why}");
    let learned = world.engine.learned(|_| true);
    assert!(
        learned.iter().all(|known| known.signals.is_empty()),
        "{learned:?}"
    );
}

#[test]
fn a_paused_service_s_numbers_are_not_judged() {
    let mut world = learned(&wanting(&["depth"], false));
    minutes(&mut world, 10, "depth", 120.0);
    world.engine.configure(&wanting(&["depth"], true));
    minutes(&mut world, 10, "depth", 500.0);
    assert_eq!(world.opened().len(), 1, "{}", world.story());
    let open = world.engine.view().anomalies;
    assert!(open.iter().all(|anomaly| anomaly.end.is_some()));
}

#[test]
fn the_order_of_values_within_a_second_does_not_matter() {
    let settings = wanting(&["depth"], false);
    let [mut forwards, mut backwards] = [53, 53].map(World::new);
    for world in [&mut forwards, &mut backwards] {
        world.engine.configure(&settings);
    }
    for minute in 0..80i64 {
        let mut values: Vec<f64> = (0..7)
            .map(|part| 0.1 * f64::from(part) + 1e7 * forwards.random.unit())
            .collect();
        for world in [&mut forwards, &mut backwards] {
            world.now = START + minute * 60;
            for value_of in &values {
                let at = world.now;
                world.engine.observe(&value("depth", at, *value_of));
            }
            values.reverse();
            (0..60).for_each(|_| world.pass_second());
        }
    }
    let typical = |world: &World| world.engine.learned(|_| true)[0].signals[0].typical;
    assert!(typical(&forwards).is_some());
    assert_eq!(typical(&forwards), typical(&backwards));
}
