//! The life of alerts: pending, firing, resolved.
//!
//! All anomalies of one service in one environment are one alert: the routes of a service that is
//! in trouble suffer together, and a person is told once. What an alert is (its labels) is settled
//! when it fires and never changes while it does, because to Alertmanager the labels are the
//! identity. When it gets worse than its `severity` label says, the old alert is resolved and a
//! worse one fires.
//!
//! Alerts of one incident are told as one: see [`pages`].
//!
//! Two clocks come in. States change in event time ([`AlertBook::advance`]), so a replay gives
//! what the live run gave. What was told is told again by the wall clock ([`AlertBook::resend`]),
//! as Alertmanager's documentation asks of its clients: firing alerts again and again until they
//! are resolved, resolved ones for some minutes more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Alert, AlertSeverity, AlertState, Anomaly, AnomalyId, Environment, IncidentId, Name,
    ServiceKey, Settings, Subject, Time, Watching,
};
use serde::{Deserialize, Serialize};

use crate::explain::duration_text;
use crate::identity::alert_id;
use crate::severity::{alert_name, severity};

mod pages;

use pages::Pages;

/// Anomalies carried by one alert; more are counted in its description.
const MAX_ANOMALIES: usize = 64;
/// Sentences in a description.
const MAX_SENTENCES: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    pub pending_for: Duration,
    /// How long one that is not critical waits, once it fires, to be told: by then it is known
    /// how bad it gets, and what it is a part of.
    pub settle_for: Duration,
    pub keep_firing_for: Duration,
    pub resend_every: Duration,
    pub resend_resolved_for: Duration,
}

