//! What runs now, for people and programs that ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::windows;
use crate::broker::Depth;
use crate::change::{Active, Change, Conditions};
use crate::clock::Moment;
use crate::telemetry::Identity;
use crate::topology::{EnvironmentKind, EnvironmentSpec};

/// The platform at one time.
#[derive(Clone, Debug, Serialize)]
pub struct MeshState {
    pub topology: String,
    pub seed: u64,
    /// RFC 3339, by the platform's clock.
    pub at: String,
    pub environments: BTreeMap<String, EnvironmentState>,
    pub services: BTreeMap<String, ServiceState>,
    pub queues: BTreeMap<String, Depth>,
    /// What is different from a good day.
    pub changes: Vec<ChangeState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentState {
    pub kind: EnvironmentKind,
    /// It is within one of its maintenance windows.
    pub maintenance: bool,
    /// Its nightly batch is under way.
    pub batch: bool,
}

impl EnvironmentState {
    pub(super) fn of(spec: &EnvironmentSpec, now: Moment) -> EnvironmentState {
        EnvironmentState {
            kind: spec.kind,
            maintenance: spec
                .maintenance
                .iter()
                .any(|window| windows::open(window, now)),
            batch: (spec.batch.as_ref()).is_some_and(|batch| windows::open(&batch.window, now)),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ServiceState {
    pub environment: String,
    /// The topology's; replicas may run another.
    pub version: String,
    /// While one is replaced there are two of its number.
    pub replicas: Vec<ReplicaState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    pub replica: u32,
    pub instance: String,
    pub zone: Option<String>,
    pub version: String,
    pub phase: Phase,
    pub address: Option<SocketAddr>,
    /// Requests that are worked on.
    pub busy: u32,
    pub workers: u32,
    /// Requests in line.
    pub waiting: u32,
    /// After it was killed.
    pub restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Takes no requests yet.
    Starting,
    Running,
    /// Finishes what it has begun.
    Draining,
    /// A change says that nothing listens.
    Down,
    /// Was killed and waits to be started again.
    BackingOff,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChangeState {
    pub id: u64,
    pub target: String,
    pub change: Change,
    /// Requests, connections, lines or arrivals so far.
    pub affected: u64,
}

pub(super) fn changes(conditions: &Conditions) -> Vec<ChangeState> {
    let state = |active: &Active| ChangeState {
        id: active.id,
        target: active.target.to_string(),
        change: active.change.clone(),
        affected: active.touch.count(),
    };
    conditions.0.iter().map(state).collect()
}

/// How much a replica has to do.
pub(super) trait Busy: Send + Sync {
    fn busy(&self) -> u32;
    fn workers(&self) -> u32;
    fn waiting(&self) -> u32;
}

/// Where replicas' lives say how they stand.
#[derive(Debug, Default)]
pub(super) struct Board {
    next: Mutex<u64>,
    entries: Mutex<BTreeMap<(String, u32, u64), Posted>>,
}

struct Posted {
    identity: Arc<Identity>,
    phase: Phase,
    address: Option<SocketAddr>,
    restarts: u32,
    busy: Option<Arc<dyn Busy>>,
}

impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.identity.instance, self.phase)
    }
}

/// One replica's line on the board; gone when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    board: Arc<Board>,
    key: (String, u32, u64),
}

impl Board {
    pub(super) fn post(
        self: &Arc<Board>,
        identity: &Arc<Identity>,
        phase: Phase,
        restarts: u32,
    ) -> Entry {
        let serial = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        let key = (identity.service.clone(), identity.replica, serial);
        let posted = Posted {
            identity: Arc::clone(identity),
            phase,
            address: None,
            restarts,
            busy: None,
        };
        self.lock().insert(key.clone(), posted);
        Entry {
            board: Arc::clone(self),
            key,
        }
    }

    /// Of one service, in order.
    pub(super) fn replicas(&self, service: &str) -> Vec<ReplicaState> {
        let entries = self.lock();
        let of_service = entries
            .range((service.to_owned(), 0, 0)..)
            .take_while(|((name, ..), _)| name == service);
        of_service
            .map(|((_, replica, _), posted)| ReplicaState {
                replica: *replica,
                instance: posted.identity.instance.clone(),
                zone: posted.identity.zone.clone(),
                version: posted.identity.version.clone(),
                phase: posted.phase,
                address: posted.address,
                busy: posted.busy.as_ref().map_or(0, |process| process.busy()),
                workers: posted.busy.as_ref().map_or(0, |process| process.workers()),
                waiting: posted.busy.as_ref().map_or(0, |process| process.waiting()),
                restarts: posted.restarts,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u32, u64), Posted>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub(super) fn phase(&self, phase: Phase) {
        if let Some(posted) = self.board.lock().get_mut(&self.key) {
            posted.phase = phase;
        }
    }

    /// It has a process, which listens there.
    pub(super) fn process(&self, busy: Arc<dyn Busy>, address: SocketAddr) {
        if let Some(posted) = self.board.lock().get_mut(&self.key) {
            posted.busy = Some(busy);
            posted.address = Some(address);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.lock().remove(&self.key);
    }
}
