//! From an `openAPIV3Schema` to a [`Schema`], or what keeps it from being structural.
//!
//! `apiextensions-apiserver/pkg/apiserver/schema/{convert,validation}.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use super::rules::Rule;
use super::{Bound, Kind, Limits, List, Node, Schema, below, resource_fields};
use crate::shape::{self, Scalar, Shape};
use crate::status::Cause;

impl Schema {
    /// Compiles `openAPIV3Schema`, its CEL rules included.
    ///
    /// # Errors
    /// Everything that is wrong with it; paths start from the schema itself: `properties[spec].type`.
    pub fn parse(schema: &Value) -> Result<Schema, Vec<Cause>> {
        let mut parser = Parser::default();
        let mut root = parser.node(schema, "", Place::Root);
        if root.kind != Kind::Object {
            parser.refuse(
                "type",
                "FieldValueInvalid",
                match schema.get("type") {
                    Some(kind) => format!("Invalid value: {kind}: must be object at the root"),
                    None => "Required value: must not be empty at the root".to_owned(),
                },
            );
        }
        root.is_resource = true;
        if parser.causes.is_empty() {
            parser.rules(schema, &mut root, "", true);
        }
        root.has_transition = mark_transitions(&mut root);
        if parser.causes.is_empty() {
            let shape = Arc::new(shape_of(&root));
            Ok(Schema { root, shape })
        } else {
            Err(parser.causes)
        }
    }
}

/// Where a schema stands: structure belongs outside of the junctors (`allOf` …), and inside them
/// there are value validations only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Field,
    Items,
    Additional,
    Junctor,
}

#[derive(Default)]
struct Parser {
    causes: Vec<Cause>,
}

impl Parser {
    fn refuse(&mut self, field: &str, reason: &'static str, message: impl Into<String>) {
        self.causes.push(Cause {
            field: field.to_owned(),
            reason,
            message: message.into(),
        });
    }

    fn forbid(&mut self, path: &str, field: &str, why: &str) {
        self.refuse(
            &below(path, field),
            "FieldValueForbidden",
            format!("Forbidden: {why}"),
        );
    }

