//! What a replica does with a request, as its service's part of the topology says.
//!
//! The mesh makes replicas, gives them to `net` as handlers and runs their lives; queues hand
//! them messages. A request waits for a worker and holds it to its end, so latency rises with
//! load as in any queue, and everything that a request does takes its time on tokio's clock.
//!
//! Rolling out a version, closing ports and writing lines are the work of others.

mod batch;
mod body;
mod breaker;
mod cache;
mod calls;
mod chance;
mod consumer;
mod errand;
mod failure;
mod family;
mod gauges;
mod life;
mod limit;
mod memory;
mod plan;
mod reply;
mod spans;
mod steps;
mod stores;
mod talk;
mod template;
mod view;
mod voice;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::consumer::Message;
pub use self::stores::Stores;
pub use self::voice::Voice;

use self::breaker::Breaker;
use self::cache::Cache;
use self::chance::Chance;
use self::limit::Limit;
use self::memory::Memory;
use self::plan::Plan;
use self::view::View;
use crate::change::{Conditions, Place};
use crate::clock::Clock;
use crate::meter::ReplicaMeter;
use crate::net::{Caller, Handler, Reply, Request};
use crate::telemetry::Identity;
use crate::topology::{Level, Topology};

/// What a replica is made of.
pub struct ReplicaParts {
    pub topology: Arc<Topology>,
    /// Names a service of the topology.
    pub identity: Arc<Identity>,
    pub caller: Arc<dyn Caller>,
    pub voice: Arc<dyn Voice>,
    pub meter: Arc<ReplicaMeter>,
    /// Of the service.
    pub stores: Arc<Stores>,
    pub clock: Clock,
    pub seed: u64,
    pub conditions: watch::Receiver<Arc<Conditions>>,
}

/// One process of a service.
pub struct Replica {
    plan: Plan,
    identity: Arc<Identity>,
    caller: Arc<dyn Caller>,
    voice: Arc<dyn Voice>,
    meter: Arc<ReplicaMeter>,
    stores: Arc<Stores>,
    clock: Clock,
    conditions: watch::Receiver<Arc<Conditions>>,
    followed: Mutex<Followed>,
    chance: Chance,
    workers: Limit,
    /// Each by its place in the plan.
    pools: Vec<Limit>,
    caches: Vec<Mutex<Cache>>,
    breakers: Vec<Option<Mutex<Breaker>>>,
    memory: Memory,
    /// Requests in progress.
    tasks: TaskTracker,
    /// Ends them without an answer.
    killed: CancellationToken,
}

/// How a replica's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Stopped,
    /// Killed for its memory. Requests in progress are never answered: who serves must drop their
    /// connections.
    OutOfMemory,
}

/// The conditions as they were last seen.
struct Followed {
    conditions: watch::Receiver<Arc<Conditions>>,
    view: Arc<View>,
    /// Changes that do something once, and did.
    done: BTreeSet<u64>,
}

