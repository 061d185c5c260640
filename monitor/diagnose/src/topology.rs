//! Who calls whom, as far as it was seen lately.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_core::{Name, ServiceKey, Time, Workload};
use serde::{Deserialize, Serialize};

/// Edges remembered; more are refused until some are forgotten.
const MAX_EDGES: usize = 65_536;
/// An edge is forgotten when it was not seen for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// How often it is looked for what to forget.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Whom each one calls, and when that was last seen.
    callees: BTreeMap<Workload, BTreeMap<Workload, Time>>,
    callers: BTreeMap<Workload, BTreeSet<Workload>>,
    edges: usize,
    swept: Option<Time>,
}

/// What became of an edge that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    New,
    Again,
    /// There are too many.
    Refused,
}

impl Topology {
    pub fn see(&mut self, caller: &Workload, callee: &Workload, at: Time) -> Seen {
        if let Some(last) = self
            .callees
            .get_mut(caller)
            .and_then(|callees| callees.get_mut(callee))
        {
            *last = at.max(*last);
            return Seen::Again;
        }
        if self.edges >= MAX_EDGES {
            return Seen::Refused;
        }
        self.edges += 1;
        self.callees
            .entry(caller.clone())
            .or_default()
            .insert(callee.clone(), at);
        self.callers
            .entry(callee.clone())
            .or_default()
            .insert(caller.clone());
        Seen::New
    }

    /// Forgets, about once a minute, what was not seen for an hour.
    pub fn forget(&mut self, now: Time) {
        if self
            .swept
            .is_some_and(|swept| now.since(swept) < SWEEP_EVERY)
        {
            return;
        }
        self.swept = Some(now);
        let callers = &mut self.callers;
        let edges = &mut self.edges;
        self.callees.retain(|caller, callees| {
            callees.retain(|callee, last| {
                let kept = now.since(*last) < FORGOTTEN_AFTER;
                if !kept {
                    *edges -= 1;
                    if let Some(known) = callers.get_mut(callee) {
                        known.remove(caller);
                    }
                }
                kept
            });
            !callees.is_empty()
        });
        callers.retain(|_, callers| !callers.is_empty());
    }

    /// We were blind for this long: nothing is older for it.
    pub fn skip(&mut self, blind: Duration) {
        for last in self.callees.values_mut().flat_map(BTreeMap::values_mut) {
            *last = *last + blind;
        }
    }

    /// Whom it calls, in order of name.
    pub fn callees(&self, caller: &Workload) -> impl Iterator<Item = &Workload> {
        self.callees
            .get(caller)
            .into_iter()
            .flat_map(BTreeMap::keys)
    }

    pub fn callers(&self, callee: &Workload) -> impl Iterator<Item = &Workload> {
        self.callers.get(callee).into_iter().flatten()
    }

    /// Whether one calls the other, and when that was last seen.
    pub fn last_seen(&self, caller: &Workload, callee: &Workload) -> Option<Time> {
        self.callees.get(caller)?.get(callee).copied()
    }

    /// The environments that a service is known to be in. O(log n) in the workloads.
    pub fn environments(&self, service: &ServiceKey) -> BTreeSet<&Name> {
        let first = Workload {
            service: service.clone(),
            environment: "".into(),
        };
        let callers = self.callees.range(&first..).map(|(workload, _)| workload);
        let callees = self.callers.range(&first..).map(|(workload, _)| workload);
        callers
            .take_while(|workload| workload.service == *service)
            .chain(callees.take_while(|workload| workload.service == *service))
            .map(|workload| &workload.environment)
            .collect()
    }

    pub fn len(&self) -> usize {
        self.edges
    }

    pub fn is_empty(&self) -> bool {
        self.edges == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::ServiceKey;

    fn named(name: &str) -> Workload {
        Workload {
            service: ServiceKey::new("", name),
            environment: "cloud-a".into(),
        }
    }

    #[test]
    fn an_edge_is_forgotten_an_hour_after_it_was_last_seen() {
        let mut topology = Topology::default();
        let (web, cart, search) = (named("web"), named("cart"), named("search"));
        assert_eq!(topology.see(&web, &cart, Time::from_secs(0)), Seen::New);
        assert_eq!(topology.see(&web, &search, Time::from_secs(0)), Seen::New);
        assert_eq!(
            topology.see(&web, &cart, Time::from_secs(3_000)),
            Seen::Again
        );
        topology.forget(Time::from_secs(3_700));
        let left: Vec<_> = topology.callees(&web).collect();
        assert_eq!(left, [&cart]);
        assert_eq!(
            topology.last_seen(&web, &cart),
            Some(Time::from_secs(3_000))
        );
        assert_eq!(topology.callers(&search).count(), 0);
        topology.forget(Time::from_secs(7_000));
        assert_eq!(
            topology,
            Topology {
                swept: topology.swept,
                ..Topology::default()
            }
        );
    }

    #[test]
    fn a_flood_of_edges_ends_somewhere() {
        let mut topology = Topology::default();
        let web = named("web");
        let refused = (0..MAX_EDGES + 10)
            .filter(|n| topology.see(&web, &named(&n.to_string()), Time::EPOCH) == Seen::Refused)
            .count();
        assert_eq!((refused, topology.len()), (10, MAX_EDGES));
    }
}
