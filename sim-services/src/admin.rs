//! The platform's own API, for people and scripts beside it: what runs, experiments, load, levels.
//!
//! It asks nobody who they are: in a process of its own it is served on loopback only, in a cluster
//! within it. Errors are plain sentences with a 4xx status.

mod answer;
mod experiments;
mod settings;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, put};

use self::answer::Problem;
use crate::chaos::Manual;
use crate::chaos::experiment::Experiment;
use crate::load::Load;
use crate::load::Summary;
use crate::mesh::{MeshState, Platform, Settings};
use crate::topology::Topology;
use crate::truth::Timeline;

/// What there is, for who asks for `/`.
const INDEX: &str = "\
crosswatch sim: a simulated platform

  GET    /state                          services, replicas, queues, changes that are on
  GET    /topology                       what it was started from
  GET    /load                           how the platform is for its clients
  PUT    /load                           {\"factor\": 1.5}: so many times the usual load
  GET    /experiments                    those that are on
  POST   /experiments                    a ChaosExperiment, as YAML or JSON; answers its number.
                                         With an `Idempotency-Key`, asking again starts no other
  GET    /experiments/{number}           how it stands, or what it really did when it is over
  DELETE /experiments/{number}           ends it; answers what it really did
  PUT    /services/{service}/log-level   {\"level\": \"debug\"}; null is the usual one
  GET    /timeline                       the truth about experiments that are over
  GET    /healthz
";

/// A platform as its admin API sees it, whatever it runs on.
pub trait Stage: Send + Sync + 'static {
    fn topology(&self) -> &Arc<Topology>;
    fn state(&self) -> MeshState;
    fn load(&self) -> &Load;
    fn manual(&self) -> &Manual;
    fn settings(&self) -> &Settings;
    fn timeline(&self) -> Timeline;

    /// Why an experiment that fits the topology could not act on what runs now, in a sentence.
    fn objection(&self, experiment: &Experiment) -> Option<String>;
}

impl Stage for Platform {
    fn topology(&self) -> &Arc<Topology> {
        self.mesh().topology()
    }

    fn state(&self) -> MeshState {
        self.mesh().state()
    }

    fn load(&self) -> &Load {
        Platform::load(self)
    }

    fn manual(&self) -> &Manual {
        Platform::manual(self)
    }

    fn settings(&self) -> &Settings {
        Platform::settings(self)
    }

    fn timeline(&self) -> Timeline {
        Platform::timeline(self)
    }

    /// Whatever the topology names is there.
    fn objection(&self, _: &Experiment) -> Option<String> {
        None
    }
}

/// All routes over a platform.
pub fn router(stage: Arc<impl Stage>) -> Router {
    let stage: Arc<dyn Stage> = stage;
    Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "ok\n"))
        .route("/state", get(state))
        .route("/topology", get(topology))
        .route("/timeline", get(timeline))
        .route("/load", get(load).put(settings::load))
        .route(
            "/experiments",
            get(experiments::list).post(experiments::start),
        )
        .route(
            "/experiments/{number}",
            get(experiments::show).delete(experiments::stop),
        )
        .route("/services/{service}/log-level", put(settings::log_level))
        .fallback(async || Problem::not_found("there is no such page; GET / tells what there is"))
        .with_state(stage)
}

async fn state(State(stage): State<Arc<dyn Stage>>) -> Json<MeshState> {
    Json(stage.state())
}

async fn topology(State(stage): State<Arc<dyn Stage>>) -> Json<Topology> {
    Json(Topology::clone(stage.topology()))
}

async fn timeline(State(stage): State<Arc<dyn Stage>>) -> Json<Timeline> {
    Json(stage.timeline())
}

async fn load(State(stage): State<Arc<dyn Stage>>) -> Json<Summary> {
    Json(stage.load().summary())
}
