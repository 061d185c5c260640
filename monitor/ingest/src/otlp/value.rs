//! Attribute values: OTLP's recursive `AnyValue` to our flat one.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monitor_core::{Name, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use rustc_hash::FxHashSet;

use crate::decoded::{RepairReason, Repairs, cut};

/// SDKs send at most 128 attributes unless told otherwise.
const MAX_ATTRIBUTES: usize = 512;
/// A stack trace fits; a core dump does not.
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

/// Converts attributes and shares the text of keys within a request.
#[derive(Default)]
pub(super) struct Attributes {
    keys: FxHashSet<Name>,
}

impl Attributes {
    pub(super) fn convert(
        &mut self,
        attributes: Vec<KeyValue>,
        repairs: &mut Repairs,
    ) -> Vec<(Name, Value)> {
        let excess = attributes.len().saturating_sub(MAX_ATTRIBUTES);
        repairs.add(RepairReason::AttributesDropped, excess as u64);
        attributes
            .into_iter()
            .take(MAX_ATTRIBUTES)
            .filter(|attribute| !attribute.key.is_empty())
            .filter_map(|attribute| {
                let value = self.value(attribute.value?.value?, repairs);
                Some((self.key(&attribute.key), value))
            })
            .collect()
    }

    pub(super) fn key(&mut self, key: &str) -> Name {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        let name = Name::from(cut(key.to_owned(), MAX_ATTRIBUTE_BYTES));
        self.keys.insert(name.clone());
        name
    }

    fn value(&mut self, value: Any, repairs: &mut Repairs) -> Value {
        match value {
            Any::BoolValue(truth) => Value::Bool(truth),
            Any::IntValue(number) => Value::Int(number),
            Any::DoubleValue(number) => Value::Float(number),
            other => {
                let text = text(other);
                if text.len() > MAX_ATTRIBUTE_BYTES {
                    repairs.add(RepairReason::AttributeCut, 1);
                }
                Value::Str(cut(text, MAX_ATTRIBUTE_BYTES))
            }
        }
    }
}

/// A value as text, as the specification wants it outside of OTLP: strings as they are, scalars and
/// collections as compact JSON, bytes in base64, nothing as nothing.
///
/// <https://opentelemetry.io/docs/specs/otel/common/#anyvalue-representation-for-non-otlp-protocols>
pub(super) fn text(value: Any) -> String {
    match value {
        Any::StringValue(text) => text,
        Any::BytesValue(bytes) => STANDARD.encode(bytes),
        other => {
            let mut json = String::new();
            write_json(&other, &mut json);
            json
        }
    }
}

/// A log body: as [`text`], but bytes that are text are text.
pub(super) fn body_text(body: AnyValue) -> String {
    match body.value {
        None => String::new(),
        Some(Any::BytesValue(bytes)) => {
            String::from_utf8(bytes).unwrap_or_else(|error| STANDARD.encode(error.as_bytes()))
        }
        Some(value) => text(value),
    }
}

/// The recursion is bounded by the decoders: prost stops at 100 levels, serde_json at 128.
fn write_json(value: &Any, json: &mut String) {
    match value {
        Any::StringValue(text) => write_string(text, json),
        Any::BytesValue(bytes) => write_string(&STANDARD.encode(bytes), json),
        // Writing to a String cannot fail.
        Any::BoolValue(truth) => _ = write!(json, "{truth}"),
        Any::IntValue(number) => _ = write!(json, "{number}"),
        Any::DoubleValue(number) if number.is_finite() => _ = write!(json, "{number:?}"),
        Any::DoubleValue(number) if number.is_nan() => json.push_str("\"NaN\""),
        Any::DoubleValue(number) if *number > 0.0 => json.push_str("\"Infinity\""),
        Any::DoubleValue(_) => json.push_str("\"-Infinity\""),
        // An index into a table that only profiles have.
        Any::StringValueStrindex(_) => json.push_str("null"),
        Any::ArrayValue(array) => {
            json.push('[');
            for (index, value) in array.values.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_optional(value, json);
            }
            json.push(']');
        }
        Any::KvlistValue(list) => {
            json.push('{');
            for (index, entry) in list.values.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_string(&entry.key, json);
                json.push(':');
                match &entry.value {
                    Some(value) => write_optional(value, json),
                    None => json.push_str("null"),
                }
            }
            json.push('}');
        }
    }
}

fn write_optional(value: &AnyValue, json: &mut String) {
    match &value.value {
        Some(value) => write_json(value, json),
        None => json.push_str("null"),
    }
}

fn write_string(text: &str, json: &mut String) {
    // A string always has a JSON form.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}
