//! Strategic merge patch: a merge patch that knows which lists are merged item by item.
//!
//! Follows `k8s.io/apimachinery/pkg/util/strategicpatch` as the API server calls it
//! (`MergeParallelList`, `IgnoreUnmatchedNulls`), and the document
//! `contributors/devel/sig-api-machinery/strategic-merge-patch.md` of kubernetes/community.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::shape::Shape;
use crate::status::Status;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Patches an object of a built-in kind.
///
/// Quadratic in the length of merged lists, as the original is.
///
/// # Errors
/// 400 where the patch is malformed: an unknown directive, an item without the key by which its
/// list merges.
pub fn strategic(object: &Value, patch: &Value, shape: &Shape) -> Result<Value, Status> {
    let Value::Object(patch) = patch else {
        return Err(bad("a strategic merge patch is an object".to_owned()));
    };
    merge_map(
        object.as_object().cloned().unwrap_or_default(),
        patch,
        shape,
    )
    .map(Value::Object)
}

fn merge_map(
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    shape: &Shape,
) -> Result<Map<String, Value>, Status> {
    match patch.get(DIRECTIVE).map(|directive| directive.as_str()) {
        None => {}
        Some(Some("replace")) => {
            let mut replaced = patch.clone();
            replaced.remove(DIRECTIVE);
            return Ok(replaced);
        }
        Some(Some("delete")) => return Ok(Map::new()),
        Some(Some("merge")) => {}
        Some(other) => {
            let named = other.unwrap_or("not a text");
            return Err(bad(format!("unknown patch type: {named} in a map")));
        }
    }
    retain_keys(&mut original, patch)?;
    for (name, value) in patch {
        if matches!(name.as_str(), DIRECTIVE | RETAIN_KEYS) || name.starts_with(ORDER) {
            continue;
        }
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_from(&mut original, list, value)?;
            continue;
        }
        let below = shape.field(name);
        let merged = merge_field(original.remove(name), value, below)?;
        if let Some(merged) = merged {
            original.insert(name.clone(), merged);
        }
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(ORDER) {
            let patched = patch.get(list).and_then(Value::as_array);
            set_order(&mut original, list, value, patched, shape.field(list))?;
        }
    }
    Ok(original)
}

/// `None` when nothing is left.
fn merge_field(
    original: Option<Value>,
    patch: &Value,
    shape: &Shape,
) -> Result<Option<Value>, Status> {
    Ok(match (original, patch) {
        (_, Value::Null) => None,
        (Some(Value::Object(original)), Value::Object(patch)) => {
            Some(Value::Object(merge_map(original, patch, shape)?))
        }
        (Some(Value::Array(original)), Value::Array(patch)) => match patch_key(shape) {
            Some(key) => Some(Value::Array(merge_list(
                original,
                patch,
                key,
                shape.items(),
            )?)),
            None => Some(Value::Array(patch.clone())),
        },
        // New, or of another type: nulls and directives in it have nothing to act on.
        (_, Value::Object(patch)) if patch.get(DIRECTIVE).is_some_and(|d| d == "delete") => None,
        (_, patch) => Some(without_directives(patch)),
    })
}

fn patch_key(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::List(list) => list.patch_key.as_deref(),
        _ => None,
    }
}

/// Items are matched by `key`; plain values (no key) are united.
fn merge_list(
    original: Vec<Value>,
    patch: &[Value],
    key: &str,
    items: &Shape,
) -> Result<Vec<Value>, Status> {
    if key.is_empty() {
        let mut united = original.clone();
        for value in patch {
            if !united.contains(value) {
                united.push(value.clone());
            }
        }
        return Ok(interleave(united, patch, &original, key));
    }
    let is_directive = |item: &&Value| item.get(DIRECTIVE).is_some();
    let (directives, plain): (Vec<&Value>, Vec<&Value>) = patch.iter().partition(is_directive);
    let mut kept = original.clone();
    let mut replaces = false;
    for directive in directives {
        match directive[DIRECTIVE].as_str() {
            Some("replace") => replaces = true,
            Some("delete") => {
                let gone = key_of(directive, key)?;
                kept.retain(|item| item.get(key) != Some(gone));
            }
            Some("merge") => {
                return Err(bad(
                    "merging lists by item is the default and no directive of its own".to_owned(),
                ));
            }
            other => {
                let named = other.unwrap_or("not a text");
                return Err(bad(format!("unknown patch type: {named} in a list")));
            }
        }
    }
    if replaces {
        return Ok(plain.into_iter().map(without_directives).collect());
    }
    for item in &plain {
        let wanted = key_of(item, key)?;
        let found = kept.iter_mut().find(|other| other.get(key) == Some(wanted));
        match (found, item) {
            (Some(found), Value::Object(item)) => {
                let before = found.as_object().cloned().unwrap_or_default();
                *found = Value::Object(merge_map(before, item, items)?);
            }
            _ => kept.push(without_directives(item)),
        }
    }
    let plain: Vec<Value> = plain.into_iter().cloned().collect();
    Ok(interleave(kept, &plain, &original, key))
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Status> {
    item.get(key).ok_or_else(|| {
        bad(format!(
            "map: {item} does not contain declared merge key: {key}"
        ))
    })
}

/// `$retainKeys`: of a union, what is not named goes.
fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), Status> {
    let Some(directive) = patch.get(RETAIN_KEYS) else {
        return Ok(());
    };
    let Some(retained) = directive.as_array() else {
        return Err(bad(format!("{RETAIN_KEYS} is a list of field names")));
    };
    let stray = patch.iter().find(|(name, value)| {
        !name.starts_with('$') && !value.is_null() && !retained.iter().any(|kept| kept == *name)
    });
    if let Some((name, _)) = stray {
        return Err(bad(format!(
            "{RETAIN_KEYS} does not name the field {name} of its patch"
        )));
    }
    original.retain(|name, _| retained.iter().any(|kept| kept == name));
    Ok(())
}

