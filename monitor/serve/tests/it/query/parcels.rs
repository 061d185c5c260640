//! An invented platform that carries parcels: what the site's tests and the page's example show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::*;

pub(crate) fn key(environment: &str, service: &str, method: &str, route: &str) -> Arc<ApiKey> {
    Arc::new(ApiKey {
        environment: environment.into(),
        service: ServiceKey::new("post", service),
        method: method.into(),
        route: route.into(),
    })
}

/// An Api that is as expected, with response times around `p50` seconds.
pub(crate) fn calm(key: Arc<ApiKey>, now: Time, rate: f64, p50: f64) -> ApiView {
    let signal = |actual: f64, spread: f64, score: f64| SignalView {
        actual: Some(actual),
        typical: Some(actual),
        band: Some(Band {
            lower: actual * (1.0 - spread),
            upper: actual * (1.0 + spread),
        }),
        score: Score::new(score),
    };
    ApiView {
        key,
        state: ApiState::Ok,
        reason: "ok: all signals are within their bands".to_owned(),
        score: Score::new(0.4),
        source: CallSource::Span,
        rate,
        error_ratio: 0.001,
        p50: Some(p50),
        p95: Some(p50 * 2.5),
        p99: Some(p50 * 4.0),
        rate_signal: signal(rate, 0.5, 0.4),
        error_signal: SignalView {
            actual: Some(0.001),
            typical: Some(0.001),
            band: Some(Band {
                lower: 0.0,
                upper: 0.02,
            }),
            score: Score::new(0.1),
        },
        latency_signal: signal(p50 * 2.5, 0.4, 0.3),
        calls_total: (rate * 3_600.0) as u64,
        errors_total: (rate * 3.6) as u64,
        first_seen: now - Duration::from_hours(1),
        last_seen: now,
    }
}

