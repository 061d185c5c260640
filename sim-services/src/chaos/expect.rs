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
    /// Also, what it would have asked of others does not come.
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
        | Fault::PartialFailure { .. }
        | Fault::DependencyDown {}
        | Fault::PoolExhaustion { .. }
        | Fault::CacheFailure { .. }
        | Fault::CacheStampede { .. }
        | Fault::BadDeployment { .. }
        | Fault::ConfigurationChange { .. }
        | Fault::TrafficSurge { .. }
        | Fault::TrafficDrop { .. }
        | Fault::MarketingPeak { .. }
        | Fault::LinkLoss { .. }
        | Fault::Partition { .. }
        | Fault::DnsFailure { .. }
        | Fault::CertificateExpiry {}
        | Fault::RateLimiting { .. }
        | Fault::AuthenticationFailure { .. } => Reach::Both,
        Fault::Latency { .. }
        | Fault::SlowRamp { .. }
        | Fault::DatabaseSlow { .. }
        | Fault::LockContention { .. }
        | Fault::RetryStorm { .. }
        | Fault::CpuContention { .. }
        | Fault::MemoryLeak { .. }
        | Fault::LinkLatency { .. }
        | Fault::PlannedBatch { .. } => Reach::Callers,
    }
}

impl Fault {
    /// Services where it shows, by name, the cause among them.
    pub fn symptoms(&self, topology: &Topology, target: &Target) -> Vec<String> {
        let graph = Graph::new(topology);
        let start = self.begins_at(topology, &graph, target);
        let nodes = match reach(self) {
            Reach::Itself => start,
            Reach::Callers => graph.with_callers(start),
            Reach::Callees => graph.with_callees(start),
            Reach::Both => {
                let mut all = graph.with_callers(start.clone());
                all.extend(graph.with_callees(start));
                all
            }
        };
        let services: BTreeSet<String> = nodes.into_iter().map(|node| node.service).collect();
        services.into_iter().collect()
    }

    /// Routes and consumers that it touches itself.
    fn begins_at(&self, topology: &Topology, graph: &Graph, target: &Target) -> BTreeSet<Node> {
        let of = |service: &str| graph.of(service, target.route.as_deref());
        match (self, &target.service) {
            (Fault::ConsumerStopped {}, Some(service)) => topology
                .services
                .get(service)
                .map(|spec| spec.consumes.keys())
                .into_iter()
                .flatten()
                .map(|queue| Node::new(service, queue))
                .collect(),
            (_, Some(service)) => of(service),
            (
                Fault::LinkLatency { to, .. }
                | Fault::LinkLoss { to, .. }
                | Fault::Partition { to },
                None,
            ) => {
                let from = target.environment.as_deref().unwrap_or_default();
                others(topology, from, to)
                    .iter()
                    .flat_map(|to| graph.crossing(topology, from, to))
                    .flat_map(|(caller, callee)| [caller, callee])
                    .collect()
            }
            (Fault::PlannedBatch { .. }, None) => target
                .environment
                .as_ref()
                .and_then(|name| topology.environments.get(name)?.batch.as_ref())
                .map(|batch| graph.of(&batch.service, None))
                .unwrap_or_default(),
            // Of the clients.
            (_, None) => topology
                .services
                .get(&topology.entry)
                .map(|_| graph.of(&topology.entry, None))
                .unwrap_or_default(),
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
        expect![].assert_eq(&said(
            "database-slow",
            json!({}),
            json!({"service": "ledger"}),
        ));
        expect![].assert_eq(&said(
            "partial-failure",
            json!({}),
            json!({"service": "orders", "route": "POST /orders/{id}/refund"}),
        ));
        expect![].assert_eq(&said(
            "consumer-stopped",
            json!({}),
            json!({"service": "shipping"}),
        ));
        expect![].assert_eq(&said("clock-skew", json!({}), json!({"service": "cart"})));
        expect![].assert_eq(&said(
            "link-latency",
            json!({"to": "on-prem"}),
            json!({"environment": "cloud-b"}),
        ));
        expect![].assert_eq(&said(
            "partition",
            json!({}),
            json!({"environment": "cloud-b"}),
        ));
        expect![].assert_eq(&said(
            "planned-batch",
            json!({}),
            json!({"environment": "on-prem"}),
        ));
        expect![].assert_eq(&said("traffic-drop", json!({}), json!({})));
    }
}