impl fmt::Debug for ReplicaParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaParts")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("identity", &self.identity)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl Replica {
    /// # Panics
    ///
    /// When the topology does not have the service that the identity names.
    pub fn new(parts: ReplicaParts) -> Arc<Replica> {
        let plan = Plan::of(&parts.topology, &parts.identity.service);
        let breaker = |callee: &plan::Callee| {
            let spec = callee.breaker.clone()?;
            Some(Mutex::new(Breaker::new(spec)))
        };
        let replica = Replica {
            followed: Mutex::new(Followed {
                conditions: parts.conditions.clone(),
                view: Arc::default(),
                done: BTreeSet::new(),
            }),
            chance: Chance::new(parts.seed, &parts.identity),
            workers: Limit::new(plan.workers),
            pools: plan
                .stores
                .iter()
                .map(|(_, store)| Limit::new(store.connections))
                .collect(),
            caches: plan
                .caches
                .iter()
                .map(|(_, cache)| Mutex::new(Cache::new(cache.clone())))
                .collect(),
            breakers: plan.callees.iter().map(breaker).collect(),
            memory: Memory::new(plan.memory_mb, parts.clock.now()),
            tasks: TaskTracker::new(),
            killed: CancellationToken::new(),
            plan,
            identity: parts.identity,
            caller: parts.caller,
            voice: parts.voice,
            meter: parts.meter,
            stores: parts.stores,
            clock: parts.clock,
            conditions: parts.conditions,
        };
        {
            let mut followed = replica.followed();
            replica.follow(&mut followed);
        }
        Arc::new(replica)
    }

    /// Workers that hold a request. May be more than [`Replica::workers`] for a while after there
    /// are fewer.
    pub fn busy(&self) -> u32 {
        self.workers.busy()
    }

    pub fn workers(&self) -> u32 {
        self.workers.size()
    }

    /// Ends it as the kernel would: nothing is said, and requests in progress are never answered.
    pub async fn abort(&self) {
        self.killed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Requests in line for a worker.
    pub fn waiting(&self) -> u32 {
        self.workers.waiting()
    }

    /// What is on now; a change that was published bites from the next request on.
    fn view(&self) -> Arc<View> {
        let mut followed = self.followed();
        // An error means that nothing will ever change again.
        if followed.conditions.has_changed().unwrap_or(false) {
            self.follow(&mut followed);
        }
        Arc::clone(&followed.view)
    }

    fn followed(&self) -> std::sync::MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up what concerns this replica, and does what a change does at once.
    fn follow(&self, followed: &mut Followed) {
        let conditions = Arc::clone(&followed.conditions.borrow_and_update());
        let now = self.clock.now();
        let place = Place {
            service: &self.identity.service,
            environment: &self.identity.environment,
            replica: self.identity.replica,
            version: &self.identity.version,
        };
        let view = View::of(&conditions, &self.plan, &place);
        let workers = view.workers.as_ref().map(|on| on.what);
        resize(&self.workers, workers.unwrap_or(self.plan.workers));
        let stores = self.plan.stores.iter().zip(&view.connections);
        for (pool, ((_, spec), fewer)) in self.pools.iter().zip(stores) {
            let fewer = fewer.as_ref().map(|on| on.what);
            resize(pool, fewer.unwrap_or(spec.connections));
        }
        self.stores
            .keep_intruders(|change| conditions.0.iter().any(|active| active.id == change));
        for (store, intruders) in view.intruders.iter().enumerate() {
            for on in intruders {
                self.stores.intrude(store, on.id, &on.what, now);
            }
        }
        self.memory
            .leak(now, view.leaks.iter().map(|on| on.what.max(0.0)).sum());
        followed
            .done
            .retain(|change| conditions.0.iter().any(|active| active.id == *change));
        for (cache, on) in &view.flushes {
            if followed.done.insert(on.id) {
                let cache = self.caches[*cache].lock();
                cache
                    .unwrap_or_else(PoisonError::into_inner)
                    .flush(&on.touch);
            }
        }
        for on in &view.reloads {
            if followed.done.insert(on.id) {
                on.touch.mark(now);
                let (key, value) = &on.what;
                self.say(Level::Info, "ConfigWatcher", || {
                    format!("configuration reloaded: {key}={value}")
                });
            }
        }
        followed.view = Arc::new(view);
    }
}

fn resize(limit: &Limit, to: u32) {
    if limit.size() != to {
        limit.resize(to);
    }
}

impl Handler for Replica {
    /// The work goes on when the caller goes away. A replica that was killed never answers.
    fn handle(self: Arc<Self>, request: Request, peer: SocketAddr) -> BoxFuture<'static, Reply> {
        let replica = Arc::clone(&self);
        let serving = self.tasks.spawn(async move {
            tokio::select! { biased;
                () = replica.killed.cancelled() => None,
                reply = replica.serve(request, peer) => Some(reply),
            }
        });
        async move {
            match serving.await {
                Ok(Some(reply)) => reply,
                Ok(None) => std::future::pending().await,
                // It panicked; a framework would catch it.
                Err(_) => reply::CRASHED,
            }
        }
        .boxed()
    }
}
