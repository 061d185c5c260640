//! Jobs: pods that run to their end, so many at a time, until enough have succeeded.
//!
//! After `kubernetes/pkg/controller/job`. Pods carry a finalizer until they have been counted, so
//! that each counts once, whoever deletes it. Pod failure policies and success policies are left out.

mod pods;
mod status;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Action, Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, Reference, World};
use crate::client::Propagation;
use crate::object;
use status::Counted;

const RESOURCE: &str = "jobs.batch";

/// The first pause after a failed pod; doubled with each, up to the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(600);

#[derive(Debug)]
pub(super) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        "job"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => {
                adopt::wake_itself(change, RESOURCE, wake);
                // Pods of a job that is gone are held by nobody any more.
                if let Some(job) = change.object().filter(|_| change.is_gone()) {
                    for (at, _) in world.dependants(object::uid(job)) {
                        wake(&at.resource, &at.namespace, &at.name);
                    }
                }
            }
            "pods" => {
                adopt::wake_owner(change, world, RESOURCE, wake);
                if let Some(pod) = change.new.filter(|pod| pods::is_held(pod)) {
                    let owner = object::controller(pod).map(|owner| object::text(owner, &["uid"]));
                    if owner.is_none_or(|uid| world.find_by_uid(uid).is_none()) {
                        wake("pods", object::namespace(pod), object::name(pod));
                    }
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        if key.resource == "pods" {
            return release_orphan(key, view);
        }
        let Some(job) = view.world.get(RESOURCE, &key.namespace, &key.name) else {
            return Plan::default();
        };
        if let Some(labelled) = pods::with_selector(job) {
            let mut plan = Plan::default();
            plan.update(RESOURCE, labelled, None);
            return plan;
        }
        let claimed = adopt::claim(view.world, job, RESOURCE, "pods");
        if !claimed.plan.actions.is_empty() {
            return claimed.plan;
        }
        plan(job, &claimed.owned, view.now)
    }
}

/// Lets go a pod whose job is gone for certain.
fn release_orphan(key: &Key, view: &View<'_>) -> Plan {
    let mut plan = Plan::default();
    let Ok(pod) = view.client.get("pods", &key.namespace, &key.name) else {
        return plan;
    };
    let job = object::controller(&pod).map(|owner| {
        view.client
            .get(RESOURCE, &key.namespace, object::text(owner, &["name"]))
    });
    let is_alive = match (job, object::controller(&pod)) {
        (Some(Ok(job)), Some(owner)) => owner["uid"] == object::uid(&job),
        (Some(Err(status)), _) => status.code != 404,
        _ => false,
    };
    if !is_alive && pods::is_held(&pod) {
        plan.update("pods", pods::released(&pod), None);
    }
    plan
}

fn plan(job: &Arc<Value>, owned: &[Arc<Value>], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if let Some(ended) = status::ended_at(job) {
        release(&mut plan, owned.iter());
        retire(&mut plan, job, ended, now);
        return plan;
    }
    if object::is_being_deleted(job) {
        release(&mut plan, owned.iter().filter(|pod| pod::has_ended(pod)));
        return plan;
    }
    let counted = Counted::of(job, owned);
    let suspended = job["spec"]["suspend"] == true;
    let ending = counted.ending(job, owned, now);
    let (status, said) = counted.status(job, owned, ending, now);
    let is_news = status != job["status"];
    plan.status(RESOURCE, job, status);
    for (warning, reason, message) in said {
        let said = Said::normal(job, reason, message);
        plan.say(Said { warning, ..said });
    }
    // First it is written down that they were counted, then they are let go.
    if !is_news {
        release(&mut plan, owned.iter().filter(|pod| counted.is_noted(pod)));
    }
    let active: Vec<&Arc<Value>> = owned.iter().filter(|pod| pod::is_active(pod)).collect();
    if ending.is_some() || suspended {
        for pod in active {
            delete(&mut plan, job, pod);
        }
        return plan;
    }
    if let Some(left) = deadline(job, now) {
        plan.again_in(left);
    }
    run(&mut plan, job, owned, &active, &counted, now);
    plan
}