    fn node(&mut self, schema: &Value, path: &str, place: Place) -> Node {
        let Some(fields) = schema.as_object() else {
            self.refuse(
                path,
                "FieldValueInvalid",
                "Invalid value: a schema is an object",
            );
            return Node::default();
        };
        for field in [
            "$ref",
            "$schema",
            "id",
            "definitions",
            "dependencies",
            "patternProperties",
            "additionalItems",
        ] {
            if fields.contains_key(field) {
                self.forbid(path, field, &format!("{field} is not supported"));
            }
        }
        if fields.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.forbid(
                path,
                "uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            );
        }
        if place == Place::Junctor {
            for field in [
                "additionalProperties",
                "default",
                "nullable",
                "title",
                "description",
                "x-kubernetes-preserve-unknown-fields",
                "x-kubernetes-embedded-resource",
                "x-kubernetes-list-type",
                "x-kubernetes-list-map-keys",
                "x-kubernetes-map-type",
            ] {
                if fields.contains_key(field) {
                    self.forbid(path, field, "must be undefined to be structural");
                }
            }
        }
        let is_flag = |name: &str| fields.get(name) == Some(&Value::Bool(true));
        let kind = self.kind(fields, path, place);
        let keeps_unknown = is_flag("x-kubernetes-preserve-unknown-fields");
        if fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
            self.refuse(
                &below(path, "x-kubernetes-preserve-unknown-fields"),
                "FieldValueInvalid",
                "Invalid value: false: must be true or undefined",
            );
        }
        let mut node = Node {
            kind,
            nullable: is_flag("nullable"),
            keeps_unknown,
            is_resource: is_flag("x-kubernetes-embedded-resource"),
            default: fields.get("default").cloned(),
            is_atomic_map: fields
                .get("x-kubernetes-map-type")
                .is_some_and(|t| t == "atomic"),
            ..Node::default()
        };
        self.children(fields, path, place, &mut node);
        self.list(fields, path, &mut node);
        node.limits = self.limits(fields, path);
        if node.is_resource {
            if kind != Kind::Object {
                self.refuse(
                    &below(path, "type"),
                    "FieldValueInvalid",
                    "Invalid value: must be object if x-kubernetes-embedded-resource is true",
                );
            } else if node.properties.is_empty() && !keeps_unknown {
                self.refuse(
                    &below(path, "properties"),
                    "FieldValueRequired",
                    "Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
                );
            }
        }
        if place == Place::Root {
            self.root_metadata(fields, path);
        }
        node
    }

    fn kind(&mut self, fields: &Map<String, Value>, path: &str, place: Place) -> Kind {
        let at = below(path, "type");
        let is_int_or_string = fields.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
        let keeps_unknown =
            fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        match fields.get("type").and_then(Value::as_str) {
            Some(kind) if is_int_or_string => {
                self.refuse(&at, "FieldValueInvalid", format!("Invalid value: {kind:?}: must be empty if x-kubernetes-int-or-string is true"));
                Kind::IntOrString
            }
            Some("string") => Kind::String,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("array") => Kind::Array,
            Some("object") => Kind::Object,
            Some(other) => {
                self.refuse(&at, "FieldValueNotSupported", format!("Unsupported value: {other:?}: supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""));
                Kind::Any
            }
            None if is_int_or_string => Kind::IntOrString,
            None => {
                let why = match place {
                    Place::Junctor => return Kind::Any,
                    _ if keeps_unknown => return Kind::Any,
                    // Told by the caller, for the root.
                    Place::Root => return Kind::Any,
                    Place::Field => "must not be empty for specified object fields",
                    Place::Items => "must not be empty for specified array items",
                    Place::Additional => "must not be empty for specified object fields",
                };
                self.refuse(&at, "FieldValueRequired", format!("Required value: {why}"));
                Kind::Any
            }
        }
    }

    fn children(&mut self, fields: &Map<String, Value>, path: &str, place: Place, node: &mut Node) {
        let inside = |outside: Place| {
            if place == Place::Junctor {
                Place::Junctor
            } else {
                outside
            }
        };
        for (name, schema) in fields
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let is_implicit = (place == Place::Root || node.is_resource)
                && resource_fields().contains(name.as_str());
            let at = below(path, &format!("properties[{name}]"));
            let child = self.node(schema, &at, inside(Place::Field));
            // These are known without being said; of `metadata`, limits can be said.
            if !is_implicit || place == Place::Junctor || name == "metadata" {
                node.properties.insert(name.clone(), child);
            }
        }
        match fields.get("additionalProperties") {
            Some(Value::Bool(true)) => {
                node.additional = Some(Box::new(Node {
                    keeps_unknown: true,
                    ..Node::default()
                }))
            }
            Some(schema @ Value::Object(_)) => {
                let at = below(path, "additionalProperties");
                node.additional = Some(Box::new(self.node(schema, &at, inside(Place::Additional))));
            }
            _ => {}
        }
        if node.additional.is_some() && !node.properties.is_empty() {
            self.forbid(
                path,
                "additionalProperties",
                "additionalProperties and properties are mutual exclusive",
            );
        }
        if place == Place::Root && node.additional.is_some() {
            self.forbid(path, "additionalProperties", "must not be used at the root");
        }
        if let Some(schema) = fields.get("items") {
            let at = below(path, "items");
            if schema.is_array() {
                self.forbid(
                    path,
                    "items",
                    "items must be a schema object and not an array",
                );
            } else {
                node.items = Some(Box::new(self.node(schema, &at, inside(Place::Items))));
            }
        } else if node.kind == Kind::Array && place != Place::Junctor {
            self.refuse(
                &below(path, "items"),
                "FieldValueRequired",
                "Required value: must be specified",
            );
        }
    }

    fn list(&mut self, fields: &Map<String, Value>, path: &str, node: &mut Node) {
        let at = below(path, "x-kubernetes-list-type");
        let keys: Vec<String> = fields
            .get("x-kubernetes-list-map-keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect();
        let Some(kind) = fields.get("x-kubernetes-list-type").and_then(Value::as_str) else {
            if !keys.is_empty() {
                self.refuse(
                    &at,
                    "FieldValueRequired",
                    "Required value: must be map if x-kubernetes-list-map-keys is non-empty",
                );
            }
            return;
        };
        if node.kind != Kind::Array {
            self.refuse(
                &below(path, "type"),
                "FieldValueInvalid",
                format!(
                    "Invalid value: {:?}: must be array if x-kubernetes-list-type is specified",
                    node.kind.name()
                ),
            );
        }
        match kind {
            "atomic" => {}
            "set" => node.list = List::Set,
            "map" => {
                if keys.is_empty() {
                    self.refuse(
                        &below(path, "x-kubernetes-list-map-keys"),
                        "FieldValueRequired",
                        "Required value: must not be empty if x-kubernetes-list-type is map",
                    );
                }
                if let Some(items) = &node.items {
                    if items.kind != Kind::Object {
                        self.refuse(&below(path, "items.type"), "FieldValueInvalid", format!("Invalid value: {:?}: must be object if parent array's x-kubernetes-list-type is map", items.kind.name()));
                    }
                    for key in &keys {
                        self.list_key(items, key, path);
                    }
                }
                node.list = List::Map(keys);
            }
            other => self.refuse(
                &at,
                "FieldValueNotSupported",
                format!(
                    "Unsupported value: {other:?}: supported values: \"atomic\", \"map\", \"set\""
                ),
            ),
        }
    }

    fn list_key(&mut self, items: &Node, key: &str, path: &str) {
        let Some(field) = items.properties.get(key) else {
            self.refuse(
                &below(path, "x-kubernetes-list-map-keys"),
                "FieldValueInvalid",
                format!("Invalid value: {key:?}: entries must all be names of item properties"),
            );
            return;
        };
        let is_required = items.limits.required.iter().any(|name| name == key);
        if !is_required && field.default.is_none() {
            self.refuse(
                &below(path, &format!("items.properties[{key}].default")),
                "FieldValueRequired",
                "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            );
        }
    }

    fn limits(&mut self, fields: &Map<String, Value>, path: &str) -> Limits {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let count = |name: &str| fields.get(name).and_then(Value::as_u64);
        let flag = |name: &str| fields.get(name) == Some(&Value::Bool(true));
        let bound = |name: &str, exclusive: &str| {
            number(name).map(|value| Bound {
                value,
                is_exclusive: flag(exclusive),
            })
        };
        let pattern = fields
            .get("pattern")
            .and_then(Value::as_str)
            .filter(|p| !p.is_empty());
        let pattern = pattern.and_then(|pattern| match Regex::new(pattern) {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.refuse(&below(path, "pattern"), "FieldValueInvalid", format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {error}"));
                None
            }
        });
        let mut junctor = |name: &str| -> Vec<Node> {
            fields
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(at, schema)| {
                    self.node(
                        schema,
                        &below(path, &format!("{name}[{at}]")),
                        Place::Junctor,
                    )
                })
                .collect()
        };
        let (all_of, any_of, one_of) = (junctor("allOf"), junctor("anyOf"), junctor("oneOf"));
        let not = fields
            .get("not")
            .map(|schema| Box::new(self.node(schema, &below(path, "not"), Place::Junctor)));
        Limits {
            required: fields
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            one_of_values: fields.get("enum").and_then(Value::as_array).cloned(),
            format: fields
                .get("format")
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned(),
            pattern,
            min_length: count("minLength"),
            max_length: count("maxLength"),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            all_of,
            any_of,
            one_of,
            not,
        }
    }

    /// Of `metadata`, names only can be restricted.
    fn root_metadata(&mut self, fields: &Map<String, Value>, path: &str) {
        let metadata = &fields.get("properties").unwrap_or(&Value::Null)["metadata"];
        let stray = metadata["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .any(|(name, _)| !matches!(name.as_str(), "name" | "generateName"));
        if stray {
            self.forbid(
                &below(path, "properties[metadata]"),
                "properties",
                "must not specify anything other than name and generateName, but metadata is implicitly specified",
            );
        }
    }

    /// Compiles rules once the whole schema is known to be sound, since they refer to it.
    ///
    /// `has_past`: a value here can be told from others of its kind, so its old value is known.
    fn rules(&mut self, schema: &Value, node: &mut Node, path: &str, has_past: bool) {
        for (at, rule) in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let at = below(path, &format!("x-kubernetes-validations[{at}]"));
            match Rule::compile(rule, node) {
                Ok(rule) if rule.is_transition() && !has_past => {
                    let message = "Invalid value: oldSelf cannot be used on the uncorrelatable portion of the schema".to_owned();
                    self.refuse(&below(&at, "rule"), "FieldValueInvalid", message);
                }
                Ok(rule) => node.rules.push(rule),
                Err((field, message)) => {
                    self.refuse(&below(&at, field), "FieldValueInvalid", message)
                }
            }
        }
        let Some(fields) = schema.as_object() else {
            return;
        };
        let is_atomic = node.is_atomic_map;
        let is_map = matches!(node.list, List::Map(_));
        for (name, schema) in fields
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if let Some(child) = node.properties.get_mut(name) {
                self.rules(
                    schema,
                    child,
                    &below(path, &format!("properties[{name}]")),
                    has_past && !is_atomic,
                );
            }
        }
        if let (Some(schema), Some(child)) = (fields.get("items"), &mut node.items) {
            self.rules(schema, child, &below(path, "items"), has_past && is_map);
        }
        if let (Some(schema), Some(child)) =
            (fields.get("additionalProperties"), &mut node.additional)
        {
            self.rules(
                schema,
                child,
                &below(path, "additionalProperties"),
                has_past && !is_atomic,
            );
        }
    }
}

