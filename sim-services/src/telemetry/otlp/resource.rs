//! A replica as OpenTelemetry's semantic conventions describe it, and where its log file is.

use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::Identity;
use super::{attribute, text};
use crate::topology::EnvironmentKind;

pub(super) fn resource(identity: &Identity) -> Resource {
    let mut attributes = Vec::with_capacity(16);
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            attributes.push(attribute(key, text(value.to_owned())));
        }
    };
    say("service.name", &identity.service);
    say("service.namespace", &identity.namespace);
    say("service.version", &identity.version);
    say("service.instance.id", &identity.instance);
    say("deployment.environment.name", "production");
    say("crosswatch.environment", &identity.environment);
    if let Some(provider) = &identity.provider {
        say("cloud.provider", provider);
    }
    if let Some(region) = &identity.region {
        say("cloud.region", region);
    }
    if let Some(zone) = &identity.zone {
        say("cloud.availability_zone", zone);
    }
    if let Some(site) = &identity.site {
        say("crosswatch.site", site);
    }
    if in_a_cluster(identity) {
        if let Some(cluster) = &identity.cluster {
            say("k8s.cluster.name", cluster);
        }
        say("k8s.namespace.name", namespace(identity));
        say("k8s.pod.name", &identity.instance);
        say("k8s.container.name", &identity.service);
    } else {
        say("host.name", &identity.instance);
    }
    Resource {
        attributes,
        ..Resource::default()
    }
}

/// Where the agent finds it: the kubelet's folder, or the host's.
pub(super) fn log_file(identity: &Identity) -> String {
    let service = &identity.service;
    if in_a_cluster(identity) {
        let (namespace, pod) = (namespace(identity), &identity.instance);
        let uid = uid(pod);
        format!("/var/log/pods/{namespace}_{pod}_{uid}/{service}/0.log")
    } else {
        format!("/var/log/{service}/{service}.log")
    }
}

fn in_a_cluster(identity: &Identity) -> bool {
    identity.cluster.is_some() || identity.kind != EnvironmentKind::OnPrem
}

fn namespace(identity: &Identity) -> &str {
    if identity.namespace.is_empty() {
        "default"
    } else {
        &identity.namespace
    }
}

/// A pod's, in the form of a UUID; the same for the same name.
fn uid(pod: &str) -> String {
    let [a, b] = [0, 1].map(|salt| super::super::dialect::mark(pod, salt));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}