/// Makes as many pods as are still wanted, or takes away as many as are not.
fn run(
    plan: &mut Plan,
    job: &Arc<Value>,
    owned: &[Arc<Value>],
    active: &[&Arc<Value>],
    counted: &Counted,
    now: Timestamp,
) {
    let parallelism = pod::number(job, &["spec", "parallelism"]).unwrap_or(1);
    let wanted = match pod::number(job, &["spec", "completions"]) {
        Some(completions) => parallelism.min(completions - counted.succeeded()),
        // Any success means that the work is done: those that still run finish it.
        None if counted.succeeded() > 0 => i64::try_from(active.len()).unwrap_or(parallelism),
        None => parallelism,
    };
    let wanted = usize::try_from(wanted.max(0)).unwrap_or(0);
    if active.len() > wanted {
        let mut spare = active.to_vec();
        spare.sort_by_key(|pod| (pod::is_ready(pod), std::cmp::Reverse(pod::created(pod))));
        for pod in &spare[..active.len() - wanted] {
            delete(plan, job, pod);
        }
        return;
    }
    // A pod on its way out is replaced once it is gone, when the job asks for that.
    let leaving = owned
        .iter()
        .filter(|pod| object::is_being_deleted(pod) && !pod::has_ended(pod));
    let leaving = if job["spec"]["podReplacementPolicy"] == "Failed" {
        leaving.count()
    } else {
        0
    };
    let missing = wanted.saturating_sub(active.len() + leaving);
    if missing == 0 {
        return;
    }
    if let Some(pause) = pause(owned, counted, now) {
        plan.again_in(pause);
        return;
    }
    let mut indexes = pods::free_indexes(job, owned, counted);
    for _ in 0..missing {
        let index = indexes.as_mut().map(Iterator::next);
        if index == Some(None) {
            return;
        }
        let said = Said::normal(job, "SuccessfulCreate", "Created pod: {name}".to_owned())
            .or_when_refused("FailedCreate", "Error creating");
        plan.create("pods", pods::pod(job, index.flatten()), Some(said));
    }
}

/// How long to wait after the last failure.
fn pause(owned: &[Arc<Value>], counted: &Counted, now: Timestamp) -> Option<SignedDuration> {
    let failed_last = owned
        .iter()
        .filter(|pod| pod::phase(pod) == "Failed")
        .map(|pod| pods::ended_at(pod))
        .max()?;
    let times = u32::try_from(counted.failed() - 1).unwrap_or(0).min(10);
    let pause = FIRST_PAUSE.saturating_mul(1 << times).min(LONGEST_PAUSE);
    let left = (failed_last + pause).duration_since(now);
    left.is_positive().then_some(left)
}

/// What is left of `activeDeadlineSeconds`.
fn deadline(job: &Value, now: Timestamp) -> Option<SignedDuration> {
    let seconds = pod::number(job, &["spec", "activeDeadlineSeconds"])?;
    let started = pod::time(&job["status"]["startTime"])?;
    Some((started + SignedDuration::from_secs(seconds)).duration_since(now))
}

fn release<'a>(plan: &mut Plan, pods: impl Iterator<Item = &'a Arc<Value>>) {
    for pod in pods.filter(|pod| pods::is_held(pod)) {
        plan.update("pods", pods::released(pod), None);
    }
}

fn delete(plan: &mut Plan, job: &Arc<Value>, pod: &Arc<Value>) {
    let message = format!("Deleted pod: {}", object::name(pod));
    plan.delete(
        "pods",
        pod,
        Some(Said::normal(job, "SuccessfulDelete", message)),
    );
}

/// Deletes an ended job when its time is up.
fn retire(plan: &mut Plan, job: &Value, ended: Timestamp, now: Timestamp) {
    let Some(seconds) = pod::number(job, &["spec", "ttlSecondsAfterFinished"]) else {
        return;
    };
    let left = (ended + SignedDuration::from_secs(seconds)).duration_since(now);
    if left.is_positive() {
        plan.again_in(left);
    } else if !object::is_being_deleted(job) {
        plan.actions.push(Action::Delete {
            target: Reference::of(RESOURCE, job),
            uid: object::uid(job).to_owned(),
            propagation: Some(Propagation::Foreground),
            grace: None,
            said: None,
        });
    }
}

/// For CronJobs: whether a job has ended, and how.
pub(super) fn ended(job: &Value) -> Option<&'static str> {
    ["Complete", "Failed"].into_iter().find(|kind| {
        object::condition(job, kind).is_some_and(|condition| condition["status"] == "True")
    })
}
