//! What two states of an object have in common and what not, and their merger: the walks of
//! `sigs.k8s.io/structured-merge-diff/typed` over JSON and its [`Shape`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fields::{FieldSet, step_shape};
use crate::shape::{Merge, Shape};

/// The fields by which two states differ.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

impl Difference {
    /// What one who writes the new state sets.
    pub(super) fn changed(&self) -> FieldSet {
        let mut changed = self.modified.clone();
        changed.add(&self.added);
        changed
    }
}

/// How an item of a list is addressed; `None` where the whole list is one value.
pub(super) fn item_step(list: &Shape, item: &Value) -> Option<Result<String, String>> {
    match list.merge() {
        Merge::Atomic => None,
        Merge::Set => Some(Ok(format!("v:{item}"))),
        Merge::Map(keys) => Some(match list.items().item_key(keys, item) {
            Some(key) => {
                let key: Map<String, Value> = key.into_iter().collect();
                Ok(format!("k:{}", Value::Object(key)))
            }
            None => Err(format!(
                "associative list with keys has an element that omits key field \"{}\"",
                keys.iter()
                    .find(|key| item.get(key.as_str()).is_none())
                    .map_or("", String::as_str)
            )),
        }),
    }
}

/// Items by their addresses. Of several with one address the first counts; those that cannot be
/// addressed count by their place.
fn addressed<'a>(list: &Shape, items: &'a [Value]) -> Vec<(String, &'a Value)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let step = match item_step(list, item) {
            Some(Ok(step)) => step,
            _ => format!("i:{at}"),
        };
        if seen.insert(step.clone()) {
            found.push((step, item));
        }
    }
    found
}

/// Whether a value at this place is owned as a whole.
fn is_leaf(shape: &Shape, value: &Value) -> bool {
    match value {
        Value::Object(_) => shape.is_atomic(),
        Value::Array(_) => matches!(shape.merge(), Merge::Atomic),
        _ => true,
    }
}

/// The fields that an applied configuration sets.
pub(super) fn fields_of(shape: &Shape, value: &Value, set: &mut FieldSet) {
    if is_leaf(shape, value) {
        set.is_member = true;
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let child = set.child(format!("f:{name}"));
                fields_of(shape.field(name), value, child);
                let is_named = matches!(shape, Shape::Object(o) if o.fields.contains_key(name));
                let is_empty = value.as_object().is_some_and(Map::is_empty);
                child.is_member |= is_empty || !is_named;
            }
        }
        Value::Array(items) => {
            for (step, item) in addressed(shape, items) {
                let child = set.child(step);
                fields_of(shape.items(), item, child);
                child.is_member = true;
            }
        }
        _ => {}
    }
}

/// Compares two states. Parts that are equal cost a comparison and nothing else.
pub(super) fn compare(shape: &Shape, before: &Value, after: &Value) -> Difference {
    let mut difference = Difference::default();
    compare_fields(shape, before, after, &mut difference);
    difference
}

fn compare_fields(shape: &Shape, before: &Value, after: &Value, into: &mut Difference) {
    let none = Map::new();
    let before = before.as_object().unwrap_or(&none);
    let after = after.as_object().unwrap_or(&none);
    for (name, old) in before {
        let below = shape.field(name);
        let step = || format!("f:{name}");
        compare_one(below, Some(old), after.get(name), &step, into);
    }
    for (name, new) in after {
        if !before.contains_key(name) {
            let below = shape.field(name);
            compare_one(below, None, Some(new), &|| format!("f:{name}"), into);
        }
    }
}

fn compare_items(shape: &Shape, before: &[Value], after: &[Value], into: &mut Difference) {
    let old = addressed(shape, before);
    let new = addressed(shape, after);
    let by_step: BTreeMap<&str, &Value> = new.iter().map(|(s, v)| (s.as_str(), *v)).collect();
    let known: BTreeSet<&str> = old.iter().map(|(step, _)| step.as_str()).collect();
    for (step, item) in &old {
        let other = by_step.get(step.as_str()).copied();
        compare_one(shape.items(), Some(item), other, &|| step.clone(), into);
    }
    for (step, item) in &new {
        if !known.contains(step.as_str()) {
            compare_one(shape.items(), None, Some(item), &|| step.clone(), into);
        }
    }
}

fn compare_one(
    shape: &Shape,
    old: Option<&Value>,
    new: Option<&Value>,
    step: &dyn Fn() -> String,
    into: &mut Difference,
) {
    if old == new {
        return;
    }
    let mut below = Difference::default();
    match (old, new) {
        (Some(old), Some(new)) if std::mem::discriminant(old) == std::mem::discriminant(new) => {
            match (old, new) {
                (Value::Object(_), Value::Object(_)) if !shape.is_atomic() => {
                    compare_fields(shape, old, new, &mut below);
                }
                (Value::Array(old), Value::Array(new)) if !is_leaf_list(shape) => {
                    compare_items(shape, old, new, &mut below);
                }
                _ => below.modified.is_member = true,
            }
        }
        (Some(_), Some(_)) => below.modified.is_member = true,
        (None, Some(new)) => everything(shape, new, &mut below.added),
        (Some(old), None) => everything(shape, old, &mut below.removed),
        (None, None) => {}
    }
    for (set, found) in [
        (&mut into.added, below.added),
        (&mut into.modified, below.modified),
        (&mut into.removed, below.removed),
    ] {
        if !found.is_empty() {
            set.below.insert(step(), found);
        }
    }
}

