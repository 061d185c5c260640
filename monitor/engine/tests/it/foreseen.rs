//! What is foreseen, what is not, and that the monitor knows how well it foresees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    Anomaly, Hop, Measure, Name, Objective, Observation, Risk, RiskOutcome, ServiceKey, Settings,
    Severity, SpanId, SpanKind, TemplateId, Time, TraceId, Watching,
};
use monitor_engine::{Effect, Engine, EngineConfig};

use crate::world::{Random, START, Traffic, World, hop, orders};

fn stated(world: &World) -> Vec<&Risk> {
    let effects = world.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::RiskOpened(risk) => Some(risk),
            _ => None,
        })
        .collect()
}

/// Outcomes, and when.
fn ended(world: &World) -> Vec<(Option<RiskOutcome>, i64)> {
    let effects = world.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::RiskClosed(risk) => Some((risk.outcome, risk.updated.as_secs() - START)),
            _ => None,
        })
        .collect()
}

/// From usual to `times` as slow, over so many seconds.
fn ramp(world: &mut World, seconds: i64, times: f64, traffic: &Traffic) {
    for at in (0..seconds).step_by(5) {
        let share = at as f64 / seconds as f64;
        world.run(5, &[traffic.clone().slower(1.0 + (times - 1.0) * share)]);
    }
}

#[test]
fn slow_ramps_of_minutes_and_of_an_hour_are_foreseen_in_good_time() {
    for (seed, seconds) in [(1, 300), (2, 600), (3, 3_600)] {
        let mut world = World::new(seed);
        world.run(900, &[orders()]);
        // Three times as slow at half of the time.
        ramp(&mut world, seconds, 5.0, &orders());
        let breach = 900 + seconds / 2;
        let risks = stated(&world);
        let [risk] = risks.as_slice() else {
            panic!("{seconds} s: {risks:?}");
        };
        let said = risk.stated.as_secs() - START;
        assert!(
            breach - said >= seconds / 6,
            "{seconds} s: said at {said}, broken at {breach}"
        );
        assert_eq!(risk.signal.measure, Measure::Latency);
        let came = ended(&world);
        assert_eq!(came[0].0, Some(RiskOutcome::Came), "{seconds} s: {came:?}");
        let record = world.engine.view().track_record.risks;
        assert_eq!(
            (record.stated, record.came, record.missed),
            (1, 1, 0),
            "{seconds} s"
        );
    }
}

#[test]
fn steady_and_rough_traffic_holds_no_risks() {
    let rough = Traffic {
        rough: true,
        ..orders()
    };
    let sparse = orders().at("search", "/search").rate(0.5);
    let mut world = World::new(4);
    world.run(7_200, &[rough, sparse]);
    assert!(stated(&world).is_empty(), "{:?}", stated(&world));
}

#[test]
fn a_step_is_not_foreseen_and_is_counted_as_missed() {
    let mut world = World::new(5);
    world
        .run(900, &[orders()])
        .run(120, &[orders().slower(4.0)]);
    assert!(stated(&world).is_empty(), "{:?}", stated(&world));
    assert_eq!(world.engine.view().track_record.risks.missed, 1);
}

#[test]
fn what_stops_growing_was_averted() {
    let mut world = World::new(6);
    world.run(900, &[orders()]);
    ramp(&mut world, 300, 2.3, &orders());
    world.run(600, &[orders()]);
    assert_eq!(stated(&world).len(), 1);
    let ended = ended(&world);
    assert_eq!(ended.len(), 1);
    assert_ne!(ended[0].0, Some(RiskOutcome::Came));
    assert_eq!(world.engine.view().risks.len(), 1);
}

