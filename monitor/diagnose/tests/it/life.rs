//! Pending, firing, resolved: laws that hold for any course of events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    Alert, AlertId, AlertSeverity, AlertState, Anomaly, ApiKey, Band, Direction, Explanation,
    Measure, Score, Select, ServiceKey, Settings, SignalKey, Subject, Time, Window,
};
use monitor_diagnose::{AlertBook, AlertConfig, anomaly_id};
use proptest::prelude::*;

fn config() -> AlertConfig {
    AlertConfig {
        pending_for: Duration::from_secs(5),
        settle_for: Duration::ZERO,
        keep_firing_for: Duration::from_secs(30),
        resend_every: Duration::from_secs(60),
        resend_resolved_for: Duration::from_secs(300),
    }
}

/// Maintenance without end for these services.
fn muted(services: &BTreeSet<&'static str>) -> Arc<Settings> {
    let window = |service: &&str| Window {
        name: (*service).into(),
        starts: Time::MIN,
        ends: Time::MAX,
        mute: true,
        exclude_learning: false,
        select: Select {
            workloads: vec![ServiceKey::new("shop", service)],
            ..Select::default()
        },
    };
    let windows = services.iter().map(window).collect();
    Arc::new(Settings::new([], windows, Vec::new()))
}

fn at(seconds: i64) -> Time {
    Time::from_secs(1_700_000_000 + seconds)
}

fn anomaly(service: u8, route: u8, start: i64, actual: f64) -> Anomaly {
    let signal = SignalKey {
        subject: Subject::Api(Arc::new(ApiKey {
            environment: "cloud-a".into(),
            service: ServiceKey::new(
                "shop",
                ["orders", "cart", "search"][usize::from(service % 3)],
            ),
            method: "GET".into(),
            route: ["/a", "/b"][usize::from(route % 2)].into(),
        })),
        measure: Measure::ErrorRatio,
    };
    Anomaly {
        id: anomaly_id(&signal, "error-ratio", at(start)),
        signal,
        detector: "error-ratio".into(),
        direction: Direction::Above,
        start: at(start),
        detected: at(start + 5),
        end: None,
        score: Score::new(2.5 + actual),
        explanation: Explanation {
            typical: 0.001,
            actual,
            band: Band {
                lower: 0.0,
                upper: 0.01,
            },
            observations: 100,
            learned_from: 1000,
            contributions: Vec::new(),
            why: format!("{actual} failed"),
        },
    }
}

fn closed(anomaly: &Anomaly, end: i64) -> Anomaly {
    Anomaly {
        end: Some(at(end)),
        ..anomaly.clone()
    }
}

#[test]
fn an_alert_waits_fires_and_resolves() {
    let mut book = AlertBook::default();
    let trouble = anomaly(0, 0, 0, 0.1);
    book.record(&trouble, at(5));
    assert!(book.advance(at(9), &config()).is_empty());
    assert_eq!(book.alerts(at(9))[0].state, AlertState::Pending);
    let fired = book.advance(at(10), &config());
    let labels: Vec<String> = fired[0]
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expect!["alertname=ApiErrorsHigh anomaly_type=error-ratio environment=cloud-a method=GET namespace=shop route=/a service=orders severity=warning"].assert_eq(&labels.join(" "));
    expect!["shop/orders GET /a @ cloud-a: 0.1 failed"].assert_eq(&fired[0].annotations["summary"]);
    book.record(&closed(&trouble, 60), at(90));
    assert!(book.advance(at(119), &config()).is_empty());
    let resolved = book.advance(at(120), &config());
    assert_eq!(resolved[0].state, AlertState::Resolved);
    assert_eq!(resolved[0].id, fired[0].id);
    assert_eq!(resolved[0].ends_at, Some(at(120)));
    assert!(book.alerts(at(120)).is_empty());
}

