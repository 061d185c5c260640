//! Who a pod's container is, in OpenTelemetry's words: `service.*`, `k8s.*`, `container.*`,
//! `cloud.*`.
//!
//! The order of what names a service is that of OpenTelemetry's `non-normative/k8s-attributes.md`,
//! with Datadog's labels behind Kubernetes' own.
//! <https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/>

use std::collections::BTreeMap;
use std::fmt;

use crate::environment::{self, Environment};
use crate::facts::{ContainerFacts, Subject};
use crate::hints;
use crate::owner::{WorkloadKind, WorkloadRef};
use crate::source::{Of, Source, Sourced};
use crate::text;

/// Annotations with this prefix become resource attributes.
pub const RESOURCE_PREFIX: &str = "resource.opentelemetry.io/";
/// Of one pod; more are noted and left out.
const MAX_ANNOTATED_ATTRIBUTES: usize = 32;

#[derive(Clone, Copy, Debug)]
pub struct IdentityOptions {
    /// Whether `app.kubernetes.io/*` and `tags.datadoghq.com/*` name services and versions.
    pub well_known_labels: bool,
}

impl Default for IdentityOptions {
    fn default() -> IdentityOptions {
        IdentityOptions {
            well_known_labels: true,
        }
    }
}

/// How much depends on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    Low,
    Medium,
    High,
    Critical,
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Criticality::Low => "low",
            Criticality::Medium => "medium",
            Criticality::High => "high",
            Criticality::Critical => "critical",
        })
    }
}

/// Who a container is; each part says where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub service_name: Sourced<String>,
    pub service_namespace: Sourced<String>,
    pub service_version: Option<Sourced<String>>,
    pub service_instance_id: Sourced<String>,
    pub criticality: Option<Sourced<Criticality>>,
    pub environment: Environment,
    /// All resource attributes, those above included, by name.
    pub attributes: BTreeMap<String, Sourced<String>>,
    /// What was found and not used, and why.
    pub notes: Vec<String>,
}

/// The identity of the pod's container `container`; one that the pod does not name (an ephemeral
/// one) has no version.
pub fn identity(subject: &Subject<'_>, container: &str, options: &IdentityOptions) -> Identity {
    let mut notes = Vec::new();
    let pod = subject.pod;
    let metadata = subject.pod_metadata();
    let facts = pod.containers.iter().find(|it| it.name == container);
    let annotation = |name: &str| metadata.annotation(&format!("{RESOURCE_PREFIX}{name}"));
    let label = |key: &str| metadata.label(key).filter(|_| options.well_known_labels);

    let names = [
        annotation("service.name"),
        label("app.kubernetes.io/instance"),
        label("app.kubernetes.io/name"),
        label("tags.datadoghq.com/service"),
    ];
    let service_name = text::first(names.into_iter().flatten(), text::name, &mut notes)
        .unwrap_or_else(|| owner_name(subject));
    let service_namespace = text::first(annotation("service.namespace"), text::name, &mut notes)
        .unwrap_or_else(|| {
            let path = "metadata.namespace";
            Sourced::new(pod.namespace.clone(), Source::Field { of: Of::Pod, path })
        });
    let versions = [
        annotation("service.version"),
        label("app.kubernetes.io/version"),
        label("tags.datadoghq.com/version"),
    ];
    let service_version = text::first(versions.into_iter().flatten(), text::name, &mut notes)
        .or_else(|| image_version(facts?));
    let instance = annotation("service.instance.id");
    let service_instance_id = text::first(instance, text::name, &mut notes).unwrap_or_else(|| {
        Sourced::new(
            format!("{}.{}.{container}", pod.namespace, pod.name),
            Source::Rule("namespace.pod.container"),
        )
    });
    let criticality = hints::criticality(subject, &mut notes);
    let environment = environment::environment(subject);

    let mut attributes = annotated(subject, &mut notes);
    let stage = label(environment::DATADOG_STAGE_LABEL);
    if !attributes.contains_key("deployment.environment.name")
        && let Some(stage) = text::first(stage, text::name, &mut notes)
    {
        attributes.insert("deployment.environment.name".to_owned(), stage);
    }
    let mut put = |name: &str, value: Option<Sourced<String>>| {
        if let Some(value) = value.filter(|it| !it.value.is_empty()) {
            attributes.insert(name.to_owned(), value);
        }
    };
    put("service.name", Some(service_name.clone()));
    put("service.namespace", Some(service_namespace.clone()));
    put("service.version", service_version.clone());
    put("service.instance.id", Some(service_instance_id.clone()));
    put(
        "service.criticality",
        criticality.clone().map(|it| it.map(|it| it.to_string())),
    );
    // Also when it is unknown: the receiver must come to no other name than the operator.
    put("crosswatch.environment", Some(environment.name.clone()));
    put(
        "crosswatch.environment.kind",
        environment
            .kind
            .clone()
            .map(|it| it.map(|it| it.to_string())),
    );
    put("crosswatch.site", environment.site.clone());
    put("cloud.provider", environment.provider.clone());
    put("cloud.platform", environment.platform.clone());
    put("cloud.region", environment.region.clone());
    put("cloud.availability_zone", environment.zone.clone());
    put("k8s.cluster.name", environment.cluster.clone());
    for (name, value) in kubernetes(subject, container, facts) {
        put(&name, Some(value));
    }
    Identity {
        service_name,
        service_namespace,
        service_version,
        service_instance_id,
        criticality,
        environment,
        attributes,
        notes,
    }
}