#[test]
fn an_api_that_heads_for_its_limit_is_at_risk_until_it_is_worse() {
    let mut world = World::new(7);
    world.run(900, &[orders()]);
    let mut states = Vec::new();
    // Three times the usual is its limit: half an hour on the way, and some minutes beyond.
    for at in 0..34 {
        let share = f64::from(at) / 60.0;
        world.run(60, &[orders().slower(1.0 + 4.0 * share)]);
        let state = world.api(&orders()).state.as_str();
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    assert_eq!(states.first(), Some(&"ok"));
    assert!(states.contains(&"at-risk"), "{states:?}");
    assert_eq!(states.last(), Some(&"anomalous"));
}

/// A level follows within a quarter of an hour, and what a ramp is ahead of it would pass for scatter.
#[test]
fn what_is_foreseen_to_break_does_not_become_the_usual_on_its_way() {
    for (spread, seconds) in [(0.7, 2_400), (1.0, 1_200)] {
        for seed in 1..=3 {
            let scattered = Traffic {
                spread,
                ..orders().rate(4.0)
            };
            let mut world = World::new(seed);
            world.run(7_200, std::slice::from_ref(&scattered));
            ramp(&mut world, seconds, 4.0, &scattered);
            let spike = world.effects.iter().find_map(|effect| match effect {
                Effect::AnomalyOpened(anomaly) if &*anomaly.detector == "latency-spike" => {
                    Some(anomaly.detected.as_secs() - START - 7_200)
                }
                _ => None,
            });
            // Three times as slow at two thirds of the time.
            assert!(
                spike.is_some_and(|at| (0..seconds * 2 / 3).contains(&at)),
                "{spread}, {seconds} s, seed {seed}: {spike:?}"
            );
        }
    }
}

/// What has been so for half an hour is the new normal, unless it has been something else all the time.
#[test]
fn what_still_grows_after_an_hour_is_not_the_new_normal() {
    let mut world = World::new(9);
    world.run(7_200, &[orders()]);
    ramp(&mut world, 3_600, 6.0, &orders());
    let over: Vec<&Anomaly> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::AnomalyClosed(anomaly) => Some(anomaly),
            _ => None,
        })
        .collect();
    assert!(over.is_empty(), "{over:?}");
    assert_eq!(world.api(&orders()).state.as_str(), "anomalous");
    // When it has stopped to grow, it is.
    world.run(3_600, &[orders().slower(6.0)]);
    assert_eq!(world.api(&orders()).state.as_str(), "ok");
}

/// Windows of some seconds hold too few failures to show it before it is many times the usual.
#[test]
fn failures_that_become_more_over_an_hour_are_found() {
    for (rate, to) in [(4.0, 0.15), (20.0, 0.1)] {
        for seed in 1..=3 {
            let usual = orders().rate(rate).failing(0.02);
            let mut world = World::new(seed);
            world.run(10_800, std::slice::from_ref(&usual));
            for at in (0..3_600).step_by(5) {
                let share = 0.02 + (to - 0.02) * f64::from(at) / 3_600.0;
                world.run(5, &[usual.clone().failing(share)]);
            }
            let found = world.effects.iter().find_map(|effect| match effect {
                Effect::AnomalyOpened(anomaly) if anomaly.signal.measure == Measure::ErrorRatio => {
                    Some(anomaly.detected.as_secs() - START - 10_800)
                }
                _ => None,
            });
            assert!(
                found.is_some_and(|at| (0..2_400).contains(&at)),
                "{rate} a second, seed {seed}: {found:?}"
            );
        }
    }
}

#[test]
fn a_budget_that_is_spent_too_fast_has_an_end() {
    let objective = Objective {
        name: "answered".into(),
        ratio: 0.99,
        latency_threshold: None,
        window: Duration::from_hours(24),
        route: None,
    };
    let own = Watching {
        objectives: vec![objective],
        ..Watching::default()
    };
    let place = (ServiceKey::new("shop", "orders"), None::<Name>, own);
    let settings = Arc::new(Settings::new([place], Vec::new(), Vec::new()));
    let mut world = World::new(8);
    world.engine.configure(&settings);
    world.run(3_600, &[orders().failing(0.0)]);
    assert!(stated(&world).is_empty());
    world.run(3_600, &[orders().failing(0.4)]);
    let risks = stated(&world);
    let budget = risks
        .iter()
        .find(|risk| &*risk.statistic == "budget")
        .unwrap();
    assert!(budget.expected > budget.stated);
    assert!(
        budget.why.contains("times faster than evenly"),
        "{}",
        budget.why
    );
    // It is spent by then: 1 % of what was called is much less than 40 % of an hour's.
    let outcomes: BTreeMap<_, _> = world
        .engine
        .view()
        .risks
        .iter()
        .map(|risk| (risk.statistic.clone(), risk.outcome))
        .collect();
    assert_eq!(outcomes[&Name::from("budget")], Some(RiskOutcome::Came));
}

