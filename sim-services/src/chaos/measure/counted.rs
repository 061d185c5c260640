//! The counters that concern one fault, picked from a reading.

use super::{Stretch, ends};
use crate::chaos::experiment::Placed;
use crate::chaos::graph::Graph;
use crate::chaos::kind::Fault;
use crate::meter::{LinkCounts, LoadCounts, ReplicaCounts};
use crate::topology::Topology;

pub(super) struct Counted {
    /// Of the target's service, or of its one replica.
    pub(super) target: ReplicaCounts,
    /// Of the services that call it.
    pub(super) callers: ReplicaCounts,
    pub(super) caller_names: Vec<String>,
    /// Of the links that it is on, both ways.
    pub(super) link: LinkCounts,
    pub(super) load: LoadCounts,
    pub(super) dns_failures: u64,
    secs: f64,
}

impl Counted {
    pub(super) fn new(placed: &Placed, topology: &Topology, stretch: &Stretch) -> Counted {
        let did = &stretch.did;
        let service = service(placed, topology);
        let target = match (&service, placed.target.replica) {
            (Some(service), Some(replica)) => did
                .replicas
                .get(&(service.clone(), replica))
                .copied()
                .unwrap_or_default(),
            (Some(service), None) => did.service(service),
            (None, _) => ReplicaCounts::default(),
        };
        let caller_names: Vec<String> = service
            .map(|service| Graph::new(topology).callers_of(&service))
            .into_iter()
            .flatten()
            .collect();
        let callers = caller_names
            .iter()
            .fold(ReplicaCounts::default(), |sum, name| {
                sum.and(&did.service(name))
            });
        let on = |a: &String, b: &String| {
            ends(placed, topology).is_some_and(|(from, to)| {
                (*a == from && to.contains(b)) || (*b == from && to.contains(a))
            })
        };
        let link = did
            .links
            .iter()
            .filter(|((a, b), _)| on(a, b))
            .fold(LinkCounts::default(), |sum, (_, counts)| sum.and(counts));
        Counted {
            target,
            callers,
            caller_names,
            link,
            load: did.load,
            dns_failures: did.dns_failures,
            secs: stretch.length.as_secs_f64(),
        }
    }

    /// A second; 0 in no time.
    pub(super) fn rate(&self, count: u64) -> f64 {
        if self.secs > 0.0 {
            count as f64 / self.secs
        } else {
            0.0
        }
    }
}

fn service(placed: &Placed, topology: &Topology) -> Option<String> {
    let environment = placed.target.environment.as_ref();
    match &placed.fault {
        Fault::PlannedBatch { .. } => environment
            .and_then(|name| topology.environments.get(name)?.batch.as_ref())
            .map(|batch| batch.service.clone()),
        _ => placed.target.service.clone(),
    }
}

/// Whom the evidence is about: `ledger`, `replica 1 of ledger`, `cloud-b and on-prem`.
pub(super) fn who(placed: &Placed, topology: &Topology) -> String {
    if let Some((from, to)) = ends(placed, topology) {
        return format!("{from} and {}", to.join(" or "));
    }
    let service = service(placed, topology).unwrap_or_else(|| topology.entry.clone());
    match placed.target.replica {
        Some(replica) => format!("replica {replica} of {service}"),
        None => service,
    }
}
