//! `POST /score` and `POST /forecast`: series that somebody sends, judged and foretold by the models of
//! a single signal.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use monitor_api as wire;
use monitor_api::Problem;
use monitor_core::Time;

use super::read;
use crate::Shared;
use crate::ports::{Foreseen, Opinion};
use crate::query::problem::Failure;
use crate::query::words::{finite, or_zero};

/// At some five microseconds a point this is half a second of one core.
const MOST_POINTS: usize = 100_000;
const MOST_SERIES: usize = 100;
const LONGEST_ID: usize = 512;
const MOST_HORIZONS: usize = 50;
/// From five minutes to a week, in seconds.
const USUAL_HORIZONS: [u64; 6] = [300, 1_800, 7_200, 21_600, 86_400, 604_800];

#[utoipa::path(
    post, path = "/api/v1/score", tag = "models", request_body = Vec<wire::Series>,
    responses(
        (status = 200, body = wire::Scores),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Judges each value of each series by those before it. At most 100 series with 100 000 points in all;
/// a series that cannot be judged is answered with the reason, the others are judged.
pub(crate) async fn score(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::Scores>, Failure> {
    let sent: Vec<wire::Series> = read(&shared, &headers, sent).await?;
    let (ids, understood) = understand(sent)?;
    let good = understood.iter().flatten().cloned().collect();
    let mut judged = shared.ports.models.score(good).await?.into_iter();
    let series = ids
        .into_iter()
        .zip(understood)
        .map(|(id, understood)| {
            let judged = understood.and_then(|_| {
                let missing = || Err("it was not judged".to_owned());
                judged.next().unwrap_or_else(missing)
            });
            match judged {
                Ok(opinions) => wire::SeriesScore {
                    id,
                    opinions: opinions.iter().map(opinion).collect(),
                    error: None,
                },
                Err(error) => wire::SeriesScore {
                    id,
                    opinions: Vec::new(),
                    error: Some(error),
                },
            }
        })
        .collect();
    Ok(Json(wire::Scores { series }))
}

#[utoipa::path(
    post, path = "/api/v1/forecast", tag = "models", request_body = wire::ForecastRequest,
    responses(
        (status = 200, body = wire::SeriesForecasts),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Foretells each series, with intervals that nine of ten values lie in. At most 100 series with
/// 100 000 points in all; a series that cannot be foretold is answered with the reason.
pub(crate) async fn forecast(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<wire::SeriesForecasts>, Failure> {
    let wanted: wire::ForecastRequest = read(&shared, &headers, sent).await?;
    let mut after = wanted.after_seconds;
    if after.is_empty() {
        after.extend(USUAL_HORIZONS);
    }
    if after.len() > MOST_HORIZONS || after.iter().any(|after| *after > USUAL_HORIZONS[5]) {
        return Err(Failure::bad_body(format!(
            "`after_seconds` has more than {MOST_HORIZONS} values, or one above {}",
            USUAL_HORIZONS[5]
        )));
    }
    let after = after.into_iter().map(Duration::from_secs).collect();
    let (ids, understood) = understand(wanted.series)?;
    let good = understood.iter().flatten().cloned().collect();
    let mut foretold = shared.ports.models.forecast(good, after).await?.into_iter();
    let series = ids
        .into_iter()
        .zip(understood)
        .map(|(id, understood)| {
            let foretold = understood.and_then(|_| {
                let missing = || Err("it was not foretold".to_owned());
                foretold.next().unwrap_or_else(missing)
            });
            match foretold {
                Ok(foreseen) => wire::SeriesForecast {
                    id,
                    forecasts: foreseen.iter().map(foretell).collect(),
                    error: None,
                },
                Err(error) => wire::SeriesForecast {
                    id,
                    forecasts: Vec::new(),
                    error: Some(error),
                },
            }
        })
        .collect();
    Ok(Json(wire::SeriesForecasts { series }))
}

fn foretell(foreseen: &Foreseen) -> wire::ForecastPoint {
    wire::ForecastPoint {
        after_seconds: foreseen.after.as_secs(),
        median: finite(foreseen.median),
        lower: foreseen.interval.and_then(|(lower, _)| finite(lower)),
        upper: foreseen.interval.and_then(|(_, upper)| finite(upper)),
        scored: foreseen.scored,
    }
}

/// Of each series its points, or what is wrong with them.
pub(crate) type Understood = Vec<Result<Vec<(Time, f64)>, String>>;

/// The ids, and what is understood of each series. Too many or too long ones are refused as a whole.
pub(crate) fn understand(sent: Vec<wire::Series>) -> Result<(Vec<String>, Understood), Failure> {
    let points: usize = sent.iter().map(|series| series.points.len()).sum();
    if sent.len() > MOST_SERIES || points > MOST_POINTS {
        return Err(Failure::bad_body(format!(
            "{} series with {points} points; {MOST_SERIES} with {MOST_POINTS} are the most",
            sent.len()
        ))
        .hint("send them in parts"));
    }
    Ok(sent
        .into_iter()
        .map(|series| {
            let points = series.points.iter().enumerate().map(|(at, point)| {
                let time: Time = point.time.parse().map_err(|_| {
                    format!("the time of point {at} is none; write 2026-11-21T10:05:00Z")
                })?;
                Ok((time, point.value))
            });
            let points: Result<Vec<(Time, f64)>, String> = points.collect();
            (series.id.chars().take(LONGEST_ID).collect(), points)
        })
        .unzip())
}

fn opinion(opinion: &Opinion) -> wire::Opinion {
    wire::Opinion {
        time: opinion.time.to_string(),
        value: opinion.value,
        typical: finite(opinion.typical),
        evidence: or_zero(opinion.evidence),
        surprise: or_zero(opinion.surprise),
        alarm: or_zero(opinion.alarm),
        most_surprising: opinion.side.to_owned(),
    }
}
