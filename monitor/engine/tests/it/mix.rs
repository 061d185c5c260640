//! What a platform does differently without failing: refusals, surges, formats, calls to others.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    CallStatus, Measure, Observation, ServiceKey, Severity, Subject, TemplateId, Time,
};

use crate::world::{START, World, orders, second};

/// Runs with a share of the calls answered by `status`.
fn run_refusing(world: &mut World, seconds: i64, status: CallStatus, every: u64) {
    for _ in 0..seconds {
        let traffic = second(&mut world.random, world.now, &[orders()]);
        for mut observation in traffic {
            if let Observation::Call(call) = &mut observation
                && world.random.next().is_multiple_of(every)
            {
                call.status = status;
            }
            world.engine.observe(&observation);
        }
        world.pass_second();
    }
}

fn measures(world: &World) -> Vec<Measure> {
    let opened = world.opened();
    opened
        .iter()
        .map(|anomaly| anomaly.signal.measure)
        .collect()
}

#[test]
fn each_kind_of_refusal_is_told_by_its_name() {
    for (status, measure) in [
        (CallStatus::Http(429), Measure::ThrottledRatio),
        (CallStatus::Grpc(8), Measure::ThrottledRatio),
        (CallStatus::Http(401), Measure::UnauthorisedRatio),
        (CallStatus::Http(403), Measure::UnauthorisedRatio),
        (CallStatus::Grpc(16), Measure::UnauthorisedRatio),
        (CallStatus::Http(404), Measure::ClientErrorRatio),
    ] {
        let mut world = World::new(3);
        run_refusing(&mut world, 300, status, 100);
        assert_eq!(measures(&world), [], "{}", world.story());
        run_refusing(&mut world, 30, status, 2);
        assert_eq!(measures(&world), [measure], "{}", world.story());
    }
}

#[test]
fn answers_that_change_without_failing_are_told_and_a_stray_one_is_not() {
    let mut world = World::new(8);
    let (found, moved) = (CallStatus::Http(200), CallStatus::Http(302));
    run_refusing(&mut world, 300, found, 1);
    run_refusing(&mut world, 60, CallStatus::Http(204), 100);
    assert_eq!(measures(&world), [], "{}", world.story());
    run_refusing(&mut world, 60, moved, 2);
    run_refusing(&mut world, 60, found, 1);
    assert_eq!(
        measures(&world),
        [Measure::NewStatusRatio],
        "{}",
        world.story()
    );
    let said = &world.opened()[0].explanation.why;
    assert!(said.contains("status 302 makes up 100 % of them"), "{said}");
}

#[test]
fn another_status_is_told_wherever_in_a_window_it_begins() {
    let (found, moved) = (CallStatus::Http(200), CallStatus::Http(302));
    for seconds in 300..310 {
        let mut world = World::new(8);
        run_refusing(&mut world, seconds, found, 1);
        // The last of a second, and no news by themselves.
        run_refusing(&mut world, 1, moved, 20);
        run_refusing(&mut world, 60, moved, 2);
        assert_eq!(
            measures(&world),
            [Measure::NewStatusRatio],
            "{seconds}: {}",
            world.story()
        );
    }
}

/// Answers of about so many bytes.
fn run_answering(world: &mut World, seconds: i64, bytes: f64) {
    for _ in 0..seconds {
        for mut observation in second(&mut world.random, world.now, &[orders()]) {
            if let Observation::Call(call) = &mut observation {
                let scatter = (0.3 * world.random.normal()).exp();
                call.response_bytes = Some((bytes * scatter) as u64);
            }
            world.engine.observe(&observation);
        }
        world.pass_second();
    }
}

#[test]
fn answers_of_another_size_are_told_and_wake_nobody() {
    for (bytes, said) in [(50_000.0, "kB"), (400.0, "bytes"), (0.0, "empty")] {
        let mut world = World::new(8);
        run_answering(&mut world, 600, 5_000.0);
        assert_eq!(measures(&world), [], "{}", world.story());
        run_answering(&mut world, 60, bytes);
        assert_eq!(
            measures(&world),
            [Measure::NewSizeRatio],
            "{}",
            world.story()
        );
        let why = &world.opened()[0].explanation.why;
        assert!(
            why.contains("http.response.body.size") && why.contains(said),
            "{why}"
        );
        assert!(!world.story().contains("firing"), "{}", world.story());
    }
}

