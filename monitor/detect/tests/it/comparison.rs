//! Two stretches of a recording against each other.

use std::time::Duration;

use expect_test::{Expect, expect};
use monitor_core::{Name, Observation, ServiceKey, Severity, TemplateId, Time};
use monitor_detect::compare::{Difference, WindowStats, compare, rank_services};
use proptest::prelude::*;

use crate::random::Random;

/// A minute of one service: 300 calls of 50 ms and 600 records of 12 kinds.
fn minute(seed: u64) -> WindowStats {
    let mut random = Random(seed);
    let mut stats = WindowStats::new(Duration::from_secs(60));
    add_calls(&mut stats, &mut random, 300, 0.05);
    for i in 0..600 {
        let severity = if i % 100 == 0 {
            Severity::Error
        } else {
            Severity::Info
        };
        stats.add(&record(severity, random.next() % 12));
    }
    stats
}

fn add_calls(stats: &mut WindowStats, random: &mut Random, calls: usize, median: f64) {
    for _ in 0..calls {
        let seconds = median * (0.4 * random.normal()).exp();
        stats.calls += 1;
        stats.latencies.add(seconds);
        stats.add_self_time(Duration::from_secs_f64(seconds / 2.0));
    }
}

fn record(severity: Severity, template: u64) -> Observation {
    Observation::Log {
        service: ServiceKey::new("", "cart"),
        environment: "unknown".into(),
        time: Time::EPOCH,
        severity: Some(severity),
        template: Some(TemplateId(template)),
        format: None,
    }
}

fn check(window: &WindowStats, expected: Expect) {
    let striking: Vec<String> = compare(&minute(1), window)
        .iter()
        .filter(|difference| difference.score.is_anomalous())
        .map(|difference| {
            format!(
                "{} {:.1}: {}",
                difference.aspect.as_str(),
                difference.score.get(),
                difference.why
            )
        })
        .collect();
    expected.assert_eq(&striking.join("\n"));
}

#[test]
fn two_ordinary_minutes_do_not_differ() {
    check(&minute(2), expect![[""]]);
}

#[test]
fn three_slow_calls_are_no_difference() {
    let mut window = minute(3);
    add_calls(&mut window, &mut Random(4), 3, 5.0);
    check(&window, expect![[""]]);
}

#[test]
fn a_slow_minute_differs_in_time() {
    let mut window = WindowStats {
        latencies: Default::default(),
        self_times: Default::default(),
        calls: 0,
        ..minute(5)
    };
    add_calls(&mut window, &mut Random(6), 300, 0.2);
    check(
        &window,
        expect![[r#"
            latency 4.6: response time p50 203 ms instead of 51 ms (300 and 300 calls)
            self-time 4.2: own time p50 101 ms instead of 25 ms (300 and 300 calls)"#]],
    );
}

#[test]
fn exceptions_differ_in_errors_and_messages() {
    let mut window = minute(7);
    for _ in 0..60 {
        window.add(&record(Severity::Error, 99));
    }
    window.server_errors = 40;
    check(
        &window,
        expect![[r#"
        new-template 4.5: error message 0000000000000063: 60 of 660 records instead of 0 of 600
        error-ratio 2.7: 40 of 300 calls failed instead of 0 of 300
        log-error-ratio 1.8: 66 of 660 log records are errors instead of 6 of 600"#]],
    );
}

#[test]
fn the_service_whose_own_time_grew_comes_before_its_callers() {
    let slow = |own: f64, whole: f64| {
        let mut random = Random(8);
        let mut window = WindowStats::new(Duration::from_secs(60));
        for _ in 0..300 {
            let noise = (0.3 * random.normal()).exp();
            window.calls += 1;
            window.latencies.add(whole * noise);
            window.add_self_time(Duration::from_secs_f64(own * noise));
        }
        window
    };
    let services: Vec<(Name, Vec<Difference>)> = vec![
        (
            "checkout".into(),
            compare(&slow(0.01, 0.06), &slow(0.01, 0.46)),
        ),
        (
            "database".into(),
            compare(&slow(0.02, 0.02), &slow(0.42, 0.42)),
        ),
        (
            "search".into(),
            compare(&slow(0.02, 0.03), &slow(0.02, 0.03)),
        ),
    ];
    let ranked = rank_services(
        services
            .iter()
            .map(|(name, found)| (name, found.as_slice())),
    );
    let order: Vec<&str> = ranked.iter().map(|service| &*service.service).collect();
    assert_eq!(order, ["database", "checkout", "search"]);
    assert_eq!(ranked[2].evidence, 0.0);
}

#[test]
fn of_two_ends_of_a_slow_link_the_one_with_only_slow_links_is_first() {
    // gateway calls cart and search; cart's network is slow, so half the gateway's calls are.
    let minute = |cart_ms: f64| {
        let mut random = Random(9);
        let mut stats = [(); 3].map(|()| WindowStats::new(Duration::from_secs(60)));
        for call in 0..60 {
            let to_cart = call % 2 == 0;
            let median_ms = if to_cart { cart_ms } else { 3.0 };
            let between = Duration::from_secs_f64(median_ms / 1e3 * (0.3 * random.normal()).exp());
            stats[0].add_outgoing_time(between);
            stats[if to_cart { 1 } else { 2 }].add_network_time(between);
        }
        stats
    };
    let (usual, slow) = (minute(3.0), minute(200.0));
    let names: [Name; 3] = ["gateway".into(), "cart".into(), "search".into()];
    let found: Vec<Vec<Difference>> = usual
        .iter()
        .zip(&slow)
        .map(|(usual, slow)| compare(usual, slow))
        .collect();
    let ranked = rank_services(names.iter().zip(found.iter().map(Vec::as_slice)));
    let order: Vec<&str> = ranked.iter().map(|service| &*service.service).collect();
    assert_eq!(order, ["cart", "gateway", "search"]);
}

#[test]
fn one_in_a_hundred_clean_comparisons_at_most_is_striking() {
    let striking = (0..200)
        .filter(|seed| {
            compare(&minute(1_000 + seed), &minute(2_000 + seed))
                .iter()
                .any(|difference| difference.score.is_anomalous())
        })
        .count();
    assert!(striking <= 2, "{striking}");
}

proptest! {
    #[test]
    fn merging_equals_adding_to_one(a in any::<u64>(), b in any::<u64>()) {
        let (first, second) = (minute(a), minute(b));
        let mut forth = first.clone();
        forth.merge(&second);
        let mut back = second;
        back.merge(&first);
        prop_assert_eq!(&forth, &back);
        prop_assert_eq!(forth.span, Duration::from_secs(120));
        prop_assert_eq!(forth.records, 1200);
    }
}