impl AlertConfig {
    /// The `endsAt` to send with an alert: when it was resolved, or until when a receiver may
    /// believe that it still fires if it hears nothing more.
    pub fn ends_at(&self, alert: &Alert, now: Time) -> Time {
        alert.ends_at.unwrap_or(now + self.resend_every * 4)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCounts {
    pub fired: u64,
    pub resolved: u64,
    /// Pending alerts whose anomalies ended before anyone was told.
    pub dropped: u64,
}

/// What an alert says of where its trouble comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub incident: IncidentId,
    /// Its place among the incident's suspects, from 0; those that are not suspected come last.
    pub rank: u32,
    /// The likeliest suspect and why, once there is one.
    pub root_cause: Option<String>,
    /// What clients have of it, and what is to be expected, in a sentence.
    pub impact: Option<String>,
    /// What was done near its beginning.
    pub changes: Option<String>,
}

type GroupKey = (ServiceKey, Name);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertBook {
    groups: BTreeMap<GroupKey, Group>,
    #[serde(default)]
    pages: Pages,
    /// Those that are not over.
    #[serde(default)]
    incidents: BTreeSet<IncidentId>,
    /// Told that they are over; told again until their time is up.
    resolved: Vec<Resolved>,
    environments: BTreeMap<Name, Environment>,
    counts: AlertCounts,
    /// Given anew after a restart.
    #[serde(skip)]
    settings: Arc<Settings>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Group {
    anomalies: BTreeMap<AnomalyId, Anomaly>,
    /// When it was first seen, moved along over blind times.
    since: Time,
    /// When its last open anomaly ended.
    quiet_since: Option<Time>,
    firing: Option<Firing>,
    cause: Option<Cause>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Firing {
    labels: BTreeMap<Name, Name>,
    severity: AlertSeverity,
    /// The anomaly that named it.
    leading: AnomalyId,
    starts_at: Time,
    /// Nobody was told while it was muted, or while another told of its incident.
    told: bool,
    /// The incident it told of.
    told_of: Option<IncidentId>,
    last_sent: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Resolved {
    alert: Alert,
    first_sent: Option<Time>,
    last_sent: Option<Time>,
}

/// What a group's alert is made of beside its anomalies.
#[derive(Debug)]
struct Context<'a> {
    key: &'a GroupKey,
    environment: Option<&'a Environment>,
    settings: &'a Settings,
}

impl Context<'_> {
    fn watching(&self) -> Option<&Watching> {
        let own = self.settings.of(&self.key.0, &self.key.1)?;
        Some(own)
    }

    /// Why nobody is told at this moment.
    fn muted(&self, severity: AlertSeverity, now: Time) -> Option<String> {
        let window = self.settings.maintenance.iter().find(|window| {
            window.mute
                && window.is_open(now)
                && window.select.holds(&self.key.0, &self.key.1)
                && window.select.holds_severity(severity)
        })?;
        Some(format!(
            "maintenance `{}` mutes it until {}",
            window.name, window.ends
        ))
    }
}

impl AlertBook {
    /// An anomaly opened, changed or closed.
    pub fn record(&mut self, anomaly: &Anomaly, now: Time) {
        let key = group_key(&anomaly.signal.subject);
        if anomaly.end.is_some() && !self.groups.contains_key(&key) {
            return;
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            anomalies: BTreeMap::new(),
            since: now,
            quiet_since: None,
            firing: None,
            cause: None,
        });
        group.anomalies.insert(anomaly.id, anomaly.clone());
        group.forget_some();
        group.quiet_since = if group.is_open() {
            None
        } else {
            group.quiet_since.or(Some(now))
        };
    }

    /// Lets event time pass; returns the alerts that began to fire or were resolved, in order of
    /// service and environment. O(groups).
    pub fn advance(&mut self, now: Time, config: &AlertConfig) -> Vec<Alert> {
        let mut changed = Vec::new();
        let mut over = Vec::new();
        for (key, group) in &mut self.groups {
            let context = Context {
                key,
                environment: self.environments.get(&key.1),
                settings: &self.settings,
            };
            let quiet_for = group.quiet_since.map(|since| now.since(since));
            if group.firing.is_none() {
                if quiet_for.is_some() {
                    self.counts.dropped += 1;
                    over.push(key.clone());
                    continue;
                }
                if now.since(group.since) < config.pending_for {
                    continue;
                }
                group.fire(&context, now);
            } else if quiet_for.is_some_and(|quiet| quiet >= config.keep_firing_for) {
                let told_of = group.firing.as_ref().and_then(|firing| firing.told_of);
                // The page of an incident lasts as long as the incident.
                if told_of.is_some_and(|incident| {
                    self.incidents.contains(&incident) && self.pages.is_page(incident, key)
                }) {
                    continue;
                }
                if let Some(incident) = told_of {
                    self.pages.resolved(incident, key, now);
                }
                if let Some(alert) = group.resolve(&context, now) {
                    changed.push(alert);
                }
                over.push(key.clone());
            } else if group.has_become_worse() {
                if let Some(alert) = group.resolve(&context, now) {
                    changed.push(alert);
                }
                group.fire(&context, now);
            }
        }
        self.page(now, config, &mut changed);
        self.pages.forget(now, &self.incidents);
        for key in over {
            self.groups.remove(&key);
        }
        // What is resolved and fires anew keeps that order.
        changed.sort_by(|a, b| place(a).cmp(&place(b)));
        for alert in &changed {
            self.note(alert);
        }
        changed
    }

    /// Tells of what fires and has settled, and is neither muted nor covered by the page of its
    /// incident.
    fn page(&mut self, now: Time, config: &AlertConfig, changed: &mut Vec<Alert>) {
        let mut untold: Vec<(std::cmp::Reverse<AlertSeverity>, u32, GroupKey)> = self
            .groups
            .iter()
            .filter_map(|(key, group)| {
                let firing = group.firing.as_ref()?;
                let settled = firing.severity == AlertSeverity::Critical
                    || now.since(group.since) >= config.pending_for + config.settle_for;
                let incident = group.cause.as_ref().map(|cause| cause.incident);
                let is_told = firing.told && (incident.is_none() || firing.told_of == incident);
                // One that tells of an incident that is over goes on as that of another.
                let of_old = firing.told
                    && firing
                        .told_of
                        .is_none_or(|old| self.incidents.contains(&old));
                let rank = group.cause.as_ref().map_or(0, |cause| cause.rank);
                (settled && !is_told && !of_old && (incident.is_none() || group.is_open()))
                    .then(|| (std::cmp::Reverse(firing.severity), rank, key.clone()))
            })
            .collect();
        untold.sort();
        for (_, _, key) in untold {
            let context = Context {
                key: &key,
                environment: self.environments.get(&key.1),
                settings: &self.settings,
            };
            let Some(group) = self.groups.get_mut(&key) else {
                continue;
            };
            let Some(severity) = group.firing.as_ref().map(|firing| firing.severity) else {
                continue;
            };
            if context.muted(severity, now).is_some() {
                continue;
            }
            let incident = group.cause.as_ref().map(|cause| cause.incident);
            if let Some(incident) = incident {
                if self.pages.covering(incident, severity).is_some() {
                    continue;
                }
                self.pages.told(incident, &key, severity, now);
            }
            if group.firing.as_ref().is_some_and(|firing| firing.told) {
                changed.extend(group.resolve(&context, now));
                group.fire(&context, now);
            }
            if let Some(firing) = group.firing.as_mut() {
                firing.told = true;
                firing.told_of = incident;
            }
            changed.extend(group.alert(&context, now));
        }
    }

    /// Which incidents last, and which became parts of others.
    pub fn follow(
        &mut self,
        lasting: BTreeSet<IncidentId>,
        merged: impl IntoIterator<Item = (IncidentId, IncidentId)>,
    ) {
        for (part, whole) in merged {
            self.pages.merge(part, whole);
            for firing in self
                .groups
                .values_mut()
                .filter_map(|group| group.firing.as_mut())
            {
                if firing.told_of == Some(part) {
                    firing.told_of = Some(whole);
                }
            }
        }
        self.incidents = lasting;
    }

    /// What has to be told again at this moment of the wall clock. Also starts the clock for what
    /// [`AlertBook::advance`] returned since the last time.
    pub fn resend(&mut self, now: Time, config: &AlertConfig) -> Vec<Alert> {
        let mut due = Vec::new();
        for (key, group) in &mut self.groups {
            let context = Context {
                key,
                environment: self.environments.get(&key.1),
                settings: &self.settings,
            };
            let Some(firing) = group
                .firing
                .as_mut()
                .filter(|firing| firing.told && context.muted(firing.severity, now).is_none())
            else {
                continue;
            };
            if is_due(&mut firing.last_sent, now, config) {
                due.extend(group.alert(&context, now));
            }
        }
        self.resolved.retain_mut(|resolved| {
            let first = *resolved.first_sent.get_or_insert(now);
            if now.since(first) > config.resend_resolved_for {
                return false;
            }
            if is_due(&mut resolved.last_sent, now, config) {
                due.push(resolved.alert.clone());
            }
            true
        });
        due
    }

    /// Notes where the trouble of each service comes from, as far as is known now. What is no
    /// longer known is kept: the alert outlives its incident by nothing that matters.
    pub fn attribute(&mut self, cause: impl Fn(&ServiceKey, &Name) -> Option<Cause>) {
        for ((service, environment), group) in &mut self.groups {
            if let Some(cause) = cause(service, environment) {
                group.cause = Some(cause);
            }
        }
    }

    /// We were blind for this long: no timer ran meanwhile.
    pub fn skip(&mut self, blind: Duration) {
        self.pages.skip(blind);
        for group in self.groups.values_mut() {
            if group.firing.is_none() {
                group.since = group.since + blind;
            }
            group.quiet_since = group.quiet_since.map(|since| since + blind);
        }
    }

    /// Whose alerts are muted when, and who is asked when a service breaks. Alerts that already
    /// fire keep their labels.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// Labels `cluster` and `region` come from here; alerts that already fire keep theirs.
    pub fn describe_environment(&mut self, environment: Environment) {
        self.environments
            .insert(environment.name.clone(), environment);
    }

    pub fn environment(&self, name: &Name) -> Option<&Environment> {
        self.environments.get(name)
    }

    /// Pending and firing ones, in order of service and environment.
    pub fn alerts(&self, now: Time) -> Vec<Alert> {
        self.groups
            .iter()
            .filter_map(|(key, group)| {
                let context = Context {
                    key,
                    environment: self.environments.get(&key.1),
                    settings: &self.settings,
                };
                let mut alert = group
                    .alert(&context, now)
                    .or_else(|| group.pending(&context, now))?;
                if alert.state == AlertState::Firing && alert.muted.is_none() {
                    alert.muted = self.covered(group);
                }
                Some(alert)
            })
            .collect()
    }

    /// Why nobody is told of an alert that fires: somebody was told of its incident.
    fn covered(&self, group: &Group) -> Option<String> {
        let firing = group.firing.as_ref().filter(|firing| !firing.told)?;
        let incident = group.cause.as_ref()?.incident;
        let page = self.pages.covering(incident, firing.severity)?;
        let (service, environment) = &page.key;
        Some(match page.over {
            None => format!(
                "part of incident {incident}, of which the alert of {service} @ {environment} tells since {}",
                page.at
            ),
            Some(over) => format!(
                "part of incident {incident}, which was over at {over} and is back: the alert of {service} @ {environment} told of it at {}",
                page.at
            ),
        })
    }

    pub fn counts(&self) -> AlertCounts {
        self.counts
    }

    fn note(&mut self, alert: &Alert) {
        // The same alert that fires again is no longer to be reported as over.
        self.resolved
            .retain(|resolved| resolved.alert.id != alert.id);
        if alert.state == AlertState::Resolved {
            self.counts.resolved += 1;
            self.resolved.push(Resolved {
                alert: alert.clone(),
                first_sent: None,
                last_sent: None,
            });
        } else {
            self.counts.fired += 1;
        }
    }
}

impl Group {
    fn is_open(&self) -> bool {
        self.anomalies.values().any(|anomaly| anomaly.end.is_none())
    }

