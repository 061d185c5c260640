//! Rules of single kinds.

use serde_json::Value;

use super::{invalid, required};
use crate::controllers::check_schedule;
use crate::object;
use crate::status::Cause;

/// `pkg/apis/batch/validation`.
pub(super) fn cron_job(object: &Value, causes: &mut Vec<Cause>) {
    let schedule = object::text(object, &["spec", "schedule"]);
    if schedule.is_empty() {
        causes.push(required("spec.schedule"));
        return;
    }
    let zone = object::text(object, &["spec", "timeZone"]);
    if let Err(why) = check_schedule(schedule, zone) {
        let schedule = Value::from(schedule);
        causes.push(invalid("spec.schedule", &schedule, &why));
    }
}

/// `pkg/apis/coordination/validation`.
pub(super) fn lease(object: &Value, causes: &mut Vec<Cause>) {
    for (field, least, rule) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        let value = &object["spec"][field];
        if value.as_i64().is_some_and(|value| value < least) {
            causes.push(invalid(&format!("spec.{field}"), value, rule));
        }
    }
}

/// `pkg/apis/core/validation/events.go`: events of the new group say more, and an event is where
/// its object is (of objects without a namespace, in `default`).
pub(super) fn event(group: &str, object: &Value, causes: &mut Vec<Cause>) {
    let is_new = !group.is_empty();
    let about = if is_new {
        "regarding"
    } else {
        "involvedObject"
    };
    let of_object = object::text(object, &[about, "namespace"]);
    let namespace = object::namespace(object);
    let fits = match of_object {
        "" => namespace == "default",
        of_object => of_object == namespace,
    };
    if !fits {
        let value = Value::from(of_object);
        let rule = "does not match event.namespace";
        causes.push(invalid("involvedObject.namespace", &value, rule));
    }
    if !is_new {
        return;
    }
    for field in [
        "eventTime",
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
    ] {
        if object::text(object, &[field]).is_empty() {
            causes.push(required(field));
        }
    }
    let kind = object::text(object, &["type"]);
    if !matches!(kind, "Normal" | "Warning") {
        let rule = format!("has invalid value: {kind}");
        causes.push(invalid("type", &Value::from(""), &rule));
    }
}

/// `pkg/apis/rbac/validation`.
pub(super) fn rules(object: &Value, causes: &mut Vec<Cause>) {
    for (i, rule) in object::list(object, &["rules"]).iter().enumerate() {
        if object::list(rule, &["verbs"]).is_empty() {
            let mut cause = required(&format!("rules[{i}].verbs"));
            cause.message += ": verbs must contain at least one value";
            causes.push(cause);
        }
    }
}
