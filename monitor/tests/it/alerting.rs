//! From log lines to an alert, through every thread of the monitor.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use monitor::config::Values;
use monitor_core::Time;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::support::Site;

const START: Time = Time::from_secs(1_772_359_200);

/// A webhook's receiver on a free loopback port.
pub(crate) async fn receiver() -> (reqwest::Url, mpsc::Receiver<Value>) {
    async fn take(State(told): State<mpsc::Sender<Value>>, Json(body): Json<Value>) {
        told.send(body).await.unwrap();
    }
    let (told, heard) = mpsc::channel(64);
    let router = axum::Router::new()
        .route("/hook", post(take))
        .with_state(told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url.parse().unwrap(), heard)
}

#[tokio::test]
async fn a_slow_api_is_told_once_and_told_to_be_well_again() {
    let (url, mut heard) = receiver().await;
    let values = Values {
        webhook: Some(vec![url]),
        ..Values::default()
    };
    let site = Site::start(START, values).await;
    let now = site.calls(START, 120, 20, Duration::from_millis(40)).await;
    let now = site.calls(now, 40, 20, Duration::from_millis(900)).await;
    let firing = heard.recv().await.unwrap();
    assert_eq!(firing["status"], "firing", "{firing:#}");
    let alert = &firing["alerts"][0];
    assert_eq!(alert["labels"]["service"], "orders", "{firing:#}");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(!summary.is_empty());

    site.calls(now, 180, 20, Duration::from_millis(40)).await;
    let mut resolved = heard.recv().await.unwrap();
    // Firing alerts are sent again; the same one, until it is over.
    while resolved["status"] == "firing" {
        assert_eq!(resolved["alerts"][0]["fingerprint"], alert["fingerprint"]);
        resolved = heard.recv().await.unwrap();
    }
    assert_eq!(resolved["alerts"][0]["fingerprint"], alert["fingerprint"]);
    assert_eq!(resolved["alerts"][0]["labels"], alert["labels"]);
    site.running.stop().await.unwrap();
}
