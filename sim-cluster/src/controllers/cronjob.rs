//! CronJobs: a Job at each time of a schedule.
//!
//! After `kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go`. Schedules have five fields (or
//! `@daily` and the like) and are in UTC unless `timeZone` says otherwise.

mod schedule;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::adopt;
use super::job::ended;
use super::manager::{Controller, View};
use super::plan::{Action, Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, Reference, World};
use crate::client::Propagation;
use crate::object;
use schedule::Schedule;

const RESOURCE: &str = "cronjobs.batch";
const JOBS: &str = "jobs.batch";

#[derive(Debug)]
pub(super) struct CronJobs;

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        "cronjob"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            JOBS => adopt::wake_owner(change, world, RESOURCE, wake),
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let Some(cron) = view.world.get(RESOURCE, &key.namespace, &key.name) else {
            return Plan::default();
        };
        let jobs = view.world.managed(object::uid(cron), JOBS);
        plan(cron, &jobs, view.now)
    }
}

fn plan(cron: &Arc<Value>, jobs: &[Arc<Value>], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut status = cron["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    let active = settle(&mut plan, cron, jobs, &mut status);
    if !object::is_being_deleted(cron) {
        forget(&mut plan, cron, jobs);
        if cron["spec"]["suspend"] != true {
            start(&mut plan, cron, jobs, &active, &mut status, now);
        }
    }
    plan.status(RESOURCE, cron, status);
    plan
}

fn name_is(job: &Value, reference: &Value) -> bool {
    reference["uid"] == object::uid(job)
}

/// Brings the list of running jobs up to date, and gives those that run.
fn settle<'a>(
    plan: &mut Plan,
    cron: &Arc<Value>,
    jobs: &'a [Arc<Value>],
    status: &mut Value,
) -> Vec<&'a Arc<Value>> {
    let listed = object::list(cron, &["status", "active"]).to_vec();
    for job in jobs {
        let Some(how) = ended(job) else {
            continue;
        };
        if listed.iter().any(|reference| name_is(job, reference)) {
            let message = format!("Saw completed job: {}, condition: {how}", object::name(job));
            plan.say(Said::normal(cron, "SawCompletedJob", message));
        }
        let at = &job["status"]["completionTime"];
        if how == "Complete" && pod::time(at) > pod::time(&status["lastSuccessfulTime"]) {
            status["lastSuccessfulTime"] = at.clone();
        }
    }
    let mut active: Vec<&Arc<Value>> = jobs.iter().filter(|job| ended(job).is_none()).collect();
    active.sort_by_key(|job| (pod::created(job), object::name(job).to_owned()));
    let references: Vec<Value> = active.iter().map(|job| reference(job)).collect();
    if references.is_empty() {
        if let Some(fields) = status.as_object_mut() {
            fields.remove("active");
        }
    } else {
        status["active"] = json!(references);
    }
    active
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "namespace": object::namespace(job), "name": object::name(job),
        "uid": object::uid(job),
    })
}

/// Keeps as many ended jobs as the limits say.
fn forget(plan: &mut Plan, cron: &Arc<Value>, jobs: &[Arc<Value>]) {
    for (how, field, usual) in [
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ] {
        let limit = pod::number(cron, &["spec", field]).unwrap_or(usual);
        let mut of: Vec<&Arc<Value>> = jobs
            .iter()
            .filter(|job| ended(job) == Some(how) && !object::is_being_deleted(job))
            .collect();
        of.sort_by_key(|job| (pod::time(&job["status"]["startTime"]), pod::created(job)));
        let excess = of.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for job in &of[..excess] {
            remove(plan, cron, job);
        }
    }
}

fn remove(plan: &mut Plan, cron: &Arc<Value>, job: &Arc<Value>) {
    let message = format!("Deleted job {}", object::name(job));
    plan.actions.push(Action::Delete {
        target: Reference::of(JOBS, job),
        uid: object::uid(job).to_owned(),
        propagation: Some(Propagation::Background),
        grace: None,
        said: Some(Said::normal(cron, "SuccessfulDelete", message)),
    });
}

fn start(
    plan: &mut Plan,
    cron: &Arc<Value>,
    jobs: &[Arc<Value>],
    active: &[&Arc<Value>],
    status: &mut Value,
    now: Timestamp,
) {
    let written = object::text(cron, &["spec", "schedule"]);
    let zone = object::text(cron, &["spec", "timeZone"]);
    let schedule = match Schedule::read(written, zone) {
        Ok(schedule) => schedule,
        Err(why) => {
            let message = format!("unparseable schedule: \"{written}\" : {why}");
            plan.say(Said::warning(cron, "UnparseableSchedule", message));
            return;
        }
    };
    if let Some(next) = schedule.next_after(now) {
        plan.again_in(next.duration_since(now));
    }
    let last = pod::time(&status["lastScheduleTime"]).unwrap_or_else(|| pod::created(cron));
    let deadline = pod::number(cron, &["spec", "startingDeadlineSeconds"]);
    let earliest = match deadline {
        Some(seconds) => last.max(now - SignedDuration::from_secs(seconds)),
        None => last,
    };
    let missed = schedule.missed(earliest, now);
    if missed.too_many {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds \
                       or check clock skew";
        plan.say(Said::warning(
            cron,
            "TooManyMissedTimes",
            message.to_owned(),
        ));
    }
    let Some(due) = missed.latest else {
        return;
    };
    let name = format!("{}-{}", object::name(cron), due.as_second() / 60);
    if jobs.iter().any(|job| object::name(job) == name) {
        // Started before, and not remembered.
        status["lastScheduleTime"] = json!(pod::stamp(due));
        return;
    }
    match object::text(cron, &["spec", "concurrencyPolicy"]) {
        "Forbid" if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency \
                           policy is Forbid";
            plan.say(Said::normal(cron, "JobAlreadyActive", message.to_owned()));
            return;
        }
        "Replace" => {
            for job in active.iter().filter(|job| !object::is_being_deleted(job)) {
                remove(plan, cron, job);
            }
        }
        _ => {}
    }
    let said = Said::normal(cron, "SuccessfulCreate", "Created job {name}".to_owned())
        .or_when_refused("FailedCreate", "Error creating job");
    plan.create(JOBS, job(cron, &name, due), Some(said));
    status["lastScheduleTime"] = json!(pod::stamp(due));
}

fn job(cron: &Value, name: &str, due: Timestamp) -> Value {
    let template = &cron["spec"]["jobTemplate"];
    let mut metadata = json!({
        "namespace": object::namespace(cron), "name": name,
        "ownerReferences": [pod::controller_reference(cron, "batch/v1", "CronJob")],
    });
    for kept in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(kept) {
            metadata[kept] = value.clone();
        }
    }
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": metadata, "spec": template["spec"],
    });
    pod::set_annotation(
        &mut job,
        "batch.kubernetes.io/cronjob-scheduled-timestamp",
        &pod::stamp(due),
    );
    job
}
