//! The product and the mesh on a simulated cluster: manifests applied as they are, and waiting for
//! what comes of them.

use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use sim_cluster::client::{Client, ListOptions, Patch};
use sim_cluster::cluster::{Extent, KindConfig, SimCluster, SimConfig};
use sim_cluster::kubelet::Images;

/// Three workers that stand for a data centre and two clouds.
const NODES: &str = include_str!("../../../kind-config.yaml");
/// The product and the mesh: `kubectl kustomize manifests/overlays/laptop`.
const MANIFESTS: &str = include_str!("../../../manifests/laptop.yaml");
/// Who applies, in managed fields: as if a person had typed it.
const MANAGER: &str = "kubectl";

pub(crate) struct Kubernetes {
    pub(crate) sim: SimCluster,
    client: Client,
}

impl Kubernetes {
    /// With the nodes of kind-config.yaml; images named `crosswatch` are this program.
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Kubernetes> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the command is where the simulated cluster gets its clock"
        )]
        let mut config = SimConfig::new(Extent::Full, Arc::new(|| jiff::Timestamp::now()));
        let own = std::env::current_exe().context("this program cannot find its own file")?;
        config.seed = seed;
        config.nodes = KindConfig::parse(NODES).context("kind-config.yaml")?.nodes;
        config.images = Images::default().with("crosswatch", own, [""; 0]);
        let sim = SimCluster::start(config).await?;
        let client = sim.client("kubernetes-admin");
        Ok(Kubernetes { sim, client })
    }

    /// How many objects there are in the manifests, all of them applied server-side.
    pub(crate) fn install(&self) -> anyhow::Result<usize> {
        let mut objects = documents(MANIFESTS)?;
        // As kubectl does: what others live in, or are made of, first.
        objects.sort_by_key(|object| match object["kind"].as_str() {
            Some("Namespace" | "CustomResourceDefinition") => 0,
            Some("PriorityClass" | "ServiceAccount" | "Secret" | "ConfigMap") => 1,
            _ => 2,
        });
        for object in &objects {
            self.apply(object)?;
        }
        Ok(objects.len())
    }

    /// Server-side, with conflicts as they come.
    pub(crate) fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = text("/kind").unwrap_or_default();
        let version = text("/apiVersion").unwrap_or_default();
        let name = text("/metadata/name").unwrap_or_default();
        let namespace = text("/metadata/namespace").unwrap_or_default();
        let registry = self.sim.cluster().registry();
        let served = registry
            .of_kind(version, kind)
            .with_context(|| format!("the cluster knows no {kind} of {version}"))?;
        let patch = Patch::Apply {
            body: object.clone(),
            manager: MANAGER.to_owned(),
            force: false,
        };
        self.client
            .patch(&served.name(), namespace, name, "", patch)
            .with_context(|| format!("cannot apply {kind} {namespace}/{name}"))?;
        Ok(())
    }

    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.client.get(resource, namespace, name).ok()
    }

    /// Looks at all objects of a resource now and whenever one changes, until `look` has seen what
    /// it waits for.
    pub(crate) async fn until<T>(
        &self,
        resource: &str,
        mut look: impl FnMut(&[Arc<Value>]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let refused = || format!("cannot watch {resource}");
        loop {
            let all = ListOptions::all();
            let listing = (self.client.list(resource, None, &all)).with_context(refused)?;
            if let Some(seen) = look(&listing.items) {
                return Ok(seen);
            }
            let mut watch = self.client.watch(resource, None, listing.resource_version);
            // What has happened is seen by listing again, also when the watch is too old.
            drop(watch.next().await);
        }
    }
}

/// All documents of a file of YAML.
pub(crate) fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents = text.split("\n---\n").map(|document| {
        let read = serde_saphyr::from_str(document);
        read.with_context(|| format!("not YAML: {}", document.lines().next().unwrap_or_default()))
    });
    documents.collect()
}

/// Whether a condition of an object is `True`.
pub(crate) fn is(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|conditions| {
        let mut named = conditions.iter().filter(|each| each["type"] == condition);
        named.any(|each| each["status"] == "True")
    })
}
