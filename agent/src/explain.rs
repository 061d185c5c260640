//! Asks a cluster about one pod, for `crosswatch explain pod/NAME`.
//!
//! The decisions and their words are operator-meta's; what the operator has made of them is read
//! from the pod's `MonitoredApi`.

use std::fmt::Write as _;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::core::{Selector, SelectorExt as _};
use kube::{Api, Client};
use operator_meta::decision::Mode;
use operator_meta::explain::explain;
use operator_meta::facts::{
    ClusterFacts, NamespaceFacts, NodeFacts, PodFacts, Subject, WorkloadFacts,
};
use operator_meta::identity::IdentityOptions;
use operator_meta::owner::{OwnerChain, WorkloadKind, WorkloadRef};
use serde_json::Value;

/// How the installation decides.
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    pub mode: Mode,
    pub identity: IdentityOptions,
    pub cluster_name: Option<String>,
}

/// Why a pod is or is not watched, under which name, and what the operator says of it.
///
/// What may not be read (a node, a namespace) is left out with a word; only the pod itself must be
/// readable.
///
/// # Errors
///
/// When the pod cannot be read.
pub async fn pod(
    client: &Client,
    namespace: &str,
    name: &str,
    options: &ExplainOptions,
) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = pods.get_opt(name).await;
    let pod = pod.with_context(|| format!("asking for the pod {namespace}/{name}"))?;
    let pod = pod.with_context(|| {
        format!(
            "there is no pod `{name}` in namespace `{namespace}` (-n NAMESPACE chooses another)"
        )
    })?;
    let pod = PodFacts::from(&pod);
    let mut unread = Vec::new();
    let owner = OwnerChain::of(&pod).workload;
    let workload = workload(client, namespace, &owner, &mut unread).await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get_opt(namespace).await;
    let of_namespace = note(found, &format!("namespace {namespace}"), &mut unread);
    let of_namespace = of_namespace.as_ref().map(NamespaceFacts::from);
    let mut of_node = None;
    if let Some(node) = &pod.node {
        let found = Api::<Node>::all(client.clone()).get_opt(node).await;
        of_node = note(found, &format!("node {node}"), &mut unread);
    }
    let of_node = of_node.as_ref().map(NodeFacts::from);
    let cluster = ClusterFacts {
        name: options.cluster_name.clone(),
        uid: None,
    };
    let subject = Subject {
        pod: &pod,
        workload: workload.as_ref(),
        namespace: of_namespace.as_ref(),
        node: of_node.as_ref(),
        cluster: &cluster,
    };
    let mut text = explain(&subject, options.mode, &options.identity);
    text.push_str("\nThe operator\n");
    text.push_str(&operator(client, &pod, &owner).await);
    for unread in unread {
        // Writing to a string cannot fail.
        _ = writeln!(text, "\nNot readable: {unread}");
    }
    Ok(text)
}

async fn workload(
    client: &Client,
    namespace: &str,
    owner: &WorkloadRef,
    unread: &mut Vec<String>,
) -> Option<WorkloadFacts> {
    if owner.kind == WorkloadKind::Pod {
        return None;
    }
    let version = owner.kind.api_version();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, owner.kind.as_str());
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api.get_metadata_opt(&owner.name).await;
    let found = note(found, &owner.to_string(), unread)?;
    Some(WorkloadFacts::new(owner.kind, &found.metadata))
}

fn note<T>(
    found: Result<Option<T>, kube::Error>,
    what: &str,
    unread: &mut Vec<String>,
) -> Option<T> {
    match found {
        Ok(found) => found,
        Err(error) => {
            unread.push(format!("{what}: {error}"));
            None
        }
    }
}

/// What the operator's resource for the pod's workload says, as indented lines.
async fn operator(client: &Client, pod: &PodFacts, owner: &WorkloadRef) -> String {
    let resource = ApiResource {
        plural: "monitoredapis".to_owned(),
        ..ApiResource::from_gvk(&GroupVersionKind::gvk(
            "crosswatch.dev",
            "v1alpha1",
            "MonitoredApi",
        ))
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &pod.namespace, &resource);
    let all = match api.list(&ListParams::default()).await {
        Ok(all) => all.items,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return "  Crosswatch's resources are not installed in this cluster: kubectl apply -f \
                    crds/\n"
                .to_owned();
        }
        Err(error) => return format!("  MonitoredApis cannot be read: {error}\n"),
    };
    let found: Vec<&DynamicObject> = all
        .iter()
        .filter(|object| concerns(object, pod, owner))
        .collect();
    if found.is_empty() {
        return format!(
            "  No MonitoredApi of namespace {} is about {owner} or chooses this pod.\n",
            pod.namespace
        );
    }
    let mut text = String::new();
    for object in found {
        describe(&mut text, object);
    }
    text
}

/// Whether a `MonitoredApi` is about the pod.
fn concerns(object: &DynamicObject, pod: &PodFacts, owner: &WorkloadRef) -> bool {
    let spec = &object.data["spec"];
    let reference = &spec["workloadRef"];
    if reference["kind"] == owner.kind.as_str() && reference["name"] == owner.name.as_str() {
        return true;
    }
    let selector = serde_json::from_value::<LabelSelector>(spec["selector"].clone());
    let selector = selector.ok().and_then(|it| Selector::try_from(it).ok());
    // An empty selector is a mistake here, not everything.
    selector.is_some_and(|it| !it.selects_all() && it.matches(&pod.labels))
}

fn describe(text: &mut String, object: &DynamicObject) {
    let status = &object.data["status"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    // Writing to a string cannot fail.
    _ = write!(text, "  MonitoredApi {name}");
    for (key, before) in [("state", ": "), ("environment", ", in "), ("reason", ": ")] {
        let value = word(&status[key]);
        if !value.is_empty() {
            _ = write!(text, "{before}{value}");
        }
    }
    text.push('\n');
    let conditions = status["conditions"].as_array();
    if conditions.is_none_or(Vec::is_empty) {
        text.push_str("    no conditions yet: is the operator running?\n");
    }
    for condition in conditions.into_iter().flatten() {
        let line = format!(
            "    {:15} {:8} {:22} {}",
            word(&condition["type"]),
            word(&condition["status"]),
            word(&condition["reason"]),
            word(&condition["message"])
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