#[test]
fn answers_that_grow_slowly_are_no_news() {
    let mut world = World::new(8);
    let mut bytes = 5_000.0;
    for _ in 0..60 {
        run_answering(&mut world, 60, bytes);
        bytes *= 1.05;
    }
    assert_eq!(measures(&world), [], "{}", world.story());
}

#[test]
fn failures_say_nothing_of_how_large_answers_are() {
    let mut world = World::new(8);
    run_answering(&mut world, 300, 5_000.0);
    for _ in 0..60 {
        for mut observation in second(&mut world.random, world.now, &[orders()]) {
            if let Observation::Call(call) = &mut observation {
                call.response_bytes = Some(90);
                call.status = CallStatus::Http(503);
            }
            world.engine.observe(&observation);
        }
        world.pass_second();
    }
    assert_eq!(measures(&world), [Measure::ErrorRatio], "{}", world.story());
}

#[test]
fn throttling_is_told_within_seconds() {
    let mut world = World::new(4);
    run_refusing(&mut world, 300, CallStatus::Http(429), 200);
    run_refusing(&mut world, 30, CallStatus::Http(429), 3);
    run_refusing(&mut world, 60, CallStatus::Http(429), 200);
    expect![[r#"
        +301 s throttled-ratio since +300 s: 50 % of calls were refused as too many (8 of 16 in 1 s) against at most 6.2 % expected
        ApiThrottlingHigh warning firing
        throttled-ratio over at +331 s"#]].assert_eq(&world.story());
}

#[test]
fn a_surge_is_told_and_a_good_day_is_not() {
    let mut world = World::new(5);
    world.run(300, &[orders()]).run(60, &[orders().rate(34.0)]);
    assert_eq!(measures(&world), [], "{}", world.story());
    world
        .run(300, &[orders()])
        .run(60, &[orders().rate(80.0)])
        .run(60, &[orders()]);
    expect![[r#"
        +665 s traffic since +661 s: 73.5 calls/s against 8.81–34.1 calls/s expected (242 % above typical), 147 calls in 2 s
        ApiTrafficHigh warning firing
        traffic over at +720 s"#]].assert_eq(&world.story());
}

fn line(world: &mut World, format: Option<&str>, template: u64) {
    world.engine.observe(&Observation::Log {
        service: ServiceKey::new("shop", "cart"),
        environment: "cloud-a".into(),
        time: Time::from_secs(world.now),
        severity: Some(Severity::Info),
        template: Some(TemplateId(template)),
        format: format.map(Into::into),
        fill: None,
        written_ahead: None,
    });
}

fn run_lines(world: &mut World, seconds: i64, formats: &[(Option<&str>, u64)]) {
    for _ in 0..seconds {
        for (format, lines) in formats {
            (0..*lines).for_each(|_| line(world, *format, 1));
        }
        world.pass_second();
    }
}

#[test]
fn another_format_is_told_and_a_stack_trace_is_not() {
    let mut world = World::new(6);
    run_lines(&mut world, 300, &[(Some("logfmt"), 10)]);
    run_lines(&mut world, 20, &[(Some("logfmt"), 10), (None, 1)]);
    run_lines(&mut world, 300, &[(Some("logfmt"), 10)]);
    assert_eq!(measures(&world), [], "{}", world.story());
    run_lines(&mut world, 60, &[(Some("zap"), 10)]);
    run_lines(&mut world, 120, &[(Some("logfmt"), 10)]);
    expect![[r#"
        +621 s log-format since +620 s: 100 % of records are in a format not seen before (10 of 10 in 1 s) against at most 10 % expected; format zap makes up 100 % of the records (usually 0 %)
        ServiceLogFormatChanged warning firing
        log-format over at +681 s
        ServiceLogFormatChanged warning resolved"#]].assert_eq(&world.story());
}

#[test]
fn another_format_is_told_wherever_in_a_window_it_begins() {
    for seconds in 300..320 {
        let mut world = World::new(6);
        run_lines(&mut world, seconds, &[(Some("logfmt"), 10)]);
        // The last of a second.
        run_lines(&mut world, 1, &[(Some("logfmt"), 9), (Some("zap"), 1)]);
        run_lines(&mut world, 50, &[(Some("zap"), 10)]);
        assert_eq!(
            measures(&world),
            [Measure::LogFormatRatio],
            "{seconds}: {}",
            world.story()
        );
    }
}

#[test]
fn a_format_that_stays_becomes_known_after_its_one_alert() {
    let mut world = World::new(6);
    run_lines(&mut world, 300, &[(Some("logfmt"), 10)]);
    run_lines(&mut world, 3_600, &[(Some("zap"), 10)]);
    run_lines(&mut world, 300, &[(Some("logfmt"), 10)]);
    run_lines(&mut world, 300, &[(Some("zap"), 10)]);
    assert_eq!(
        measures(&world),
        [Measure::LogFormatRatio],
        "{}",
        world.story()
    );
    assert_eq!(world.engine.view().anomalies.len(), 1);
}

/// So many statements for each call, each taking so long, of which every so-manieth fails.
fn run_asking(world: &mut World, seconds: i64, per_call: f64, millis: u64, failing: u64) {
    for _ in 0..seconds {
        let traffic = second(&mut world.random, world.now, &[orders()]);
        let asked = world.random.poisson(per_call * traffic.len() as f64);
        for observation in traffic {
            world.engine.observe(&observation);
        }
        for _ in 0..asked {
            let micros = millis * 500 + world.random.next() % (millis * 1_000);
            let failed = world.random.next().is_multiple_of(failing);
            world.engine.observe(&Observation::Dependency {
                service: ServiceKey::new("shop", "orders"),
                environment: "cloud-a".into(),
                callee: "postgresql orders".into(),
                end: Time::from_secs(world.now),
                duration: Some(Duration::from_micros(micros)),
                failed,
            });
        }
        world.pass_second();
    }
}

const NEVER: u64 = u64::MAX;

#[test]
fn a_cache_that_fails_shows_as_statements_for_each_call() {
    let mut world = World::new(7);
    run_asking(&mut world, 300, 0.2, 4, NEVER);
    run_asking(&mut world, 30, 1.0, 4, NEVER);
    run_asking(&mut world, 60, 0.2, 4, NEVER);
    expect![[r#"
        +304 s calls-per-call since +300 s: 0.90 calls made for each one served against 0.0173–0.37 expected (4.7× typical), 41 served in 2 s
        DependencyCallsHigh warning firing
        calls-per-call over at +329 s"#]].assert_eq(&world.story());
}

#[test]
fn a_dependency_that_is_slow_or_fails_is_told_without_a_page() {
    let mut world = World::new(8);
    run_asking(&mut world, 300, 1.0, 8, NEVER);
    run_asking(&mut world, 30, 1.0, 80, NEVER);
    run_asking(&mut world, 300, 1.0, 8, NEVER);
    run_asking(&mut world, 30, 1.0, 8, 2);
    run_asking(&mut world, 60, 1.0, 8, NEVER);
    let opened = world.opened();
    let told: Vec<Measure> = opened.iter().map(|one| one.signal.measure).collect();
    assert_eq!(
        told,
        [Measure::Latency, Measure::ErrorRatio],
        "{}",
        world.story()
    );
    for anomaly in opened {
        let Subject::Dependency { callee, .. } = &anomaly.signal.subject else {
            panic!("{anomaly:?}");
        };
        assert_eq!(&**callee, "postgresql orders");
    }
    assert!(world.alerts(monitor_core::AlertState::Firing).is_empty());
}

#[test]
fn what_is_known_of_dependencies_survives_a_restart() {
    let mut world = World::new(9);
    run_asking(&mut world, 120, 0.2, 4, NEVER);
    let bytes = world.engine.snapshot();
    let config = monitor_engine::EngineConfig::default();
    let restored = monitor_engine::Engine::restore(config, &bytes).unwrap();
    assert_eq!(restored.snapshot(), bytes);
    world.engine = restored;
    run_asking(&mut world, 30, 1.0, 4, NEVER);
    assert_eq!(
        measures(&world),
        [Measure::CallsPerCall],
        "{}",
        world.story()
    );
}

#[test]
fn names_without_end_are_counted_and_not_kept() {
    let config = monitor_engine::EngineConfig {
        max_services: 5,
        ..monitor_engine::EngineConfig::default()
    };
    let mut world = World::with(config, 10);
    for number in 0..1_000 {
        world.engine.observe(&Observation::Dependency {
            service: ServiceKey::new("shop", "orders"),
            environment: "cloud-a".into(),
            callee: Arc::from(format!("10.0.0.{number}")),
            end: Time::from_secs(START),
            duration: None,
            failed: false,
        });
    }
    assert_eq!(world.engine.view().counts.overflowed, 980);
}