pub(crate) fn view(now: Time) -> View {
    let at = now - Duration::from_secs(2);
    let slow = key("aws-eu-central-1", "tariffs", "GET", "/quotes/{id}");
    let slow_again = slow.clone();
    let failing = key("dc-north", "labels", "POST", "/labels");
    let mut first = calm(slow.clone(), at, 41.25, 0.018);
    first.state = ApiState::Anomalous;
    first.reason = "anomalous: latency is above its band".to_owned();
    first.score = Score::new(4.2);
    first.p95 = Some(2.31);
    first.p99 = Some(3.4);
    first.latency_signal = SignalView {
        actual: Some(2.4),
        typical: Some(0.071),
        band: Some(Band {
            lower: 0.04,
            upper: 0.13,
        }),
        score: Score::new(4.2),
    };
    let mut second = calm(failing.clone(), at, 6.5, 0.05);
    second.state = ApiState::Anomalous;
    second.reason = "anomalous: error_ratio is above its band".to_owned();
    second.score = Score::new(1.8);
    second.error_ratio = 0.23;
    second.source = CallSource::Log;
    second.error_signal = SignalView {
        actual: Some(0.23),
        typical: Some(0.004),
        band: Some(Band {
            lower: 0.0,
            upper: 0.03,
        }),
        score: Score::new(1.8),
    };
    let mut silent = calm(
        key("dc-north", "depots", "CONSUME", "arrivals"),
        at,
        0.0,
        0.01,
    );
    silent.state = ApiState::Silent;
    silent.reason = "silent: 2.4 calls/s are usual, none came for 45 s".to_owned();
    silent.score = Score::new(1.5);
    (silent.p50, silent.p95, silent.p99) = (None, None, None);
    silent.last_seen = at - Duration::from_secs(45);
    let mut learning = calm(
        key("gcp-europe-west4", "notify", "RPC", "post.Notify/Send"),
        at,
        1.5,
        0.004,
    );
    learning.state = ApiState::Learning;
    learning.reason = "learning: 41 of 60 seconds with calls".to_owned();
    learning.score = Score::NORMAL;
    for signal in [
        &mut learning.rate_signal,
        &mut learning.error_signal,
        &mut learning.latency_signal,
    ] {
        (signal.typical, signal.band, signal.score) = (None, None, Score::NORMAL);
    }
    let apis = vec![
        first,
        second,
        silent,
        calm(
            key("aws-eu-central-1", "gateway", "GET", "/parcels/{id}"),
            at,
            120.0,
            0.031,
        ),
        calm(
            key("aws-eu-central-1", "gateway", "POST", "/parcels"),
            at,
            18.0,
            0.062,
        ),
        calm(
            key("aws-eu-central-1", "gateway", "", "~other"),
            at,
            0.4,
            0.02,
        ),
        learning,
    ];
    let latency = anomaly(
        0x51,
        Subject::Api(slow),
        Measure::Latency,
        "latency-spike",
        at - Duration::from_secs(12),
        4.2,
        Explanation {
            typical: 0.071,
            actual: 2.4,
            band: Band {
                lower: 0.04,
                upper: 0.13,
            },
            observations: 495,
            learned_from: 86_400,
            contributions: vec![
                contribution("instance", "tariffs-7d9f-x2x", 0.97, 0.33),
                contribution("version", "2.14.0", 0.95, 0.31),
            ],
            why: "the 95th percentile is 2.4 s where 0.04 to 0.13 s is usual; 97 % of the slow \
                  calls are of instance tariffs-7d9f-x2x"
                .to_owned(),
        },
    );
    let errors = anomaly(
        0x52,
        Subject::Api(failing),
        Measure::ErrorRatio,
        "error-ratio",
        at - Duration::from_mins(3),
        1.8,
        Explanation {
            typical: 0.004,
            actual: 0.23,
            band: Band {
                lower: 0.0,
                upper: 0.03,
            },
            observations: 1_170,
            learned_from: 23_400,
            contributions: vec![contribution("error.type", "PrinterOffline", 0.88, 0.02)],
            why: "23 % of the calls fail where up to 3 % is usual".to_owned(),
        },
    );
    let mut logs = anomaly(
        0x53,
        Subject::Service {
            service: ServiceKey::new("post", "depots"),
            environment: "dc-north".into(),
        },
        Measure::TemplateRate(TemplateId(0xbeef)),
        "template-burst",
        at - Duration::from_mins(40),
        2.2,
        Explanation {
            typical: 0.1,
            actual: 12.0,
            band: Band {
                lower: f64::NEG_INFINITY,
                upper: 1.5,
            },
            observations: 720,
            learned_from: 5_000,
            contributions: Vec::new(),
            why: "this message came 120 times as often as usual".to_owned(),
        },
    );
    logs.end = Some(at - Duration::from_mins(35));
    let alert = Alert {
        id: AlertId(0xa1),
        state: AlertState::Firing,
        severity: AlertSeverity::Critical,
        labels: names(&[
            ("alertname", "ApiAnomalous"),
            ("service", "tariffs"),
            ("severity", "critical"),
        ]),
        annotations: [(
            Name::from("summary"),
            "GET /quotes/{id} of post/tariffs is slow".to_owned(),
        )]
        .into(),
        starts_at: at - Duration::from_secs(9),
        ends_at: None,
        muted: None,
        anomalies: vec![latency.clone()],
    };
    let workload = |environment: &str, service: &str| Workload {
        service: ServiceKey::new("post", service),
        environment: environment.into(),
    };
    let rollout = Change {
        id: "tariffs-42".into(),
        source: "kubernetes".into(),
        at: at - Duration::from_secs(400),
        kind: "rollout".into(),
        namespace: Some("post".into()),
        service: Some("tariffs".into()),
        environment: None,
        summary: "tariffs went from v41 to v42".to_owned(),
        attributes: vec![("deployment".into(), "tariffs".into())],
    };
    let incident = Incident {
        scope: "in aws-eu-central-1 and dc-north".to_owned(),
        impact: Some(monitor_core::Impact {
            calls_per_second: 40.0,
            affected: 0.125,
            usually: 0.001,
            by_environment: vec![("dc-north".into(), 0.5)],
            next_minute: monitor_core::Forecast {
                expected: 0.125,
                low: 0.0,
                high: 0.35,
            },
            later: vec![monitor_core::Outlook {
                horizon_secs: 300,
                lasts: 0.4,
                affected: monitor_core::Forecast {
                    expected: 0.05,
                    low: 0.0,
                    high: 0.3,
                },
            }],
            users: Some(monitor_core::UserImpact {
                journeys_so_far: 212.0,
                apdex: Some(0.61),
                apdex_usually: Some(0.97),
                journeys: vec![monitor_core::JourneyImpact {
                    kind: monitor_core::JourneyTypeId(0x9c1f),
                    name: "POST /parcels".into(),
                    rate: 12.0,
                    hurt: 0.35,
                    usually: 0.01,
                    apdex: 0.58,
                    apdex_usually: 0.97,
                    so_far: 212.0,
                }],
                budgets: vec![monitor_core::BudgetImpact {
                    service: ServiceKey::new("post", "tariffs"),
                    environment: "aws-eu-central-1".into(),
                    objective: "availability".into(),
                    weight: 2.0,
                    spent: 0.041,
                    left: 0.55,
                    gone: Some(at + Duration::from_secs(7_200)),
                }],
            }),
        }),
        id: IncidentId(0x71),
        began: at - Duration::from_secs(12),
        opened: at - Duration::from_secs(4),
        changed: at - Duration::from_secs(1),
        ended: None,
        merged_into: None,
        services: vec![
            workload("aws-eu-central-1", "tariffs"),
            workload("dc-north", "labels"),
        ],
        anomalies: vec![AnomalyId(0x51), AnomalyId(0x52)],
        suspects: vec![
            Suspect {
                culprit: monitor_core::Culprit::Service,
                workload: workload("aws-eu-central-1", "tariffs"),
                score: 0.86,
                why: "changed first, at 11:59:46, 4 s before labels; nothing it calls is unusual"
                    .to_owned(),
            },
            Suspect {
                culprit: monitor_core::Culprit::Service,
                workload: workload("dc-north", "labels"),
                score: 0.2,
                why: "changed at 11:59:50; it calls tariffs, which changed 4 s before it"
                    .to_owned(),
            },
        ],
        changes: vec![rollout.clone()],
    };
    let over = Incident {
        scope: "only in dc-north".to_owned(),
        impact: None,
        id: IncidentId(0x70),
        began: at - Duration::from_mins(40),
        opened: at - Duration::from_mins(39),
        changed: at - Duration::from_mins(34),
        ended: Some(at - Duration::from_mins(34)),
        merged_into: None,
        services: vec![workload("dc-north", "depots")],
        anomalies: vec![AnomalyId(0x53)],
        suspects: vec![Suspect {
            culprit: monitor_core::Culprit::Service,
            workload: workload("dc-north", "depots"),
            score: 0.86,
            why: "changed at 11:19:58; it calls nobody that we know of".to_owned(),
        }],
        changes: Vec::new(),
    };
    View {
        at,
        environments: vec![
            environment(
                "aws-eu-central-1",
                EnvironmentKind::Cloud,
                Some(("aws", "eu-central-1")),
            ),
            environment("dc-north", EnvironmentKind::OnPrem, None),
            environment(
                "gcp-europe-west4",
                EnvironmentKind::Cloud,
                Some(("gcp", "europe-west4")),
            ),
        ],
        apis,
        services: [
            ("aws-eu-central-1", "gateway", 140.0, 0.002),
            ("aws-eu-central-1", "tariffs", 44.0, 0.06),
            ("dc-north", "labels", 8.0, 0.21),
            ("dc-north", "depots", 0.3, 0.0),
        ]
        .into_iter()
        .map(|(environment, service, rate, errors)| ServiceView {
            service: ServiceKey::new("post", service),
            environment: environment.into(),
            log_rate: rate,
            log_error_ratio: errors,
            logs_total: (rate * 3_600.0) as u64,
            log_errors_total: (rate * errors * 3_600.0) as u64,
            templates: 14,
            last_seen: at,
            state: ApiState::Ok,
            reason: "ok: as learned from 5000 records".to_owned(),
            score: Score::new(0.2),
        })
        .collect(),
        logs: [
            ("aws-eu-central-1", "gateway", "json", 0.0),
            ("dc-north", "labels", "logfmt", 0.25),
        ]
        .map(
            |(environment, service, format, unrecognised_ratio)| LogsView {
                service: ServiceKey::new("post", service),
                environment: environment.into(),
                first: at - Duration::from_hours(1),
                last: at,
                records: 504_000,
                format: Some(format.into()),
                unrecognised_ratio,
            },
        )
        .into(),
        anomalies: vec![latency, errors, logs],
        incidents: vec![incident, over],
        alerts: vec![alert],
        risks: risks(&slow_again, at),
        track_record: track_record(),
        changes: [Arc::new(rollout)].into(),
        objectives: vec![ObjectiveView {
            service: ServiceKey::new("post", "tariffs"),
            environment: "aws-eu-central-1".into(),
            name: "fast".into(),
            ratio: 0.99,
            latency_threshold: Some(0.5),
            window: Duration::from_hours(7 * 24),
            seen: Duration::from_hours(7 * 24),
            calls: 100_000,
            bad: 250,
            budget_remaining: Some(0.75),
            burn_5m: None,
            burn_30m: None,
            burn_1h: Some(4.5),
            burn_6h: None,
            apis: vec![slow_again],
        }],
        fields: vec![FieldView {
            service: ServiceKey::new("post", "depots"),
            environment: "dc-north".into(),
            name: "waiting".into(),
            unit: Some("parcels".into()),
            value: 14.0,
            at,
        }],
        probes: Arc::new(vec![ProbeView {
            service: ServiceKey::new("post", "labels"),
            environment: None,
            name: "home".into(),
            failure: Some("it answered 503".to_owned()),
            duration: Duration::from_millis(12),
            at,
            made: 20,
            failed: 3,
        }]),
        journeys: Arc::default(),
        counts: EngineCounts {
            observations: 1_204_331,
            late: 12,
            future: 1,
            anomalies_opened: 3,
            overflowed: 88,
            numbers_refused: 7,
            edges: 96,
            edges_refused: 0,
            levels: 420,
            levels_refused: 0,
            incidents_opened: 2,
            impact_forecasts: 0,
            impact_inside: 0,
        },
    }
}

