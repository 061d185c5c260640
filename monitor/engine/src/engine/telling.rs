//! From what changed in a second to what is told: incidents, causes and alerts.

use std::collections::BTreeSet;

use monitor_core::{Anomaly, Change as Deed, Measure, Name, ServiceKey, Subject, Time, Workload};
use monitor_diagnose::{Budgets, Cause, IncidentChange, Seen};

use super::{Effect, Engine};
use crate::episode::Change;

/// Changes told with an alert.
const TOLD_CHANGES: usize = 5;
/// Closed anomalies that the view still shows.
const CLOSED_KEPT: usize = 200;

impl Engine {
    /// Tells of what changed, and lets the alerts grow older.
    pub(super) fn settle(&mut self, end: i64, changes: Vec<Change>, effects: &mut Vec<Effect>) {
        let now = Time::from_secs(end);
        let book = &mut self.state.feedback;
        for change in book.admit(changes, &self.config.without, now) {
            let (Change::Opened(anomaly) | Change::Updated(anomaly) | Change::Closed(anomaly)) =
                &change;
            let over = matches!(change, Change::Closed(_));
            if self.is_told(anomaly, over, now) {
                self.state.book.record(anomaly, now);
                self.state.incidents.record(anomaly, now);
            }
            effects.push(match change {
                Change::Opened(anomaly) => {
                    self.state.counts.anomalies_opened += 1;
                    Effect::AnomalyOpened(anomaly)
                }
                Change::Updated(anomaly) => Effect::AnomalyUpdated(anomaly),
                Change::Closed(anomaly) => {
                    if self.state.closed.len() >= CLOSED_KEPT {
                        self.state.closed.pop_front();
                    }
                    self.state.closed.push_back(anomaly.clone());
                    Effect::AnomalyClosed(anomaly)
                }
            });
        }
        self.diagnose(end, effects);
        let changed = self.state.book.advance(now, &self.alert_config());
        effects.extend(changed.into_iter().map(Effect::Alert));
    }

    /// Puts together what belongs together, and says where it may come from.
    fn diagnose(&mut self, end: i64, effects: &mut Vec<Effect>) {
        let now = Time::from_secs(end);
        self.learn_edges(end);
        let config = self.alert_config();
        let state = &mut self.state;
        if !state.incidents.is_due(now) {
            return;
        }
        let concerned = state.incidents.concerned(&state.topology);
        let vitals = crate::vitals::of(concerned, &state.apis, &state.services, end, &self.config);
        let flows = &state.flows;
        let services = &state.services;
        let look = |concerned: &BTreeSet<Workload>, since: Time| {
            // Calls are not fewer because nobody could read when they were.
            let unreadable: Vec<(&ServiceKey, &Name)> = services
                .iter()
                .filter(|service| service.clock.was_unreadable(since))
                .map(|service| (&service.service, &service.environment))
                .collect();
            if unreadable.is_empty() {
                return flows.compare(concerned, since, end);
            }
            let mut readable = concerned.clone();
            readable.retain(|it| !unreadable.contains(&(&it.service, &it.environment)));
            flows.compare(&readable, since, end)
        };
        let changes = state
            .incidents
            .advance_with(now, &config, &state.topology, &vitals, &look);
        let (apis, settings) = (&state.apis, &self.settings);
        let budgets = Budgets {
            since: &|concerned, began| {
                crate::objectives::spent_since(apis, settings, concerned, began, end)
            },
            weight: &|workload| crate::objectives::weight(settings, workload),
        };
        (state.incidents).weigh(now, &config, &changes, &state.journeys, &budgets);
        state.counts.incidents_opened += changes
            .iter()
            .filter(|change| matches!(change, IncidentChange::Opened(_)))
            .count() as u64;
        (state.counts.impact_forecasts, state.counts.impact_inside) =
            state.incidents.impact_forecasts();
        let merged = changes.iter().filter_map(|change| match change {
            IncidentChange::Closed(incident) => Some((incident.id, incident.merged_into?)),
            _ => None,
        });
        state.book.follow(state.incidents.lasting(), merged);
        let by_workload = state.incidents.by_workload();
        state.book.attribute(|service, environment| {
            let workload = Workload {
                service: service.clone(),
                environment: environment.clone(),
            };
            let incident = by_workload.get(&workload)?;
            let root_cause = incident.root_cause();
            let rank = incident
                .suspects
                .iter()
                .position(|suspect| suspect.workload == workload);
            Some(Cause {
                incident: incident.id,
                rank: rank.map_or(u32::MAX, |rank| u32::try_from(rank).unwrap_or(u32::MAX)),
                root_cause: root_cause.map(|cause| match incident.scope.as_str() {
                    "" => format!("{}: {}", cause.name(), cause.why),
                    scope => format!("{}: {} ({scope})", cause.name(), cause.why),
                }),
                impact: incident.impact.as_ref().map(ToString::to_string),
                changes: changes_text(&incident.changes),
            })
        });
        effects.extend(changes.into_iter().map(|change| match change {
            IncidentChange::Opened(incident) => Effect::IncidentOpened(incident),
            IncidentChange::Updated(incident) => Effect::IncidentUpdated(incident),
            IncidentChange::Closed(incident) => Effect::IncidentClosed(incident),
        }));
    }

