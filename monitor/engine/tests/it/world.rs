//! A small simulated platform: seeded Poisson traffic with log-normal response times.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Alert, AlertState, Anomaly, ApiKey, ApiView, Call, CallSource, CallStatus, Hop, Name,
    Observation, Outcome, ServiceKey, Severity, SpanKind, TemplateId, Time, Workload,
};
use monitor_engine::{Effect, Engine, EngineConfig};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, seeded and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Knuth's method for small means, the normal approximation for large ones.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let (mut count, mut product) = (0, self.unit());
        while product > limit {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

/// How an Api is called and answers.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) environment: &'static str,
    pub(crate) service: &'static str,
    pub(crate) route: &'static str,
    pub(crate) per_second: f64,
    pub(crate) median_ms: f64,
    /// Of the logarithm.
    pub(crate) spread: f64,
    pub(crate) failing: f64,
    pub(crate) source: CallSource,
    /// Version and its share; the rest is `v41`.
    pub(crate) canary: (&'static str, f64),
    /// Only the canary is slow and failing; the rest answers in 50 ms.
    pub(crate) canary_only: bool,
    /// As real services are: a pause of 0.4 s every ten minutes or so, and three calls of a
    /// thousand that take twenty times as long.
    pub(crate) rough: bool,
}

pub(crate) fn orders() -> Traffic {
    Traffic {
        environment: "cloud-a",
        service: "orders",
        route: "/orders/{id}",
        per_second: 20.0,
        median_ms: 50.0,
        spread: 0.4,
        failing: 0.002,
        source: CallSource::Span,
        canary: ("v42", 0.12),
        canary_only: false,
        rough: false,
    }
}

/// A hop of a service in one place, of no journey yet; what serves is an Api's.
pub(crate) fn hop(
    role: SpanKind,
    service: &str,
    operation: &str,
    (from, millis): (Time, u64),
) -> Hop {
    let service = ServiceKey::new("shop", service);
    let api = (role == SpanKind::Server).then(|| {
        Arc::new(ApiKey {
            environment: "cloud-a".into(),
            service: service.clone(),
            method: "GET".into(),
            route: operation.into(),
        })
    });
    Hop {
        source: CallSource::Span,
        role,
        workload: Workload {
            service,
            environment: "cloud-a".into(),
        },
        instance: "pod-1".into(),
        version: None,
        api,
        operation: Name::from(operation),
        peer: None,
        trace: None,
        span: None,
        parent: None,
        links: Default::default(),
        request: None,
        client: None,
        start: from,
        duration: Duration::from_millis(millis),
        precision: Duration::ZERO,
        outcome: Outcome::Ok,
        resent: false,
    }
}

impl Traffic {
    pub(crate) fn slower(mut self, factor: f64) -> Traffic {
        self.median_ms *= factor;
        self
    }

    pub(crate) fn failing(mut self, share: f64) -> Traffic {
        self.failing = share;
        self
    }

    pub(crate) fn rate(mut self, per_second: f64) -> Traffic {
        self.per_second = per_second;
        self
    }

    pub(crate) fn at(mut self, service: &'static str, route: &'static str) -> Traffic {
        self.service = service;
        self.route = route;
        self
    }

    pub(crate) fn key(&self) -> ApiKey {
        ApiKey {
            environment: self.environment.into(),
            service: ServiceKey::new("shop", self.service),
            method: "GET".into(),
            route: self.route.into(),
        }
    }

    fn call(&self, random: &mut Random, time: Time, paused: bool) -> Call {
        let canary = random.unit() < self.canary.1;
        let affected = canary || !self.canary_only;
        let median_ms = if affected { self.median_ms } else { 50.0 };
        let mut ms = median_ms * (self.spread * random.normal()).exp();
        if self.rough && random.unit() < 0.003 {
            ms *= 20.0;
        }
        if paused {
            ms += 400.0;
        }
        let failed = affected && random.unit() < self.failing;
        Call {
            api: Arc::new(self.key()),
            source: self.source,
            end: time,
            duration: Some(Duration::from_secs_f64(ms / 1e3)),
            response_bytes: None,
            status: CallStatus::Http(if failed { 503 } else { 200 }),
            error_type: failed.then(|| Name::from("upstream_unavailable")),
            instance: format!("pod-{}", random.next() % 3).into(),
            version: Some(Name::from(if canary { self.canary.0 } else { "v41" })),
            caller: None,
            client: None,
            trace_id: None,
            span_id: None,
            parent: None,
            request_id: None,
            synthetic: false,
        }
    }
}

/// One second of traffic, in order of time.
pub(crate) fn second(random: &mut Random, at: i64, traffic: &[Traffic]) -> Vec<Observation> {
    let mut calls: Vec<Call> = Vec::new();
    for api in traffic {
        let paused = api.rough && random.unit() < 1.0 / 600.0;
        for _ in 0..random.poisson(api.per_second) {
            let time = Time::from_secs(at) + Duration::from_micros(random.next() % 1_000_000);
            calls.push(api.call(random, time, paused));
        }
    }
    calls.sort_by_key(|call| call.end);
    calls.into_iter().map(Observation::Call).collect()
}

pub(crate) fn log(service: &str, at: Time, severity: Severity, template: u64) -> Observation {
    Observation::Log {
        service: ServiceKey::new("shop", service),
        environment: "cloud-a".into(),
        time: at,
        severity: Some(severity),
        template: Some(TemplateId(template)),
        format: None,
        fill: None,
        written_ahead: None,
    }
}

pub(crate) fn edge(caller: &str, callee: &str, at: i64) -> Observation {
    let workload = |name: &str| Workload {
        service: ServiceKey::new("shop", name),
        environment: "cloud-a".into(),
    };
    Observation::Edge {
        caller: workload(caller),
        callee: workload(callee),
        at: Time::from_secs(at),
    }
}

/// An engine with its traffic and everything it said.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) random: Random,
    pub(crate) now: i64,
    pub(crate) effects: Vec<Effect>,
    /// Callers and callees, told every ten seconds.
    pub(crate) edges: Vec<(&'static str, &'static str)>,
}

