//! Values that are each usual and together are not.

use monitor_core::{AlertState, Anomaly, Time};
use monitor_engine::{Engine, EngineConfig};

use crate::world::{START, Traffic, World, orders};

const ROUTES: [&str; 12] = [
    "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/k", "/l",
];

/// Load comes and goes every twenty minutes, at another time to each Api, and slows them down; `odd` is
/// called less and slower than usual, each as it often is.
fn minute(number: i64, odd: Option<&str>) -> Vec<Traffic> {
    (0..)
        .zip(ROUTES)
        .map(|(at, route)| {
            let phase = (number + 5 * at) as f64 / 20.0 * std::f64::consts::TAU;
            let load = 0.32 * phase.sin();
            let (rate, time) = if odd == Some(route) {
                (-0.34, 0.2)
            } else {
                (load, 0.6 * load)
            };
            Traffic {
                spread: 0.2,
                ..orders()
                    .at("shop", route)
                    .rate(3.0 * rate.exp())
                    .slower(time.exp())
            }
        })
        .collect()
}

fn config() -> EngineConfig {
    EngineConfig {
        false_alarms_per_api_week: 1.0,
        ..EngineConfig::default()
    }
}

fn world() -> World {
    let mut world = World::with(config(), 5);
    for number in 0..100 {
        world.run(60, &minute(number, None));
    }
    world
}

fn said(world: &World) -> Vec<&Anomaly> {
    let opened = world.opened().into_iter();
    opened
        .filter(|anomaly| anomaly.detected > Time::from_secs(START + 6_000))
        .collect()
}

#[test]
fn a_quiet_and_slow_quarter_of_an_hour_is_found_though_each_is_usual() {
    let mut world = world();
    assert!(
        world
            .opened()
            .iter()
            .all(|known| &*known.detector != "isolation-forest")
    );
    // What was learned survives a restart.
    let bytes = world.engine.snapshot();
    let mut restored = World {
        engine: Engine::restore(config(), &bytes).unwrap(),
        random: world.random.clone(),
        now: world.now,
        effects: Vec::new(),
        edges: Vec::new(),
    };
    world.effects.clear();
    for number in 100..125 {
        let odd = (number < 115).then_some("/c");
        world.run(60, &minute(number, odd));
        restored.run(60, &minute(number, odd));
    }
    assert_eq!(world.effects, restored.effects);
    let said = said(&world);
    let [found] = said.as_slice() else {
        panic!("{}", world.story());
    };
    assert_eq!(&*found.detector, "isolation-forest");
    assert!(
        found.signal.to_string().contains("GET /c"),
        "{}",
        found.signal
    );
    let why = &found.explanation.why;
    for part in [
        "rate 0.",
        "response time 1.",
        " while ",
        "unusual combination",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert!(
        world
            .engine
            .view()
            .anomalies
            .iter()
            .any(|known| known.id == found.id)
    );
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        0,
        "it is shown and wakes nobody"
    );
}