#[test]
fn chances_of_failure_are_learned_and_kept_over_a_restart() {
    let mut world = World::new(9);
    world.run(900, &[orders()]);
    for _ in 0..3 {
        ramp(&mut world, 600, 4.0, &orders());
        world.run(900, &[orders()]);
    }
    let record = world.engine.view().track_record;
    assert!(record.failures.judged > 40, "{record:?}");
    assert!(record.failures.failed >= 10, "{record:?}");
    let (brier, base) = (
        record.failures.brier.unwrap(),
        record.failures.base_brier.unwrap(),
    );
    assert!(brier < base, "{brier} against {base}");
    let restored = Engine::restore(EngineConfig::default(), &world.engine.snapshot()).unwrap();
    assert_eq!(restored.view().track_record, record);
}

#[test]
fn nothing_is_foreseen_of_what_is_not_watched() {
    let own = Watching {
        paused: true,
        ..Watching::default()
    };
    let place = (ServiceKey::new("shop", "orders"), None::<Name>, own);
    let mut world = World::new(10);
    world.run(900, &[orders()]);
    ramp(&mut world, 150, 2.5, &orders());
    assert_eq!(stated(&world).len(), 1);
    world
        .engine
        .configure(&Arc::new(Settings::new([place], Vec::new(), Vec::new())));
    ramp(&mut world, 300, 5.0, &orders());
    // It ends without an outcome: nobody looked.
    assert_eq!(ended(&world).first().map(|end| end.0), Some(None));
    assert_eq!(world.engine.view().track_record.risks.came, 0);
}

/// The service warns of how full its memory is.
fn warn_of(world: &mut World, share: f32) {
    world.engine.observe(&Observation::Log {
        service: ServiceKey::new("shop", "orders"),
        environment: "cloud-a".into(),
        time: Time::from_secs(world.now),
        severity: Some(Severity::Warn),
        template: Some(TemplateId(7)),
        format: None,
        fill: Some(share),
        written_ahead: None,
    });
}

#[test]
fn what_fills_up_by_its_own_warnings_is_said_at_the_second_one() {
    let mut world = World::new(8);
    world.run(900, &[orders()]);
    warn_of(&mut world, 0.7);
    world.run(200, &[orders()]);
    assert!(stated(&world).is_empty(), "{:?}", stated(&world));
    warn_of(&mut world, 0.8);
    world.run(30, &[orders()]);
    let risks = stated(&world);
    let [risk] = risks.as_slice() else {
        panic!("{risks:?}");
    };
    assert_eq!(risk.signal.measure, Measure::Saturation);
    let full = risk.first_expected.as_secs() - START;
    assert!((full - 1_500).abs() <= 20, "{full}");
    expect!["by its own warnings it is 80 % full, 70 % 3 min before, and full in 6 min if it goes on (67 % likely)"].assert_eq(&risk.why);
    // It fails before it is full.
    world.run(200, &[orders()]).run(60, &[orders().slower(5.0)]);
    assert_eq!(ended(&world)[0].0, Some(RiskOutcome::Came));
}

#[test]
fn what_is_emptied_in_time_was_averted() {
    let mut world = World::new(9);
    world.run(900, &[orders()]);
    for share in [0.7, 0.8, 0.3] {
        warn_of(&mut world, share);
        world.run(100, &[orders()]);
    }
    assert_eq!(ended(&world)[0].0, Some(RiskOutcome::Averted));
}

