//! A node: what it is as an object, and what its pods' tasks share.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    KubeletConfig, NodeSpec,
    address::PodAddresses,
    downward::Placed,
    env::Referred,
    event::Recorder,
    guardian::Guardian,
    log_book::LogBook,
    names::{Host, Names},
    quantity,
    status::seconds,
};
use crate::{
    client::{Client, Cluster, ListOptions},
    object::{list, name, namespace, text},
};

/// Of a lease, in seconds: as the kubelet has it.
pub(super) const LEASE_SECONDS: u64 = 40;

/// What all nodes of a cluster share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) config: KubeletConfig,
    /// None when pods have no processes.
    pub(super) guardian: Option<Arc<Guardian>>,
    pub(super) addresses: PodAddresses,
    pub(super) logs: Arc<LogBook>,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) site: Arc<Site>,
    pub(super) spec: NodeSpec,
    pub(super) address: Ipv4Addr,
    pub(super) client: Client,
    pub(super) events: Recorder,
    /// What is `/` of the node for its pods.
    pub(super) folder: PathBuf,
}

impl Node {
    pub(super) fn new(site: &Arc<Site>, spec: &NodeSpec, address: Ipv4Addr) -> Node {
        let client = site.cluster.client(&format!("system:node:{}", spec.name));
        Node {
            site: Arc::clone(site),
            spec: spec.clone(),
            address,
            events: Recorder::new(client.clone(), &spec.name),
            client,
            folder: site.config.root.join("nodes").join(&spec.name),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.site.cluster.now()
    }

    /// Where the logs of its pods are.
    pub(super) fn pods_folder(&self) -> PathBuf {
        self.folder.join("var/log/pods")
    }

    /// The folder of a pod.
    pub(super) fn pod_folder(&self, uid: &str) -> PathBuf {
        self.folder.join("var/lib/kubelet/pods").join(uid)
    }

    pub(super) fn placed(&self, pod_ip: Ipv4Addr) -> Placed {
        let amount = |resource: &str| {
            let written = self.spec.capacity.get(resource);
            written
                .and_then(|written| quantity::parse(written))
                .unwrap_or(0.0)
        };
        Placed {
            pod_ip: pod_ip.to_string(),
            host_ip: self.address.to_string(),
            allocatable_cores: amount("cpu"),
            allocatable_bytes: amount("memory"),
        }
    }

    /// Services of one namespace.
    pub(super) fn services(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.listed("services", Some(namespace))
    }

    /// Names as a pod of this namespace knows them.
    pub(super) fn names(&self, namespace: &str, folders: BTreeMap<String, PathBuf>) -> Names {
        let mut hosts = BTreeMap::new();
        for slice in self.listed("endpointslices.discovery.k8s.io", None) {
            hosts_of_slice(&slice, &mut hosts);
        }
        let moves = |port: u16| self.site.config.ports.listening(port);
        for service in self.listed("services", None) {
            hosts_of_service(&service, self.site.config.api, &moves, &mut hosts);
        }
        Names {
            namespace: namespace.to_owned(),
            hosts,
            folders,
        }
    }

    fn listed(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        match self.client.list(resource, namespace, &ListOptions::all()) {
            Ok(listing) => listing.items,
            Err(error) => {
                tracing::error!(node = self.spec.name, %error, "the kubelet cannot list {resource}");
                Vec::new()
            }
        }
    }

    /// The node as an object, when it registers.
    pub(super) fn object(&self, now: Timestamp) -> Value {
        let NodeSpec { name, labels, .. } = &self.spec;
        let mut labels = labels.clone();
        let defaults = [
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture()),
        ];
        for (key, value) in defaults {
            labels
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let mut spec = json!({});
        if let Some(provider) = &self.spec.provider_id {
            spec["providerID"] = provider.clone().into();
        }
        if !self.spec.taints.is_empty() {
            spec["taints"] = self.spec.taints.clone().into();
        }
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name, "labels": labels, "annotations": self.spec.annotations },
            "spec": spec,
            "status": self.status(now, now),
        })
    }

    /// `since`: when it became ready.
    pub(super) fn status(&self, since: Timestamp, now: Timestamp) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": seconds(now), "lastTransitionTime": seconds(since),
            })
        };
        json!({
            "capacity": self.spec.capacity,
            "allocatable": self.spec.capacity,
            "addresses": [
                { "type": "InternalIP", "address": self.address.to_string() },
                { "type": "Hostname", "address": self.spec.name },
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                    "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 0 } },
            "nodeInfo": {
                "architecture": architecture(), "operatingSystem": "linux",
                "machineID": self.spec.name, "systemUUID": self.spec.name,
                "bootID": self.spec.name, "kernelVersion": "", "osImage": "Crosswatch simulation",
                "containerRuntimeVersion": "sim://1", "kubeletVersion": "v1.34.0",
                "kubeProxyVersion": "",
            },
        })
    }
}

/// Go's names.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A service by its cluster address. One without keeps what its endpoints say of its name.
fn hosts_of_service(
    service: &Value,
    api: SocketAddr,
    moves: &dyn Fn(u16) -> u16,
    hosts: &mut BTreeMap<String, Host>,
) {
    let key = format!("{}.{}", name(service), namespace(service));
    let ports = list(service, &["spec", "ports"])
        .iter()
        .filter_map(|port| u16::try_from(port["port"].as_u64()?).ok());
    if key == "kubernetes.default" {
        let moved = ports.chain([443]).map(|port| (port, api.port())).collect();
        let address = api.ip();
        hosts.insert(key, Host { address, moved });
        return;
    }
    let Ok(address) = text(service, &["spec", "clusterIP"]).parse::<IpAddr>() else {
        return;
    };
    let moved = ports
        .map(|port| (port, moves(port)))
        .filter(|(written, listening)| written != listening)
        .collect();
    hosts.insert(key, Host { address, moved });
}

/// Names of a headless service: its own leads to its first endpoint, and pods with a host name
/// have one each.
fn hosts_of_slice(slice: &Value, hosts: &mut BTreeMap<String, Host>) {
    let Some(service) = crate::object::label(slice, "kubernetes.io/service-name") else {
        return;
    };
    let service = format!("{service}.{}", namespace(slice));
    for endpoint in list(slice, &["endpoints"]) {
        let first = list(endpoint, &["addresses"])
            .first()
            .and_then(Value::as_str);
        let Some(address) = first.and_then(|address| address.parse().ok()) else {
            continue;
        };
        let host = || Host {
            address,
            moved: BTreeMap::new(),
        };
        if let Some(hostname) = endpoint["hostname"].as_str() {
            hosts.insert(format!("{hostname}.{service}"), host());
        }
        if endpoint["conditions"]["ready"] != false {
            hosts.entry(service.clone()).or_insert_with(host);
        }
    }
}

/// Objects of a pod's namespace, read when they are asked for.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
}

impl Referred for Objects<'_> {
    fn config_map(&self, name: &str) -> Option<Arc<Value>> {
        self.client.get("configmaps", self.namespace, name).ok()
    }

    fn secret(&self, name: &str) -> Option<Arc<Value>> {
        self.client.get("secrets", self.namespace, name).ok()
    }
}
