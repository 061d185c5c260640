//! A morning of services that call each other, told second by second: trouble in, incidents out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, ApiKey, Band, Contribution, Direction, Explanation, Incident, Measure, Score,
    ServiceKey, SignalKey, Subject, Time, Workload,
};
use monitor_diagnose::{AlertConfig, IncidentBook, IncidentChange, Topology, Vitals, anomaly_id};

pub(crate) fn config() -> AlertConfig {
    AlertConfig {
        pending_for: Duration::from_secs(5),
        settle_for: Duration::ZERO,
        keep_firing_for: Duration::from_secs(30),
        resend_every: Duration::from_secs(60),
        resend_resolved_for: Duration::from_secs(300),
    }
}

/// `10:05:12` of the day all this happens on.
pub(crate) fn at(clock: &str) -> Time {
    format!("2026-03-01T{clock}Z")
        .parse()
        .expect("a time of day")
}

/// `ledger` in `cloud-a`, `ledger@on-prem` there.
pub(crate) fn workload(name: &str) -> Workload {
    let (name, environment) = name.split_once('@').unwrap_or((name, "cloud-a"));
    Workload {
        service: ServiceKey::new("", name),
        environment: environment.into(),
    }
}

pub(crate) fn anomaly(service: &str, what: &str, start: Time) -> Anomaly {
    let (measure, direction, typical, actual) = match what {
        "slow" => (Measure::Latency, Direction::Above, 0.05, 0.4),
        "failing" => (Measure::ErrorRatio, Direction::Above, 0.001, 0.4),
        "complaining" => (Measure::LogErrorRatio, Direction::Above, 0.01, 0.3),
        "seldom called" => (Measure::Rate, Direction::Below, 20.0, 8.0),
        "not called" => (Measure::Rate, Direction::Below, 20.0, 0.0),
        other => panic!("nothing is ever {other}"),
    };
    let workload = workload(service);
    let signal = SignalKey {
        subject: Subject::Api(Arc::new(ApiKey {
            environment: workload.environment,
            service: workload.service,
            method: "GET".into(),
            route: "/".into(),
        })),
        measure,
    };
    Anomaly {
        id: anomaly_id(&signal, what, start),
        signal,
        detector: what.into(),
        direction,
        start,
        detected: start,
        end: None,
        score: Score::new(4.0),
        explanation: Explanation {
            typical,
            actual,
            band: Band {
                lower: 0.0,
                upper: 0.1,
            },
            observations: 100,
            learned_from: 1_000,
            contributions: Vec::new(),
            why: String::new(),
        },
    }
}

#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) book: IncidentBook,
    pub(crate) topology: Topology,
    vitals: BTreeMap<Workload, Vitals>,
    open: BTreeMap<(String, String), Anomaly>,
    now: Time,
    pub(crate) changes: Vec<(Time, IncidentChange)>,
}

impl Story {
    /// Begins at ten; `calls` are lines such as `web -> cart -> redis`.
    pub(crate) fn new(calls: &str) -> Story {
        let mut story = Story {
            book: IncidentBook::default(),
            topology: Topology::default(),
            vitals: BTreeMap::new(),
            open: BTreeMap::new(),
            now: at("10:00:00"),
            changes: Vec::new(),
        };
        for chain in calls.lines() {
            let names: Vec<&str> = chain.split("->").map(str::trim).collect();
            for name in &names {
                let vitals = story.vitals.entry(workload(name)).or_default();
                vitals.judged = true;
            }
            for pair in names.windows(2) {
                story.see(pair[0], pair[1]);
            }
        }
        story
    }

    /// One calls the other now.
    pub(crate) fn see(&mut self, caller: &str, callee: &str) -> &mut Story {
        self.topology
            .see(&workload(caller), &workload(callee), self.now);
        self.book.topology_changed();
        self
    }

    pub(crate) fn vitals(&mut self, service: &str, vitals: Vitals) -> &mut Story {
        self.vitals.insert(workload(service), vitals);
        self
    }

