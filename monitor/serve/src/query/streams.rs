//! `GET /streams` and `GET /templates`: what comes in, and how well it is read.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{
    Listing, Problem, ReasonCount, StreamsQuery, Template, TemplatesQuery, Unrecognised,
};
use monitor_core::{Name, StreamView, TemplateView};

use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::{Place, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/streams", tag = "intake", params(StreamsQuery),
    responses(
        (status = 200, body = Listing<wire::Stream>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Streams of records, those with the most unrecognised records first.
pub(crate) async fn list_streams(
    State(shared): State<Shared>,
    Params(query): Params<StreamsQuery>,
) -> Result<Json<Listing<wire::Stream>>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let place = Place {
        service: query.service.as_deref(),
        environment: query.environment.as_deref(),
    };
    let ingest = shared.ports.ingest.borrow().clone();
    let mut found: Vec<&StreamView> = ingest
        .streams
        .iter()
        .filter(|stream| place.holds(&stream.service, &stream.environment))
        .filter(|stream| {
            query
                .recognised
                .is_none_or(|wanted| wanted == (unrecognised_records(stream) == 0))
        })
        .collect();
    found.sort_by_key(|stream| {
        (
            Reverse(unrecognised_records(stream)),
            &stream.environment,
            &stream.service,
            &stream.stream,
        )
    });
    let (total, items) = paging.cut(found.into_iter());
    Ok(Json(Listing {
        at: watermark(&shared.ports.view.borrow()),
        total,
        items: items.into_iter().map(stream).collect(),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/templates", tag = "intake", params(TemplatesQuery),
    responses(
        (status = 200, body = Listing<Template>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Log templates, the most frequent first.
pub(crate) async fn list_templates(
    State(shared): State<Shared>,
    Params(query): Params<TemplatesQuery>,
) -> Result<Json<Listing<Template>>, Failure> {
    let paging = Paging::of_list(query.limit, query.offset)?;
    let place = Place {
        service: query.service.as_deref(),
        environment: None,
    };
    let part = query.contains.as_deref().unwrap_or_default().to_lowercase();
    let ingest = shared.ports.ingest.borrow().clone();
    let mut found: Vec<&TemplateView> = ingest
        .templates
        .iter()
        .filter(|template| place.is_service(&template.service))
        .filter(|template| part.is_empty() || template.text.to_lowercase().contains(&part))
        .collect();
    found.sort_by_key(|template| (Reverse(template.records), &template.service, template.id));
    let (total, items) = paging.cut(found.into_iter());
    Ok(Json(Listing {
        at: watermark(&shared.ports.view.borrow()),
        total,
        items: items
            .into_iter()
            .map(|template| Template {
                namespace: template.service.namespace.to_string(),
                service: template.service.name.to_string(),
                id: template.id.to_string(),
                text: template.text.clone(),
                records: template.records,
                first_seen: template.first_seen.to_string(),
                last_seen: template.last_seen.to_string(),
            })
            .collect(),
    }))
}

pub(crate) fn unrecognised_records(stream: &StreamView) -> u64 {
    stream.unrecognised.iter().map(|(_, records)| records).sum()
}

pub(crate) fn reasons(counts: &[(Name, u64)]) -> Vec<ReasonCount> {
    counts
        .iter()
        .map(|(reason, records)| ReasonCount {
            reason: reason.to_string(),
            records: *records,
        })
        .collect()
}

fn stream(stream: &StreamView) -> wire::Stream {
    wire::Stream {
        environment: stream.environment.to_string(),
        namespace: stream.service.namespace.to_string(),
        service: stream.service.name.to_string(),
        stream: stream.stream.to_string(),
        format: stream.format.as_ref().map(ToString::to_string),
        format_changes: stream.format_changes,
        records: stream.records,
        unrecognised: Unrecognised {
            records: unrecognised_records(stream),
            by_reason: reasons(&stream.unrecognised),
            examples: stream.examples.clone(),
            message: message(stream),
        },
        duration_unit: stream.duration_unit.clone(),
        last_seen: stream.last_seen.to_string(),
    }
}

/// `format not recognised, here are three lines`
fn message(stream: &StreamView) -> Option<String> {
    let unread = unrecognised_records(stream);
    if unread == 0 {
        return None;
    }
    let what = match &stream.format {
        None => "format not recognised".to_owned(),
        Some(format) => {
            format!(
                "{unread} of {} records are not {format} and kept as text",
                stream.records
            )
        }
    };
    Some(match stream.examples.len() {
        0 => what,
        1 => format!("{what}, here is one line"),
        2 => format!("{what}, here are two lines"),
        _ => format!("{what}, here are three lines"),
    })
}
