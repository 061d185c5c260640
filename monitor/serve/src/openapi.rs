//! `GET /openapi.json`: the API described by OpenAPI 3.1, from the handlers themselves.
//!
//! A copy is checked in as `docs/openapi.json`; a test says when it is stale.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;

use crate::query::{
    alerts, anomalies, apis, changes, configuration, feedback, incidents, journeys, models, places,
    predictions, search, status, streams, tail, traces, what_if, workloads,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Crosswatch",
        description = "What is watched, what is anomalous and why, and the stored records. Times \
            are RFC 3339 in UTC; the unit of a number is in its name; `null` means not known.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        version = "v1",
    ),
    tags(
        (name = "watch", description = "Apis, where they run, and what is wrong with them"),
        (name = "search", description = "The stored records"),
        (name = "intake", description = "What comes in, and how well it is read"),
        (name = "models", description = "What was learned, what people say of it, and what is on trial"),
        (name = "live", description = "What happens as it happens"),
        (name = "monitor", description = "The monitor itself"),
    ),
    paths(
        status::get_status,
        apis::list_apis,
        apis::get_api,
        apis::get_forecast,
        workloads::list_workloads,
        places::list_services,
        places::list_environments,
        anomalies::list_anomalies,
        anomalies::get_anomaly,
        incidents::list_incidents,
        incidents::get_incident,
        journeys::get_journeys,
        journeys::list_journey_types,
        journeys::get_topology,
        what_if::get_what_if,
        predictions::get_predictions,
        alerts::list_alerts,
        search::search,
        search::histogram,
        search::facets,
        tail::tail,
        traces::get_trace,
        streams::list_streams,
        streams::list_templates,
        changes::list_changes,
        changes::post_changes,
        configuration::list_sources,
        configuration::get_configuration,
        configuration::put_configuration,
        configuration::delete_configuration,
        feedback::list_feedback,
        feedback::answer_anomaly,
        feedback::answer_alert,
        models::list_models,
        models::get_model,
        models::begin_trial,
        models::end_trial,
        models::promote_model,
        models::roll_back,
        models::backtest,
        models::list_learned,
        models::score,
        models::forecast,
        crate::live::live,
        document,
    ),
)]
struct Document;

/// The document as text, the same for every build of a version.
pub fn openapi_json() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .expect("a document made of strings and maps with string keys is JSON");
    text.push('\n');
    text
}

#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "monitor",
    responses((status = 200, description = "This document")),
)]
/// The description of this API.
pub(crate) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
