//! Where a fault must show and who is to blame, as follows from the topology.

use std::collections::BTreeSet;

use super::graph::{Graph, Node};
use super::kind::Fault;
use super::kind::needs::linked;
use crate::change::Target;
use crate::topology::Topology;
use crate::truth::Cause;

/// How far the signs of a fault reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Only what the service itself says is different.
    Itself,
    /// All that wait for it are slower or fail.
    Callers,
    /// Also, what they would have asked of others does not come, nor do the clients who give up.
    Both,
    /// Nobody waits for it; what it would have passed on does not come.
    Callees,
}

fn reach(fault: &Fault) -> Reach {
    match fault {
        Fault::ServiceSilent {}
        | Fault::ClockSkew { .. }
        | Fault::LogFlood { .. }
        | Fault::LogFormatChange { .. }
        | Fault::BenignDeployment { .. } => Reach::Itself,
        Fault::ConsumerStopped {} => Reach::Callees,
        // Work is refused or lost before it is done, or far more of it comes.
        Fault::ErrorBurst { .. }
        | Fault::DependencyDown {}
        | Fault::PoolExhaustion { .. }
        | Fault::CacheFailure { .. }
        | Fault::CacheStampede { .. }
        | Fault::BadDeployment { .. }
        | Fault::ConfigurationChange { .. }
        | Fault::TrafficSurge { .. }
        | Fault::TrafficDrop { .. }
        | Fault::MarketingPeak { .. }
        | Fault::Partition { .. }
        | Fault::DnsFailure { .. }
        | Fault::CertificateExpiry {}
        | Fault::RateLimiting { .. }
        | Fault::AuthenticationFailure { .. }
        | Fault::RetryStorm { .. }
        | Fault::MemoryLeak { .. } => Reach::Both,
        // It is slower, or too little is lost to be missed further down.
        Fault::Latency { .. }
        | Fault::SlowRamp { .. }
        | Fault::PartialFailure { .. }
        | Fault::DatabaseSlow { .. }
        | Fault::LockContention { .. }
        | Fault::CpuContention { .. }
        | Fault::LinkLatency { .. }
        | Fault::LinkLoss { .. }
        | Fault::PlannedBatch { .. } => Reach::Callers,
    }
}

/// Where a fault begins: those that wait for it, and those that get work through it.
#[derive(Default)]
struct Begin {
    up: BTreeSet<Node>,
    down: BTreeSet<Node>,
}

/// What clients would have asked for next, had they not met an error before.
fn given_up(topology: &Topology, stopped: &BTreeSet<Node>) -> BTreeSet<Node> {
    let entry = |request: &str| Node::new(&topology.entry, request);
    let mut never_asked = BTreeSet::new();
    for journey in &topology.journeys {
        let mut steps = journey.steps.iter().map(|step| entry(&step.request));
        if steps.any(|step| stopped.contains(&step)) {
            never_asked.extend(steps);
        }
    }
    never_asked
}

impl Fault {
    /// Services where it shows, by name, the cause among them.
    pub fn symptoms(&self, topology: &Topology, target: &Target) -> Vec<String> {
        let graph = Graph::new(topology);
        let Begin { up, down } = self.begin(topology, &graph, target);
        let nodes = match reach(self) {
            Reach::Itself => up,
            Reach::Callers => graph.with_callers(up),
            Reach::Callees => graph.with_callees(down),
            Reach::Both => {
                let mut stopped = graph.with_callers(up);
                stopped.extend(given_up(topology, &stopped));
                stopped.extend(down);
                graph.with_callees(stopped)
            }
        };
        let mut services = BTreeSet::new();
        if matches!(reach(self), Reach::Callees | Reach::Both) {
            services.extend(graph.brokers_of(&nodes));
        }
        services.extend(nodes.into_iter().map(|node| node.service));
        services.into_iter().collect()
    }

