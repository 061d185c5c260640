//! A whole cluster, put together: API server, controllers, scheduler, kubelets and service proxy.
//!
//! For tests, for benchmarks and for `crosswatch cluster`. Everything that it starts is over when
//! [`SimCluster::stop`] returns, and nothing listens outside the loopback network.

mod kind_config;
mod loopback;
mod root;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use kind_config::{KindConfig, KindConfigError};

use crate::{
    access::User,
    client::{Client, Clock, Cluster, ClusterConfig},
    controllers::{self, Part, Settings},
    http::{ApiServer, HttpConfig},
    kubelet::{
        HollowPods, Images, KubeletConfig, Kubelets, NodeSpec, Pace, Ports, Rotation, Tokens,
    },
    proxy::Proxy,
    status::Status,
};
use loopback::Loopback;
use root::Root;

/// How much of a cluster there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The API server alone, as envtest has it.
    Api,
    /// With controllers and scheduler; pods stay pending.
    Controllers,
    /// With nodes whose pods run without processes.
    Hollow,
    /// With nodes whose pods are processes, and with service addresses.
    Full,
}

/// How a cluster is to be.
#[derive(Clone)]
pub struct SimConfig {
    pub extent: Extent,
    pub clock: Clock,
    /// Of names, uids and tokens.
    pub seed: u64,
    pub http: HttpConfig,
    /// For state and logs; a temporary one when none.
    pub root: Option<PathBuf>,
    pub nodes: Vec<NodeSpec>,
    pub images: Images,
    pub pace: Pace,
    pub rotation: Rotation,
    /// Of commands: containers inherit no other variable.
    pub path: String,
}

impl std::fmt::Debug for SimConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimConfig")
            .field("extent", &self.extent)
            .field("seed", &self.seed)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl SimConfig {
    /// With three nodes, in a temporary folder, on a free port.
    pub fn new(extent: Extent, clock: Clock) -> SimConfig {
        SimConfig {
            extent,
            clock,
            seed: 0,
            http: HttpConfig::default(),
            root: None,
            nodes: three_nodes(),
            images: Images::default(),
            pace: Pace::default(),
            rotation: Rotation::default(),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        }
    }
}

/// A node on premises and one in each of two clouds.
fn three_nodes() -> Vec<NodeSpec> {
    let node = |name: &str, region: &str, zone: &str, provider: Option<&str>| {
        let mut node = NodeSpec::named(name);
        for (key, value) in [("region", region), ("zone", zone)] {
            node.labels
                .insert(format!("topology.kubernetes.io/{key}"), value.to_owned());
        }
        node.provider_id = provider.map(str::to_owned);
        node
    };
    vec![
        node("on-prem-1", "dc-1", "dc-1-a", None),
        node(
            "cloud-a-1",
            "eu-central-1",
            "eu-central-1a",
            Some("aws:///eu-central-1a/i-0a1"),
        ),
        node(
            "cloud-b-1",
            "europe-west4",
            "europe-west4-b",
            Some("gce://sim/europe-west4-b/b1"),
        ),
    ]
}

