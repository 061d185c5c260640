//! Resources that a `CustomResourceDefinition` adds.

use std::sync::OnceLock;

use serde_json::Value;

use super::Served;
use crate::object::{list, text};
use crate::resource::{Column, Resource, ResourceId, Scale};

/// Which resource a definition is about.
pub(crate) fn id(definition: &Value) -> ResourceId {
    ResourceId {
        group: text(definition, &["spec", "group"]).to_owned(),
        plural: text(definition, &["spec", "names", "plural"]).to_owned(),
    }
}

/// The versions that a definition serves.
pub(crate) fn served(definition: &Value) -> Vec<Served> {
    let versions = list(definition, &["spec", "versions"]);
    let storage = versions.iter().find(|version| version["storage"] == true);
    let storage_version = storage
        .map_or("", |version| text(version, &["name"]))
        .to_owned();
    versions
        .iter()
        .filter(|version| version["served"] == true)
        .map(|version| one(definition, version, &storage_version))
        .collect()
}

fn one(definition: &Value, version: &Value, storage_version: &str) -> Served {
    let id = id(definition);
    let names = &definition["spec"]["names"];
    let kind = text(names, &["kind"]).to_owned();
    let words = |key: &str| {
        list(names, &[key])
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let singular = match text(names, &["singular"]) {
        "" => kind.to_lowercase(),
        singular => singular.to_owned(),
    };
    let scale = &version["subresources"]["scale"];
    Served {
        resource: Resource {
            version: text(version, &["name"]).to_owned(),
            singular,
            short_names: words("shortNames"),
            categories: words("categories"),
            namespaced: text(definition, &["spec", "scope"]) == "Namespaced",
            has_status: version["subresources"]["status"].is_object(),
            scale: scale.is_object().then(|| Scale {
                spec_replicas: text(scale, &["specReplicasPath"]).to_owned(),
                status_replicas: text(scale, &["statusReplicasPath"]).to_owned(),
                label_selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
            }),
            columns: list(version, &["additionalPrinterColumns"])
                .iter()
                .map(column)
                .collect(),
            selectable: list(version, &["selectableFields"])
                .iter()
                .map(|field| {
                    text(field, &["jsonPath"])
                        .trim_start_matches('.')
                        .to_owned()
                })
                .collect(),
            kind,
            id: id.clone(),
        },
        stored_as: id,
        counts_generations: true,
        is_question: false,
        storage_version: storage_version.to_owned(),
        is_custom: true,
        shape: OnceLock::new(),
    }
}

fn column(written: &Value) -> Column {
    let word = |key: &str| text(written, &[key]).to_owned();
    Column {
        name: word("name"),
        kind: word("type"),
        format: word("format"),
        description: word("description"),
        json_path: word("jsonPath"),
        priority: written["priority"]
            .as_i64()
            .and_then(|it| i32::try_from(it).ok())
            .unwrap_or(0),
    }
}
