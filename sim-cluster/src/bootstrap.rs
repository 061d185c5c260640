//! What a cluster holds before anybody has asked for anything.

use serde_json::json;

use crate::client::Cluster;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

pub(crate) fn populate(cluster: &Cluster) {
    let client = cluster.client("system:apiserver");
    for name in NAMESPACES {
        client
            .create("namespaces", json!({ "metadata": { "name": name } }))
            .expect("an empty cluster takes its first namespaces");
    }
    crate::access::populate(&client);
}
