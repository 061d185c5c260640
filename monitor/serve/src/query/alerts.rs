//! `GET /alerts`: what people were told, or are about to be.

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{AlertsQuery, Listing, Problem};
use monitor_core::{Alert, AlertSeverity, AlertState, Time, View};

use super::anomalies::anomaly;
use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::watermark;
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "watch", params(AlertsQuery),
    responses(
        (status = 200, body = Listing<wire::Alert>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Alerts: firing first, then pending, then resolved; among these the latest first.
pub(crate) async fn list_alerts(
    State(shared): State<Shared>,
    Params(query): Params<AlertsQuery>,
) -> Result<Json<Listing<wire::Alert>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    listing(&view, &query).map(Json)
}

fn listing(view: &View, query: &AlertsQuery) -> Result<Listing<wire::Alert>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let mut found: Vec<&Alert> = view
        .alerts
        .iter()
        .filter(|alert| {
            query
                .state
                .is_none_or(|wanted| wanted == state(alert.state))
        })
        .collect();
    found.sort_by_key(|alert| {
        let rank = match alert.state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        (rank, std::cmp::Reverse(alert.starts_at), alert.id)
    });
    let (total, items) = paging.cut(found.into_iter());
    Ok(Listing {
        at: watermark(view),
        total,
        items: items
            .into_iter()
            .map(|found| alert(found, view.at))
            .collect(),
    })
}

/// `at` is the watermark, up to which an open anomaly has lasted.
pub(crate) fn alert(alert: &Alert, at: Time) -> wire::Alert {
    wire::Alert {
        id: alert.id.to_string(),
        state: state(alert.state),
        severity: match alert.severity {
            AlertSeverity::Info => wire::AlertSeverity::Info,
            AlertSeverity::Warning => wire::AlertSeverity::Warning,
            AlertSeverity::Critical => wire::AlertSeverity::Critical,
        },
        labels: alert
            .labels
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        annotations: alert
            .annotations
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        starts_at: alert.starts_at.to_string(),
        ends_at: alert.ends_at.map(|end| end.to_string()),
        muted: alert.muted.clone(),
        anomalies: alert
            .anomalies
            .iter()
            .map(|found| anomaly(found, at))
            .collect(),
    }
}

fn state(state: AlertState) -> wire::AlertState {
    match state {
        AlertState::Pending => wire::AlertState::Pending,
        AlertState::Firing => wire::AlertState::Firing,
        AlertState::Resolved => wire::AlertState::Resolved,
    }
}
