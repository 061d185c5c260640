//! The query API under `/api/v1`: what is watched, what is wrong and why, and the stored records.
//!
//! Each endpoint reads the latest [`View`](monitor_core::View) or asks the search port; nothing here
//! holds state of its own. Handlers translate into the wire's words (`monitor-api`), so that the
//! monitor's types can change without anyone outside noticing.

pub(crate) mod alerts;
pub(crate) mod anomalies;
pub(crate) mod apis;
mod body;
pub(crate) mod changes;
pub(crate) mod configuration;
pub(crate) mod feedback;
mod headline;
pub(crate) mod incidents;
pub(crate) mod journeys;
pub(crate) mod models;
pub(crate) mod params;
pub(crate) mod places;
pub(crate) mod predictions;
pub(crate) mod problem;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod streams;
pub(crate) mod tail;
pub(crate) mod traces;
pub(crate) mod what_if;
mod when;
pub(crate) mod words;
pub(crate) mod workloads;

use axum::Router;
use axum::routing::{get, post};

use self::problem::Failure;
use crate::{Shared, live, openapi};

/// Everything under `/api/v1`; what is not there answers with a problem document.
pub(crate) fn routes() -> Router<Shared> {
    let v1 = Router::new()
        .route("/status", get(status::get_status))
        .route("/apis", get(apis::list_apis))
        .route("/apis/{id}", get(apis::get_api))
        .route("/apis/{id}/forecast", get(apis::get_forecast))
        .route("/workloads", get(workloads::list_workloads))
        .route("/services", get(places::list_services))
        .route("/environments", get(places::list_environments))
        .route("/anomalies", get(anomalies::list_anomalies))
        .route("/anomalies/{id}", get(anomalies::get_anomaly))
        .route("/incidents", get(incidents::list_incidents))
        .route("/incidents/{id}", get(incidents::get_incident))
        .route("/predictions", get(predictions::get_predictions))
        .route("/journeys", get(journeys::get_journeys))
        .route("/journeys/types", get(journeys::list_journey_types))
        .route("/topology", get(journeys::get_topology))
        .route("/what-if", get(what_if::get_what_if))
        .route("/alerts", get(alerts::list_alerts))
        .route("/search", get(search::search))
        .route("/search/histogram", get(search::histogram))
        .route("/search/facets", get(search::facets))
        .route("/search/tail", get(tail::tail))
        .route("/traces/{trace_id}", get(traces::get_trace))
        .route("/streams", get(streams::list_streams))
        .route("/templates", get(streams::list_templates))
        .route(
            "/changes",
            get(changes::list_changes).post(changes::post_changes),
        )
        .route("/configuration", get(configuration::list_sources))
        .route(
            "/configuration/{source}",
            get(configuration::get_configuration)
                .put(configuration::put_configuration)
                .delete(configuration::delete_configuration),
        )
        .route("/anomalies/{id}/feedback", post(feedback::answer_anomaly))
        .route("/alerts/{id}/feedback", post(feedback::answer_alert))
        .route("/feedback", get(feedback::list_feedback))
        .route("/learned", get(models::list_learned))
        .route(
            "/models",
            get(models::list_models).post(models::begin_trial),
        )
        .route("/models/backtest", post(models::backtest))
        .route("/models/rollback", post(models::roll_back))
        .route(
            "/models/{id}",
            get(models::get_model).delete(models::end_trial),
        )
        .route("/models/{id}/promote", post(models::promote_model))
        .route("/score", post(models::score))
        .route("/forecast", post(models::forecast))
        .route("/live", get(live::live))
        .route("/openapi.json", get(openapi::document))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method);
    Router::new().nest(monitor_api::PREFIX, v1)
}

async fn unknown_path() -> Failure {
    Failure::not_found("the API has no such path".to_owned())
        .hint("GET /api/v1/openapi.json describes all that there are")
}

async fn wrong_method() -> Failure {
    Failure::method_not_allowed()
}
