//! The graph of calls, minute by minute: what it was at 14:03.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use monitor_core::{EdgeSample, GraphMinute, GraphView, Hop, Name, Node, NodeView, SpanKind};
use serde::{Deserialize, Serialize};

use super::kinds::{is_retry, seconds};
use super::names::{NONE, Names};
use super::part::{Part, small};
use super::tree::Tree;

/// Minutes kept: three hours.
const KEPT: usize = 180;
/// Minutes that journeys are still added to.
const OPEN: usize = 3;
/// Edges of one minute.
const MAX_EDGES: usize = 8_192;
/// Versions and replicas told apart, of one workload.
const MAX_REPLICAS: usize = 256;
const MAX_VERSIONS: usize = 8;
/// A replica that was silent for so many minutes has gone.
const GONE: i64 = 5;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Life {
    /// When each was last heard.
    replicas: BTreeMap<u32, i64>,
    versions: BTreeMap<Name, i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Graph {
    closed: VecDeque<Arc<GraphMinute>>,
    open: BTreeMap<i64, BTreeMap<(u32, u32), EdgeSample>>,
    lives: BTreeMap<u32, Life>,
    newest: i64,
}

impl Graph {
    /// Who lives: told of every hop.
    pub(super) fn hear(&mut self, hop: &Hop, part: &Part) {
        if part.node == NONE {
            return;
        }
        let minute = part.end.div_euclid(60_000_000_000);
        self.newest = self.newest.max(minute);
        let life = self.lives.entry(part.node).or_default();
        let known = life.replicas.contains_key(&part.instance);
        if known || life.replicas.len() < MAX_REPLICAS {
            life.replicas.insert(part.instance, minute);
        } else {
            life.replicas.retain(|_, last| *last + GONE > minute);
        }
        if let Some(version) = &hop.version
            && life.versions.get(version) != Some(&minute)
        {
            if life.versions.len() >= MAX_VERSIONS {
                life.versions.retain(|_, last| *last + GONE > minute);
            }
            if life.versions.len() < MAX_VERSIONS || life.versions.contains_key(version) {
                life.versions.insert(version.clone(), minute);
            }
        }
    }

    /// All edges of a journey.
    pub(super) fn add(&mut self, tree: &Tree, names: &Names) {
        for (place, step) in tree.steps.iter().enumerate() {
            let part = &step.part;
            let above = step.parent.map(|parent| &tree.steps[parent].part);
            match (part.role, above) {
                (SpanKind::Client, _) => {
                    let served = tree.steps[place + 1..]
                        .iter()
                        .find(|below| below.parent == Some(place) && below.part.serves());
                    let callee = match served {
                        Some(below) => below.part.node,
                        None => names.resolve(part.peer, part.node),
                    };
                    let network = served.map(|below| part.length() - below.part.length());
                    self.edge(part.node, callee, part, network, is_retry(tree, place));
                }
                (SpanKind::Producer, _) => self.edge(part.node, part.peer, part, None, false),
                (SpanKind::Consumer, above) => {
                    let waited = above
                        .filter(|above| above.role == SpanKind::Producer)
                        .map(|above| part.start - above.start);
                    self.edge(part.peer, part.node, part, waited, false);
                }
                // Nobody told of the call itself.
                (SpanKind::Server, Some(above)) if above.serves() => {
                    self.edge(above.node, part.node, part, None, false);
                }
                _ => {}
            }
        }
    }

    fn edge(&mut self, caller: u32, callee: u32, part: &Part, network: Option<i64>, retry: bool) {
        if caller == NONE || callee == NONE || caller == callee {
            return;
        }
        let minute = part.end.div_euclid(60_000_000_000);
        let oldest = self.open.keys().next().copied();
        if oldest.is_some_and(|oldest| minute < oldest) && self.open.len() >= OPEN {
            return;
        }
        let edges = self.open.entry(minute).or_default();
        if edges.len() >= MAX_EDGES && !edges.contains_key(&(caller, callee)) {
            return;
        }
        let sample = edges.entry((caller, callee)).or_insert_with(|| EdgeSample {
            caller,
            callee,
            ..EdgeSample::default()
        });
        sample.calls += 1;
        sample.errors += u32::from(part.failed());
        sample.retries += u32::from(retry);
        let length = seconds(part.length());
        sample.seconds += length;
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
        let length = length as f32;
        sample.longest = sample.longest.max(length);
        if let Some(network) = network {
            sample.network_seconds += seconds(network);
            sample.paired += 1;
        }
        while self.open.len() > OPEN
            && let Some((minute, edges)) = self.open.pop_first()
        {
            if self.closed.len() >= KEPT {
                self.closed.pop_front();
            }
            self.closed.push_back(Arc::new(closed(minute, &edges)));
        }
    }

    pub(super) fn view(&self, names: &Names) -> GraphView {
        let open = self
            .open
            .iter()
            .map(|(minute, edges)| Arc::new(closed(*minute, edges)));
        GraphView {
            nodes: (0..)
                .zip(names.nodes())
                .map(|(id, node)| self.node(id, node))
                .collect(),
            minutes: self.closed.iter().cloned().chain(open).collect(),
        }
    }

    fn node(&self, id: u32, node: &Node) -> NodeView {
        let life = self.lives.get(&id);
        let lives = |last: &i64| *last + GONE > self.newest;
        let nameless = small("");
        NodeView {
            node: node.clone(),
            versions: life.map_or_else(Vec::new, |life| {
                let known = life.versions.iter().filter(|(_, last)| lives(last));
                known.map(|(version, _)| version.clone()).collect()
            }),
            replicas: life.map_or(0, |life| {
                let known = life
                    .replicas
                    .iter()
                    .filter(|(id, last)| **id != nameless && lives(last));
                u32::try_from(known.count()).unwrap_or(u32::MAX)
            }),
        }
    }
}

fn closed(minute: i64, edges: &BTreeMap<(u32, u32), EdgeSample>) -> GraphMinute {
    GraphMinute {
        minute,
        edges: edges.values().copied().collect(),
    }
}