/// One that is open, and one that came.
fn risks(api: &Arc<ApiKey>, at: Time) -> Vec<Risk> {
    let risk = |minutes: u64, statistic: &str| Risk {
        id: RiskId(minutes),
        signal: SignalKey {
            subject: Subject::Api(Arc::clone(api)),
            measure: Measure::Latency,
        },
        statistic: statistic.into(),
        limit: Limit {
            value: 0.3,
            objective: None,
        },
        typical: 0.1,
        actual: 0.2,
        growth_per_hour: 1.2,
        stated: at - Duration::from_mins(minutes),
        updated: at,
        expected: at + Duration::from_mins(5),
        earliest: at + Duration::from_mins(4),
        latest: Some(at + Duration::from_mins(8)),
        probability: 0.8,
        first_expected: at + Duration::from_mins(6),
        first_probability: 0.7,
        ended: None,
        outcome: None,
        why: "p50 has grown".to_owned(),
    };
    let came = Risk {
        signal: SignalKey {
            subject: Subject::Service {
                service: ServiceKey::new("post", "labels"),
                environment: "dc-north".into(),
            },
            measure: Measure::ErrorRatio,
        },
        ended: Some(at),
        outcome: Some(RiskOutcome::Came),
        latest: None,
        ..risk(60, "budget")
    };
    vec![risk(2, "p50"), came]
}

