//! How strong a fault must be to matter at its target, and not always the same.

use std::time::Duration;

use crate::change::Target;
use crate::chaos::estimate::{Estimate, mean_of_dist, round_trip};
use crate::chaos::graph::{Graph, Node, calls, flat};
use crate::chaos::kind::needs::linked;
use crate::chaos::kind::{Fault, Shape};
use crate::random::{Dice, Dist};
use crate::topology::{Dialect, QuerySpec, ServiceSpec, Step, Topology};

pub(super) struct Intensity<'a> {
    pub(super) topology: &'a Topology,
    pub(super) estimate: &'a Estimate,
    pub(super) target: &'a Target,
    pub(super) duration: Duration,
    pub(super) dice: &'a mut Dice,
}

impl Intensity<'_> {
    /// The same kind, its usual parameters replaced by drawn ones.
    pub(super) fn of(&mut self, usual: Fault) -> Fault {
        match usual {
            Fault::Latency { .. } => Fault::Latency {
                added: self.added(),
                shape: [Shape::Constant, Shape::Jitter, Shape::HeavyTail]
                    [self.dice.pick(&[1.0; 3])],
            },
            // At the objective of four times the mean between a half and four fifths of the way.
            Fault::SlowRamp { .. } => Fault::SlowRamp {
                added: millis(self.mean().mul_f64(3.0 / self.draw(0.5, 0.8))),
            },
            Fault::ErrorBurst { error, .. } => Fault::ErrorBurst {
                ratio: self.share(0.2, 0.8),
                status: [500, 502, 503][self.dice.pick(&[2.0, 1.0, 1.0])],
                error,
            },
            Fault::PartialFailure { status, error, .. } => Fault::PartialFailure {
                ratio: self.share(0.6, 1.0),
                status,
                error,
            },
            Fault::DatabaseSlow { .. } => Fault::DatabaseSlow {
                store: self.store(|_| true),
                factor: self.factor_of(|step| match step {
                    Step::Query(query) => Some(&query.takes),
                    _ => None,
                }),
            },
            Fault::LockContention { .. } => Fault::LockContention {
                store: self.store(|query| query.locks.is_some()),
                held: Dist::Exponential {
                    mean: millis(Duration::from_secs_f64(self.draw(0.1, 0.3))),
                },
            },
            Fault::PoolExhaustion { left, .. } => Fault::PoolExhaustion {
                store: self.store(|_| true),
                left,
            },
            Fault::RetryStorm { .. } => Fault::RetryStorm {
                ratio: self.share(0.4, 0.7),
                attempts: u32::try_from(self.dice.between(5, 9)).unwrap_or(5),
            },
            Fault::CacheFailure { .. } => Fault::CacheFailure {
                cache: self.cache(),
            },
            Fault::CacheStampede { .. } => Fault::CacheStampede {
                cache: self.cache(),
                every: Duration::from_secs(self.dice.between(3, 9)),
                factor: tenths(self.draw(3.0, 8.0)),
            },
            Fault::CpuContention { .. } => Fault::CpuContention {
                factor: self.factor_of(|step| match step {
                    Step::Work(dist) => Some(dist),
                    _ => None,
                }),
            },
            Fault::MemoryLeak { .. } => {
                let memory = self
                    .service()
                    .map_or(512.0, |service| service.memory_mb as f64);
                let until = self.duration.as_secs_f64() * self.draw(0.6, 0.85);
                Fault::MemoryLeak {
                    mb_per_second: tenths(memory / until),
                }
            }
            Fault::BadDeployment { version, error, .. } => Fault::BadDeployment {
                version,
                added: self.added(),
                ratio: self.share(0.05, 0.3),
                error,
            },
            Fault::ConfigurationChange { .. } => self.configuration(),
            Fault::TrafficSurge { clients, .. } => Fault::TrafficSurge {
                factor: tenths(self.draw(4.0, 8.0)),
                clients,
            },
            Fault::TrafficDrop { clients, .. } => Fault::TrafficDrop {
                factor: self.share(0.1, 0.35),
                clients,
            },
            Fault::LinkLatency { .. } => {
                let latency = millis(Duration::from_secs_f64(self.draw(0.06, 0.2)));
                Fault::LinkLatency {
                    to: self.other_end(),
                    latency,
                    jitter: latency / 5,
                }
            }
            Fault::LinkLoss { .. } => Fault::LinkLoss {
                to: self.other_end(),
                loss: self.share(0.05, 0.2),
            },
            Fault::Partition { .. } => Fault::Partition {
                to: self.other_end(),
            },
            Fault::ClockSkew { .. } => {
                let secs = i64::try_from(self.dice.between(30, 181)).unwrap_or(90);
                let sign = if self.dice.chance(0.5) { -1 } else { 1 };
                Fault::ClockSkew {
                    millis: sign * secs * 1_000,
                }
            }
            Fault::RateLimiting { .. } => Fault::RateLimiting {
                ratio: self.share(0.3, 0.8),
            },
            Fault::AuthenticationFailure { .. } => Fault::AuthenticationFailure {
                ratio: self.share(0.3, 0.9),
                status: [401, 403][self.dice.pick(&[1.0; 2])],
            },
            Fault::LogFlood { .. } => Fault::LogFlood {
                lines_per_second: tenths(self.draw(100.0, 400.0)).round(),
            },
            Fault::LogFormatChange { .. } => self.dialect(),
            Fault::PlannedBatch {
                lines_per_second, ..
            } => Fault::PlannedBatch {
                factor: hundredths(self.draw(1.08, 1.2)),
                lines_per_second,
            },
            Fault::MarketingPeak { .. } => Fault::MarketingPeak {
                factor: tenths(self.draw(1.4, 1.7)),
            },
            as_usual @ (Fault::DependencyDown {}
            | Fault::ServiceSilent {}
            | Fault::ConsumerStopped {}
            | Fault::DnsFailure { .. }
            | Fault::CertificateExpiry {}
            | Fault::BenignDeployment { .. }) => as_usual,
        }
    }

    fn draw(&mut self, from: f64, to: f64) -> f64 {
        from + self.dice.unit() * (to - from)
    }

    fn share(&mut self, from: f64, to: f64) -> f64 {
        hundredths(self.draw(from, to))
    }

    fn name(&self) -> &str {
        self.target.service.as_deref().unwrap_or_default()
    }

    fn service(&self) -> Option<&ServiceSpec> {
        self.topology.services.get(self.name())
    }

    fn mean(&self) -> Duration {
        self.estimate.service_mean(self.name())
    }

    /// Two to six times what it takes anyway, and enough to be felt by those who wait for it.
    fn added(&mut self) -> Duration {
        let added = self.mean().mul_f64(self.draw(2.0, 6.0));
        millis(added).clamp(Duration::from_millis(40), Duration::from_millis(1_500))
    }

    /// So many times as long for some of the steps that the whole takes two to four times as long.
    fn factor_of(&mut self, pick: impl Fn(&Step) -> Option<&Dist>) -> f64 {
        let own = self.own_time(pick);
        let added = self.mean().as_secs_f64() * self.draw(1.0, 3.0);
        tenths((1.0 + added / own.max(1e-4)).clamp(3.0, 40.0))
    }

    /// The mean of these steps in a request.
    fn own_time(&self, pick: impl Fn(&Step) -> Option<&Dist>) -> f64 {
        let Some(service) = self.service() else {
            return 0.0;
        };
        let (mut sum, mut weights) = (0.0, 0.0);
        for (route, spec) in &service.routes {
            let weight = self.estimate.rate(&Node::new(self.name(), route)) + 1e-6;
            let steps = flat(&spec.steps);
            let time = steps.into_iter().filter_map(&pick).map(mean_of_dist);
            sum += weight * time.sum::<Duration>().as_secs_f64();
            weights += weight;
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }

    fn store(&mut self, which: impl Fn(&QuerySpec) -> bool) -> Option<String> {
        let service = self.service()?;
        let routes = service.routes.values().map(|route| &route.steps);
        let consumers = service.consumes.values().map(|consumer| &consumer.steps);
        let mut used: Vec<String> = routes
            .chain(consumers)
            .flat_map(|steps| flat(steps))
            .filter_map(|step| match step {
                Step::Query(query) if which(query) => Some(query.store.clone()),
                _ => None,
            })
            .collect();
        used.sort();
        used.dedup();
        self.one(used)
    }

    fn cache(&mut self) -> Option<String> {
        let caches = self.service()?.caches.keys().cloned().collect();
        self.one(caches)
    }

    fn one(&mut self, of: Vec<String>) -> Option<String> {
        let index = self.dice.pick(&vec![1.0; of.len()]);
        of.into_iter().nth(index)
    }

    /// The end of a link that carries the most is the likeliest.
    fn other_end(&mut self) -> String {
        let from = self.target.environment.as_deref().unwrap_or_default();
        let ends = linked(self.topology, from);
        let graph = Graph::new(self.topology);
        let weights: Vec<f64> = ends
            .iter()
            .map(|to| {
                let crossing = graph.crossing(self.topology, from, to);
                let rates = crossing
                    .iter()
                    .map(|(_, callee)| self.estimate.rate(callee));
                rates.sum::<f64>().sqrt()
            })
            .collect();
        let index = self.dice.pick(&weights);
        ends.into_iter().nth(index).unwrap_or_default()
    }

    /// Too few workers where many are busy; otherwise a timeout that most calls do not meet.
    fn configuration(&mut self) -> Fault {
        let replicas = self.service().map_or(1, |service| service.replicas);
        let rate = self.estimate.service_rate(self.name());
        let busy = rate * self.mean().as_secs_f64() / f64::from(replicas);
        let mut callees: Vec<String> = self
            .service()
            .into_iter()
            .flat_map(|service| service.routes.values())
            .flat_map(|route| calls(&route.steps))
            .filter(|call| !call.optional)
            .map(|call| call.service.clone())
            .collect();
        callees.sort();
        callees.dedup();
        if callees.is_empty() || (busy >= 0.5 && self.dice.chance(0.5)) {
            return Fault::ConfigurationChange {
                callee: None,
                timeout: None,
                workers: Some((busy.round() as u32).max(1)),
            };
        }
        let callee = self.one(callees);
        let there = callee.as_deref().unwrap_or_default();
        let takes =
            self.estimate.service_mean(there) + round_trip(self.topology, self.name(), there);
        Fault::ConfigurationChange {
            callee,
            timeout: Some(millis(takes.mul_f64(self.draw(0.3, 0.7)))),
            workers: None,
        }
    }

    fn dialect(&mut self) -> Fault {
        let mut dialects = vec![
            Dialect::Pino,
            Dialect::Zap,
            Dialect::Ecs,
            Dialect::Logfmt,
            Dialect::Spring,
            Dialect::Plain,
        ];
        let present = self.service().map(|service| service.log.dialect);
        dialects.retain(|dialect| Some(*dialect) != present);
        let index = self.dice.pick(&vec![1.0; dialects.len()]);
        Fault::LogFormatChange {
            dialect: dialects.get(index).copied(),
        }
    }
}

/// Whole ones, at least one.
fn millis(length: Duration) -> Duration {
    Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1))
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
