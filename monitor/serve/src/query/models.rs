//! `/models`, `/learned`, `/score` and `/forecast`: what was learned, which model judges, which is on trial, and
//! how they would have done.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use monitor_api as wire;
use monitor_api::{LearnedQuery, Listing, Problem};
use monitor_core::{ModelId, Name, Recipe, Subject};
use serde::de::DeserializeOwned;

use super::anomalies::subject;
use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, api_id, band, finite, watermark};
use super::{body, when};
use crate::Shared;
use crate::ports::{BacktestRequest, ModelsError};

mod render;
mod score;

pub(crate) use score::{__path_forecast, __path_score, forecast, score};

/// Names of measures, of backtests' candidates.
const LONGEST_NAME: usize = 100;
const MOST_MEASURES: usize = 32;
const MOST_CANDIDATES: usize = 7;
/// Above that it is no sensitivity.
const MOST_FALSE_ALARMS: f64 = 100.0;
const USUAL_FOLDS: u32 = 5;

#[utoipa::path(
    get, path = "/api/v1/models", tag = "models",
    responses(
        (status = 200, body = Listing<wire::Model>),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// The active model, the one on trial, then those that are no more, the latest first.
pub(crate) async fn list_models(
    State(shared): State<Shared>,
) -> Result<Json<Listing<wire::Model>>, Failure> {
    let models = shared.ports.models.list().await?;
    Ok(Json(Listing {
        at: watermark(&shared.ports.view.borrow()),
        total: models.len() as u64,
        items: models.iter().map(render::model).collect(),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "Such as `m3`.")),
    responses(
        (status = 200, body = wire::ModelDetail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// One model, and how it does beside the other while one is on trial.
pub(crate) async fn get_model(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<wire::ModelDetail>, Failure> {
    let id = model_id(&id)?;
    let models = shared.ports.models.list().await?;
    let model = models.iter().find(|model| model.id == id);
    let model = model.ok_or_else(unknown_model)?;
    let comparison = match shared.ports.models.comparison().await {
        Ok(found) => (found.active == id || found.shadow == id).then_some(found),
        Err(ModelsError::Unknown(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Json(wire::ModelDetail {
        model: render::model(model),
        comparison: comparison.as_ref().map(render::comparison),
    }))
}

#[utoipa::path(
    post, path = "/api/v1/models", tag = "models", request_body = wire::NewTrial,
    responses(
        (status = 200, body = wire::Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Puts a model on trial beside the active one; one that was on trial is retired. It costs as much
/// time and memory as the active one.
pub(crate) async fn begin_trial(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::Model>, Failure> {
    let wanted: wire::NewTrial = read(&shared, &headers, sent).await?;
    let recipe = recipe(&wanted.recipe, &active(&shared).await?)?;
    let models = &shared.ports.models;
    let model = models
        .begin(recipe, wanted.afresh, wanted.automatic)
        .await?;
    Ok(Json(render::model(&model)))
}

#[utoipa::path(
    delete, path = "/api/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "Of the model on trial.")),
    responses(
        (status = 204, description = "The trial is over, and what the model had learned is forgotten."),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Ends a trial.
pub(crate) async fn end_trial(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    shared.ports.models.end(model_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post, path = "/api/v1/models/{id}/promote", tag = "models",
    params(("id" = String, Path, description = "Of the model on trial.")),
    request_body = wire::Promotion,
    responses(
        (status = 200, body = wire::Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Makes the model on trial the active one. The one that was active takes its place in the shadow and
/// goes on learning there, so this can be taken back.
pub(crate) async fn promote_model(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::Model>, Failure> {
    let id = model_id(&id)?;
    let wanted: wire::Promotion = read(&shared, &headers, sent).await?;
    let model = shared.ports.models.promote(id, wanted.if_better).await?;
    Ok(Json(render::model(&model)))
}

#[utoipa::path(
    post, path = "/api/v1/models/rollback", tag = "models",
    responses(
        (status = 200, body = wire::Model),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Makes the model active again that was before the last promotion. Sent with the content type
/// `application/json`, as everything that changes something; the body is not looked at.
pub(crate) async fn roll_back(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::Model>, Failure> {
    let _turn = body::json(&shared, &headers, sent).await?;
    let model = shared.ports.models.roll_back().await?;
    Ok(Json(render::model(&model)))
}

#[utoipa::path(
    post, path = "/api/v1/models/backtest", tag = "models", request_body = wire::NewBacktest,
    responses(
        (status = 200, body = wire::BacktestResult),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// How recipes would have done on stored records: the stretch is cut into blocks, and each but the
/// first is judged by what was learned from all before it. Takes some seconds for each million
/// records and recipe.
pub(crate) async fn backtest(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::BacktestResult>, Failure> {
    let wanted: wire::NewBacktest = read(&shared, &headers, sent).await?;
    let now = shared.ports.clock.now();
    let (from, to) = when::range(Some(&wanted.from), wanted.to.as_deref(), now)?;
    let Some(from) = from else {
        return Err(Failure::bad_body("`from` is missing".to_owned()));
    };
    if wanted.candidates.len() > MOST_CANDIDATES {
        return Err(Failure::bad_body(format!(
            "{} candidates at once; {MOST_CANDIDATES} are the most",
            wanted.candidates.len()
        )));
    }
    let active = active(&shared).await?;
    let mut recipes = vec![("active".to_owned(), active.clone())];
    for candidate in wanted.candidates {
        if candidate.name.is_empty() || candidate.name.len() > LONGEST_NAME {
            return Err(Failure::bad_body(format!(
                "the name of a candidate is empty or longer than {LONGEST_NAME} bytes"
            )));
        }
        recipes.push((candidate.name, recipe(&candidate.recipe, &active)?));
    }
    let request = BacktestRequest {
        from,
        to: to.unwrap_or(now),
        folds: wanted.folds.unwrap_or(USUAL_FOLDS),
        recipes,
    };
    let answer = shared.ports.models.backtest(request).await?;
    Ok(Json(wire::BacktestResult {
        records: answer.records,
        results: answer.results.iter().map(render::backtested).collect(),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/learned", tag = "models", params(LearnedQuery),
    responses(
        (status = 200, body = Listing<wire::Learned>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What the active model has learned of Apis and services, signal by signal.
pub(crate) async fn list_learned(
    State(shared): State<Shared>,
    Params(query): Params<LearnedQuery>,
) -> Result<Json<Listing<wire::Learned>>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let wanted = move |subject: &Subject| {
        let place = Place {
            service: query.service.as_deref(),
            environment: query.environment.as_deref(),
        };
        let api = match (&query.api, subject) {
            (None, _) => true,
            (Some(wanted), Subject::Api(key)) => *wanted == api_id(key),
            (Some(_), _) => false,
        };
        api && place.holds(subject.service(), subject.environment())
    };
    let learned = shared.ports.models.learned(Box::new(wanted)).await?;
    let (total, items) = paging.cut(learned.into_iter());
    Ok(Json(Listing {
        at: watermark(&shared.ports.view.borrow()),
        total,
        items: items
            .into_iter()
            .map(|learned| wire::Learned {
                subject: subject(&learned.subject),
                signals: learned.signals.iter().map(render::signal).collect(),
            })
            .collect(),
    }))
}

/// A body of JSON, understood.
pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(
    shared: &Shared,
    headers: &HeaderMap,
    sent: Body,
) -> Result<T, Failure> {
    let (bytes, _turn) = body::json(shared, headers, sent).await?;
    let read = tokio::task::spawn_blocking(move || serde_json::from_slice(&bytes));
    read.await
        .map_err(|_| Failure::internal("reading the body ended abnormally"))?
        .map_err(|error| Failure::bad_body(format!("it is not understood: {error}")))
}

async fn active(shared: &Shared) -> Result<Recipe, Failure> {
    let models = shared.ports.models.list().await?;
    let active = models.into_iter().next();
    active
        .map(|model| model.recipe)
        .ok_or_else(|| Failure::internal("there is no active model"))
}

/// What it does not say is as usual.
fn recipe(wanted: &wire::Recipe, usual: &Recipe) -> Result<Recipe, Failure> {
    let rate = wanted.false_alarms_per_api_week;
    let rate = rate.unwrap_or(usual.false_alarms_per_api_week);
    if !(rate > 0.0 && rate <= MOST_FALSE_ALARMS) {
        return Err(Failure::bad_body(format!(
            "`false_alarms_per_api_week` is {rate}; above 0 and at most {MOST_FALSE_ALARMS} is \
             possible"
        )));
    }
    let without = match &wanted.without {
        None => usual.without.clone(),
        Some(measures) if measures.len() > MOST_MEASURES => {
            return Err(Failure::bad_body(format!(
                "`without` has more than {MOST_MEASURES} measures"
            )));
        }
        Some(measures) => measures
            .iter()
            .map(|measure| {
                let text = serde_json::Value::String(measure.clone());
                match serde_json::from_value::<wire::Measure>(text) {
                    Ok(_) => Ok(Name::from(measure.as_str())),
                    Err(error) => Err(Failure::bad_body(format!("`without`: {error}"))),
                }
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Recipe {
        false_alarms_per_api_week: rate,
        without,
    })
}

fn model_id(text: &str) -> Result<ModelId, Failure> {
    text.parse().map_err(|_| unknown_model())
}

fn unknown_model() -> Failure {
    Failure::not_found("no model has this id".to_owned())
        .at("id")
        .hint("GET /api/v1/models lists them")
}

impl From<ModelsError> for Failure {
    fn from(error: ModelsError) -> Failure {
        match error {
            ModelsError::Unknown(detail) => Failure::not_found(detail),
            ModelsError::NotNow(detail) => Failure::conflict(detail),
            ModelsError::Wrong(detail) => Failure::bad_body(detail),
            ModelsError::Refused(refused) => refused.into(),
            ModelsError::Failed(detail) => Failure::internal(detail),
        }
    }
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn expected(learned: &monitor_core::LearnedSignal) -> Option<wire::Band> {
    learned.band.map(band)
}

fn known(value: Option<f64>) -> Option<f64> {
    value.and_then(finite)
}
