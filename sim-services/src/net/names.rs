//! Names of services and the failures to resolve them, as one client sees them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::CallError;
use crate::change::{Change, Conditions, Touch};
use crate::clock::Clock;
use crate::meter::{Meters, count};
use crate::random::Dice;
use crate::topology::Topology;

/// What a service is called in its environment: `cart.shop.cloud-a.internal`.
pub(super) fn host(topology: &Topology, service: &str) -> Option<String> {
    let spec = topology.services.get(service)?;
    let environment = &spec.environment;
    Some(match spec.namespace.as_str() {
        "" => format!("{service}.{environment}.internal"),
        namespace => format!("{service}.{namespace}.{environment}.internal"),
    })
}

#[derive(Debug)]
pub(super) struct Resolver {
    environment: String,
    clock: Clock,
    meters: Arc<Meters>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    conditions: watch::Receiver<Arc<Conditions>>,
    failures: Vec<Failure>,
    dice: Dice,
}

#[derive(Debug)]
struct Failure {
    /// All when none.
    service: Option<String>,
    ratio: f64,
    touch: Arc<Touch>,
}

impl Resolver {
    pub(super) fn new(
        environment: &str,
        clock: Clock,
        meters: Arc<Meters>,
        mut conditions: watch::Receiver<Arc<Conditions>>,
        dice: Dice,
    ) -> Resolver {
        let failures = failures(&conditions.borrow_and_update(), environment);
        Resolver {
            environment: environment.to_owned(),
            clock,
            meters,
            state: Mutex::new(State {
                conditions,
                failures,
                dice,
            }),
        }
    }

    /// # Errors
    ///
    /// `Resolve` when a change makes this attempt fail.
    pub(super) fn resolve(&self, service: &str, host: &str) -> Result<(), CallError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            conditions,
            failures,
            dice,
        } = &mut *state;
        if conditions.has_changed().unwrap_or(false) {
            *failures = self::failures(&conditions.borrow_and_update(), &self.environment);
        }
        for failure in failures {
            let concerns = failure
                .service
                .as_deref()
                .is_none_or(|name| name == service);
            if concerns && dice.chance(failure.ratio) {
                failure.touch.mark(self.clock.now());
                count(&self.meters.dns_failures);
                return Err(CallError::Resolve(host.to_owned()));
            }
        }
        Ok(())
    }
}

/// Those that concern callers in `environment`.
fn failures(conditions: &Conditions, environment: &str) -> Vec<Failure> {
    let here = |target: &Option<String>| target.as_ref().is_none_or(|name| name == environment);
    conditions
        .0
        .iter()
        .filter(|active| here(&active.target.environment))
        .filter_map(|active| match active.change {
            Change::DnsFailure { ratio } => Some(Failure {
                service: active.target.service.clone(),
                ratio,
                touch: Arc::clone(&active.touch),
            }),
            _ => None,
        })
        .collect()
}
