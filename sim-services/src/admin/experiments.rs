//! Experiments by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::answer::Problem;
use crate::chaos::load::{Document, load};
use crate::chaos::manual::On;
use crate::mesh::Platform;
use crate::truth::FaultTruth;

pub(super) async fn list(State(platform): State<Arc<Platform>>) -> Json<Vec<On>> {
    Json(platform.manual().list())
}

#[derive(Debug, Serialize)]
pub(super) struct Started {
    number: u64,
}

/// YAML; JSON is YAML as well.
pub(super) async fn start(
    State(platform): State<Arc<Platform>>,
    body: String,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let problem = |error: crate::chaos::ChaosError| Problem::bad_request(error.to_string());
    let experiment = match load("the body", &body).map_err(problem)? {
        Document::Experiment(experiment) => experiment,
        Document::Schedule(_) => {
            return Err(Problem::bad_request(
                "the body is a schedule; here experiments are started one at a time",
            ));
        }
    };
    let number = platform.manual().start(experiment).map_err(problem)?;
    Ok((StatusCode::CREATED, Json(Started { number })))
}

pub(super) async fn stop(
    State(platform): State<Arc<Platform>>,
    Path(number): Path<String>,
) -> Result<Json<FaultTruth>, Problem> {
    let stopped = number
        .parse()
        .ok()
        .and_then(|number| platform.manual().stop(number));
    stopped.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "no experiment {number} is on; GET /experiments tells which are"
        ))
    })
}
