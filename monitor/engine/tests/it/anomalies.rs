//! What must be found, and how it is told.

use expect_test::{Expect, expect};
use monitor_core::{AlertState, ApiState, CallSource, Severity, Time};

use monitor_engine::EngineConfig;

use crate::world::{START, Traffic, World, log, orders};

fn check(normal: &[Traffic], fault: &[Traffic], expected: Expect) {
    let mut world = World::new(7);
    world.run(120, normal).run(60, fault).run(120, normal);
    expected.assert_eq(&world.story());
}

#[test]
fn slow_database_shows_as_latency_of_orders() {
    check(
        &[orders()],
        &[orders().slower(8.0)],
        expect![[r#"
            +124 s latency-spike since +120 s: p95 705 ms against 62.8–131 ms expected (7.8× typical), 39 calls in 2 s
            ApiLatencyHigh critical firing
            latency-spike over at +184 s
            ApiLatencyHigh critical resolved"#]],
    );
}

#[test]
fn a_doubled_response_time_is_found_too() {
    check(
        &[orders()],
        &[orders().slower(2.0)],
        expect![[r#"
            +128 s latency-spike since +120 s: p95 170 ms against 65.2–126 ms expected (1.9× typical), 61 calls in 3 s
            ApiLatencyHigh warning firing
            latency-spike over at +183 s
            ApiLatencyHigh warning resolved"#]],
    );
}

#[test]
fn a_slow_canary_is_named() {
    let canary = Traffic {
        canary_only: true,
        ..orders().slower(20.0)
    };
    check(
        &[orders()],
        &[canary],
        expect![[r#"
            +126 s latency-spike since +120 s: p95 600 ms against 61.9–133 ms expected (6.6× typical), 34 calls in 2 s; version v42 makes up 100 % of the slow calls (usually 12 %), instance pod-2 75 % (usually 33 %)
            ApiLatencyHigh critical firing
            +136 s odd-version since +124 s: version v42 is 17.5× slower than its only peer (945 ms against 53.9 ms, usually 1.0×), 10 calls in 5 s
            latency-spike over at +181 s
            odd-version over at +181 s
            ApiLatencyHigh critical resolved"#]],
    );
}

#[test]
fn a_first_ever_burst_of_failures_is_found() {
    check(
        &[orders().failing(0.0)],
        &[orders().failing(0.4)],
        expect![[r#"
            +121 s error-ratio since +120 s: 40 % of calls failed (8 of 20 in 1 s) against at most 0 % expected; status 503 makes up 100 % of the failures (usually 0 %), error.type upstream_unavailable 100 % (usually 0 %)
            ApiErrorsHigh critical firing
            error-ratio over at +181 s
            ApiErrorsHigh critical resolved"#]],
    );
}

#[test]
fn an_api_that_nobody_calls_any_more_is_silent() {
    let other = orders().at("search", "/search");
    check(
        &[orders(), other.clone()],
        &[other],
        expect![[r#"
            +125 s traffic since +121 s: no calls for 4 s against 10.6–29.1 calls/s expected
            ApiTrafficLow critical firing
            traffic over at +180 s
            ApiTrafficLow critical resolved"#]],
    );
}

#[test]
fn a_fault_half_a_minute_after_the_start_is_found() {
    let mut world = World::new(3);
    world.run(30, &[orders()]).run(30, &[orders().slower(6.0)]);
    let opened = world.opened();
    assert_eq!(opened.len(), 1, "{}", world.story());
    assert!(
        opened[0].detected <= Time::from_secs(START + 45),
        "{}",
        world.story()
    );
}

#[test]
fn states_are_honest() {
    let mut world = World::new(1);
    world.run(20, &[orders()]);
    let view = world.api(&orders());
    assert_eq!(view.state, ApiState::Learning);
    expect!["learning: 17 of 25 seconds with calls"].assert_eq(&view.reason);
    world.run(60, &[orders()]);
    assert_eq!(world.api(&orders()).state, ApiState::Ok);
    world.run(30, &[orders().slower(8.0)]);
    assert_eq!(world.api(&orders()).state, ApiState::Anomalous);
    let other = orders().at("search", "/search");
    world.run(120, &[orders(), other.clone()]).run(60, &[other]);
    assert_eq!(world.api(&orders()).state, ApiState::Silent);
}

#[test]
fn an_api_that_fails_from_its_first_call_is_found_while_learning() {
    let mut world = World::new(5);
    world.run(20, &[orders().failing(0.8)]);
    expect![[r#"
        +1 s error-ratio since +0 s: 59 % of calls failed (13 of 22 in 1 s) while still learning, and so many failures are normal for no Api
        ApiErrorsHigh critical firing"#]].assert_eq(&world.story());
}

#[test]
fn error_logs_and_a_new_error_message_are_found() {
    let mut world = World::new(9);
    let usual = [
        ("cart", Severity::Info, 1, 20.0),
        ("cart", Severity::Error, 2, 0.2),
    ];
    world.run_logs(300, &usual);
    world.run_logs(30, &[usual[0], usual[1], ("cart", Severity::Error, 3, 4.0)]);
    world.run_logs(60, &usual);
    expect![[r#"
        +305 s log-error-ratio since +300 s: 17 % of log records are errors (23 of 134 in 5 s) against at most 4.5 % expected; template 0000000000000003 makes up 100 % of the error records (usually 0 %)
        +310 s new-log-template since +300 s: an error message never seen in 5,995 records before: 19 of 116 records in 5 s
        ServiceLogErrorsHigh warning firing
        log-error-ratio over at +330 s
        new-log-template over at +330 s"#]].assert_eq(&world.story());
}

#[test]
fn many_routes_of_one_service_page_once() {
    let routes = ["/a", "/b", "/c", "/d"].map(|route| orders().at("orders", route));
    let slow = routes.clone().map(|route| route.slower(3.0));
    let mut world = World::new(11);
    world.run(120, &routes).run(60, &slow).run(120, &routes);
    assert!(world.opened().len() >= 4);
    let fired = world.alerts(AlertState::Firing);
    assert_eq!(fired.len(), 1, "{}", world.story());
    assert_eq!(&*fired[0].labels["alertname"], "ServiceAnomalous");
    assert_eq!(world.alerts(AlertState::Resolved).len(), 1);
}

#[test]
fn a_level_shift_alerts_once_and_becomes_normal() {
    let mut world = World::new(13);
    world
        .run(300, &[orders()])
        .run(3 * 3600, &[orders().slower(3.0)]);
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        1,
        "{}",
        world.story()
    );
    assert_eq!(
        world.alerts(AlertState::Resolved).len(),
        1,
        "{}",
        world.story()
    );
    assert_eq!(world.api(&orders()).state, ApiState::Ok);
    world.run(60, &[orders().slower(12.0)]);
    assert_eq!(
        world.alerts(AlertState::Firing).len(),
        2,
        "{}",
        world.story()
    );
}

#[test]
fn a_request_seen_as_span_and_log_counts_once() {
    let mut world = World::new(15);
    let logged = Traffic {
        source: CallSource::Log,
        ..orders()
    };
    world.run(120, &[orders(), logged.clone()]);
    let view = world.api(&orders());
    assert_eq!(view.source, CallSource::Span);
    assert!((15.0..25.0).contains(&view.rate), "{}", view.rate);
    // Spans stop, logs go on: that is no silence.
    world.run(300, &[logged]);
    assert!(world.opened().is_empty(), "{}", world.story());
    assert_eq!(world.api(&orders()).source, CallSource::Log);
}

#[test]
fn late_and_future_data_are_counted_and_judge_nothing() {
    let mut world = World::new(17);
    world.run(60, &[orders()]);
    let before = world.engine.view().counts.observations;
    for _ in 0..500 {
        let late = log("orders", Time::from_secs(START + 10), Severity::Error, 1);
        let future = log("orders", Time::from_secs(START + 5_000), Severity::Error, 1);
        world.observe(&late).observe(&future);
    }
    world.run(60, &[orders()]);
    let counts = world.engine.view().counts;
    assert_eq!((counts.late, counts.future), (500, 500));
    assert!(counts.observations >= before + 1_000);
    assert!(world.opened().is_empty());
}

#[test]
fn apis_beyond_the_limit_share_a_visible_route() {
    let config = EngineConfig {
        max_apis: 2,
        ..EngineConfig::default()
    };
    let mut world = World::with(config, 19);
    let routes = ["/d", "/a", "/c", "/b", "/e"].map(|route| orders().at("orders", route));
    world.run(60, &routes);
    let view = world.engine.view();
    let mut known: Vec<&str> = view.apis.iter().map(|api| &*api.key.route).collect();
    known.sort_unstable();
    assert_eq!(known, ["/a", "/b", "~other"]);
    let calls: u64 = view.apis.iter().map(|api| api.calls_total).sum();
    let other = view
        .apis
        .iter()
        .find(|api| &*api.key.route == "~other")
        .unwrap();
    assert_eq!(other.calls_total, view.counts.overflowed);
    // Three seconds are not judged yet.
    assert!(
        calls >= view.counts.observations * 9 / 10,
        "{calls} of {}",
        view.counts.observations
    );
}
