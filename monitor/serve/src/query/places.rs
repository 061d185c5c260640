//! `GET /services` and `GET /environments`: the Apis' numbers, summed by where they run.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{ApiState, Listing, Problem, ServicesQuery};
use monitor_core::{ApiView, Environment, Name, ServiceKey, ServiceView, Time, View};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{count_state, finite, or_zero, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/services", tag = "watch", params(ServicesQuery),
    responses(
        (status = 200, body = Listing<wire::Service>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Services by environment, the most troubled first.
pub(crate) async fn list_services(
    State(shared): State<Shared>,
    Params(query): Params<ServicesQuery>,
) -> Result<Json<Listing<wire::Service>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    let paging = Paging::of_list(query.limit, query.offset)?;
    let mut found = services(&view);
    found.retain(|service| {
        query
            .environment
            .as_ref()
            .is_none_or(|wanted| *wanted == service.environment)
    });
    let (total, items) = paging.cut(found.into_iter());
    Ok(Json(Listing {
        at: watermark(&view),
        total,
        items,
    }))
}

#[utoipa::path(
    get, path = "/api/v1/environments", tag = "watch",
    responses((status = 200, body = Listing<wire::Environment>)),
)]
/// Environments, the most troubled first.
pub(crate) async fn list_environments(
    State(shared): State<Shared>,
) -> Json<Listing<wire::Environment>> {
    let view = shared.ports.view.borrow().clone();
    let items = environments(&view);
    Json(Listing {
        at: watermark(&view),
        total: items.len() as u64,
        items,
    })
}

/// Sums over some Apis.
#[derive(Debug, Default)]
struct Sums {
    apis: u64,
    by_state: BTreeMap<ApiState, u64>,
    score: f64,
    rate: f64,
    error_rate: f64,
    last_seen: Time,
}

impl Sums {
    fn add(&mut self, api: &ApiView) {
        self.apis += 1;
        count_state(&mut self.by_state, api.state);
        self.score = self.score.max(api.score.get());
        self.rate += or_zero(api.rate);
        self.error_rate += or_zero(api.rate) * or_zero(api.error_ratio);
        self.last_seen = self.last_seen.max(api.last_seen);
    }

    /// Errors among all calls, so that busy Apis weigh more.
    fn error_ratio(&self) -> f64 {
        if self.rate > 0.0 {
            self.error_rate / self.rate
        } else {
            0.0
        }
    }
}

/// Every service that sent logs or has Apis.
pub(crate) fn services(view: &View) -> Vec<wire::Service> {
    let mut sums: BTreeMap<(&ServiceKey, &Name), (Sums, Option<&ServiceView>)> = BTreeMap::new();
    for api in &view.apis {
        let place = (&api.key.service, &api.key.environment);
        sums.entry(place).or_default().0.add(api);
    }
    for service in &view.services {
        let place = (&service.service, &service.environment);
        sums.entry(place).or_default().1 = Some(service);
    }
    let mut services: Vec<wire::Service> = sums
        .into_iter()
        .map(|((key, environment), (sums, logs))| wire::Service {
            environment: environment.to_string(),
            namespace: key.namespace.to_string(),
            service: key.name.to_string(),
            score: sums.score,
            apis: sums.apis,
            calls_per_second: sums.rate,
            error_ratio: sums.error_ratio(),
            logs_per_second: logs.and_then(|logs| finite(logs.log_rate)),
            log_error_ratio: logs.and_then(|logs| finite(logs.log_error_ratio)),
            logs_total: logs.map_or(0, |logs| logs.logs_total),
            log_errors_total: logs.map_or(0, |logs| logs.log_errors_total),
            templates: logs.map_or(0, |logs| logs.templates),
            last_seen: logs
                .map_or(sums.last_seen, |logs| logs.last_seen.max(sums.last_seen))
                .to_string(),
            apis_by_state: sums.by_state,
        })
        .collect();
    // Stable: equal scores stay in the order of names.
    services.sort_by(|a, b| b.score.total_cmp(&a.score));
    services
}

/// Every environment that is described or has Apis.
pub(crate) fn environments(view: &View) -> Vec<wire::Environment> {
    let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut services: BTreeMap<&str, u64> = BTreeMap::new();
    for environment in &view.environments {
        sums.entry(&environment.name).or_default();
    }
    for api in &view.apis {
        sums.entry(&api.key.environment).or_default().add(api);
    }
    let all = self::services(view);
    for service in &all {
        sums.entry(&service.environment).or_default();
        *services.entry(&service.environment).or_insert(0) += 1;
    }
    let unknown = Environment::default();
    let mut environments: Vec<wire::Environment> = sums
        .into_iter()
        .map(|(name, sums)| {
            let described = view
                .environments
                .iter()
                .find(|environment| *environment.name == *name)
                .unwrap_or(&unknown);
            let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string);
            wire::Environment {
                name: name.to_owned(),
                kind: described.kind.as_str().to_owned(),
                provider: text(&described.provider),
                region: text(&described.region),
                zone: text(&described.zone),
                cluster: text(&described.cluster),
                score: sums.score,
                services: services.get(name).copied().unwrap_or(0),
                apis: sums.apis,
                calls_per_second: sums.rate,
                error_ratio: sums.error_ratio(),
                apis_by_state: sums.by_state,
            }
        })
        .collect();
    environments.sort_by(|a, b| b.score.total_cmp(&a.score));
    environments
}
