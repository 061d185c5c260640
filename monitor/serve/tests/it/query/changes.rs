//! What was done to the platform: noted, shown, refused one by one.

use axum::body::Body;
use axum::http::Request;
use expect_test::expect;
use serde_json::{Value, json};

use super::fixture::Site;
use super::{Answer, get, router, send, usual};

async fn post(site: &Site, body: &Value) -> Answer {
    let request = Request::post("/api/v1/changes")
        .header("content-type", "application/json; charset=utf-8")
        .body(Body::from(body.to_string()));
    send(router(site), request.unwrap()).await
}

fn change(id: &str, at: &str) -> Value {
    json!({
        "id": id, "at": at, "kind": "rollout", "source": "script", "service": "orders",
        "summary": "orders went from 1 to 2",
    })
}

#[tokio::test]
async fn each_is_noted_once() {
    let site = usual();
    let now = "2026-11-21T12:00:00Z";
    let body = json!([
        change("a", now),
        change("a", now),
        change("", now),
        change("b", "2026-11-21T13:00:00Z"),
        change("c", "2025-11-21T13:00:00Z"),
        change("d", "lately"),
        {"id": 7},
        "nothing",
    ]);
    let answer = post(&site, &body).await;
    expect![[r#"
        200 application/json
        {
          "accepted": 1,
          "duplicates": 1,
          "refused": [
            {
              "id": "",
              "reason": "`id` is empty or longer than 512 bytes"
            },
            {
              "id": "b",
              "reason": "`at` is 2026-11-21T13:00:00Z, and it is 2026-11-21T12:00:00Z: it has not happened yet"
            },
            {
              "id": "c",
              "reason": "`at` is 2025-11-21T13:00:00Z: changes are kept for seven days"
            },
            {
              "id": "d",
              "reason": "`at` is no time; write 2026-11-21T10:05:00Z"
            },
            {
              "id": "",
              "reason": "it is not understood: invalid type: integer `7`, expected a string"
            },
            {
              "id": "",
              "reason": "it is not understood: invalid type: string \"nothing\", expected struct Change"
            }
          ]
        }
    "#]].assert_eq(&answer.show());
    for wrong in [json!({}), json!("x"), json!(null)] {
        assert_eq!(post(&site, &wrong).await.status, 400);
    }
    let request = Request::post("/api/v1/changes").body(Body::from("[]"));
    assert_eq!(send(router(&site), request.unwrap()).await.status, 415);
}

#[tokio::test]
async fn they_are_listed_and_shown_with_incidents() {
    let all = get("/api/v1/changes").await;
    expect![[r#"
        200 application/json
        {
          "at": "2026-11-21T11:59:58Z",
          "items": [
            {
              "at": "2026-11-21T11:53:18Z",
              "attributes": {
                "deployment": "tariffs"
              },
              "environment": null,
              "id": "tariffs-42",
              "kind": "rollout",
              "namespace": "post",
              "service": "tariffs",
              "source": "kubernetes",
              "summary": "tariffs went from v41 to v42"
            }
          ],
          "total": 1
        }
    "#]]
    .assert_eq(&all.show());
    let total =
        async |query: &str| get(&format!("/api/v1/changes{query}")).await.json()["total"].clone();
    assert_eq!(total("?service=tariffs").await, 1);
    assert_eq!(total("?service=other").await, 0);
    // It names no environment, so it concerns all.
    assert_eq!(total("?environment=dc-north").await, 1);
    assert_eq!(total("?from=-5m").await, 0);
    let incidents = get("/api/v1/incidents").await.json();
    assert_eq!(incidents["items"][0]["changes"][0]["id"], "tariffs-42");
}
