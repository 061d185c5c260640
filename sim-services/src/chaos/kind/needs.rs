//! What a fault needs of its target, and who has it.

use std::collections::BTreeSet;

use super::Fault;
use super::parts::callees;
use crate::change::Target;
use crate::chaos::estimate::Estimate;
use crate::chaos::graph::{Graph, flat};
use crate::topology::{ServiceSpec, Step, Topology};

/// Something that not every place of a platform has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A service that answers requests.
    Requests,
    /// The same, and one route, replica, client or tenant of it.
    Part,
    /// A service that others call.
    Callers,
    /// A service that calls others.
    Calls,
    /// A service with work of its own.
    Work,
    Store,
    /// A store some of whose statements lock.
    LockingStore,
    Cache,
    Tls,
    /// A service that takes messages from a queue.
    Consumer,
    /// Any service that does something, and so has something to say.
    Voice,
    /// An environment with a link that calls go over.
    Link,
    /// An environment with a batch.
    Batch,
    /// No service at all: the change is with the clients.
    Clients,
}

impl Need {
    /// For people: `a service with a store`.
    pub fn says(self) -> &'static str {
        match self {
            Need::Requests => "a service that answers requests",
            Need::Part => "a service and one `route`, `replica`, `client` or `tenant` of it",
            Need::Callers => "a service that others call",
            Need::Calls => "a service that calls others",
            Need::Work => "a service with `work` steps",
            Need::Store => "a service with a store",
            Need::LockingStore => "a service with a store some of whose statements lock",
            Need::Cache => "a service with a cache",
            Need::Tls => "a service with `tls: true`",
            Need::Consumer => "a service that consumes a queue",
            Need::Voice => "a service",
            Need::Link => "an environment with a link that calls go over",
            Need::Batch => "an environment with a batch",
            Need::Clients => "no target: the clients are everywhere",
        }
    }

    /// Whether the target is an environment, and no service of it.
    pub fn is_environment(self) -> bool {
        matches!(self, Need::Link | Need::Batch)
    }

    fn met_by(self, topology: &Topology, name: &str, service: &ServiceSpec) -> bool {
        let requests = !service.routes.is_empty();
        match self {
            Need::Requests | Need::Part => requests,
            Need::Callers => requests && !Graph::new(topology).callers_of(name).is_empty(),
            Need::Calls => requests && !callees(topology, name).is_empty(),
            Need::Work => service
                .routes
                .values()
                .flat_map(|route| flat(&route.steps))
                .any(|step| matches!(step, Step::Work(_))),
            Need::Store => !service.stores.is_empty(),
            Need::LockingStore => !locking_stores(service).is_empty(),
            Need::Cache => !service.caches.is_empty(),
            Need::Tls => requests && service.tls,
            Need::Consumer => !service.consumes.is_empty(),
            Need::Voice => requests || !service.consumes.is_empty(),
            Need::Link | Need::Batch | Need::Clients => false,
        }
    }
}

/// Stores some of whose statements lock.
pub(in crate::chaos) fn locking_stores(service: &ServiceSpec) -> BTreeSet<String> {
    let routes = service.routes.values().map(|route| &route.steps);
    let consumers = service.consumes.values().map(|consumer| &consumer.steps);
    routes
        .chain(consumers)
        .flat_map(|steps| flat(steps))
        .filter_map(|step| match step {
            Step::Query(query) if query.locks.is_some() => Some(query.store.clone()),
            _ => None,
        })
        .collect()
}

impl Fault {
    pub fn need(&self) -> Need {
        match self {
            Fault::Latency { .. }
            | Fault::SlowRamp { .. }
            | Fault::ErrorBurst { .. }
            | Fault::MemoryLeak { .. }
            | Fault::BadDeployment { .. }
            | Fault::RateLimiting { .. }
            | Fault::AuthenticationFailure { .. }
            | Fault::BenignDeployment { .. } => Need::Requests,
            Fault::CpuContention { .. } => Need::Work,
            Fault::PartialFailure { .. } => Need::Part,
            Fault::DependencyDown {} | Fault::RetryStorm { .. } | Fault::DnsFailure { .. } => {
                Need::Callers
            }
            Fault::ConfigurationChange { workers: None, .. } => Need::Calls,
            Fault::ConfigurationChange { .. } => Need::Requests,
            Fault::DatabaseSlow { .. } | Fault::PoolExhaustion { .. } => Need::Store,
            Fault::LockContention { .. } => Need::LockingStore,
            Fault::CacheFailure { .. } | Fault::CacheStampede { .. } => Need::Cache,
            Fault::CertificateExpiry {} => Need::Tls,
            Fault::ConsumerStopped {} => Need::Consumer,
            Fault::ServiceSilent {}
            | Fault::ClockSkew { .. }
            | Fault::LogFlood { .. }
            | Fault::LogFormatChange { .. } => Need::Voice,
            Fault::LinkLatency { .. } | Fault::LinkLoss { .. } | Fault::Partition { .. } => {
                Need::Link
            }
            Fault::PlannedBatch { .. } => Need::Batch,
            Fault::TrafficSurge { .. }
            | Fault::TrafficDrop { .. }
            | Fault::MarketingPeak { .. } => Need::Clients,
        }
    }

