//! A platform with everything on: the mesh, its clients, experiments, and the truth about them.
//!
//! The same in both worlds: on the wall clock over TCP, or in [virtual time](super::virtual_time)
//! over memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::record::Record;
use super::settings::Settings;
use super::{Mesh, MeshConfig};
use crate::chaos::{self, Happening, Manual, Plan};
use crate::load::{Load, Rate};
use crate::net::Wire;
use crate::truth::Timeline;

/// Hears of every experiment that begins, is at full strength, or ends.
pub type Tell = Arc<dyn Fn(&Happening) + Send + Sync>;

pub struct PlatformConfig {
    pub mesh: MeshConfig,
    /// Instead of the topology's.
    pub rate: Option<Rate>,
    /// The same load at all hours, instead of the topology's shape.
    pub constant: bool,
    pub tell: Tell,
}

impl fmt::Debug for PlatformConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformConfig")
            .field("mesh", &self.mesh)
            .field("rate", &self.rate)
            .field("constant", &self.constant)
            .finish_non_exhaustive()
    }
}

/// Runs until [`stop`](Platform::stop). When it is dropped, everything ends by and by.
pub struct Platform {
    mesh: Mesh,
    load: Arc<Load>,
    manual: Arc<Manual>,
    settings: Settings,
    tell: Tell,
    record: Arc<Record>,
    tasks: JoinSet<()>,
    stop_load: CancellationToken,
    stop_manual: CancellationToken,
    _stop_all: [DropGuard; 2],
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("mesh", &self.mesh)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}

impl Platform {
    /// Returns when every replica takes requests and the first clients are on their way.
    ///
    /// # Errors
    ///
    /// When nothing can be listened on.
    pub async fn start(config: PlatformConfig) -> anyhow::Result<Platform> {
        let PlatformConfig {
            mesh,
            rate,
            constant,
            tell,
        } = config;
        let (seed, clock) = (mesh.seed, mesh.clock);
        let virtual_time = matches!(mesh.wire, Wire::Memory(_));
        let started = clock.now();
        let mesh = Mesh::start(mesh).await?;
        let mut load = Load::new(
            Arc::clone(mesh.topology()),
            mesh.clients(),
            clock,
            seed,
            mesh.follow(),
            Arc::clone(mesh.meters()),
        );
        if let Some(rate) = rate {
            load = load.with_rate(rate);
        }
        if constant {
            load = load.constant();
        }
        let load = Arc::new(load);
        let levers = mesh.levers();
        let manual = Arc::new(Manual::new(Arc::clone(mesh.topology()), &levers, clock));
        let topology = Arc::clone(mesh.topology());
        let record = Arc::new(Record::new(topology, seed, virtual_time, started));
        let (stop_load, stop_manual) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&load).run(stop_load.clone()));
        let people = {
            let (manual, stop) = (Arc::clone(&manual), stop_manual.clone());
            let (record, tell) = (Arc::clone(&record), Arc::clone(&tell));
            async move {
                manual
                    .run(stop, |happening| record.note(&tell, happening))
                    .await;
            }
        };
        tasks.spawn(people);
        Ok(Platform {
            settings: Settings::new(levers),
            mesh,
            load,
            manual,
            tell,
            record,
            tasks,
            _stop_all: [
                stop_load.clone().drop_guard(),
                stop_manual.clone().drop_guard(),
            ],
            stop_load,
            stop_manual,
        })
    }

    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    pub fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Experiments that people start and stop.
    pub fn manual(&self) -> &Arc<Manual> {
        &self.manual
    }

    /// What people turn by hand.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs a plan to its end, or until `stop`. The watcher is judged from the first plan's start
    /// on.
    pub async fn play(&self, plan: &Plan, stop: CancellationToken) {
        let clock = self.mesh.clock();
        self.record.judge_from(clock.now());
        let tell = |happening: &Happening| self.record.note(&self.tell, happening);
        let (topology, levers) = (self.mesh.topology(), self.mesh.levers());
        // What they return was told as well.
        chaos::run(plan, topology, &levers, clock, stop, tell).await;
    }

    /// Why the platform does not run as it should; pending as long as it does.
    pub async fn failed(&self) -> String {
        self.mesh.failed().await
    }

    /// What really happened so far.
    pub fn timeline(&self) -> Timeline {
        self.record.timeline(self.mesh.clock().now())
    }

    /// Ends everything: experiments, clients, services. Afterwards nothing listens, no task is
    /// left, and all that was logged has been delivered.
    ///
    /// # Panics
    ///
    /// When the load did.
    pub async fn stop(mut self) -> Timeline {
        self.stop_manual.cancel();
        self.stop_load.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        let timeline = self.timeline();
        self.mesh.stop().await;
        timeline
    }
}

/// A whole run: a platform starts, is watched for `warm_up` until one should know what is normal,
/// goes through the plan, and ends. It ends early when `stop` says so.
///
/// # Errors
///
/// When nothing can be listened on, or when the platform itself goes wrong.
pub async fn run(
    config: PlatformConfig,
    warm_up: Duration,
    plan: &Plan,
    stop: CancellationToken,
) -> anyhow::Result<Timeline> {
    let platform = Platform::start(config).await?;
    let story = async {
        let warm = tokio::time::sleep(warm_up);
        if stop.run_until_cancelled(warm).await.is_some() {
            platform.play(plan, stop.clone()).await;
        }
    };
    let failure = tokio::select! {
        biased;
        () = story => None,
        why = platform.failed() => Some(why),
    };
    let timeline = platform.stop().await;
    match failure {
        None => Ok(timeline),
        Some(why) => Err(anyhow::anyhow!("the platform went wrong: {why}")),
    }
}
