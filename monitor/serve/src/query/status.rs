//! `GET /status`: how the monitor does, and how things are in one sentence.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use monitor_api::{IngestCounts, Status, StatusCounts};
use monitor_core::{AlertState, IngestView, View};

use super::headline::headline;
use super::places;
use super::streams::{reasons, unrecognised_records};
use super::words::{count_state, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/status", tag = "monitor",
    responses((status = 200, body = Status)),
)]
/// How things are in one sentence; the monitor's version, readiness and counts.
pub(crate) async fn get_status(State(shared): State<Shared>) -> Json<Status> {
    let view = shared.ports.view.borrow().clone();
    let ingest = shared.ports.ingest.borrow().clone();
    let ready = shared.ports.ready.borrow().clone();
    Json(Status {
        headline: headline(&view, &ingest, &ready),
        version: crate::VERSION.to_owned(),
        revision: crate::REVISION.map(str::to_owned),
        ready: ready.is_ok(),
        not_ready_reason: ready.err(),
        now: shared.ports.clock.now().to_string(),
        watermark: watermark(&view),
        counts: counts(&view),
        ingest: ingest_counts(&ingest),
    })
}

fn counts(view: &View) -> StatusCounts {
    let mut apis_by_state = BTreeMap::new();
    for api in &view.apis {
        count_state(&mut apis_by_state, api.state);
    }
    let open = view
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.end.is_none());
    let firing = view
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing);
    StatusCounts {
        environments: places::environments(view).len() as u64,
        services: places::services(view).len() as u64,
        apis: view.apis.len() as u64,
        apis_by_state,
        anomalies_open: open.count() as u64,
        alerts_firing: firing.count() as u64,
        observations: view.counts.observations,
        late: view.counts.late,
        future: view.counts.future,
        overflowed: view.counts.overflowed,
        anomalies_total: view.counts.anomalies_opened,
    }
}

fn ingest_counts(ingest: &IngestView) -> IngestCounts {
    let unread: Vec<u64> = ingest.streams.iter().map(unrecognised_records).collect();
    IngestCounts {
        streams: ingest.streams.len() as u64,
        streams_unrecognised: unread.iter().filter(|records| **records > 0).count() as u64,
        records: ingest.streams.iter().map(|stream| stream.records).sum(),
        records_unrecognised: unread.iter().sum(),
        templates: ingest.templates.len() as u64,
        redactions: reasons(&ingest.redactions),
    }
}
