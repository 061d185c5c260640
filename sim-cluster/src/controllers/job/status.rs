//! What a job has achieved, and whether it is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pods;
use crate::controllers::plan::set_condition;
use crate::controllers::pod;
use crate::object;

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    TooManyFailures,
    TookTooLong,
}

/// When it ended, if it has.
pub(super) fn ended_at(job: &Value) -> Option<Timestamp> {
    let condition = object::condition(job, super::ended(job)?)?;
    Some(pod::time(&condition["lastTransitionTime"]).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Ended pods, each counted once: in the numbers of the status, and by uid for as long as the pod
/// is still held by its finalizer.
#[derive(Debug)]
pub(super) struct Counted {
    succeeded: i64,
    failed: i64,
    /// Counted, but not let go yet.
    noted: [BTreeSet<String>; 2],
    completed_indexes: BTreeSet<i64>,
}

impl Counted {
    pub(super) fn of(job: &Value, owned: &[Arc<Value>]) -> Counted {
        let status = &job["status"];
        let number = |field: &str| status[field].as_i64().unwrap_or(0);
        let noted = |field: &str| -> BTreeSet<String> {
            object::list(&status["uncountedTerminatedPods"], &[field])
                .iter()
                .filter_map(|uid| uid.as_str().map(str::to_owned))
                .collect()
        };
        let mut counted = Counted {
            succeeded: number("succeeded"),
            failed: number("failed"),
            noted: [noted("succeeded"), noted("failed")],
            completed_indexes: indexes(object::text(status, &["completedIndexes"])),
        };
        let held: BTreeSet<&str> = owned
            .iter()
            .filter(|pod| pods::is_held(pod))
            .map(|pod| object::uid(pod))
            .collect();
        for noted in &mut counted.noted {
            noted.retain(|uid| held.contains(uid.as_str()));
        }
        for pod in owned.iter().filter(|pod| pods::is_held(pod)) {
            if counted.is_noted(pod) {
                continue;
            }
            let uid = object::uid(pod).to_owned();
            // A pod that somebody deletes has failed, once it is held by nothing but us.
            let is_killed = object::is_being_deleted(pod)
                && !pod::has_ended(pod)
                && pod["metadata"]["deletionGracePeriodSeconds"] == 0;
            match pod::phase(pod) {
                "Succeeded" => {
                    let is_first = pods::index(pod)
                        .is_none_or(|index| counted.completed_indexes.insert(index));
                    counted.succeeded += i64::from(is_first);
                    counted.noted[0].insert(uid);
                }
                "Failed" => {
                    counted.failed += 1;
                    counted.noted[1].insert(uid);
                }
                _ if is_killed => {
                    counted.failed += 1;
                    counted.noted[1].insert(uid);
                }
                _ => {}
            }
        }
        counted
    }

    pub(super) fn is_noted(&self, pod: &Value) -> bool {
        self.noted
            .iter()
            .any(|noted| noted.contains(object::uid(pod)))
    }

    pub(super) fn succeeded(&self) -> i64 {
        self.succeeded
    }

    pub(super) fn failed(&self) -> i64 {
        self.failed
    }

    pub(super) fn completed_indexes(&self) -> impl Iterator<Item = i64> {
        self.completed_indexes.iter().copied()
    }

    pub(super) fn ending(
        &self,
        job: &Value,
        owned: &[Arc<Value>],
        now: Timestamp,
    ) -> Option<Ending> {
        let limit = pod::number(job, &["spec", "backoffLimit"]).unwrap_or(6);
        // Containers that are started again in place fail as much as pods do.
        let in_place = job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure";
        let restarts: u64 = owned
            .iter()
            .filter(|pod| in_place && pod::is_active(pod))
            .map(|pod| pod::restarts(pod))
            .sum();
        let restarts = i64::try_from(restarts).unwrap_or(i64::MAX);
        let has_active = owned.iter().any(|pod| pod::is_active(pod));
        let is_complete = match pod::number(job, &["spec", "completions"]) {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && !has_active,
        };
        if self.failed > limit || (restarts > 0 && restarts >= limit.max(1)) {
            Some(Ending::TooManyFailures)
        } else if is_complete {
            Some(Ending::Complete)
        } else if super::deadline(job, now).is_some_and(|left| !left.is_positive()) {
            Some(Ending::TookTooLong)
        } else {
            None
        }
    }

    /// The status, and what there is to say about it.
    pub(super) fn status(
        &self,
        job: &Value,
        owned: &[Arc<Value>],
        ending: Option<Ending>,
        now: Timestamp,
    ) -> (Value, Vec<(bool, &'static str, String)>) {
        let at = pod::stamp(now);
        let mut said = Vec::new();
        let before = &job["status"];
        let mut conditions = object::list(before, &["conditions"]).to_vec();
        let mut started = before.get("startTime").cloned();
        let was_suspended =
            object::condition(job, "Suspended").is_some_and(|known| known["status"] == "True");
        if job["spec"]["suspend"] == true && ending.is_none() {
            if !was_suspended {
                set_condition(
                    &mut conditions,
                    "Suspended",
                    "True",
                    "JobSuspended",
                    "Job suspended",
                    &at,
                );
                said.push((false, "Suspended", "Job suspended".to_owned()));
            }
            started = None;
        } else if was_suspended && ending.is_none() {
            set_condition(
                &mut conditions,
                "Suspended",
                "False",
                "JobResumed",
                "Job resumed",
                &at,
            );
            said.push((false, "Resumed", "Job resumed".to_owned()));
            started = Some(json!(at));
        } else if started.is_none() {
            started = Some(json!(at));
        }
        let active = owned.iter().filter(|pod| pod::is_active(pod));
        let is_ending = ending.is_some();
        let (active, ready): (usize, usize) = if is_ending {
            (0, 0)
        } else {
            (
                active.clone().count(),
                active.filter(|pod| pod::is_ready(pod)).count(),
            )
        };
        let leaving = owned
            .iter()
            .filter(|pod| object::is_being_deleted(pod) && !pod::has_ended(pod))
            .count();
        // It is over when the last of its pods is gone and counted.
        let is_over = is_ending
            && self.noted.iter().all(BTreeSet::is_empty)
            && !owned.iter().any(|pod| !pod::has_ended(pod));
        let mut status = json!({ "ready": ready, "terminating": leaving });
        if let Some(ending) = ending {
            end(&mut conditions, job, ending, is_over, &at, &mut said);
            if is_over && ending == Ending::Complete {
                status["completionTime"] = json!(at);
            }
        }
        let [succeeded, failed] = &self.noted;
        status["uncountedTerminatedPods"] = json!({});
        for (field, noted) in [("succeeded", succeeded), ("failed", failed)] {
            if !noted.is_empty() {
                status["uncountedTerminatedPods"][field] = json!(noted);
            }
        }
        let active = i64::try_from(active).unwrap_or(i64::MAX);
        for (field, number) in [
            ("active", active),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
        ] {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        if let Some(started) = started {
            status["startTime"] = started;
        }
        if job["spec"]["completionMode"] == "Indexed" {
            status["completedIndexes"] = json!(ranges(&self.completed_indexes));
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        (status, said)
    }
}

fn end(
    conditions: &mut Vec<Value>,
    job: &Value,
    ending: Ending,
    is_over: bool,
    at: &str,
    said: &mut Vec<(bool, &'static str, String)>,
) {
    let (target, over, reason, message) = match ending {
        Ending::Complete => (
            "SuccessCriteriaMet",
            "Complete",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        ),
        Ending::TooManyFailures => (
            "FailureTarget",
            "Failed",
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        ),
        Ending::TookTooLong => (
            "FailureTarget",
            "Failed",
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        ),
    };
    set_condition(conditions, target, "True", reason, message, at);
    if !is_over {
        return;
    }
    set_condition(conditions, over, "True", reason, message, at);
    if super::ended(job).is_none() {
        said.push(match ending {
            Ending::Complete => (false, "Completed", "Job completed".to_owned()),
            _ => (true, reason, message.to_owned()),
        });
    }
}

/// From `0-2,5`.
fn indexes(written: &str) -> BTreeSet<i64> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<i64>().ok()?..=to.parse::<i64>().ok()?)
    };
    written.split(',').filter_map(range).flatten().collect()
}

/// As `0-2,5`.
fn ranges(indexes: &BTreeSet<i64>) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == *index => *to = *index,
            _ => ranges.push((*index, *index)),
        }
    }
    let written = ranges.iter().map(|(from, to)| match to - from {
        0 => from.to_string(),
        1 => format!("{from},{to}"),
        _ => format!("{from}-{to}"),
    });
    written.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_indexes_are_written_as_ranges_and_read_back() {
        for written in ["", "0", "0,1", "0-2", "0-2,5,7-9"] {
            assert_eq!(ranges(&indexes(written)), written);
        }
    }
}
