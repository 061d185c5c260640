//! What kubectl and others read about the kinds that are served: OpenAPI documents.
//!
//! `/openapi/v3` lists documents, one a group and version (KEP-2896); kubectl explains fields,
//! validates and merges by them. `/openapi/v2` is the older one for everything, here as JSON only.
//! Pure: who serves them keeps them, until a definition changes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::resource::Resource;
use crate::shape::builtin::{self, OBJECT_META, catalogue};

mod paths;
mod schemas;

/// One served version of a resource; `schema` is the `openAPIV3Schema` of those that CRDs define.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    pub resource: &'a Resource,
    pub schema: Option<&'a Value>,
}

impl Described<'_> {
    /// `apis/apps/v1`.
    fn document(&self) -> String {
        let version = self.resource.api_version();
        if self.resource.id.group.is_empty() {
            format!("api/{version}")
        } else {
            format!("apis/{version}")
        }
    }

    /// `io.k8s.api.apps.v1.Deployment`, `com.example.stable.v1.CronTab`.
    fn schema_name(&self) -> String {
        let Resource {
            id, version, kind, ..
        } = self.resource;
        if self.schema.is_none() {
            let known = catalogue().definition_name(&self.resource.api_version(), kind);
            if let Some(name) = known {
                return name.to_owned();
            }
        }
        let reversed: Vec<&str> = id.group.split('.').rev().collect();
        format!("{}.{version}.{kind}", reversed.join("."))
    }
}

/// `/openapi/v3`: the documents there are, with addresses that change when they do.
pub fn v3_index(described: &[Described<'_>]) -> Value {
    let mut paths = Map::new();
    for document in documents(described) {
        let mut hasher = DefaultHasher::new();
        for one in described.iter().filter(|one| one.document() == document) {
            format!("{:?}{:?}", one.resource, one.schema).hash(&mut hasher);
        }
        let address = format!("/openapi/v3/{document}?hash={:016X}", hasher.finish());
        paths.insert(document, json!({ "serverRelativeURL": address }));
    }
    json!({ "paths": paths })
}

fn documents(described: &[Described<'_>]) -> Vec<String> {
    let mut names: Vec<String> = described.iter().map(Described::document).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `/openapi/v3/apis/apps/v1`: `document` is `apis/apps/v1` or `api/v1`. `None` where nothing of it
/// is served.
///
/// Takes milliseconds: the caller keeps it.
pub fn v3(document: &str, described: &[Described<'_>]) -> Option<Value> {
    let own: Vec<&Described<'_>> = described
        .iter()
        .filter(|one| one.document() == document)
        .collect();
    if own.is_empty() {
        return None;
    }
    let mut paths = BTreeMap::new();
    for one in &own {
        paths::add(one, &one.schema_name(), paths::Style::V3, &mut paths);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": version() },
        "paths": paths,
        "components": { "schemas": schemas::of(&own) },
    }))
}

/// `/openapi/v2`, everything in one document. Takes tens of milliseconds: the caller keeps it.
pub fn v2(described: &[Described<'_>]) -> Value {
    let all: Vec<&Described<'_>> = described.iter().collect();
    let mut paths = BTreeMap::new();
    for one in &all {
        paths::add(one, &one.schema_name(), paths::Style::V2, &mut paths);
    }
    let mut definitions = schemas::of(&all);
    for schema in definitions.values_mut() {
        schemas::to_v2(schema);
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": version() },
        "paths": paths,
        "definitions": definitions,
    })
}

/// The version of Kubernetes whose types these are.
fn version() -> &'static str {
    "v1.37.0"
}

/// The schema of `metadata`, by its name.
fn metadata_reference() -> Value {
    json!({ "$ref": format!("{}{OBJECT_META}", builtin::REFERENCE) })
}
