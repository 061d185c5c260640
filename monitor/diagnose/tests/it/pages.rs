//! Who is told of an incident: somebody, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use monitor_core::{
    Alert, AlertState, Anomaly, ApiKey, Band, Direction, Explanation, IncidentId, Measure, Score,
    ServiceKey, SignalKey, Subject, Time,
};
use monitor_diagnose::{AlertBook, AlertConfig, Cause, anomaly_id};

const CONFIG: AlertConfig = AlertConfig {
    pending_for: Duration::from_secs(5),
    settle_for: Duration::ZERO,
    keep_firing_for: Duration::from_secs(30),
    resend_every: Duration::from_secs(60),
    resend_resolved_for: Duration::from_secs(300),
};

fn at(seconds: i64) -> Time {
    Time::from_secs(1_700_000_000 + seconds)
}

fn failing(service: &str, start: i64, share: f64) -> Anomaly {
    let signal = SignalKey {
        subject: Subject::Api(Arc::new(ApiKey {
            environment: "cloud-a".into(),
            service: ServiceKey::new("shop", service),
            method: "GET".into(),
            route: "/".into(),
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
        score: Score::new(3.0),
        explanation: Explanation {
            typical: 0.001,
            actual: share,
            band: Band {
                lower: 0.0,
                upper: 0.01,
            },
            observations: 100,
            learned_from: 1000,
            contributions: Vec::new(),
            why: format!("{share} failed"),
        },
    }
}

/// A book that is told which services are in which incident, the likeliest cause first.
struct Desk {
    book: AlertBook,
    now: i64,
    incidents: BTreeMap<u64, Vec<&'static str>>,
    told: String,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            book: AlertBook::default(),
            now: 0,
            incidents: BTreeMap::new(),
            told: String::new(),
        }
    }

    fn incident(&mut self, id: u64, services: &[&'static str]) -> &mut Desk {
        self.incidents.insert(id, services.to_vec());
        self.follow(&[]);
        self
    }

    fn over(&mut self, id: u64) -> &mut Desk {
        self.incidents.remove(&id);
        self.follow(&[]);
        self
    }

    fn merged(&mut self, part: u64, whole: u64) -> &mut Desk {
        let services = self.incidents.remove(&part).expect("an incident");
        self.incidents
            .get_mut(&whole)
            .expect("an incident")
            .extend(services);
        self.follow(&[(part, whole)]);
        self
    }

    fn follow(&mut self, merged: &[(u64, u64)]) {
        let lasting: BTreeSet<IncidentId> =
            self.incidents.keys().map(|id| IncidentId(*id)).collect();
        let merged = merged
            .iter()
            .map(|(part, whole)| (IncidentId(*part), IncidentId(*whole)));
        self.book.follow(lasting, merged);
    }

    fn found(&mut self, anomaly: &Anomaly) -> &mut Desk {
        self.book.record(anomaly, at(self.now));
        self
    }

    fn recovered(&mut self, anomaly: &Anomaly) -> &mut Desk {
        let over = Anomaly {
            end: Some(at(self.now)),
            ..anomaly.clone()
        };
        self.book.record(&over, at(self.now));
        self
    }

    fn until(&mut self, end: i64) -> &mut Desk {
        while self.now < end {
            self.now += 1;
            let incidents = &self.incidents;
            self.book.attribute(|service, _| {
                incidents.iter().find_map(|(id, services)| {
                    let rank = services.iter().position(|known| *known == &*service.name)?;
                    Some(Cause {
                        incident: IncidentId(*id),
                        rank: u32::try_from(rank).expect("a few"),
                        root_cause: None,
                        impact: None,
                        changes: None,
                    })
                })
            });
            for alert in self.book.advance(at(self.now), &CONFIG) {
                let what = match alert.state {
                    AlertState::Resolved => "over",
                    _ => "page",
                };
                let line = format!("+{} {what} {}\n", self.now, name(&alert));
                self.told.push_str(&line);
            }
        }
        self
    }

    fn check(&self, expected: Expect) {
        let muted: Vec<String> = self
            .book
            .alerts(at(self.now))
            .iter()
            .filter_map(|alert| Some(format!("{}: {}", name(alert), alert.muted.as_ref()?)))
            .collect();
        expected.assert_eq(&format!("{}{}", self.told, muted.join("\n")));
    }
}

fn name(alert: &Alert) -> String {
    format!("{} {}", alert.labels["service"], alert.severity.as_str())
}

#[test]
fn an_incident_pages_once_at_its_likeliest_suspect_for_as_long_as_it_lasts() {
    let mut desk = Desk::new();
    let (ledger, checkout) = (failing("ledger", 0, 0.1), failing("checkout", 0, 0.1));
    desk.incident(1, &["ledger", "checkout"])
        .found(&checkout)
        .found(&ledger)
        .until(20)
        .recovered(&ledger)
        .until(100);
    desk.check(expect![[r#"
        +5 page ledger warning
        checkout warning: part of incident 0000000000000001, of which the alert of shop/ledger @ cloud-a tells since 2023-11-14T22:13:25Z"#]]);
    desk.recovered(&checkout).over(1).until(200);
    desk.check(expect![[r#"
        +5 page ledger warning
        +101 over ledger warning
    "#]]);
}

#[test]
fn what_gets_worse_is_told_once_more() {
    let mut desk = Desk::new();
    desk.incident(1, &["ledger", "checkout", "edge"])
        .found(&failing("ledger", 0, 0.1))
        .until(20)
        .found(&failing("checkout", 15, 0.9))
        .until(30)
        .found(&failing("edge", 25, 0.9))
        .until(60);
    desk.check(expect![[r#"
        +5 page ledger warning
        +25 page checkout critical
        edge critical: part of incident 0000000000000001, of which the alert of shop/checkout @ cloud-a tells since 2023-11-14T22:13:45Z"#]]);
}

#[test]
fn an_incident_that_is_back_shortly_after_does_not_page_again() {
    let mut desk = Desk::new();
    let first = failing("ledger", 0, 0.1);
    desk.incident(1, &["ledger"])
        .found(&first)
        .until(20)
        .recovered(&first)
        .over(1)
        .until(60)
        .incident(1, &["ledger"])
        .found(&failing("ledger", 58, 0.1))
        .until(80);
    desk.check(expect![[r#"
        +5 page ledger warning
        +50 over ledger warning
        ledger warning: part of incident 0000000000000001, which was over at 2023-11-14T22:14:10Z and is back: the alert of shop/ledger @ cloud-a told of it at 2023-11-14T22:13:25Z"#]]);
}

#[test]
fn two_that_become_one_page_no_more() {
    let mut desk = Desk::new();
    desk.incident(1, &["cart"])
        .incident(2, &["inventory", "orders"])
        .found(&failing("cart", 0, 0.1))
        .found(&failing("inventory", 0, 0.1))
        .until(10)
        .merged(2, 1)
        .found(&failing("orders", 5, 0.1))
        .until(60);
    desk.check(expect![[r#"
        +5 page cart warning
        +5 page inventory warning
        orders warning: part of incident 0000000000000001, of which the alert of shop/cart @ cloud-a tells since 2023-11-14T22:13:25Z"#]]);
}

#[test]
fn the_next_incident_of_a_service_pages_though_its_alert_still_fires() {
    let mut desk = Desk::new();
    let first = failing("ledger", 0, 0.1);
    desk.incident(1, &["ledger"])
        .found(&first)
        .until(20)
        .recovered(&first)
        .until(40)
        .over(1)
        .incident(2, &["ledger"])
        .found(&failing("ledger", 38, 0.1))
        .until(60);
    desk.check(expect![[r#"
        +5 page ledger warning
        +41 over ledger warning
        +41 page ledger warning
    "#]]);
}