fn is_leaf_list(shape: &Shape) -> bool {
    matches!(shape.merge(), Merge::Atomic)
}

/// A value and all that is in it, on every level.
fn everything(shape: &Shape, value: &Value, set: &mut FieldSet) {
    set.is_member = true;
    if is_leaf(shape, value) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                everything(shape.field(name), value, set.child(format!("f:{name}")));
            }
        }
        Value::Array(items) => {
            for (step, item) in addressed(shape, items) {
                everything(shape.items(), item, set.child(step));
            }
        }
        _ => {}
    }
}

/// The live object with the configuration laid over it.
pub(super) fn merge(shape: &Shape, live: &Value, config: &Value) -> Value {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !shape.is_atomic() => {
            let mut merged = live.clone();
            for (name, value) in config {
                let laid = match live.get(name) {
                    Some(live) => merge(shape.field(name), live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), laid);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) if !is_leaf_list(shape) => {
            Value::Array(merge_items(shape, live, config))
        }
        (_, config) => config.clone(),
    }
}

/// Items of the configuration keep its order; those only the live list has stay where they were
/// relative to what both have (`mergingWalker.visitListItems`).
fn merge_items(shape: &Shape, live: &[Value], config: &[Value]) -> Vec<Value> {
    let left = addressed(shape, live);
    let right = addressed(shape, config);
    let in_left: BTreeMap<&str, &Value> = left.iter().map(|(s, v)| (s.as_str(), *v)).collect();
    let in_right: BTreeSet<&str> = right.iter().map(|(step, _)| step.as_str()).collect();
    let mut shared = right
        .iter()
        .map(|(step, _)| step.as_str())
        .filter(|step| in_left.contains_key(step));
    let mut next_shared = shared.next();
    let mut done = BTreeSet::new();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some((step, _)), Some((wanted, _))) = (left.get(l), right.get(r)) {
            let waits = step != wanted
                && in_right.contains(step.as_str())
                && next_shared.is_some_and(|next| next != step);
            if waits {
                l += 1;
                continue;
            }
        }
        if let Some((step, item)) = left.get(l) {
            if !in_right.contains(step.as_str()) {
                merged.push((*item).clone());
                l += 1;
                continue;
            }
            let is_next = right.get(r).is_some_and(|(wanted, _)| wanted == step);
            if is_next || done.contains(step.as_str()) {
                l += 1;
            }
        }
        if let Some((step, item)) = right.get(r) {
            done.insert(step.as_str());
            merged.push(match in_left.get(step.as_str()) {
                Some(live) => merge(shape.items(), live, item),
                None => (*item).clone(),
            });
            if next_shared == Some(step.as_str()) {
                next_shared = shared.next();
            }
            r += 1;
        }
    }
    merged
}

/// Removes what belongs to the set, with all that is below it.
pub(super) fn remove(shape: &Shape, value: &mut Value, set: &FieldSet) {
    if set.below.is_empty() || is_leaf(shape, value) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (step, below) in &set.below {
                let Some(name) = step.strip_prefix("f:") else {
                    continue;
                };
                if below.is_member {
                    fields.remove(name);
                } else if let Some(value) = fields.get_mut(name) {
                    remove(step_shape(shape, step), value, below);
                }
            }
        }
        Value::Array(items) => {
            let list = std::mem::take(items);
            for (at, mut item) in list.into_iter().enumerate() {
                let step = match item_step(shape, &item) {
                    Some(Ok(step)) => step,
                    _ => format!("i:{at}"),
                };
                match set.below.get(&step) {
                    Some(below) if below.is_member => continue,
                    Some(below) => remove(shape.items(), &mut item, below),
                    None => {}
                }
                items.push(item);
            }
        }
        _ => {}
    }
}

/// Why a configuration cannot be merged into lists that are addressed by keys; with the path.
pub(super) fn unaddressable(shape: &Shape, value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(fields) if !shape.is_atomic() => fields
            .iter()
            .find_map(|(name, v)| unaddressable(shape.field(name), v, &format!("{path}.{name}"))),
        Value::Array(items) if !is_leaf_list(shape) => {
            let mut seen = BTreeSet::new();
            items.iter().enumerate().find_map(|(at, item)| {
                let step = match item_step(shape, item)? {
                    Ok(step) => step,
                    Err(why) => return Some(format!("{path}: element {at}: {why}")),
                };
                let mut set = FieldSet::default();
                set.child(step.clone()).is_member = true;
                let named = set.paths().concat();
                if !seen.insert(step) {
                    return Some(format!("{path}: duplicate entries for key {named}"));
                }
                unaddressable(shape.items(), item, &format!("{path}{named}"))
            })
        }
        _ => None,
    }
}
