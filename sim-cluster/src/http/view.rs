//! The forms that clients ask for objects in, and the text of objects.

use std::sync::Arc;

use hyper::Response;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::{Body, answer, full};
use super::handle::Call;
use super::table;
use crate::client::Cluster;
use crate::convert;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As they are.
    Objects,
    /// Their metadata only.
    Metadata,
    /// As kubectl prints them.
    Table,
}

impl View {
    /// The first form of the header that is known; plain JSON when there is none.
    pub(super) fn wanted(accept: &str) -> View {
        for part in accept.split(',') {
            let mut words = part.split(';').map(str::trim);
            let mime = words.next().unwrap_or("");
            if mime != "application/json" && mime != "*/*" {
                continue;
            }
            let form = words.find_map(|word| word.strip_prefix("as="));
            match form {
                None => return View::Objects,
                Some("Table") => return View::Table,
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    return View::Metadata;
                }
                Some(_) => {}
            }
        }
        View::Objects
    }
}

/// One object in the form that the call wants.
pub(super) fn one(
    cluster: &Cluster,
    call: &Call,
    code: u16,
    object: &Arc<Value>,
) -> Response<Body> {
    let shown = convert::shown(&call.served, object);
    let text = match call.view {
        View::Objects => text(&shown),
        View::Metadata => metadata(&shown).to_string(),
        View::Table => {
            let version = shown["metadata"]["resourceVersion"].clone();
            let meta = json!({ "resourceVersion": version });
            table::of(cluster, call, std::slice::from_ref(&shown), meta).to_string()
        }
    };
    answer(code, "application/json", full(text))
}

/// Many objects, in the form that the call wants.
pub(super) fn many(
    cluster: &Cluster,
    call: &Call,
    objects: &[Arc<Value>],
    list_metadata: Value,
) -> Response<Body> {
    let shown: Vec<Arc<Value>> = objects
        .iter()
        .map(|object| convert::shown(&call.served, object))
        .collect();
    let head = |kind: &str, api_version: &str| {
        format!(
            "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{list_metadata},\"items\":[",
            json!(kind),
            json!(api_version)
        )
    };
    let resource = &call.served.resource;
    let body = match call.view {
        View::Objects => {
            let mut out = head(&call.served.list_kind(), &resource.api_version()).into_bytes();
            for (i, object) in shown.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let depth = if call.served.is_custom() {
                    Depth::Object
                } else {
                    Depth::Item
                };
                write_at(&mut out, object, depth);
            }
            out.extend_from_slice(b"]}");
            out
        }
        View::Metadata => {
            let mut out = head("PartialObjectMetadataList", "meta.k8s.io/v1");
            let items: Vec<String> = shown.iter().map(|it| metadata(it).to_string()).collect();
            out.push_str(&items.join(","));
            out.push_str("]}");
            out.into_bytes()
        }
        View::Table => table::of(cluster, call, &shown, list_metadata)
            .to_string()
            .into_bytes(),
    };
    answer(200, "application/json", full(body))
}

/// `PartialObjectMetadata`.
pub(super) fn metadata(object: &Value) -> Value {
    let mut metadata = object["metadata"].clone();
    for entry in metadata["managedFields"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        entry["fieldsV1"] = unpacked(&entry["fieldsV1"]);
    }
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
    })
}

fn unpacked(fields: &Value) -> Value {
    match fields {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    }
}

/// An object's JSON.
pub(super) fn text(object: &Value) -> String {
    let mut out = Vec::with_capacity(2_048);
    write(&mut out, object);
    String::from_utf8(out).expect("JSON is UTF-8")
}

pub(super) fn write(out: &mut Vec<u8>, object: &Value) {
    write_at(out, object, Depth::Object);
}

fn write_at(out: &mut Vec<u8>, object: &Value, depth: Depth) {
    let wire = Wire {
        value: object,
        depth,
    };
    serde_json::to_writer(out, &wire)
        .expect("a JSON value has only keys that are texts, and memory takes everything");
}

/// An object whose managed fields are kept as text: they are put back as the objects they are.
struct Wire<'a> {
    value: &'a Value,
    depth: Depth,
}

/// On the way to `metadata.managedFields[].fieldsV1`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Object,
    /// Of a list of a built-in kind, whose items do not repeat what the list says.
    Item,
    Metadata,
    Entries,
    Entry,
    Fields,
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let next = |key: &str| match (self.depth, key) {
            (Depth::Object | Depth::Item, "metadata") => Some(Depth::Metadata),
            (Depth::Metadata, "managedFields") => Some(Depth::Entries),
            (Depth::Entry, "fieldsV1") => Some(Depth::Fields),
            _ => None,
        };
        match self.value {
            Value::Object(fields) if !matches!(self.depth, Depth::Entries | Depth::Fields) => {
                let is_said =
                    |key: &str| self.depth == Depth::Item && matches!(key, "apiVersion" | "kind");
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in fields.iter().filter(|(key, _)| !is_said(key)) {
                    match next(key) {
                        Some(depth) => map.serialize_entry(key, &Wire { value, depth })?,
                        None => map.serialize_entry(key, value)?,
                    }
                }
                map.end()
            }
            Value::Array(entries) if self.depth == Depth::Entries => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                for value in entries {
                    list.serialize_element(&Wire {
                        value,
                        depth: Depth::Entry,
                    })?;
                }
                list.end()
            }
            Value::String(text) if self.depth == Depth::Fields => {
                match serde_json::from_str::<&RawValue>(text) {
                    Ok(raw) => raw.serialize(serializer),
                    Err(_) => self.value.serialize(serializer),
                }
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_form_is_given() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                       application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(View::wanted(kubectl), View::Table);
        assert_eq!(
            View::wanted("application/vnd.kubernetes.protobuf,application/json"),
            View::Objects
        );
        let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(View::wanted(metadata), View::Metadata);
    }

    #[test]
    fn managed_fields_are_objects_again() {
        let object = json!({ "metadata": { "managedFields": [
            { "manager": "a", "fieldsV1": "{\"f:spec\":{}}" },
        ] } });
        assert_eq!(
            text(&object),
            r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:spec":{}},"manager":"a"}]}}"#
        );
    }
}
