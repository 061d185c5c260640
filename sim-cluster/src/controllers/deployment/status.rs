//! What a Deployment's status says, and how far its roll-out is: what `kubectl rollout status` and
//! `kubectl wait` look at.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::rolling::Wish;
use crate::controllers::{plan, pod};
use crate::object;

/// `progressDeadlineSeconds` when unsaid.
const DEADLINE_SECONDS: i64 = 600;

/// The status for these ReplicaSets, and how long until the roll-out has taken too long.
pub(crate) fn status(
    deployment: &Value,
    wish: Wish,
    new: Option<&Value>,
    old: &[&Value],
    collisions: i64,
    now: Timestamp,
) -> (Value, Option<SignedDuration>) {
    let before = &deployment["status"];
    let sets = || new.into_iter().chain(old.iter().copied());
    let sum = |field: &str| -> i64 { sets().map(|set| count(&set["status"], field)).sum() };
    let asked: i64 = sets().map(|set| count(&set["spec"], "replicas")).sum();
    let counts = Counts {
        replicas: sum("replicas"),
        updated: new.map_or(0, |set| count(&set["status"], "replicas")),
        ready: sum("readyReplicas"),
        available: sum("availableReplicas"),
    };
    let mut status = json!({
        "observedGeneration": object::at(deployment, &["metadata", "generation"]),
    });
    let unavailable = (asked - counts.available).max(0);
    for (field, value) in [
        ("replicas", counts.replicas),
        ("updatedReplicas", counts.updated),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.available),
        ("unavailableReplicas", unavailable),
        ("collisionCount", collisions),
    ] {
        if value > 0 {
            status[field] = json!(value);
        }
    }
    let at = pod::stamp(now);
    let mut conditions = object::list(before, &["conditions"]).to_vec();
    availability(&mut conditions, wish, counts.available, &at);
    failure(&mut conditions, new, &at);
    let progress = Progress {
        deployment,
        wish,
        counts,
        before: Counts::of(before),
        new: new.map(object::name),
    };
    let left = progress.judge(&mut conditions, &at, now);
    status["conditions"] = json!(conditions);
    (status, left)
}

fn count(of: &Value, field: &str) -> i64 {
    of[field].as_i64().unwrap_or(0)
}

#[derive(Clone, Copy)]
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

impl Counts {
    fn of(status: &Value) -> Counts {
        Counts {
            replicas: count(status, "replicas"),
            updated: count(status, "updatedReplicas"),
            ready: count(status, "readyReplicas"),
            available: count(status, "availableReplicas"),
        }
    }
}

fn availability(conditions: &mut Vec<Value>, wish: Wish, available: i64, at: &str) {
    let (status, reason, message) = if available >= wish.min_available() {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    set(conditions, "Available", status, reason, message, at);
}

/// The new set's own trouble with making pods.
fn failure(conditions: &mut Vec<Value>, new: Option<&Value>, at: &str) {
    match new.and_then(|set| object::condition(set, "ReplicaFailure")) {
        Some(failed) => set(
            conditions,
            "ReplicaFailure",
            object::text(failed, &["status"]),
            object::text(failed, &["reason"]),
            object::text(failed, &["message"]),
            at,
        ),
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
}

struct Progress<'a> {
    deployment: &'a Value,
    wish: Wish,
    counts: Counts,
    before: Counts,
    new: Option<&'a str>,
}

impl Progress<'_> {
    /// Follows `kubernetes/pkg/controller/deployment/progress.go`. Gives what is left of the
    /// deadline while the roll-out is under way.
    fn judge(
        &self,
        conditions: &mut Vec<Value>,
        at: &str,
        now: Timestamp,
    ) -> Option<SignedDuration> {
        let known = conditions
            .iter()
            .find(|known| known["type"] == "Progressing")
            .cloned();
        let reason = known
            .as_ref()
            .map_or("", |known| object::text(known, &["reason"]))
            .to_owned();
        if self.deployment["spec"]["paused"] == true {
            if reason != "DeploymentPaused" {
                let message = "Deployment is paused";
                set(
                    conditions,
                    "Progressing",
                    "Unknown",
                    "DeploymentPaused",
                    message,
                    at,
                );
            }
            return None;
        }
        let resumed = reason == "DeploymentPaused";
        let set_name = self.named();
        let complete = self.is_complete();
        let was_complete =
            self.counts.replicas == self.counts.updated && reason == "NewReplicaSetAvailable";
        if complete {
            if !was_complete {
                let message = format!("{set_name} has successfully progressed.");
                set(
                    conditions,
                    "Progressing",
                    "True",
                    "NewReplicaSetAvailable",
                    &message,
                    at,
                );
            }
            return None;
        }
        if was_complete {
            // Pods that come and go later are no roll-out.
            return None;
        }
        if resumed {
            let message = "Deployment is resumed";
            set(
                conditions,
                "Progressing",
                "Unknown",
                "DeploymentResumed",
                message,
                at,
            );
        } else if known.is_none() {
            self.new?;
            let message = format!("Created new replica set {}", self.quoted());
            set(
                conditions,
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                &message,
                at,
            );
        } else if self.is_moving() || reason == "NewReplicaSetAvailable" {
            let message = format!("{set_name} is progressing.");
            set(
                conditions,
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                &message,
                at,
            );
        }
        self.deadline(conditions, at, now)
    }

    fn deadline(
        &self,
        conditions: &mut Vec<Value>,
        at: &str,
        now: Timestamp,
    ) -> Option<SignedDuration> {
        let seconds = pod::number(self.deployment, &["spec", "progressDeadlineSeconds"])
            .unwrap_or(DEADLINE_SECONDS);
        // What Kubernetes takes for "no deadline".
        if seconds >= i64::from(i32::MAX) {
            return None;
        }
        let known = conditions
            .iter()
            .find(|known| known["type"] == "Progressing")?;
        if known["reason"] == "ProgressDeadlineExceeded" {
            return None;
        }
        let since = pod::time(&known["lastUpdateTime"])?;
        let left = (since + SignedDuration::from_secs(seconds)).duration_since(now);
        if left.is_positive() {
            return Some(left);
        }
        let message = format!("{} has timed out progressing.", self.named());
        set(
            conditions,
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            &message,
            at,
        );
        None
    }

    fn is_complete(&self) -> bool {
        let Counts {
            replicas,
            updated,
            available,
            ..
        } = self.counts;
        [replicas, updated, available]
            .iter()
            .all(|count| *count == self.wish.replicas)
    }

    fn is_moving(&self) -> bool {
        let (now, before) = (self.counts, self.before);
        now.updated > before.updated
            || now.replicas - now.updated < before.replicas - before.updated
            || now.ready > before.ready
            || now.available > before.available
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.new.unwrap_or_default())
    }

    fn named(&self) -> String {
        match self.new {
            Some(_) => format!("ReplicaSet {}", self.quoted()),
            None => format!("Deployment \"{}\"", object::name(self.deployment)),
        }
    }
}

/// As [`plan::set_condition`], with the time of the last change of anything, which Deployments have.
fn set(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    at: &str,
) {
    let known = conditions.iter().find(|known| known["type"] == kind);
    let same = known.is_some_and(|known| known["status"] == status && known["reason"] == reason);
    // Progress renews the deadline; everything else is said once.
    if same && reason != "ReplicaSetUpdated" {
        return;
    }
    plan::set_condition(conditions, kind, status, reason, message, at);
    if let Some(condition) = conditions
        .iter_mut()
        .find(|condition| condition["type"] == kind)
    {
        condition["lastUpdateTime"] = json!(at);
    }
}
