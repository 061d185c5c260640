//! `GET /traces/{trace_id}`: everything stored of one request, whatever service wrote it.

use axum::Json;
use axum::extract::{Path, State};
use monitor_api::{Problem, Trace, TraceQuery};
use monitor_core::{SearchRequest, TraceId};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::search::{MOST_RECORDS, record};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/traces/{trace_id}", tag = "search",
    params(
        ("trace_id" = String, Path, description = "32 hexadecimal digits, or 16 for B3."),
        TraceQuery,
    ),
    responses(
        (status = 200, body = Trace),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// All stored records of one trace, in the order of time.
pub(crate) async fn get_trace(
    State(shared): State<Shared>,
    Path(trace_id): Path<String>,
    Params(query): Params<TraceQuery>,
) -> Result<Json<Trace>, Failure> {
    let trace_id: TraceId = trace_id.parse().map_err(|error| {
        Failure::bad_parameter("trace_id", format!("this is no trace id: {error}"))
    })?;
    let paging = Paging::new(query.limit, None, MOST_RECORDS, MOST_RECORDS)?;
    let request = SearchRequest {
        query: format!("trace_id:{trace_id}"),
        limit: paging.limit,
        newest_first: false,
        ..SearchRequest::default()
    };
    let page = shared
        .searching(move |index| index.search(&request))
        .await?;
    let (Some(first), Some(last)) = (page.hits.first(), page.hits.last()) else {
        return Err(
            Failure::not_found("no stored record has this trace id".to_owned())
                .at("trace_id")
                .hint("it may not have arrived yet, was not sampled, or is past its retention"),
        );
    };
    let (start, duration) = (first.time, last.time.since(first.time));
    let mut services: Vec<String> = Vec::new();
    for hit in &page.hits {
        let service = hit.service.to_string();
        if !services.contains(&service) {
            services.push(service);
        }
    }
    Ok(Json(Trace {
        trace_id: trace_id.to_string(),
        total: page.total,
        services,
        start: start.to_string(),
        duration_seconds: duration.as_secs_f64(),
        records: page.hits.into_iter().map(record).collect(),
    }))
}
