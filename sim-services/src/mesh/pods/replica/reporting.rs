//! Tells the control every half second what the replica did.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::super::follower::Follower;
use super::super::words::Report;
use crate::mesh::grounds::Grounds;
use crate::mesh::state::{Phase, ReplicaState};

/// What the control knows of an experiment's effects is at most this old.
const EVERY: Duration = Duration::from_millis(500);

pub(super) struct Reporter {
    pub(super) follower: Arc<Follower>,
    pub(super) grounds: Arc<Grounds>,
    pub(super) service: String,
    pub(super) pod: String,
    pub(super) process: u64,
}

impl Reporter {
    /// Until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reporting = async {
            loop {
                ticks.tick().await;
                self.report().await;
            }
        };
        // It only ends when it is stopped.
        let _: Option<()> = stop.run_until_cancelled(reporting).await;
    }

    /// Once, now.
    pub(super) async fn report(&self) {
        let grounds = &self.grounds;
        let state = standing(grounds.board.replicas(&self.service));
        let reading = grounds.meters.read();
        let queues = grounds.queues.get(&self.service);
        self.follower
            .report(|touched| Report {
                pod: self.pod.clone(),
                service: self.service.clone(),
                process: self.process,
                version: state
                    .as_ref()
                    .map_or_else(String::new, |state| state.version.clone()),
                phase: state.as_ref().map_or(Phase::Down, |state| state.phase),
                address: state.as_ref().and_then(|state| state.address),
                busy: state.as_ref().map_or(0, |state| state.busy),
                workers: state.as_ref().map_or(0, |state| state.workers),
                waiting: state.as_ref().map_or(0, |state| state.waiting),
                counts: reading.service(&self.service),
                links: (reading.links.into_iter())
                    .filter(|(_, counts)| *counts != Default::default())
                    .map(|((from, to), counts)| (from, to, counts))
                    .collect(),
                dns_failures: reading.dns_failures,
                queues: queues.map(|queues| queues.depths()).unwrap_or_default(),
                touched,
            })
            .await;
    }
}

/// While one version takes over from another there are two processes; the one that serves counts.
fn standing(replicas: Vec<ReplicaState>) -> Option<ReplicaState> {
    replicas
        .into_iter()
        .max_by_key(|state| state.phase == Phase::Running)
}
