//! Resources that a `CustomResourceDefinition` adds.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{Custom, Served};
use crate::object::text;
use crate::resource::ResourceId;
use crate::structural::Definition;

/// Which resource a definition is about.
pub(crate) fn id(definition: &Value) -> ResourceId {
    ResourceId {
        group: text(definition, &["spec", "group"]).to_owned(),
        plural: text(definition, &["spec", "names", "plural"]).to_owned(),
    }
}

/// The versions that a definition serves.
pub(crate) fn served(definition: &Definition) -> Vec<Served> {
    let storage = definition
        .storage()
        .map_or("", |version| version.name.as_str());
    definition
        .resources()
        .into_iter()
        .filter_map(|resource| {
            let version = definition.version(&resource.version)?;
            Some(Served {
                stored_as: resource.id.clone(),
                counts_generations: true,
                is_question: false,
                storage_version: storage.to_owned(),
                custom: Some(Custom {
                    schema: Arc::clone(&version.schema),
                    written: Arc::new(version.written.clone()),
                    list_kind: definition.list_kind.clone(),
                    warning: version.warning.clone(),
                }),
                shape: OnceLock::from(Arc::clone(version.schema.shape())),
                resource,
            })
        })
        .collect()
}
