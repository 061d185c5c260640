//! Nodes: they register, say that they live, and run the pods that are bound to them.
//!
//! A container is a local process. What it sees of Kubernetes is replaced by what there is on this
//! machine: an address of the loopback network for its pod, folders for its volumes, addresses for
//! names of services. Nothing is isolated: a container may do whatever its user may.

mod address;
mod back_off;
mod container;
mod cri;
mod downward;
mod env;
mod event;
mod expand;
mod guardian;
mod hollow;
mod image;
mod launch;
mod log_book;
mod log_reader;
mod logs;
mod names;
mod node;
mod place;
mod pod;
mod probe;
mod process;
mod quantity;
mod status;
mod volume;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use cri::Rotation;
pub use hollow::{HollowError, HollowPods};
pub use image::{Images, Program, UnreadableMapping};

use crate::{
    client::{Cluster, EventKind, ListOptions, Patch},
    http::Logs,
    object::{is_being_deleted, text, uid},
    status::Status,
};
use guardian::Guardian;
use node::{LEASE_SECONDS, Node, Site};

/// Gives a token of a service account, by namespace and name.
pub type Tokens = Arc<dyn Fn(&str, &str) -> Result<String, Status> + Send + Sync>;

/// What the kubelets of a cluster have in common.
#[derive(Clone)]
pub struct KubeletConfig {
    /// Below which every node has its folder.
    pub root: PathBuf,
    pub images: Images,
    /// Of pods.
    pub addresses: RangeInclusive<Ipv4Addr>,
    /// Of the API server, for pods.
    pub api: SocketAddr,
    /// PEM, of the API server.
    pub authority: String,
    /// None when pods get no tokens.
    pub tokens: Option<Tokens>,
    /// Of commands: containers inherit nothing else.
    pub path: String,
    pub ports: Ports,
    pub pace: Pace,
    pub rotation: Rotation,
    /// Pods run without processes.
    pub is_hollow: bool,
}

impl fmt::Debug for KubeletConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeletConfig")
            .field("root", &self.root)
            .field("images", &self.images)
            .field("addresses", &self.addresses)
            .field("api", &self.api)
            .field("is_hollow", &self.is_hollow)
            .finish_non_exhaustive()
    }
}

/// How fast time passes for pods. Tests shorten it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A second of a pod's spec: probes, grace, deadlines.
    pub second: Duration,
    /// The first wait of a container that ends again and again; the longest is 30 times as long.
    pub back_off: Duration,
    /// Between leases of a node.
    pub heartbeat: Duration,
    /// Between looks at the objects that volumes are written from.
    pub refresh: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            second: Duration::from_secs(1),
            back_off: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            refresh: Duration::from_secs(10),
        }
    }
}

/// Where services listen whose ports the user may not take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Ports below this one are moved up by 20,000.
    pub first_free: u16,
}

impl Ports {
    pub(crate) fn listening(self, port: u16) -> u16 {
        if port < self.first_free {
            port.saturating_add(20_000)
        } else {
            port
        }
    }
}

/// A node as it is wished for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeSpec {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub provider_id: Option<String>,
    pub taints: Vec<Value>,
    /// `cpu`, `memory`, `pods`, `ephemeral-storage`.
    pub capacity: BTreeMap<String, String>,
}

impl NodeSpec {
    /// A node with room for usual pods.
    pub fn named(name: &str) -> NodeSpec {
        let capacity = [
            ("cpu", "16"),
            ("memory", "32Gi"),
            ("pods", "250"),
            ("ephemeral-storage", "100Gi"),
        ];
        NodeSpec {
            name: name.to_owned(),
            capacity: capacity
                .into_iter()
                .map(|(resource, amount)| (resource.to_owned(), amount.to_owned()))
                .collect(),
            ..NodeSpec::default()
        }
    }
}

/// The kubelets of a cluster.
#[derive(Debug)]
pub struct Kubelets {
    site: Arc<Site>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Kubelets {
    /// Registers the nodes, each with its address, and runs their pods until they are stopped.
    ///
    /// # Errors
    /// When the guard of the containers cannot be started, or a node's folder cannot be made.
    pub fn start(
        cluster: &Cluster,
        config: KubeletConfig,
        nodes: &[(NodeSpec, Ipv4Addr)],
    ) -> io::Result<Kubelets> {
        let guardian = if config.is_hollow {
            None
        } else {
            Some(Arc::new(Guardian::start()?))
        };
        let site = Arc::new(Site {
            cluster: cluster.clone(),
            guardian,
            addresses: address::PodAddresses::new(&config.addresses),
            logs: Arc::default(),
            config,
        });
        let logs: Arc<dyn Logs> = Arc::new(logs::PodLogs::of(&site));
        cluster.answer_logs_with(logs);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for (spec, address) in nodes {
            let node = Arc::new(Node::new(&site, spec, *address));
            std::fs::create_dir_all(node.pods_folder())?;
            register(&node);
            tasks.spawn(heartbeats(Arc::clone(&node), stop.clone()));
            tasks.spawn(run(node, stop.clone()));
        }
        Ok(Kubelets { site, tasks, stop })
    }

    /// For the logs and ends of pods without processes.
    pub fn hollow(&self) -> HollowPods {
        HollowPods {
            site: Arc::clone(&self.site),
        }
    }

    /// Ends all containers and waits until they are gone.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a kubelet ended early");
            }
        }
    }
}

