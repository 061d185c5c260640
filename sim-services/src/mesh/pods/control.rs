//! What a platform of many processes has once: its clients, its experiments, the admin API, and
//! the stream of what is on that replicas follow.
//!
//! It calls the entry service at its address as any client does, and reaches replicas by
//! nothing but the stream: it asks nothing of whoever runs them.

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::peers::Peer;
use super::roster::Roster;
use super::words::Report;
use crate::admin::{self, Stage};
use crate::change::Conditions;
use crate::chaos::experiment::Experiment;
use crate::chaos::{Levers, Manual};
use crate::clock::Clock;
use crate::load::{Load, Rate};
use crate::mesh::record::Record;
use crate::mesh::start::CLIENT_CONNECTIONS;
use crate::mesh::state::{self, EnvironmentState, MeshState, ServiceState};
use crate::mesh::{Settings, Tell};
use crate::meter::Meters;
use crate::net::Net;
use crate::topology::Topology;
use crate::truth::Timeline;

/// How often pods are looked for that are gone.
const SWEEP: Duration = Duration::from_secs(1);
/// A report of one replica: counters, and a line for each change.
const LARGEST_REPORT: usize = 1 << 20;

pub struct ControlConfig {
    pub topology: Arc<Topology>,
    pub clock: Clock,
    /// Of the platform: the same for all its processes.
    pub seed: u64,
    /// Where the entry service is; without it there are no clients.
    pub entry: Option<Peer>,
    /// Instead of the topology's.
    pub rate: Option<Rate>,
    /// The same load at all hours, instead of the topology's shape.
    pub constant: bool,
    pub tell: Tell,
}

impl std::fmt::Debug for ControlConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlConfig")
            .field("topology", &self.topology.name)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// Runs until [`stop`](Control::stop). When it is dropped, everything ends by and by.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    net: Arc<Net>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    _stop: DropGuard,
}

/// What its pages show.
#[derive(Debug)]
struct Shared {
    topology: Arc<Topology>,
    clock: Clock,
    seed: u64,
    conditions: watch::Sender<Arc<Conditions>>,
    meters: Arc<Meters>,
    load: Arc<Load>,
    manual: Manual,
    settings: Settings,
    record: Record,
    roster: Roster,
    stop: CancellationToken,
}

impl Control {
    /// Must be called within a tokio runtime.
    pub fn start(config: ControlConfig) -> Control {
        let ControlConfig {
            topology,
            clock,
            seed,
            entry,
            rate,
            constant,
            tell,
        } = config;
        let meters = Arc::new(Meters::default());
        let conditions = watch::Sender::<Arc<Conditions>>::default();
        let net = Net::part(
            clock,
            seed,
            Arc::clone(&topology),
            conditions.subscribe(),
            Arc::clone(&meters),
        );
        let from = &topology.services[&topology.entry].environment;
        let connections = BTreeMap::from([(topology.entry.clone(), CLIENT_CONNECTIONS)]);
        let clients = net.client(from, connections, "clients");
        let mut load = Load::new(
            Arc::clone(&topology),
            Arc::new(clients),
            clock,
            seed,
            conditions.subscribe(),
            Arc::clone(&meters),
        );
        if let Some(rate) = rate {
            load = load.with_rate(rate);
        }
        if constant {
            load = load.constant();
        }
        let levers = Levers {
            conditions: conditions.clone(),
            meters: Arc::clone(&meters),
        };
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            clock,
            seed,
            conditions,
            load: Arc::new(load),
            manual: Manual::new(Arc::clone(&topology), &levers, clock),
            settings: Settings::new(levers),
            record: Record::new(Arc::clone(&topology), seed, false, clock.now()),
            roster: Roster::default(),
            stop: stop.clone(),
            meters,
            topology,
        });
        let mut tasks = JoinSet::new();
        if let Some(entry) = entry {
            let topology = Arc::clone(&shared.topology);
            tasks.spawn(entry.keep(Arc::clone(&net), topology, stop.clone()));
            tasks.spawn(Arc::clone(&shared.load).run(stop.clone()));
        }
        tasks.spawn(Arc::clone(&shared).experiments(tell));
        tasks.spawn(Arc::clone(&shared).sweep());
        Control {
            shared,
            net,
            tasks,
            _stop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// All pages: the admin API, and what replicas ask for.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/follow", get(stream::follow))
            .route(
                "/report",
                post(report).layer(DefaultBodyLimit::max(LARGEST_REPORT)),
            )
            .with_state(Arc::clone(&self.shared))
            .merge(admin::router(Arc::clone(&self.shared)))
    }

    /// Told when something new is known of the replicas.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.shared.roster.news()
    }

    pub fn stage(&self) -> Arc<dyn Stage> {
        Arc::clone(&self.shared) as Arc<dyn Stage>
    }

    /// Ends experiments, clients and streams; what really happened.
    pub async fn stop(mut self) -> Timeline {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.net.stop().await;
        self.shared.timeline()
    }
}

impl Shared {
    async fn experiments(self: Arc<Self>, tell: Tell) {
        (self.manual)
            .run(self.stop.clone(), |happening| {
                self.record.note(&tell, happening);
            })
            .await;
    }

    async fn sweep(self: Arc<Self>) {
        let mut ticks = interval(SWEEP);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => self.roster.sweep(self.clock.now()),
            }
        }
    }
}

async fn report(State(shared): State<Arc<Shared>>, Json(report): Json<Report>) -> StatusCode {
    if !shared.topology.services.contains_key(&report.service) {
        return StatusCode::NOT_FOUND;
    }
    let conditions = Arc::clone(&shared.conditions.borrow());
    let now = shared.clock.now();
    (shared.roster).take(report, &conditions, &shared.meters, now);
    StatusCode::NO_CONTENT
}

impl Stage for Shared {
    fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    fn state(&self) -> MeshState {
        let now = self.clock.now();
        let services = self.topology.services.iter().map(|(name, spec)| {
            let state = ServiceState {
                environment: spec.environment.clone(),
                version: spec.version.clone(),
                replicas: self.roster.replicas(name),
            };
            (name.clone(), state)
        });
        let environments = self.topology.environments.iter();
        MeshState {
            topology: self.topology.name.clone(),
            seed: self.seed,
            at: now.to_string(),
            environments: environments
                .map(|(name, spec)| (name.clone(), EnvironmentState::of(spec, now)))
                .collect(),
            services: services.collect(),
            queues: self.roster.queues(),
            changes: state::changes(&self.conditions.borrow()),
        }
    }

    fn load(&self) -> &Load {
        &self.load
    }

    fn manual(&self) -> &Manual {
        &self.manual
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn timeline(&self) -> Timeline {
        self.record.timeline(self.clock.now())
    }

    /// Only who follows can be harmed.
    fn objection(&self, experiment: &Experiment) -> Option<String> {
        experiment.faults.iter().find_map(|placed| {
            let (kind, target) = (placed.fault.kind(), &placed.target);
            let service = target.service.as_ref()?;
            let spec = self.topology.services.get(service)?;
            let followers = self.roster.followers(service);
            let namespace = &spec.namespace;
            if followers == 0 {
                return Some(format!(
                    "`{kind}` on `{service}` would do nothing: no pod of it follows this control. \
                     `kubectl get pods -n {namespace} -l app.kubernetes.io/name={service}` tells \
                     whether any runs"
                ));
            }
            let replica = target.replica.filter(|replica| *replica >= followers)?;
            Some(format!(
                "`{kind}` on replica {replica} of `{service}` would do nothing: its pods are \
                 numbered from 0 and there are {followers}"
            ))
        })
    }
}
