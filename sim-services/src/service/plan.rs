//! A service's routes and steps with everything looked up once, so that a request need not.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, header::HeaderValue};

use super::body;
use super::family::Family;
use super::talk::{self, Talk};
use super::template::{Pattern, Template};
use crate::random::Dist;
use crate::topology::{
    BreakerSpec, CacheSpec, CallSpec, Propagation, Protocol, ServiceSpec, Step, StoreSpec, Topology,
};

#[derive(Debug)]
pub(super) struct Plan {
    /// Clients call it: it makes ids, and passes answers on as they are.
    pub(super) entry: bool,
    pub(super) grpc: bool,
    pub(super) family: Family,
    pub(super) propagates: Propagation,
    pub(super) exports_spans: bool,
    pub(super) user_agent: HeaderValue,
    pub(super) workers: u32,
    pub(super) backlog: u32,
    pub(super) memory_mb: u64,
    pub(super) enforces_quota: bool,
    /// Values that an id can have.
    pub(super) ids: u64,
    pub(super) callees: Vec<Callee>,
    pub(super) stores: Vec<(String, StoreSpec)>,
    pub(super) caches: Vec<(String, CacheSpec)>,
    pub(super) routes: Vec<RoutePlan>,
    pub(super) consumers: BTreeMap<String, Job>,
    /// All that it asks its stores.
    pub(super) queries: Vec<QueryPlan>,
}

#[derive(Debug)]
pub(super) struct Callee {
    pub(super) name: String,
    /// The first one that a call to it mentions.
    pub(super) breaker: Option<BreakerSpec>,
}

/// What is to be done for a request or a message.
#[derive(Debug)]
pub(super) struct Job {
    /// As a change's target names it: `GET /products/{id}`, `shop.catalog.Catalog/GetProduct`, or
    /// a queue.
    pub(super) name: String,
    pub(super) acts: Vec<Act>,
    pub(super) error_ratio: f64,
    pub(super) talk: &'static Talk,
}

#[derive(Debug)]
pub(super) struct RoutePlan {
    pub(super) job: Job,
    pub(super) method: Method,
    /// `/products/{id}`, or `shop.catalog.Catalog/GetProduct`.
    pub(super) shown: String,
    pub(super) rpc: Option<Rpc>,
    pattern: Pattern,
    /// Of a good answer.
    pub(super) body: Bytes,
}

#[derive(Clone, Debug)]
pub(super) struct Rpc {
    pub(super) service: String,
    pub(super) method: String,
}

#[derive(Debug)]
pub(super) enum Act {
    Work(Dist),
    Call(CallPlan),
    Parallel(Vec<Act>),
    Cached {
        cache: usize,
        key: Template,
        miss: Vec<Act>,
    },
    Query(QueryPlan),
    Publish {
        queue: String,
        broker: usize,
        path: String,
    },
}

#[derive(Debug)]
pub(super) struct CallPlan {
    pub(super) callee: usize,
    pub(super) method: Method,
    pub(super) path: Template,
    /// `/products/{id}`, or `shop.catalog.Catalog/GetProduct`.
    pub(super) shown: String,
    pub(super) rpc: Option<Rpc>,
    pub(super) scheme: &'static str,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    pub(super) backoff: Option<Duration>,
    pub(super) breaker: bool,
    pub(super) optional: bool,
}

#[derive(Clone, Debug)]
pub(super) struct QueryPlan {
    pub(super) store: usize,
    pub(super) statement: String,
    pub(super) takes: Dist,
    pub(super) locks: Option<Template>,
}

impl Plan {
    /// # Panics
    ///
    /// When the topology has no such service.
    pub(super) fn of(topology: &Topology, service: &str) -> Plan {
        let spec = &topology.services[service];
        let mut lookup = Lookup::new(topology, spec);
        let entry = topology.entry == service;
        let routes = spec.routes.iter().map(|(name, route)| {
            let acts = lookup.acts(&route.steps);
            let (method, shown, rpc) = parts(name, spec.protocol);
            let pattern = match &rpc {
                Some(_) => Pattern::parse(&format!("/{shown}")),
                None => Pattern::parse(&shown),
            };
            RoutePlan {
                job: Job {
                    name: name.clone(),
                    acts,
                    error_ratio: route.error_ratio,
                    talk: if entry {
                        talk::quiet()
                    } else {
                        talk::of(service, name)
                    },
                },
                body: body::answer(route.bytes, rpc.is_some()),
                method,
                shown,
                rpc,
                pattern,
            }
        });
        let mut routes: Vec<RoutePlan> = routes.collect();
        // `/products/top` before `/products/{id}`.
        routes.sort_by_key(|route| route.pattern.parameters());
        let consumers = spec.consumes.iter().map(|(queue, consumer)| {
            let job = Job {
                name: queue.clone(),
                acts: lookup.acts(&consumer.steps),
                error_ratio: 0.0,
                talk: talk::of(service, queue),
            };
            (queue.clone(), job)
        });
        let consumers = consumers.collect();
        let family = Family::of(spec.log.dialect);
        Plan {
            entry,
            grpc: spec.protocol == Protocol::Grpc,
            family,
            propagates: spec.tracing.propagates,
            exports_spans: spec.tracing.exports_spans,
            user_agent: HeaderValue::from_static(family.user_agent(spec.protocol)),
            workers: spec.workers,
            backlog: spec.backlog,
            memory_mb: spec.memory_mb,
            enforces_quota: spec.enforces_quota,
            ids: topology.load.ids,
            callees: lookup.callees,
            stores: lookup.stores,
            caches: lookup.caches,
            routes,
            consumers,
            queries: lookup.queries,
        }
    }

