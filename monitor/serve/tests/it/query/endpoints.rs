//! What each endpoint answers.

use std::sync::Arc;

use expect_test::{Expect, expect};
use monitor_core::{ApiState, IngestView, View};

use super::{get, get_from, usual};

async fn check(uri: &str, expected: Expect) {
    expected.assert_eq(&get(uri).await.show());
}

/// The answer with only the fields at these JSON pointers of each item.
async fn check_items(uri: &str, pointers: &[&str], expected: Expect) {
    let json = get(uri).await.json();
    let lines: Vec<String> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let shown: Vec<String> = pointers
                .iter()
                .map(|pointer| item.pointer(pointer).unwrap().to_string())
                .collect();
            shown.join(" ")
        })
        .collect();
    expected.assert_eq(&format!("total {}\n{}\n", json["total"], lines.join("\n")));
}

const NAMES: &[&str] = &[
    "/state",
    "/score",
    "/service",
    "/method",
    "/route",
    "/environment",
];

#[tokio::test]
async fn apis_come_by_trouble() {
    check_items(
        "/api/v1/apis",
        NAMES,
        expect![[r#"
        total 7
        "anomalous" 4.2 "tariffs" "GET" "/quotes/{id}" "aws-eu-central-1"
        "anomalous" 1.8 "labels" "POST" "/labels" "dc-north"
        "silent" 1.5 "depots" "CONSUME" "arrivals" "dc-north"
        "ok" 0.4 "gateway" "" "~other" "aws-eu-central-1"
        "ok" 0.4 "gateway" "GET" "/parcels/{id}" "aws-eu-central-1"
        "ok" 0.4 "gateway" "POST" "/parcels" "aws-eu-central-1"
        "learning" 0.0 "notify" "RPC" "post.Notify/Send" "gcp-europe-west4"
    "#]],
    )
    .await;
}

#[tokio::test]
async fn apis_are_filtered() {
    check_items(
        "/api/v1/apis?service=post/gateway&environment=aws-eu-central-1&state=ok,learning&limit=2&offset=1",
        NAMES,
        expect![[r#"
            total 3
            "ok" 0.4 "gateway" "GET" "/parcels/{id}" "aws-eu-central-1"
            "ok" 0.4 "gateway" "POST" "/parcels" "aws-eu-central-1"
        "#]],
    )
    .await;
    check_items(
        "/api/v1/apis?service=nosuch",
        NAMES,
        expect![[r#"
        total 0

    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_api_comes_with_its_numbers_and_why() {
    let id = get("/api/v1/apis").await.json()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    check(&format!("/api/v1/apis/{id}"), expect![[r#"
        200 application/json
        {
          "alerts": [
            {
              "annotations": {
                "summary": "GET /quotes/{id} of post/tariffs is slow"
              },
              "anomalies": [
                {
                  "detected": "2026-11-21T11:59:49Z",
                  "detector": "latency-spike",
                  "direction": "above",
                  "duration_seconds": 12.0,
                  "end": null,
                  "evidence": {
                    "from": "2026-11-21T11:59:16Z",
                    "query": "service:tariffs AND environment:aws-eu-central-1 AND (route:\"/quotes/{id}\" OR severity:>=WARN)",
                    "to": "2026-11-21T12:00:08Z"
                  },
                  "explanation": {
                    "actual": 2.4,
                    "contributions": [
                      {
                        "dimension": "instance",
                        "share_ratio": 0.97,
                        "usual_share_ratio": 0.33,
                        "value": "tariffs-7d9f-x2x"
                      },
                      {
                        "dimension": "version",
                        "share_ratio": 0.95,
                        "usual_share_ratio": 0.31,
                        "value": "2.14.0"
                      }
                    ],
                    "expected": {
                      "lower": 0.04,
                      "upper": 0.13
                    },
                    "learned_from": 86400,
                    "observations": 495,
                    "typical": 0.071,
                    "unit": "s",
                    "why": "the 95th percentile is 2.4 s where 0.04 to 0.13 s is usual; 97 % of the slow calls are of instance tariffs-7d9f-x2x"
                  },
                  "id": "0000000000000051",
                  "measure": "latency",
                  "open": true,
                  "score": 4.2,
                  "score_percent": 88.0952380952381,
                  "severity_percent": 25.1,
                  "start": "2026-11-21T11:59:46Z",
                  "subject": {
                    "api_id": "7689b570a4b2360e",
                    "environment": "aws-eu-central-1",
                    "method": "GET",
                    "name": "post/tariffs GET /quotes/{id} @ aws-eu-central-1",
                    "namespace": "post",
                    "route": "/quotes/{id}",
                    "service": "tariffs"
                  }
                }
              ],
              "ends_at": null,
              "id": "00000000000000a1",
              "labels": {
                "alertname": "ApiAnomalous",
                "service": "tariffs",
                "severity": "critical"
              },
              "muted": null,
              "severity": "critical",
              "starts_at": "2026-11-21T11:59:49Z",
              "state": "firing"
            }
          ],
          "anomalies": [
            {
              "detected": "2026-11-21T11:59:49Z",
              "detector": "latency-spike",
              "direction": "above",
              "duration_seconds": 12.0,
              "end": null,
              "evidence": {
                "from": "2026-11-21T11:59:16Z",
                "query": "service:tariffs AND environment:aws-eu-central-1 AND (route:\"/quotes/{id}\" OR severity:>=WARN)",
                "to": "2026-11-21T12:00:08Z"
              },
              "explanation": {
                "actual": 2.4,
                "contributions": [
                  {
                    "dimension": "instance",
                    "share_ratio": 0.97,
                    "usual_share_ratio": 0.33,
                    "value": "tariffs-7d9f-x2x"
                  },
                  {
                    "dimension": "version",
                    "share_ratio": 0.95,
                    "usual_share_ratio": 0.31,
                    "value": "2.14.0"
                  }
                ],
                "expected": {
                  "lower": 0.04,
                  "upper": 0.13
                },
                "learned_from": 86400,
                "observations": 495,
                "typical": 0.071,
                "unit": "s",
                "why": "the 95th percentile is 2.4 s where 0.04 to 0.13 s is usual; 97 % of the slow calls are of instance tariffs-7d9f-x2x"
              },
              "id": "0000000000000051",
              "measure": "latency",
              "open": true,
              "score": 4.2,
              "score_percent": 88.0952380952381,
              "severity_percent": 25.1,
              "start": "2026-11-21T11:59:46Z",
              "subject": {
                "api_id": "7689b570a4b2360e",
                "environment": "aws-eu-central-1",
                "method": "GET",
                "name": "post/tariffs GET /quotes/{id} @ aws-eu-central-1",
                "namespace": "post",
                "route": "/quotes/{id}",
                "service": "tariffs"
              }
            }
          ],
          "api": {
            "calls_per_second": 41.25,
            "calls_total": 148500,
            "environment": "aws-eu-central-1",
            "error_ratio": 0.001,
            "errors_total": 148,
            "first_seen": "2026-11-21T10:59:58Z",
            "id": "7689b570a4b2360e",
            "last_seen": "2026-11-21T11:59:58Z",
            "latency_p50_seconds": 0.018,
            "latency_p95_seconds": 2.31,
            "latency_p99_seconds": 3.4,
            "method": "GET",
            "namespace": "post",
            "reason": "anomalous: latency is above its band",
            "route": "/quotes/{id}",
            "score": 4.2,
            "score_percent": 88.0952380952381,
            "service": "tariffs",
            "signals": {
              "calls_per_second": {
                "actual": 41.25,
                "expected": {
                  "lower": 20.625,
                  "upper": 61.875
                },
                "score": 0.4,
                "typical": 41.25
              },
              "error_ratio": {
                "actual": 0.001,
                "expected": {
                  "lower": 0.0,
                  "upper": 0.02
                },
                "score": 0.1,
                "typical": 0.001
              },
              "latency_seconds": {
                "actual": 2.4,
                "expected": {
                  "lower": 0.04,
                  "upper": 0.13
                },
                "score": 4.2,
                "typical": 0.071
              }
            },
            "source": "span",
            "state": "anomalous"
          },
          "objectives": [
            {
              "apis": 1,
              "bad": 250,
              "burn_rate_1h": 4.5,
              "burn_rate_6h": null,
              "calls": 100000,
              "error_budget_remaining_ratio": 0.75,
              "latency_threshold_seconds": 0.5,
              "name": "fast",
              "objective_ratio": 0.99,
              "window_seconds": 604800.0
            }
          ]
        }
    "#]]).await;
}

#[tokio::test]
async fn services() {
    check(
        "/api/v1/services?environment=dc-north",
        expect![[r#"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "items": [
            {
              "apis": 1,
              "apis_by_state": {
                "anomalous": 1
              },
              "calls_per_second": 6.5,
              "environment": "dc-north",
              "error_ratio": 0.23,
              "last_seen": "2026-11-21T11:59:58Z",
              "log_error_ratio": 0.21,
              "log_errors_total": 6048,
              "logs_per_second": 8.0,
              "logs_total": 28800,
              "namespace": "post",
              "score": 1.8,
              "service": "labels",
              "templates": 14
            },
            {
              "apis": 1,
              "apis_by_state": {
                "silent": 1
              },
              "calls_per_second": 0.0,
              "environment": "dc-north",
              "error_ratio": 0.0,
              "last_seen": "2026-11-21T11:59:58Z",
              "log_error_ratio": 0.0,
              "log_errors_total": 0,
              "logs_per_second": 0.3,
              "logs_total": 1080,
              "namespace": "post",
              "score": 1.5,
              "service": "depots",
              "templates": 14
            }
          ],
          "total": 2
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn environments() {
    check(
        "/api/v1/environments",
        expect![[r#"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "items": [
            {
              "apis": 4,
              "apis_by_state": {
                "anomalous": 1,
                "ok": 3
              },
              "calls_per_second": 179.65,
              "cluster": null,
              "error_ratio": 0.0010000000000000002,
              "kind": "cloud",
              "name": "aws-eu-central-1",
              "provider": "aws",
              "region": "eu-central-1",
              "score": 4.2,
              "services": 2,
              "zone": null
            },
            {
              "apis": 2,
              "apis_by_state": {
                "anomalous": 1,
                "silent": 1
              },
              "calls_per_second": 6.5,
              "cluster": null,
              "error_ratio": 0.23,
              "kind": "on-prem",
              "name": "dc-north",
              "provider": null,
              "region": null,
              "score": 1.8,
              "services": 2,
              "zone": null
            },
            {
              "apis": 1,
              "apis_by_state": {
                "learning": 1
              },
              "calls_per_second": 1.5,
              "cluster": null,
              "error_ratio": 0.001,
              "kind": "cloud",
              "name": "gcp-europe-west4",
              "provider": "gcp",
              "region": "europe-west4",
              "score": 0.0,
              "services": 1,
              "zone": null
            }
          ],
          "total": 3
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn anomalies_are_filtered() {
    let fields = &[
        "/id",
        "/open",
        "/measure",
        "/subject/name",
        "/duration_seconds",
    ];
    check_items(
        "/api/v1/anomalies",
        fields,
        expect![[r#"
        total 3
        "0000000000000051" true "latency" "post/tariffs GET /quotes/{id} @ aws-eu-central-1" 12.0
        "0000000000000052" true "error_ratio" "post/labels POST /labels @ dc-north" 180.0
        "0000000000000053" false "template_rate" "post/depots @ dc-north" 300.0
    "#]],
    )
    .await;
    check_items(
        "/api/v1/anomalies?open=true&service=labels",
        fields,
        expect![[r#"
            total 1
            "0000000000000052" true "error_ratio" "post/labels POST /labels @ dc-north" 180.0
        "#]],
    )
    .await;
    check_items(
        "/api/v1/anomalies?open=false",
        fields,
        expect![[r#"
        total 1
        "0000000000000053" false "template_rate" "post/depots @ dc-north" 300.0
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_anomaly_of_a_template_links_to_its_records() {
    check(
        "/api/v1/anomalies/0000000000000053",
        expect![[r#"
        200 application/json
        {
          "detected": "2026-11-21T11:20:01Z",
          "detector": "template-burst",
          "direction": "above",
          "duration_seconds": 300.0,
          "end": "2026-11-21T11:24:58Z",
          "evidence": {
            "from": "2026-11-21T11:19:28Z",
            "query": "service:depots AND environment:dc-north AND template:000000000000beef",
            "to": "2026-11-21T11:25:08Z"
          },
          "explanation": {
            "actual": 12.0,
            "contributions": [],
            "expected": {
              "lower": null,
              "upper": 1.5
            },
            "learned_from": 5000,
            "observations": 720,
            "typical": 0.1,
            "unit": "records/s",
            "why": "this message came 120 times as often as usual"
          },
          "id": "0000000000000053",
          "measure": "template_rate",
          "open": false,
          "score": 2.2,
          "score_percent": 77.27272727272728,
          "severity_percent": 21.0,
          "start": "2026-11-21T11:19:58Z",
          "subject": {
            "environment": "dc-north",
            "name": "post/depots @ dc-north",
            "namespace": "post",
            "service": "depots"
          },
          "template_id": "000000000000beef"
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn incidents() {
    let fields = &[
        "/id",
        "/open",
        "/duration_seconds",
        "/services/0/name",
        "/anomalies",
        "/suspects/0/workload/service",
        "/suspects/0/why",
    ];
    check_items("/api/v1/incidents", fields, expect![[r#"
        total 2
        "0000000000000071" true 12.0 "post/tariffs @ aws-eu-central-1" ["0000000000000051","0000000000000052"] "tariffs" "changed first, at 11:59:46, 4 s before labels; nothing it calls is unusual"
        "0000000000000070" false 360.0 "post/depots @ dc-north" ["0000000000000053"] "depots" "changed at 11:19:58; it calls nobody that we know of"
    "#]]).await;
    check_items("/api/v1/incidents?open=true", &["/impact"], expect![[r#"
        total 1
        {"affected":0.125,"by_environment":[{"affected":0.5,"environment":"dc-north"}],"calls_per_second":40.0,"later":[{"affected":{"expected":0.05,"high":0.3,"low":0.0},"horizon_seconds":300,"lasts_ratio":0.4}],"next_minute":{"expected":0.125,"high":0.35,"low":0.0},"summary":"12.5 % of clients' calls go wrong, 0.1 % usually; between 0.0 and 35.0 % in the next minute; 50.0 % at its services in dc-north; 212 journeys hurt so far; POST /parcels: 35 % fail or are late, 1 % usually; Apdex 0.61, 0.97 usually; 4.1 % of the error budget `availability` of post/tariffs spent, all gone at 2026-11-21T13:59:58Z at this rate","users":{"apdex":0.61,"apdex_usually":0.97,"budgets":[{"environment":"aws-eu-central-1","gone":"2026-11-21T13:59:58Z","left":0.55,"namespace":"post","objective":"availability","service":"tariffs","spent":0.041,"weight":2.0}],"journeys":[{"apdex":0.58,"apdex_usually":0.97,"hurt":0.35,"journeys_per_second":12.0,"name":"POST /parcels","so_far":212.0,"type":"0000000000009c1f","usually":0.01}],"journeys_so_far":212.0},"usually":0.001}
    "#]]).await;
    check_items(
        "/api/v1/incidents?open=true&service=post/labels",
        &["/id"],
        expect![[r#"
            total 1
            "0000000000000071"
        "#]],
    )
    .await;
    check_items(
        "/api/v1/incidents?environment=gcp-europe-west4",
        &["/id"],
        expect![[r#"
            total 0

        "#]],
    )
    .await;
    check(
        "/api/v1/incidents/0000000000000070",
        expect![[r#"
            200 application/json
            {
              "anomalies": [
                "0000000000000053"
              ],
              "began": "2026-11-21T11:19:58Z",
              "changed": "2026-11-21T11:25:58Z",
              "changes": [],
              "duration_seconds": 360.0,
              "ended": "2026-11-21T11:25:58Z",
              "id": "0000000000000070",
              "impact": null,
              "open": false,
              "opened": "2026-11-21T11:20:58Z",
              "scope": "only in dc-north",
              "services": [
                {
                  "environment": "dc-north",
                  "name": "post/depots @ dc-north",
                  "namespace": "post",
                  "service": "depots"
                }
              ],
              "suspects": [
                {
                  "kind": "service",
                  "score": 0.86,
                  "why": "changed at 11:19:58; it calls nobody that we know of",
                  "workload": {
                    "environment": "dc-north",
                    "name": "post/depots @ dc-north",
                    "namespace": "post",
                    "service": "depots"
                  }
                }
              ]
            }
        "#]],
    )
    .await;
    check(
        "/api/v1/incidents/0000000000000099",
        expect![[r#"
        404 application/problem+json
        {
          "detail": "no incident has this id",
          "hint": "GET /api/v1/incidents lists them; those that ended long ago are forgotten",
          "parameter": "id",
          "status": 404,
          "title": "There is no such thing",
          "type": "urn:crosswatch:problem:not-found"
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn alerts() {
    let fields = &[
        "/id",
        "/state",
        "/severity",
        "/labels",
        "/starts_at",
        "/anomalies/0/id",
    ];
    check_items("/api/v1/alerts", fields, expect![[r#"
        total 1
        "00000000000000a1" "firing" "critical" {"alertname":"ApiAnomalous","service":"tariffs","severity":"critical"} "2026-11-21T11:59:49Z" "0000000000000051"
    "#]]).await;
    check_items(
        "/api/v1/alerts?state=resolved",
        fields,
        expect![[r#"
        total 0

    "#]],
    )
    .await;
}

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
    let mut view = super::fixture::view(super::noon());
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
