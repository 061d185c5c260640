//! The paths of a resource, with what kubectl asks of them: which kind they are about, what they
//! do, and which parameters they know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Described;
use crate::shape::builtin::REFERENCE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    V2,
    V3,
}

/// Parameters by verb of HTTP.
const READS: &[&str] = &["pretty"];
const LISTS: &[&str] = &[
    "pretty",
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const WRITES: &[&str] = &["pretty", "dryRun", "fieldManager", "fieldValidation"];
const PATCHES: &[&str] = &[
    "pretty",
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
];
const DELETES: &[&str] = &[
    "pretty",
    "dryRun",
    "gracePeriodSeconds",
    "orphanDependents",
    "propagationPolicy",
];

/// `(method, action, parameters)`.
type Operations = &'static [(&'static str, &'static str, &'static [&'static str])];

const COLLECTION: Operations = &[
    ("get", "list", LISTS),
    ("post", "post", WRITES),
    ("delete", "deletecollection", DELETES),
];
const OBJECT: Operations = &[
    ("get", "get", READS),
    ("put", "put", WRITES),
    ("patch", "patch", PATCHES),
    ("delete", "delete", DELETES),
];
const PART: Operations = &[
    ("get", "get", READS),
    ("put", "put", WRITES),
    ("patch", "patch", PATCHES),
];

pub(super) fn add(
    one: &Described<'_>,
    schema: &str,
    style: Style,
    paths: &mut BTreeMap<String, Value>,
) {
    let resource = one.resource;
    let start = format!("/{}", one.document());
    let plural = &resource.id.plural;
    let collection = if resource.namespaced {
        format!("{start}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{start}/{plural}")
    };
    let mut insert = |path: String, operations: Operations| {
        let described = describe(one, schema, style, &path, operations);
        paths.insert(path, described);
    };
    if resource.namespaced {
        insert(format!("{start}/{plural}"), &COLLECTION[..1]);
    }
    if resource.has_status {
        insert(format!("{collection}/{{name}}/status"), PART);
    }
    if resource.scale.is_some() {
        insert(format!("{collection}/{{name}}/scale"), PART);
    }
    insert(format!("{collection}/{{name}}"), OBJECT);
    insert(collection, COLLECTION);
}

fn describe(
    one: &Described<'_>,
    schema: &str,
    style: Style,
    path: &str,
    operations: Operations,
) -> Value {
    let resource = one.resource;
    let is_scale = path.ends_with("/scale");
    let kind = if is_scale {
        json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" })
    } else {
        json!({ "group": resource.id.group, "version": resource.version, "kind": resource.kind })
    };
    let mut described = Map::new();
    for (method, action, parameters) in operations {
        let mut operation = json!({
            "operationId": operation_id(one, action, path),
            "parameters": parameters.iter().map(|name| parameter(name, style)).collect::<Vec<_>>(),
            "responses": { "200": response(schema, style, is_scale || *action == "list") },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        });
        if *method == "patch" && style == Style::V2 {
            operation["consumes"] = json!([
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ]);
        }
        described.insert((*method).to_owned(), operation);
    }
    let of_path: Vec<Value> = ["namespace", "name"]
        .iter()
        .filter(|name| path.contains(&format!("{{{name}}}")))
        .map(|name| {
            let mut parameter = parameter(name, style);
            parameter["in"] = json!("path");
            parameter["required"] = json!(true);
            parameter
        })
        .collect();
    if !of_path.is_empty() {
        described.insert("parameters".to_owned(), Value::Array(of_path));
    }
    Value::Object(described)
}

/// `patchAppsV1NamespacedDeployment`, and unlike any other.
fn operation_id(one: &Described<'_>, action: &str, path: &str) -> String {
    let resource = one.resource;
    let capital = |text: &str| {
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    let group: String = resource.id.group.split(['.', '-']).map(capital).collect();
    let group = if group.is_empty() {
        "Core".to_owned()
    } else {
        group
    };
    let namespaced = if path.contains("{namespace}") {
        "Namespaced"
    } else {
        ""
    };
    let everywhere = if resource.namespaced && namespaced.is_empty() {
        "ForAllNamespaces"
    } else {
        ""
    };
    let part = match path.rsplit('/').next() {
        Some("status") => "Status",
        Some("scale") => "Scale",
        _ => "",
    };
    let version = capital(&resource.version);
    format!(
        "{action}{group}{version}{namespaced}{}{part}{everywhere}",
        resource.kind
    )
}

fn parameter(name: &str, style: Style) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "watch" | "allowWatchBookmarks" | "sendInitialEvents" | "force" | "orphanDependents" => {
            "boolean"
        }
        _ => "string",
    };
    let mut parameter = json!({ "name": name, "in": "query" });
    match style {
        Style::V2 => {
            parameter["type"] = json!(kind);
            parameter["uniqueItems"] = json!(true);
        }
        Style::V3 => parameter["schema"] = json!({ "type": kind, "uniqueItems": true }),
    }
    parameter
}

/// Lists and scales are answered with kinds of their own, which are not described.
fn response(schema: &str, style: Style, is_other: bool) -> Value {
    let reference = match (style, is_other) {
        (_, true) => return json!({ "description": "OK" }),
        (Style::V2, false) => json!({ "$ref": format!("#/definitions/{schema}") }),
        (Style::V3, false) => json!({ "$ref": format!("{REFERENCE}{schema}") }),
    };
    match style {
        Style::V2 => json!({ "description": "OK", "schema": reference }),
        Style::V3 => json!({
            "description": "OK", "content": { "application/json": { "schema": reference } },
        }),
    }
}
