//! What people want of how their services are watched.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    AlertState, ApiState, Change, Name, Objective, PathPattern, RouteTemplate, Select, ServiceKey,
    Settings, Time, Tuning, Watching, Window,
};
use monitor_engine::{Engine, EngineConfig};

use crate::world::{START, World, orders};

fn wanting(own: Watching) -> Arc<Settings> {
    let orders = ServiceKey::new("shop", "orders");
    Arc::new(Settings::new([(orders, None, own)], Vec::new(), Vec::new()))
}

fn maintenance(from: i64, to: i64, mute: bool, exclude_learning: bool) -> Arc<Settings> {
    let window = Window {
        name: "night".into(),
        starts: Time::from_secs(from),
        ends: Time::from_secs(to),
        mute,
        exclude_learning,
        select: Select {
            namespaces: vec!["shop".into()],
            ..Select::default()
        },
    };
    Arc::new(Settings::new([], vec![window], Vec::new()))
}

/// What a learned Api says when it becomes six times slower, under these settings.
fn slow(settings: &Arc<Settings>) -> World {
    let mut world = World::new(3);
    world.engine.configure(settings);
    world.run(300, &[orders()]);
    world.run(120, &[orders().slower(6.0)]);
    world
}

#[test]
fn what_nobody_configured_is_watched() {
    let world = slow(&Arc::default());
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        1,
        "{}",
        world.story()
    );
}

#[test]
fn a_paused_service_raises_nothing_and_learns_nothing() {
    let paused = Watching {
        paused: true,
        ..Watching::default()
    };
    let mut world = slow(&wanting(paused));
    assert!(world.opened().is_empty(), "{}", world.story());
    let shown = world.api(&orders());
    assert_eq!(shown.state, ApiState::Paused);
    assert!(shown.rate > 10.0, "it is counted all the same");
    // Nothing was learned: neither its calm nor its trouble.
    world.engine.configure(&Arc::default());
    world.run(15, &[orders()]);
    assert_eq!(world.api(&orders()).state, ApiState::Learning);
    world.run(285, &[orders()]);
    assert_eq!(
        world.api(&orders()).state,
        ApiState::Ok,
        "{}",
        world.story()
    );
    assert!(world.opened().is_empty(), "{}", world.story());
}

#[test]
fn pausing_ends_what_was_told_and_resuming_goes_on_from_before() {
    let mut world = slow(&Arc::default());
    let paused = Watching {
        paused: true,
        ..Watching::default()
    };
    world.engine.configure(&wanting(paused));
    world.run(120, &[orders().slower(6.0)]);
    assert_eq!(
        world.alerts(AlertState::Resolved).len(),
        1,
        "{}",
        world.story()
    );
    // An hour without a call is no silence: nobody was looking.
    let other = orders().at("search", "/search");
    world.run(3_600, std::slice::from_ref(&other));
    world.engine.configure(&Arc::default());
    world.run(60, &[orders(), other]);
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        1,
        "{}",
        world.story()
    );
    assert_eq!(world.api(&orders()).state, ApiState::Ok);
}

#[test]
fn deviations_smaller_than_asked_for_are_no_anomalies() {
    let own = |milliseconds: f64| Watching {
        latency: Tuning {
            min_dev_from_expected: Some(milliseconds / 1e3),
            ..Tuning::default()
        },
        ..Watching::default()
    };
    let deaf = slow(&wanting(own(5_000.0)));
    assert!(deaf.opened().is_empty(), "{}", deaf.story());
    let hearing = slow(&wanting(own(100.0)));
    assert_eq!(
        hearing.alerts(AlertState::Firing).len(),
        1,
        "{}",
        hearing.story()
    );
}

#[test]
fn values_outside_the_range_are_anomalous_whatever_was_learned() {
    let own = Watching {
        latency: Tuning {
            data_range: Some((0.0, 0.06)),
            ..Tuning::default()
        },
        ..Watching::default()
    };
    let mut world = World::new(5);
    world.engine.configure(&wanting(own));
    // Its p95 is at 97 ms, and has always been.
    world.run(300, &[orders()]);
    assert!(
        world
            .opened()
            .iter()
            .any(|anomaly| &*anomaly.detector == "latency-spike"),
        "{}",
        world.story()
    );
}

