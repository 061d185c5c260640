//! Jobs and CronJobs.

use std::time::Duration;

use serde_json::{Value, json};
use sim_cluster::object;

use super::{condition, number, template};
use crate::hollow::{Fate, Hollow};

fn job(name: &str, spec: Value) -> Value {
    let mut job = json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "template": template(name) },
    });
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    json_patch::merge(&mut job["spec"], &spec);
    job
}

async fn until_ended(hollow: &Hollow, how: &str) {
    hollow
        .until("jobs.batch", how, |all| {
            all.iter()
                .all(|job| condition(job, how).starts_with("True"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_its_pods_to_their_end() {
    let hollow = Hollow::with(&[], |_| Fate::Succeeds);
    let spec = json!({ "completions": 5, "parallelism": 2 });
    hollow
        .client
        .create("jobs.batch", job("sum", spec))
        .unwrap();
    until_ended(&hollow, "Complete").await;
    let done = hollow.get("jobs.batch", "sum");
    assert_eq!(number(&done, "succeeded"), 5);
    assert_eq!(condition(&done, "Complete"), "True CompletionsReached");
    assert!(done["status"]["completionTime"].is_string());
    assert_eq!(done["status"]["uncountedTerminatedPods"], json!({}));
    let pods = hollow.all("pods");
    assert_eq!(pods.len(), 5);
    for pod in &pods {
        assert_eq!(object::finalizers(pod).count(), 0, "{pod}");
        assert_eq!(
            object::label(pod, "batch.kubernetes.io/job-name"),
            Some("sum")
        );
    }
    hollow
        .client
        .delete("jobs.batch", "default", "sum", &Default::default())
        .unwrap();
    hollow
        .until("pods", "gone with their job", <[_]>::is_empty)
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_gives_up_after_its_failures_with_pauses_in_between() {
    let hollow = Hollow::with(&[], |_| Fate::Fails);
    hollow
        .client
        .create("jobs.batch", job("sum", json!({ "backoffLimit": 2 })))
        .unwrap();
    until_ended(&hollow, "Failed").await;
    let failed = hollow.get("jobs.batch", "sum");
    assert_eq!(number(&failed, "failed"), 3);
    assert_eq!(condition(&failed, "Failed"), "True BackoffLimitExceeded");
    let mut created: Vec<jiff::Timestamp> = hollow
        .all("pods")
        .iter()
        .map(|pod| {
            object::text(pod, &["metadata", "creationTimestamp"])
                .parse()
                .unwrap()
        })
        .collect();
    created.sort();
    assert!((created[1] - created[0]).get_seconds() >= 10, "{created:?}");
    assert!((created[2] - created[1]).get_seconds() >= 20, "{created:?}");
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_is_ended() {
    let hollow = Hollow::start();
    let spec = json!({ "activeDeadlineSeconds": 30, "ttlSecondsAfterFinished": 60 });
    hollow
        .client
        .create("jobs.batch", job("sum", spec))
        .unwrap();
    until_ended(&hollow, "Failed").await;
    assert_eq!(
        condition(&hollow.get("jobs.batch", "sum"), "Failed"),
        "True DeadlineExceeded"
    );
    // And goes by itself, with all it had.
    hollow.until("jobs.batch", "gone", <[_]>::is_empty).await;
    hollow.until("pods", "gone", <[_]>::is_empty).await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn indexed_pods_know_their_number_and_suspended_jobs_have_none() {
    let hollow = Hollow::with(&[], |_| Fate::Succeeds);
    let spec = json!({
        "completions": 3, "parallelism": 3, "completionMode": "Indexed", "suspend": true,
    });
    hollow
        .client
        .create("jobs.batch", job("sum", spec))
        .unwrap();
    hollow
        .until("jobs.batch", "suspended", |all| {
            condition(&all[0], "Suspended") == "True JobSuspended"
        })
        .await;
    hollow.rest().await;
    assert!(hollow.all("pods").is_empty());
    hollow.edit("jobs.batch", "sum", |job| {
        job["spec"]["suspend"] = json!(false)
    });
    until_ended(&hollow, "Complete").await;
    assert_eq!(
        hollow.get("jobs.batch", "sum")["status"]["completedIndexes"],
        "0-2"
    );
    let mut indexes: Vec<String> = hollow
        .all("pods")
        .iter()
        .map(|pod| {
            pod["spec"]["containers"][0]["env"][0]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    indexes.sort();
    assert_eq!(indexes, ["0", "1", "2"]);
    hollow.stop().await;
}

fn cron(policy: &str) -> Value {
    json!({
        "metadata": { "name": "tidy", "namespace": "default" },
        "spec": {
            "schedule": "*/5 * * * *", "concurrencyPolicy": policy, "successfulJobsHistoryLimit": 2,
            "jobTemplate": { "spec": job("", json!({}))["spec"] },
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_starts_on_time_and_keeps_a_short_history() {
    let hollow = Hollow::with(&[], |_| Fate::Succeeds);
    hollow
        .client
        .create("cronjobs.batch", cron("Allow"))
        .unwrap();
    hollow.pass(Duration::from_secs(60 * 26)).await;
    let cron = hollow.get("cronjobs.batch", "tidy");
    assert_eq!(cron["status"]["lastScheduleTime"], "2026-11-21T18:25:00Z");
    assert!(cron["status"]["lastSuccessfulTime"].is_string());
    let minute = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second() / 60;
    let expected =
        ["2026-11-21T18:20:00Z", "2026-11-21T18:25:00Z"].map(|at| format!("tidy-{}", minute(at)));
    assert_eq!(hollow.names("jobs.batch"), expected);
    assert_eq!(hollow.all("pods").len(), 2);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_heeds_its_concurrency_policy() {
    for (policy, running) in [("Allow", 3), ("Forbid", 1), ("Replace", 1)] {
        let hollow = Hollow::start();
        hollow
            .client
            .create("cronjobs.batch", cron(policy))
            .unwrap();
        hollow.pass(Duration::from_secs(60 * 16)).await;
        let jobs = hollow.names("jobs.batch");
        assert_eq!(jobs.len(), running, "{policy}: {jobs:?}");
        let active = hollow.get("cronjobs.batch", "tidy")["status"]["active"].clone();
        assert_eq!(active.as_array().unwrap().len(), running, "{policy}");
        hollow.stop().await;
    }
}
