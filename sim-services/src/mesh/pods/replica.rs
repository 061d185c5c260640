//! One replica as a process of its own: what a container of a pod runs.
//!
//! It is made of the same parts as a replica among others in one process; what differs is that
//! others are found by name, that the control is far away, and that only its own process can be
//! ended: when an experiment takes all its memory, it ends with [`Exit::OutOfMemory`], and whoever
//! looks after processes starts it again.

mod life;
mod reporting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::life::Life;
use self::reporting::Reporter;
use super::follower::Follower;
use super::health::Health;
use super::peers::Peer;
use crate::broker::Queues;
use crate::clock::Clock;
use crate::mesh::fanout::Fanout;
use crate::mesh::grounds::Grounds;
use crate::mesh::state::Board;
use crate::meter::Meters;
use crate::net::Net;
use crate::service::Stores;
use crate::telemetry::collector::Collector;
use crate::telemetry::sink::Sink;
use crate::topology::Topology;

/// Lines and spans that wait to be written at most.
const COLLECTED: usize = 16_384;
/// Lines wait so long for company: a process writes its log when there is something to write.
const PATIENCE: Duration = Duration::from_millis(10);

pub struct ReplicaConfig {
    pub topology: Arc<Topology>,
    /// One of the topology's.
    pub service: String,
    /// The pod's name.
    pub pod: String,
    pub listen: SocketAddr,
    /// Where the services are that it calls.
    pub peers: Vec<Peer>,
    /// Whoever says what is on. Without one it serves as on any day.
    pub control: Option<Url>,
    pub clock: Clock,
    /// Of the platform: the same for all its processes, which trust each other by it.
    pub seed: u64,
    /// Where its lines and spans go.
    pub sink: Arc<dyn Sink>,
    /// How long it waits for its control before it serves without.
    pub patience: Duration,
    /// How long changes stay on when the control has gone.
    pub forget: Duration,
    /// How long it serves on when it is told to stop, until callers know that it goes.
    pub linger: Duration,
    pub health: watch::Sender<Health>,
}

impl std::fmt::Debug for ReplicaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicaConfig")
            .field("service", &self.service)
            .field("pod", &self.pod)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// How a replica's process should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to, and has finished what it had begun.
    Stopped,
    /// As if the kernel had killed it: with 137.
    OutOfMemory,
}

/// Serves until `stop`, or until its memory is full. Nothing is left when it returns.
///
/// # Errors
///
/// When the topology has no such service, or nothing can be listened on.
pub async fn run(config: ReplicaConfig, stop: CancellationToken) -> anyhow::Result<Exit> {
    let ReplicaConfig {
        topology,
        service,
        pod,
        listen,
        peers,
        control,
        clock,
        seed,
        sink,
        patience,
        forget,
        linger,
        health,
    } = config;
    let Some(spec) = topology.services.get(&service) else {
        let known: Vec<&str> = topology.services.keys().map(String::as_str).collect();
        anyhow::bail!(
            "there is no service `{service}` in the topology; there are {}",
            known.join(", ")
        );
    };
    let environment = spec.environment.clone();
    let ends = CancellationToken::new();
    let _ends = ends.clone().drop_guard();
    let (meters, fanout) = (Arc::new(Meters::default()), Arc::new(Fanout::default()));
    let net = Net::part(
        clock,
        seed,
        Arc::clone(&topology),
        fanout.subscribe(),
        Arc::clone(&meters),
    );
    let collector = Collector::new(&environment, sink, clock, COLLECTED).with_patience(PATIENCE);
    let handle = collector.handle();
    let mut collecting = JoinSet::new();
    let stop_collecting = CancellationToken::new();
    let _stop_collecting = stop_collecting.clone().drop_guard();
    collecting.spawn(collector.run(stop_collecting.clone()));
    // No two processes of a platform throw the same.
    let own = mixed(seed, &pod, clock.now().0);
    let queues = Queues::of(&topology, &service).map(Arc::new);
    let grounds = Arc::new(Grounds {
        net: Arc::clone(&net),
        clock,
        seed,
        meters,
        fanout,
        board: Arc::new(Board::default()),
        collectors: BTreeMap::from([(environment, handle)]),
        stores: BTreeMap::from([(service.clone(), Stores::new(&topology, own))]),
        queues: queues
            .map(|queues| (service.clone(), queues))
            .into_iter()
            .collect(),
        turns: BTreeMap::new(),
        maintenance: BTreeMap::new(),
        stop: ends.clone(),
        topology: Arc::clone(&topology),
    });
    let mut tasks = JoinSet::new();
    for peer in peers {
        tasks.spawn(peer.keep(Arc::clone(&net), Arc::clone(&topology), ends.clone()));
    }
    let follower = control
        .map(|control| Follower::new(&control, &service, &pod, forget).map(Arc::new))
        .transpose()?;
    if let Some(follower) = &follower {
        tasks.spawn(Arc::clone(follower).run(ends.clone()));
    }
    let reporter = follower.clone().map(|follower| Reporter {
        follower,
        grounds: Arc::clone(&grounds),
        service: service.clone(),
        pod: pod.clone(),
        process: own,
    });
    let reporter = reporter.map(Arc::new);
    if let Some(reporter) = &reporter {
        tasks.spawn(Arc::clone(reporter).run(ends.clone()));
    }
    let life = Life::new(
        &grounds,
        service,
        pod,
        listen,
        own,
        follower.as_deref(),
        health,
    );
    let exit = life.run(patience, linger, &stop).await;
    // What it did last must be known: nobody can ask it any more.
    if let Some(reporter) = &reporter {
        reporter.report().await;
    }
    ends.cancel();
    while tasks.join_next().await.is_some() {}
    net.stop().await;
    stop_collecting.cancel();
    while collecting.join_next().await.is_some() {}
    exit
}

/// FNV-1a of all of it.
fn mixed(seed: u64, pod: &str, now: i64) -> u64 {
    let bytes = pod.bytes().chain(now.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325_u64 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
