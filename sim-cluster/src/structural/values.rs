//! What a schema does to an object before anybody looks at it: unknown fields go, defaults come.
//!
//! `apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}`.

use serde_json::{Map, Value};

use super::{Node, below, resource_fields};
use crate::shape::{Shape, builtin, check};

/// Removes unknown fields and tells their paths.
pub(super) fn prune(node: &Node, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if node.is_resource {
                prune_metadata(fields, path, unknown);
            }
            let is_known = |name: &str| {
                node.keeps_unknown
                    || node.additional.is_some()
                    || node.properties.contains_key(name)
                    || (node.is_resource && resource_fields().contains(name))
            };
            fields.retain(|name, _| {
                let known = is_known(name);
                if !known {
                    unknown.push(below(path, name));
                }
                known
            });
            for (name, value) in fields {
                let is_metadata = node.is_resource && name == "metadata";
                if let Some(child) = node.child(name).filter(|_| !is_metadata) {
                    prune(child, value, &below(path, name), unknown);
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = &node.items else { return };
            for (at, item) in items.iter_mut().enumerate() {
                prune(child, item, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

fn prune_metadata(fields: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    let Some(metadata) = fields.get_mut("metadata") else {
        return;
    };
    let shape: &Shape = &builtin::metadata();
    let report = check::check(shape, metadata);
    if !report.unknown.is_empty() {
        let at = below(path, "metadata");
        unknown.extend(report.unknown.iter().map(|field| below(&at, field)));
        check::prune(shape, metadata);
    }
}

/// Fills in what is missing.
pub(super) fn default(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, child) in &node.properties {
                let Some(default) = &child.default else {
                    continue;
                };
                // `null` is as good as nothing where it is not allowed.
                let is_missing = match fields.get(name) {
                    None => true,
                    Some(value) => value.is_null() && !child.nullable,
                };
                if is_missing {
                    fields.insert(name.clone(), default.clone());
                }
            }
            if let Some(child) = node.additional.as_deref()
                && let Some(default) = &child.default
                && !child.nullable
            {
                for value in fields.values_mut().filter(|value| value.is_null()) {
                    *value = default.clone();
                }
            }
            for (name, value) in fields {
                if let Some(child) = node.child(name) {
                    self::default(child, value);
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = &node.items else { return };
            for item in items {
                if item.is_null()
                    && !child.nullable
                    && let Some(default) = &child.default
                {
                    *item = default.clone();
                }
                self::default(child, item);
            }
        }
        _ => {}
    }
}

impl Node {
    /// The schema of a field.
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(self.additional.as_deref())
    }
}
