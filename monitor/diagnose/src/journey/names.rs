//! Names as numbers: nodes, operations, environments.
//!
//! Hops in flight are many and their names are few. Each table has an end; what comes beyond it is
//! one and the same stranger.

use std::sync::Arc;

use monitor_core::{ApiKey, Name, Node, Peer, Workload};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

const MAX_NODES: usize = 20_000;
const MAX_OPS: usize = 50_000;
/// Not known, or beyond the table.
pub(super) const NONE: u32 = u32::MAX;

/// Something that is served or asked for at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Op {
    pub(super) node: u32,
    pub(super) name: Name,
    /// Of what is served.
    pub(super) api: Option<Arc<ApiKey>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    nodes: Vec<Node>,
    /// Of each node, its environment's number; `NONE` for those that are no workloads.
    homes: Vec<u32>,
    environments: Vec<Name>,
    ops: Vec<Op>,
    #[serde(skip)]
    node_ids: FxHashMap<Node, u32>,
    #[serde(skip)]
    workload_ids: FxHashMap<Workload, u32>,
    #[serde(skip)]
    served: FxHashMap<Arc<ApiKey>, u32>,
    #[serde(skip)]
    asked: FxHashMap<(u32, Name), u32>,
    /// Workloads by their service's name.
    #[serde(skip)]
    called: FxHashMap<Name, SmallVec<[u32; 2]>>,
}

impl Names {
    /// Builds what a snapshot does not hold.
    pub(super) fn reindex(&mut self) {
        for (id, node) in (0..).zip(&self.nodes) {
            match node {
                Node::Workload(workload) => {
                    self.workload_ids.insert(workload.clone(), id);
                    let known = self.called.entry(workload.service.name.clone());
                    known.or_default().push(id);
                }
                node => {
                    self.node_ids.insert(node.clone(), id);
                }
            }
        }
        for (id, op) in (0..).zip(&self.ops) {
            match &op.api {
                Some(api) => self.served.insert(Arc::clone(api), id),
                None => self.asked.insert((op.node, op.name.clone()), id),
            };
        }
    }

    pub(super) fn workload(&mut self, workload: &Workload) -> u32 {
        if let Some(id) = self.workload_ids.get(workload) {
            return *id;
        }
        let Some(id) = next(self.nodes.len(), MAX_NODES) else {
            return NONE;
        };
        let home = self.environment(&workload.environment);
        self.nodes.push(Node::Workload(workload.clone()));
        self.homes.push(home);
        self.workload_ids.insert(workload.clone(), id);
        let known = self.called.entry(workload.service.name.clone());
        known.or_default().push(id);
        id
    }

    fn environment(&mut self, name: &Name) -> u32 {
        let known = self.environments.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            self.environments.push(name.clone());
            self.environments.len() - 1
        });
        u32::try_from(place).unwrap_or(NONE)
    }

    pub(super) fn peer(&mut self, peer: &Peer) -> u32 {
        let node = match peer {
            Peer::Service(name) => Node::External(name.clone()),
            Peer::Database(name) => Node::Database(name.clone()),
            Peer::Queue(name) => Node::Queue(name.clone()),
        };
        if let Some(id) = self.node_ids.get(&node) {
            return *id;
        }
        let Some(id) = next(self.nodes.len(), MAX_NODES) else {
            return NONE;
        };
        self.nodes.push(node.clone());
        self.homes.push(NONE);
        self.node_ids.insert(node, id);
        id
    }

    /// What `api` is, or what `node` calls `operation`.
    pub(super) fn op(&mut self, node: u32, operation: &Name, api: Option<&Arc<ApiKey>>) -> u32 {
        let known = match api {
            Some(api) => self.served.get(api),
            None => self.asked.get(&(node, operation.clone())),
        };
        if let Some(id) = known {
            return *id;
        }
        let Some(id) = next(self.ops.len(), MAX_OPS) else {
            return NONE;
        };
        let name = match api {
            Some(api) => Name::from(api.operation()),
            None => operation.clone(),
        };
        match api {
            Some(api) => self.served.insert(Arc::clone(api), id),
            None => self.asked.insert((node, operation.clone()), id),
        };
        self.ops.push(Op {
            node,
            name,
            api: api.cloned(),
        });
        id
    }

    /// The workload that a peer's name means to `home`: the one whose service's name is its first
    /// label; of several, the one in the same environment; itself, when none is known.
    pub(super) fn resolve(&self, peer: u32, home: u32) -> u32 {
        let Some(Node::External(name)) = self.node(peer) else {
            return peer;
        };
        let label = name.split(['.', ':', '/']).next().unwrap_or(name);
        let Some(known) = self.called.get(label) else {
            return peer;
        };
        if let [only] = known.as_slice() {
            return *only;
        }
        let near = |node: &&u32| self.home(**node) == self.home(home);
        known.iter().find(near).copied().unwrap_or(peer)
    }

    pub(super) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn find(&self, op: u32) -> Option<&Op> {
        self.ops.get(op as usize)
    }

    /// The number of a node's environment.
    pub(super) fn home(&self, node: u32) -> u32 {
        self.homes.get(node as usize).copied().unwrap_or(NONE)
    }

    pub(super) fn environments(&self) -> &[Name] {
        &self.environments
    }
}

fn next(length: usize, most: usize) -> Option<u32> {
    (length < most)
        .then(|| u32::try_from(length).ok())
        .flatten()
}
