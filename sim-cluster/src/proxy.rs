//! Service addresses: a listener on the loopback address of each service, which hands connections
//! to the service's endpoints in turn.
//!
//! A service without ready endpoints has no listener, so that connections are refused as
//! kube-proxy refuses them. TCP only. Connections that are open stay with their endpoint for as
//! long as both want.

mod routes;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    client::{Client, Cluster, Event, EventKind, ListOptions},
    kubelet::Ports,
    object::{label, name, namespace},
    status::Status,
};
use routes::Routes;

const SLICES: &str = "endpointslices.discovery.k8s.io";

/// The listeners of all services of a cluster.
#[derive(Debug)]
pub struct Proxy {
    stop: CancellationToken,
    follower: JoinHandle<()>,
    connections: TaskTracker,
}

/// What every listener needs.
#[derive(Clone, Debug)]
struct Shared {
    ports: Ports,
    /// Of nodes, for node ports.
    nodes: Arc<[Ipv4Addr]>,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Proxy {
    /// Serves until it is stopped. `nodes` are the addresses for node ports.
    pub fn start(cluster: &Cluster, ports: Ports, nodes: Vec<Ipv4Addr>) -> Proxy {
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let shared = Shared {
            ports,
            nodes: nodes.into(),
            stop: stop.clone(),
            connections: connections.clone(),
        };
        let client = cluster.client("system:kube-proxy");
        let follower = tokio::spawn(run(client, shared));
        Proxy {
            stop,
            follower,
            connections,
        }
    }

    /// Closes all listeners and connections.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.follower.await {
            tracing::error!(%error, "the service proxy ended early");
        }
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn run(client: Client, shared: Shared) {
    loop {
        match follow(&client, &shared).await {
            Ok(()) => return,
            // Too far behind. All listeners are made anew; open connections stay.
            Err(error) => tracing::debug!(%error, "the service proxy lists again"),
        }
    }
}

/// A service by namespace and name.
type Key = (String, String);

#[derive(Debug, Default)]
struct Known {
    services: BTreeMap<Key, Arc<Value>>,
    /// By service, then by name.
    slices: BTreeMap<Key, BTreeMap<String, Arc<Value>>>,
    listeners: BTreeMap<Key, BTreeMap<SocketAddr, Listener>>,
}

async fn follow(client: &Client, shared: &Shared) -> Result<(), Status> {
    let services = client.list("services", None, &ListOptions::all())?;
    let slices = client.list(SLICES, None, &ListOptions::all())?;
    let mut service_events = client.watch("services", None, services.resource_version);
    let mut slice_events = client.watch(SLICES, None, slices.resource_version);
    let mut known = Known::default();
    for slice in &slices.items {
        known.take_slice(EventKind::Added, slice);
    }
    for service in &services.items {
        let key = known.take_service(EventKind::Added, service);
        known.serve(&key, shared).await;
    }
    loop {
        let key = tokio::select! {
            event = service_events.next() => {
                let Event { kind, object } = event?;
                Some(known.take_service(kind, &object))
            }
            event = slice_events.next() => {
                let Event { kind, object } = event?;
                known.take_slice(kind, &object)
            }
            () = shared.stop.cancelled() => return Ok(()),
        };
        if let Some(key) = key {
            known.serve(&key, shared).await;
        }
    }
}

impl Known {
    fn take_service(&mut self, kind: EventKind, service: &Arc<Value>) -> Key {
        let key = (namespace(service).to_owned(), name(service).to_owned());
        if kind == EventKind::Deleted {
            self.services.remove(&key);
        } else {
            self.services.insert(key.clone(), Arc::clone(service));
        }
        key
    }

    /// None when it is of no service.
    fn take_slice(&mut self, kind: EventKind, slice: &Arc<Value>) -> Option<Key> {
        let service = label(slice, "kubernetes.io/service-name")?;
        let key = (namespace(slice).to_owned(), service.to_owned());
        let slices = self.slices.entry(key.clone()).or_default();
        if kind == EventKind::Deleted {
            slices.remove(name(slice));
        } else {
            slices.insert(name(slice).to_owned(), Arc::clone(slice));
        }
        if slices.is_empty() {
            self.slices.remove(&key);
        }
        Some(key)
    }

    /// Brings the listeners of one service to what it is now.
    async fn serve(&mut self, key: &Key, shared: &Shared) {
        let wanted = self.services.get(key).map_or_else(Routes::new, |service| {
            let slices = self.slices.get(key).into_iter().flat_map(BTreeMap::values);
            let slices: Vec<&Value> = slices.map(AsRef::as_ref).collect();
            routes::of(service, &slices, shared.ports, &shared.nodes)
        });
        let listeners = self.listeners.entry(key.clone()).or_default();
        listeners.retain(|address, _| wanted.contains_key(address));
        for (address, endpoints) in wanted {
            let endpoints: Endpoints = endpoints.into();
            if let Some(listener) = listeners.get(&address) {
                listener.endpoints.send_replace(endpoints);
                continue;
            }
            match Listener::open(address, endpoints, shared).await {
                Ok(listener) => {
                    listeners.insert(address, listener);
                }
                Err(error) => {
                    let service = format!("{}/{}", key.0, key.1);
                    tracing::warn!(service, %address, %error, "a service does not listen");
                }
            }
        }
        if listeners.is_empty() {
            self.listeners.remove(key);
        }
    }
}

/// Never empty.
type Endpoints = Arc<[SocketAddr]>;

/// Accepts connections until it is dropped.
#[derive(Debug)]
struct Listener {
    endpoints: watch::Sender<Endpoints>,
    stop: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Listener {
    async fn open(
        address: SocketAddr,
        endpoints: Endpoints,
        shared: &Shared,
    ) -> io::Result<Listener> {
        let socket = TcpListener::bind(address).await?;
        let endpoints = watch::Sender::new(endpoints);
        let stop = shared.stop.child_token();
        let accepting = accept(socket, endpoints.subscribe(), stop.clone(), shared.clone());
        shared.connections.spawn(accepting);
        Ok(Listener { endpoints, stop })
    }
}

async fn accept(
    socket: TcpListener,
    endpoints: watch::Receiver<Endpoints>,
    stop: CancellationToken,
    shared: Shared,
) {
    let next = AtomicUsize::new(0);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let caller = match accepted {
            Ok((caller, _)) => caller,
            // Of the connection, or for want of file descriptors: the next one may fare better.
            Err(error) => {
                tracing::debug!(%error, "a connection to a service is not accepted");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let endpoints = Arc::clone(&endpoints.borrow());
        let first = next.fetch_add(1, Ordering::Relaxed);
        let stop = shared.stop.clone();
        shared.connections.spawn(async move {
            tokio::select! {
                () = hand_over(caller, &endpoints, first) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Joins a caller with the first endpoint that answers, in turn from `first`.
async fn hand_over(mut caller: TcpStream, endpoints: &[SocketAddr], first: usize) {
    for turn in 0..endpoints.len() {
        let endpoint = endpoints[(first + turn) % endpoints.len()];
        match TcpStream::connect(endpoint).await {
            Ok(mut callee) => {
                for stream in [&caller, &callee] {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection waits before it sends");
                    }
                }
                // Either side may break off: that is for the other to see, not an error of ours.
                drop(tokio::io::copy_bidirectional(&mut caller, &mut callee).await);
                return;
            }
            Err(error) => tracing::debug!(%endpoint, %error, "an endpoint does not answer"),
        }
    }
}
