//! A monitor's own traces, sent to another monitor.

use std::process::Command;

use crate::process::{Monitor, crosswatch};

#[tokio::test]
async fn a_monitor_watched_by_another_appears_there_as_a_service() {
    let (watched_data, watching_data) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let watching = Monitor::start(watching_data.path());
    let watched = Monitor::start_with(
        watched_data.path(),
        &["--own-traces", &format!("http://{}", watching.otlp_grpc)],
    );
    let asked = reqwest::get(format!("http://{}/api/v1/status", watched.http))
        .await
        .unwrap();
    assert!(asked.status().is_success());
    // Asked to stop, it sends what it has not sent.
    watched.stop();
    // Everything acknowledged is searchable once a monitor says that it watches.
    watching.stop();
    let watching = Monitor::start(watching_data.path());
    let output = search(&watching, "service:crosswatch kind:span");
    assert!(output.contains("GET /api/v1/status"), "{output}");
}

fn search(monitor: &Monitor, query: &str) -> String {
    let mut command: Command = crosswatch();
    command.args([
        "search",
        query,
        "--url",
        &format!("http://{}", monitor.http),
    ]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
