//! Who calls whom, route by route, as the topology says.
//!
//! Faults know by it where they must show: a slow route is felt by the routes that call it, not
//! by the whole service around them.

use std::collections::{BTreeMap, BTreeSet};

use crate::topology::{CachedSpec, CallSpec, Step, Topology};

/// A route of a service, or what a service does with a queue's messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) service: String,
    /// The queue's name for a consumer.
    pub(super) route: String,
}

impl Node {
    pub(super) fn new(service: &str, route: &str) -> Node {
        Node {
            service: service.to_owned(),
            route: route.to_owned(),
        }
    }
}

/// The calls and messages between routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    calls: BTreeMap<Node, BTreeSet<Node>>,
    /// From who publishes to who consumes: nobody waits, so trouble travels only this way.
    messages: BTreeMap<Node, BTreeSet<Node>>,
    /// Who publishes to a broker or takes from it, and the broker.
    brokers: BTreeSet<(Node, String)>,
    nodes: BTreeSet<Node>,
}

impl Graph {
    pub(super) fn new(topology: &Topology) -> Graph {
        let mut graph = Graph::default();
        for (service, spec) in &topology.services {
            for (route, spec) in &spec.routes {
                graph.add(topology, Node::new(service, route), &spec.steps);
            }
            for (queue, spec) in &spec.consumes {
                let node = Node::new(service, queue);
                if let Some(queue) = topology.queues.get(queue) {
                    graph.brokers.insert((node.clone(), queue.broker.clone()));
                }
                graph.add(topology, node, &spec.steps);
            }
        }
        graph
    }

    fn add(&mut self, topology: &Topology, node: Node, steps: &[Step]) {
        for call in calls(steps) {
            let callee = Node::new(&call.service, &call.route);
            self.calls.entry(node.clone()).or_default().insert(callee);
        }
        for queue in published(steps) {
            if let Some(queue) = topology.queues.get(queue) {
                self.brokers.insert((node.clone(), queue.broker.clone()));
            }
            for (consumer, spec) in &topology.services {
                if spec.consumes.contains_key(queue) {
                    let consumer = Node::new(consumer, queue);
                    self.messages
                        .entry(node.clone())
                        .or_default()
                        .insert(consumer);
                }
            }
        }
        self.nodes.insert(node);
    }

    /// Routes and consumers of a service; only that route when one is given.
    pub(super) fn of(&self, service: &str, route: Option<&str>) -> BTreeSet<Node> {
        self.nodes
            .iter()
            .filter(|node| node.service == service)
            .filter(|node| route.is_none_or(|route| node.route == route))
            .cloned()
            .collect()
    }

    /// These and all that wait for them, however far.
    pub(super) fn with_callers(&self, start: BTreeSet<Node>) -> BTreeSet<Node> {
        closure(start, |node, found| {
            self.calls
                .iter()
                .filter(|(_, callees)| callees.contains(node))
                .for_each(|(caller, _)| found.push(caller.clone()));
        })
    }

    /// These and all that get work from them, however far.
    pub(super) fn with_callees(&self, start: BTreeSet<Node>) -> BTreeSet<Node> {
        closure(start, |node, found| {
            found.extend(self.calls.get(node).into_iter().flatten().cloned());
            found.extend(self.messages.get(node).into_iter().flatten().cloned());
        })
    }

    /// Services that call this one themselves.
    pub(super) fn callers_of(&self, service: &str) -> BTreeSet<String> {
        self.calls
            .iter()
            .filter(|(_, callees)| callees.iter().any(|callee| callee.service == service))
            .map(|(caller, _)| caller.service.clone())
            .collect()
    }

    /// The brokers that these publish to or take from.
    pub(super) fn brokers_of(&self, nodes: &BTreeSet<Node>) -> BTreeSet<String> {
        self.brokers
            .iter()
            .filter(|(node, _)| nodes.contains(node))
            .map(|(_, broker)| broker.clone())
            .collect()
    }

