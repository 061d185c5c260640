//! Tables, as `kubectl get` prints them: which columns, which cells.
//!
//! After `k8s.io/kubernetes/pkg/printers/internalversion/printers.go` for built-in kinds; those of
//! definitions have `additionalPrinterColumns`.

mod cells;
mod duration;
mod pods;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::handle::Call;
use super::view;
use crate::client::Cluster;
use crate::jsonpath::JsonPath;
use crate::object;
use crate::resource::Column;

use duration::age;

/// The cells of an object.
type Row<'a> = Box<dyn Fn(&Value) -> Vec<Value> + 'a>;

/// The kind `Table` of `meta.k8s.io`.
pub(super) fn of(cluster: &Cluster, call: &Call, objects: &[Arc<Value>], metadata: Value) -> Value {
    let now = cluster.now();
    let resource = &call.served.resource;
    let include = call.query.text("includeObject");
    let columns: Vec<Value>;
    let row: Row<'_>;
    if call.served.is_custom() {
        columns = custom_columns(&resource.columns);
        let paths: Vec<Option<JsonPath>> = resource
            .columns
            .iter()
            .map(|column| JsonPath::parse(&column.json_path))
            .collect();
        row = Box::new(move |object| custom_cells(&resource.columns, &paths, object, now));
    } else {
        let shape = cells::shape(&resource.kind);
        columns = shape
            .iter()
            .map(|it| definition(it.name, it.kind, it.priority))
            .collect();
        row = Box::new(move |object| cells::cells(object, now));
    }
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({ "cells": row(object) });
            match include {
                "None" => {}
                "Object" => row["object"] = (**object).clone(),
                _ => row["object"] = view::metadata(object),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// A bookmark among tables.
pub(super) fn of_bookmark(bookmark: &Value) -> Value {
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": { "resourceVersion": bookmark["metadata"]["resourceVersion"] },
        "columnDefinitions": [],
        "rows": [{ "cells": [], "object": view::metadata(bookmark) }],
    })
}

fn definition(name: &str, kind: &str, priority: i32) -> Value {
    let format = if name == "Name" { "name" } else { "" };
    json!({
        "name": name, "type": kind, "format": format, "description": "", "priority": priority,
    })
}

fn custom_columns(columns: &[Column]) -> Vec<Value> {
    let mut definitions = vec![definition("Name", "string", 0)];
    for column in columns {
        definitions.push(json!({
            "name": column.name, "type": column.kind, "format": column.format,
            "description": column.description, "priority": column.priority,
        }));
    }
    if columns.is_empty() {
        definitions.push(definition("Age", "date", 0));
    }
    definitions
}

fn custom_cells(
    columns: &[Column],
    paths: &[Option<JsonPath>],
    object: &Value,
    now: Timestamp,
) -> Vec<Value> {
    let mut cells = vec![json!(object::name(object))];
    for (column, path) in columns.iter().zip(paths) {
        let found = path.as_ref().and_then(|path| path.first(object));
        cells.push(custom_cell(&column.kind, found, now));
    }
    if columns.is_empty() {
        cells.push(json!(age(object, now)));
    }
    cells
}

fn custom_cell(kind: &str, found: Option<&Value>, now: Timestamp) -> Value {
    let Some(found) = found else {
        return Value::Null;
    };
    match (kind, found) {
        ("date", Value::String(time)) => json!(duration::since(time, now)),
        ("string", Value::String(_)) => found.clone(),
        ("string", other) => json!(other.to_string()),
        ("integer", Value::Number(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_)) => found.clone(),
        _ => Value::Null,
    }
}
