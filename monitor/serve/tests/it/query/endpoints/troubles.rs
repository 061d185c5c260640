//! Anomalies, incidents and alerts.

use expect_test::expect;

use super::{check, check_items};

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