fn delete_from(original: &mut Map<String, Value>, list: &str, gone: &Value) -> Result<(), Status> {
    let Some(gone) = gone.as_array() else {
        return Err(bad(format!("{DELETE_FROM}{list} is a list of values")));
    };
    if let Some(values) = original.get_mut(list).and_then(Value::as_array_mut) {
        values.retain(|value| !gone.contains(value));
    }
    Ok(())
}

/// `$setElementOrder`: the named items come in this order, the others keep their places between.
fn set_order(
    original: &mut Map<String, Value>,
    list: &str,
    order: &Value,
    patched: Option<&Vec<Value>>,
    shape: &Shape,
) -> Result<(), Status> {
    let Some(order) = order.as_array() else {
        return Err(bad(format!("{ORDER}{list} is a list")));
    };
    let key = patch_key(shape).unwrap_or("");
    for item in patched.into_iter().flatten() {
        let is_deleted = item.get(DIRECTIVE).is_some();
        if !is_deleted && !order.iter().any(|named| is_same(named, item, key)) {
            return Err(bad(format!(
                "the order in patch for \"{list}\" does not name every item of the patch"
            )));
        }
    }
    if let Some(Value::Array(items)) = original.remove(list) {
        let before = items.clone();
        original.insert(
            list.to_owned(),
            Value::Array(interleave(items, order, &before, key)),
        );
    }
    Ok(())
}

/// Puts `merged` in the order of `wanted`; what is not in it goes where it was, relative to what
/// is, as far as that can be said. The relative orders of both kinds are kept.
fn interleave(merged: Vec<Value>, wanted: &[Value], before: &[Value], key: &str) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|i| is_same(i, item, key));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| place(wanted, item).is_some());
    named.sort_by_key(|item| place(wanted, item));
    others.sort_by(
        |one, other| match (place(before, one), place(before, other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => Ordering::Equal,
        },
    );
    let mut ordered = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    for other in others {
        while let Some(next) = named.peek() {
            let comes_first = matches!(
                (place(before, &other), place(before, next)),
                (Some(other), Some(next)) if other < next
            );
            if comes_first {
                break;
            }
            ordered.extend(named.next());
        }
        ordered.push(other);
    }
    ordered.extend(named);
    ordered
}

fn is_same(one: &Value, other: &Value, key: &str) -> bool {
    if key.is_empty() {
        one == other
    } else {
        one.get(key).is_some() && one.get(key) == other.get(key)
    }
}

fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, value)| !name.starts_with('$') && !value.is_null())
                .map(|(name, value)| (name.clone(), without_directives(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .filter(|item| item.get(DIRECTIVE).is_none_or(|d| d == "merge"))
                .map(without_directives)
                .collect(),
        ),
        value => value.clone(),
    }
}