/// A gauge of one of the service's replicas says so.
fn read_gauge(world: &mut World, share: f64) {
    world.engine.observe(&Observation::Level {
        service: ServiceKey::new("shop", "orders"),
        environment: "cloud-a".into(),
        instance: "orders-0".into(),
        what: "jvm.memory.used (G1 Old Gen)".into(),
        at: Time::from_secs(world.now),
        share: share as f32,
    });
}

/// Every quarter of a minute.
fn gauge(world: &mut World, seconds: i64, share: impl Fn(i64) -> f64) {
    for at in (0..seconds).step_by(15) {
        read_gauge(world, share(at));
        world.run(15, &[orders()]);
    }
}

#[test]
fn what_fills_up_by_a_gauge_is_said_while_requests_are_as_fast_as_ever() {
    let mut world = World::new(11);
    gauge(&mut world, 900, |_| 0.3);
    assert!(stated(&world).is_empty(), "{:?}", stated(&world));
    // Full after ten minutes.
    gauge(&mut world, 450, |at| 0.3 + 0.7 * at as f64 / 600.0);
    let risks = stated(&world);
    let [risk] = risks.as_slice() else {
        panic!("{risks:?}");
    };
    assert_eq!(risk.signal.measure, Measure::Saturation);
    let full = risk.first_expected.as_secs() - START;
    assert!((full - 1_500).abs() <= 30, "{full}");
    assert!(risk.stated.as_secs() - START < 1_200, "{}", risk.why);
    expect!["`jvm.memory.used (G1 Old Gen) of orders-0` is 39 % full, 30 % 90 s before, and full in 9 min if it goes on (78 % likely)"].assert_eq(&risk.why);
}

/// A page for which the front asks lists, and those orders.
fn page(random: &mut Random, start: Time) -> Vec<Hop> {
    let trace = TraceId::new(u128::from(random.next()).to_be_bytes());
    let ids = [(); 5].map(|()| SpanId::new(random.next().to_be_bytes()));
    let (server, client) = (SpanKind::Server, SpanKind::Client);
    [
        (server, "front", "/page"),
        (client, "front", "GET"),
        (server, "lists", "/lists"),
        (client, "lists", "GET"),
        (server, "orders", "/orders/{id}"),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, (role, service, operation))| {
        let (later, millis) = (2 * at as u64, 60 - 4 * at as u64);
        Hop {
            trace,
            span: ids[at],
            parent: at.checked_sub(1).and_then(|above| ids[above]),
            ..hop(
                role,
                service,
                operation,
                (start + Duration::from_millis(later), millis),
            )
        }
    })
    .collect()
}

#[test]
fn what_fills_up_is_felt_by_all_that_wait_for_it_and_by_nobody_else() {
    let mut world = World::new(12);
    let apis = [
        orders(),
        orders().at("lists", "/lists"),
        orders().at("front", "/page"),
        orders().at("front", "/help"),
    ];
    let mut watch = |seconds: i64, share: &dyn Fn(i64) -> f64| {
        for at in 0..seconds {
            if at % 15 == 0 {
                read_gauge(&mut world, share(at));
            }
            let start = Time::from_secs(world.now);
            for hop in page(&mut world.random, start) {
                world.observe(&Observation::Hop(Box::new(hop)));
            }
            world.run(1, &apis);
        }
        let chance = |api: &Traffic| {
            let future = world.engine.future(&api.key()).unwrap();
            future.failure_chance.unwrap()
        };
        apis.each_ref().map(chance)
    };
    let at_rest = watch(900, &|_| 0.3);
    assert!(at_rest.iter().all(|chance| *chance < 0.02), "{at_rest:?}");
    // Full in ten minutes, of which three are left.
    let [orders, lists, page, help] = watch(420, &|at| 0.3 + 0.7 * at as f64 / 600.0);
    assert!(
        orders > 0.5 && lists > 0.5 && page > 0.5,
        "{orders} {lists} {page}"
    );
    assert!(help < 0.02, "{help}");
}
