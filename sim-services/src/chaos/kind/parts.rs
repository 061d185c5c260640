//! How a fault becomes changes, at any strength from nothing to full.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Fault, Shape};
use crate::change::{Change, Target};
use crate::chaos::graph::{Graph, calls, flat};
use crate::random::{Dist, length};
use crate::topology::{Step, Topology};

/// One change of a fault, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub target: Target,
    pub change: Change,
    /// How often it has come on before within the fault: what happens once happens again when
    /// this grows.
    pub again: u64,
}

impl Part {
    /// It tells of the fault or opens the way for it; what harms is another part.
    pub fn announces(&self) -> bool {
        matches!(
            self.change,
            Change::Version(_) | Change::ConfigReloaded { .. }
        )
    }
}

impl Fault {
    /// What is different on this target at `strength` (0 is nothing, 1 is all), when the fault
    /// has been on for so long. Always the same number of parts in the same order, except that
    /// there are none at 0. Factors grow from 1, ratios and lengths from 0; what has no degrees
    /// is on.
    ///
    /// The fault must fit the topology: names that are not there mean nothing.
    pub fn parts(
        &self,
        topology: &Topology,
        target: &Target,
        strength: f64,
        on_for: Duration,
    ) -> Vec<Part> {
        let strength = strength.min(1.0);
        if strength <= 0.0 {
            return Vec::new();
        }
        self.changes(topology, target, strength)
            .into_iter()
            .map(|(target, change)| Part {
                target,
                again: self.again(&change, on_for),
                change,
            })
            .collect()
    }

