//! Watches: from the API server's events to records, and no further.
//!
//! Each object is cut down where it arrives. A watch that ends is begun anew, with growing pauses
//! while that fails; what was missed meanwhile is found by the table.

use std::fmt::Debug;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use operator_meta::owner::WorkloadKind;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::keeper::Input;
use crate::key::Key;
use crate::metrics::Metrics;
use crate::record::{ConfigMapRecord, NamespaceRecord, NodeRecord, PodRecord, WorkloadRecord};
use crate::table::{Scope, Seen};
use crate::world::{ClusterEvent, Watched};

/// Objects in one answer of a first list: a few megabytes of pods, which are dropped at once.
const PAGE: u32 = 250;

type Events = stream::BoxStream<'static, Result<ClusterEvent, watcher::Error>>;

/// What is watched: of all of the cluster, or of namespaces.
pub(crate) fn watched(namespaced: bool) -> Vec<Watched> {
    let mut all = vec![
        Watched::Pods,
        Watched::Workloads(WorkloadKind::Deployment),
        Watched::Workloads(WorkloadKind::StatefulSet),
        Watched::Workloads(WorkloadKind::DaemonSet),
        Watched::Workloads(WorkloadKind::CronJob),
        Watched::Workloads(WorkloadKind::Job),
        Watched::ConfigMaps,
        Watched::Monitored,
        Watched::Policies,
        Watched::Windows,
    ];
    if !namespaced {
        all.extend([Watched::Nodes, Watched::Namespaces]);
    }
    all
}

/// Passes on what one watch says until it is stopped.
pub(crate) async fn run(
    client: Client,
    watched: Watched,
    scope: Scope,
    inputs: mpsc::Sender<Input>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut events = events(client, watched, scope);
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                if inputs.send(Input::Cluster(event)).await.is_err() {
                    return;
                }
            }
            Some(Err(error)) => {
                metrics.watch_failed();
                tracing::warn!(
                    watched = ?watched,
                    error = &error as &(dyn std::error::Error + 'static),
                    "a watch was interrupted; it begins anew"
                );
            }
            // A watch begins anew for ever.
            None => return,
        }
    }
}

fn events(client: Client, watched: Watched, scope: Scope) -> Events {
    match watched {
        Watched::Pods => whole(client, scope, ClusterEvent::Pod, |pod: &Pod| {
            PodRecord::from(pod)
        }),
        Watched::Nodes => cluster(client, ClusterEvent::Node, |node: &Node| {
            NodeRecord::from(node)
        }),
        Watched::Namespaces => {
            let make = |it: &PartialObjectMeta<Namespace>| NamespaceRecord::new(&it.metadata);
            cluster(client, ClusterEvent::Namespace, make)
        }
        Watched::Workloads(kind) => workloads(client, kind, scope),
        Watched::ConfigMaps => {
            let make = |it: &PartialObjectMeta<ConfigMap>| ConfigMapRecord::new(&it.metadata);
            whole(client, scope, ClusterEvent::ConfigMap, make)
        }
        Watched::Monitored => whole(client, scope, ClusterEvent::Monitored, kept),
        Watched::Policies => whole(client, scope, ClusterEvent::Policy, kept),
        Watched::Windows => whole(client, scope, ClusterEvent::Window, kept),
    }
}

fn workloads(client: Client, kind: WorkloadKind, scope: Scope) -> Events {
    let event = move |seen| ClusterEvent::Workload(kind, seen);
    match kind {
        WorkloadKind::StatefulSet => {
            let make = |it: &StatefulSet| WorkloadRecord::of_stateful_set(it);
            whole(client, scope, event, make)
        }
        WorkloadKind::DaemonSet => {
            let make = |it: &DaemonSet| WorkloadRecord::of_daemon_set(it);
            whole(client, scope, event, make)
        }
        WorkloadKind::CronJob => whole(client, scope, event, metadata_of::<CronJob>(kind)),
        WorkloadKind::Job => whole(client, scope, event, metadata_of::<Job>(kind)),
        // Pods are pods; a ReplicaSet is known from its pods.
        WorkloadKind::Deployment | WorkloadKind::ReplicaSet | WorkloadKind::Pod => {
            let make = |it: &Deployment| WorkloadRecord::of_deployment(it);
            whole(client, scope, event, make)
        }
    }
}

fn metadata_of<K>(kind: WorkloadKind) -> impl Fn(&PartialObjectMeta<K>) -> WorkloadRecord {
    move |it| WorkloadRecord::of_metadata(kind, &it.metadata)
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn within<K>(client: Client, scope: &Scope) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Objects, of which something is kept. Of [`PartialObjectMeta`] only metadata are sent.
fn whole<K, T>(
    client: Client,
    scope: Scope,
    event: impl Fn(Seen<T>) -> ClusterEvent + Send + 'static,
    make: impl Fn(&K) -> T + Send + 'static,
) -> Events
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send + 'static,
{
    let api: Api<K> = within(client, &scope);
    seen(watcher(api, config()), scope, make)
        .map_ok(event)
        .boxed()
}

/// The same of what belongs to no namespace.
fn cluster<K, T>(
    client: Client,
    event: impl Fn(Seen<T>) -> ClusterEvent + Send + 'static,
    make: impl Fn(&K) -> T + Send + 'static,
) -> Events
where
    K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send + 'static,
{
    let api: Api<K> = Api::all(client);
    seen(watcher(api, config()), None, make)
        .map_ok(event)
        .boxed()
}

/// Our own resources are kept, but for who wrote which field.
fn kept<K: Resource + Clone>(object: &K) -> Box<K> {
    let mut kept = object.clone();
    kept.meta_mut().managed_fields = None;
    Box::new(kept)
}

fn seen<K, T>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    scope: Scope,
    make: impl Fn(&K) -> T + Send + 'static,
) -> impl Stream<Item = Result<Seen<T>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Send + 'static,
    T: Send + 'static,
{
    events.default_backoff().map_ok(move |event| match event {
        Event::Init => Seen::Begin(scope.clone()),
        Event::InitApply(object) => Seen::Initial(make(&object)),
        Event::InitDone => Seen::End(scope.clone()),
        Event::Apply(object) => Seen::Applied(make(&object)),
        Event::Delete(object) => Seen::Gone(Key::new(
            object.namespace().unwrap_or_default(),
            object.name_any(),
        )),
    })
}
