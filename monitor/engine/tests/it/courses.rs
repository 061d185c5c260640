//! What detectors that are given away document as missed: patterns of the week, slow degradation,
//! planned events, services that stop, degrees of badness, anomalies that become normal.
//!
//! Whole days and weeks, so calls come in volleys of several every ten seconds.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    AlertSeverity, AlertState, Anomaly, ApiKey, ApiState, Call, CallSource, CallStatus, Measure,
    Name, Observation, ServiceKey, Time,
};
use monitor_engine::{Effect, Engine, EngineConfig};

use crate::world::Random;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// A Monday's midnight.
const START: i64 = 1_699_833_600;
const VOLLEY: i64 = 10;

/// What an Api does at a moment.
#[derive(Clone, Copy, Debug)]
struct Doing {
    /// Calls in a volley, about.
    calls: f64,
    ms: f64,
    failing: f64,
}

const USUAL: Doing = Doing {
    calls: 6.0,
    ms: 50.0,
    failing: 0.0,
};

#[derive(Debug)]
struct Weeks {
    engine: Engine,
    random: Random,
    key: Arc<ApiKey>,
    other: Arc<ApiKey>,
    now: i64,
    effects: Vec<Effect>,
}

fn key(environment: &str, route: &str) -> Arc<ApiKey> {
    Arc::new(ApiKey {
        environment: environment.into(),
        service: ServiceKey::new("shop", "reports"),
        method: "GET".into(),
        route: route.into(),
    })
}

impl Weeks {
    fn new(seed: u64) -> Weeks {
        Weeks {
            engine: Engine::new(EngineConfig::default()),
            random: Random::new(seed),
            key: key("cloud-a", "/reports/{id}"),
            other: key("cloud-a", "/alive"),
            now: START,
            effects: Vec::new(),
        }
    }

    /// Lets time pass; `doing` is asked with the seconds since Monday's midnight.
    fn run(&mut self, secs: i64, doing: impl Fn(i64) -> Doing) -> &mut Weeks {
        let end = self.now + secs;
        while self.now < end {
            let doing = doing(self.now - START);
            for _ in 0..self.random.poisson(doing.calls) {
                let key = self.key.clone();
                self.call(key, doing);
            }
            // Somebody is always there, so that silence is silence.
            let other = self.other.clone();
            self.call(other, USUAL);
            self.now += VOLLEY;
            self.effects
                .extend(self.engine.tick(Time::from_secs(self.now)));
        }
        self
    }

    fn call(&mut self, api: Arc<ApiKey>, doing: Doing) {
        let ms = doing.ms * (0.3 * self.random.normal()).exp();
        let failed = self.random.unit() < doing.failing;
        self.engine.observe(&Observation::Call(Call {
            api,
            source: CallSource::Span,
            end: Time::from_secs(self.now) + Duration::from_millis(self.random.next() % 1_000),
            duration: Some(Duration::from_secs_f64(ms / 1e3)),
            response_bytes: None,
            status: CallStatus::Http(if failed { 503 } else { 200 }),
            error_type: None,
            instance: Name::from("pod-0"),
            version: None,
            caller: None,
            client: None,
            trace_id: None,
            span_id: None,
            parent: None,
            request_id: None,
            synthetic: false,
        }));
    }

    fn opened(&self) -> Vec<&Anomaly> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::AnomalyOpened(anomaly) => Some(anomaly),
                _ => None,
            })
            .collect()
    }

    /// Anomalies of this measure that began between two moments since the start.
    fn between(&self, measure: &Measure, from: i64, to: i64) -> usize {
        self.opened()
            .into_iter()
            .filter(|anomaly| anomaly.signal.measure == *measure)
            .filter(|anomaly| (from..to).contains(&(anomaly.start.as_secs() - START)))
            .count()
    }

    fn story(&self) -> String {
        self.opened()
            .into_iter()
            .map(|anomaly| {
                let since = anomaly.start.as_secs() - START;
                format!(
                    "day {} {:02}:{:02} {}: {}\n",
                    since / DAY,
                    since % DAY / HOUR,
                    since % HOUR / 60,
                    anomaly.detector,
                    anomaly.explanation.why
                )
            })
            .collect()
    }
}

/// On weekdays from eight to six.
fn office(secs: i64) -> Doing {
    let open = secs / DAY % 7 < 5 && (8..18).contains(&(secs % DAY / HOUR));
    Doing {
        calls: if open { 6.0 } else { 0.0 },
        ..USUAL
    }
}

#[test]
fn office_hours_are_learned_and_an_outage_within_them_is_found() {
    let mut weeks = Weeks::new(1);
    let outage = 14 * DAY + 11 * HOUR;
    weeks.run(14 * DAY + 14 * HOUR, |secs| {
        if (outage..outage + HOUR).contains(&secs) {
            Doing {
                calls: 0.0,
                ..USUAL
            }
        } else {
            office(secs)
        }
    });
    // Two evenings, and the Monday after a weekend of which nobody knew.
    let first_week = weeks.between(&Measure::Rate, 0, 9 * DAY);
    assert!((1..=6).contains(&first_week), "{}", weeks.story());
    let later = weeks.between(&Measure::Rate, 9 * DAY, outage - HOUR);
    assert_eq!(
        later,
        0,
        "nights and weekends are known:\n{}",
        weeks.story()
    );
    let found = weeks.between(&Measure::Rate, outage - 60, outage + HOUR);
    assert_eq!(found, 1, "a Monday at eleven:\n{}", weeks.story());
}