    /// Open ones only, unless there are none: then those that were.
    fn relevant(&self) -> Vec<&Anomaly> {
        let open = self.is_open();
        let mut anomalies: Vec<&Anomaly> = self
            .anomalies
            .values()
            .filter(|anomaly| !open || anomaly.end.is_none())
            .collect();
        anomalies.sort_by(|a, b| {
            severity(b)
                .cmp(&severity(a))
                .then(b.score.get().total_cmp(&a.score.get()))
                .then(a.start.cmp(&b.start))
                .then(a.id.cmp(&b.id))
        });
        anomalies
    }

    fn worst(&self) -> AlertSeverity {
        self.relevant()
            .first()
            .map_or(AlertSeverity::Info, |anomaly| severity(anomaly))
    }

    fn has_become_worse(&self) -> bool {
        self.is_open()
            && self
                .firing
                .as_ref()
                .is_some_and(|firing| self.worst() > firing.severity)
    }

    fn fire(&mut self, context: &Context<'_>, now: Time) {
        let Some(&leading) = self.relevant().first() else {
            return;
        };
        self.firing = Some(Firing {
            labels: self.labels(context, leading),
            severity: severity(leading),
            leading: leading.id,
            starts_at: now,
            told: false,
            told_of: None,
            last_sent: None,
        });
    }

