//! Objects as the API holds them: JSON, with the few fields that every kind shares.

use serde_json::Value;

/// `null` where an object says nothing.
const NOTHING: &Value = &Value::Null;

/// A field by its path; `null` when any step is absent.
pub fn at<'a>(object: &'a Value, path: &[&str]) -> &'a Value {
    path.iter()
        .try_fold(object, |value, key| value.get(key))
        .unwrap_or(NOTHING)
}

/// A text by its path; empty when absent.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).as_str().unwrap_or("")
}

pub fn name(object: &Value) -> &str {
    text(object, &["metadata", "name"])
}

/// Empty for what belongs to the whole cluster.
pub fn namespace(object: &Value) -> &str {
    text(object, &["metadata", "namespace"])
}

pub fn uid(object: &Value) -> &str {
    text(object, &["metadata", "uid"])
}

/// 0 when absent.
pub fn resource_version(object: &Value) -> u64 {
    text(object, &["metadata", "resourceVersion"])
        .parse()
        .unwrap_or(0)
}

pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, &["metadata", "labels", key]).as_str()
}

pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, &["metadata", "annotations", key]).as_str()
}

pub fn is_being_deleted(object: &Value) -> bool {
    at(object, &["metadata", "deletionTimestamp"]).is_string()
}

pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(object, &["metadata", "finalizers"])
        .iter()
        .filter_map(Value::as_str)
}

pub fn owners(object: &Value) -> &[Value] {
    list(object, &["metadata", "ownerReferences"])
}

/// The owner that manages it, if any.
pub fn controller(object: &Value) -> Option<&Value> {
    owners(object)
        .iter()
        .find(|owner| owner["controller"] == true)
}

/// A list by its path; empty when absent.
pub fn list<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path).as_array().map_or(&[], Vec::as_slice)
}

/// A condition of `status.conditions` by its type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, &["status", "conditions"])
        .iter()
        .find(|condition| condition["type"] == kind)
}