fn register(node: &Node) {
    let now = node.now();
    let registered = match node.client.create("nodes", node.object(now)) {
        // Status is not part of what is created.
        Ok(object) => {
            let mut object = (*object).clone();
            object["status"] = node.status(now, now);
            node.client.update_status("nodes", object).map(|_| ())
        }
        Err(error) if error.reason == "AlreadyExists" => beat(node),
        Err(error) => Err(error),
    };
    match registered {
        Ok(()) => {
            let message = format!("Node {} status is now: NodeReady", node.spec.name);
            node.events.node(event::Tone::Normal, "NodeReady", &message);
        }
        Err(error) => {
            tracing::error!(node = node.spec.name, %error, "a node is not registered");
        }
    }
}

/// Says that the node lives, until it stops.
async fn heartbeats(node: Arc<Node>, stop: CancellationToken) {
    let mut every = tokio::time::interval(node.site.config.pace.heartbeat);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        let said = renew(&node).and_then(|()| beat(&node));
        if let Err(error) = said {
            tracing::warn!(node = node.spec.name, %error, "a node cannot say that it lives");
        }
    }
}

/// The lease, which is renewed every time.
fn renew(node: &Node) -> Result<(), Status> {
    let now = format!("{:.6}", node.now());
    let spec = json!({
        "holderIdentity": node.spec.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now,
    });
    let name = &node.spec.name;
    let leases = "leases.coordination.k8s.io";
    let patch = Patch::Merge(json!({ "spec": spec }));
    match node
        .client
        .patch(leases, "kube-node-lease", name, "", patch)
    {
        Err(error) if error.code == 404 => {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": { "name": name, "namespace": "kube-node-lease" },
                "spec": spec,
            });
            node.client.create(leases, lease).map(|_| ())
        }
        patched => patched.map(|_| ()),
    }
}

/// The status, which is written when the node is not ready any more, or not there.
fn beat(node: &Node) -> Result<(), Status> {
    let now = node.now();
    match node.client.get("nodes", "", &node.spec.name) {
        Err(error) if error.code == 404 => {
            register(node);
            Ok(())
        }
        Err(error) => Err(error),
        Ok(object) => {
            let ready = crate::object::condition(&object, "Ready");
            if ready.is_some_and(|ready| ready["status"] == "True") {
                return Ok(());
            }
            let mut object = (*object).clone();
            object["status"] = node.status(now, now);
            node.client.update_status("nodes", object).map(|_| ())
        }
    }
}

/// A pod that has a task.
struct Pod {
    newest: watch::Sender<Arc<Value>>,
    halt: CancellationToken,
}

/// Follows the pods of one node.
async fn run(node: Arc<Node>, stop: CancellationToken) {
    let mut pods: BTreeMap<String, Pod> = BTreeMap::new();
    let mut tasks: JoinSet<String> = JoinSet::new();
    loop {
        let followed = follow(&node, &stop, &mut pods, &mut tasks).await;
        match followed {
            Ok(()) => break,
            // Too far behind: list again.
            Err(error) => tracing::debug!(node = node.spec.name, %error, "a kubelet lists again"),
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(node = node.spec.name, %error, "the task of a pod ended early");
        }
    }
}

async fn follow(
    node: &Arc<Node>,
    stop: &CancellationToken,
    pods: &mut BTreeMap<String, Pod>,
    tasks: &mut JoinSet<String>,
) -> Result<(), Status> {
    let own = ListOptions::fields(&format!("spec.nodeName={}", node.spec.name))?;
    let listing = node.client.list("pods", None, &own)?;
    let gone: Vec<String> = pods
        .keys()
        .filter(|known| !listing.items.iter().any(|pod| uid(pod) == *known))
        .cloned()
        .collect();
    for uid in gone {
        if let Some(pod) = pods.remove(&uid) {
            pod.halt.cancel();
        }
    }
    for pod in &listing.items {
        take(node, pod, stop, pods, tasks);
    }
    let mut watch = node
        .client
        .watch_selected("pods", None, &own, listing.resource_version)?;
    loop {
        tokio::select! {
            event = watch.next() => {
                let event = event?;
                match event.kind {
                    EventKind::Added | EventKind::Modified => {
                        take(node, &event.object, stop, pods, tasks);
                    }
                    EventKind::Deleted => {
                        if node.site.config.is_hollow {
                            hollow::leave(node, &event.object);
                        }
                        if let Some(pod) = pods.remove(uid(&event.object)) {
                            pod.halt.cancel();
                        }
                    }
                    EventKind::Bookmark => {}
                }
            }
            Some(ended) = tasks.join_next() => match ended {
                Ok(uid) => {
                    pods.remove(&uid);
                }
                Err(error) => {
                    tracing::error!(node = node.spec.name, %error, "the task of a pod ended early");
                }
            },
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// A pod that is new, or has changed.
fn take(
    node: &Arc<Node>,
    pod: &Arc<Value>,
    stop: &CancellationToken,
    pods: &mut BTreeMap<String, Pod>,
    tasks: &mut JoinSet<String>,
) {
    if node.site.config.is_hollow {
        if is_being_deleted(pod) {
            pod::delete(node, pod);
        } else {
            hollow::run(node, pod);
        }
        return;
    }
    let uid = uid(pod).to_owned();
    if let Some(known) = pods.get(&uid) {
        known.newest.send_replace(Arc::clone(pod));
        return;
    }
    let halt = stop.child_token();
    let newest = watch::Sender::new(Arc::clone(pod));
    let task = pod::run(Arc::clone(node), newest.subscribe(), halt.clone());
    pods.insert(uid.clone(), Pod { newest, halt });
    tracing::debug!(pod = text(pod, &["metadata", "name"]), "a pod begins");
    tasks.spawn(async move {
        task.await;
        uid
    });
}