fn track_record() -> TrackRecord {
    TrackRecord {
        risks: ScoredRisks {
            stated: 3,
            came: 1,
            averted: 1,
            not_come: 0,
            missed: 2,
            in_time: 1,
            mean_lead_secs: 120.0,
            brier: Some(0.2),
        },
        failures: ScoredFailures {
            horizon_secs: 300,
            judged: 4,
            failed: 1,
            brier: Some(0.05),
            base_brier: Some(0.1875),
            reliability: vec![
                Reliability {
                    judged: 3,
                    said: 0.02,
                    came: 0.0,
                },
                Reliability::default(),
            ],
        },
        journeys: ScoredFailures::default(),
        coverage: vec![Coverage {
            measure: "rate".into(),
            horizon_secs: 300,
            scored: 100,
            inside: 91,
            stretches: 7,
            relative_error: 0.8,
        }],
    }
}

pub(crate) fn ingest(now: Time) -> IngestView {
    let stream =
        |environment: &str, service: &str, stream: &str, format: Option<&str>| StreamView {
            service: ServiceKey::new("post", service),
            environment: environment.into(),
            stream: stream.into(),
            format: format.map(Name::from),
            format_changes: 0,
            records: 40_000,
            unrecognised: Vec::new(),
            examples: Vec::new(),
            duration_unit: format.map(|_| "seconds (defined by the format)".to_owned()),
            last_seen: now,
        };
    let mut odd = stream("dc-north", "scales", "/var/log/scales/out.log", None);
    odd.records = 311;
    odd.unrecognised = vec![("no format fits".into(), 311)];
    odd.examples = [
        "##77 W=12.4kg BELT3 ok",
        "##78 W=0.9kg BELT1 ok",
        "##79 W=<img src=x onerror=alert(1)> BELT2 jam",
    ]
    .map(str::to_owned)
    .to_vec();
    IngestView {
        streams: vec![
            stream(
                "aws-eu-central-1",
                "gateway",
                "stdout",
                Some("nginx-combined"),
            ),
            stream("aws-eu-central-1", "tariffs", "stdout", Some("json")),
            odd,
        ],
        templates: vec![
            template("tariffs", 0xfeed, "quote <*> priced in <*> ms", 22_000, now),
            template("depots", 0xbeef, "scanner <*> answered late", 720, now),
        ],
        redactions: vec![("email".into(), 19), ("bearer-token".into(), 4)],
        edges: EdgeCounts {
            told: 96,
            forgotten: 3,
            unplaced: 0,
        },
    }
}