#[test]
fn firing_is_told_again_each_interval_and_resolved_for_five_minutes() {
    let mut book = AlertBook::default();
    let trouble = anomaly(0, 0, 0, 0.1);
    book.record(&trouble, at(0));
    assert_eq!(book.advance(at(5), &config()).len(), 1);
    let told = |book: &mut AlertBook, from: i64, to: i64| -> Vec<i64> {
        (from..to)
            .filter(|second| !book.resend(at(*second), &config()).is_empty())
            .collect()
    };
    assert_eq!(told(&mut book, 5, 200), [65, 125, 185]);
    book.record(&closed(&trouble, 190), at(200));
    assert_eq!(book.advance(at(230), &config()).len(), 1);
    assert_eq!(told(&mut book, 230, 1000), [290, 350, 410, 470, 530]);
}

#[test]
fn a_firing_alert_may_be_believed_for_four_intervals() {
    let mut book = AlertBook::default();
    book.record(&anomaly(0, 0, 0, 0.1), at(0));
    let fired = book.advance(at(5), &config());
    assert_eq!(config().ends_at(&fired[0], at(5)), at(245));
}

#[test]
fn when_it_gets_worse_the_old_alert_is_resolved_and_a_worse_one_fires() {
    let mut book = AlertBook::default();
    let trouble = anomaly(0, 0, 0, 0.1);
    book.record(&trouble, at(0));
    let mild = book.advance(at(5), &config());
    assert_eq!(mild[0].severity, AlertSeverity::Warning);
    book.record(&anomaly(0, 0, 0, 0.6), at(20));
    let changed = book.advance(at(20), &config());
    assert_eq!(
        [changed[0].state, changed[1].state],
        [AlertState::Resolved, AlertState::Firing]
    );
    assert_eq!(
        (changed[0].id, changed[1].severity),
        (mild[0].id, AlertSeverity::Critical)
    );
    // It does not become milder again.
    book.record(&anomaly(0, 0, 0, 0.1), at(30));
    assert!(book.advance(at(30), &config()).is_empty());
}

#[test]
fn a_restart_in_the_middle_of_an_incident_goes_on() {
    let mut book = AlertBook::default();
    let trouble = anomaly(0, 0, 0, 0.1);
    book.record(&trouble, at(0));
    let fired = book.advance(at(5), &config());
    let bytes = postcard::to_stdvec(&book).unwrap();
    let mut book: AlertBook = postcard::from_bytes(&bytes).unwrap();
    assert!(
        book.advance(at(6), &config()).is_empty(),
        "it is not told twice"
    );
    book.record(&closed(&trouble, 10), at(40));
    let resolved = book.advance(at(70), &config());
    assert_eq!(resolved[0].id, fired[0].id);
}

#[test]
fn blind_time_is_no_time() {
    let mut book = AlertBook::default();
    book.record(&anomaly(0, 0, 0, 0.1), at(0));
    book.skip(Duration::from_secs(3600));
    assert!(book.advance(at(3604), &config()).is_empty());
    assert_eq!(book.advance(at(3605), &config()).len(), 1);
}

#[derive(Clone, Debug)]
enum Event {
    Open { service: u8, route: u8, percent: u8 },
    Close { which: usize },
    Pause { service: u8 },
    Resume { service: u8 },
    Pass { seconds: i64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any::<u8>(), any::<u8>(), 1u8..100).prop_map(|(service, route, percent)| Event::Open {
            service,
            route,
            percent
        }),
        any::<usize>().prop_map(|which| Event::Close { which }),
        (0u8..3).prop_map(|service| Event::Pause { service }),
        (0u8..3).prop_map(|service| Event::Resume { service }),
        (1i64..90).prop_map(|seconds| Event::Pass { seconds }),
        (1i64..90).prop_map(|seconds| Event::Pass { seconds }),
    ]
}

