//! Asks the API server, as little as possible: the node's pods, the node, the names and labels of
//! namespaces as watches, and each workload once (and again after a quarter of an hour), because
//! its annotations have a say.
//!
//! Its being away costs nothing: what is known stays known.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, SelectAll};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Client};
use operator_meta::facts::{NamespaceFacts, NodeFacts, PodFacts, WorkloadFacts};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Snapshot;
use super::index::{Change, Index, WorkloadId};
use crate::metrics::Metrics;

/// Changes of a workload's annotations are noticed after at most this long.
const ASK_AGAIN: Duration = Duration::from_secs(15 * 60);
/// Questions about workloads at a time.
const MAX_QUESTIONS: usize = 4;

type Changes = Pin<Box<dyn Stream<Item = Result<Change, watcher::Error>> + Send>>;

/// Keeps `snapshots` up to date until `stop`.
pub async fn run(
    client: Client,
    node: String,
    cluster_name: Option<String>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut index = Index::new(cluster_name);
    let mut changes = streams(&client, &node);
    let mut questions = FuturesUnordered::new();
    let mut asked = std::collections::BTreeSet::new();
    let mut again = tokio::time::interval(ASK_AGAIN);
    again.tick().await;
    let mut failing = false;
    loop {
        for id in index.unknown_workloads() {
            if questions.len() < MAX_QUESTIONS && asked.insert(id.clone()) {
                questions.push(ask(client.clone(), id));
            }
        }
        let change = tokio::select! {
            () = stop.cancelled() => return,
            Some(change) = changes.next() => change,
            Some((id, answer)) = questions.next() => {
                asked.remove(&id);
                if let Err(error) = &answer {
                    metrics.cluster_failures.inc();
                    tracing::debug!(%error, workload = ?id, "cannot ask about a workload");
                }
                Ok(Change::Workload(id, answer.unwrap_or_default()))
            }
            _ = again.tick() => {
                for id in index.workloads() {
                    if asked.insert(id.clone()) {
                        questions.push(ask(client.clone(), id));
                    }
                }
                continue;
            }
        };
        match change {
            Ok(change) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the Kubernetes API answers again");
                }
                // Inside a list, what is known so far would only cost.
                let settled = !matches!(change, Change::PodsBegin | Change::NamespacesBegin);
                index.apply(change);
                if settled {
                    let snapshot = index.snapshot();
                    metrics.pods.set(snapshot.pods.len() as i64);
                    metrics.synced.set(i64::from(snapshot.synced));
                    snapshots.send_replace(Arc::new(snapshot));
                }
            }
            Err(error) => {
                metrics.cluster_failures.inc();
                if !std::mem::replace(&mut failing, true) {
                    let error = chain(&error);
                    tracing::warn!(error, "the Kubernetes API does not answer");
                }
            }
        }
    }
}

fn streams(client: &Client, node: &str) -> SelectAll<Changes> {
    let pods = watcher::watcher(
        Api::<Pod>::all(client.clone()),
        Config::default().fields(&format!("spec.nodeName={node}")),
    );
    let pods = pods.default_backoff().filter_map(async |event| {
        transpose(event.map(|event| match event {
            Event::Init => Some(Change::PodsBegin),
            Event::InitApply(pod) | Event::Apply(pod) => Some(Change::Pod(PodFacts::from(&pod))),
            Event::InitDone => Some(Change::PodsEnd),
            Event::Delete(pod) => Some(Change::PodGone(PodFacts::from(&pod))),
        }))
    });
    let namespaces = watcher::watcher(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        Config::default(),
    );
    let namespaces = namespaces.default_backoff().filter_map(async |event| {
        transpose(event.map(|event| match event {
            Event::Init => Some(Change::NamespacesBegin),
            Event::InitApply(namespace) | Event::Apply(namespace) => {
                Some(namespace_change(&namespace))
            }
            Event::InitDone => Some(Change::NamespacesEnd),
            Event::Delete(namespace) => Some(Change::NamespaceGone(
                namespace.metadata.name.unwrap_or_default(),
            )),
        }))
    });
    let nodes = watcher::watcher(
        Api::<Node>::all(client.clone()),
        Config::default().fields(&format!("metadata.name={node}")),
    );
    let nodes = nodes.default_backoff().filter_map(async |event| {
        transpose(event.map(|event| match event {
            Event::InitApply(node) | Event::Apply(node) => {
                Some(Change::Node(NodeFacts::from(&node)))
            }
            Event::InitDone => Some(Change::NodeEnd),
            // An agent on a node that is gone has nothing better than what it knew.
            Event::Init | Event::Delete(_) => None,
        }))
    });
    let all: [Changes; 3] = [Box::pin(pods), Box::pin(namespaces), Box::pin(nodes)];
    futures::stream::select_all(all)
}

fn transpose(
    change: Result<Option<Change>, watcher::Error>,
) -> Option<Result<Change, watcher::Error>> {
    change.transpose()
}

fn namespace_change(namespace: &PartialObjectMeta<Namespace>) -> Change {
    let metadata: &ObjectMeta = &namespace.metadata;
    let uid = metadata.uid.clone().unwrap_or_default();
    Change::Namespace(NamespaceFacts::from(metadata), uid)
}

/// One workload's metadata. `Ok(None)`: there is none.
async fn ask(
    client: Client,
    id: WorkloadId,
) -> (WorkloadId, Result<Option<WorkloadFacts>, kube::Error>) {
    let (namespace, kind, name) = &id;
    let (group, version) = kind
        .api_version()
        .split_once('/')
        .unwrap_or(("", kind.api_version()));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind.as_str()));
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    let found = api.get_metadata_opt(name).await;
    let found = found.map(|found| found.map(|it| WorkloadFacts::new(*kind, &it.metadata)));
    (id, found)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // kube's texts repeat their causes already.
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
