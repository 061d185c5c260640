//! `GET /predictions`: what is foreseen, and what came of what was said before.

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{PredictionsQuery, Problem};
use monitor_core::{Risk, ScoredFailures, TrackRecord, View};

use super::anomalies::{measure, subject};
use super::params::Params;
use super::problem::Failure;
use super::words::{Place, finite, or_zero, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/predictions", tag = "watch", params(PredictionsQuery),
    responses(
        (status = 200, body = wire::Predictions),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Risks that are foreseen, the soonest first, then those that ended lately; and how predictions have
/// done.
pub(crate) async fn get_predictions(
    State(shared): State<Shared>,
    Params(query): Params<PredictionsQuery>,
) -> Result<Json<wire::Predictions>, Failure> {
    let view = shared.ports.view.borrow().clone();
    Ok(Json(predictions(&view, &query)))
}

fn predictions(view: &View, query: &PredictionsQuery) -> wire::Predictions {
    let place = Place {
        service: query.service.as_deref(),
        environment: query.environment.as_deref(),
    };
    let risks = view.risks.iter().filter(|risk| {
        let subject = &risk.signal.subject;
        place.holds(subject.service(), subject.environment())
            && query.open.is_none_or(|open| open == risk.ended.is_none())
    });
    wire::Predictions {
        at: watermark(view),
        risks: risks.map(risk).collect(),
        journeys: journeys(view, &place),
        track_record: track_record(&view.track_record),
    }
}

fn journeys(view: &View, place: &Place<'_>) -> Vec<wire::JourneyChance> {
    let mut chances: Vec<wire::JourneyChance> = view
        .journeys
        .types
        .iter()
        .filter(|kind| place.holds(&kind.entry.service, &kind.entry.environment))
        .filter_map(|kind| {
            Some(wire::JourneyChance {
                r#type: kind.id.to_string(),
                name: kind.name.to_string(),
                probability: kind.failure_chance.and_then(finite)?,
            })
        })
        .collect();
    chances.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    chances
}

fn risk(risk: &Risk) -> wire::Risk {
    let is_budget = &*risk.statistic == "budget";
    wire::Risk {
        id: risk.id.to_string(),
        subject: subject(&risk.signal.subject),
        measure: measure(risk.signal.measure),
        statistic: risk.statistic.to_string(),
        unit: match risk.signal.measure.unit() {
            _ if is_budget => "times",
            "" => "ratio",
            unit => unit,
        }
        .to_owned(),
        limit: finite(risk.limit.value).filter(|_| !is_budget),
        typical: finite(risk.typical),
        actual: finite(risk.actual),
        growth_per_hour: finite(risk.growth_per_hour),
        objective: risk.limit.objective.as_ref().map(ToString::to_string),
        open: risk.ended.is_none(),
        stated: risk.stated.to_string(),
        updated: risk.updated.to_string(),
        expected: risk.expected.to_string(),
        earliest: risk.earliest.to_string(),
        latest: risk.latest.map(|latest| latest.to_string()),
        probability: or_zero(risk.probability),
        first_expected: risk.first_expected.to_string(),
        first_probability: or_zero(risk.first_probability),
        ended: risk.ended.map(|ended| ended.to_string()),
        outcome: risk.outcome.map(|outcome| outcome.as_str().to_owned()),
        why: risk.why.clone(),
    }
}

fn track_record(record: &TrackRecord) -> wire::TrackRecord {
    let risks = &record.risks;
    wire::TrackRecord {
        risks: wire::RiskRecord {
            stated: risks.stated,
            came: risks.came,
            averted: risks.averted,
            not_come: risks.not_come,
            missed: risks.missed,
            in_time: risks.in_time,
            mean_lead_seconds: finite(risks.mean_lead_secs).filter(|_| risks.came > 0),
            brier: risks.brier.and_then(finite),
        },
        failures: failures(&record.failures),
        journeys: failures(&record.journeys),
        forecasts: record
            .coverage
            .iter()
            .map(|coverage| wire::ForecastRecord {
                measure: coverage.measure.to_string(),
                horizon_seconds: coverage.horizon_secs,
                scored: coverage.scored,
                stretches: coverage.stretches,
                coverage_ratio: (coverage.scored > 0)
                    .then(|| coverage.inside as f64 / coverage.scored as f64),
                relative_error: finite(coverage.relative_error),
            })
            .collect(),
    }
}

fn failures(failures: &ScoredFailures) -> wire::FailureRecord {
    wire::FailureRecord {
        horizon_seconds: failures.horizon_secs,
        judged: failures.judged,
        failed: failures.failed,
        brier: failures.brier.and_then(finite),
        base_brier: failures.base_brier.and_then(finite),
        reliability: failures
            .reliability
            .iter()
            .map(|bin| wire::ReliabilityBin {
                judged: bin.judged,
                said_ratio: finite(bin.said).filter(|_| bin.judged > 0),
                came_ratio: finite(bin.came).filter(|_| bin.judged > 0),
            })
            .collect(),
    }
}
