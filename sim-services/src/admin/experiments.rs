//! Experiments by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Stage;
use super::answer::Problem;
use crate::chaos::load::{Document, load};
use crate::chaos::manual::{On, Standing};
use crate::truth::FaultTruth;

pub(super) async fn list(State(stage): State<Arc<dyn Stage>>) -> Json<Vec<On>> {
    Json(stage.manual().list())
}

#[derive(Debug, Serialize)]
pub(super) struct Started {
    number: u64,
}

/// The draft of HTTP's header of this name
/// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
const KEY: &str = "idempotency-key";

/// YAML; JSON is YAML as well.
pub(super) async fn start(
    State(stage): State<Arc<dyn Stage>>,
    headers: HeaderMap,
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
    if let Some(why) = stage.objection(&experiment) {
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let key = headers.get(KEY).and_then(|key| key.to_str().ok());
    let number = (stage.manual())
        .start_once(key, experiment)
        .map_err(problem)?;
    Ok((StatusCode::CREATED, Json(Started { number })))
}

pub(super) async fn show(
    State(stage): State<Arc<dyn Stage>>,
    Path(number): Path<String>,
) -> Result<Json<Standing>, Problem> {
    let standing = number
        .parse()
        .ok()
        .and_then(|number| stage.manual().get(number));
    standing.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "there was no experiment {number} since this platform started, or it is forgotten; \
             GET /timeline tells of those that are over"
        ))
    })
}

pub(super) async fn stop(
    State(stage): State<Arc<dyn Stage>>,
    Path(number): Path<String>,
) -> Result<Json<FaultTruth>, Problem> {
    let stopped = number
        .parse()
        .ok()
        .and_then(|number| stage.manual().stop(number));
    stopped.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "no experiment {number} is on; GET /experiments tells which are"
        ))
    })
}