#[test]
fn a_signal_that_is_off_is_not_judged_and_the_others_are() {
    let own = Watching {
        latency: Tuning {
            enabled: Some(false),
            ..Tuning::default()
        },
        ..Watching::default()
    };
    let mut world = slow(&wanting(own));
    assert!(world.opened().is_empty(), "{}", world.story());
    world.run(60, &[orders().failing(0.6)]);
    assert!(
        world
            .opened()
            .iter()
            .any(|anomaly| &*anomaly.detector == "error-ratio"),
        "{}",
        world.story()
    );
}

#[test]
fn a_budget_for_many_false_alarms_hears_more() {
    let opened = |false_alarms: f64| {
        let own = Watching {
            false_alarms_per_week: Some(false_alarms),
            ..Watching::default()
        };
        let mut world = World::new(11);
        world.engine.configure(&wanting(own));
        world.run(300, &[orders()]);
        world.run(60, &[orders().slower(1.45)]);
        world.opened().first().map(|anomaly| anomaly.detected)
    };
    let (sharp, deaf) = (opened(168.0), opened(1e-4));
    assert!(sharp.is_some());
    assert!(
        deaf.is_none_or(|deaf| Some(deaf) > sharp),
        "{sharp:?} {deaf:?}"
    );
}

#[test]
fn maintenance_mutes_shows_why_and_tells_what_is_left_of_it() {
    let mut world = World::new(3);
    world
        .engine
        .configure(&maintenance(START, START + 420, true, false));
    world.run(300, &[orders()]);
    world.run(100, &[orders().slower(6.0)]);
    assert!(
        world.alerts(AlertState::Firing).is_empty(),
        "{}",
        world.story()
    );
    let shown = world.engine.view().alerts;
    assert_eq!(shown[0].state, AlertState::Firing);
    let why = shown[0].muted.as_deref();
    assert_eq!(
        why,
        Some("maintenance `night` mutes it until 2023-11-14T22:20:20Z")
    );
    world.run(60, &[orders().slower(6.0)]);
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        1,
        "{}",
        world.story()
    );
    assert_eq!(world.engine.view().alerts[0].muted, None);
}

#[test]
fn a_muted_alert_is_told_again_to_nobody() {
    let mut world = slow(&Arc::default());
    let told = world.alerts(AlertState::Firing).len();
    world
        .engine
        .configure(&maintenance(world.now, world.now + 3_600, true, false));
    world.effects.clear();
    world.run(300, &[orders().slower(6.0)]);
    assert_eq!(
        (
            told,
            world
                .effects
                .iter()
                .filter(|effect| { matches!(effect, monitor_engine::Effect::Resend(_)) })
                .count()
        ),
        (1, 0)
    );
}

#[test]
fn what_happens_in_maintenance_teaches_nothing() {
    // For half an hour it is twice as slow, which would have become the new normal.
    let after = |settings: &Arc<Settings>| {
        let mut world = World::new(9);
        world.engine.configure(settings);
        world.run(600, &[orders()]);
        world.run(2_400, &[orders().slower(2.0)]);
        world.run(600, &[orders()]);
        world.api(&orders()).latency_signal.typical.unwrap()
    };
    let taught = after(&Arc::default());
    let held = after(&maintenance(START + 600, START + 3_000, true, true));
    let usual = {
        let mut world = World::new(9);
        world.run(600, &[orders()]);
        world.api(&orders()).latency_signal.typical.unwrap()
    };
    assert!((held / usual - 1.0).abs() < 0.1, "{usual} {held} {taught}");
    assert!(taught > held * 1.15, "{usual} {held} {taught}");
}

#[test]
fn excluded_paths_and_renamed_routes_fall_neither_silent_nor_are_shown() {
    let mut world = World::new(4);
    let health = orders().at("orders", "/healthz");
    world.run(300, &[orders(), health.clone()]);
    assert_eq!(world.engine.view().apis.len(), 2);
    let own = Watching {
        exclude_paths: vec![PathPattern::new("/health*")],
        routes: vec![RouteTemplate::parse("GET /orders/{order}").unwrap()],
        ..Watching::default()
    };
    world.engine.configure(&wanting(own));
    // The pipeline names them anew from now on.
    world.run(900, &[orders().at("orders", "/orders/{order}")]);
    assert!(world.opened().is_empty(), "{}", world.story());
    let shown = world.engine.view().apis;
    let routes: Vec<&Name> = shown.iter().map(|api| &api.key.route).collect();
    assert_eq!(routes, [&Name::from("/orders/{order}")]);
}

