use super::*;
use monitor_core::{ApiKey, Direction, Measure, ServiceKey, SignalKey, Subject};
use std::sync::Arc;

fn signal(service: &str) -> SignalKey {
    SignalKey {
        subject: Subject::Api(Arc::new(ApiKey {
            environment: "cloud-a".into(),
            service: ServiceKey::new("shop", service),
            method: "GET".into(),
            route: "/".into(),
        })),
        measure: Measure::Latency,
    }
}

fn alarm(service: &str, start: i64, score: f64) -> Alarm {
    Alarm {
        id: monitor_core::AnomalyId(start.unsigned_abs()),
        signal: signal(service),
        detector: "latency-spike".into(),
        start: Time::from_secs(start),
        detected: Time::from_secs(start + 20),
        end: Some(Time::from_secs(start + 100)),
        score,
    }
}

fn said(answer: Answer, service: &str, start: i64) -> Feedback {
    Feedback {
        anomaly: monitor_core::AnomalyId(1),
        signal: signal(service),
        detector: "latency-spike".into(),
        direction: Direction::Above,
        start: Time::from_secs(start),
        detected: Time::from_secs(start),
        end: Some(Time::from_secs(start + 50)),
        score: 2.0,
        answer,
        note: String::new(),
        at: Time::from_secs(start),
        until: None,
        held_back: 0,
    }
}

fn count(alarms: &[Alarm], answers: &[Feedback], weeks: f64) -> Tally {
    let span = (Time::from_secs(0), Time::from_secs(100_000));
    tally(alarms.iter(), answers, span, weeks)
}

#[test]
fn alarms_are_counted_by_what_people_said() {
    let alarms = [
        alarm("orders", 1_000, 2.0),
        alarm("orders", 1_010, 12.0),
        alarm("cart", 5_000, 1.2),
        alarm("search", 9_000, 4.0),
        alarm("search", 200_000, 4.0),
    ];
    let answers = [
        said(Answer::Real, "orders", 990),
        said(Answer::Real, "stock", 3_000),
        said(Answer::Expected, "cart", 5_010),
    ];
    let tally = count(&alarms, &answers, 2.0);
    assert_eq!((tally.alarms, tally.unwanted, tally.unanswered), (4, 1, 1));
    assert_eq!((tally.real, tally.found), (2, 1));
    assert_eq!(tally.median_delay, Some(Duration::from_secs(30)));
    assert_eq!(tally.false_alarms_per_api_week(), Some(1.0));
    let ranges: Vec<(u64, u64, u64)> = tally
        .scores
        .iter()
        .map(|range| (range.alarms, range.real, range.unwanted))
        .collect();
    assert_eq!(ranges, [(1, 0, 1), (1, 1, 0), (1, 0, 0), (1, 1, 0)]);
}

fn of(false_alarms: u64, found: u64, real: u64) -> Tally {
    Tally {
        api_weeks: 1.0,
        alarms: false_alarms + found,
        unanswered: false_alarms,
        real,
        found,
        ..Tally::default()
    }
}

#[test]
fn better_is_as_many_found_and_significantly_fewer_false() {
    let better = |active: Tally, shadow: Tally| weigh(&active, &shadow).1;
    assert!(better(of(12, 3, 3), of(2, 3, 3)));
    assert!(!better(of(12, 3, 3), of(2, 2, 3)), "it misses one");
    assert!(!better(of(12, 3, 3), of(9, 3, 3)), "that may be chance");
    assert!(!better(of(12, 0, 0), of(0, 0, 0)), "what would it miss?");
    assert!(!better(of(2, 3, 3), of(2, 3, 3)));
    assert!(!better(Tally::default(), of(0, 0, 0)));
}

#[test]
fn the_test_of_two_rates_is_exact() {
    // Of 8 false alarms of two equal models at most one falls to the second: 9 of 256.
    let (p, better, _) = weigh(&of(7, 1, 1), &of(1, 1, 1));
    assert!((p - 9.0 / 256.0).abs() < 1e-12);
    assert!(better);
}

#[test]
fn only_what_the_other_does_not_say_at_that_time_is_alone() {
    let list = |alarms: Vec<Alarm>| Alarms {
        kept: alarms.into(),
        forgotten: 0,
    };
    let one = list(vec![alarm("orders", 1_000, 2.0), alarm("cart", 1_000, 2.0)]);
    let other = list(vec![alarm("orders", 1_050, 3.0), alarm("cart", 9_000, 2.0)]);
    let alone = one.without(&other, Time::from_secs(10_000));
    assert_eq!(alone, [alarm("cart", 1_000, 2.0)]);
}