fn template(service: &str, id: u64, text: &str, records: u64, now: Time) -> TemplateView {
    TemplateView {
        service: ServiceKey::new("post", service),
        id: TemplateId(id),
        text: text.to_owned(),
        records,
        first_seen: now - Duration::from_hours(1),
        last_seen: now,
    }
}

pub(crate) fn records(now: Time) -> Vec<Hit> {
    let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
    let lines = [
        (
            "gateway",
            Severity::Info,
            Some(trace),
            "GET /parcels/8812 200 0.031",
        ),
        (
            "tariffs",
            Severity::Warn,
            Some(trace),
            "quote 8812 priced in 2391 ms",
        ),
        (
            "tariffs",
            Severity::Error,
            Some(trace),
            "pricing table locked: lock wait timeout exceeded",
        ),
        (
            "labels",
            Severity::Error,
            None,
            "printer offline: <script>alert('no')</script>",
        ),
        ("gateway", Severity::Info, None, "GET /parcels/17 200 0.012"),
    ];
    lines
        .into_iter()
        .zip(0u32..)
        .map(|((service, severity, trace_id, text), item)| Hit {
            id: RecordId { batch: 40, item },
            kind: Kind::Log,
            time: now - Duration::from_secs(20) + Duration::from_millis(u64::from(item) * 700),
            service: ServiceKey::new("post", service),
            environment: "aws-eu-central-1".into(),
            instance: format!("{service}-0").into(),
            severity: Some(severity),
            format: Some("json".into()),
            text: text.to_owned(),
            template: None,
            trace_id,
            span_id: None,
            attributes: vec![
                ("thread".into(), Value::Str("main".to_owned())),
                ("attempt".into(), Value::Int(1)),
                ("load".into(), Value::Float(f64::NAN)),
            ],
        })
        .collect()
}

fn environment(name: &str, kind: EnvironmentKind, cloud: Option<(&str, &str)>) -> Environment {
    Environment {
        name: name.into(),
        kind,
        provider: cloud.map(|(provider, _)| provider.into()),
        region: cloud.map(|(_, region)| region.into()),
        ..Environment::default()
    }
}

pub(crate) fn anomaly(
    id: u64,
    subject: Subject,
    measure: Measure,
    detector: &str,
    start: Time,
    score: f64,
    explanation: Explanation,
) -> Anomaly {
    Anomaly {
        id: AnomalyId(id),
        signal: SignalKey { subject, measure },
        detector: detector.into(),
        direction: Direction::Above,
        start,
        detected: start + Duration::from_secs(3),
        end: None,
        score: Score::new(score),
        explanation,
    }
}

fn contribution(dimension: &str, value: &str, share: f64, usual_share: f64) -> Contribution {
    Contribution {
        dimension: dimension.into(),
        value: value.into(),
        share,
        usual_share,
    }
}

fn names(pairs: &[(&str, &str)]) -> BTreeMap<Name, Name> {
    pairs
        .iter()
        .map(|(name, value)| (Name::from(*name), Name::from(*value)))
        .collect()
}
