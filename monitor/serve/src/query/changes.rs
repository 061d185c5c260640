//! `/changes`: what people and machines do to the platform.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use monitor_api as wire;
use monitor_api::{ChangeRefusal, ChangesOutcome, ChangesQuery, Listing, Problem};
use monitor_core::{Change, Name, Time};
use serde::Deserialize;
use serde_json::Value;

use super::params::{Paging, Params};
use super::problem::Failure;
use super::words::watermark;
use super::{body, when};
use crate::Shared;

/// Changes in one request.
const MOST: usize = 10_000;
/// Bytes of a name, of a summary, of all attributes.
const LONGEST_NAME: usize = 512;
const LONGEST_SUMMARY: usize = 2_048;
const MOST_ATTRIBUTES: usize = 64;
/// Clocks of senders may be ahead by this …
const AHEAD: Duration = Duration::from_secs(600);
/// … and what is older than this explains nothing.
const OLDEST: Duration = Duration::from_secs(7 * 86_400);

#[utoipa::path(
    get, path = "/api/v1/changes", tag = "watch", params(ChangesQuery),
    responses(
        (status = 200, body = Listing<wire::Change>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What was done to the platform in the last days, the latest first.
pub(crate) async fn list_changes(
    State(shared): State<Shared>,
    Params(query): Params<ChangesQuery>,
) -> Result<Json<Listing<wire::Change>>, Failure> {
    let view = shared.ports.view.borrow().clone();
    let paging = Paging::of_list(query.limit, None)?;
    let now = shared.ports.clock.now();
    let (from, to) = when::range(query.from.as_deref(), query.to.as_deref(), now)?;
    let is = |wanted: &Option<String>, said: &Option<Name>| match (wanted, said) {
        (Some(wanted), Some(said)) => **said == **wanted,
        // What names none concerns all of them.
        _ => true,
    };
    let found = view
        .changes
        .iter()
        .rev()
        .filter(|change| from.is_none_or(|from| change.at >= from))
        .filter(|change| to.is_none_or(|to| change.at <= to))
        .filter(|change| {
            is(&query.service, &change.service) && is(&query.environment, &change.environment)
        });
    let (total, items) = paging.cut(found);
    Ok(Json(Listing {
        at: watermark(&view),
        total,
        items: items.into_iter().map(|found| change(found)).collect(),
    }))
}

#[utoipa::path(
    post, path = "/api/v1/changes", tag = "watch",
    request_body = Vec<wire::Change>,
    responses(
        (status = 200, body = ChangesOutcome),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Takes note of changes. One that is not understood is refused with the reason; the others are
/// noted. Saved with what is learned, every half minute.
pub(crate) async fn post_changes(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<ChangesOutcome>, Failure> {
    let (bytes, _turn) = body::json(&shared, &headers, sent).await?;
    let now = shared.ports.clock.now();
    let read = tokio::task::spawn_blocking(move || read(&bytes, now));
    let (changes, refused) = read
        .await
        .map_err(|_| Failure::internal("reading the body ended abnormally"))?
        .map_err(Failure::bad_body)?;
    let noted = shared.ports.changes.note(changes).await?;
    Ok(Json(ChangesOutcome {
        accepted: noted.iter().filter(|new| **new).count() as u64,
        duplicates: noted.iter().filter(|new| !**new).count() as u64,
        refused,
    }))
}

fn read(bytes: &[u8], now: Time) -> Result<(Vec<Change>, Vec<ChangeRefusal>), String> {
    let items: Vec<Value> = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is no JSON list of changes: {error}"))?;
    if items.len() > MOST {
        return Err(format!(
            "{} changes at once; {MOST} are the most",
            items.len()
        ));
    }
    let (mut changes, mut refused) = (Vec::new(), Vec::new());
    for item in items {
        let understood = wire::Change::deserialize(&item)
            .map_err(|error| format!("it is not understood: {error}"))
            .and_then(|change| understand(change, now));
        match understood {
            Ok(change) => changes.push(change),
            Err(reason) => {
                let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
                refused.push(ChangeRefusal {
                    id: id.chars().take(LONGEST_NAME).collect(),
                    reason,
                });
            }
        }
    }
    Ok((changes, refused))
}

fn understand(change: wire::Change, now: Time) -> Result<Change, String> {
    for (field, text) in [
        ("id", &change.id),
        ("kind", &change.kind),
        ("source", &change.source),
    ] {
        if text.is_empty() || text.len() > LONGEST_NAME {
            return Err(format!(
                "`{field}` is empty or longer than {LONGEST_NAME} bytes"
            ));
        }
    }
    let names = [&change.namespace, &change.service, &change.environment];
    if names
        .into_iter()
        .flatten()
        .any(|name| name.len() > LONGEST_NAME)
    {
        return Err(format!("a name is longer than {LONGEST_NAME} bytes"));
    }
    if change.summary.len() > LONGEST_SUMMARY {
        return Err(format!("`summary` is longer than {LONGEST_SUMMARY} bytes"));
    }
    let too_long = |(name, value): (&String, &String)| name.len() + value.len() > LONGEST_SUMMARY;
    if change.attributes.len() > MOST_ATTRIBUTES || change.attributes.iter().any(too_long) {
        return Err(format!(
            "there are more than {MOST_ATTRIBUTES} attributes, or one is longer than \
             {LONGEST_SUMMARY} bytes"
        ));
    }
    let at: Time = change
        .at
        .parse()
        .map_err(|_| "`at` is no time; write 2026-11-21T10:05:00Z".to_owned())?;
    if at > now + AHEAD {
        return Err(format!(
            "`at` is {at}, and it is {now}: it has not happened yet"
        ));
    }
    if at + OLDEST < now {
        return Err(format!("`at` is {at}: changes are kept for seven days"));
    }
    let name = |text: Option<String>| text.map(Name::from).filter(|name| !name.is_empty());
    Ok(Change {
        id: change.id.into(),
        source: change.source.into(),
        at,
        kind: change.kind.into(),
        namespace: name(change.namespace),
        service: name(change.service),
        environment: name(change.environment),
        summary: change.summary,
        attributes: change
            .attributes
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    })
}

pub(crate) fn change(change: &Change) -> wire::Change {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string);
    let attributes = change.attributes.iter();
    wire::Change {
        id: change.id.to_string(),
        at: change.at.to_string(),
        kind: change.kind.to_string(),
        namespace: text(&change.namespace),
        service: text(&change.service),
        environment: text(&change.environment),
        summary: change.summary.clone(),
        source: change.source.to_string(),
        attributes: attributes
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect::<BTreeMap<_, _>>(),
    }
}
