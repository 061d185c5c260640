//! `/configuration` and `/configuration/{source}`: what others want of this monitor.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use monitor_api::{Configuration, ConfigurationOutcome, ConfigurationSource, Listing, Problem};

use super::body;
use super::problem::Failure;
use super::words::watermark;
use crate::Shared;
use crate::configuration::{Understood, without_secrets};
use crate::ports::NotKept;

#[utoipa::path(
    get, path = "/api/v1/configuration", tag = "monitor",
    responses((status = 200, body = Listing<ConfigurationSource>)),
)]
/// Who wants something of this monitor, in the order in which they are read: of what two say of the
/// same workload, the later one's word holds.
pub(crate) async fn list_sources(
    State(shared): State<Shared>,
) -> Json<Listing<ConfigurationSource>> {
    let view = shared.ports.view.borrow().clone();
    let items: Vec<ConfigurationSource> = shared
        .ports
        .configurations
        .all()
        .iter()
        .map(|(source, kept)| ConfigurationSource {
            source: source.clone(),
            revision: kept.wish.revision.clone(),
            accepted: kept.accepted() as u64,
            refused: kept.refused.clone(),
        })
        .collect();
    Json(Listing {
        at: watermark(&view),
        total: items.len() as u64,
        items,
    })
}

#[utoipa::path(
    get, path = "/api/v1/configuration/{source}", tag = "monitor",
    params(("source" = String, Path, description = "The name that it was put under.")),
    responses(
        (status = 200, body = Configuration),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What a source put, its secrets as `***`.
pub(crate) async fn get_configuration(
    State(shared): State<Shared>,
    Path(source): Path<String>,
) -> Result<Json<Configuration>, Failure> {
    match shared.ports.configurations.all().get(&source) {
        Some(kept) => Ok(Json(without_secrets(&kept.wish))),
        None => Err(Failure::not_found("this source has put nothing".to_owned())
            .at("source")
            .hint("GET /api/v1/configuration lists those that have")),
    }
}

#[utoipa::path(
    put, path = "/api/v1/configuration/{source}", tag = "monitor",
    params(("source" = String, Path, description = "Small letters, digits, `.`, `_` and `-`.")),
    request_body = Configuration,
    responses(
        (status = 200, body = ConfigurationOutcome),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Takes over the whole wish of a source; what it wanted before and wants no more is forgotten. Kept
/// over restarts; in force within a second. Parts that cannot be in force are answered with the
/// reason, the others are.
pub(crate) async fn put_configuration(
    State(shared): State<Shared>,
    Path(source): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<ConfigurationOutcome>, Failure> {
    check_name(&source)?;
    let (bytes, _turn) = body::json(&shared, &headers, sent).await?;
    let read = tokio::task::spawn_blocking(move || Understood::read(&bytes));
    let understood = read
        .await
        .map_err(|_| Failure::internal("reading the body ended abnormally"))?
        .map_err(Failure::bad_body)?;
    let outcome = ConfigurationOutcome {
        revision: understood.wish.revision.clone(),
        accepted: understood.accepted() as u64,
        refused: understood.refused.clone(),
    };
    shared
        .ports
        .configurations
        .put(source, understood)
        .await
        .map_err(not_kept)?;
    Ok(Json(outcome))
}

#[utoipa::path(
    delete, path = "/api/v1/configuration/{source}", tag = "monitor",
    params(("source" = String, Path, description = "The name that it was put under.")),
    responses(
        (status = 204, description = "It wants nothing any more, or never did."),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Forgets a source and all that it wanted.
pub(crate) async fn delete_configuration(
    State(shared): State<Shared>,
    Path(source): Path<String>,
) -> Result<StatusCode, Failure> {
    check_name(&source)?;
    shared
        .ports
        .configurations
        .forget(source)
        .await
        .map_err(not_kept)?;
    Ok(StatusCode::NO_CONTENT)
}

/// It becomes a file's name.
fn check_name(source: &str) -> Result<(), Failure> {
    let fits = (1..=64).contains(&source.len())
        && !source.starts_with('.')
        && source.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
        });
    if fits {
        return Ok(());
    }
    Err(
        Failure::bad_parameter("source", "this is no name of a source".to_owned())
            .hint("write 1 to 64 of a-z, 0-9, `.`, `_` and `-`, not beginning with `.`"),
    )
}

fn not_kept(error: NotKept) -> Failure {
    match error {
        NotKept::TooMany { most } => Failure::bad_parameter(
            "source",
            format!("there are {most} sources, and no more are taken"),
        )
        .hint("forget one: DELETE /api/v1/configuration/{source}"),
        NotKept::Disk(detail) => Failure::unavailable(detail),
    }
}
