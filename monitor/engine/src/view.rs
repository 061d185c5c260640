//! The engine's state as one value for readers.

use std::collections::BTreeSet;

use monitor_core::{Environment, Name, Time, View};

use crate::engine::State;

pub(crate) fn view(state: &State) -> View {
    let watermark = state.watermark.unwrap_or_default();
    let mut apis: Vec<_> = state.apis.iter().map(|api| api.view(watermark)).collect();
    apis.sort_by(|a, b| {
        b.score
            .get()
            .total_cmp(&a.score.get())
            .then_with(|| a.key.cmp(&b.key))
    });
    let mut services: Vec<_> = state
        .services
        .iter()
        .map(|service| service.view(watermark))
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
            .map(|name| Environment {
                name,
                ..Environment::default()
            })
            .collect(),
        apis,
        services,
        anomalies: Vec::new(),
        alerts: Vec::new(),
        counts: state.counts,
    }
}
