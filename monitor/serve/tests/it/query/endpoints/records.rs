//! Searching records, and what is known of their streams.

use expect_test::expect;

use super::check;
use crate::query::get;

#[tokio::test]
async fn search_answers_with_records() {
    check(
        "/api/v1/search?query=service:labels&from=-1m",
        expect![[r#"
            200 application/json
            {
              "records": [
                {
                  "attributes": {
                    "attempt": 1,
                    "load": null,
                    "thread": "main"
                  },
                  "environment": "aws-eu-central-1",
                  "format": "json",
                  "id": "40-3",
                  "instance": "labels-0",
                  "kind": "log",
                  "namespace": "post",
                  "service": "labels",
                  "severity": "ERROR",
                  "span_id": null,
                  "template": null,
                  "text": "printer offline: <script>alert('no')</script>",
                  "time": "2026-11-21T11:59:42.1Z",
                  "trace_id": null
                }
              ],
              "took_seconds": 0.0,
              "total": 1
            }
        "#]],
    )
    .await;
}

#[tokio::test]
async fn search_turns_around_and_pages() {
    let json = get("/api/v1/search?order=oldest&limit=2&offset=1")
        .await
        .json();
    assert_eq!(json["total"], 5);
    let ids: Vec<&str> = json["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["40-1", "40-2"]);
}

#[tokio::test]
async fn search_keeps_to_the_time_range() {
    let json = get("/api/v1/search?from=2026-11-21T11:59:41Z&to=now-18s")
        .await
        .json();
    assert_eq!(json["total"], 1);
}

#[tokio::test]
async fn histogram() {
    check(
        "/api/v1/search/histogram?from=-30s&to=-10s&step=10s",
        expect![[r#"
            200 application/json
            {
              "buckets": [
                {
                  "records": 0,
                  "start": "2026-11-21T11:59:30Z"
                },
                {
                  "records": 5,
                  "start": "2026-11-21T11:59:40Z"
                }
              ],
              "step_seconds": 10.0
            }
        "#]],
    )
    .await;
}

#[tokio::test]
async fn facets() {
    check(
        "/api/v1/search/facets?field=service&limit=2",
        expect![[r#"
        200 application/json
        {
          "field": "service",
          "values": [
            {
              "records": 2,
              "value": "gateway"
            },
            {
              "records": 2,
              "value": "tariffs"
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_trace_is_all_its_records_in_time() {
    let json = get("/api/v1/traces/4BF92F3577B34DA6A3CE929D0E0E4736")
        .await
        .json();
    let texts: Vec<&str> = json["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["text"].as_str().unwrap())
        .collect();
    expect![[r#"
        (
            Array [
                String("post/gateway"),
                String("post/tariffs"),
            ],
            Number(1.4),
            [
                "GET /parcels/8812 200 0.031",
                "quote 8812 priced in 2391 ms",
                "pricing table locked: lock wait timeout exceeded",
            ],
        )
    "#]]
    .assert_debug_eq(&(&json["services"], &json["duration_seconds"], texts));
}

#[tokio::test]
async fn streams_say_what_they_cannot_read() {
    check(
        "/api/v1/streams?recognised=false",
        expect![[r###"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "items": [
            {
              "duration_unit": null,
              "environment": "dc-north",
              "format": null,
              "format_changes": 0,
              "last_seen": "2026-11-21T12:00:00Z",
              "namespace": "post",
              "records": 311,
              "service": "scales",
              "stream": "/var/log/scales/out.log",
              "unrecognised": {
                "by_reason": [
                  {
                    "reason": "no format fits",
                    "records": 311
                  }
                ],
                "examples": [
                  "##77 W=12.4kg BELT3 ok",
                  "##78 W=0.9kg BELT1 ok",
                  "##79 W=<img src=x onerror=alert(1)> BELT2 jam"
                ],
                "message": "format not recognised, here are three lines",
                "records": 311
              }
            }
          ],
          "total": 1
        }
    "###]],
    )
    .await;
}

#[tokio::test]
async fn templates() {
    check(
        "/api/v1/templates?contains=SCANNER",
        expect![[r#"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "items": [
            {
              "first_seen": "2026-11-21T11:00:00Z",
              "id": "000000000000beef",
              "last_seen": "2026-11-21T12:00:00Z",
              "namespace": "post",
              "records": 720,
              "service": "depots",
              "text": "scanner <*> answered late"
            }
          ],
          "total": 1
        }
    "#]],
    )
    .await;
}