/// What a receiver knows: which alerts fire, and when it last heard of each.
#[derive(Default)]
struct Receiver {
    firing: BTreeMap<AlertId, i64>,
    ever_fired: BTreeSet<AlertId>,
}

impl Receiver {
    fn told(&mut self, alert: &Alert, now: i64) -> Result<(), TestCaseError> {
        match alert.state {
            AlertState::Firing => {
                prop_assert!(self.firing.insert(alert.id, now).is_none(), "fires twice");
                prop_assert!(alert.ends_at.is_none());
                self.ever_fired.insert(alert.id);
            }
            AlertState::Resolved => {
                prop_assert!(
                    self.firing.remove(&alert.id).is_some(),
                    "resolved without firing"
                );
                prop_assert!(alert.ends_at.is_some());
            }
            AlertState::Pending => prop_assert!(false, "nobody is told of pending alerts"),
        }
        // Only names of things: no value, score, id or time.
        for (label, value) in &alert.labels {
            let known = [
                "GET", "/a", "/b", "orders", "cart", "search", "shop", "cloud-a",
            ];
            let words = [
                "warning",
                "critical",
                "error-ratio",
                "ApiErrorsHigh",
                "ServiceAnomalous",
            ];
            prop_assert!(
                known.contains(&&**value) || words.contains(&&**value),
                "{} = {}",
                label,
                value
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_receiver_is_told_consistently_whatever_happens(
        events in prop::collection::vec(event(), 1..80))
    {
        let config = config();
        let mut book = AlertBook::default();
        let mut receiver = Receiver::default();
        let mut open: Vec<Anomaly> = Vec::new();
        let mut paused: BTreeSet<&str> = BTreeSet::new();
        let mut now = 0;
        let name = |service: u8| ["orders", "cart", "search"][usize::from(service % 3)];
        for event in events {
            match event {
                Event::Open { service, route, percent } => {
                    let new = anomaly(service, route, now, f64::from(percent) / 100.0);
                    book.record(&new, at(now));
                    open.retain(|known| known.id != new.id);
                    open.push(new);
                }
                Event::Close { which } if !open.is_empty() => {
                    let gone = open.remove(which % open.len());
                    book.record(&closed(&gone, now), at(now));
                }
                Event::Close { .. } => {}
                Event::Pause { service } => {
                    paused.insert(name(service));
                    book.configure(muted(&paused));
                }
                Event::Resume { service } => {
                    paused.remove(name(service));
                    book.configure(muted(&paused));
                }
                Event::Pass { seconds } => {
                    for _ in 0..seconds {
                        now += 1;
                        for alert in book.advance(at(now), &config) {
                            if alert.state == AlertState::Firing {
                                prop_assert!(!paused.contains(&*alert.labels["service"]));
                            }
                            receiver.told(&alert, now)?;
                        }
                        for alert in book.resend(at(now), &config) {
                            if alert.state == AlertState::Firing {
                                prop_assert!(!paused.contains(&*alert.labels["service"]));
                                let last = receiver.firing.insert(alert.id, now);
                                prop_assert!(last.is_some_and(|last| now - last >= 60));
                            } else {
                                prop_assert!(!receiver.firing.contains_key(&alert.id));
                                prop_assert!(receiver.ever_fired.contains(&alert.id));
                            }
                        }
                        if paused.is_empty() {
                            // Nobody who believes an alert for four intervals is left waiting.
                            prop_assert!(receiver.firing.values().all(|last| now - last <= 240));
                        }
                    }
                }
            }
        }
        // All is over: in the end nothing fires.
        for gone in open {
            book.record(&closed(&gone, now), at(now));
        }
        for _ in 0..400 {
            now += 1;
            for alert in book.advance(at(now), &config) {
                receiver.told(&alert, now)?;
            }
        }
        prop_assert!(receiver.firing.is_empty());
        prop_assert!(book.alerts(at(now)).is_empty());
        prop_assert_eq!(book.counts().fired, book.counts().resolved);
    }
}
