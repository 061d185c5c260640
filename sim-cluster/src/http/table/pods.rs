//! What `kubectl get pods` says about a pod in one word, and how often it was restarted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::duration;
use crate::object;

/// Ready, Status, Restarts; after `printPod` of `pkg/printers/internalversion/printers.go`.
pub(super) fn summary(pod: &Value, now: Timestamp) -> [Value; 3] {
    let statuses = object::list(pod, &["status", "containerStatuses"]);
    let containers = object::list(pod, &["spec", "containers"]).len();
    let ready = statuses
        .iter()
        .filter(|status| status["ready"] == true)
        .count();
    [
        json!(format!("{ready}/{containers}")),
        json!(word(pod)),
        restarts(pod, now),
    ]
}

fn word(pod: &Value) -> String {
    let mut reason = object::text(pod, &["status", "phase"]).to_owned();
    let said = object::text(pod, &["status", "reason"]);
    if !said.is_empty() {
        said.clone_into(&mut reason);
    }
    if object::condition(pod, "PodScheduled").is_some_and(|it| it["reason"] == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    match initialising(pod) {
        Some(word) => reason = word,
        None => reason = running(pod, reason),
    }
    if object::is_being_deleted(pod) {
        if said == "NodeLost" {
            return "Unknown".to_owned();
        }
        if !matches!(
            object::text(pod, &["status", "phase"]),
            "Succeeded" | "Failed"
        ) {
            return "Terminating".to_owned();
        }
    }
    reason
}

/// What is said while init containers run or have failed.
fn initialising(pod: &Value) -> Option<String> {
    let statuses = object::list(pod, &["status", "initContainerStatuses"]);
    let declared = object::list(pod, &["spec", "initContainers"]);
    let total = declared.len();
    for (i, status) in statuses.iter().enumerate() {
        let state = &status["state"];
        let sidecar = declared
            .iter()
            .find(|it| it["name"] == status["name"])
            .is_some_and(|it| it["restartPolicy"] == "Always");
        if state["terminated"]["exitCode"] == 0 || (sidecar && status["started"] == true) {
            continue;
        }
        if state["terminated"].is_object() {
            return Some(format!("Init:{}", ended(&state["terminated"])));
        }
        let waiting = object::text(state, &["waiting", "reason"]);
        if !waiting.is_empty() && waiting != "PodInitializing" {
            return Some(format!("Init:{waiting}"));
        }
        return Some(format!("Init:{i}/{total}"));
    }
    None
}

fn running(pod: &Value, phase: String) -> String {
    let mut reason = phase;
    let mut has_running = false;
    for status in object::list(pod, &["status", "containerStatuses"])
        .iter()
        .rev()
    {
        let state = &status["state"];
        let waiting = object::text(state, &["waiting", "reason"]);
        if !waiting.is_empty() {
            waiting.clone_into(&mut reason);
        } else if state["terminated"].is_object() {
            reason = ended(&state["terminated"]);
        } else if status["ready"] == true && state["running"].is_object() {
            has_running = true;
        }
    }
    if reason == "Completed" && has_running {
        let ready = object::condition(pod, "Ready").is_some_and(|it| it["status"] == "True");
        return if ready { "Running" } else { "NotReady" }.to_owned();
    }
    reason
}

fn ended(terminated: &Value) -> String {
    let reason = object::text(terminated, &["reason"]);
    let signal = terminated["signal"].as_i64().unwrap_or(0);
    if !reason.is_empty() {
        reason.to_owned()
    } else if signal != 0 {
        format!("Signal:{signal}")
    } else {
        format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0))
    }
}

/// `3`, or `3 (2m ago)` when it is known when the last one was.
fn restarts(pod: &Value, now: Timestamp) -> Value {
    let statuses = object::list(pod, &["status", "containerStatuses"]);
    let count: i64 = statuses
        .iter()
        .filter_map(|status| status["restartCount"].as_i64())
        .sum();
    let last = statuses
        .iter()
        .map(|status| object::text(status, &["lastState", "terminated", "finishedAt"]))
        .max()
        .unwrap_or("");
    if count > 0 && !last.is_empty() {
        return json!(format!("{count} ({} ago)", duration::since(last, now)));
    }
    json!(count.to_string())
}
