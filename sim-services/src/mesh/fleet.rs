//! All replicas: starts the life of each, adds and removes some when told to, and hears of those
//! that went wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::autoscaler::Scale;
use super::grounds::Grounds;
use super::life::{Slot, live};

pub(super) struct Fleet {
    grounds: Arc<Grounds>,
    lives: JoinSet<anyhow::Result<()>>,
    /// To tell replicas to leave, by service and number.
    leave: BTreeMap<(String, u32), CancellationToken>,
    /// Why the platform does not run as it should.
    failure: watch::Sender<Option<String>>,
}

impl Fleet {
    pub(super) fn new(grounds: Arc<Grounds>, failure: watch::Sender<Option<String>>) -> Fleet {
        Fleet {
            grounds,
            lives: JoinSet::new(),
            leave: BTreeMap::new(),
            failure,
        }
    }

    /// All replicas of the topology. Returns when each of them takes requests.
    ///
    /// # Errors
    ///
    /// When nothing can be listened on.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        let mut ready = Vec::new();
        let topology = Arc::clone(&self.grounds.topology);
        for (name, spec) in &topology.services {
            for replica in 0..spec.replicas {
                let (up, is_up) = oneshot::channel();
                self.add(name, replica, Duration::ZERO, Some(up));
                ready.push(is_up);
            }
        }
        for is_up in ready {
            // One that cannot start drops its sender, and has said why.
            if is_up.await.is_err()
                && let Some(ended) = self.lives.join_next().await
            {
                anyhow::bail!(why(ended).unwrap_or_else(|| "a replica stopped at once".to_owned()));
            }
        }
        Ok(())
    }

    /// Obeys until the platform stops; returns when all replicas have ended.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Scale>) {
        let stop = self.grounds.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.lives.join_next(), if !self.lives.is_empty() => self.ended(ended),
                Some(scale) = orders.recv() => self.scale(&scale),
            }
        }
        while let Some(ended) = self.lives.join_next().await {
            self.ended(ended);
        }
    }

    fn ended(&self, ended: Result<anyhow::Result<()>, JoinError>) {
        if let Some(why) = why(ended) {
            tracing::error!(why, "a replica's life went wrong");
            self.failure.send_replace(Some(why));
        }
    }

    fn add(
        &mut self,
        service: &str,
        replica: u32,
        cold_start: Duration,
        up: Option<oneshot::Sender<()>>,
    ) {
        let leave = CancellationToken::new();
        let key = (service.to_owned(), replica);
        self.leave.insert(key, leave.clone());
        self.lives.spawn(live(Slot {
            grounds: Arc::clone(&self.grounds),
            service: service.to_owned(),
            replica,
            cold_start,
            leave,
            up,
        }));
    }

    /// The highest numbers go first and come last.
    fn scale(&mut self, scale: &Scale) {
        let (grounds, service) = (Arc::clone(&self.grounds), &scale.service);
        let environment = &grounds.topology.services[service].environment;
        let cold_start = (grounds.topology.environments[environment].scaling.as_ref())
            .map_or(Duration::ZERO, |scaling| scaling.cold_start);
        let numbers = |fleet: &Fleet| -> Vec<u32> {
            let from = (service.clone(), 0)..=(service.clone(), u32::MAX);
            fleet
                .leave
                .range(from)
                .map(|((_, replica), _)| *replica)
                .collect()
        };
        let now = numbers(self);
        tracing::debug!(service, from = now.len(), to = scale.replicas, "scaling");
        for replica in now.iter().skip(scale.replicas as usize) {
            if let Some(leave) = self.leave.remove(&(service.clone(), *replica)) {
                leave.cancel();
            }
        }
        let free = (0..).filter(|replica| !now.contains(replica));
        for replica in free.take((scale.replicas as usize).saturating_sub(now.len())) {
            self.add(service, replica, cold_start, None);
        }
    }
}

/// None when all is well.
fn why(ended: Result<anyhow::Result<()>, JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(error) => Some(error.to_string()),
    }
}
