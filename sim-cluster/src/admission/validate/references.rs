//! Who holds an object: its finalizers and its owners.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`.

use serde_json::Value;

use super::invalid;
use crate::object;
use crate::status::Cause;
use crate::structural::key_trouble;

pub(super) fn check(object: &Value, causes: &mut Vec<Cause>) {
    for finalizer in object::finalizers(object) {
        if let Some(why) = key_trouble(finalizer) {
            let finalizer = Value::from(finalizer);
            causes.push(invalid("metadata.finalizers", &finalizer, &why));
        }
    }
    let mut controller: Option<String> = None;
    let owners = object::at(object, &["metadata", "ownerReferences"]);
    for owner in owners.as_array().into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if object::text(owner, &[field]).is_empty() {
                let rule = match field {
                    "apiVersion" => "version must not be empty",
                    _ => "must not be empty",
                };
                let field = format!("metadata.ownerReferences.{field}");
                causes.push(invalid(&field, &Value::from(""), rule));
            }
        }
        if owner["controller"] != true {
            continue;
        }
        let (kind, name) = (
            object::text(owner, &["kind"]),
            object::text(owner, &["name"]),
        );
        let this = format!("{kind}/{name}");
        if let Some(other) = &controller {
            let rule = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references \
                 for {other} and {this}"
            );
            causes.push(invalid("metadata.ownerReferences", owners, &rule));
        }
        controller = Some(this);
    }
}
