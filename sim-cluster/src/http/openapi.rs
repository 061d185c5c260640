//! `/openapi/v2` and `/openapi/v3`: written once for each state of the registry.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::Response;

use super::body::{Body, answer, full};
use crate::openapi::{self, Described};
use crate::registry::Registry;

/// Documents by their paths, of one state of the registry.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// Contended by clients that read documents only; one that is written holds the others up, who
    /// then find it done.
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    revision: u64,
    by_path: BTreeMap<String, Bytes>,
}

impl Documents {
    /// None for a path that is none of them.
    pub(super) fn answer(&self, registry: &Registry, path: &str) -> Option<Response<Body>> {
        let document = path.strip_prefix("/openapi/")?.trim_end_matches('/');
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.revision != registry.revision() {
            *written = Written {
                revision: registry.revision(),
                by_path: BTreeMap::new(),
            };
        }
        let bytes = match written.by_path.get(document) {
            Some(bytes) => bytes.clone(),
            None => {
                let bytes = write(registry, document)?;
                written.by_path.insert(document.to_owned(), bytes.clone());
                bytes
            }
        };
        Some(answer(200, "application/json", full(bytes)))
    }
}

fn write(registry: &Registry, document: &str) -> Option<Bytes> {
    let described: Vec<Described<'_>> = registry
        .all()
        .map(|served| Described {
            resource: &served.resource,
            schema: served.custom.as_ref().map(|custom| &*custom.written),
        })
        .collect();
    let value = match document {
        "v2" => openapi::v2(&described),
        "v3" => openapi::v3_index(&described),
        document => openapi::v3(document.strip_prefix("v3/")?, &described)?,
    };
    Some(Bytes::from(value.to_string()))
}
