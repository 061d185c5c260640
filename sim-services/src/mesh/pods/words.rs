//! What replicas and their control say to each other, as JSON.
//!
//! Both sides say all they know each time, so that nothing depends on what was said before: a line
//! that is lost, or said twice, changes nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::state::Phase;
use crate::broker::Depth;
use crate::change::{Active, Change, Conditions, Target, Touch};
use crate::clock::Moment;
use crate::meter::{LinkCounts, ReplicaCounts};

/// One line of the stream that a replica follows: all that is on now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The replica's number in its service, which targets may name. It may change while it runs.
    pub(super) number: u32,
    pub(super) changes: Vec<On>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct On {
    pub(super) id: u64,
    pub(super) target: Target,
    pub(super) change: Change,
}

impl Line {
    pub(super) fn new(number: u32, conditions: &Conditions) -> Line {
        let on = |active: &Active| On {
            id: active.id,
            target: active.target.clone(),
            change: active.change.clone(),
        };
        Line {
            number,
            changes: conditions.0.iter().map(on).collect(),
        }
    }

    /// As the replica's parts want it: to each of them the replica is number 0 of its service, so
    /// that its number may change without them. `touch` keeps one touch for each change.
    pub(super) fn conditions(&self, mut touch: impl FnMut(u64) -> Arc<Touch>) -> Conditions {
        let number = |number: u32| if number == self.number { 0 } else { u32::MAX };
        let active = |on: &On| Active {
            id: on.id,
            target: Target {
                replica: on.target.replica.map(number),
                ..on.target.clone()
            },
            change: on.change.clone(),
            touch: touch(on.id),
        };
        Conditions(self.changes.iter().map(active).collect())
    }
}

/// What a replica has done since its process started, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) pod: String,
    pub(super) service: String,
    /// Of this process of the pod; another one begins to count anew.
    pub(super) process: u64,
    pub(super) version: String,
    pub(super) phase: Phase,
    pub(super) address: Option<SocketAddr>,
    pub(super) busy: u32,
    pub(super) workers: u32,
    pub(super) waiting: u32,
    pub(super) counts: ReplicaCounts,
    pub(super) links: Vec<(String, String, LinkCounts)>,
    pub(super) dns_failures: u64,
    pub(super) queues: BTreeMap<String, Depth>,
    pub(super) touched: Vec<Touched>,
}

/// What a change did to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touched {
    pub(super) id: u64,
    pub(super) first: Moment,
    pub(super) last: Moment,
    pub(super) count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::kind::Fault;
    use crate::topology::Topology;
    use serde_json::json;

    fn active(id: u64, replica: Option<u32>, change: Change) -> Active {
        Active {
            id,
            target: Target {
                service: Some("cart".into()),
                replica,
                ..Target::default()
            },
            change,
            touch: Arc::default(),
        }
    }

    /// What a replica of this number makes of a line that has travelled.
    fn heard(number: u32, conditions: &Conditions) -> Conditions {
        let line = serde_json::to_string(&Line::new(number, conditions)).unwrap();
        let line: Line = serde_json::from_str(&line).unwrap();
        line.conditions(|_| Arc::default())
    }

    #[test]
    fn every_change_of_every_fault_survives_the_way() {
        let topology = Topology::shop();
        let target = Target {
            service: Some("catalog".into()),
            ..Target::default()
        };
        let mut travelled = 0;
        for kind in Fault::KINDS {
            let fault = Fault::read(kind, json!({})).unwrap();
            // Of numbers with 17 digits the last may differ, which is nobody's difference.
            let parts = fault.parts(&topology, &target, 1.0, std::time::Duration::ZERO);
            for part in parts {
                let conditions = Conditions(vec![active(1 << 63, None, part.change.clone())]);
                assert_eq!(heard(0, &conditions).0[0].change, part.change, "{kind}");
                travelled += 1;
            }
        }
        assert!(travelled > 25, "{travelled}");
    }

    #[test]
    fn a_target_by_number_means_the_replica_that_has_it() {
        let conditions = Conditions(vec![
            active(1, None, Change::Down),
            active(2, Some(3), Change::Down),
        ]);
        let place = crate::change::Place {
            service: "cart",
            environment: "cloud-a",
            replica: 0,
            version: "1",
        };
        let covered = |number| {
            let heard = heard(number, &conditions);
            let covers = |active: &&Active| active.target.covers(&place);
            let ids: Vec<u64> = heard.0.iter().filter(covers).map(|on| on.id).collect();
            ids
        };
        assert_eq!(covered(3), [1, 2]);
        assert_eq!(covered(0), [1]);
    }
}
