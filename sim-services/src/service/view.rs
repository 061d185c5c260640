//! What is on, as far as it concerns one replica, looked up once when it changes.

use std::sync::Arc;
use std::time::Duration;

use super::plan::Plan;
use crate::change::{Active, Change, Conditions, Place, Target, Touch};
use crate::random::Dist;

#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) delays: Vec<On<Dist>>,
    pub(super) fails: Vec<On<Fail>>,
    pub(super) work: Vec<On<f64>>,
    /// Each by store.
    pub(super) slow_stores: Vec<Vec<On<f64>>>,
    pub(super) intruders: Vec<Vec<On<Dist>>>,
    pub(super) connections: Vec<Option<On<u32>>>,
    /// By cache.
    pub(super) caches_off: Vec<Vec<On<()>>>,
    pub(super) flushes: Vec<(usize, On<()>)>,
    pub(super) retries: Vec<On<Retries>>,
    pub(super) timeouts: Vec<On<CallTimeout>>,
    pub(super) workers: Option<On<u32>>,
    pub(super) leaks: Vec<On<f64>>,
    pub(super) floods: Vec<On<f64>>,
    /// Key and value.
    pub(super) reloads: Vec<On<(String, String)>>,
}

/// Something that is on, and for which requests.
#[derive(Clone, Debug)]
pub(super) struct On<T> {
    pub(super) id: u64,
    pub(super) what: T,
    pub(super) touch: Arc<Touch>,
    /// None when it is for all.
    only: Option<Target>,
}

#[derive(Clone, Debug)]
pub(super) struct Fail {
    pub(super) ratio: f64,
    pub(super) status: u16,
    pub(super) error: String,
}

/// Of calls to a callee, or to all.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    pub(super) callee: Option<usize>,
    pub(super) attempts: u32,
    pub(super) backoff: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct CallTimeout {
    pub(super) callee: Option<usize>,
    pub(super) timeout: Duration,
}

/// Whose request it is, as a target may ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) route: &'a str,
    pub(super) client: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
}

impl<T> On<T> {
    fn new(active: &Active, what: T) -> On<T> {
        let target = &active.target;
        let narrow = target.route.is_some() || target.client.is_some() || target.tenant.is_some();
        On {
            id: active.id,
            what,
            touch: Arc::clone(&active.touch),
            only: narrow.then(|| target.clone()),
        }
    }

    pub(super) fn covers(&self, subject: Subject<'_>) -> bool {
        self.only.as_ref().is_none_or(|target| {
            target.covers_request(subject.route, subject.client, subject.tenant)
        })
    }
}

impl View {
    pub(super) fn of(conditions: &Conditions, plan: &Plan, place: &Place<'_>) -> View {
        let mut view = View {
            slow_stores: plan.stores.iter().map(|_| Vec::new()).collect(),
            intruders: plan.stores.iter().map(|_| Vec::new()).collect(),
            connections: plan.stores.iter().map(|_| None).collect(),
            caches_off: plan.caches.iter().map(|_| Vec::new()).collect(),
            ..View::default()
        };
        for active in &conditions.0 {
            if active.target.covers(place) {
                view.add(active, plan);
            }
        }
        view
    }

    fn add(&mut self, active: &Active, plan: &Plan) {
        match &active.change {
            Change::Delay(delay) => self.delays.push(On::new(active, *delay)),
            Change::WorkFactor(factor) => self.work.push(On::new(active, *factor)),
            Change::Fail {
                ratio,
                status,
                error,
            } => {
                let fail = Fail {
                    ratio: *ratio,
                    status: *status,
                    error: error.clone(),
                };
                self.fails.push(On::new(active, fail));
            }
            Change::Workers(workers) => self.workers = Some(On::new(active, *workers)),
            Change::StoreFactor { store, factor } => {
                if let Some(store) = plan.store(store) {
                    self.slow_stores[store].push(On::new(active, *factor));
                }
            }
            Change::StoreLock { store, held } => {
                if let Some(store) = plan.store(store) {
                    self.intruders[store].push(On::new(active, *held));
                }
            }
            Change::Connections { store, left } => {
                if let Some(store) = plan.store(store) {
                    self.connections[store] = Some(On::new(active, *left));
                }
            }
            Change::CacheOff { cache } => {
                if let Some(cache) = plan.cache(cache) {
                    self.caches_off[cache].push(On::new(active, ()));
                }
            }
            Change::CacheFlush { cache } => {
                if let Some(cache) = plan.cache(cache) {
                    self.flushes.push((cache, On::new(active, ())));
                }
            }
            Change::Retries {
                callee,
                attempts,
                backoff,
            } => {
                if let Some(callee) = which(callee, plan) {
                    let retries = Retries {
                        callee,
                        attempts: *attempts,
                        backoff: *backoff,
                    };
                    self.retries.push(On::new(active, retries));
                }
            }
            Change::CallTimeout { callee, timeout } => {
                if let Some(callee) = which(callee, plan) {
                    let timeout = *timeout;
                    self.timeouts
                        .push(On::new(active, CallTimeout { callee, timeout }));
                }
            }
            Change::Leak { mb_per_second } => self.leaks.push(On::new(active, *mb_per_second)),
            Change::ConfigReloaded { key, value } => {
                self.reloads
                    .push(On::new(active, (key.clone(), value.clone())));
            }
            Change::LogFlood { lines_per_second } => {
                self.floods.push(On::new(active, *lines_per_second));
            }
            // Matters of the mesh, the wire, telemetry and the load.
            Change::Down
            | Change::Mute
            | Change::Version(_)
            | Change::LogDialect(_)
            | Change::LogLevel(_)
            | Change::ClockSkew { .. }
            | Change::CertificateExpired
            | Change::StopConsuming
            | Change::Link { .. }
            | Change::DnsFailure { .. }
            | Change::Load { .. } => {}
        }
    }
}

/// Some(None) is all callees; none that this service does not call any of that name.
fn which(callee: &str, plan: &Plan) -> Option<Option<usize>> {
    if callee.is_empty() {
        Some(None)
    } else {
        plan.callee(callee).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn only_what_concerns_the_replica_is_seen() {
        let shop = Topology::shop();
        let plan = Plan::of(&shop, "web");
        let place = Place {
            service: "web",
            environment: "cloud-a",
            replica: 0,
            version: "5.14.0",
        };
        let active = |service: &str, change| Active {
            id: 1,
            target: Target {
                service: Some(service.into()),
                ..Target::default()
            },
            change,
            touch: Arc::default(),
        };
        let retries = |callee: &str| Change::Retries {
            callee: callee.into(),
            attempts: 5,
            backoff: Duration::ZERO,
        };
        let view = View::of(
            &Conditions(vec![
                active("web", Change::WorkFactor(2.0)),
                active("cart", Change::WorkFactor(3.0)),
                active("web", retries("")),
                active("web", retries("catalog")),
                active("web", retries("ledger")),
            ]),
            &plan,
            &place,
        );
        assert_eq!(view.work.len(), 1);
        let callees: Vec<_> = view.retries.iter().map(|on| on.what.callee).collect();
        assert_eq!(callees, [None, plan.callee("catalog")]);
    }
}
