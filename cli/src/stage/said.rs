//! What the monitor says, in the scorecard's words.

use std::collections::BTreeSet;

use monitor_core::{Alert, AlertState, Anomaly, AnomalyId, Culprit, Incident, Risk, Time};
use monitor_engine::Effect;
use monitor_serve::LiveEvent;
use sim_services::clock::Moment;
use sim_services::truth::{Said, Statement, Suspect};

pub(crate) fn moment(time: Time) -> Moment {
    Moment(time.as_nanos())
}

pub(crate) fn time(moment: Moment) -> Time {
    Time::from_nanos(moment.0)
}

/// Writes down what is said, once. Updates of what is known already say nothing new.
#[derive(Debug, Default)]
pub(crate) struct Scribe {
    open: BTreeSet<AnomalyId>,
}

impl Scribe {
    /// What the engine has to say, at `now`.
    pub(crate) fn effect(&mut self, effect: &Effect, now: Time) -> Option<Said> {
        let statement = match effect {
            Effect::AnomalyOpened(anomaly)
            | Effect::AnomalyUpdated(anomaly)
            | Effect::AnomalyClosed(anomaly) => self.anomaly(anomaly),
            Effect::IncidentOpened(incident)
            | Effect::IncidentUpdated(incident)
            | Effect::IncidentClosed(incident) => Some(statement_of(incident)),
            Effect::Alert(alert) => self.alert(alert),
            Effect::RiskOpened(risk) => Some(risk_of(risk)),
            Effect::RiskUpdated(_) | Effect::RiskClosed(_) | Effect::Resend(_) => None,
        };
        statement.map(|what| Said {
            at: moment(now),
            what,
        })
    }

    /// What a monitor tells those who watch it live.
    pub(crate) fn event(&mut self, event: &LiveEvent, now: Time) -> Option<Said> {
        let statement = match event {
            LiveEvent::Anomaly(anomaly) => self.anomaly(anomaly),
            LiveEvent::Incident(incident) => Some(statement_of(incident)),
            LiveEvent::Alert(alert) => self.alert(alert),
            LiveEvent::Call(_) => None,
        };
        statement.map(|what| Said {
            at: moment(now),
            what,
        })
    }

    fn anomaly(&mut self, anomaly: &Anomaly) -> Option<Statement> {
        let id = anomaly.id.to_string();
        if anomaly.end.is_some() {
            return self
                .open
                .remove(&anomaly.id)
                .then_some(Statement::AnomalyOver { id });
        }
        let subject = &anomaly.signal.subject;
        self.open.insert(anomaly.id).then(|| Statement::Anomaly {
            id,
            service: subject.service().name.to_string(),
            environment: subject.environment().to_string(),
            what: format!("{}: {}", anomaly.signal, anomaly.explanation.why),
        })
    }

    fn alert(&mut self, alert: &Alert) -> Option<Statement> {
        // Labels are the identity of an alert, which may come back; each time is another page.
        let id = format!("{}-{}", alert.id, alert.starts_at.as_secs());
        let label = |name: &str| {
            alert
                .labels
                .get(name)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        match alert.state {
            AlertState::Pending => None,
            AlertState::Firing => Some(Statement::Page {
                id,
                service: label("service"),
                environment: label("environment"),
                summary: alert
                    .annotations
                    .get("summary")
                    .cloned()
                    .unwrap_or_default(),
            }),
            AlertState::Resolved => Some(Statement::PageOver { id }),
        }
    }
}

fn risk_of(risk: &Risk) -> Statement {
    let subject = &risk.signal.subject;
    Statement::Risk {
        id: risk.id.to_string(),
        service: subject.service().name.to_string(),
        environment: subject.environment().to_string(),
        expected: moment(risk.expected),
        probability: risk.probability,
    }
}

fn statement_of(incident: &Incident) -> Statement {
    let id = incident.id.to_string();
    if incident.ended.is_some() {
        return Statement::IncidentOver { id };
    }
    Statement::Incident {
        id,
        services: incident
            .services
            .iter()
            .map(|workload| workload.service.name.to_string())
            .collect(),
        suspects: incident
            .suspects
            .iter()
            .map(|suspect| Suspect {
                service: suspect.workload.service.name.to_string(),
                environment: suspect.workload.environment.to_string(),
                between: suspect.culprit != Culprit::Service,
                why: suspect.why.clone(),
            })
            .collect(),
    }
}
