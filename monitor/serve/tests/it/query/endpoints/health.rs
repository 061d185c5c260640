//! How the monitor itself is, and its headline.

use std::sync::Arc;

use expect_test::expect;
use monitor_core::{ApiState, IngestView, View};

use super::check;
use crate::query::{get_from, noon, parcels, usual};

#[tokio::test]
async fn status() {
    check("/api/v1/status", expect![[r#"
        200 application/json
        {
          "counts": {
            "alerts_firing": 1,
            "anomalies_open": 2,
            "anomalies_total": 3,
            "apis": 7,
            "apis_by_state": {
              "anomalous": 2,
              "learning": 1,
              "ok": 3,
              "silent": 1
            },
            "environments": 3,
            "future": 1,
            "late": 12,
            "observations": 1204331,
            "overflowed": 88,
            "services": 5
          },
          "headline": "2 of 7 Apis are anomalous and 1 is silent: GET /quotes/{id} of post/tariffs (latency, for 12 s), POST /labels of post/labels (errors, for 3 min) and 1 more.",
          "ingest": {
            "records": 80311,
            "records_unrecognised": 311,
            "redactions": [
              {
                "reason": "email",
                "records": 19
              },
              {
                "reason": "bearer-token",
                "records": 4
              }
            ],
            "streams": 3,
            "streams_unrecognised": 1,
            "templates": 2
          },
          "not_ready_reason": null,
          "now": "2026-11-21T12:00:00Z",
          "ready": true,
          "revision": null,
          "version": "0.1.0",
          "watermark": "2026-11-21T11:59:58Z"
        }
    "#]]).await;
}

#[tokio::test]
async fn health_says_why_it_is_not_ready() {
    let site = usual();
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(
            get_from(&site, path).await.show(),
            "200 text/plain; charset=utf-8\nok\n\n"
        );
    }
    let reason = "reading the write-ahead log: 41 % done";
    drop(site.ready.send_replace(Err(reason.to_owned())));
    assert_eq!(
        get_from(&site, "/readyz").await.show(),
        "503 text/plain; charset=utf-8\nreading the write-ahead log: 41 % done\n\n"
    );
    assert_eq!(get_from(&site, "/livez").await.status, 200);
    let status = get_from(&site, "/api/v1/status").await.json();
    assert_eq!(
        status["headline"],
        "Not ready: reading the write-ahead log: 41 % done."
    );
}

/// The headline when the Apis are in these states.
async fn headline(paint: impl FnOnce(&mut View)) -> String {
    let site = usual();
    let mut view = parcels::view(noon());
    paint(&mut view);
    site.view.send_replace(Arc::new(view));
    let status = get_from(&site, "/api/v1/status").await.json();
    status["headline"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_headline_says_how_things_are() {
    let all = |view: &mut View, state| {
        view.anomalies.clear();
        view.apis.iter_mut().for_each(|api| api.state = state);
    };
    assert_eq!(
        headline(|view| all(view, ApiState::Ok)).await,
        "All 7 Apis are as expected."
    );
    assert_eq!(
        headline(|view| all(view, ApiState::Learning)).await,
        "Still learning what is normal for 7 Apis."
    );
    assert_eq!(
        headline(|view| {
            all(view, ApiState::Ok);
            view.apis[0].state = ApiState::Learning;
            view.apis[1].state = ApiState::Paused;
        })
        .await,
        "5 of 7 Apis are as expected, 1 still learning, 1 paused."
    );
    assert_eq!(
        headline(|view| {
            view.anomalies.retain(|anomaly| anomaly.id.0 == 0x51);
            view.anomalies[0].start = view.at - std::time::Duration::from_secs(7_500);
            all_but_first(view);
        })
        .await,
        "1 of 7 Apis is anomalous: GET /quotes/{id} of post/tariffs (latency, for 2 h 5 min)."
    );
    assert_eq!(
        headline(|view| {
            all_but_first(view);
            view.apis[0].state = ApiState::Silent;
            view.anomalies.drain(..2);
            view.anomalies[0].end = None;
        })
        .await,
        "1 of 7 Apis is silent: GET /quotes/{id} of post/tariffs. The logs of post/depots are unusual."
    );
}

fn all_but_first(view: &mut View) {
    view.apis
        .iter_mut()
        .skip(1)
        .for_each(|api| api.state = ApiState::Ok);
}

#[tokio::test]
async fn nothing_received_is_said_so() {
    let site = usual();
    site.view.send_replace(Arc::new(View::default()));
    site.ingest.send_replace(Arc::new(IngestView::default()));
    let status = get_from(&site, "/api/v1/status").await.json();
    assert_eq!(status["headline"], "Nothing has been received yet.");
    assert_eq!(status["watermark"], serde_json::Value::Null);
    assert_eq!(
        get_from(&site, "/api/v1/apis").await.json()["at"],
        serde_json::Value::Null
    );
}
