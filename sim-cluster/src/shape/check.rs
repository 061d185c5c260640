//! Whether an object fits its shape: unknown fields, values of the wrong type, fields that are
//! missing. For writes of built-in kinds; those of CRDs have [`crate::structural`].

use base64::Engine as _;
use serde_json::Value;

use super::{Object, Scalar, Shape};
use crate::status::Cause;

/// What [`check`] found, each once and in the order of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Paths such as `spec.template.spec.containers[0].imagee`.
    pub unknown: Vec<String>,
    /// The first value that cannot be decoded, in the words of the Go decoder, which stops there.
    pub undecodable: Option<String>,
    /// Required fields that are missing.
    pub missing: Vec<Cause>,
}

impl Report {
    /// `strict decoding error: unknown field "spec.foo", unknown field "spec.bar"`, as
    /// `fieldValidation=Strict` refuses; `None` when every field is known.
    pub fn strict_error(&self) -> Option<String> {
        strict_error(&self.unknown)
    }

    /// What `fieldValidation=Warn` says, one warning a field: `unknown field "spec.foo"`.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.unknown
            .iter()
            .map(|field| format!("unknown field \"{field}\""))
    }
}

/// The words of `fieldValidation=Strict` about fields nobody knows.
pub(crate) fn strict_error(unknown: &[String]) -> Option<String> {
    if unknown.is_empty() {
        return None;
    }
    let said: Vec<String> = unknown
        .iter()
        .map(|field| format!("unknown field \"{field}\""))
        .collect();
    Some(format!("strict decoding error: {}", said.join(", ")))
}

/// Compares an object with its shape. Required fields are asked for in what people write, not in
/// `metadata` and `status`, which the cluster fills. Linear in the object.
pub fn check(shape: &Shape, object: &Value) -> Report {
    let mut report = Report::default();
    let mut walk = Walk {
        report: &mut report,
        path: String::new(),
        decoded: String::new(),
        root: "",
        asks_required: true,
    };
    if let Shape::Object(kind) = shape {
        walk.root = &kind.type_name;
    }
    walk.value(shape, object, "");
    report
}

/// Removes from an object what its shape does not know, as decoding into a Go type does.
pub fn prune(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Object(kind), Value::Object(fields)) => {
            if kind.rest.is_none() && !kind.open {
                fields.retain(|name, _| kind.fields.contains_key(name));
            }
            for (name, value) in fields {
                prune(shape.field(name), value);
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for item in items {
                prune(&list.items, item);
            }
        }
        _ => {}
    }
}

struct Walk<'a> {
    report: &'a mut Report,
    path: String,
    /// The path as the Go decoder says it: without indices and keys of maps.
    decoded: String,
    /// `Deployment`: errors of the Go decoder name the type that a path starts from.
    root: &'a str,
    asks_required: bool,
}

impl Walk<'_> {
    /// `owner`: the type that holds the value.
    fn value(&mut self, shape: &Shape, value: &Value, owner: &str) {
        if value.is_null() {
            return;
        }
        match (shape, value) {
            (Shape::Unknown, _) => {}
            (Shape::Object(kind), Value::Object(_)) => self.object(kind, shape, value),
            (Shape::List(list), Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.below(&format!("[{at}]"), "", |walk| {
                        walk.value(&list.items, item, owner);
                    });
                }
            }
            (Shape::Scalar(scalar), value) if fits(*scalar, value) => {}
            (shape, value) => self.undecodable(shape, value, owner),
        }
    }

    fn object(&mut self, kind: &Object, shape: &Shape, value: &Value) {
        let Value::Object(fields) = value else { return };
        for (name, value) in fields {
            let known = kind.fields.contains_key(name) || kind.rest.is_some() || kind.open;
            let step = if self.path.is_empty() {
                name.clone()
            } else {
                format!(".{name}")
            };
            let is_filled = self.path.is_empty() && matches!(name.as_str(), "status" | "metadata");
            let asked = self.asks_required;
            self.asks_required &= !is_filled;
            let is_field = kind.fields.contains_key(name);
            let decoded = match self.decoded.as_str() {
                _ if !is_field => String::new(),
                "" => name.clone(),
                _ => format!(".{name}"),
            };
            self.below(&step, &decoded, |walk| {
                if known {
                    walk.value(shape.field(name), value, &kind.type_name);
                } else {
                    walk.report.unknown.push(walk.path.clone());
                }
            });
            self.asks_required = asked;
        }
        if self.asks_required {
            self.missing(kind, value);
        }
    }

    fn missing(&mut self, kind: &Object, value: &Value) {
        for name in &kind.required {
            // Go cannot tell an empty list or object from none, and its validation asks for more
            // than presence; an empty text is as good as none.
            if value
                .get(name)
                .is_none_or(|value| value.is_null() || value == "")
            {
                let field = match self.path.as_str() {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                self.report.missing.push(Cause {
                    field,
                    reason: "FieldValueRequired",
                    message: "Required value".to_owned(),
                });
            }
        }
    }

    fn undecodable(&mut self, shape: &Shape, value: &Value, owner: &str) {
        if self.report.undecodable.is_some() {
            return;
        }
        let got = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) | Value::Null => "object",
        };
        let path = &self.decoded;
        let holder = if owner.is_empty() { self.root } else { owner };
        self.report.undecodable = Some(match (shape, value) {
            (Shape::Scalar(Scalar::Time), Value::String(text)) => {
                format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse")
            }
            (Shape::Scalar(Scalar::Bytes), Value::String(_)) => {
                "illegal base64 data at input byte 0".to_owned()
            }
            _ => format!(
                "json: cannot unmarshal {got} into Go struct field {holder}.{path} of type {}",
                go_type(shape)
            ),
        });
    }

    fn below(&mut self, step: &str, decoded: &str, then: impl FnOnce(&mut Self)) {
        let before = (self.path.len(), self.decoded.len());
        self.path.push_str(step);
        self.decoded.push_str(decoded);
        then(self);
        self.path.truncate(before.0);
        self.decoded.truncate(before.1);
    }
}