fn mark_transitions(node: &mut Node) -> bool {
    let mut found = node.rules.iter().any(Rule::is_transition);
    let children = node.properties.values_mut();
    let children = children.chain(node.items.as_deref_mut());
    for child in children.chain(node.additional.as_deref_mut()) {
        found |= mark_transitions(child);
    }
    node.has_transition = found;
    found
}

fn shape_of(node: &Node) -> Shape {
    match node.kind {
        Kind::Any => Shape::Unknown,
        Kind::IntOrString => Shape::Scalar(Scalar::IntOrString),
        Kind::String => Shape::Scalar(Scalar::String),
        Kind::Integer => Shape::Scalar(Scalar::Int64),
        Kind::Number => Shape::Scalar(Scalar::Number),
        Kind::Boolean => Shape::Scalar(Scalar::Boolean),
        Kind::Array => {
            let items = node.items.as_deref().map_or(Shape::Unknown, shape_of);
            Shape::List(shape::List {
                items: Arc::new(items),
                merge: node.list.merge(),
                // CRDs have no strategic merge patch.
                patch_key: None,
            })
        }
        Kind::Object => Shape::Object(object_shape(node)),
    }
}

fn object_shape(node: &Node) -> shape::Object {
    let mut fields: BTreeMap<String, Arc<Shape>> = node
        .properties
        .iter()
        .map(|(name, child)| (name.clone(), Arc::new(shape_of(child))))
        .collect();
    if node.is_resource {
        for name in ["apiVersion", "kind"] {
            fields.insert(name.to_owned(), Arc::new(Shape::Scalar(Scalar::String)));
        }
        fields.insert("metadata".to_owned(), shape::builtin::metadata());
    }
    let defaults = node.properties.iter().filter_map(|(name, child)| {
        let default = child.default.clone()?;
        Some((name.clone(), default))
    });
    shape::Object {
        type_name: String::new(),
        fields,
        rest: node
            .additional
            .as_deref()
            .map(|rest| Arc::new(shape_of(rest))),
        open: node.keeps_unknown,
        atomic: node.is_atomic_map,
        required: Vec::new(),
        key_defaults: defaults.collect(),
    }
}
