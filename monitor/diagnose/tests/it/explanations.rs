//! The sentences that people read.

use std::time::Duration;

use expect_test::{Expect, expect};
use monitor_core::{Band, Contribution, Direction, Measure, TemplateId};
use monitor_diagnose::{Facts, NumberName, Peers, why};

fn check(facts: &Facts<'_>, expected: Expect) {
    expected.assert_eq(&why(facts));
}

fn facts(measure: Measure, typical: f64, actual: f64, lower: f64, upper: f64) -> Facts<'static> {
    Facts {
        measure,
        statistic: "p95",
        detector: "latency-spike",
        direction: if actual < typical {
            Direction::Below
        } else {
            Direction::Above
        },
        typical,
        actual,
        band: Band { lower, upper },
        observations: 214,
        learned_from: 12_480,
        span: Duration::from_secs(20),
        contributions: &[],
        learning: false,
        peers: None,
        number: None,
    }
}

#[test]
fn a_slow_version() {
    let contributions = [Contribution {
        dimension: "version".into(),
        value: "v42".into(),
        share: 1.0,
        usual_share: 0.12,
    }];
    check(
        &Facts {
            contributions: &contributions,
            ..facts(Measure::Latency, 0.1, 0.812, 0.095, 0.14)
        },
        expect![
            "p95 812 ms against 95–140 ms expected (8.1× typical), 214 calls in 20 s; version v42 makes up 100 % of the slow calls (usually 12 %)"
        ],
    );
}

#[test]
fn microseconds_and_minutes() {
    check(
        &facts(Measure::Latency, 0.0002, 0.0009, 0.00015, 0.0003),
        expect!["p95 900 µs against 150–300 µs expected (4.5× typical), 214 calls in 20 s"],
    );
    check(
        &facts(Measure::Latency, 20.0, 95.0, 15.0, 25.0),
        expect!["p95 95 s against 15–25 s expected (4.8× typical), 214 calls in 20 s"],
    );
}

#[test]
fn failing_calls() {
    check(
        &facts(Measure::ErrorRatio, 0.001, 0.5, 0.0, 0.012),
        expect!["50 % of calls failed (107 of 214 in 20 s) against at most 1.2 % expected"],
    );
    check(
        &Facts {
            learning: true,
            ..facts(Measure::ErrorRatio, 0.0, 0.5, 0.0, 0.0)
        },
        expect![
            "50 % of calls failed (107 of 214 in 20 s) while still learning, and so many failures are normal for no Api"
        ],
    );
}

#[test]
fn missing_calls() {
    check(
        &facts(Measure::Rate, 10.2, 2.1, 8.0, 12.5),
        expect![
            "2.10 calls/s against 8–12.5 calls/s expected (79 % below typical), 214 calls in 20 s"
        ],
    );
    check(
        &Facts {
            observations: 0,
            span: Duration::from_secs(4000),
            ..facts(Measure::Rate, 10.2, 0.0, 8.0, 12.5)
        },
        expect!["no calls for 1 h 6 min against 8–12.5 calls/s expected"],
    );
}

#[test]
fn unusual_records() {
    check(
        &facts(Measure::LogErrorRatio, 0.001, 0.25, 0.0, 0.01),
        expect![
            "25 % of log records are errors (54 of 214 in 20 s) against at most 1.0 % expected"
        ],
    );
    let template = Measure::TemplateRate(TemplateId(7));
    check(
        &facts(template, 0.001, 0.25, 0.0, 0.01),
        expect![
            "a log message makes up 25 % of the records (54 of 214 records in 20 s) against at most 1.0 % expected"
        ],
    );
    check(
        &Facts {
            detector: "new-log-template",
            ..facts(template, 0.0, 0.06, 0.0, 0.001)
        },
        expect!["an error message never seen in 12,480 records before: 13 of 214 records in 20 s"],
    );
}

#[test]
fn the_odd_one_out() {
    let peers = |against, others| {
        Some(Peers {
            kind: "replica",
            name: "checkout-3",
            others,
            against,
        })
    };
    check(
        &Facts {
            peers: peers(0.0498, 5),
            ..facts(Measure::Latency, 0.055, 0.204, 0.0, 0.08)
        },
        expect![
            "replica checkout-3 is 4.1× slower than its 5 peers (204 ms against 49.8 ms, usually 1.1×), 214 calls in 20 s"
        ],
    );
    check(
        &Facts {
            peers: peers(0.0, 1),
            ..facts(Measure::ErrorRatio, 0.0, 0.12, 0.0, 0.01)
        },
        expect![
            "12 % of calls to replica checkout-3 failed (26 of 214 in 20 s) where 0 % did at its only peer (usually 1.0×)"
        ],
    );
}

#[test]
fn a_number_that_people_want_watched() {
    let facts = Facts {
        statistic: "for this time of day",
        detector: "stream",
        observations: 6,
        span: Duration::from_secs(60),
        number: Some(NumberName {
            name: "queue depth",
            unit: Some("jobs"),
        }),
        ..facts(Measure::Number, 45.25, 812.0, 40.0, 52.125)
    };
    check(
        &facts,
        expect![
            "queue depth 812 jobs against 40–52.1 jobs expected now (45.2 typical); most unusual for this time of day, by the mean of 6 values in 60 s"
        ],
    );
    check(
        &Facts {
            statistic: "in the shape of its last values",
            observations: 1,
            number: Some(NumberName {
                name: "temperature",
                unit: None,
            }),
            ..self::facts(Measure::Number, -3.5, -4.0, -12.0, 5.0)
        },
        expect![
            "temperature -4 within the -12 to 5 expected now (-3.50 typical); most unusual in the shape of its last values, by one value in 20 s"
        ],
    );
}
