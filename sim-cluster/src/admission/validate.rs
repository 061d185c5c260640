//! The refusals that people meet most, in Kubernetes' words.
//!
//! Types of fields and unknown fields are the schemas' business; these are rules between fields, and
//! between an object and what it was.

mod kinds;
mod references;

use serde_json::Value;

use super::{Attempt, Operation};
use crate::object;
use crate::selector::LabelSelector;
use crate::status::Cause;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Everything that is wrong with an object that is about to be stored.
pub(super) fn causes(attempt: &Attempt<'_>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if attempt.subresource == "status" {
        return causes;
    }
    if attempt.operation == Operation::Create {
        name(attempt, object, &mut causes);
    }
    labels(object, &mut causes);
    references::check(object, &mut causes);
    if attempt.served.is_custom() {
        return causes;
    }
    match attempt.served.resource.kind.as_str() {
        "Pod" => {
            pod_spec("spec", &object["spec"], &mut causes);
            if let Some(old) = attempt.old {
                pod_stays(old, object, attempt.subresource, &mut causes);
            }
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            workload(attempt, object, &mut causes);
        }
        "Job" => {
            if !object::at(object, &["spec", "template"]).is_object() {
                causes.push(required("spec.template"));
            } else {
                pod_spec(
                    "spec.template.spec",
                    &object["spec"]["template"]["spec"],
                    &mut causes,
                );
                job_restarts(object, &mut causes);
            }
        }
        "CronJob" => kinds::cron_job(object, &mut causes),
        "Lease" => kinds::lease(object, &mut causes),
        "Event" if attempt.operation == Operation::Create => {
            kinds::event(&attempt.served.resource.id.group, object, &mut causes);
        }
        "Role" | "ClusterRole" => kinds::rules(object, &mut causes),
        "Service" => service(object, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" => {
            if let Some(old) = attempt.old
                && old["roleRef"] != object["roleRef"]
            {
                causes.push(invalid(
                    "roleRef",
                    &object["roleRef"],
                    "cannot change roleRef",
                ));
            }
        }
        "ConfigMap" | "Secret" => {
            if let Some(old) = attempt.old
                && old["type"] != object["type"]
            {
                causes.push(invalid("type", &object["type"], "field is immutable"));
            }
            if let Some(old) = attempt.old
                && old["immutable"] == true
                && old["data"] != object["data"]
            {
                let message = "field is immutable when `immutable` is set";
                causes.push(forbidden("data", message));
            }
        }
        _ => {}
    }
    causes
}

fn name(attempt: &Attempt<'_>, object: &Value, causes: &mut Vec<Cause>) {
    let name = object::name(object);
    let (fits, rule) = match attempt.served.resource.kind.as_str() {
        "Namespace" | "Service" => (is_label(name), LABEL),
        // Names of roles are free but for what would break their path.
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => (
            !name.contains(['/', '%']) && name != "." && name != "..",
            "may not contain '/'",
        ),
        _ => (is_subdomain(name), SUBDOMAIN),
    };
    if !fits {
        causes.push(invalid("metadata.name", &Value::from(name), rule));
    }
}

fn labels(object: &Value, causes: &mut Vec<Cause>) {
    for (key, value) in object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let text = value.as_str().unwrap_or("");
        let short = text.rsplit('/').next().unwrap_or("");
        if !value.is_string()
            || text.len() > 63
            || !(text.is_empty() || is_word(short) && is_word(text))
        {
            causes.push(invalid("metadata.labels", value, LABEL_VALUE));
        }
        let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
        if !is_subdomain(prefix) || !is_word(name) || name.len() > 63 {
            let rule = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
                        must start and end with an alphanumeric character (e.g. 'MyName',  or \
                        'my.name',  or '123-abc', regex used for validation is \
                        '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
            causes.push(invalid("metadata.labels", &Value::from(key.as_str()), rule));
        }
    }
}

fn workload(attempt: &Attempt<'_>, object: &Value, causes: &mut Vec<Cause>) {
    if object["spec"]["replicas"]
        .as_i64()
        .is_some_and(|replicas| replicas < 0)
    {
        let rule = "must be greater than or equal to 0";
        causes.push(invalid("spec.replicas", &object["spec"]["replicas"], rule));
    }
    let selector = &object["spec"]["selector"];
    match LabelSelector::from_object(selector) {
        Ok(None) => causes.push(required("spec.selector")),
        Err(status) => causes.push(invalid("spec.selector", selector, &status.message)),
        Ok(Some(parsed)) => {
            if parsed.is_everything() {
                let rule = "empty selector is invalid for deployment";
                causes.push(invalid("spec.selector", selector, rule));
            }
            let labels = object::at(object, &["spec", "template", "metadata", "labels"]);
            if !parsed.matches(labels) {
                let rule = "`selector` does not match template `labels`";
                causes.push(invalid("spec.template.metadata.labels", labels, rule));
            }
        }
    }
    if let Some(old) = attempt.old
        && old["spec"]["selector"] != *selector
    {
        causes.push(invalid("spec.selector", selector, "field is immutable"));
    }
    let spec = object::at(object, &["spec", "template", "spec"]);
    pod_spec("spec.template.spec", spec, causes);
    let policy = object::text(spec, &["restartPolicy"]);
    if !policy.is_empty() && policy != "Always" {
        causes.push(Cause {
            field: "spec.template.spec.restartPolicy".to_owned(),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: \"{policy}\": supported values: \"Always\""),
        });
    }
}

