//! What is refused, and that it comes back by itself.

use std::time::Duration;

use monitor::config::Values;
use monitor_core::{SearchRequest, Time};
use monitor_serve::Refused;

use crate::support::{Site, batch};

const START: Time = Time::from_secs(1_772_359_200);

#[tokio::test]
async fn a_disk_without_room_stops_intake_with_a_reason() {
    // No disk has this much free.
    let values = Values {
        min_free_bytes: Some(u64::MAX),
        ..Values::default()
    };
    let site = Site::start(START, values).await;
    let refusal = site
        .intake()
        .submit(batch(START, 5, Duration::from_millis(10)))
        .await;
    let Err(Refused::DiskFull { detail, .. }) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(detail.contains("MiB"), "{detail}");
    let response = reqwest::Client::new()
        .post(format!("http://{}/insert/jsonline", site.running.otlp_http))
        .body("{\"msg\":\"hello\",\"service\":\"cart\"}\n")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_searchable_after_a_stop_and_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let values = || Values {
        data_dir: Some(folder.path().join("data")),
        ..Values::default()
    };
    let site = Site::start(START, values()).await;
    site.calls(START, 5, 10, Duration::from_millis(20)).await;
    site.running.stop().await.unwrap();

    let site = Site::start(START + Duration::from_secs(60), values()).await;
    let request = SearchRequest {
        query: "service:orders".into(),
        ..SearchRequest::default()
    };
    let page = site.running.search.search(&request).unwrap();
    assert_eq!(page.total, 50);
    assert!(site.running.recovered.with_snapshot);
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn two_monitors_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(folder.path().join("data"));
    let site = Site::start(
        START,
        Values {
            data_dir: data.clone(),
            ..Values::default()
        },
    )
    .await;
    let loopback = Some("127.0.0.1:0".parse().unwrap());
    let values = Values {
        data_dir: data,
        http_listen: loopback,
        otlp_grpc_listen: loopback,
        otlp_http_listen: loopback,
        ..Values::default()
    };
    let settings = monitor::config::MonitorArgs {
        config: None,
        values,
    }
    .settings()
    .unwrap();
    let second = monitor::run::start(settings, crate::support::TestClock::at(START)).await;
    let error = format!("{:#}", second.unwrap_err());
    assert!(error.contains("in use by another monitor"), "{error}");
    site.running.stop().await.unwrap();
}