    fn again(&self, change: &Change, on_for: Duration) -> u64 {
        match (self, change) {
            (Fault::CacheStampede { every, .. }, Change::CacheFlush { .. }) => {
                let times = on_for.as_nanos() / every.as_nanos().max(1);
                u64::try_from(times).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }

    fn changes(&self, topology: &Topology, target: &Target, s: f64) -> Vec<(Target, Change)> {
        let here = |change: Change| vec![(target.clone(), change)];
        let factor = |full: f64| (1.0 - s) + full * s;
        let fail = |ratio: f64, status: u16, error: &str| Change::Fail {
            ratio: ratio * s,
            status,
            error: error.to_owned(),
        };
        match self {
            Fault::Latency { added, shape } => here(Change::Delay(shape.around(*added).times(s))),
            Fault::SlowRamp { added } => {
                here(Change::Delay(Shape::Constant.around(*added).times(s)))
            }
            Fault::ErrorBurst {
                ratio,
                status,
                error,
            }
            | Fault::PartialFailure {
                ratio,
                status,
                error,
            } => here(fail(*ratio, *status, error)),
            Fault::DependencyDown {} => here(Change::Down),
            Fault::DatabaseSlow { store, factor: n } => here(Change::StoreFactor {
                store: store.clone().unwrap_or_default(),
                factor: factor(*n),
            }),
            Fault::LockContention { store, held } => here(Change::StoreLock {
                store: store.clone().unwrap_or_default(),
                held: held.times(s),
            }),
            Fault::PoolExhaustion { store, left } => {
                let store = store.clone().unwrap_or_default();
                let left = connections(topology, target, &store, *left, s);
                here(Change::Connections { store, left })
            }
            Fault::RetryStorm { ratio, attempts } => {
                let mut all = here(fail(*ratio, 503, "ServiceUnavailable"));
                all.extend(retries(topology, target, *attempts));
                all
            }
            Fault::CacheFailure { cache } => here(Change::CacheOff {
                cache: cache.clone().unwrap_or_default(),
            }),
            Fault::CacheStampede {
                cache, factor: n, ..
            } => {
                let cache = cache.clone().unwrap_or_default();
                let stores = stores_behind(topology, target, &cache);
                let mut all = here(Change::CacheFlush { cache });
                all.extend(stores.into_iter().map(|store| {
                    let factor = factor(*n);
                    (target.clone(), Change::StoreFactor { store, factor })
                }));
                all
            }
            Fault::CpuContention { factor: n } => here(Change::WorkFactor(factor(*n))),
            Fault::MemoryLeak { mb_per_second } => here(Change::Leak {
                mb_per_second: mb_per_second * s,
            }),
            Fault::BadDeployment {
                version,
                added,
                ratio,
                error,
            } => {
                let new = Target {
                    version: version.clone(),
                    ..target.clone()
                };
                let delay = Change::Delay(Shape::Constant.around(*added).times(s));
                let mut all = here(Change::Version(version.clone().unwrap_or_default()));
                all.push((new.clone(), delay));
                all.push((new, fail(*ratio, 500, error)));
                all
            }
            Fault::ConfigurationChange {
                callee,
                timeout,
                workers,
            } => configuration(target, callee.as_deref(), *timeout, *workers),
            Fault::TrafficSurge { factor: n, clients }
            | Fault::TrafficDrop { factor: n, clients } => here(Change::Load {
                factor: factor(*n),
                clients: clients.clone(),
            }),
            Fault::ServiceSilent {} => here(Change::Mute),
            Fault::ConsumerStopped {} => here(Change::StopConsuming),
            Fault::LinkLatency {
                to,
                latency,
                jitter,
            } => here(link(to, latency.mul_f64(s), jitter.mul_f64(s), 0.0, false)),
            Fault::LinkLoss { to, loss } => {
                here(link(to, Duration::ZERO, Duration::ZERO, loss * s, false))
            }
            Fault::Partition { to } => here(link(to, Duration::ZERO, Duration::ZERO, 0.0, true)),
            Fault::DnsFailure { ratio } => here(Change::DnsFailure { ratio: ratio * s }),
            Fault::CertificateExpiry {} => here(Change::CertificateExpired),
            Fault::ClockSkew { millis } => {
                let millis = (*millis as f64 * s) as i64;
                here(Change::ClockSkew { millis })
            }
            Fault::RateLimiting { ratio } => here(fail(*ratio, 429, "TooManyRequests")),
            Fault::AuthenticationFailure { ratio, status } => {
                here(fail(*ratio, *status, "InvalidToken"))
            }
            Fault::LogFlood { lines_per_second } => here(Change::LogFlood {
                lines_per_second: lines_per_second * s,
            }),
            Fault::LogFormatChange { dialect } => dialect
                .map(|dialect| here(Change::LogDialect(dialect)))
                .unwrap_or_default(),
            Fault::BenignDeployment { version } => {
                here(Change::Version(version.clone().unwrap_or_default()))
            }
            Fault::PlannedBatch {
                factor: n,
                lines_per_second,
            } => batch(topology, target, factor(*n), lines_per_second * s),
            Fault::MarketingPeak { factor: n } => here(Change::Load {
                factor: factor(*n),
                clients: String::new(),
            }),
        }
    }
}

impl Shape {
    /// The distribution of this shape with this mean.
    pub fn around(self, mean: Duration) -> Dist {
        match self {
            Shape::Constant => Dist::Constant { constant: mean },
            Shape::Jitter => Dist::Uniform {
                from: Duration::ZERO,
                to: mean * 2,
            },
            // Pareto's mean is `scale · shape/(shape − 1)`.
            Shape::HeavyTail => Dist::Pareto {
                scale: mean / 3,
                shape: 1.5,
            },
        }
    }
}

fn link(to: &str, latency: Duration, jitter: Duration, loss: f64, partition: bool) -> Change {
    Change::Link {
        to: to.to_owned(),
        latency,
        jitter,
        loss,
        partition,
        megabits_per_second: None,
    }
}

/// The pool shrinks from its full size to `left`.
fn connections(topology: &Topology, target: &Target, store: &str, left: u32, s: f64) -> u32 {
    let full = target
        .service
        .as_ref()
        .and_then(|service| topology.services.get(service)?.stores.get(store))
        .map_or(left, |store| store.connections);
    let gone = f64::from(full.saturating_sub(left)) * s;
    let gone = gone.round() as u32;
    full.saturating_sub(gone)
}

fn retries(topology: &Topology, target: &Target, attempts: u32) -> Vec<(Target, Change)> {
    let Some(callee) = &target.service else {
        return Vec::new();
    };
    Graph::new(topology)
        .callers_of(callee)
        .into_iter()
        .map(|caller| {
            let caller = Target {
                service: Some(caller),
                ..Target::default()
            };
            let change = Change::Retries {
                callee: callee.clone(),
                attempts,
                backoff: Duration::ZERO,
            };
            (caller, change)
        })
        .collect()
}

/// Stores that are asked when the cache does not know.
fn stores_behind(topology: &Topology, target: &Target, cache: &str) -> BTreeSet<String> {
    let Some(service) = target
        .service
        .as_ref()
        .and_then(|service| topology.services.get(service))
    else {
        return BTreeSet::new();
    };
    service
        .routes
        .values()
        .flat_map(|route| flat(&route.steps))
        .filter_map(|step| match step {
            Step::Cached(cached) if cached.cache == cache => Some(flat(&cached.miss)),
            _ => None,
        })
        .flatten()
        .filter_map(|step| match step {
            Step::Query(query) => Some(query.store.clone()),
            _ => None,
        })
        .collect()
}

fn configuration(
    target: &Target,
    callee: Option<&str>,
    timeout: Option<Duration>,
    workers: Option<u32>,
) -> Vec<(Target, Change)> {
    let mut all = Vec::new();
    let mut change = |key: String, value: String, change: Change| {
        all.push((target.clone(), Change::ConfigReloaded { key, value }));
        all.push((target.clone(), change));
    };
    if let Some(timeout) = timeout {
        let callee = callee.unwrap_or_default().to_owned();
        let key = if callee.is_empty() {
            "client.timeout".to_owned()
        } else {
            format!("client.{callee}.timeout")
        };
        change(
            key,
            length::write(timeout),
            Change::CallTimeout { callee, timeout },
        );
    }
    if let Some(workers) = workers {
        change(
            "server.workers".into(),
            workers.to_string(),
            Change::Workers(workers),
        );
    }
    all
}

fn batch(
    topology: &Topology,
    target: &Target,
    factor: f64,
    lines_per_second: f64,
) -> Vec<(Target, Change)> {
    let Some(batch) = target
        .environment
        .as_ref()
        .and_then(|environment| topology.environments.get(environment)?.batch.as_ref())
    else {
        return Vec::new();
    };
    let service = Target {
        service: Some(batch.service.clone()),
        ..target.clone()
    };
    let store = batch.store.clone();
    vec![
        (service.clone(), Change::StoreFactor { store, factor }),
        (service, Change::LogFlood { lines_per_second }),
    ]
}

/// Services that this one calls itself.
pub(in crate::chaos) fn callees(topology: &Topology, service: &str) -> BTreeSet<String> {
    let Some(service) = topology.services.get(service) else {
        return BTreeSet::new();
    };
    let routes = service.routes.values().map(|route| &route.steps);
    let consumers = service.consumes.values().map(|consumer| &consumer.steps);
    routes
        .chain(consumers)
        .flat_map(|steps| calls(steps))
        .map(|call| call.service.clone())
        .collect()
}