    /// The end of what was told; `None` when nobody was.
    fn resolve(&mut self, context: &Context<'_>, now: Time) -> Option<Alert> {
        let told = self.firing.as_ref().is_some_and(|firing| firing.told);
        let alert = self
            .alert(context, now)
            .filter(|_| told)
            .map(|alert| Alert {
                state: AlertState::Resolved,
                ends_at: Some(now),
                // Who was told of it is told that it is over.
                muted: None,
                ..alert
            });
        self.firing = None;
        alert
    }

    /// What it would be if it fired now.
    fn pending(&self, context: &Context<'_>, now: Time) -> Option<Alert> {
        let leading = *self.relevant().first()?;
        let labels = self.labels(context, leading);
        Some(Alert {
            id: alert_id(&labels),
            state: AlertState::Pending,
            severity: severity(leading),
            labels,
            annotations: self.annotations(context, leading, self.since),
            starts_at: self.since,
            ends_at: None,
            muted: context.muted(severity(leading), now),
            anomalies: self.relevant().into_iter().cloned().collect(),
        })
    }

    fn alert(&self, context: &Context<'_>, now: Time) -> Option<Alert> {
        let firing = self.firing.as_ref()?;
        let anomalies = self.relevant();
        let leading = self
            .anomalies
            .get(&firing.leading)
            .or_else(|| anomalies.first().copied())?;
        Some(Alert {
            id: alert_id(&firing.labels),
            state: AlertState::Firing,
            severity: firing.severity,
            labels: firing.labels.clone(),
            annotations: self.annotations(context, leading, now),
            starts_at: firing.starts_at,
            ends_at: None,
            muted: context.muted(firing.severity, now),
            anomalies: anomalies.into_iter().cloned().collect(),
        })
    }

