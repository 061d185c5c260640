//! `GET /search`, its histogram and its facets: the stored records.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{
    FacetCount, Facets, FacetsQuery, Histogram, HistogramBucket, HistogramQuery, Order, Problem,
    Record, RecordKind, SearchPage, SearchQuery,
};
use monitor_core::{Hit, Kind, SearchRequest, Value};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::when;
use super::words::finite;
use crate::Shared;

/// The most records that one answer holds.
pub(crate) const MOST_RECORDS: u64 = 1_000;

#[utoipa::path(
    get, path = "/api/v1/search", tag = "search", params(SearchQuery),
    responses(
        (status = 200, body = SearchPage),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Records that match a query.
pub(crate) async fn search(
    State(shared): State<Shared>,
    Params(query): Params<SearchQuery>,
) -> Result<Json<SearchPage>, Failure> {
    let started = shared.ports.clock.now();
    let paging = Paging::new(query.limit, query.offset, 100, MOST_RECORDS)?;
    let (from, to) = when::range(query.from.as_deref(), query.to.as_deref(), started)?;
    let request = SearchRequest {
        query: query.query,
        from,
        to,
        limit: paging.limit,
        offset: paging.offset,
        newest_first: query.order.unwrap_or_default() == Order::Newest,
    };
    let page = shared
        .searching(move |index| index.search(&request))
        .await?;
    Ok(Json(SearchPage {
        total: page.total,
        records: page.hits.into_iter().map(record).collect(),
        took_seconds: shared.ports.clock.now().since(started).as_secs_f64(),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/search/histogram", tag = "search", params(HistogramQuery),
    responses(
        (status = 200, body = Histogram),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// How many records match in each interval.
pub(crate) async fn histogram(
    State(shared): State<Shared>,
    Params(query): Params<HistogramQuery>,
) -> Result<Json<Histogram>, Failure> {
    const MOST_INTERVALS: u128 = 10_000;
    let now = shared.ports.clock.now();
    let (from, to) = when::range(query.from.as_deref(), query.to.as_deref(), now)?;
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to - Duration::from_hours(1));
    let length = to.since(from);
    let step = match &query.step {
        Some(text) => when::step(text)?,
        None => when::round_step(length),
    };
    if length.as_nanos() / step.as_nanos().max(1) >= MOST_INTERVALS {
        return Err(Failure::bad_parameter(
            "step",
            format!("this step divides the time range into more than {MOST_INTERVALS} intervals"),
        )
        .hint("leave `step` out for a fitting one"));
    }
    let request = SearchRequest {
        query: query.query,
        from: Some(from),
        to: Some(to),
        ..SearchRequest::default()
    };
    let buckets = shared
        .searching(move |index| index.histogram(&request, step))
        .await?;
    Ok(Json(Histogram {
        step_seconds: step.as_secs_f64(),
        buckets: buckets
            .into_iter()
            .map(|bucket| HistogramBucket {
                start: bucket.start.to_string(),
                records: bucket.count,
            })
            .collect(),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/search/facets", tag = "search", params(FacetsQuery),
    responses(
        (status = 200, body = Facets),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// The most frequent values of a field among the records that match.
pub(crate) async fn facets(
    State(shared): State<Shared>,
    Params(query): Params<FacetsQuery>,
) -> Result<Json<Facets>, Failure> {
    if query.field.is_empty() {
        return Err(
            Failure::bad_parameter("field", "no field is named".to_owned())
                .hint("name one: field=service"),
        );
    }
    let now = shared.ports.clock.now();
    let (from, to) = when::range(query.from.as_deref(), query.to.as_deref(), now)?;
    let limit = Paging::new(query.limit, None, 10, MOST_RECORDS)?.limit;
    let request = SearchRequest {
        query: query.query,
        from,
        to,
        ..SearchRequest::default()
    };
    let field = query.field.clone();
    let values = shared
        .searching(move |index| index.facets(&request, &field, limit))
        .await
        .map_err(|failure| failure.about_field(&query.field))?;
    Ok(Json(Facets {
        field: query.field,
        values: values
            .into_iter()
            .map(|facet| FacetCount {
                value: facet.value,
                records: facet.count,
            })
            .collect(),
    }))
}

/// One stored record as the wire has it.
pub(crate) fn record(hit: Hit) -> Record {
    wire::Record {
        id: format!("{}-{}", hit.id.batch, hit.id.item),
        kind: match hit.kind {
            Kind::Log => RecordKind::Log,
            Kind::Span => RecordKind::Span,
        },
        time: hit.time.to_string(),
        environment: hit.environment.to_string(),
        namespace: hit.service.namespace.to_string(),
        service: hit.service.name.to_string(),
        instance: hit.instance.to_string(),
        severity: hit.severity.map(|severity| severity.as_str().to_owned()),
        format: hit.format.map(|format| format.to_string()),
        text: hit.text,
        template: hit.template,
        trace_id: hit.trace_id.map(|id| id.to_string()),
        span_id: hit.span_id.map(|id| id.to_string()),
        attributes: hit
            .attributes
            .into_iter()
            .map(|(name, value)| (name.to_string(), json(value)))
            .collect(),
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Str(text) => text.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => finite(number).into(),
        Value::Bool(truth) => truth.into(),
    }
}