/// Why a cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no network of the loopback interface is free for the cluster")]
    Network(#[source] io::Error),
    #[error("the folder {path} cannot be the cluster's")]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the API server cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("a cluster has at most 253 nodes, not {0}")]
    TooManyNodes(usize),
    #[error("the API does not take the service `kubernetes`")]
    Bootstrap(#[source] Status),
    #[error("the kubelets do not start")]
    Kubelets(#[source] io::Error),
}

/// A running cluster.
#[derive(Debug)]
pub struct SimCluster {
    cluster: Cluster,
    api: ApiServer,
    kubeconfig: String,
    root: Root,
    nodes: Vec<(NodeSpec, Ipv4Addr)>,
    stop: CancellationToken,
    controllers: Option<JoinHandle<controllers::Tally>>,
    kubelets: Option<Kubelets>,
    proxy: Option<Proxy>,
    /// Kept until the end: its addresses are in use.
    _network: Loopback,
}

impl SimCluster {
    /// Starts everything that the configuration asks for. The API answers when this returns, and
    /// the nodes are registered.
    ///
    /// # Errors
    /// When there is no room for it on this machine: no port, no network, no folder.
    pub async fn start(config: SimConfig) -> Result<SimCluster, StartError> {
        let network = Loopback::take(std::process::id()).map_err(StartError::Network)?;
        let root = Root::take(config.root.as_deref()).map_err(|source| StartError::Root {
            path: config.root.clone().unwrap_or_else(std::env::temp_dir),
            source,
        })?;
        let nodes = addressed(&network, &config.nodes)?;
        let mut store = ClusterConfig::new(Arc::clone(&config.clock), config.seed);
        store.service_addresses = network.services();
        let cluster = Cluster::new(store);
        let stop = CancellationToken::new();
        let listen = config.http.listen;
        let api = ApiServer::start(cluster.clone(), config.http.clone(), stop.child_token())
            .await
            .map_err(|source| StartError::Listen {
                address: listen,
                source,
            })?;
        let kubeconfig = api.kubeconfig(&cluster.issue_token(User::admin()));
        root.write_secret("kubeconfig", &kubeconfig)
            .map_err(|source| StartError::Root {
                path: root.path().to_owned(),
                source,
            })?;
        let mut started = SimCluster {
            cluster,
            api,
            kubeconfig,
            root,
            nodes,
            stop,
            controllers: None,
            kubelets: None,
            proxy: None,
            _network: network,
        };
        if config.extent != Extent::Api {
            tell_of_api(&started.cluster, started.api.address()).map_err(StartError::Bootstrap)?;
            started.control();
        }
        if matches!(config.extent, Extent::Hollow | Extent::Full) {
            started.run_nodes(config)?;
        }
        Ok(started)
    }

    fn control(&mut self) {
        let settings = Settings {
            parts: Part::without(&[]),
            root_certificate: self.cluster.ca_pem().to_owned(),
        };
        let running = controllers::run(self.cluster.clone(), settings, self.stop.child_token());
        self.controllers = Some(tokio::spawn(running));
    }

    fn run_nodes(&mut self, config: SimConfig) -> Result<(), StartError> {
        let ports = Ports {
            first_free: self._network.first_free_port(),
        };
        let is_hollow = config.extent == Extent::Hollow;
        let kubelets = KubeletConfig {
            root: self.root.path().to_owned(),
            images: config.images,
            addresses: self._network.pods(),
            api: self.api.address(),
            authority: self.cluster.ca_pem().to_owned(),
            tokens: Some(tokens(&self.cluster)),
            path: config.path,
            ports,
            pace: config.pace,
            rotation: config.rotation,
            is_hollow,
        };
        let kubelets =
            Kubelets::start(&self.cluster, kubelets, &self.nodes).map_err(StartError::Kubelets)?;
        self.kubelets = Some(kubelets);
        if !is_hollow {
            let nodes = self.nodes.iter().map(|(_, address)| *address).collect();
            self.proxy = Some(Proxy::start(&self.cluster, ports, nodes));
        }
        Ok(())
    }

    /// The state of the cluster: clients of the same process, faults, counts of requests.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The API as a user sees it.
    pub fn client(&self, user: &str) -> Client {
        self.cluster.client(user)
    }

    /// Of the API server.
    pub fn address(&self) -> SocketAddr {
        self.api.address()
    }

    pub fn url(&self) -> String {
        self.api.url()
    }

    /// For an administrator.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The file that holds [`SimCluster::kubeconfig`].
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.root.path().join("kubeconfig")
    }

    /// Of state and logs.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// What is `/` of a node for its pods: logs are in `var/log/pods` below.
    pub fn node_folder(&self, node: &str) -> PathBuf {
        self.root.path().join("nodes").join(node)
    }

    pub fn nodes(&self) -> impl Iterator<Item = (&NodeSpec, Ipv4Addr)> {
        self.nodes.iter().map(|(node, address)| (node, *address))
    }

    /// For the logs and ends of pods without processes; none in a cluster without nodes.
    pub fn hollow(&self) -> Option<HollowPods> {
        self.kubelets.as_ref().map(Kubelets::hollow)
    }

    /// Ends all pods and everything else, and removes what is temporary.
    pub async fn stop(self) {
        if let Some(kubelets) = self.kubelets {
            kubelets.stop().await;
        }
        if let Some(proxy) = self.proxy {
            proxy.stop().await;
        }
        self.stop.cancel();
        if let Some(controllers) = self.controllers
            && let Err(error) = controllers.await
        {
            tracing::error!(%error, "the controllers ended early");
        }
        self.api.stopped().await;
    }
}

fn addressed(
    network: &Loopback,
    nodes: &[NodeSpec],
) -> Result<Vec<(NodeSpec, Ipv4Addr)>, StartError> {
    let addressed = nodes.iter().enumerate().map(|(index, node)| {
        let address = network.node(index);
        Some((node.clone(), address?))
    });
    addressed
        .collect::<Option<_>>()
        .ok_or(StartError::TooManyNodes(nodes.len()))
}

/// The service `kubernetes`, which leads to the API server.
fn tell_of_api(cluster: &Cluster, api: SocketAddr) -> Result<(), Status> {
    let client = cluster.client("system:apiserver");
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    client.create(
        "services",
        json!({
            "metadata": { "name": "kubernetes", "namespace": "default", "labels": labels },
            "spec": { "ports": [
                { "name": "https", "port": 443, "protocol": "TCP", "targetPort": api.port() },
            ] },
        }),
    )?;
    client.create(
        "endpointslices.discovery.k8s.io",
        json!({
            "metadata": { "name": "kubernetes", "namespace": "default",
                "labels": { "kubernetes.io/service-name": "kubernetes" } },
            "addressType": "IPv4",
            "endpoints": [
                { "addresses": [api.ip().to_string()], "conditions": { "ready": true } },
            ],
            "ports": [{ "name": "https", "port": api.port(), "protocol": "TCP" }],
        }),
    )?;
    Ok(())
}

/// One token for each service account, until the account is another.
fn tokens(cluster: &Cluster) -> Tokens {
    let cluster = cluster.clone();
    // Pods that start ask for it, one after another.
    let issued: Mutex<BTreeMap<(String, String), String>> = Mutex::default();
    Arc::new(move |namespace, account| {
        let key = (namespace.to_owned(), account.to_owned());
        let mut issued = issued.lock().unwrap_or_else(PoisonError::into_inner);
        let known = issued.get(&key);
        if let Some(token) = known.filter(|token| cluster.user_of_token(token).is_some()) {
            return Ok(token.clone());
        }
        let token = cluster.issue_service_account_token(namespace, account, None)?;
        issued.insert(key, token.clone());
        Ok(token)
    })
}
