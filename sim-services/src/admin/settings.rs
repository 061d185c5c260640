//! What is turned by hand: load, log levels.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::Stage;
use super::answer::{Problem, json};
use crate::topology::Level;

/// More would only fill this machine.
const MOST: f64 = 1_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Factor {
    factor: f64,
}

pub(super) async fn load(
    State(stage): State<Arc<dyn Stage>>,
    body: String,
) -> Result<StatusCode, Problem> {
    let Factor { factor } = json(&body, r#"{"factor": 1.5}"#)?;
    if !(0.0..=MOST).contains(&factor) {
        return Err(Problem::bad_request(format!(
            "`factor` is a number from 0 to {MOST}, not {factor}"
        )));
    }
    stage.settings().load_factor(factor);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    level: Option<Level>,
}

pub(super) async fn log_level(
    State(stage): State<Arc<dyn Stage>>,
    Path(service): Path<String>,
    body: String,
) -> Result<StatusCode, Problem> {
    let services = &stage.topology().services;
    if !services.contains_key(&service) {
        let known: Vec<&str> = services.keys().map(String::as_str).collect();
        return Err(Problem::not_found(format!(
            "there is no service `{service}`; there are {}",
            known.join(", ")
        )));
    }
    let LogLevel { level } = json(&body, r#"{"level": "debug"}"#)?;
    stage.settings().log_level(&service, level);
    Ok(StatusCode::NO_CONTENT)
}
