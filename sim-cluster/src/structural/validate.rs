//! Whether an object fits its schema, in the words of the API server.
//!
//! `k8s.io/kube-openapi/pkg/validation/validate`, `apiextensions-apiserver/pkg/apiserver/validation`
//! and `…/schema/{listtype,objectmeta}`. Of several mistakes all are told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::metadata::metadata_causes;
use super::rules::Budget;
use super::{Bound, Kind, Limits, List, Node, below, formats};
use crate::shape::{Shape, builtin, check};
use crate::status::Cause;

pub(super) fn validate(root: &Node, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let budget = Budget::of_request();
    let mut walk = Walk {
        causes: &mut causes,
        budget: &budget,
        is_junctor: false,
    };
    walk.node(root, new, old, "");
    causes
}

struct Walk<'a> {
    causes: &'a mut Vec<Cause>,
    budget: &'a Budget,
    /// Inside `allOf` and its like, where there are no rules, and no types unless said.
    is_junctor: bool,
}

impl Walk<'_> {
    fn refuse(&mut self, path: &str, reason: &'static str, message: String) {
        self.causes.push(Cause {
            field: path.to_owned(),
            reason,
            message,
        });
    }

    fn invalid(&mut self, path: &str, value: &Value, why: &str) {
        let message = format!("Invalid value: {}: {why}", shown(value));
        self.refuse(path, "FieldValueInvalid", message);
    }

    fn node(&mut self, node: &Node, new: &Value, old: Option<&Value>, path: &str) {
        let is_unchanged = old == Some(new);
        if is_unchanged && !node.has_transition {
            return;
        }
        if new.is_null() {
            if !node.nullable && !matches!(node.kind, Kind::Any) {
                self.wrong_type(node.kind, new, path);
            }
            return;
        }
        if !has_type(node.kind, new) {
            self.wrong_type(node.kind, new, path);
            return;
        }
        if !is_unchanged {
            self.limits(&node.limits, node.kind, new, path);
            self.uniqueness(node, new, path);
            if node.is_resource {
                self.resource(new, path);
            }
        }
        let before = self.causes.len();
        self.children(node, new, old, path);
        // Rules can rely on the types of what they look at.
        let is_sound = self.causes[before..]
            .iter()
            .all(|cause| cause.reason != "FieldValueTypeInvalid");
        if is_sound && !self.is_junctor {
            self.rules(node, new, old, path);
        }
    }

    fn children(&mut self, node: &Node, new: &Value, old: Option<&Value>, path: &str) {
        match new {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let is_metadata = node.is_resource && name == "metadata" && !self.is_junctor;
                    let Some(child) = node.child(name) else {
                        continue;
                    };
                    let old = if node.is_atomic_map {
                        None
                    } else {
                        old.and_then(|old| old.get(name))
                    };
                    // Of metadata, only what the schema limits: names.
                    if is_metadata && child.properties.is_empty() {
                        continue;
                    }
                    self.node(child, value, old, &below(path, name));
                }
            }
            Value::Array(items) => {
                let Some(child) = &node.items else { return };
                let olds = correlate(node, old);
                for (at, item) in items.iter().enumerate() {
                    let old = match &node.list {
                        List::Map(keys) => olds.get(&key_of(child, keys, item)).copied(),
                        List::Atomic | List::Set => None,
                    };
                    self.node(child, item, old, &format!("{path}[{at}]"));
                }
            }
            _ => {}
        }
    }

    fn wrong_type(&mut self, kind: Kind, value: &Value, path: &str) {
        let got = type_name(value);
        let message = format!(
            "Invalid value: \"{got}\": {path} in body must be of type {}: \"{got}\"",
            kind.name()
        );
        self.refuse(path, "FieldValueTypeInvalid", message);
    }

    fn limits(&mut self, limits: &Limits, kind: Kind, value: &Value, path: &str) {
        if let Some(allowed) = &limits.one_of_values
            && !allowed.contains(value)
        {
            let said: Vec<String> = allowed
                .iter()
                .map(|value| match value {
                    Value::String(text) => format!("{text:?}"),
                    value => format!("{:?}", value.to_string()),
                })
                .collect();
            let message = format!(
                "Unsupported value: {}: supported values: {}",
                shown(value),
                said.join(", ")
            );
            self.refuse(path, "FieldValueNotSupported", message);
        }
        match value {
            Value::String(text) => self.text(limits, kind, text, value, path),
            Value::Number(_) => self.number(limits, value, path),
            Value::Array(items) => self.counts(
                (limits.min_items, limits.max_items),
                items.len(),
                "items",
                value,
                path,
            ),
            Value::Object(fields) => {
                for name in &limits.required {
                    if !fields.contains_key(name) {
                        let message = "Required value".to_owned();
                        self.refuse(&below(path, name), "FieldValueRequired", message);
                    }
                }
                self.counts(
                    (limits.min_properties, limits.max_properties),
                    fields.len(),
                    "properties",
                    value,
                    path,
                );
            }
            Value::Bool(_) | Value::Null => {}
        }
        self.junctors(limits, value, path);
    }

    fn text(&mut self, limits: &Limits, kind: Kind, text: &str, value: &Value, path: &str) {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if let Some(most) = limits.max_length.filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.refuse(path, "FieldValueTooLong", message);
        }
        if let Some(least) = limits.min_length.filter(|least| length < *least) {
            let why = format!("{path} in body should be at least {least} chars long");
            self.invalid(path, value, &why);
        }
        if let Some(pattern) = &limits.pattern
            && !pattern.is_match(text)
        {
            let why = format!("{path} in body should match '{}'", pattern.as_str());
            self.invalid(path, value, &why);
        }
        let has_format = matches!(kind, Kind::String | Kind::Any | Kind::IntOrString);
        if has_format && !limits.format.is_empty() && !formats::is(&limits.format, text) {
            let message = format!(
                "Invalid value: {text:?}: {path} in body must be of type {}: {text:?}",
                limits.format
            );
            self.refuse(path, "FieldValueTypeInvalid", message);
        }
    }

    fn number(&mut self, limits: &Limits, value: &Value, path: &str) {
        let number = value.as_f64().unwrap_or(0.0);
        if let Some(Bound {
            value: most,
            is_exclusive,
        }) = limits.maximum
            && (number > most || (is_exclusive && number >= most))
        {
            let how = if is_exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            self.invalid(
                path,
                value,
                &format!("{path} in body should be {how} {most}"),
            );
        }
        if let Some(Bound {
            value: least,
            is_exclusive,
        }) = limits.minimum
            && (number < least || (is_exclusive && number <= least))
        {
            let how = if is_exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            self.invalid(
                path,
                value,
                &format!("{path} in body should be {how} {least}"),
            );
        }
        if let Some(factor) = limits.multiple_of
            && (number / factor).fract() != 0.0
        {
            let why = format!("{path} in body should be a multiple of {factor}");
            self.invalid(path, value, &why);
        }
        let fits = match limits.format.as_str() {
            "int32" => value
                .as_i64()
                .is_none_or(|number| i32::try_from(number).is_ok()),
            "int64" => value
                .as_u64()
                .is_none_or(|number| i64::try_from(number).is_ok()),
            _ => true,
        };
        if !fits {
            let format = &limits.format;
            let why = format!("{path} in body must be of type {format}: \"{value}\"");
            self.invalid(path, value, &why);
        }
    }

    fn counts(
        &mut self,
        (least, most): (Option<u64>, Option<u64>),
        count: usize,
        what: &str,
        value: &Value,
        path: &str,
    ) {
        let number = u64::try_from(count).unwrap_or(u64::MAX);
        if let Some(most) = most.filter(|most| number > *most) {
            let items = if most == 1 { "item" } else { "items" };
            let message = format!("Too many: {count}: must have at most {most} {items}");
            self.refuse(path, "FieldValueTooMany", message);
        }
        if let Some(least) = least.filter(|least| number < *least) {
            let why = format!("{path} in body should have at least {least} {what}");
            self.invalid(path, value, &why);
        }
    }

    fn junctors(&mut self, limits: &Limits, value: &Value, path: &str) {
        // The root of an object has no path.
        let junctor_path = if path.is_empty() { "<nil>" } else { path };
        let mut all_fit = true;
        for node in &limits.all_of {
            let causes = self.against(node, value, path);
            all_fit &= causes.is_empty();
            self.causes.extend(causes);
        }
        if !all_fit {
            let why = format!("{path:?} must validate all the schemas (allOf)");
            self.invalid(junctor_path, &Value::from(""), &why);
        }
        let alternatives = |walk: &Self, nodes: &[Node]| -> Vec<Vec<Cause>> {
            nodes
                .iter()
                .map(|node| walk.against(node, value, path))
                .collect()
        };
        if !limits.any_of.is_empty() {
            let tried = alternatives(self, &limits.any_of);
            if tried.iter().all(|causes| !causes.is_empty()) {
                let why = format!("{path:?} must validate at least one schema (anyOf)");
                self.invalid(junctor_path, &Value::from(""), &why);
                self.causes.extend(nearest(tried));
            }
        }
        if !limits.one_of.is_empty() {
            let tried = alternatives(self, &limits.one_of);
            let fitting = tried.iter().filter(|causes| causes.is_empty()).count();
            if fitting != 1 {
                let found = match fitting {
                    0 => "Found none valid".to_owned(),
                    many => format!("Found {many} valid alternatives"),
                };
                let why =
                    format!("{path:?} must validate one and only one schema (oneOf). {found}");
                self.invalid(junctor_path, &Value::from(""), &why);
                if fitting == 0 {
                    self.causes.extend(nearest(tried));
                }
            }
        }
        if let Some(node) = &limits.not
            && self.against(node, value, path).is_empty()
        {
            let why = format!("{path:?} must not validate the schema (not)");
            self.invalid(junctor_path, &Value::from(""), &why);
        }
    }

    fn against(&self, node: &Node, value: &Value, path: &str) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut walk = Walk {
            causes: &mut causes,
            budget: self.budget,
            is_junctor: true,
        };
        walk.node(node, value, None, path);
        causes
    }

    /// Of lists that are sets or maps.
    fn uniqueness(&mut self, node: &Node, value: &Value, path: &str) {
        let Value::Array(items) = value else { return };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let key = match (&node.list, &node.items) {
                (List::Set, _) => item.to_string(),
                (List::Map(keys), Some(child)) => key_of(child, keys, item),
                _ => return,
            };
            if !seen.insert(key.clone()) {
                let message = format!("Duplicate value: {key}");
                self.refuse(&format!("{path}[{at}]"), "FieldValueDuplicate", message);
            }
        }
    }

    /// `metadata` of the object itself is checked by whoever writes it; here, that of resources
    /// within resources, and its types in both.
    fn resource(&mut self, value: &Value, path: &str) {
        let Some(metadata) = value.get("metadata") else {
            if !path.is_empty() {
                self.embedded_names(value, path);
            }
            return;
        };
        let at = below(path, "metadata");
        let shape: &Shape = &builtin::metadata();
        if let Some(why) = check::check(shape, metadata).undecodable {
            self.refuse(&at, "FieldValueInvalid", format!("Invalid value: {why}"));
        }
        if !path.is_empty() {
            self.embedded_names(value, path);
            self.causes.extend(metadata_causes(metadata, &at));
        }
    }

    fn embedded_names(&mut self, value: &Value, path: &str) {
        for name in ["apiVersion", "kind"] {
            if value
                .get(name)
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                let message = "Required value: must not be empty".to_owned();
                self.refuse(&below(path, name), "FieldValueRequired", message);
            }
        }
    }

    fn rules(&mut self, node: &Node, new: &Value, old: Option<&Value>, path: &str) {
        if node.rules.is_empty() {
            return;
        }
        let is_unchanged = old == Some(new);
        for rule in &node.rules {
            if is_unchanged && !rule.is_transition() {
                continue;
            }
            if let Some(cause) = rule.check(node, new, old, path, self.budget) {
                self.causes.push(cause);
            }
        }
    }
}

fn nearest(tried: Vec<Vec<Cause>>) -> Vec<Cause> {
    tried.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// The old items of a list by their keys.
fn correlate<'a>(node: &Node, old: Option<&'a Value>) -> BTreeMap<String, &'a Value> {
    let (List::Map(keys), Some(child)) = (&node.list, &node.items) else {
        return BTreeMap::new();
    };
    old.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|item| (key_of(child, keys, item), item))
        .collect()
}

/// The fields by which an item is known, as JSON; those missing count as their defaults.
fn key_of(items: &Node, keys: &[String], item: &Value) -> String {
    let key: BTreeMap<&str, &Value> = keys
        .iter()
        .filter_map(|key| {
            let default = || items.properties.get(key)?.default.as_ref();
            Some((key.as_str(), item.get(key).or_else(default)?))
        })
        .collect();
    serde_json::to_string(&key).unwrap_or_default()
}

fn has_type(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Any => true,
        Kind::IntOrString => value.is_string() || is_integer(value),
        Kind::String => value.is_string(),
        Kind::Integer => is_integer(value),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as errors show it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        value => value.to_string(),
    }
}
