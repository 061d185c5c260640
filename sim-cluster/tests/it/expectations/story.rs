//! Stories as they are written down.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Requests that belong together, told in a namespace of their own (`${namespace}`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Story {
    pub(super) story: String,
    /// Where it is written that a real API answers so.
    pub(super) sources: Vec<String>,
    /// Paths to delete in the end: what is not in the namespace.
    #[serde(default)]
    pub(super) cleanup: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// One request and what matters of its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) name: String,
    /// `GET /api/v1/namespaces/${namespace}/configmaps`.
    pub(super) request: String,
    /// `application/json` when there is none.
    #[serde(rename = "type")]
    pub(super) content_type: Option<String>,
    pub(super) accept: Option<String>,
    pub(super) body: Option<Value>,
    /// A body as it is, where it is no JSON.
    pub(super) raw: Option<String>,
    pub(super) code: u16,
    /// What the answer has at least. Words in angle brackets are those of `matching`.
    pub(super) answer: Option<Value>,
    /// JSON pointers to what the answer does not have.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// Of a watch: the events that come first, in this order.
    pub(super) events: Option<Vec<Value>>,
    /// The texts of `Warning` headers; all of them.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// Names for parts of the answer, by JSON pointer; later steps write `${name}`.
    #[serde(default)]
    pub(super) remember: BTreeMap<String, String>,
    /// In a real cluster this takes a moment, so that it is asked again for a while.
    #[serde(default)]
    pub(super) settles: bool,
}

/// What was remembered so far.
pub(super) type Memory = BTreeMap<String, String>;

/// With `${name}` replaced; names that nobody remembered stay as they are.
pub(super) fn filled(text: &str, memory: &Memory) -> String {
    let mut text = text.to_owned();
    for (name, value) in memory {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

/// With `${name}` replaced in all texts and keys.
pub(super) fn filled_value(value: &Value, memory: &Memory) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, memory)),
        Value::Array(items) => items.iter().map(|it| filled_value(it, memory)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (filled(key, memory), filled_value(value, memory)))
            .collect(),
        other => other.clone(),
    }
}
