//! Values of objects as CEL sees them, typed by their schema.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use cel::Value as CelValue;
use cel::objects::{Key, Map};
use serde_json::Value;

use super::names::escaped;
use crate::structural::{Kind, Node, formats};

/// A value of a place. Fields that are unknown or `null` are not seen.
pub(super) fn of(node: &Node, value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (node.kind, number.as_i64()) {
            (Kind::Number, _) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            (_, Some(number)) => CelValue::Int(number),
            (Kind::Integer | Kind::IntOrString, None) => whole(number.as_f64().unwrap_or(0.0)),
            (_, None) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => self::text(node, text),
        Value::Array(items) => {
            let unknown = Node::default();
            let child = node.items.as_deref().unwrap_or(&unknown);
            let items = items.iter().map(|item| of(child, item)).collect();
            CelValue::List(Arc::new(items))
        }
        Value::Object(fields) => {
            let mut map = HashMap::new();
            for (name, value) in fields {
                if let Some((name, value)) = field(node, name, value) {
                    map.insert(Key::String(Arc::new(name)), value);
                }
            }
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

/// A number that is whole, though written with a fraction of nothing.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as is wanted")]
fn whole(number: f64) -> CelValue {
    CelValue::Int(number as i64)
}

fn field(node: &Node, name: &str, value: &Value) -> Option<(String, CelValue)> {
    if node.is_resource {
        match name {
            "apiVersion" | "kind" => return Some((name.to_owned(), of(&Node::default(), value))),
            "metadata" => {
                let names = value.as_object()?.iter();
                let names =
                    names.filter(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
                let names = names.map(|(name, value)| {
                    let name = Key::String(Arc::new(name.clone()));
                    (name, of(&Node::default(), value))
                });
                let map = Arc::new(names.collect());
                return Some((name.to_owned(), CelValue::Map(Map { map })));
            }
            _ => {}
        }
    }
    if let Some(child) = node.properties.get(name) {
        let is_absent = value.is_null();
        return (!is_absent).then(|| Some((escaped(name)?, of(child, value))))?;
    }
    if let Some(child) = &node.additional {
        return Some((name.to_owned(), of(child, value)));
    }
    // Where nothing is known of the whole, all of it is seen.
    (node.kind == Kind::Any).then(|| (name.to_owned(), of(&Node::default(), value)))
}

fn text(node: &Node, text: &str) -> CelValue {
    let typed = match node.limits.format.as_str() {
        "duration" => formats::duration(text)
            .map(|nanoseconds| CelValue::Duration(chrono::Duration::nanoseconds(nanoseconds))),
        "date-time" => chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(CelValue::Timestamp),
        "date" => chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z"))
            .ok()
            .map(CelValue::Timestamp),
        "byte" => base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()
            .map(|bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => None,
    };
    typed.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}