#[test]
fn a_leak_that_takes_hours_is_found_though_no_minute_differs_from_the_last() {
    let mut weeks = Weeks::new(2);
    weeks.run(12 * HOUR, |_| USUAL);
    let before = weeks.opened().len();
    // Two and a half times as slow over eight hours: a fifth of a percent a minute.
    weeks.run(8 * HOUR, |secs| Doing {
        ms: USUAL.ms * (1.0 + 1.5 * (secs - 12 * HOUR) as f64 / (8 * HOUR) as f64),
        ..USUAL
    });
    assert_eq!(before, 0, "{}", weeks.story());
    assert!(
        weeks.between(&Measure::Latency, 12 * HOUR, 18 * HOUR) >= 1,
        "{}",
        weeks.story()
    );
}

/// Every night at two for twenty minutes, response times triple and traffic quintuples.
fn nightly(secs: i64) -> Doing {
    let runs = (2 * HOUR..2 * HOUR + 1_200).contains(&(secs % DAY));
    Doing {
        calls: if runs { 30.0 } else { 6.0 },
        ms: if runs { 150.0 } else { 50.0 },
        failing: 0.0,
    }
}

#[test]
fn a_planned_event_is_told_twice_and_expected_from_then_on() {
    let mut weeks = Weeks::new(3);
    weeks.run(6 * DAY, nightly);
    let told = weeks.between(&Measure::Latency, 0, 3 * DAY);
    assert!((1..=3).contains(&told), "{}", weeks.story());
    assert_eq!(
        weeks.between(&Measure::Latency, 3 * DAY, 6 * DAY),
        0,
        "{}",
        weeks.story()
    );
    // What is expected at two is trouble at noon.
    weeks.run(12 * HOUR, nightly);
    weeks.run(HOUR / 3, |_| Doing { ms: 150.0, ..USUAL });
    assert_eq!(
        weeks.between(&Measure::Latency, 6 * DAY + 11 * HOUR, 7 * DAY),
        1,
        "{}",
        weeks.story()
    );
}

#[test]
fn a_service_that_stops_is_silent_and_not_forgotten() {
    let mut weeks = Weeks::new(4);
    weeks.run(2 * DAY, |_| USUAL);
    let gone = Doing {
        calls: 0.0,
        ..USUAL
    };
    weeks.run(6 * HOUR, |_| gone);
    assert_eq!(
        weeks.between(&Measure::Rate, 2 * DAY - 60, 3 * DAY),
        1,
        "{}",
        weeks.story()
    );
    let view = weeks.engine.view();
    let api = view.apis.iter().find(|api| api.key == weeks.key);
    assert_eq!(api.map(|api| api.state), Some(ApiState::Silent));
}

#[test]
fn worse_trouble_is_graded_higher() {
    let grade = |ms: f64, failing: f64| {
        let mut weeks = Weeks::new(5);
        weeks.run(2 * HOUR, |_| USUAL);
        weeks.run(600, |_| Doing {
            ms,
            failing,
            ..USUAL
        });
        let fired = weeks.effects.iter().rev().find_map(|effect| match effect {
            Effect::Alert(alert) if alert.state == AlertState::Firing => Some(alert.severity),
            _ => None,
        });
        let opened = weeks.opened();
        let harm = opened
            .iter()
            .map(|anomaly| anomaly.severity_percent(anomaly.start + Duration::from_secs(300)));
        (fired, harm.fold(0.0, f64::max))
    };
    let (mild, mild_harm) = grade(120.0, 0.0);
    let (bad, bad_harm) = grade(600.0, 0.0);
    let (failing, failing_harm) = grade(50.0, 0.6);
    assert_eq!(mild, Some(AlertSeverity::Warning));
    assert_eq!(bad, Some(AlertSeverity::Critical));
    assert_eq!(failing, Some(AlertSeverity::Critical));
    assert!(
        0.0 < mild_harm && mild_harm < bad_harm && bad_harm < failing_harm,
        "{mild_harm} {bad_harm} {failing_harm}"
    );
}

#[test]
fn what_lasts_becomes_normal_after_one_alert_and_what_it_was_is_then_unusual_no_more() {
    let mut weeks = Weeks::new(6);
    weeks.run(6 * HOUR, |_| USUAL);
    let slower = Doing { ms: 130.0, ..USUAL };
    weeks.run(12 * HOUR, |_| slower);
    assert_eq!(
        weeks.between(&Measure::Latency, 6 * HOUR - 60, 18 * HOUR),
        1,
        "{}",
        weeks.story()
    );
    let view = weeks.engine.view();
    let api = view.apis.iter().find(|api| api.key == weeks.key);
    assert_eq!(api.map(|api| api.state), Some(ApiState::Ok));
    weeks.run(600, |_| Doing { ms: 520.0, ..USUAL });
    assert_eq!(
        weeks.between(&Measure::Latency, 18 * HOUR - 60, 19 * HOUR),
        1,
        "worse than the new normal:\n{}",
        weeks.story()
    );
}

#[test]
fn trouble_that_grows_day_by_day_does_not_become_normal_unnoticed() {
    let mut weeks = Weeks::new(7);
    // Each noon an attack of twenty minutes, a tenth slower than that of the day before.
    weeks.run(8 * DAY, |secs| {
        let attacks = (12 * HOUR..12 * HOUR + 1_200).contains(&(secs % DAY));
        let grown = 1.1f64.powi((secs / DAY) as i32 * 2);
        Doing {
            ms: if attacks { 50.0 * grown } else { 50.0 },
            ..USUAL
        }
    });
    let told = weeks.between(&Measure::Latency, 0, 8 * DAY);
    assert!(told >= 1, "{}", weeks.story());
}