    /// The route that a request means, with the value of its first parameter.
    pub(super) fn route<'p, 'r>(
        &'p self,
        method: &Method,
        path: &'r str,
    ) -> Option<(&'p RoutePlan, Option<&'r str>)> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        self.routes
            .iter()
            .filter(|route| route.method == *method)
            .find_map(|route| Some((route, route.pattern.matches(path)?)))
    }

    pub(super) fn store(&self, name: &str) -> Option<usize> {
        self.stores.iter().position(|(known, _)| known == name)
    }

    pub(super) fn cache(&self, name: &str) -> Option<usize> {
        self.caches.iter().position(|(known, _)| known == name)
    }

    pub(super) fn callee(&self, name: &str) -> Option<usize> {
        self.callees.iter().position(|callee| callee.name == name)
    }
}

/// Names become places in lists. The topology was checked, so they are all there.
struct Lookup<'a> {
    topology: &'a Topology,
    callees: Vec<Callee>,
    stores: Vec<(String, StoreSpec)>,
    caches: Vec<(String, CacheSpec)>,
    queries: Vec<QueryPlan>,
}

impl<'a> Lookup<'a> {
    fn new(topology: &'a Topology, spec: &ServiceSpec) -> Lookup<'a> {
        Lookup {
            topology,
            callees: Vec::new(),
            stores: spec.stores.clone().into_iter().collect(),
            caches: spec.caches.clone().into_iter().collect(),
            queries: Vec::new(),
        }
    }

    fn acts(&mut self, steps: &[Step]) -> Vec<Act> {
        steps.iter().map(|step| self.act(step)).collect()
    }

    fn act(&mut self, step: &Step) -> Act {
        match step {
            Step::Work(takes) => Act::Work(*takes),
            Step::Call(call) => Act::Call(self.call(call)),
            Step::Parallel(steps) => Act::Parallel(self.acts(steps)),
            Step::Cached(cached) => Act::Cached {
                cache: place(&self.caches, &cached.cache),
                key: Template::parse(&cached.key),
                miss: self.acts(&cached.miss),
            },
            Step::Query(query) => {
                let query = QueryPlan {
                    store: place(&self.stores, &query.store),
                    statement: query.statement.clone(),
                    takes: query.takes,
                    locks: query.locks.as_deref().map(Template::parse),
                };
                self.queries.push(query.clone());
                Act::Query(query)
            }
            Step::Publish(queue) => {
                let broker = self.topology.queues[queue].broker.clone();
                Act::Publish {
                    queue: queue.clone(),
                    broker: self.callee(&broker, None),
                    path: format!("/queues/{queue}/messages"),
                }
            }
        }
    }

    fn call(&mut self, call: &CallSpec) -> CallPlan {
        let callee = &self.topology.services[&call.service];
        let (method, shown, rpc) = parts(&call.route, callee.protocol);
        let path = match &rpc {
            Some(_) => Template::parse(&format!("/{shown}")),
            None => Template::parse(&shown),
        };
        CallPlan {
            callee: self.callee(&call.service, call.breaker.as_ref()),
            method,
            path,
            shown,
            rpc,
            scheme: if callee.tls { "https" } else { "http" },
            timeout: call.timeout,
            attempts: call.attempts,
            backoff: call.backoff,
            breaker: call.breaker.is_some(),
            optional: call.optional,
        }
    }

    fn callee(&mut self, name: &str, breaker: Option<&BreakerSpec>) -> usize {
        let known = self.callees.iter().position(|callee| callee.name == name);
        let place = known.unwrap_or_else(|| {
            self.callees.push(Callee {
                name: name.to_owned(),
                breaker: None,
            });
            self.callees.len() - 1
        });
        let callee = &mut self.callees[place];
        if callee.breaker.is_none() {
            callee.breaker = breaker.cloned();
        }
        place
    }
}

fn place<T>(all: &[(String, T)], name: &str) -> usize {
    all.iter()
        .position(|(known, _)| known == name)
        .expect("a topology is checked when it is read")
}

/// Method, what is shown, and the halves of a gRPC route.
fn parts(route: &str, protocol: Protocol) -> (Method, String, Option<Rpc>) {
    if protocol == Protocol::Grpc {
        let (service, method) = route.split_once('/').unwrap_or((route, ""));
        let rpc = Rpc {
            service: service.to_owned(),
            method: method.to_owned(),
        };
        return (Method::POST, route.to_owned(), Some(rpc));
    }
    let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    (method, path.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_shop_can_be_planned_and_finds_its_routes() {
        let shop = Topology::shop();
        for (name, spec) in &shop.services {
            let plan = Plan::of(&shop, name);
            for route in spec.routes.keys() {
                let (method, shown, rpc) = parts(route, spec.protocol);
                let asked = Template::parse(&shown).fill("4711");
                let path = if rpc.is_some() {
                    format!("/{asked}")
                } else {
                    format!("{asked}?page=2")
                };
                let (found, id) = plan.route(&method, &path).unwrap();
                assert_eq!(found.job.name, *route);
                assert_eq!(id.is_some(), shown.contains("{id}"), "{route}");
            }
            assert!(plan.route(&Method::GET, "/nothing/of/the/kind").is_none());
        }
    }
}
