//! Nodes from a `kind-config.yaml`, so that one file describes both a kind cluster and this one.
//!
//! Read: the cluster's name, and the role, labels and count of nodes, which are named as kind names
//! them. Everything else (images, mounts, patches of kubeadm) is of containers and left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::kubelet::NodeSpec;

/// What is read of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct KindConfig {
    /// `kind` when the file does not say.
    pub name: String,
    pub nodes: Vec<NodeSpec>,
}

/// Why a file is not a kind configuration.
#[derive(Debug, thiserror::Error)]
pub enum KindConfigError {
    #[error("this is not a kind configuration")]
    Unreadable(#[source] serde_saphyr::Error),
    #[error("this is a {kind} of {api_version}, not a Cluster of kind.x-k8s.io/v1alpha4")]
    OtherKind { kind: String, api_version: String },
    #[error("nodes are `control-plane` or `worker`, not `{0}`")]
    UnknownRole(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    kind: String,
    api_version: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    nodes: Vec<WrittenNode>,
}

#[derive(Deserialize)]
struct WrittenNode {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl KindConfig {
    /// Reads the text of such a file.
    ///
    /// # Errors
    /// When it is something else, or has nodes of an unknown role.
    pub fn parse(text: &str) -> Result<KindConfig, KindConfigError> {
        let written: Written = serde_saphyr::from_str(text).map_err(KindConfigError::Unreadable)?;
        if written.kind != "Cluster" || written.api_version != "kind.x-k8s.io/v1alpha4" {
            return Err(KindConfigError::OtherKind {
                kind: written.kind,
                api_version: written.api_version,
            });
        }
        let name = written.name.unwrap_or_else(|| "kind".to_owned());
        let mut config = KindConfig {
            nodes: Vec::new(),
            name,
        };
        let has_workers = written
            .nodes
            .iter()
            .any(|node| node.role.as_deref() == Some("worker"));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in written.nodes {
            let role = node.role.unwrap_or_else(|| "control-plane".to_owned());
            if !matches!(role.as_str(), "control-plane" | "worker") {
                return Err(KindConfigError::UnknownRole(role));
            }
            let count = counts.entry(role.clone()).or_default();
            *count += 1;
            config.add(&role, *count, node.labels, has_workers);
        }
        if config.nodes.is_empty() {
            config.add("control-plane", 1, BTreeMap::new(), false);
        }
        Ok(config)
    }

    fn add(
        &mut self,
        role: &str,
        count: usize,
        labels: BTreeMap<String, String>,
        has_workers: bool,
    ) {
        let number = if count == 1 {
            String::new()
        } else {
            count.to_string()
        };
        let name = format!("{}-{role}{number}", self.name);
        let mut node = NodeSpec::named(&name);
        node.labels = labels;
        node.provider_id = Some(format!("kind://sim/{}/{name}", self.name));
        if role == "control-plane" {
            let key = "node-role.kubernetes.io/control-plane";
            node.labels.insert(key.to_owned(), String::new());
            if has_workers {
                node.taints
                    .push(json!({ "key": key, "effect": "NoSchedule" }));
            }
        }
        self.nodes.push(node);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn nodes_are_named_as_kind_names_them() {
        let config = KindConfig::parse(
            "
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: shop
nodes:
  - role: control-plane
    extraPortMappings: [{ containerPort: 80, hostPort: 8080 }]
  - role: worker
    labels: { topology.kubernetes.io/region: on-prem }
  - role: worker
    kubeadmConfigPatches: ['kind: JoinConfiguration']
",
        );
        let said: Vec<String> = config
            .unwrap()
            .nodes
            .iter()
            .map(|node| format!("{} {:?} {}", node.name, node.labels, node.taints.len()))
            .collect();
        expect![[r#"
            [
                "shop-control-plane {\"node-role.kubernetes.io/control-plane\": \"\"} 1",
                "shop-worker {\"topology.kubernetes.io/region\": \"on-prem\"} 0",
                "shop-worker2 {} 0",
            ]
        "#]]
        .assert_debug_eq(&said);
    }

    #[test]
    fn what_is_no_kind_configuration_is_refused() {
        let said = |text: &str| KindConfig::parse(text).unwrap_err().to_string();
        assert_eq!(
            said("kind: Pod\napiVersion: v1\n"),
            "this is a Pod of v1, not a Cluster of kind.x-k8s.io/v1alpha4"
        );
        let edge = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{ role: edge }]\n";
        assert_eq!(
            said(edge),
            "nodes are `control-plane` or `worker`, not `edge`"
        );
        assert!(said("[").contains("not a kind configuration"));
    }
}
