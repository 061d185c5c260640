//! `GET /incidents` and `GET /incidents/{id}`: what belongs together, and who may have caused it.

use axum::Json;
use axum::extract::{Path, State};
use monitor_api as wire;
use monitor_api::{IncidentsQuery, Listing, Problem};
use monitor_core::{Culprit, Forecast, Impact, Incident, Time, UserImpact, View, Workload};

use super::changes::change;
use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, finite, or_zero, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/incidents", tag = "watch", params(IncidentsQuery),
    responses(
        (status = 200, body = Listing<wire::Incident>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Incidents that last still, the latest first, then those that ended lately.
pub(crate) async fn list_incidents(
    State(shared): State<Shared>,
    Params(query): Params<IncidentsQuery>,
) -> Result<Json<Listing<wire::Incident>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    listing(&view, &query).map(Json)
}

#[utoipa::path(
    get, path = "/api/v1/incidents/{id}", tag = "watch",
    params(("id" = String, Path, description = "The incident's `id`: 16 hexadecimal digits.")),
    responses(
        (status = 200, body = wire::Incident),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// One incident.
pub(crate) async fn get_incident(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<wire::Incident>, Failure> {
    let view = shared.ports.view.borrow().clone();
    view.incidents
        .iter()
        .find(|incident| incident.id.to_string() == id)
        .map(|found| Json(incident(found, view.at)))
        .ok_or_else(|| {
            Failure::not_found("no incident has this id".to_owned())
                .at("id")
                .hint("GET /api/v1/incidents lists them; those that ended long ago are forgotten")
        })
}

fn listing(view: &View, query: &IncidentsQuery) -> Result<Listing<wire::Incident>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let place = Place {
        service: query.service.as_deref(),
        environment: query.environment.as_deref(),
    };
    let found = view.incidents.iter().filter(|incident| {
        concerns(incident, &place)
            && query
                .open
                .is_none_or(|open| open == incident.ended.is_none())
    });
    let (total, items) = paging.cut(found);
    Ok(Listing {
        at: watermark(view),
        total,
        items: items
            .into_iter()
            .map(|found| incident(found, view.at))
            .collect(),
    })
}

/// Whether one of its services is there.
pub(crate) fn concerns(incident: &Incident, place: &Place<'_>) -> bool {
    incident
        .services
        .iter()
        .any(|workload| place.holds(&workload.service, &workload.environment))
}

/// `at` is the watermark, up to which an open incident has lasted.
pub(crate) fn incident(incident: &Incident, at: Time) -> wire::Incident {
    wire::Incident {
        id: incident.id.to_string(),
        open: incident.ended.is_none(),
        began: incident.began.to_string(),
        opened: incident.opened.to_string(),
        changed: incident.changed.to_string(),
        ended: incident.ended.map(|ended| ended.to_string()),
        merged_into: incident.merged_into.map(|id| id.to_string()),
        duration_seconds: incident
            .ended
            .unwrap_or(at)
            .since(incident.began)
            .as_secs_f64(),
        services: incident.services.iter().map(workload).collect(),
        anomalies: incident
            .anomalies
            .iter()
            .map(|anomaly| anomaly.to_string())
            .collect(),
        suspects: incident
            .suspects
            .iter()
            .map(|suspect| wire::Suspect {
                workload: workload(&suspect.workload),
                kind: match suspect.culprit {
                    Culprit::Service => "service",
                    Culprit::Link { .. } => "link",
                    Culprit::Environment { .. } => "environment",
                }
                .to_owned(),
                score: or_zero(suspect.score),
                why: suspect.why.clone(),
            })
            .collect(),
        scope: incident.scope.clone(),
        impact: incident.impact.as_ref().map(impact),
        changes: incident.changes.iter().map(change).collect(),
    }
}

fn impact(impact: &Impact) -> wire::Impact {
    wire::Impact {
        calls_per_second: or_zero(impact.calls_per_second),
        affected: or_zero(impact.affected),
        usually: or_zero(impact.usually),
        by_environment: impact
            .by_environment
            .iter()
            .map(|(environment, affected)| wire::EnvironmentImpact {
                environment: environment.to_string(),
                affected: or_zero(*affected),
            })
            .collect(),
        next_minute: forecast(&impact.next_minute),
        later: impact
            .later
            .iter()
            .map(|outlook| wire::ImpactOutlook {
                horizon_seconds: outlook.horizon_secs,
                lasts_ratio: or_zero(outlook.lasts),
                affected: forecast(&outlook.affected),
            })
            .collect(),
        users: impact.users.as_ref().map(users),
        summary: impact.to_string(),
    }
}

fn forecast(forecast: &Forecast) -> wire::ImpactForecast {
    wire::ImpactForecast {
        expected: or_zero(forecast.expected),
        low: or_zero(forecast.low),
        high: or_zero(forecast.high),
    }
}

fn users(users: &UserImpact) -> wire::UserImpact {
    wire::UserImpact {
        journeys_so_far: or_zero(users.journeys_so_far),
        apdex: users.apdex.and_then(finite),
        apdex_usually: users.apdex_usually.and_then(finite),
        journeys: users
            .journeys
            .iter()
            .map(|hurt| wire::JourneyImpact {
                r#type: hurt.kind.to_string(),
                name: hurt.name.to_string(),
                journeys_per_second: or_zero(hurt.rate),
                hurt: or_zero(hurt.hurt),
                usually: or_zero(hurt.usually),
                apdex: or_zero(hurt.apdex),
                apdex_usually: or_zero(hurt.apdex_usually),
                so_far: or_zero(hurt.so_far),
            })
            .collect(),
        budgets: users
            .budgets
            .iter()
            .map(|budget| wire::BudgetImpact {
                environment: budget.environment.to_string(),
                namespace: budget.service.namespace.to_string(),
                service: budget.service.name.to_string(),
                objective: budget.objective.to_string(),
                weight: or_zero(budget.weight),
                spent: or_zero(budget.spent),
                left: or_zero(budget.left),
                gone: budget.gone.map(|gone| gone.to_string()),
            })
            .collect(),
    }
}

fn workload(workload: &Workload) -> wire::Workload {
    wire::Workload {
        environment: workload.environment.to_string(),
        namespace: workload.service.namespace.to_string(),
        service: workload.service.name.to_string(),
        name: workload.to_string(),
    }
}