pub(crate) const START: i64 = 1_700_000_000;

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World::with(EngineConfig::default(), seed)
    }

    pub(crate) fn with(config: EngineConfig, seed: u64) -> World {
        World {
            engine: Engine::new(config),
            random: Random::new(seed),
            now: START,
            effects: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// Lets so many seconds pass with this traffic.
    pub(crate) fn run(&mut self, seconds: i64, traffic: &[Traffic]) -> &mut World {
        for _ in 0..seconds {
            for observation in second(&mut self.random, self.now, traffic) {
                self.engine.observe(&observation);
            }
            self.pass_second();
        }
        self
    }

    /// The same with logs: (service, severity, template, records a second).
    pub(crate) fn run_logs(
        &mut self,
        seconds: i64,
        logs: &[(&str, Severity, u64, f64)],
    ) -> &mut World {
        for _ in 0..seconds {
            for (service, severity, template, per_second) in logs {
                for _ in 0..self.random.poisson(*per_second) {
                    let time = Time::from_secs(self.now);
                    self.engine
                        .observe(&log(service, time, *severity, *template));
                }
            }
            self.pass_second();
        }
        self
    }

    pub(crate) fn observe(&mut self, observation: &Observation) -> &mut World {
        self.engine.observe(observation);
        self
    }

    /// Time in which nothing arrives from anyone.
    pub(crate) fn blind(&mut self, seconds: i64) -> &mut World {
        self.now += seconds;
        self
    }

    pub(crate) fn pass_second(&mut self) {
        if self.now % 10 == 0 {
            for (caller, callee) in &self.edges {
                self.engine.observe(&edge(caller, callee, self.now));
            }
        }
        self.now += 1;
        let effects = self.engine.tick(Time::from_secs(self.now));
        self.effects.extend(effects);
    }

    pub(crate) fn opened(&self) -> Vec<&Anomaly> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::AnomalyOpened(anomaly) => Some(anomaly),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn alerts(&self, state: AlertState) -> Vec<&Alert> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Alert(alert) if alert.state == state => Some(alert),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn api(&self, traffic: &Traffic) -> ApiView {
        self.engine
            .view()
            .apis
            .into_iter()
            .find(|api| *api.key == traffic.key())
            .expect("the Api was called")
    }

    /// What was said of incidents: seconds since the start, services, and the first suspects.
    pub(crate) fn incidents(&self) -> String {
        let mut lines = Vec::new();
        let since = |time: Time| time.as_secs() - START;
        for effect in &self.effects {
            let (word, incident) = match effect {
                Effect::IncidentOpened(incident) => ("opened", incident),
                Effect::IncidentUpdated(incident) => ("changed", incident),
                Effect::IncidentClosed(incident) => ("closed", incident),
                _ => continue,
            };
            let names: Vec<&str> = incident
                .services
                .iter()
                .map(|workload| &*workload.service.name)
                .collect();
            lines.push(format!(
                "+{} s {word}: {}",
                since(incident.changed),
                names.join(", ")
            ));
            if incident.ended.is_none() {
                lines.extend(incident.suspects.iter().take(3).map(|suspect| {
                    format!(
                        "  {} {:.2}: {}",
                        suspect.workload.service.name, suspect.score, suspect.why
                    )
                }));
            }
        }
        lines.join("\n")
    }

    /// What was said of anomalies and alerts: seconds since the start and the sentence.
    pub(crate) fn story(&self) -> String {
        let mut lines = Vec::new();
        let since = |time: Time| time.as_secs() - START;
        for effect in &self.effects {
            match effect {
                Effect::AnomalyOpened(anomaly) => lines.push(format!(
                    "+{} s {} since +{} s: {}",
                    since(anomaly.detected),
                    anomaly.detector,
                    since(anomaly.start),
                    anomaly.explanation.why
                )),
                Effect::AnomalyClosed(anomaly) => lines.push(format!(
                    "{} over at +{} s",
                    anomaly.detector,
                    since(anomaly.end.expect("closed anomalies have an end"))
                )),
                Effect::Alert(alert) => lines.push(format!(
                    "{} {} {}",
                    alert.labels["alertname"],
                    alert.labels["severity"],
                    alert.state.as_str()
                )),
                Effect::AnomalyUpdated(_)
                | Effect::IncidentOpened(_)
                | Effect::IncidentUpdated(_)
                | Effect::IncidentClosed(_)
                | Effect::RiskOpened(_)
                | Effect::RiskUpdated(_)
                | Effect::RiskClosed(_)
                | Effect::Resend(_) => {}
            }
        }
        lines.join("\n")
    }
}