    /// Who publishes or consumes over the link between the two environments.
    pub(super) fn crossing_messages(
        &self,
        topology: &Topology,
        one: &str,
        other: &str,
    ) -> Vec<Node> {
        let environment = |service: &str| topology.services[service].environment.as_str();
        self.brokers
            .iter()
            .filter(|(node, broker)| {
                let ends = (environment(&node.service), environment(broker));
                ends == (one, other) || ends == (other, one)
            })
            .map(|(node, _)| node.clone())
            .collect()
    }

    /// `(caller, callee)` of every call between the two environments.
    pub(super) fn crossing(
        &self,
        topology: &Topology,
        one: &str,
        other: &str,
    ) -> Vec<(Node, Node)> {
        let environment = |node: &Node| topology.services[&node.service].environment.as_str();
        let crosses = |a: &Node, b: &Node| {
            let ends = (environment(a), environment(b));
            ends == (one, other) || ends == (other, one)
        };
        self.calls
            .iter()
            .flat_map(|(caller, callees)| callees.iter().map(move |callee| (caller, callee)))
            .filter(|(caller, callee)| crosses(caller, callee))
            .map(|(caller, callee)| (caller.clone(), callee.clone()))
            .collect()
    }
}

fn closure(start: BTreeSet<Node>, next: impl Fn(&Node, &mut Vec<Node>)) -> BTreeSet<Node> {
    let mut all = start.clone();
    let mut open: Vec<Node> = start.into_iter().collect();
    while let Some(node) = open.pop() {
        let mut found = Vec::new();
        next(&node, &mut found);
        for node in found {
            if all.insert(node.clone()) {
                open.push(node);
            }
        }
    }
    all
}

/// All calls of some steps, also those within others.
pub(super) fn calls(steps: &[Step]) -> Vec<&CallSpec> {
    flat(steps)
        .into_iter()
        .filter_map(|step| match step {
            Step::Call(call) => Some(call),
            _ => None,
        })
        .collect()
}

/// All steps, also those within others.
pub(super) fn flat(steps: &[Step]) -> Vec<&Step> {
    let mut all = Vec::new();
    for step in steps {
        all.push(step);
        match step {
            Step::Parallel(inner) => all.extend(flat(inner)),
            Step::Cached(CachedSpec { miss, .. }) => all.extend(flat(miss)),
            Step::Work(_) | Step::Call(_) | Step::Query(_) | Step::Publish(_) => {}
        }
    }
    all
}

fn published(steps: &[Step]) -> Vec<&str> {
    flat(steps)
        .into_iter()
        .filter_map(|step| match step {
            Step::Publish(queue) => Some(queue.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(nodes: BTreeSet<Node>) -> Vec<String> {
        let mut names: Vec<String> = nodes.into_iter().map(|node| node.service).collect();
        names.dedup();
        names
    }

    #[test]
    fn trouble_goes_up_by_routes_and_work_goes_down() {
        let shop = Topology::shop();
        let graph = Graph::new(&shop);
        let up = |service, route| services(graph.with_callers(graph.of(service, route)));
        assert_eq!(
            up("ledger", None),
            [
                "checkout",
                "edge",
                "ledger",
                "orders",
                "payments",
                "statements"
            ]
        );
        // The balance is only asked for by the statements.
        assert_eq!(
            up("ledger", Some("bank.ledger.Ledger/Balance")),
            ["edge", "ledger", "statements"]
        );
        let down = services(graph.with_callees(graph.of("orders", Some("POST /orders"))));
        assert_eq!(down, ["inventory", "notifications", "orders", "shipping"]);
        // Nobody waits for a message to be read.
        assert_eq!(up("notifications", None), ["notifications"]);
    }

    #[test]
    fn calls_cross_a_link_in_both_directions() {
        let shop = Topology::shop();
        let crossing = Graph::new(&shop).crossing(&shop, "on-prem", "cloud-b");
        let pairs: Vec<_> = crossing
            .iter()
            .map(|(from, to)| (from.service.as_str(), to.service.as_str()))
            .collect();
        assert_eq!(pairs, [("shipping", "inventory")]);
    }
}