fn job_restarts(object: &Value, causes: &mut Vec<Cause>) {
    let policy = object::text(object, &["spec", "template", "spec", "restartPolicy"]);
    if policy != "Never" && policy != "OnFailure" {
        causes.push(Cause {
            field: "spec.template.spec.restartPolicy".to_owned(),
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: \"{policy}\": supported values: \"OnFailure\", \"Never\""
            ),
        });
    }
}

fn pod_spec(path: &str, spec: &Value, causes: &mut Vec<Cause>) {
    let containers = object::list(spec, &["containers"]);
    if containers.is_empty() {
        causes.push(required(&format!("{path}.containers")));
    }
    let mut names = Vec::new();
    for (kind, list) in [
        ("containers", containers),
        ("initContainers", object::list(spec, &["initContainers"])),
    ] {
        for (i, container) in list.iter().enumerate() {
            let field = format!("{path}.{kind}[{i}]");
            let name = object::text(container, &["name"]);
            if name.is_empty() {
                causes.push(required(&format!("{field}.name")));
            } else if !is_label(name) {
                causes.push(invalid(&format!("{field}.name"), &Value::from(name), LABEL));
            } else if names.contains(&name) {
                causes.push(Cause {
                    field: format!("{field}.name"),
                    reason: "FieldValueDuplicate",
                    message: format!("Duplicate value: \"{name}\""),
                });
            }
            names.push(name);
            if object::text(container, &["image"]).is_empty() {
                causes.push(required(&format!("{field}.image")));
            }
            mounts(&field, container, spec, causes);
        }
    }
}

fn mounts(field: &str, container: &Value, spec: &Value, causes: &mut Vec<Cause>) {
    for (i, mount) in object::list(container, &["volumeMounts"])
        .iter()
        .enumerate()
    {
        let name = object::text(mount, &["name"]);
        let volumes = object::list(spec, &["volumes"]);
        if !volumes.iter().any(|volume| volume["name"] == name) {
            causes.push(Cause {
                field: format!("{field}.volumeMounts[{i}].name"),
                reason: "FieldValueNotFound",
                message: format!("Not found: \"{name}\""),
            });
        }
    }
}

/// Of a pod that exists, little of what is wished for can change.
fn pod_stays(old: &Value, new: &Value, subresource: &str, causes: &mut Vec<Cause>) {
    if subresource == "binding" || old["spec"] == new["spec"] {
        return;
    }
    let fixed = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for key in ["containers", "initContainers"] {
            for container in spec[key].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for key in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
        ] {
            spec[key] = Value::Null;
        }
        // The scheduler of a small cluster may write the node's name directly.
        if object::text(old, &["spec", "nodeName"]).is_empty() {
            spec["nodeName"] = Value::Null;
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`, \
             `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only \
             additions to existing tolerations), `spec.terminationGracePeriodSeconds` (allow it to \
             be set to 1 if it was previously negative)",
        ));
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let ports = object::list(object, &["spec", "ports"]);
    let kind = object::text(object, &["spec", "type"]);
    let headless = object::text(object, &["spec", "clusterIP"]) == "None";
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(required("spec.ports"));
    }
    for (i, port) in ports.iter().enumerate() {
        if !(1..=65_535).contains(&port["port"].as_i64().unwrap_or(0)) {
            let rule = "must be between 1 and 65535, inclusive";
            causes.push(invalid(
                &format!("spec.ports[{i}].port"),
                &port["port"],
                rule,
            ));
        }
        if ports.len() > 1 && object::text(port, &["name"]).is_empty() {
            causes.push(required(&format!("spec.ports[{i}].name")));
        }
    }
}

fn is_label(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| fits(c) || c == '-')
        && name.starts_with(fits)
        && name.ends_with(fits)
}

fn is_subdomain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            part.starts_with(fits)
                && part.ends_with(fits)
                && part.chars().all(|c| fits(c) || c == '-')
        })
}

fn is_word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(edge)
        && text.ends_with(edge)
        && text
            .chars()
            .all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

fn required(field: &str) -> Cause {
    Cause {
        field: field.to_owned(),
        reason: "FieldValueRequired",
        message: "Required value".to_owned(),
    }
}

fn invalid(field: &str, value: &Value, rule: &str) -> Cause {
    Cause {
        field: field.to_owned(),
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {value}: {rule}"),
    }
}

fn forbidden(field: &str, rule: &str) -> Cause {
    Cause {
        field: field.to_owned(),
        reason: "FieldValueForbidden",
        message: format!("Forbidden: {rule}"),
    }
}
