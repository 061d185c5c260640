//! The platform's own API, for people and scripts beside it: what runs, experiments, load, levels.
//!
//! Whoever serves it listens on loopback only. Errors are plain sentences with a 4xx status.

mod answer;
mod experiments;
mod settings;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, put};

use self::answer::Problem;
use crate::load::Summary;
use crate::mesh::{MeshState, Platform};
use crate::topology::Topology;

/// What there is, for who asks for `/`.
const INDEX: &str = "\
crosswatch sim: a simulated platform

  GET    /state                          services, replicas, queues, changes that are on
  GET    /topology                       what it was started from
  GET    /load                           how the platform is for its clients
  PUT    /load                           {\"factor\": 1.5}: so many times the usual load
  GET    /experiments                    those that are on
  POST   /experiments                    a ChaosExperiment, as YAML or JSON; answers its number
  DELETE /experiments/{number}           ends it; answers what it really did
  PUT    /services/{service}/log-level   {\"level\": \"debug\"}; null is the usual one
  GET    /timeline                       the truth about experiments that are over
  GET    /healthz
";

/// All routes over a platform.
pub fn router(platform: Arc<Platform>) -> Router {
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
        .route("/experiments/{number}", delete(experiments::stop))
        .route("/services/{service}/log-level", put(settings::log_level))
        .fallback(async || Problem::not_found("there is no such page; GET / tells what there is"))
        .with_state(platform)
}

async fn state(State(platform): State<Arc<Platform>>) -> Json<MeshState> {
    Json(platform.mesh().state())
}

async fn topology(State(platform): State<Arc<Platform>>) -> Json<Topology> {
    Json(Topology::clone(platform.mesh().topology()))
}

async fn timeline(State(platform): State<Arc<Platform>>) -> Json<crate::truth::Timeline> {
    Json(platform.timeline())
}

async fn load(State(platform): State<Arc<Platform>>) -> Json<Summary> {
    Json(platform.load().summary())
}