    fn labels(&self, context: &Context<'_>, leading: &Anomaly) -> BTreeMap<Name, Name> {
        let (service, environment) = context.key;
        let mut labels: BTreeMap<Name, Name> = BTreeMap::new();
        let mut label = |name: &str, value: &str| {
            if !value.is_empty() {
                labels.insert(name.into(), value.into());
            }
        };
        label("severity", severity(leading).as_str());
        label("namespace", &service.namespace);
        label("service", &service.name);
        label("environment", environment);
        if let Some(details) = context.environment {
            label("cluster", details.cluster.as_deref().unwrap_or_default());
            label("region", details.region.as_deref().unwrap_or_default());
        }
        if let Some(criticality) = context.watching().and_then(|own| own.criticality.as_ref()) {
            label("criticality", criticality);
        }
        label("anomaly_type", &leading.detector);
        let apis: BTreeSet<_> = self
            .relevant()
            .into_iter()
            .filter_map(|anomaly| match &anomaly.signal.subject {
                Subject::Api(api) => Some(api),
                Subject::Service { .. } | Subject::Dependency { .. } | Subject::Number { .. } => {
                    None
                }
            })
            .collect();
        match apis.first() {
            Some(api) if apis.len() == 1 => {
                label("method", &api.method);
                label("route", &api.route);
                label("alertname", alert_name(leading));
            }
            Some(_) => label("alertname", "ServiceAnomalous"),
            None => label("alertname", alert_name(leading)),
        }
        labels
    }

    fn annotations(
        &self,
        context: &Context<'_>,
        leading: &Anomaly,
        now: Time,
    ) -> BTreeMap<Name, String> {
        let anomalies = self.relevant();
        let sentence =
            |anomaly: &Anomaly| format!("{}: {}", anomaly.signal.subject, anomaly.explanation.why);
        let mut description: Vec<String> = anomalies
            .iter()
            .take(MAX_SENTENCES)
            .map(|anomaly| {
                format!(
                    "{} (for {})",
                    sentence(anomaly),
                    duration_text(anomaly.duration(now))
                )
            })
            .collect();
        if anomalies.len() > MAX_SENTENCES {
            description.push(format!("and {} more", anomalies.len() - MAX_SENTENCES));
        }
        let evidence: Vec<String> = anomalies
            .iter()
            .map(|anomaly| anomaly.id.to_string())
            .collect();
        let incident = self.cause.as_ref().map(|cause| cause.incident.to_string());
        let root_cause = self
            .cause
            .as_ref()
            .and_then(|cause| cause.root_cause.clone());
        let impact = self.cause.as_ref().and_then(|cause| cause.impact.clone());
        let changes = self.cause.as_ref().and_then(|cause| cause.changes.clone());
        let watching = context.watching();
        let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string);
        [
            ("summary", Some(sentence(leading))),
            ("description", Some(description.join("\n"))),
            (
                "evidence",
                Some(format!("anomalies {}", evidence.join(", "))),
            ),
            ("incident", incident),
            ("root_cause", root_cause),
            ("impact", impact),
            ("changes", changes),
            ("owner", watching.and_then(|own| text(&own.owner))),
            (
                "runbook_url",
                watching.and_then(|own| text(&own.runbook_url)),
            ),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .map(|(name, text)| (name.into(), text))
        .collect()
    }

    /// Keeps what is open and the latest of what is over.
    fn forget_some(&mut self) {
        while self.anomalies.len() > MAX_ANOMALIES {
            let oldest = self
                .anomalies
                .values()
                .min_by_key(|anomaly| (anomaly.end.unwrap_or(Time::MAX), anomaly.start, anomaly.id))
                .map(|anomaly| anomaly.id);
            let Some(oldest) = oldest else {
                break;
            };
            self.anomalies.remove(&oldest);
        }
    }
}

fn place(alert: &Alert) -> [Option<&Name>; 3] {
    ["namespace", "service", "environment"].map(|name| alert.labels.get(name))
}

fn group_key(subject: &Subject) -> GroupKey {
    (subject.service().clone(), subject.environment().clone())
}

/// Starts the interval when it is first asked, is true once each interval after that.
fn is_due(last: &mut Option<Time>, now: Time, config: &AlertConfig) -> bool {
    match *last {
        Some(sent) if now.since(sent) >= config.resend_every => {
            *last = Some(now);
            true
        }
        Some(_) => false,
        None => {
            *last = Some(now);
            false
        }
    }
}
