//! What an object may hold and how its parts merge: compiled once per kind, for built-in kinds
//! ([`builtin`]) and for those of CRDs ([`crate::structural`]) alike.
//!
//! Patches and server-side apply walk an object and its shape side by side. What a shape does not
//! know ([`Shape::Unknown`]) is treated as Kubernetes treats untyped content: objects merge field
//! by field, lists are replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub mod builtin;
pub mod check;
mod lists;

/// One place in an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Unknown,
    Scalar(Scalar),
    List(List),
    Object(Object),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    String,
    Int32,
    Int64,
    Number,
    Boolean,
    /// A number or a text: ports by number or name, quantities.
    IntOrString,
    /// Text in base64.
    Bytes,
    /// RFC 3339.
    Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub items: Arc<Shape>,
    pub merge: Merge,
    /// Of a strategic merge patch: `None` replaces the list, an empty key unites plain values, any
    /// other is the field by which items are matched.
    pub patch_key: Option<String>,
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    Atomic,
    Set,
    /// Items are matched by these fields.
    Map(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `DeploymentSpec`, as errors name it; empty where the type has no name.
    pub type_name: String,
    pub fields: BTreeMap<String, Arc<Shape>>,
    /// Of every key that is not in `fields`; `None` where such keys are unknown.
    pub rest: Option<Arc<Shape>>,
    /// Unknown keys are kept.
    pub open: bool,
    /// Replaced as a whole.
    pub atomic: bool,
    pub required: Vec<String>,
    /// What a missing field of an item counts as when items are matched by it.
    pub key_defaults: BTreeMap<String, Value>,
}

/// What is below a place of which nothing is known.
static UNKNOWN: Shape = Shape::Unknown;

impl Shape {
    /// The shape of a field; [`Shape::Unknown`] where it has none.
    pub fn field(&self, name: &str) -> &Shape {
        match self {
            Shape::Object(object) => object
                .fields
                .get(name)
                .or(object.rest.as_ref())
                .map_or(&UNKNOWN, |shape| shape),
            _ => &UNKNOWN,
        }
    }

    /// The shape of a list's items; [`Shape::Unknown`] where this is no list.
    pub fn items(&self) -> &Shape {
        match self {
            Shape::List(list) => &list.items,
            _ => &UNKNOWN,
        }
    }

    /// How a list at this place merges: as a whole, where nothing is known.
    pub fn merge(&self) -> &Merge {
        match self {
            Shape::List(list) => &list.merge,
            _ => &Merge::Atomic,
        }
    }

    /// Whether an object at this place is replaced as a whole.
    pub fn is_atomic(&self) -> bool {
        matches!(self, Shape::Object(object) if object.atomic)
    }

    /// The key of an item of a list that merges by `keys`; `None` where a field is missing that has
    /// no default.
    pub fn item_key(&self, keys: &[String], item: &Value) -> Option<BTreeMap<String, Value>> {
        let mut found = BTreeMap::new();
        for key in keys {
            let value = match item.get(key) {
                Some(value) if !value.is_null() => value,
                _ => self.key_default(key)?,
            };
            found.insert(key.clone(), value.clone());
        }
        Some(found)
    }

    fn key_default(&self, key: &str) -> Option<&Value> {
        match self {
            Shape::Object(object) => object.key_defaults.get(key),
            _ => None,
        }
    }
}