#[test]
fn an_objective_spends_its_budget_on_bad_and_slow_calls() {
    let objective = |name: &str, threshold: Option<f64>| Objective {
        name: name.into(),
        ratio: 0.9,
        latency_threshold: threshold,
        window: Duration::from_secs(86_400),
        route: None,
    };
    let own = Watching {
        objectives: vec![objective("answered", None), objective("fast", Some(0.05))],
        ..Watching::default()
    };
    let mut world = World::new(8);
    world.engine.configure(&wanting(own.clone()));
    world.run(
        600,
        &[
            orders().failing(0.05),
            orders().at("orders", "/cart").failing(0.05),
        ],
    );
    let shown = world.engine.view().objectives;
    let [answered, fast] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    assert_eq!((&*answered.name, answered.apis.len()), ("answered", 2));
    assert!((22_000..26_000).contains(&answered.calls), "{answered:?}");
    let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 0.06;
    assert!(near(answered.budget_remaining, 0.5), "{answered:?}");
    assert!(near(answered.burn_1h, 0.5), "{answered:?}");
    // Half of the calls take longer than the median; a failed slow one is bad once.
    assert!(
        near(Some(fast.bad as f64 / fast.calls as f64), 0.525),
        "{fast:?}"
    );
    // A restart forgets nothing of it; another threshold counts anew.
    let bytes = world.engine.snapshot();
    let mut restored = Engine::restore(EngineConfig::default(), &bytes).unwrap();
    restored.configure(&wanting(own));
    assert_eq!(restored.view().objectives, shown);
    let other = Watching {
        objectives: vec![objective("fast", Some(0.5))],
        ..Watching::default()
    };
    restored.configure(&wanting(other));
    assert_eq!(restored.view().objectives[0].calls, 0);
}

#[test]
fn a_rollout_shortly_before_is_part_of_the_story() {
    let mut world = World::new(3);
    world.edges = vec![("cart", "orders")];
    let cart = orders().at("cart", "/cart");
    world.run(300, &[orders(), cart.clone()]);
    let rollout = |id: &str, service: &str, at: i64| Change {
        id: id.into(),
        source: "kubernetes".into(),
        at: Time::from_secs(at),
        kind: "rollout".into(),
        namespace: Some("shop".into()),
        service: Some(service.into()),
        environment: None,
        summary: format!("{service} went from v41 to v42"),
        attributes: Vec::new(),
    };
    assert!(world.engine.note(rollout("1", "orders", world.now - 20)));
    assert!(
        !world.engine.note(rollout("1", "orders", world.now - 10)),
        "the same again"
    );
    assert!(world.engine.note(rollout("2", "search", world.now - 20)));
    assert!(world.engine.note(rollout("3", "orders", world.now - 7_200)));
    world.run(60, &[orders().slower(8.0), cart.slower(8.0)]);
    let shown = world.engine.view().incidents.swap_remove(0);
    let ids: Vec<&Name> = shown.changes.iter().map(|change| &change.id).collect();
    assert_eq!(ids, [&Name::from("1")], "{shown:#?}");
    let why = &shown.suspects[0].why;
    assert!(
        why.contains("; rollout: orders went from v41 to v42, 2"),
        "{why}"
    );
    let alerts = world.alerts(AlertState::Firing);
    let told = alerts
        .iter()
        .find(|alert| &*alert.labels["service"] == "orders")
        .unwrap();
    assert!(
        told.annotations["changes"].contains("v42 (kubernetes)"),
        "{told:#?}"
    );
    // A restart keeps the book.
    let bytes = world.engine.snapshot();
    let mut restored = Engine::restore(EngineConfig::default(), &bytes).unwrap();
    assert_eq!(restored.view().changes.len(), 3);
    assert!(!restored.note(rollout("1", "orders", world.now)));
}

#[test]
fn owners_and_runbooks_are_told_and_criticality_is_a_label() {
    let own = Watching {
        owner: Some("team-orders".into()),
        runbook_url: Some("https://runbooks.example/orders".into()),
        criticality: Some("high".into()),
        ..Watching::default()
    };
    let world = slow(&wanting(own));
    let alert = world.alerts(AlertState::Firing)[0];
    assert_eq!(&*alert.labels["criticality"], "high");
    assert_eq!(alert.annotations["owner"], "team-orders");
    assert_eq!(
        alert.annotations["runbook_url"],
        "https://runbooks.example/orders"
    );
    assert!(!alert.labels.contains_key("owner"));
}
