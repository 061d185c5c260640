//! Who is speaking, read out of resource attributes.
//!
//! Used by every receiver that has attributes of a producer: OTLP, JSON lines, followed files. The
//! order of the fallbacks is that of OpenTelemetry's `non-normative/k8s-attributes.md`.

use monitor_core::{Environment, Name, Resource, ServiceKey, UNKNOWN, Value};

/// What may name a service, best first.
const SERVICE: &[&str] = &[
    "service.name",
    "k8s.deployment.name",
    "k8s.replicaset.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
];
const NAMESPACE: &[&str] = &["service.namespace", "k8s.namespace.name"];
const VERSION: &[&str] = &["service.version", "container.image.tag"];
const INSTANCE: &[&str] = &[
    "service.instance.id",
    "k8s.pod.name",
    "container.id",
    "host.name",
];

/// The resource that `attributes` describe. A service that nothing names is [`UNKNOWN`].
pub fn from_attributes(attributes: Vec<(Name, Value)>) -> Resource {
    let first = |keys: &[&str]| {
        keys.iter().find_map(|key| {
            attributes
                .iter()
                .find(|(name, _)| &**name == *key)
                .and_then(|(_, value)| match value {
                    Value::Str(text) if !text.is_empty() => Some(Name::from(text.as_str())),
                    _ => None,
                })
        })
    };
    Resource {
        service: ServiceKey {
            namespace: first(NAMESPACE).unwrap_or_else(|| "".into()),
            name: first(SERVICE).unwrap_or_else(|| UNKNOWN.into()),
        },
        version: first(VERSION),
        instance: first(INSTANCE).unwrap_or_else(|| "".into()),
        environment: Environment::from_attributes(&attributes),
        attributes,
    }
}