fn fits(scalar: Scalar, value: &Value) -> bool {
    match scalar {
        Scalar::String => value.is_string(),
        Scalar::Int32 => value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        Scalar::Int64 => value.is_i64(),
        Scalar::Number => value.is_number(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::IntOrString => value.is_string() || value.is_number(),
        Scalar::Bytes => value
            .as_str()
            .is_some_and(|text| BASE64.decode(text.as_bytes()).is_ok()),
        Scalar::Time => value
            .as_str()
            .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
    }
}

const BASE64: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

fn go_type(shape: &Shape) -> String {
    match shape {
        Shape::Unknown => "interface {}".to_owned(),
        Shape::Scalar(Scalar::Int32) => "int32".to_owned(),
        Shape::Scalar(Scalar::Int64) => "int64".to_owned(),
        Shape::Scalar(Scalar::Number) => "float64".to_owned(),
        Shape::Scalar(Scalar::Boolean) => "bool".to_owned(),
        Shape::Scalar(Scalar::IntOrString) => "intstr.IntOrString".to_owned(),
        Shape::Scalar(Scalar::String | Scalar::Bytes | Scalar::Time) => "string".to_owned(),
        Shape::List(list) => format!("[]{}", go_type(&list.items)),
        Shape::Object(object) => match &object.rest {
            Some(rest) => format!("map[string]{}", go_type(rest)),
            None => format!("v1.{}", object.type_name),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shape::builtin;

    fn of(kind: &str, object: &Value) -> Report {
        check(&builtin::shape("apps/v1", kind).unwrap(), object)
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_path() {
        let report = of(
            "Deployment",
            &json!({ "spec": {
                "replicas": 2, "foo": 1,
                "selector": {},
                "template": { "spec": { "containers": [{ "name": "web", "imagee": "x" }] } },
            } }),
        );
        assert_eq!(
            report.strict_error().unwrap(),
            "strict decoding error: unknown field \"spec.foo\", \
             unknown field \"spec.template.spec.containers[0].imagee\""
        );
        assert_eq!(report.undecodable, None);
        assert_eq!(report.missing, []);
    }

    /// As `kubectl apply` shows it for `replicas: "2"`.
    #[test]
    fn a_text_for_a_number_is_refused_as_the_go_decoder_does() {
        let report = of("Deployment", &json!({ "spec": { "replicas": "2" } }));
        assert_eq!(
            report.undecodable.unwrap(),
            "json: cannot unmarshal string into Go struct field \
             DeploymentSpec.spec.replicas of type int32"
        );
    }

    #[test]
    fn required_fields_are_asked_for_in_the_spec_and_not_in_the_status() {
        let report = of(
            "Deployment",
            &json!({
                "spec": { "template": { "spec": { "containers": [{ "image": "x" }] } } },
                "status": { "conditions": [{}] },
            }),
        );
        let fields: Vec<_> = report.missing.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(
            fields,
            ["spec.template.spec.containers[0].name", "spec.selector"]
        );
    }

    #[test]
    fn what_is_unknown_is_dropped_when_nobody_minds() {
        let mut object = json!({ "spec": { "replicas": 1, "foo": 1 }, "bar": 2 });
        prune(
            &builtin::shape("apps/v1", "Deployment").unwrap(),
            &mut object,
        );
        assert_eq!(object, json!({ "spec": { "replicas": 1 } }));
    }
}
