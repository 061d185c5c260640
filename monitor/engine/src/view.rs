//! The engine's state as one value for readers.

use std::collections::BTreeSet;
use std::sync::Arc;

use monitor_core::{Anomaly, Environment, Name, Time, View};

use crate::config::EngineConfig;
use crate::engine::State;

pub(crate) fn view(state: &State, config: &EngineConfig) -> View {
    let watermark = state.watermark.unwrap_or_default();
    let mut apis: Vec<_> = state
        .apis
        .iter()
        .filter(|api| !api.is_retired())
        .map(|api| api.view(watermark))
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
        .map(|service| service.view(watermark, config))
        .collect();
    services.sort_by(|a, b| (&a.service, &a.environment).cmp(&(&b.service, &b.environment)));
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
        anomalies: anomalies(state),
        incidents: state.incidents.incidents(),
        alerts: state.book.alerts(Time::from_secs(watermark)),
        risks: state.foresight.risks(),
        track_record: state.foresight.ledger().track_record(),
        changes: state.incidents.changes(),
        journeys: Arc::new(state.journeys.view()),
        counts: state.counts,
    }
}

/// Open ones, then those that ended lately, newest first.
fn anomalies(state: &State) -> Vec<Anomaly> {
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
        .cloned()
        .collect();
    open.sort_by(|a, b| b.start.cmp(&a.start).then(a.id.cmp(&b.id)));
    open.extend(state.closed.iter().rev().cloned());
    open
}
