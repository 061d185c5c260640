//! The queue service: holds messages between those who publish and those who take them.
//!
//! A service that `queues` name as their broker answers two routes besides those it may have:
//!
//! - `POST /queues/{queue}/messages`: keeps the body and the headers that concern the message;
//!   201, 404 for a queue that it does not hold, 503 when the queue is full.
//! - `POST /queues/{queue}/take?max=8`: the oldest messages as a JSON list of `{id, headers, body}`,
//!   the body in base64; waits up to a second for the first. What is taken is gone (at most once).
//!
//! The mesh starts one [`Broker`] per replica over the service's [`Queues`], which outlive replicas
//! as a disk would.

mod handler;
mod queue;
mod wire;

use std::collections::BTreeMap;

use crate::topology::Topology;

pub use self::handler::{Broker, BrokerParts};
pub use self::queue::{Depth, Full, Queue, Stored};
pub use self::wire::{Taken, WireError, publish_path, read_taken, take_path};

/// As it is logged, and as faults can name it.
pub const PUBLISH: &str = "POST /queues/{queue}/messages";
pub const TAKE: &str = "POST /queues/{queue}/take";

/// All queues of one broker.
#[derive(Debug)]
pub struct Queues(BTreeMap<String, Queue>);

impl Queues {
    /// Those that `broker` holds in `topology`; none when it holds none.
    pub fn of(topology: &Topology, broker: &str) -> Option<Queues> {
        let held: BTreeMap<String, Queue> = topology
            .queues
            .iter()
            .filter(|(_, spec)| spec.broker == broker)
            .map(|(name, spec)| (name.clone(), Queue::new(spec.capacity)))
            .collect();
        (!held.is_empty()).then_some(Queues(held))
    }

    pub fn get(&self, queue: &str) -> Option<&Queue> {
        self.0.get(queue)
    }

    pub fn depths(&self) -> BTreeMap<String, Depth> {
        self.0
            .iter()
            .map(|(name, queue)| (name.clone(), queue.depth()))
            .collect()
    }
}
