//! `metadata.managedFields`: the entries, read and written.

use serde_json::{Map, Value, json};

use super::fields::FieldSet;

/// One manager's fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    pub api_version: String,
    pub subresource: String,
    pub time: Option<String>,
    pub fields: FieldSet,
}

impl Entry {
    /// Whether writes of this kind belong to the entry. Appliers are told apart by name and
    /// subresource, others by the version they use as well.
    pub(super) fn is_of(
        &self,
        operation: &str,
        manager: &str,
        api_version: &str,
        subresource: &str,
    ) -> bool {
        self.operation == operation
            && self.manager == manager
            && self.subresource == subresource
            && (operation == "Apply" || self.api_version == api_version)
    }

    /// `"kubectl" using apps/v1`, as conflicts say it.
    pub(super) fn described(&self) -> String {
        let mut said = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            said.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == "Update" {
            said.push_str(&format!(" using {}", self.api_version));
        }
        said
    }
}

/// Entries that cannot be understood are left out, as the API server does.
pub(super) fn read(object: &Value) -> Vec<Entry> {
    let entries = object["metadata"]["managedFields"].as_array();
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["fieldsType"] == "FieldsV1")
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or("").to_owned();
            Entry {
                manager: text("manager"),
                operation: text("operation"),
                api_version: text("apiVersion"),
                subresource: text("subresource"),
                time: entry["time"].as_str().map(str::to_owned),
                fields: fields(&entry["fieldsV1"]),
            }
        })
        .filter(|entry| matches!(entry.operation.as_str(), "Apply" | "Update"))
        .collect()
}

/// Stored objects keep their fields as text, which takes a tenth of the memory of the tree.
fn fields(written: &Value) -> FieldSet {
    match written {
        Value::String(text) => {
            FieldSet::from_json(&serde_json::from_str(text).unwrap_or(Value::Null))
        }
        written => FieldSet::from_json(written),
    }
}

/// Writes the entries into an object; none at all where nobody owns anything.
pub(super) fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|one, other| sorting(one).cmp(&sorting(other)));
    let written: Vec<Value> = entries.iter().map(to_json).collect();
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if written.is_empty() {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("managedFields");
        }
    } else {
        metadata["managedFields"] = Value::Array(written);
    }
}

fn sorting(entry: &Entry) -> (&str, Option<&str>, &str, &str, &str) {
    (
        &entry.operation,
        entry.time.as_deref(),
        &entry.manager,
        &entry.api_version,
        &entry.subresource,
    )
}

fn to_json(entry: &Entry) -> Value {
    let mut written = json!({
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields.to_json(),
    });
    if let Some(time) = &entry.time {
        written["time"] = json!(time);
    }
    if !entry.subresource.is_empty() {
        written["subresource"] = json!(entry.subresource);
    }
    written
}
