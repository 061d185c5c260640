//! Bodies, bounded before and after decompression.

use std::io::Read as _;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::BytesMut;
use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;

use super::Limits;
use super::reply::Failure;

/// Reads a body as sent.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<Bytes, Failure> {
    let limit = limits.body_bytes;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge { limit });
    }
    tokio::time::timeout(limits.body_timeout, collect(body, limit))
        .await
        .unwrap_or(Err(Failure::TooSlow))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut chunks = body.into_data_stream();
    let mut collected = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Failure::Undecodable(format!("the body ended before its end: {error}"))
        })?;
        if collected.len() + chunk.len() > limit {
            return Err(Failure::TooLarge { limit });
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Identity,
    Gzip,
}

impl Packing {
    pub(super) fn of(headers: &HeaderMap) -> Result<Packing, Failure> {
        let Some(encoding) = headers.get(CONTENT_ENCODING) else {
            return Ok(Packing::Identity);
        };
        match encoding.to_str().map(str::trim) {
            Ok("" | "identity") => Ok(Packing::Identity),
            Ok("gzip" | "x-gzip") => Ok(Packing::Gzip),
            _ => Err(Failure::Unsupported(format!(
                "content encoding {encoding:?} is not supported: send gzip or none"
            ))),
        }
    }

    /// Unpacks, giving up as soon as the result exceeds `limit`: a body of 20 MB may hold 20 GB.
    pub(super) fn unpack(self, body: Bytes, limit: usize) -> Result<Bytes, Failure> {
        match self {
            Packing::Identity if body.len() > limit => Err(Failure::TooLarge { limit }),
            Packing::Identity => Ok(body),
            Packing::Gzip => {
                let mut unpacked = Vec::new();
                let budget = (limit as u64).saturating_add(1);
                MultiGzDecoder::new(&body[..])
                    .take(budget)
                    .read_to_end(&mut unpacked)
                    .map_err(|error| {
                        Failure::Undecodable(format!("the body is not gzip: {error}"))
                    })?;
                if unpacked.len() > limit {
                    return Err(Failure::TooLarge { limit });
                }
                Ok(unpacked.into())
            }
        }
    }
}
