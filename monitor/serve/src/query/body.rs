//! Bodies of requests that change something: JSON, of limited size, a few at a time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

use super::problem::Failure;
use crate::Shared;

/// A wish for twenty thousand workloads has a few megabytes.
const LARGEST_BYTES: usize = 16 << 20;
/// Who needs longer to send one keeps others from it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole body. Whoever holds the turn is one of the few whose bodies are in memory.
pub(crate) async fn json(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, tokio::sync::OwnedSemaphorePermit), Failure> {
    // A page of another site can make a browser send a text, but not JSON without asking us first.
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Failure::unsupported("the body is to be JSON")
            .hint("send it with the header content-type: application/json"));
    }
    let turn = shared.turn_to_write()?;
    match tokio::time::timeout(PATIENCE, collect(body)).await {
        Ok(collected) => Ok((collected?, turn)),
        Err(_) => Err(Failure::bad_body(format!(
            "it was not here after {} s",
            PATIENCE.as_secs()
        ))),
    }
}

async fn collect(body: Body) -> Result<Bytes, Failure> {
    let mut chunks = body.into_data_stream();
    let mut collected = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| Failure::bad_body(format!("it ended before its end: {error}")))?;
        if collected.len() + chunk.len() > LARGEST_BYTES {
            return Err(Failure::too_large(LARGEST_BYTES));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}
