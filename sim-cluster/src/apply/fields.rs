//! Sets of fields: who owns what, as `metadata.managedFields[].fieldsV1` writes it.
//!
//! A set is a tree. Its steps keep the spelling of `FieldsV1` (`f:name`, `k:{"name":"web"}`,
//! `v:"value"`, `i:0`; see `sigs.k8s.io/structured-merge-diff/fieldpath`), so that reading and
//! writing it is nothing but copying.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::shape::Shape;

/// A set of paths; the root itself never belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// The path that leads here belongs to the set.
    pub is_member: bool,
    pub below: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_member && self.below.values().all(FieldSet::is_empty)
    }

    /// From `fieldsV1`; what is not understood is left out.
    pub(super) fn from_json(fields: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        for (step, below) in fields.as_object().into_iter().flatten() {
            if step == "." {
                set.is_member = true;
                continue;
            }
            if !matches!(step.get(..2), Some("f:" | "k:" | "v:" | "i:")) {
                continue;
            }
            let mut child = FieldSet::from_json(below);
            // `"f:replicas": {}` is a member without saying so.
            child.is_member |= child.below.is_empty();
            set.below.insert(step.clone(), child);
        }
        set
    }

    /// As `fieldsV1`.
    pub(super) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        for (step, below) in &self.below {
            if below.below.is_empty() {
                fields.insert(step.clone(), Value::Object(Map::new()));
                continue;
            }
            let mut written = below.to_json();
            if below.is_member {
                written["."] = Value::Object(Map::new());
            }
            fields.insert(step.clone(), written);
        }
        Value::Object(fields)
    }

    pub(super) fn child(&mut self, step: String) -> &mut FieldSet {
        self.below.entry(step).or_default()
    }

    pub(super) fn add(&mut self, other: &FieldSet) {
        self.is_member |= other.is_member;
        for (step, theirs) in &other.below {
            match self.below.get_mut(step) {
                Some(ours) => ours.add(theirs),
                None => {
                    self.below.insert(step.clone(), theirs.clone());
                }
            }
        }
    }

    /// Takes the paths of the other away; what is below a path stays. Costs what the other has.
    pub(super) fn subtract(&mut self, other: &FieldSet) {
        self.is_member &= !other.is_member;
        for (step, theirs) in &other.below {
            if let Some(ours) = self.below.get_mut(step) {
                ours.subtract(theirs);
                if ours.is_empty() {
                    self.below.remove(step);
                }
            }
        }
    }

    /// Without the paths of the other; what is below a path stays.
    pub(super) fn without(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |ours, theirs| ours && !theirs, true)
    }

    /// The paths that both have.
    pub(super) fn common(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |ours, theirs| ours && theirs, false)
    }

    fn combine(
        &self,
        other: &FieldSet,
        keeps: fn(bool, bool) -> bool,
        keeps_alone: bool,
    ) -> FieldSet {
        let mut set = FieldSet {
            is_member: keeps(self.is_member, other.is_member),
            below: BTreeMap::new(),
        };
        for (step, ours) in &self.below {
            let kept = match other.below.get(step) {
                Some(theirs) => ours.combine(theirs, keeps, keeps_alone),
                None if keeps_alone => ours.clone(),
                None => continue,
            };
            if !kept.is_empty() {
                set.below.insert(step.clone(), kept);
            }
        }
        set
    }

    /// Adds the fields of types that lead to members: who owns `spec.replicas` owns `spec`.
    pub(super) fn with_named_fields(&self, shape: &Shape) -> FieldSet {
        let mut set = FieldSet {
            is_member: self.is_member,
            below: BTreeMap::new(),
        };
        for (step, below) in &self.below {
            let mut child = below.with_named_fields(step_shape(shape, step));
            if let (Shape::Object(object), Some(name)) = (shape, step.strip_prefix("f:")) {
                child.is_member |= object.fields.contains_key(name) && !below.is_empty();
            }
            set.below.insert(step.clone(), child);
        }
        set
    }

    /// Every path of the set, in order, as conflicts name them:
    /// `.spec.containers[name="web"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, here: &str, paths: &mut Vec<String>) {
        if self.is_member {
            paths.push(here.to_owned());
        }
        for (step, below) in &self.below {
            below.collect_paths(&format!("{here}{}", written(step)), paths);
        }
    }
}

/// The shape at the end of one step.
pub(super) fn step_shape<'a>(shape: &'a Shape, step: &str) -> &'a Shape {
    match step.strip_prefix("f:") {
        Some(name) => shape.field(name),
        None => shape.items(),
    }
}

fn written(step: &str) -> String {
    let rest = step.get(2..).unwrap_or("");
    match step.get(..2) {
        Some("f:") => format!(".{rest}"),
        Some("v:") => format!("[={rest}]"),
        Some("k:") => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let said: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("[{}]", said.join(","))
        }
        _ => format!("[{rest}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(fields: &Value) -> FieldSet {
        FieldSet::from_json(fields)
    }

    /// The example of "Server-Side Apply" in the documentation, shortened.
    #[test]
    fn what_is_read_is_written_again() {
        let fields = json!({ "f:spec": {
            "f:containers": {
                "k:{\"name\":\"web\"}": { ".": {}, "f:image": {}, "f:name": {} },
            },
            "f:finalizers": { "v:\"a\"": {} },
        } });
        assert_eq!(set(&fields).to_json(), fields);
    }

    #[test]
    fn paths_are_written_as_conflicts_show_them() {
        let fields = json!({ "f:spec": { "f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:name": {} },
        }, "f:names": { "v:\"a\"": {}, "i:0": {} } } });
        assert_eq!(
            set(&fields).paths(),
            [
                ".spec.names[0]",
                ".spec.names[=\"a\"]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].name",
            ]
        );
    }

    #[test]
    fn a_path_can_go_while_what_is_below_it_stays() {
        let one = set(&json!({ "f:a": { ".": {}, "f:b": {} } }));
        let other = set(&json!({ "f:a": {} }));
        assert_eq!(
            one.without(&other).to_json(),
            json!({ "f:a": { "f:b": {} } })
        );
        assert_eq!(one.common(&other).to_json(), json!({ "f:a": {} }));
    }
}