    /// Takes over the edges that were seen before the end of the second.
    pub(super) fn learn_edges(&mut self, end: i64) {
        let state = &mut self.state;
        while let Some(first) = state.pending_edges.first_entry() {
            if *first.key() >= end {
                break;
            }
            let at = Time::from_secs(*first.key());
            for (caller, callee) in first.remove() {
                match state.topology.see(&caller, &callee, at) {
                    Seen::New => state.incidents.topology_changed(),
                    Seen::Again => {}
                    Seen::Refused => state.counts.edges_refused += 1,
                }
            }
        }
        state.topology.forget(Time::from_secs(end));
    }

    /// Whether it pages and is likely enough to be true among as many Apis as there are.
    fn is_told(&mut self, anomaly: &Anomaly, over: bool, now: Time) -> bool {
        if over {
            return self.state.told.remove(&anomaly.id);
        }
        if self.state.told.contains(&anomaly.id) {
            return true;
        }
        let (apis, budget) = (self.state.apis.len(), self.config.false_alarms_per_api_week);
        let told = self.pages(anomaly)
            && self
                .state
                .discoveries
                .admits((anomaly.id.0, anomaly.score), now, apis, budget);
        if told {
            self.state.told.insert(anomaly.id);
        }
        told
    }

    /// A message that is no error may become frequent without waking anyone. Nor does what a
    /// service's own calls meet: those who wait for the service feel it, or nobody does.
    pub(crate) fn pages(&self, anomaly: &Anomaly) -> bool {
        if anomaly.detector.starts_with("odd-")
            || matches!(
                anomaly.signal.measure,
                Measure::Combination | Measure::JourneySteps(_) | Measure::NewSizeRatio
            )
        {
            // Who differs from its peers is shown and named, and so is what is unusual only together
            // or on the way; the Api's own detectors wake people. Answers change their size with
            // many a release.
            return false;
        }
        if matches!(anomaly.signal.subject, Subject::Number { .. }) {
            // That someone wants a number watched does not make it a reason to wake anyone.
            return false;
        }
        if matches!(anomaly.signal.subject, Subject::Dependency { .. }) {
            return anomaly.signal.measure == Measure::CallsPerCall;
        }
        let Measure::TemplateRate(template) = anomaly.signal.measure else {
            return true;
        };
        self.state.services.iter().any(|service| {
            service.service == *anomaly.signal.subject.service()
                && service.environment == *anomaly.signal.subject.environment()
                && service.is_error_template(template)
        })
    }
}

/// One line for each.
fn changes_text(changes: &[Deed]) -> Option<String> {
    let lines: Vec<String> = changes
        .iter()
        .take(TOLD_CHANGES)
        .map(|change| format!("{} {change} ({})", change.at, change.source))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
