//! The schemas of a document: of its kinds, and of whatever they refer to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Described, metadata_reference};
use crate::shape::builtin::{REFERENCE, catalogue};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

/// By name, in the form of OpenAPI v3.
pub(super) fn of(described: &[&Described<'_>]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut wanted = Vec::new();
    for one in described {
        let name = one.schema_name();
        let mut schema = match one.schema {
            Some(written) => custom(written),
            None => match catalogue().definitions.get(&name) {
                Some(schema) => published(&name, schema),
                None => continue,
            },
        };
        let resource = one.resource;
        schema["x-kubernetes-group-version-kind"] = json!([{
            "group": resource.id.group, "version": resource.version, "kind": resource.kind,
        }]);
        collect_references(&schema, &mut wanted);
        found.insert(name, schema);
    }
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        if let Some(schema) = catalogue().definitions.get(&name) {
            let schema = published(&name, schema);
            collect_references(&schema, &mut wanted);
            found.insert(name, schema);
        }
    }
    found
}

/// What a CRD writes, with what every resource has.
fn custom(written: &Value) -> Value {
    let mut schema = written.clone();
    let text = |description: &str| json!({ "type": "string", "description": description });
    let properties = [
        (
            "apiVersion",
            text(
                "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
            ),
        ),
        (
            "kind",
            text(
                "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
            ),
        ),
        (
            "metadata",
            json!({
                "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
                "allOf": [metadata_reference()],
            }),
        ),
    ];
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    for (name, property) in properties {
        schema["properties"][name] = property;
    }
    schema
}

/// A built-in schema as Kubernetes publishes it.
fn published(name: &str, schema: &Value) -> Value {
    let description = &schema["description"];
    match name {
        QUANTITY => {
            json!({ "description": description, "oneOf": [{ "type": "string" }, { "type": "number" }] })
        }
        INT_OR_STRING => json!({
            "description": description, "format": "int-or-string",
            "oneOf": [{ "type": "integer" }, { "type": "string" }],
        }),
        _ => {
            let mut schema = schema.clone();
            wrap_references(&mut schema);
            schema
        }
    }
}

/// In OpenAPI 3.0 nothing stands beside a `$ref`; descriptions do so with `allOf` between.
fn wrap_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.len() > 1
                && let Some(reference) = fields.get("$ref").filter(|r| r.is_string()).cloned()
            {
                fields.remove("$ref");
                fields.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
            }
            fields.values_mut().for_each(wrap_references);
        }
        Value::Array(items) => items.iter_mut().for_each(wrap_references),
        _ => {}
    }
}

fn collect_references(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().and_then(|text| text.strip_prefix(REFERENCE)) {
                    Some(target) if name == "$ref" => into.push(target.to_owned()),
                    _ => collect_references(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}

/// Swagger knows neither `oneOf` nor `nullable`, and refers elsewhere.
pub(super) fn to_v2(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(all_of) = fields.get("allOf").and_then(Value::as_array)
                && let [only] = all_of.as_slice()
                && let Some(reference) = only.get("$ref").cloned()
            {
                fields.remove("allOf");
                fields.insert("$ref".to_owned(), reference);
            }
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                *target = target.replace(REFERENCE, "#/definitions/");
            }
            if fields.remove("oneOf").is_some() && !fields.contains_key("type") {
                fields.insert("type".to_owned(), json!("string"));
            }
            for name in ["anyOf", "not", "nullable"] {
                if fields
                    .get(name)
                    .is_some_and(|value| !value.get("type").is_some_and(Value::is_string))
                {
                    fields.remove(name);
                }
            }
            fields.values_mut().for_each(to_v2);
        }
        Value::Array(items) => items.iter_mut().for_each(to_v2),
        _ => {}
    }
}
