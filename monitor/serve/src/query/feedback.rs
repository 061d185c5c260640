//! `/feedback`: what people say of anomalies and alerts.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use monitor_api as wire;
use monitor_api::{FeedbackQuery, Listing, NewFeedback, Problem};
use monitor_core::{AlertId, AnomalyId, Answer, Feedback};

use super::models::read;
use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::watermark;
use crate::Shared;
use crate::ports::About;

const LONGEST_NOTE: usize = 1_000;
const USUAL: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[utoipa::path(
    get, path = "/api/v1/feedback", tag = "models", params(FeedbackQuery),
    responses(
        (status = 200, body = Listing<wire::Feedback>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What people said of anomalies, the latest first. The latest thousand are kept.
pub(crate) async fn list_feedback(
    State(shared): State<Shared>,
    Params(query): Params<FeedbackQuery>,
) -> Result<Json<Listing<wire::Feedback>>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let given = shared.ports.models.feedback().await?;
    let (total, items) = paging.cut(given.iter());
    Ok(Json(Listing {
        at: watermark(&shared.ports.view.borrow()),
        total,
        items: items.into_iter().map(feedback).collect(),
    }))
}

#[utoipa::path(
    post, path = "/api/v1/anomalies/{id}/feedback", tag = "models",
    params(("id" = String, Path, description = "The anomaly's `id`.")),
    request_body = NewFeedback,
    responses(
        (status = 200, body = wire::Feedback),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Says of an anomaly whether it was expected, is to be ignored, or is real trouble. Later answers take
/// the place of earlier ones. Saved with what is learned, every half minute.
pub(crate) async fn answer_anomaly(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::Feedback>, Failure> {
    let about = number(&id).map(|id| About::Anomaly(AnomalyId(id)));
    let about = about.ok_or_else(|| Failure::not_found("no anomaly has this id".to_owned()))?;
    let given = give(&shared, about, &headers, sent).await?;
    given
        .first()
        .map(|given| Json(feedback(given)))
        .ok_or_else(|| Failure::internal("the answer was not taken"))
}

#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/feedback", tag = "models",
    params(("id" = String, Path, description = "The alert's `id`.")),
    request_body = NewFeedback,
    responses(
        (status = 200, body = Vec<wire::Feedback>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Says the same of all the anomalies that an alert stands for.
pub(crate) async fn answer_alert(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<Vec<wire::Feedback>>, Failure> {
    let about = number(&id).map(|id| About::Alert(AlertId(id)));
    let about = about.ok_or_else(|| Failure::not_found("no alert has this id".to_owned()))?;
    let given = give(&shared, about, &headers, sent).await?;
    Ok(Json(given.iter().map(feedback).collect()))
}

async fn give(
    shared: &Shared,
    about: About,
    headers: &HeaderMap,
    sent: Body,
) -> Result<Vec<Feedback>, Failure> {
    let wanted: NewFeedback = read(shared, headers, sent).await?;
    if wanted.note.chars().count() > LONGEST_NOTE {
        return Err(Failure::bad_body(format!(
            "`note` is longer than {LONGEST_NOTE} characters"
        )));
    }
    let lasting = wanted.for_seconds.map_or(USUAL, Duration::from_secs);
    if lasting.is_zero() || lasting > LONGEST {
        return Err(Failure::bad_body(format!(
            "`for_seconds` is {}; 1 to {} are possible",
            lasting.as_secs(),
            LONGEST.as_secs()
        )));
    }
    let answer = match wanted.answer {
        wire::Answer::Expected => Answer::Expected,
        wire::Answer::Ignore => Answer::Ignore,
        wire::Answer::Real => Answer::Real,
    };
    let models = &shared.ports.models;
    Ok(models.answer(about, answer, wanted.note, lasting).await?)
}

/// Ids are written as 16 hexadecimal digits.
fn number(id: &str) -> Option<u64> {
    let digits = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

fn feedback(given: &Feedback) -> wire::Feedback {
    wire::Feedback {
        anomaly: given.anomaly.to_string(),
        signal: given.signal.to_string(),
        detector: given.detector.to_string(),
        start: given.start.to_string(),
        end: given.end.map(|end| end.to_string()),
        answer: match given.answer {
            Answer::Expected => wire::Answer::Expected,
            Answer::Ignore => wire::Answer::Ignore,
            Answer::Real => wire::Answer::Real,
        },
        note: given.note.clone(),
        at: given.at.to_string(),
        until: given.until.map(|until| until.to_string()),
        held_back: given.held_back,
    }
}
