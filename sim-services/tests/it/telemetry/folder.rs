//! A recording has everything that was delivered.

use std::fs::read_to_string;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use sim_services::telemetry::sink::{Folder, FolderError, Sink};
use sim_services::telemetry::{Export, Identity, otlp};

use super::{export, gauges, identity};

fn of(service: &str, instance: &str) -> Export {
    Export {
        identity: Identity {
            service: service.into(),
            instance: instance.into(),
            ..identity()
        }
        .into(),
        gauges: gauges(),
        ..export(0)
    }
}

#[tokio::test(start_paused = true)]
async fn it_has_lines_and_requests_as_they_were_delivered() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    let deliveries = [
        vec![of("cart", "cart-1"), of("web", "web-1")],
        vec![of("cart", "cart-1")],
    ];
    for delivery in &deliveries {
        folder.deliver(delivery.clone()).await;
    }
    folder.finish().unwrap();
    let cart = read_to_string(root.path().join("logs/cloud-a/cart/cart-1.log")).unwrap();
    assert_eq!(cart, "first\nsecond\n\tat of(Two.java:1)\n".repeat(2));
    let web = read_to_string(root.path().join("logs/cloud-a/web/web-1.log")).unwrap();
    assert_eq!(web, "first\nsecond\n\tat of(Two.java:1)\n");
    let logs = read_to_string(root.path().join("otlp/logs.jsonl")).unwrap();
    let logs: Vec<ExportLogsServiceRequest> = logs
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        logs,
        deliveries.each_ref().map(|exports| otlp::logs(exports))
    );
    let traces = read_to_string(root.path().join("otlp/traces.jsonl")).unwrap();
    let traces: Vec<ExportTraceServiceRequest> = traces
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        traces,
        deliveries.each_ref().map(|exports| otlp::traces(exports))
    );
    let metrics = read_to_string(root.path().join("otlp/metrics.jsonl")).unwrap();
    let metrics: Vec<ExportMetricsServiceRequest> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        metrics,
        deliveries.each_ref().map(|exports| otlp::metrics(exports))
    );
    assert_eq!(folder.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_replicas_than_files_may_be_open_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    let names: Vec<String> = (0..150).map(|n| format!("cart-{n}")).collect();
    for _ in 0..2 {
        let exports = names.iter().map(|name| of("cart", name)).collect();
        folder.deliver(exports).await;
    }
    drop(folder);
    for name in names {
        let path = root.path().join(format!("logs/cloud-a/cart/{name}.log"));
        assert_eq!(read_to_string(path).unwrap().lines().count(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_flushed_every_second() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    let path = root.path().join("logs/cloud-a/cart/cart-1.log");
    folder.deliver(vec![of("cart", "cart-1")]).await;
    assert_eq!(read_to_string(&path).unwrap(), "");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    folder.deliver(vec![of("web", "web-1")]).await;
    assert_eq!(read_to_string(&path).unwrap().lines().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn names_cannot_leave_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(&root.path().join("recording")).unwrap();
    folder.deliver(vec![of("../../..", "..")]).await;
    folder.finish().unwrap();
    assert!(
        root.path()
            .join("recording/logs/cloud-a/.._.._../_...log")
            .exists()
    );
}

#[test]
fn two_recordings_do_not_mix() {
    let root = tempfile::tempdir().unwrap();
    Folder::create(root.path()).unwrap();
    let second = Folder::create(root.path());
    assert!(matches!(second, Err(FolderError::Taken(_))));
}
