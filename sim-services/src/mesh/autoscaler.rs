//! Looks at a cloud's services again and again, and has replicas added and removed.
//!
//! What to do is decided in `scaling`; how replicas come and go is the fleet's matter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::scaling::{Scaler, Seen};
use super::state::{Board, Phase, ReplicaState};
use crate::clock::Clock;
use crate::topology::{ScalingSpec, Topology};

/// How often busy workers are counted; a metrics server would average over its own period.
const SAMPLE: Duration = Duration::from_secs(1);

/// One service of the environment.
struct Watched {
    name: String,
    least: u32,
    scaler: Scaler,
    /// Busy workers of all samples since the last decision, and how many samples.
    busy: f64,
    samples: u32,
}

/// A service should have so many replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) service: String,
    pub(super) replicas: u32,
}

/// Decides for every scalable service of `environment` until `stop`; `order` hears of those that
/// should have more or fewer replicas than they have.
pub(super) async fn run(
    topology: Arc<Topology>,
    environment: String,
    board: Arc<Board>,
    clock: Clock,
    stop: CancellationToken,
    order: mpsc::Sender<Scale>,
) {
    let Some(spec) = topology.environments[&environment].scaling.clone() else {
        return;
    };
    let brokers: Vec<&String> = topology
        .queues
        .values()
        .map(|queue| &queue.broker)
        .collect();
    let mut watched: Vec<Watched> = topology
        .services
        .iter()
        // What keeps state is not scaled.
        .filter(|(name, service)| service.environment == environment && !brokers.contains(name))
        .map(|(name, service)| Watched {
            name: name.clone(),
            least: service.replicas,
            scaler: Scaler::default(),
            busy: 0.0,
            samples: 0,
        })
        .collect();
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut decide_at = clock.now() + spec.every;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let decide = clock.now() >= decide_at;
        for service in &mut watched {
            let replicas = board.replicas(&service.name);
            service.sample(&replicas);
            if decide && let Some(replicas) = service.decide(&spec, &replicas, &clock) {
                let service = service.name.clone();
                if order.send(Scale { service, replicas }).await.is_err() {
                    return;
                }
            }
        }
        if decide {
            decide_at = decide_at + spec.every;
        }
    }
}

impl Watched {
    fn sample(&mut self, replicas: &[ReplicaState]) {
        self.busy += replicas
            .iter()
            .filter(|replica| replica.phase == Phase::Running)
            .map(|replica| f64::from(replica.busy.min(replica.workers)))
            .sum::<f64>();
        self.samples += 1;
    }

    /// None when it has what it should have, or when nothing runs that could be judged.
    fn decide(
        &mut self,
        spec: &ScalingSpec,
        replicas: &[ReplicaState],
        clock: &Clock,
    ) -> Option<u32> {
        let numbers = |phases: &[Phase]| -> BTreeMap<u32, u32> {
            let of_phase = replicas
                .iter()
                .filter(|replica| phases.contains(&replica.phase));
            of_phase
                .map(|replica| (replica.replica, replica.workers))
                .collect()
        };
        let ready = numbers(&[Phase::Running]);
        let all = numbers(&[
            Phase::Running,
            Phase::Starting,
            Phase::Down,
            Phase::BackingOff,
        ]);
        let busy =
            std::mem::take(&mut self.busy) / f64::from(std::mem::take(&mut self.samples).max(1));
        let seen = Seen {
            busy,
            workers: *ready.values().next()?,
            ready: u32::try_from(ready.len()).unwrap_or(u32::MAX),
            starting: u32::try_from(all.len() - ready.len()).unwrap_or(u32::MAX),
        };
        let wanted = self.scaler.desired(spec, self.least, &seen, clock.now());
        (wanted as usize != all.len()).then_some(wanted)
    }
}
