//! What the lives of all replicas share.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::fanout::Fanout;
use super::maintenance::Rounds;
use super::state::Board;
use crate::broker::Queues;
use crate::clock::Clock;
use crate::meter::Meters;
use crate::net::Net;
use crate::service::Stores;
use crate::telemetry::collector::Handle;
use crate::topology::Topology;

#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) topology: Arc<Topology>,
    pub(super) net: Arc<Net>,
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) meters: Arc<Meters>,
    pub(super) fanout: Arc<Fanout>,
    pub(super) board: Arc<Board>,
    /// By environment.
    pub(super) collectors: BTreeMap<String, Handle>,
    /// By service.
    pub(super) stores: BTreeMap<String, Arc<Stores>>,
    /// By broker.
    pub(super) queues: BTreeMap<String, Arc<Queues>>,
    /// By service: whose turn it is to be replaced. First come, first served.
    pub(super) turns: BTreeMap<String, Arc<Semaphore>>,
    /// By environment.
    pub(super) maintenance: BTreeMap<String, Arc<Rounds>>,
    /// Everything ends.
    pub(super) stop: CancellationToken,
}
