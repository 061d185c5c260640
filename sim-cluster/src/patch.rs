//! The three patches that change an object without knowing who owns its fields: JSON patch
//! (RFC 6902), JSON merge patch (RFC 7396), and Kubernetes' strategic merge patch.
//!
//! Pure: an object and a patch in, the patched object out. What may be patched, versions and
//! admission are the caller's. Server-side apply is [`crate::apply`].

use json_patch::{PatchError, PatchErrorKind, PatchOperation};
use serde_json::{Value, json};

use crate::status::Status;

mod strategic;

pub use strategic::strategic;

/// As in the API server (`--json-patch-max-copy-bytes` and its limit of operations).
const MOST_OPERATIONS: usize = 10_000;
const MOST_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// JSON patch, RFC 6902. All operations or none.
///
/// # Errors
/// 400 for what is no patch, 413 for one that is too large, 422 where an operation does not apply,
/// a failed `test` included.
pub fn json(object: &Value, operations: &Value) -> Result<Value, Status> {
    let operations: Vec<PatchOperation> = serde_json::from_value(operations.clone())
        .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    if operations.len() > MOST_OPERATIONS {
        return Err(too_large(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut patched = object.clone();
    let mut copied = 0;
    for operation in &operations {
        if let PatchOperation::Copy(copy) = operation {
            let source = patched.pointer(copy.from.as_str());
            copied += source.map_or(0, |source| source.to_string().len());
            if copied > MOST_COPIED_BYTES {
                return Err(too_large(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is \
                     {copied}, exceeding the limit {MOST_COPIED_BYTES}"
                )));
            }
        }
        json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation))
            .map_err(|error| does_not_apply(operation, &error))?;
    }
    Ok(patched)
}

/// JSON merge patch, RFC 7396.
///
/// # Errors
/// 400 for a patch that is no object.
pub fn merge(object: &Value, patch: &Value) -> Result<Value, Status> {
    if !patch.is_object() {
        return Err(Status::bad_request(
            "error decoding patch: a merge patch of an object is an object itself",
        ));
    }
    let mut patched = object.clone();
    json_patch::merge(&mut patched, patch);
    Ok(patched)
}

fn too_large(message: String) -> Status {
    Status {
        code: 413,
        reason: "RequestEntityTooLarge",
        message,
        details: Value::Null,
    }
}

/// In the words of the API server, whose clients see the particulars among the causes.
fn does_not_apply(operation: &PatchOperation, error: &PatchError) -> Status {
    let path = operation.path();
    let missing = |name: &str| {
        format!("{name} operation does not apply: doc is missing path: \"{path}\": missing value")
    };
    let said = match (operation, &error.kind) {
        (_, PatchErrorKind::TestFailed) => format!("testing value {path} failed: test failed"),
        (PatchOperation::Copy(_) | PatchOperation::Move(_), PatchErrorKind::InvalidFromPointer) => {
            format!("the value that \"{path}\" is to be made from is missing")
        }
        (PatchOperation::Add(_), _) => missing("add"),
        (PatchOperation::Remove(_), _) => missing("remove"),
        (PatchOperation::Replace(_), _) => missing("replace"),
        (PatchOperation::Test(_), _) => missing("test"),
        (PatchOperation::Move(_), kind) => format!("move operation does not apply: {kind}"),
        (PatchOperation::Copy(_), kind) => format!("copy operation does not apply: {kind}"),
    };
    Status {
        code: 422,
        reason: "Invalid",
        message: "the server rejected our request due to an error in our request".to_owned(),
        details: json!({
            "causes": [{ "reason": "UnexpectedServerResponse", "message": said }],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_refuses_the_whole_patch_and_says_which() {
        let refused = json(
            &json!({ "spec": { "replicas": 1 } }),
            &json!([
                { "op": "replace", "path": "/spec/replicas", "value": 2 },
                { "op": "test", "path": "/spec/replicas", "value": 1 },
            ]),
        )
        .unwrap_err();
        assert_eq!((refused.code, refused.reason), (422, "Invalid"));
        assert_eq!(
            refused.details["causes"][0]["message"],
            "testing value /spec/replicas failed: test failed"
        );
    }

    #[test]
    fn a_patch_cannot_blow_an_object_up_by_copying_it_into_itself() {
        let object = json!({ "a": ["0123456789"] });
        let doubling: Vec<Value> = (0..64)
            .map(|_| json!({ "op": "copy", "from": "/a", "path": "/a/-" }))
            .collect();
        let refused = json(&object, &Value::Array(doubling)).unwrap_err();
        assert_eq!(refused.code, 413);
    }

    #[test]
    fn what_is_no_patch_is_a_bad_request() {
        assert_eq!(
            json(&json!({}), &json!({ "op": "add" })).unwrap_err().code,
            400
        );
        assert_eq!(
            json(&json!({}), &json!([{ "op": "bend" }]))
                .unwrap_err()
                .code,
            400
        );
        assert_eq!(merge(&json!({}), &json!([])).unwrap_err().code, 400);
    }

    #[test]
    fn null_removes_in_a_merge_patch_and_lists_are_replaced() {
        let object = json!({ "a": 1, "b": { "c": [1, 2], "d": 3 } });
        let patch = json!({ "a": null, "b": { "c": [3] } });
        assert_eq!(
            merge(&object, &patch).unwrap(),
            json!({ "b": { "c": [3], "d": 3 } })
        );
    }
}
