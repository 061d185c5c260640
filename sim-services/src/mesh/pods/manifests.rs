//! The platform as manifests of Kubernetes: a folder that kustomize builds.
//!
//! One file for each service, with its account, its Deployment and its Service; one for the
//! control. Pure: the topology in, files out. Nothing in them is special to one cluster: nodes are
//! chosen by the label that names an environment, images are named by kustomize.

mod control;
mod parts;
mod service;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::topology::Topology;

/// Where the control runs: a namespace of its own, as it belongs to no service's team.
pub const CONTROL_NAMESPACE: &str = "mesh";
pub const CONTROL: &str = "control";
/// As it is without kustomize's.
pub const IMAGE: &str = "crosswatch:dev";
/// Of every service, and of its probes; the control has one for all.
pub const PORT: u16 = 8080;
pub const HEALTH_PORT: u16 = 8081;
pub const CONTROL_PORT: u16 = 7070;
/// The label of nodes, and of what runs on them, that names an environment.
pub const ENVIRONMENT: &str = "crosswatch.dev/env";

/// How the platform is laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// At most so many replicas of each service, for a small machine.
    pub replicas: Option<u32>,
    /// Requests a second through the edge, instead of the topology's.
    pub requests_per_second: Option<f64>,
    /// Where spans are sent: a base address for OTLP over HTTP. None for no spans.
    pub otlp: Option<String>,
    /// The platform's seed.
    pub seed: u64,
    /// The topology as it was read, when it is not the one that is shipped.
    pub topology: Option<String>,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            replicas: None,
            requests_per_second: None,
            otlp: Some("http://monitor.crosswatch:4318".to_owned()),
            seed: 1,
            topology: None,
        }
    }
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// All files, `kustomization.yaml` last.
///
/// # Errors
///
/// When a value has no form in YAML, which none of a topology that was read has.
pub fn files(topology: &Topology, layout: &Layout) -> anyhow::Result<Vec<File>> {
    let mut files = vec![file("namespaces.yaml", &namespaces(topology, layout))?];
    files.push(file("control.yaml", &control::resources(topology, layout))?);
    for name in topology.services.keys() {
        let resources = service::resources(topology, name, layout);
        files.push(file(&format!("{name}.yaml"), &resources)?);
    }
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
    });
    files.push(file("kustomization.yaml", &[kustomization])?);
    Ok(files)
}

fn file(name: &str, resources: &[Value]) -> anyhow::Result<File> {
    let mut text =
        "# Made by `crosswatch sim manifests`; change the topology, not this.\n".to_owned();
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        text.push_str(&serde_saphyr::to_string(resource)?);
    }
    Ok(File {
        name: name.to_owned(),
        text,
    })
}

/// Those of the services, and the control's; with the topology in each if it is not shipped.
fn namespaces(topology: &Topology, layout: &Layout) -> Vec<Value> {
    let services = topology.services.keys();
    let mut names: BTreeSet<&str> = services
        .map(|service| parts::namespace(topology, service))
        .collect();
    names.insert(CONTROL_NAMESPACE);
    let mut all = Vec::new();
    for name in &names {
        // There in every cluster, and nobody's to be owned.
        if *name != parts::DEFAULT {
            all.push(json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "labels": {
                        "app.kubernetes.io/part-of": topology.name,
                        "pod-security.kubernetes.io/enforce": "restricted",
                    },
                },
            }));
        }
    }
    if let Some(text) = &layout.topology {
        all.extend(names.iter().map(|name| {
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": parts::TOPOLOGY,
                    "namespace": name,
                    "labels": { "app.kubernetes.io/part-of": topology.name },
                },
                "data": { "topology.yaml": text },
            })
        }));
    }
    all
}