    fn begin(&self, topology: &Topology, graph: &Graph, target: &Target) -> Begin {
        let at = |nodes: BTreeSet<Node>| Begin {
            up: nodes.clone(),
            down: nodes,
        };
        match (self, &target.service) {
            (Fault::ConsumerStopped {}, Some(service)) => at(topology
                .services
                .get(service)
                .map(|spec| spec.consumes.keys())
                .into_iter()
                .flatten()
                .map(|queue| Node::new(service, queue))
                .collect()),
            (_, Some(service)) => at(graph.of(service, target.route.as_deref())),
            (
                Fault::LinkLatency { to, .. }
                | Fault::LinkLoss { to, .. }
                | Fault::Partition { to },
                None,
            ) => {
                // Who is called over the wire is neither slower nor fails; it is called less.
                let from = target.environment.as_deref().unwrap_or_default();
                let mut begin = Begin::default();
                for to in others(topology, from, to) {
                    for (caller, callee) in graph.crossing(topology, from, &to) {
                        begin.up.insert(caller);
                        begin.down.insert(callee);
                    }
                    for node in graph.crossing_messages(topology, from, &to) {
                        begin.up.insert(node.clone());
                        begin.down.insert(node);
                    }
                }
                begin
            }
            (Fault::PlannedBatch { .. }, None) => target
                .environment
                .as_ref()
                .and_then(|name| topology.environments.get(name)?.batch.as_ref())
                .map(|batch| at(graph.of(&batch.service, None)))
                .unwrap_or_default(),
            // Of the clients.
            (_, None) => at(graph.of(&topology.entry, None)),
        }
    }

    /// Who is to blame: the service; for a wire, either end; for the clients, the service that
    /// they call, because nothing behind it has changed.
    pub fn cause(&self, topology: &Topology, target: &Target) -> Cause {
        let of = |service: &str| Cause {
            service: Some(service.to_owned()),
            environment: topology
                .services
                .get(service)
                .map(|service| service.environment.clone()),
            also: Vec::new(),
        };
        if let Some(service) = &target.service {
            return of(service);
        }
        match self {
            Fault::LinkLatency { to, .. }
            | Fault::LinkLoss { to, .. }
            | Fault::Partition { to } => {
                let from = target.environment.as_deref().unwrap_or_default();
                Cause {
                    service: None,
                    environment: target.environment.clone(),
                    also: others(topology, from, to),
                }
            }
            Fault::PlannedBatch { .. } => target
                .environment
                .as_ref()
                .and_then(|name| topology.environments.get(name)?.batch.as_ref())
                .map(|batch| of(&batch.service))
                .unwrap_or_default(),
            _ => of(&topology.entry),
        }
    }
}

fn others(topology: &Topology, from: &str, to: &str) -> Vec<String> {
    if to.is_empty() {
        linked(topology, from)
    } else {
        vec![to.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn said(kind: &str, parameters: serde_json::Value, target: serde_json::Value) -> String {
        let shop = Topology::shop();
        let fault = Fault::read(kind, parameters).unwrap();
        let target: Target = serde_json::from_value(target).unwrap();
        let cause = serde_json::to_string(&fault.cause(&shop, &target)).unwrap();
        format!("{cause} at {}", fault.symptoms(&shop, &target).join(", "))
    }

    #[test]
    fn signs_reach_as_far_as_calls_do() {
        expect![[r#"{"service":"ledger","environment":"on-prem"} at checkout, edge, ledger, orders, payments, statements"#]].assert_eq(&said(
            "database-slow",
            json!({}),
            json!({"service": "ledger"}),
        ));
        expect![[r#"{"service":"orders","environment":"cloud-a"} at edge, orders"#]].assert_eq(
            &said(
                "partial-failure",
                json!({}),
                json!({"service": "orders", "route": "POST /orders/{id}/refund"}),
            ),
        );
        expect![[r#"{"service":"shipping","environment":"cloud-b"} at events, inventory, notifications, shipping"#]].assert_eq(&said(
            "consumer-stopped",
            json!({}),
            json!({"service": "shipping"}),
        ));
        expect![[r#"{"service":"cart","environment":"cloud-a"} at cart"#]].assert_eq(&said(
            "clock-skew",
            json!({}),
            json!({"service": "cart"}),
        ));
        expect![[r#"{"environment":"cloud-b","also":["on-prem"]} at shipping"#]].assert_eq(&said(
            "link-latency",
            json!({"to": "on-prem"}),
            json!({"environment": "cloud-b"}),
        ));
        expect![[r#"{"environment":"cloud-b","also":["cloud-a","on-prem"]} at cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, web"#]].assert_eq(&said(
            "partition",
            json!({}),
            json!({"environment": "cloud-b"}),
        ));
        expect![[r#"{"service":"ledger","environment":"on-prem"} at checkout, edge, ledger, orders, payments, statements"#]].assert_eq(&said(
            "planned-batch",
            json!({}),
            json!({"environment": "on-prem"}),
        ));
        expect![[r#"{"service":"edge","environment":"cloud-a"} at cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web"#]].assert_eq(&said("traffic-drop", json!({}), json!({})));
    }
}
