//! The downward API: what a pod may know of itself, as text.

use serde_json::Value;

use super::quantity;
use crate::object::{at, text};

/// What of a pod is not written in its spec yet when its containers start.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) pod_ip: String,
    pub(super) host_ip: String,
    /// Of the node, in base units: the limit of who sets none.
    pub(super) allocatable_cores: f64,
    pub(super) allocatable_bytes: f64,
}

/// The value of a `fieldRef`; the refusal's text otherwise.
pub(super) fn field(pod: &Value, placed: &Placed, path: &str) -> Result<String, String> {
    let known = match path {
        "metadata.name" => text(pod, &["metadata", "name"]),
        "metadata.namespace" => text(pod, &["metadata", "namespace"]),
        "metadata.uid" => text(pod, &["metadata", "uid"]),
        "metadata.labels" => return Ok(listed(at(pod, &["metadata", "labels"]))),
        "metadata.annotations" => return Ok(listed(at(pod, &["metadata", "annotations"]))),
        "spec.nodeName" => text(pod, &["spec", "nodeName"]),
        "spec.serviceAccountName" => text(pod, &["spec", "serviceAccountName"]),
        "status.podIP" | "status.podIPs" => &placed.pod_ip,
        "status.hostIP" | "status.hostIPs" => &placed.host_ip,
        _ => match keyed(path) {
            Some((map @ ("labels" | "annotations"), key)) => text(pod, &["metadata", map, key]),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        },
    };
    Ok(known.to_owned())
}

/// `labels` and `app` of `metadata.labels['app']`.
fn keyed(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path
        .strip_prefix("metadata.")?
        .strip_suffix("']")?
        .split_once("['")?;
    Some((map, key))
}

/// A map as a file of the downward API has it: one `key="value"` a line, in the keys' order.
fn listed(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    let lines: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={:?}", value.as_str().unwrap_or("")))
        .collect();
    lines.join("\n")
}

/// The value of a `resourceFieldRef` for one container.
pub(super) fn resource(
    container: &Value,
    placed: &Placed,
    resource: &str,
    divisor: &str,
) -> Result<String, String> {
    let Some((kind @ ("limits" | "requests"), name)) = resource.split_once('.') else {
        return Err(format!("unsupported container resource: {resource}"));
    };
    let of = |kind: &str| quantity::parse(text(container, &["resources", kind, name]));
    let amount = match (kind, name) {
        ("limits", "cpu") => of("limits").unwrap_or(placed.allocatable_cores),
        ("limits", "memory") => of("limits").unwrap_or(placed.allocatable_bytes),
        // A container that sets a limit only requests as much.
        _ => of(kind).or_else(|| of("limits")).unwrap_or(0.0),
    };
    Ok(quantity::divided(amount, divisor).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placed() -> Placed {
        Placed {
            pod_ip: "127.20.64.5".to_owned(),
            host_ip: "127.20.0.2".to_owned(),
            allocatable_cores: 4.0,
            allocatable_bytes: 8.0 * 1024.0 * 1024.0 * 1024.0,
        }
    }

    #[test]
    fn a_pod_knows_its_name_address_node_and_labels() {
        let pod = json!({
            "metadata": { "name": "a", "namespace": "shop", "uid": "u1",
                "labels": { "app.kubernetes.io/name": "a \"b\"", "tier": "web" } },
            "spec": { "nodeName": "n1", "serviceAccountName": "default" },
        });
        let rows = [
            ("metadata.name", Ok("a")),
            ("spec.nodeName", Ok("n1")),
            ("status.podIP", Ok("127.20.64.5")),
            ("status.hostIP", Ok("127.20.0.2")),
            ("metadata.labels['tier']", Ok("web")),
            ("metadata.annotations['none']", Ok("")),
            (
                "metadata.labels",
                Ok("app.kubernetes.io/name=\"a \\\"b\\\"\"\ntier=\"web\""),
            ),
            ("spec.hostname", Err("unsupported fieldPath: spec.hostname")),
        ];
        for (path, expected) in rows {
            let got = field(&pod, &placed(), path);
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{path}");
        }
    }

    #[test]
    fn who_sets_no_limit_may_use_the_whole_node() {
        let set = json!({ "resources": { "limits": { "cpu": "250m", "memory": "64Mi" } } });
        let unset = json!({});
        let of = |container: &Value, name: &str, divisor: &str| {
            resource(container, &placed(), name, divisor).unwrap()
        };
        assert_eq!(of(&set, "limits.memory", "1Mi"), "64");
        assert_eq!(of(&set, "requests.cpu", "1m"), "250");
        assert_eq!(of(&unset, "limits.cpu", ""), "4");
        assert_eq!(of(&unset, "requests.memory", "1"), "0");
        assert!(resource(&set, &placed(), "cpu", "").is_err());
    }
}