    /// Where it can happen. Of tenants and clients only those with a share of the traffic at the
    /// service that can be noticed.
    pub fn eligible(&self, topology: &Topology) -> Vec<Target> {
        let need = self.need();
        let services = topology
            .services
            .iter()
            .filter(|(name, service)| need.met_by(topology, name, service));
        let environment = |name: &String| Target {
            environment: Some(name.clone()),
            ..Target::default()
        };
        match need {
            Need::Part => services
                .flat_map(|(name, service)| parts(topology, name, service))
                .collect(),
            Need::Link => topology
                .environments
                .keys()
                .filter(|name| !linked(topology, name).is_empty())
                .map(environment)
                .collect(),
            Need::Batch => topology
                .environments
                .iter()
                .filter(|(_, spec)| spec.batch.is_some())
                .map(|(name, _)| environment(name))
                .collect(),
            Need::Clients => vec![Target::default()],
            _ => services.map(|(name, _)| of(name)).collect(),
        }
    }
}

fn of(service: &str) -> Target {
    Target {
        service: Some(service.to_owned()),
        ..Target::default()
    }
}

/// Other ends of an environment's links that calls go over.
pub(in crate::chaos) fn linked(topology: &Topology, environment: &str) -> Vec<String> {
    let graph = Graph::new(topology);
    topology
        .environments
        .keys()
        .filter(|other| *other != environment)
        .filter(|other| !graph.crossing(topology, environment, other).is_empty())
        .cloned()
        .collect()
}

/// One route of several, one replica of several, tenants and clients.
fn parts(topology: &Topology, name: &str, service: &ServiceSpec) -> Vec<Target> {
    /// Requests a second; fewer would show nothing within a minute.
    const ENOUGH: f64 = 0.25;
    /// Of the requests at the service; smaller shares would not be seen.
    const SHARE: f64 = 0.02;
    let mut all = Vec::new();
    if service.routes.len() > 1 {
        all.extend(service.routes.keys().map(|route| Target {
            route: Some(route.clone()),
            ..of(name)
        }));
    }
    if service.replicas > 1 {
        all.extend((0..service.replicas).map(|replica| Target {
            replica: Some(replica),
            ..of(name)
        }));
    }
    let rate = Estimate::new(topology).service_rate(name);
    for class in &topology.clients {
        let of_class = Estimate::of_class(topology, class).service_rate(name);
        let matters = |share: f64| share >= ENOUGH && share >= SHARE * rate;
        if matters(of_class / class.tenants.len() as f64) && class.tenants.len() > 1 {
            all.extend(class.tenants.iter().map(|tenant| Target {
                tenant: Some(tenant.clone()),
                ..of(name)
            }));
        }
        // Clients are numbered from 0: `partners-2`.
        if matters(of_class / f64::from(class.count)) {
            all.extend((0..class.count).map(|number| Target {
                client: Some(format!("{}-{number}", class.name)),
                ..of(name)
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_has_a_place_in_the_shop() {
        let shop = Topology::shop();
        let mut table = String::new();
        for kind in Fault::KINDS {
            let fault = Fault::read(kind, json!({})).unwrap();
            let targets = fault.eligible(&shop);
            assert!(!targets.is_empty(), "{kind}");
            let mut names: Vec<String> = targets
                .iter()
                .map(|target| target.service.clone().unwrap_or(target.to_string()))
                .collect();
            names.dedup();
            let (need, count) = (fault.need().says(), names.len());
            let names = if count > 6 {
                format!("{count} of them")
            } else {
                names.join(", ")
            };
            table.push_str(&format!("{kind}: {need}: {names}\n"));
        }
        expect_test::expect![[r#"
            latency: a service that answers requests: 14 of them
            slow-ramp: a service that answers requests: 14 of them
            error-burst: a service that answers requests: 14 of them
            partial-failure: a service and one `route`, `replica`, `client` or `tenant` of it: 13 of them
            dependency-down: a service that others call: 12 of them
            database-slow: a service with a store: 8 of them
            lock-contention: a service with a store some of whose statements lock: inventory, ledger
            pool-exhaustion: a service with a store: 8 of them
            retry-storm: a service that others call: 12 of them
            cache-failure: a service with a cache: catalog, recommendations, web
            cache-stampede: a service with a cache: catalog, recommendations, web
            cpu-contention: a service with `work` steps: 12 of them
            memory-leak: a service that answers requests: 14 of them
            bad-deployment: a service that answers requests: 14 of them
            configuration-change: a service that calls others: 11 of them
            traffic-surge: no target: the clients are everywhere: everything
            traffic-drop: no target: the clients are everywhere: everything
            service-silent: a service: 15 of them
            consumer-stopped: a service that consumes a queue: notifications, shipping
            link-latency: an environment with a link that calls go over: cloud-a, cloud-b, on-prem
            link-loss: an environment with a link that calls go over: cloud-a, cloud-b, on-prem
            partition: an environment with a link that calls go over: cloud-a, cloud-b, on-prem
            dns-failure: a service that others call: 12 of them
            certificate-expiry: a service with `tls: true`: payments
            clock-skew: a service: 15 of them
            rate-limiting: a service that answers requests: 14 of them
            authentication-failure: a service that answers requests: 14 of them
            log-flood: a service: 15 of them
            log-format-change: a service: 15 of them
            benign-deployment: a service that answers requests: 14 of them
            planned-batch: an environment with a batch: on-prem
            marketing-peak: no target: the clients are everywhere: everything
        "#]].assert_eq(&table);
    }
}
