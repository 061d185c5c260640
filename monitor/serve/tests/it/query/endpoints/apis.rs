//! Apis, services and environments.

use expect_test::expect;

use super::{check, check_items};
use crate::query::get;

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
async fn what_is_expected_of_an_api_comes_with_intervals_and_how_such_have_held() {
    let id = get("/api/v1/apis").await.json()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    check(
        &format!("/api/v1/apis/{id}/forecast"),
        expect![[r#"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "failure_horizon_seconds": 300,
          "failure_probability": 0.03,
          "forecasts": [
            {
              "at": "2026-11-21T12:05:00Z",
              "coverage_ratio": 0.91,
              "horizon_seconds": 300,
              "lower": 8.0,
              "measure": "rate",
              "median": 10.0,
              "scored": 12,
              "unit": "calls/s",
              "upper": 12.5
            },
            {
              "at": "2026-11-21T12:05:00Z",
              "coverage_ratio": null,
              "horizon_seconds": 300,
              "lower": 0.04,
              "measure": "latency",
              "median": 0.05,
              "scored": 12,
              "unit": "s",
              "upper": 0.07
            }
          ]
        }
    "#]],
    )
    .await;
    check(
        "/api/v1/apis/0123456789abcdef/forecast",
        expect![[r#"
        404 application/problem+json
        {
          "detail": "no Api has this id",
          "hint": "GET /api/v1/apis lists them; one that was not called for long is forgotten",
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
