//! `GET /anomalies` and `GET /anomalies/{id}`: what is outside the expected, and why.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use monitor_api as wire;
use monitor_api::{AnomaliesQuery, Listing, Problem};
use monitor_core::{Anomaly, Direction, Measure, SignalKey, Subject, Time, View};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, api_id, band, finite, or_zero, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/anomalies", tag = "watch", params(AnomaliesQuery),
    responses(
        (status = 200, body = Listing<wire::Anomaly>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Anomalies that last still, then those that ended lately, newest first.
pub(crate) async fn list_anomalies(
    State(shared): State<Shared>,
    Params(query): Params<AnomaliesQuery>,
) -> Result<Json<Listing<wire::Anomaly>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    listing(&view, &query).map(Json)
}

#[utoipa::path(
    get, path = "/api/v1/anomalies/{id}", tag = "watch",
    params(("id" = String, Path, description = "The anomaly's `id`: 16 hexadecimal digits.")),
    responses(
        (status = 200, body = wire::Anomaly),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// One anomaly with its full explanation.
pub(crate) async fn get_anomaly(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<wire::Anomaly>, Failure> {
    let view = shared.ports.view.borrow().clone();
    // An alert keeps its anomalies longer than the list does.
    view.anomalies
        .iter()
        .chain(view.alerts.iter().flat_map(|alert| &alert.anomalies))
        .find(|anomaly| anomaly.id.to_string() == id)
        .map(|found| Json(anomaly(found, view.at)))
        .ok_or_else(|| {
            Failure::not_found("no anomaly has this id".to_owned())
                .at("id")
                .hint("GET /api/v1/anomalies lists them; those that ended long ago are forgotten")
        })
}

fn listing(view: &View, query: &AnomaliesQuery) -> Result<Listing<wire::Anomaly>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let place = Place {
        service: query.service.as_deref(),
        environment: query.environment.as_deref(),
    };
    let of_api = |anomaly: &Anomaly| match (&query.api, &anomaly.signal.subject) {
        (None, _) => true,
        (Some(wanted), Subject::Api(key)) => *wanted == api_id(key),
        (Some(_), _) => false,
    };
    let found = view.anomalies.iter().filter(|anomaly| {
        let subject = &anomaly.signal.subject;
        place.holds(subject.service(), subject.environment())
            && query.open.is_none_or(|open| open == anomaly.end.is_none())
            && of_api(anomaly)
    });
    let (total, items) = paging.cut(found);
    Ok(Listing {
        at: watermark(view),
        total,
        items: items
            .into_iter()
            .map(|found| anomaly(found, view.at))
            .collect(),
    })
}

/// `at` is the watermark, up to which an open anomaly has lasted.
pub(crate) fn anomaly(anomaly: &Anomaly, at: Time) -> wire::Anomaly {
    let explanation = &anomaly.explanation;
    let measure = anomaly.signal.measure;
    wire::Anomaly {
        id: anomaly.id.to_string(),
        subject: subject(&anomaly.signal.subject),
        measure: self::measure(measure),
        template_id: match measure {
            Measure::TemplateRate(template) => Some(template.to_string()),
            _ => None,
        },
        detector: anomaly.detector.to_string(),
        direction: match anomaly.direction {
            Direction::Above => wire::Direction::Above,
            Direction::Below => wire::Direction::Below,
        },
        open: anomaly.end.is_none(),
        start: anomaly.start.to_string(),
        detected: anomaly.detected.to_string(),
        end: anomaly.end.map(|end| end.to_string()),
        duration_seconds: anomaly.duration(at).as_secs_f64(),
        score: anomaly.score.get(),
        score_percent: anomaly.score.percent(),
        severity_percent: anomaly.severity_percent(at),
        explanation: wire::Explanation {
            unit: unit(&anomaly.signal),
            typical: finite(explanation.typical),
            actual: finite(explanation.actual),
            expected: band(explanation.band),
            observations: explanation.observations,
            learned_from: explanation.learned_from,
            contributions: explanation
                .contributions
                .iter()
                .map(|contribution| wire::Contribution {
                    dimension: contribution.dimension.to_string(),
                    value: contribution.value.to_string(),
                    share_ratio: or_zero(contribution.share),
                    usual_share_ratio: or_zero(contribution.usual_share),
                })
                .collect(),
            why: explanation.why.clone(),
        },
        evidence: evidence(anomaly, at),
    }
}

/// A number's is as people gave it, and empty when they did not.
fn unit(signal: &SignalKey) -> String {
    match (&signal.subject, signal.measure.unit()) {
        (Subject::Number { unit, .. }, _) => unit.as_deref().unwrap_or_default().to_owned(),
        (_, "") => "ratio".to_owned(),
        (_, unit) => unit.to_owned(),
    }
}

pub(super) fn measure(measure: Measure) -> wire::Measure {
    match measure {
        Measure::Rate => wire::Measure::Rate,
        Measure::ErrorRatio => wire::Measure::ErrorRatio,
        Measure::Latency => wire::Measure::Latency,
        Measure::LogErrorRatio => wire::Measure::LogErrorRatio,
        Measure::TemplateRate(_) => wire::Measure::TemplateRate,
        Measure::ThrottledRatio => wire::Measure::ThrottledRatio,
        Measure::UnauthorisedRatio => wire::Measure::UnauthorisedRatio,
        Measure::ClientErrorRatio => wire::Measure::ClientErrorRatio,
        Measure::LogFormatRatio => wire::Measure::LogFormatRatio,
        Measure::MistimedRatio => wire::Measure::MistimedRatio,
        Measure::NewStatusRatio => wire::Measure::NewStatusRatio,
        Measure::NewSizeRatio => wire::Measure::NewSizeRatio,
        Measure::CallsPerCall => wire::Measure::CallsPerCall,
        Measure::LogRate => wire::Measure::LogRate,
        Measure::Saturation => wire::Measure::Saturation,
        Measure::Number => wire::Measure::Number,
        Measure::Combination => wire::Measure::Combination,
        Measure::JourneySteps(_) => wire::Measure::JourneyStepRatio,
    }
}

pub(crate) fn subject(subject: &Subject) -> wire::Subject {
    let service = subject.service();
    let api = match subject {
        Subject::Api(key) => Some(key),
        Subject::Service { .. } | Subject::Dependency { .. } | Subject::Number { .. } => None,
    };
    wire::Subject {
        environment: subject.environment().to_string(),
        namespace: service.namespace.to_string(),
        service: service.name.to_string(),
        api_id: api.map(|key| api_id(key)),
        method: api.map(|key| key.method.to_string()),
        route: api.map(|key| key.route.to_string()),
        name: subject.to_string(),
    }
}

/// The records of the service while the anomaly lasted, and a little before, where the cause may be.
fn evidence(anomaly: &Anomaly, at: Time) -> wire::Evidence {
    const BEFORE: Duration = Duration::from_secs(30);
    const AFTER: Duration = Duration::from_secs(10);
    let subject = &anomaly.signal.subject;
    let mut terms = vec![
        term("service", &subject.service().name),
        term("environment", subject.environment()),
    ];
    match (&anomaly.signal.measure, subject) {
        (Measure::TemplateRate(template), _) => terms.push(term("template", &template.to_string())),
        (Measure::LogErrorRatio, _) => terms.push("severity:>=ERROR".to_owned()),
        // What a service complains of while it serves a request seldom names the route. `~other` is
        // no route that a record could have.
        (_, Subject::Api(key)) if !key.route.starts_with('~') => {
            terms.push(format!(
                "({} OR severity:>=WARN)",
                term("route", &key.route)
            ));
        }
        _ => {}
    }
    wire::Evidence {
        query: terms.join(" AND "),
        from: (anomaly.start - BEFORE).to_string(),
        to: (anomaly.end.unwrap_or(at).max(anomaly.start) + AFTER).to_string(),
    }
}

/// `field:"value"`, with the quotes only where the value needs them.
fn term(field: &str, value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !value.starts_with('-');
    if plain {
        format!("{field}:{value}")
    } else {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{field}:\"{escaped}\"")
    }
}
