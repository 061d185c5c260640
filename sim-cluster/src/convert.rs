//! Objects in the version that somebody asked for, and back in the one that is stored.
//!
//! Definitions convert by name only (strategy `None`); the events of `events.k8s.io` are the core
//! group's under other names.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::registry::Served;

/// Fields of events: in the core group, and in `events.k8s.io/v1`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// An object as this version shows it; the same one when it is stored that way.
pub(crate) fn shown(served: &Served, object: &Arc<Value>) -> Arc<Value> {
    // A `Scale` is of its own group, whatever it is of.
    if served.is_question
        || object["kind"] != served.resource.kind
        || object["apiVersion"] == served.resource.api_version()
    {
        return Arc::clone(object);
    }
    let mut object = (**object).clone();
    if is_new_event(served) {
        rename(&mut object, |(stored, shown)| (stored, shown));
    }
    object["apiVersion"] = json!(served.resource.api_version());
    Arc::new(object)
}

/// What came in, as it is stored.
pub(crate) fn stored(served: &Served, mut object: Value) -> Value {
    if is_new_event(served) {
        rename(&mut object, |(stored, shown)| (shown, stored));
        object["apiVersion"] = json!("v1");
    } else if served.is_custom() {
        object["apiVersion"] = json!(format!(
            "{}/{}",
            served.resource.id.group, served.storage_version
        ));
    }
    object
}

/// A field that a selector names, as it is stored.
pub(crate) fn stored_field(served: &Served, path: &str) -> String {
    if is_new_event(served) {
        for (stored, shown) in EVENT_FIELDS {
            match path.strip_prefix(shown) {
                Some(rest) if rest.is_empty() || rest.starts_with('.') => {
                    return format!("{stored}{rest}");
                }
                _ => {}
            }
        }
    }
    path.to_owned()
}

fn is_new_event(served: &Served) -> bool {
    served.resource.id.group == "events.k8s.io"
}

fn rename(
    event: &mut Value,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(fields) = event.as_object_mut() else {
        return;
    };
    for pair in EVENT_FIELDS {
        let (from, to) = direction(pair);
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
