//! Reads query parameters, and says precisely what is wrong with them.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Failure;

/// The search language needs no more, and parsing longer ones is only work for the monitor.
const LONGEST_QUERY_BYTES: usize = 8 << 10;

/// Query parameters; unknown ones are errors, because a filter with a typo that is silently
/// ignored gives a wrong answer.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Params<T>, Failure> {
        let length = parts.uri.query().map_or(0, str::len);
        if length > LONGEST_QUERY_BYTES {
            return Err(Failure::bad_parameter(
                "query",
                format!(
                    "the parameters are {length} bytes long; {LONGEST_QUERY_BYTES} is the most"
                ),
            ));
        }
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Params(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&text);
                // axum puts the parameter's name before the cause, where it knows it.
                match text.split_once(": ") {
                    Some((parameter, cause)) => {
                        Err(Failure::bad_parameter(parameter, cause.to_owned()))
                    }
                    None => Err(Failure::bad_parameter("query", text.to_owned())),
                }
            }
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl Paging {
    const LARGEST_OFFSET: u64 = 100_000;

    /// `limit` must be in 1 to `largest`; a larger one is an error, lest someone believes that
    /// they have all.
    pub(crate) fn new(
        limit: Option<u64>,
        offset: Option<u64>,
        usual: u64,
        largest: u64,
    ) -> Result<Paging, Failure> {
        let limit = limit.unwrap_or(usual);
        if limit == 0 || limit > largest {
            return Err(Failure::bad_parameter(
                "limit",
                format!("{limit} is outside 1 to {largest}"),
            )
            .hint("ask for one part after another with `offset`"));
        }
        let offset = offset.unwrap_or(0);
        if offset > Self::LARGEST_OFFSET {
            return Err(Failure::bad_parameter(
                "offset",
                format!("{offset} is more than {}", Self::LARGEST_OFFSET),
            )
            .hint("narrow the answer with filters or the time range"));
        }
        Ok(Paging {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
        })
    }

    /// For lists of things in memory.
    pub(crate) fn of_list(limit: Option<u64>, offset: Option<u64>) -> Result<Paging, Failure> {
        Paging::new(limit, offset, 1_000, 10_000)
    }

    /// The part, and how many there are in all.
    pub(crate) fn cut<T>(self, all: impl Iterator<Item = T>) -> (u64, Vec<T>) {
        let mut total = 0;
        let mut items = Vec::new();
        for item in all {
            if total >= self.offset && items.len() < self.limit {
                items.push(item);
            }
            total += 1;
        }
        (total as u64, items)
    }
}
