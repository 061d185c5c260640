//! `ChaosExperiment`s: starts them on the platform that takes them, watches over them, judges what
//! the monitor made of them.
//!
//! Each look at one gathers what is the case, decides by [`step`] alone, does at most one thing and
//! writes the status. Starting has a key that the platform knows, so that doing it twice is doing it
//! once. The finalizer ends what is on before a resource goes.

mod gather;
mod perform;
pub(crate) mod step;
pub(crate) mod verdict;

use std::sync::Arc;
use std::time::Duration;

use crds::ChaosExperiment;
use futures::StreamExt;
use kube::Client;
use kube::api::Api;
use kube::runtime::controller::Action as Again;
use kube::runtime::{Controller, watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::gather::Found;
use self::gather::gather;
use self::perform::{Problem, perform};
use self::step::step;
use crate::metrics::Metrics;
use crate::perform::chain;
use crate::run::Clock;
use crate::table::Scope;

/// An operator that does not act looks this often whether it does now.
const NOT_LEADING: Duration = Duration::from_secs(2);
const FIRST_RETRY: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) monitor: monitor_api::Client,
    pub(crate) http: reqwest::Client,
    /// Where platforms are looked for; everywhere when empty.
    pub(crate) namespaces: Vec<String>,
    pub(crate) leading: watch::Receiver<bool>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) found: Arc<Found>,
}

pub(crate) async fn run(context: Context, scope: Scope, stop: CancellationToken) {
    let api: Api<ChaosExperiment> = match &scope {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    Controller::new(api, watcher::Config::default())
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(look, again, Arc::new(context))
        .for_each(|looked| {
            if let Err(error) = looked {
                tracing::debug!(
                    why = chain(&error),
                    "a look at an experiment came to nothing"
                );
            }
            std::future::ready(())
        })
        .await;
}

async fn look(experiment: Arc<ChaosExperiment>, context: Arc<Context>) -> Result<Again, Problem> {
    if !*context.leading.borrow() {
        return Ok(Again::requeue(NOT_LEADING));
    }
    let begun = tokio::time::Instant::now();
    let now = (context.clock)();
    let observed = gather(&context, &experiment, now).await;
    let step = step(&experiment, &observed, now);
    tracing::debug!(
        experiment = experiment.metadata.name,
        phase = step.status.phase.as_str(),
        action = ?step.action,
        "looked"
    );
    let outcome = perform(&context, &experiment, &observed, step).await;
    context
        .metrics
        .looked(begun.elapsed().as_secs_f64(), outcome.is_ok());
    outcome
}

fn again(_: Arc<ChaosExperiment>, problem: &Problem, _: Arc<Context>) -> Again {
    tracing::warn!(
        why = chain(problem),
        "an experiment is looked at again soon"
    );
    Again::requeue(FIRST_RETRY)
}
