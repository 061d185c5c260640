//! Does the one thing that was decided, and writes the status.

use crds::chaos_experiment::Phase;
use crds::{ChaosExperiment, ChaosExperimentStatus, FIELD_MANAGER, STATUS_FIELD_MANAGER};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action as Again;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::Context;
use super::gather::{ANSWER, Told};
use super::step::{
    self, Action, FINALIZER, Observed, Platform, Started, Step, conditions, started, stopped,
};
use super::verdict::Truth;

/// Why a look came to nothing. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the API server did not take what was written")]
    Api(#[source] kube::Error),
    #[error("the platform at {url} could not be asked")]
    Platform {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the platform at {url} has trouble (HTTP {status}): {body}")]
    Trouble {
        url: String,
        status: u16,
        body: String,
    },
}

pub(super) async fn perform(
    context: &Context,
    experiment: &ChaosExperiment,
    observed: &Observed,
    step: Step,
) -> Result<Again, Problem> {
    let Step {
        mut status,
        action,
        after,
    } = step;
    let now = (context.clock)();
    match (action, &observed.platform) {
        (Some(Action::Hold), _) => hold(context, experiment, true).await?,
        (Some(Action::LetGo), _) => {
            // What is written last is written before it may go, and by another look: this one's
            // version is old when it has written.
            if experiment.status.as_ref() == Some(&status) {
                hold(context, experiment, false).await?;
            }
            write(context, experiment, &status).await?;
            return Ok(Again::await_change());
        }
        (Some(Action::Start), Platform::At(url)) => {
            let outcome = start(context, experiment, &status, url).await?;
            status = started(status, outcome, now);
            conditions(&mut status, experiment, now);
        }
        (Some(Action::Stop), Platform::At(url)) => {
            let truth = stop(context, &status, url).await?;
            // One that goes is looked at again, and then let go.
            if experiment.metadata.deletion_timestamp.is_none() {
                status = stopped(status, truth.as_ref(), now);
                conditions(&mut status, experiment, now);
            }
        }
        (Some(Action::Start | Action::Stop), _) | (None, _) => {}
    }
    write(context, experiment, &status).await?;
    Ok(match after {
        Some(after) => {
            // A phase that has just begun is looked at soon, whatever was planned before.
            let soon = status.phase == Phase::Running && action == Some(Action::Start);
            let wait = Duration::try_from(after).unwrap_or(Duration::ZERO);
            Again::requeue(if soon {
                wait.min(Duration::from_secs(1))
            } else {
                wait
            })
        }
        None => Again::await_change(),
    })
}

fn api(context: &Context, experiment: &ChaosExperiment) -> Api<ChaosExperiment> {
    let namespace = experiment.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}

fn body(experiment: &ChaosExperiment) -> Value {
    json!({
        "apiVersion": format!("{}/v1alpha1", crds::GROUP),
        "kind": "ChaosExperiment",
        "metadata": {
            "name": experiment.name_any(),
            "namespace": experiment.namespace(),
            "uid": experiment.uid(),
        },
    })
}

/// Puts the finalizer, or takes it away: what an apply no longer names is removed.
async fn hold(context: &Context, experiment: &ChaosExperiment, hold: bool) -> Result<(), Problem> {
    if step::is_held(experiment) == hold {
        return Ok(());
    }
    let mut finalizers = experiment.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|it| it != FINALIZER);
    if hold {
        finalizers.push(FINALIZER.to_owned());
    }
    // The version keeps it from taking away what somebody else has put meanwhile.
    let patch = Patch::Merge(json!({ "metadata": {
        "uid": experiment.uid(),
        "resourceVersion": experiment.resource_version(),
        "finalizers": finalizers,
    }}));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = experiment.name_any();
    let patched = api(context, experiment).patch(&name, &params, &patch).await;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Problem::Api(error)),
    }
}

async fn write(
    context: &Context,
    experiment: &ChaosExperiment,
    status: &ChaosExperimentStatus,
) -> Result<(), Problem> {
    if experiment.status.as_ref() == Some(status) {
        return Ok(());
    }
    let mut body = body(experiment);
    body["status"] = json!(status);
    let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    let written = api(context, experiment)
        .patch_status(&experiment.name_any(), &params, &Patch::Apply(body))
        .await;
    written.map(drop).map_err(Problem::Api)
}

#[derive(Deserialize)]
struct Numbered {
    number: i64,
}

async fn start(
    context: &Context,
    experiment: &ChaosExperiment,
    status: &ChaosExperimentStatus,
    url: &str,
) -> Result<Started, Problem> {
    // The platform's own shape, which knows nothing of when and whether.
    let spec = &experiment.spec;
    let mut sent = json!({
        "apiVersion": format!("{}/v1alpha1", crds::GROUP),
        "kind": "ChaosExperiment",
        "metadata": { "name": platform_name(&experiment.name_any()) },
        "spec": {
            "description": spec.description,
            "faults": spec.faults,
            "ramp": spec.ramp,
            "duration": spec.duration,
            "recovery": spec.recovery,
        },
    });
    if !spec.expect.is_empty() {
        sent["spec"]["expect"] = json!(spec.expect);
    }
    let key = format!("{}/{}", experiment.uid().unwrap_or_default(), status.run);
    let unreachable = |source| Problem::Platform {
        url: url.to_owned(),
        source,
    };
    let response = context
        .http
        .post(format!("{url}/experiments"))
        .header("idempotency-key", key)
        .timeout(ANSWER)
        .body(sent.to_string())
        .send()
        .await
        .map_err(unreachable)?;
    let code = response.status();
    let text = response.text().await.map_err(unreachable)?;
    if code.is_client_error() {
        return Ok(Started::Refused(text.trim().to_owned()));
    }
    match serde_json::from_str::<Numbered>(&text) {
        Ok(Numbered { number }) if code.is_success() => Ok(Started::Number(number)),
        _ => Err(Problem::Trouble {
            url: url.to_owned(),
            status: code.as_u16(),
            body: text.chars().take(200).collect(),
        }),
    }
}

/// Names there have no dots.
fn platform_name(name: &str) -> String {
    name.replace('.', "-")
}

/// What it really did; none when it was over already.
async fn stop(
    context: &Context,
    status: &ChaosExperimentStatus,
    url: &str,
) -> Result<Option<Truth>, Problem> {
    let Some(number) = status.number else {
        return Ok(None);
    };
    let unreachable = |source| Problem::Platform {
        url: url.to_owned(),
        source,
    };
    let response = context
        .http
        .delete(format!("{url}/experiments/{number}"))
        .timeout(ANSWER)
        .send()
        .await
        .map_err(unreachable)?;
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let response = response.error_for_status().map_err(unreachable)?;
    let told: Told = response.json().await.map_err(unreachable)?;
    Ok(Some(told.into()))
}
