//! Schemas of custom resources: what a `CustomResourceDefinition` says about its objects, compiled
//! once, and what follows for an object: [`prune`](Schema::prune), [`default`](Schema::default),
//! [`validate`](Schema::validate).
//!
//! Follows `k8s.io/apiextensions-apiserver` (structural schemas, KEP-1693; CEL rules, KEP-2876;
//! ratcheting, KEP-4008), in its wordings too: they are what users and clients see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use crate::shape::{Merge, Shape};

mod definition;
mod formats;
mod metadata;
mod parse;
mod rules;
mod validate;
mod values;

pub use definition::{Definition, Version, definition};
pub(crate) use metadata::key_trouble;
pub use metadata::metadata_causes;

use rules::Rule;

/// The compiled `openAPIV3Schema` of one version of a CRD.
#[derive(Debug)]
pub struct Schema {
    root: Node,
    shape: Arc<Shape>,
}

/// One place of a schema.
#[derive(Debug, Default)]
struct Node {
    kind: Kind,
    nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    keeps_unknown: bool,
    /// `x-kubernetes-embedded-resource`, and the root: has `apiVersion`, `kind`, `metadata`.
    is_resource: bool,
    properties: BTreeMap<String, Node>,
    /// `additionalProperties`; `true` is a node that knows nothing.
    additional: Option<Box<Node>>,
    items: Option<Box<Node>>,
    default: Option<Value>,
    list: List,
    is_atomic_map: bool,
    limits: Limits,
    rules: Vec<Rule>,
    /// Here or below, a rule looks at the old value; unchanged values are not skipped then.
    has_transition: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// No `type`: anything.
    #[default]
    Any,
    IntOrString,
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Default)]
enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

impl List {
    fn merge(&self) -> Merge {
        match self {
            List::Atomic => Merge::Atomic,
            List::Set => Merge::Set,
            List::Map(keys) => Merge::Map(keys.clone()),
        }
    }
}

/// The value validations of a place: those of JSON schema that structural schemas allow.
#[derive(Debug, Default)]
struct Limits {
    required: Vec<String>,
    one_of_values: Option<Vec<Value>>,
    format: String,
    pattern: Option<Regex>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    multiple_of: Option<f64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    value: f64,
    is_exclusive: bool,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Any => "any",
            Kind::IntOrString => "integer,string",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

impl Schema {
    /// How objects of this schema merge, for patches and server-side apply.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Removes unknown fields; their paths are returned for `fieldValidation`, in the order of the
    /// object. Linear in the object.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        values::prune(&self.root, object, "", &mut unknown);
        unknown
    }

    /// Fills in the defaults of fields that are missing, also in items of lists. Linear in the
    /// object and the schema.
    pub fn default(&self, object: &mut Value) {
        values::default(&self.root, object);
    }

    /// Why an object is refused. What has not changed since `old` is not looked at again, except by
    /// rules about the change itself.
    ///
    /// Linear in what has changed, apart from CEL rules, whose cost is bounded.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<crate::status::Cause> {
        validate::validate(&self.root, new, old)
    }
}

/// The names of the fields that every resource has.
fn resource_fields() -> &'static BTreeSet<&'static str> {
    static FIELDS: std::sync::LazyLock<BTreeSet<&'static str>> =
        std::sync::LazyLock::new(|| BTreeSet::from(["apiVersion", "kind", "metadata"]));
    &FIELDS
}

/// A path with one more field: `spec`, `spec.replicas`.
fn below(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}