/// The service's name without any annotation or label: its workload's.
fn owner_name(subject: &Subject<'_>) -> Sourced<String> {
    let workload = subject.owner().workload;
    let of = match workload.kind {
        WorkloadKind::Pod => Of::Pod,
        kind => Of::Workload(kind),
    };
    let path = "metadata.name";
    Sourced::new(workload.name, Source::Field { of, path })
}

/// `<tag>@<digest>`, or the digest, or the tag, as the pod asks for it.
///
/// The digest of what runs is not used: it comes with the pod's status, after the first lines, and a
/// version that changes by itself looks like a rollout.
fn image_version(container: &ContainerFacts) -> Option<Sourced<String>> {
    let (reference, digest) = match container.image.split_once('@') {
        Some((reference, digest)) => (reference, Some(digest)),
        None => (container.image.as_str(), None),
    };
    // A colon before the last slash is that of the registry's port.
    let name = reference.rsplit_once('/').map_or(reference, |it| it.1);
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let digest = digest.filter(|it| it.contains(':'));
    let version = match (tag, digest) {
        (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => return None,
    };
    let version = text::name(&version).ok()?;
    let of = Of::Container;
    let path = "image";
    Some(Sourced::new(version, Source::Field { of, path }))
}

/// Attributes that annotations set, except those that only Kubernetes knows.
fn annotated(subject: &Subject<'_>, notes: &mut Vec<String>) -> BTreeMap<String, Sourced<String>> {
    let mut attributes = BTreeMap::new();
    let mut left_out = 0;
    for key in subject.pod.annotations.keys() {
        let Some(name) = key.strip_prefix(RESOURCE_PREFIX) else {
            continue;
        };
        let found = subject.pod_metadata().annotation(key);
        if !is_attribute_name(name) {
            notes.push(format!(
                "pod annotation {} is ignored: it names no attribute",
                text::quoted(key)
            ));
        } else if name.starts_with("k8s.") || name.starts_with("crosswatch.") {
            notes.push(format!(
                "pod annotation {key} is ignored: k8s.* is what Kubernetes itself says, and \
                 crosswatch.* what we find"
            ));
        } else if attributes.len() == MAX_ANNOTATED_ATTRIBUTES {
            left_out += 1;
        } else if let Some(value) = text::first(found, text::value, notes) {
            attributes.insert(name.to_owned(), value);
        }
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} annotations {RESOURCE_PREFIX}* are ignored: at most \
             {MAX_ANNOTATED_ATTRIBUTES} are taken"
        ));
    }
    attributes
}

fn is_attribute_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 128 && name.chars().all(plain)
}

/// What Kubernetes itself says: `k8s.*` and `container.*`.
fn kubernetes(
    subject: &Subject<'_>,
    container: &str,
    facts: Option<&ContainerFacts>,
) -> Vec<(String, Sourced<String>)> {
    let pod = subject.pod;
    let mut found = Vec::new();
    let mut put = |name: &str, of: Of, path: &'static str, value: Option<&str>| {
        if let Some(value) = value {
            let value = Sourced::new(value.to_owned(), Source::Field { of, path });
            found.push((name.to_owned(), value));
        }
    };
    put(
        "k8s.namespace.name",
        Of::Pod,
        "metadata.namespace",
        Some(&pod.namespace),
    );
    put("k8s.pod.name", Of::Pod, "metadata.name", Some(&pod.name));
    put("k8s.pod.uid", Of::Pod, "metadata.uid", Some(&pod.uid));
    put("k8s.pod.ip", Of::Pod, "status.podIP", pod.ip.as_deref());
    let started = pod.start_time.as_deref();
    put("k8s.pod.start_time", Of::Pod, "status.startTime", started);
    put(
        "k8s.node.name",
        Of::Pod,
        "spec.nodeName",
        pod.node.as_deref(),
    );
    let node_uid = subject.node.map(|it| it.uid.as_str());
    put("k8s.node.uid", Of::Node, "metadata.uid", node_uid);
    put("k8s.container.name", Of::Container, "name", Some(container));
    if let Some(facts) = facts {
        let name = facts.image.split_once('@').map_or(&*facts.image, |it| it.0);
        let tag_at = name.rfind('/').map_or(0, |at| at + 1);
        let name = match name[tag_at..].find(':') {
            Some(colon) => &name[..tag_at + colon],
            None => name,
        };
        put("container.image.name", Of::Container, "image", Some(name));
        put(
            "container.id",
            Of::Container,
            "containerID",
            Some(&facts.id),
        );
    }
    let uid = subject.cluster.uid.as_deref();
    put("k8s.cluster.uid", Of::Namespace, "kube-system's uid", uid);
    let chain = subject.owner();
    let owners = [Some(&chain.workload), chain.between.as_ref()];
    for owner in owners.into_iter().flatten() {
        if owner.kind != WorkloadKind::Pod {
            found.extend(of_owner(subject, owner));
        }
    }
    found
}

/// `k8s.deployment.name` and `.uid`.
fn of_owner(subject: &Subject<'_>, owner: &WorkloadRef) -> Vec<(String, Sourced<String>)> {
    let word = owner.kind.attribute_word();
    let attribute = |part: &str, value: &str, path: &'static str| {
        let of = Of::Workload(owner.kind);
        let value = Sourced::new(value.to_owned(), Source::Field { of, path });
        (format!("k8s.{word}.{part}"), value)
    };
    let mut found = vec![attribute("name", &owner.name, "metadata.name")];
    let looked = subject
        .workload
        .filter(|it| it.kind == owner.kind && it.name == owner.name);
    if let Some(uid) = looked.map(|it| &it.uid).or(owner.uid.as_ref()) {
        found.push(attribute("uid", uid, "metadata.uid"));
    }
    found
}
