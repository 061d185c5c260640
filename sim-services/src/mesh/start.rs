//! How a platform is put together, and taken apart again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fanout::Fanout;
use super::fleet::Fleet;
use super::grounds::Grounds;
use super::state::Board;
use super::{Mesh, MeshConfig, autoscaler};
use crate::broker::Queues;
use crate::change::Conditions;
use crate::meter::Meters;
use crate::net::Net;
use crate::service::Stores;
use crate::telemetry::collector::Collector;

/// Lines and spans that wait in an environment's collector at most.
const COLLECTED: usize = 65_536;
/// Connections of all clients together to the entry service.
pub(super) const CLIENT_CONNECTIONS: u32 = 8_192;

impl Mesh {
    /// Returns when every replica takes requests.
    ///
    /// # Errors
    ///
    /// When nothing can be listened on.
    pub async fn start(config: MeshConfig) -> anyhow::Result<Mesh> {
        let MeshConfig {
            topology,
            wire,
            clock,
            seed,
            sink,
        } = config;
        let meters = Arc::new(Meters::default());
        let fanout = Arc::new(Fanout::default());
        let stop = CancellationToken::new();
        let stop_collectors = CancellationToken::new();
        let mut collectors = JoinSet::new();
        let mut handles = BTreeMap::new();
        for environment in topology.environments.keys() {
            let collector = Collector::new(environment, Arc::clone(&sink), clock, COLLECTED);
            handles.insert(environment.clone(), collector.handle());
            collectors.spawn(collector.run(stop_collectors.clone()));
        }
        let services = || topology.services.keys().cloned();
        let net = Net::new(
            wire,
            clock,
            seed,
            Arc::clone(&topology),
            fanout.subscribe(),
            Arc::clone(&meters),
        );
        let grounds = Arc::new(Grounds {
            net,
            clock,
            seed,
            meters,
            board: Arc::new(Board::default()),
            collectors: handles,
            stores: services()
                .map(|name| (name, Stores::new(&topology, seed)))
                .collect(),
            queues: services()
                .filter_map(|name| {
                    let queues = Queues::of(&topology, &name)?;
                    Some((name, Arc::new(queues)))
                })
                .collect(),
            turns: services()
                .map(|name| (name, Arc::new(Semaphore::new(1))))
                .collect(),
            maintenance: (topology.environments.keys())
                .map(|name| (name.clone(), Arc::default()))
                .collect(),
            stop: stop.clone(),
            fanout: Arc::clone(&fanout),
            topology,
        });
        let (conditions, source) = watch::channel(Arc::<Conditions>::default());
        let (failed, failure) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(fanout.run(source, stop.clone()));
        let topology = &grounds.topology;
        let entry = BTreeMap::from([(topology.entry.clone(), CLIENT_CONNECTIONS)]);
        let from = &topology.services[&topology.entry].environment;
        let clients = grounds.net.client(from, entry, "clients");
        let (orders, received) = mpsc::channel(16);
        let mut mesh = Mesh {
            conditions,
            failure,
            clients: Arc::new(clients),
            tasks,
            collectors,
            _stop_all: [
                stop.clone().drop_guard(),
                stop_collectors.clone().drop_guard(),
            ],
            stop_collectors,
            grounds: Arc::clone(&grounds),
        };
        let mut fleet = Fleet::new(Arc::clone(&grounds), failed);
        if let Err(error) = fleet.begin().await {
            mesh.grounds.stop.cancel();
            fleet.run(received).await;
            mesh.stop().await;
            return Err(error);
        }
        mesh.tasks.spawn(fleet.run(received));
        for environment in grounds.topology.environments.keys() {
            mesh.tasks.spawn(autoscaler::run(
                Arc::clone(&grounds.topology),
                environment.clone(),
                Arc::clone(&grounds.board),
                clock,
                stop.clone(),
                orders.clone(),
            ));
            let spec = grounds.topology.environments[environment]
                .maintenance
                .clone();
            let rounds = Arc::clone(&grounds.maintenance[environment]);
            mesh.tasks.spawn(rounds.run(spec, clock, stop.clone()));
        }
        Ok(mesh)
    }

    /// Ends everything. Afterwards nothing listens and no task is left, and all that was logged
    /// has been delivered.
    pub async fn stop(mut self) {
        self.grounds.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.grounds.net.stop().await;
        self.stop_collectors.cancel();
        while self.collectors.join_next().await.is_some() {}
    }
}
