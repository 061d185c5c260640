//! The engine's state as one value for readers.

use std::collections::BTreeSet;
use std::sync::Arc;

use monitor_core::{Anomaly, ApiState, Environment, Name, Time, TrackRecord, View};

use crate::config::EngineConfig;
use crate::engine::State;

pub(crate) fn view(state: &State, config: &EngineConfig) -> View {
    let watermark = state.watermark.unwrap_or_default();
    let mut apis: Vec<_> = state
        .apis
        .iter()
        .filter(|api| !api.is_retired())
        .map(|api| {
            let mut view = api.view(watermark);
            excuse(
                api.open_anomalies(),
                state,
                &mut view.state,
                &mut view.reason,
            );
            view
        })
        .collect();
    apis.sort_by(|a, b| {
        b.score
            .get()
            .total_cmp(&a.score.get())
            .then_with(|| a.key.cmp(&b.key))
    });
    state.foresight.mark(&mut apis);
    let mut services: Vec<_> = state
        .services
        .iter()
        .map(|service| {
            let mut view = service.view(watermark, config);
            let open = service.open_anomalies();
            excuse(open, state, &mut view.state, &mut view.reason);
            view
        })
        .collect();
    services.sort_by(|a, b| (&a.service, &a.environment).cmp(&(&b.service, &b.environment)));
    let mut journeys = state.journeys.view();
    state.journey_risks.mark(&mut journeys.types);
    let names: BTreeSet<Name> = state
        .apis
        .iter()
        .map(|api| api.key.environment.clone())
        .chain(
            state
                .services
                .iter()
                .map(|service| service.environment.clone()),
        )
        .collect();
    View {
        at: Time::from_secs(watermark),
        environments: names
            .into_iter()
            .map(|name| match state.book.environment(&name) {
                Some(known) => known.clone(),
                None => Environment {
                    name,
                    ..Environment::default()
                },
            })
            .collect(),
        apis,
        services,
        logs: Vec::new(),
        objectives: crate::objectives::view(
            state.apis.iter().filter(|api| !api.is_retired()),
            watermark,
        ),
        fields: Vec::new(),
        probes: Arc::default(),
        anomalies: told(state),
        incidents: state.incidents.incidents(),
        alerts: state.book.alerts(Time::from_secs(watermark)),
        risks: state.foresight.risks(),
        track_record: track_record(state),
        changes: state.incidents.changes(),
        journeys: Arc::new(journeys),
        counts: state.counts,
    }
}

/// Also of what was forecast of incidents.
fn track_record(state: &State) -> TrackRecord {
    let mut record = state.foresight.ledger().track_record();
    record.coverage.extend(state.incidents.impact_record());
    record.journeys = state.journey_risks.record();
    record
}

/// Without those that people want to hear nothing of.
fn told(state: &State) -> Vec<Anomaly> {
    let mut told = anomalies(state);
    told.retain(|anomaly| anomaly.end.is_some() || !state.feedback.holds(anomaly.id));
    told
}

/// What is unusual only in ways that people expect, or want to hear nothing of, is well.
fn excuse<'a>(
    open: impl Iterator<Item = &'a Anomaly>,
    state: &State,
    shown: &mut ApiState,
    reason: &mut String,
) {
    let mut any = false;
    for anomaly in open {
        if !state.feedback.holds(anomaly.id) {
            return;
        }
        any = true;
    }
    if any && matches!(shown, ApiState::Anomalous | ApiState::Silent) {
        *shown = ApiState::Ok;
        *reason = format!("ok: {reason}; as was expected, or nobody wants to hear of it");
    }
}

/// Open ones, then those that ended lately, newest first.
pub(crate) fn anomalies(state: &State) -> Vec<Anomaly> {
    let mut open: Vec<Anomaly> = state
        .apis
        .iter()
        .flat_map(|api| api.open_anomalies())
        .chain(
            state
                .services
                .iter()
                .flat_map(|service| service.open_anomalies()),
        )
        .chain(
            state
                .dependencies
                .iter()
                .flat_map(|dependency| dependency.open_anomalies()),
        )
        .chain(state.peers.open_anomalies())
        .chain(state.numbers.open_anomalies())
        .chain(state.combinations.open_anomalies())
        .chain(state.steps.open_anomalies())
        .cloned()
        .collect();
    open.sort_by(|a, b| b.start.cmp(&a.start).then(a.id.cmp(&b.id)));
    open.extend(state.closed.iter().rev().cloned());
    open
}
