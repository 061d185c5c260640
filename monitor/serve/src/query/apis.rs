//! `GET /apis` and `GET /apis/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use monitor_api::{
    Api, ApiDetail, ApiForecast, ApisQuery, Listing, ObjectiveState, Problem, Signal,
    SignalForecast, Signals,
};
use monitor_core::{ApiState, ApiView, Measure, ObjectiveView, SignalView, View};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, api_id, band, finite, or_zero, state, watermark};
use super::{alerts, anomalies};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/apis", tag = "watch", params(ApisQuery),
    responses(
        (status = 200, body = Listing<Api>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// The Apis, the most troubled first.
pub(crate) async fn list_apis(
    State(shared): State<Shared>,
    Params(query): Params<ApisQuery>,
) -> Result<Json<Listing<Api>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    listing(&view, &query).map(Json)
}

#[utoipa::path(
    get, path = "/api/v1/apis/{id}", tag = "watch",
    params(("id" = String, Path, description = "The Api's `id`: 16 hexadecimal digits.")),
    responses(
        (status = 200, body = ApiDetail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// One Api with its anomalies and alerts.
pub(crate) async fn get_api(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ApiDetail>, Failure> {
    let view = shared.ports.view.borrow().clone();
    detail(&view, &id).map(Json)
}

#[utoipa::path(
    get, path = "/api/v1/apis/{id}/forecast", tag = "watch",
    params(("id" = String, Path, description = "The Api's `id`: 16 hexadecimal digits.")),
    responses(
        (status = 200, body = ApiForecast),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What is expected of one Api: its rate and response time with intervals that nine of ten values lie
/// in, from five minutes to seven days ahead, and the chance that it fails soon.
pub(crate) async fn get_forecast(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ApiForecast>, Failure> {
    let view = shared.ports.view.borrow().clone();
    let found = find(&view, &id)?;
    let future = shared.ports.models.future(Arc::clone(&found.key)).await?;
    let future = future.ok_or_else(unknown)?;
    let record = &view.track_record;
    let held = |measure: Measure, horizon_secs: u32| {
        let of = record.coverage.iter().find(|of| {
            *of.measure == *measure.as_str() && of.horizon_secs == horizon_secs && of.scored > 0
        })?;
        Some(of.inside as f64 / of.scored as f64)
    };
    Ok(Json(ApiForecast {
        at: watermark(&view),
        failure_probability: future.failure_chance.and_then(finite),
        failure_horizon_seconds: record.failures.horizon_secs,
        forecasts: future
            .signals
            .iter()
            .map(|signal| SignalForecast {
                measure: anomalies::measure(signal.measure),
                unit: signal.measure.unit().to_owned(),
                at: signal.at.to_string(),
                horizon_seconds: signal.horizon_secs,
                median: finite(signal.median),
                lower: signal.interval.and_then(|(lower, _)| finite(lower)),
                upper: signal.interval.and_then(|(_, upper)| finite(upper)),
                scored: signal.scored,
                coverage_ratio: held(signal.measure, signal.horizon_secs),
            })
            .collect(),
    }))
}

fn listing(view: &View, query: &ApisQuery) -> Result<Listing<Api>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let states = query.state.as_deref().map(states).transpose()?;
    let place = Place {
        service: query.service.as_deref(),
        environment: query.environment.as_deref(),
    };
    let mut found: Vec<&ApiView> = view
        .apis
        .iter()
        .filter(|api| place.holds(&api.key.service, &api.key.environment))
        .filter(|api| {
            states
                .as_ref()
                .is_none_or(|states| states.contains(&api.state))
        })
        .collect();
    found.sort_by(|a, b| by_trouble(a, b));
    let (total, items) = paging.cut(found.into_iter());
    Ok(Listing {
        at: watermark(view),
        total,
        items: items.into_iter().map(api).collect(),
    })
}

/// What needs a person first, then the worst score, then by name.
pub(crate) fn by_trouble(a: &ApiView, b: &ApiView) -> std::cmp::Ordering {
    let rank = |api: &ApiView| match api.state {
        ApiState::Anomalous => 0,
        ApiState::Silent => 1,
        ApiState::AtRisk => 2,
        ApiState::Ok => 3,
        ApiState::Learning => 4,
        ApiState::Paused => 5,
    };
    rank(a)
        .cmp(&rank(b))
        .then_with(|| b.score.get().total_cmp(&a.score.get()))
        .then_with(|| a.key.cmp(&b.key))
}

fn states(text: &str) -> Result<Vec<ApiState>, Failure> {
    text.split(',')
        .map(|name| {
            ApiState::ALL
                .into_iter()
                .find(|state| state.as_str() == name.trim())
                .ok_or_else(|| {
                    let known = ApiState::ALL.map(ApiState::as_str).join(", ");
                    Failure::bad_parameter("state", "this is no state of an Api".to_owned())
                        .hint(&format!("states are {known}; several with commas between"))
                })
        })
        .collect()
}

fn find<'a>(view: &'a View, id: &str) -> Result<&'a ApiView, Failure> {
    let mut apis = view.apis.iter();
    apis.find(|api| api_id(&api.key) == id).ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::not_found("no Api has this id".to_owned())
        .at("id")
        .hint("GET /api/v1/apis lists them; one that was not called for long is forgotten")
}

fn detail(view: &View, id: &str) -> Result<ApiDetail, Failure> {
    let found = find(view, id)?;
    let key = &found.key;
    let concerns = |anomaly: &monitor_core::Anomaly| match &anomaly.signal.subject {
        monitor_core::Subject::Api(api) => api == key,
        monitor_core::Subject::Service {
            service,
            environment,
        }
        | monitor_core::Subject::Dependency {
            service,
            environment,
            ..
        }
        | monitor_core::Subject::Number {
            service,
            environment,
            ..
        } => *service == key.service && *environment == key.environment,
    };
    Ok(ApiDetail {
        api: api(found),
        anomalies: view
            .anomalies
            .iter()
            .filter(|anomaly| concerns(anomaly))
            .map(|anomaly| anomalies::anomaly(anomaly, view.at))
            .collect(),
        alerts: view
            .alerts
            .iter()
            .filter(|alert| alert.anomalies.iter().any(concerns))
            .map(|alert| alerts::alert(alert, view.at))
            .collect(),
        objectives: view
            .objectives
            .iter()
            .filter(|objective| objective.apis.contains(key))
            .map(objective)
            .collect(),
    })
}

fn api(view: &ApiView) -> Api {
    let key = &view.key;
    Api {
        id: api_id(key),
        environment: key.environment.to_string(),
        namespace: key.service.namespace.to_string(),
        service: key.service.name.to_string(),
        method: key.method.to_string(),
        route: key.route.to_string(),
        state: state(view.state),
        reason: view.reason.clone(),
        score: view.score.get(),
        score_percent: view.score.percent(),
        source: view.source.as_str().to_owned(),
        calls_per_second: or_zero(view.rate),
        error_ratio: or_zero(view.error_ratio),
        latency_p50_seconds: view.p50.and_then(finite),
        latency_p95_seconds: view.p95.and_then(finite),
        latency_p99_seconds: view.p99.and_then(finite),
        signals: Signals {
            calls_per_second: signal(&view.rate_signal),
            error_ratio: signal(&view.error_signal),
            latency_seconds: signal(&view.latency_signal),
        },
        calls_total: view.calls_total,
        errors_total: view.errors_total,
        first_seen: view.first_seen.to_string(),
        last_seen: view.last_seen.to_string(),
    }
}

fn objective(view: &ObjectiveView) -> ObjectiveState {
    ObjectiveState {
        name: view.name.to_string(),
        objective_ratio: view.ratio,
        latency_threshold_seconds: view.latency_threshold,
        window_seconds: view.window.as_secs_f64(),
        calls: view.calls,
        bad: view.bad,
        error_budget_remaining_ratio: view.budget_remaining.and_then(finite),
        burn_rate_1h: view.burn_1h.and_then(finite),
        burn_rate_6h: view.burn_6h.and_then(finite),
        apis: view.apis.len() as u64,
    }
}

fn signal(view: &SignalView) -> Signal {
    Signal {
        actual: view.actual.and_then(finite),
        typical: view.typical.and_then(finite),
        expected: view.band.map(band),
        score: view.score.get(),
    }
}
