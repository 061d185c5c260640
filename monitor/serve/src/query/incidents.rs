//! `GET /incidents` and `GET /incidents/{id}`: what belongs together, and who may have caused it.

use axum::Json;
use axum::extract::{Path, State};
use monitor_api as wire;
use monitor_api::{IncidentsQuery, Listing, Problem};
use monitor_core::{Culprit, Impact, Incident, Time, View, Workload};

use super::changes::change;
use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, or_zero, watermark};
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
    let forecast = &impact.next_minute;
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
        next_minute: wire::ImpactForecast {
            expected: or_zero(forecast.expected),
            low: or_zero(forecast.low),
            high: or_zero(forecast.high),
        },
        summary: impact.to_string(),
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