    /// Lets time pass until then.
    pub(crate) fn until(&mut self, clock: &str) -> &mut Story {
        while self.now < at(clock) {
            self.now = self.now + Duration::from_secs(1);
            self.pass();
        }
        self
    }

    /// Found now: `service` is `what` since `clock`.
    pub(crate) fn found(&mut self, service: &str, what: &str, clock: &str) -> &mut Story {
        let new = anomaly(service, what, at(clock));
        self.record(service, what, new)
    }

    /// The same, all of it of one version.
    pub(crate) fn found_in(
        &mut self,
        version: &str,
        service: &str,
        what: &str,
        clock: &str,
    ) -> &mut Story {
        let mut new = anomaly(service, what, at(clock));
        new.explanation.contributions.push(Contribution {
            dimension: "version".into(),
            value: version.into(),
            share: 1.0,
            usual_share: 0.1,
        });
        self.record(service, what, new)
    }

    /// A signal has one anomaly open at a time.
    fn record(&mut self, service: &str, what: &str, new: Anomaly) -> &mut Story {
        let open = self
            .open
            .entry((service.to_owned(), what.to_owned()))
            .or_insert(new);
        self.book.record(open, self.now);
        self
    }

    /// All trouble of a service is over.
    pub(crate) fn recovered(&mut self, service: &str) -> &mut Story {
        let now = self.now;
        self.open.retain(|(known, _), anomaly| {
            let over = known == service;
            if over {
                anomaly.end = Some(now);
                self.book.record(anomaly, now);
            }
            !over
        });
        self
    }

    /// As after a restart.
    pub(crate) fn restart(&mut self) -> &mut Story {
        let bytes = postcard::to_stdvec(&(&self.book, &self.topology)).expect("plain data");
        (self.book, self.topology) = postcard::from_bytes(&bytes).expect("what was just written");
        self
    }

    fn pass(&mut self) {
        if !self.book.is_due(self.now) {
            return;
        }
        let vitals = self
            .book
            .concerned(&self.topology)
            .into_iter()
            .map(|workload| {
                let vitals = self.vitals.get(&workload).copied().unwrap_or_default();
                (workload, vitals)
            })
            .collect();
        let changes = self
            .book
            .advance(self.now, &config(), &self.topology, &vitals);
        let now = self.now;
        self.changes
            .extend(changes.into_iter().map(|change| (now, change)));
    }

    /// What was told, with the suspects that were worth telling of.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        let mut names: Vec<monitor_core::IncidentId> = Vec::new();
        for (time, change) in &self.changes {
            let (word, incident) = match change {
                IncidentChange::Opened(incident) => ("opened", incident),
                IncidentChange::Updated(incident) => ("changed", incident),
                IncidentChange::Closed(incident) => ("closed", incident),
            };
            let mut number = |id| {
                if !names.contains(&id) {
                    names.push(id);
                }
                names
                    .iter()
                    .position(|known| *known == id)
                    .map_or(0, |place| place + 1)
            };
            let clock = &time.to_string()[11..19];
            text.push_str(&format!("{clock} incident {} {word}", number(incident.id)));
            if let Some(home) = incident.merged_into {
                text.push_str(&format!(", as a part of {}\n", number(home)));
                continue;
            }
            text.push_str(&format!(": {}\n", services(incident)));
            if incident.ended.is_some() {
                continue;
            }
            for (place, suspect) in incident.suspects.iter().enumerate() {
                text.push_str(&format!(
                    "  {}. {} {:.2}: {}\n",
                    place + 1,
                    suspect.workload.service,
                    suspect.score,
                    suspect.why
                ));
            }
        }
        text
    }
}

fn services(incident: &Incident) -> String {
    let names: Vec<&str> = incident
        .services
        .iter()
        .map(|workload| &*workload.service.name)
        .collect();
    names.join(", ")
}