fn bad(why: String) -> Status {
    Status::bad_request(why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shape::builtin;

    fn pod_spec(before: Value, patch: Value) -> Result<Value, Status> {
        let shape = builtin::shape("v1", "Pod").unwrap();
        let object = json!({ "spec": before });
        strategic(&object, &json!({ "spec": patch }), &shape).map(|mut pod| pod["spec"].take())
    }

    #[track_caller]
    fn check(before: Value, patch: Value, expected: Value) {
        assert_eq!(pod_spec(before, patch).unwrap(), expected);
    }

    /// The example of `kubectl patch` in the documentation ("Update API Objects in Place Using
    /// kubectl patch"): the container is added in front, tolerations are replaced.
    #[test]
    fn containers_are_merged_and_tolerations_replaced() {
        check(
            json!({
                "containers": [{ "name": "demo", "image": "nginx" }],
                "tolerations": [{ "key": "dedicated", "value": "test-team" }],
            }),
            json!({
                "containers": [{ "name": "sidecar", "image": "redis" }],
                "tolerations": [{ "key": "disktype", "value": "ssd" }],
            }),
            json!({
                "containers": [
                    { "name": "sidecar", "image": "redis" }, { "name": "demo", "image": "nginx" },
                ],
                "tolerations": [{ "key": "disktype", "value": "ssd" }],
            }),
        );
    }

    #[test]
    fn ports_of_a_container_are_matched_by_their_number_alone() {
        check(
            json!({ "containers": [{ "name": "a", "ports": [
                { "containerPort": 80, "protocol": "UDP" }, { "containerPort": 81 },
            ] }] }),
            json!({ "containers": [{ "name": "a", "ports": [
                { "containerPort": 80, "name": "web" },
            ] }] }),
            json!({ "containers": [{ "name": "a", "ports": [
                { "containerPort": 80, "protocol": "UDP", "name": "web" }, { "containerPort": 81 },
            ] }] }),
        );
    }

    #[test]
    fn an_item_is_deleted_by_its_key() {
        check(
            json!({ "containers": [{ "name": "a" }, { "name": "b" }] }),
            json!({ "containers": [{ "name": "a", "$patch": "delete" }] }),
            json!({ "containers": [{ "name": "b" }] }),
        );
    }

    #[test]
    fn a_list_is_replaced_when_the_patch_says_so() {
        check(
            json!({ "containers": [{ "name": "a", "image": "x" }, { "name": "b" }] }),
            json!({ "containers": [{ "name": "a" }, { "$patch": "replace" }] }),
            json!({ "containers": [{ "name": "a" }] }),
        );
    }

    #[test]
    fn a_map_is_replaced_or_emptied_when_the_patch_says_so() {
        check(
            json!({ "securityContext": { "runAsUser": 1 }, "nodeSelector": { "a": "b" } }),
            json!({
                "securityContext": { "$patch": "replace", "runAsGroup": 2 },
                "nodeSelector": { "$patch": "delete" },
            }),
            json!({ "securityContext": { "runAsGroup": 2 }, "nodeSelector": {} }),
        );
    }

    #[test]
    fn the_order_of_items_is_what_the_client_had_seen() {
        check(
            json!({ "containers": [{ "name": "a" }, { "name": "server" }, { "name": "b" }] }),
            json!({
                "$setElementOrder/containers": [
                    { "name": "c" }, { "name": "b" }, { "name": "a" },
                ],
                "containers": [{ "name": "c", "image": "new" }],
            }),
            json!({ "containers": [
                { "name": "c", "image": "new" },
                { "name": "server" }, { "name": "b" }, { "name": "a" },
            ] }),
        );
    }

    #[test]
    fn what_is_ordered_must_be_named() {
        let refused = pod_spec(
            json!({ "containers": [] }),
            json!({
                "$setElementOrder/containers": [{ "name": "a" }],
                "containers": [{ "name": "b" }],
            }),
        );
        assert_eq!(refused.unwrap_err().code, 400);
    }

    #[test]
    fn of_a_volume_only_the_retained_source_stays() {
        check(
            json!({ "volumes": [{ "name": "v", "emptyDir": {} }] }),
            json!({ "volumes": [{
                "name": "v", "$retainKeys": ["configMap", "name"], "configMap": { "name": "c" },
            }] }),
            json!({ "volumes": [{ "name": "v", "configMap": { "name": "c" } }] }),
        );
    }

    #[test]
    fn finalizers_are_united_and_taken_from_by_value() {
        let shape = builtin::shape("v1", "Pod").unwrap();
        let pod = json!({ "metadata": { "finalizers": ["a", "b"] } });
        let patch = json!({ "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"],
        } });
        assert_eq!(
            strategic(&pod, &patch, &shape).unwrap(),
            json!({ "metadata": { "finalizers": ["c", "b"] } }),
        );
    }

    #[test]
    fn an_item_without_the_key_of_its_list_is_refused() {
        let refused = pod_spec(
            json!({ "containers": [{ "name": "a" }] }),
            json!({ "containers": [{ "image": "x" }] }),
        )
        .unwrap_err();
        assert_eq!(
            refused.message,
            "map: {\"image\":\"x\"} does not contain declared merge key: name"
        );
    }

    #[test]
    fn nulls_of_what_is_new_are_dropped() {
        check(
            json!({}),
            json!({ "nodeSelector": { "a": null, "b": "c" }, "hostname": null }),
            json!({ "nodeSelector": { "b": "c" } }),
        );
    }
}
