//! Models, feedback and scoring: what is asked, what is refused.

use axum::body::Body;
use axum::http::Request;
use expect_test::expect;
use serde_json::{Value, json};

use super::fixture::Site;
use super::{Answer, get, get_from, router, send, usual};

async fn post(site: &Site, path: &str, body: &Value) -> Answer {
    let request = Request::post(format!("/api/v1{path}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    send(router(site), request.unwrap()).await
}

#[tokio::test]
async fn models_are_listed_and_shown_with_how_they_do() {
    let list = get("/api/v1/models").await.json();
    assert_eq!(list["total"], 2);
    assert_eq!(list["items"][1]["parent"], "m1");
    let shown = get("/api/v1/models/m2").await.json();
    assert_eq!(shown["state"], "shadow");
    let tally = &shown["comparison"]["active_tally"];
    assert_eq!(tally["false_alarms_per_api_week"], 1.0);
    assert_eq!(tally["median_delay_seconds"], 12.0);
    assert_eq!(tally["scores"][0]["to"], Value::Null);
    for id in ["m7", "2", "m", "m99999999999"] {
        assert_eq!(
            get(&format!("/api/v1/models/{id}")).await.status,
            404,
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_recipe_is_the_active_one_but_for_what_it_says() {
    let site = usual();
    let begun = post(
        &site,
        "/models",
        &json!({"recipe": {"without": ["latency"]}}),
    )
    .await;
    let recipe = &begun.json()["recipe"];
    assert_eq!(recipe["false_alarms_per_api_week"], 0.1);
    assert_eq!(recipe["without"], json!(["latency"]));
    for (body, said) in [
        (
            json!({"recipe": {"false_alarms_per_api_week": 0}}),
            "above 0",
        ),
        (
            json!({"recipe": {"false_alarms_per_api_week": 1e9}}),
            "at most 100",
        ),
        (json!({"recipe": {"without": ["lateny"]}}), "lateny"),
        (json!({"recipes": {}}), "unknown field"),
        (json!("m2"), "not understood"),
    ] {
        let answer = post(&site, "/models", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(said), "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_cannot_be_done_now_is_a_conflict() {
    let site = usual();
    let answer = post(&site, "/models/m2/promote", &json!({"if_better": true})).await;
    expect![[r#"
        409 application/problem+json
        {
          "detail": "it is not measurably better: no fewer",
          "status": 409,
          "title": "Not as things are",
          "type": "urn:crosswatch:problem:conflict"
        }
    "#]]
    .assert_eq(&answer.show());
    let answer = post(&site, "/models/m2/promote", &json!({})).await;
    assert_eq!(answer.json()["state"], "active");
    assert_eq!(
        post(&site, "/models/rollback", &json!({})).await.status,
        200
    );
    for (id, status) in [("m2", 204), ("m1", 409), ("m9", 404)] {
        let request = Request::delete(format!("/api/v1/models/{id}")).body(Body::empty());
        let answer = send(router(&site), request.unwrap()).await;
        assert_eq!(answer.status, status, "{id}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_change_models() {
    let site = usual();
    for path in ["models", "models/rollback", "models/m2/promote", "score"] {
        let request = Request::post(format!("/api/v1/{path}")).body(Body::from("{}"));
        let answer = send(router(&site), request.unwrap()).await;
        assert_eq!(answer.status, 415, "{path}");
    }
}

#[tokio::test]
async fn feedback_is_taken_and_listed() {
    let site = usual();
    let path = "/anomalies/00000000000000ff/feedback";
    let body = json!({"answer": "ignore", "note": "known", "for_seconds": 60});
    let answer = post(&site, path, &body).await;
    expect![[r#"
        200 application/json
        {
          "anomaly": "00000000000000ff",
          "answer": "ignore",
          "at": "2026-11-21T12:00:00Z",
          "detector": "latency-spike",
          "end": null,
          "held_back": 0,
          "note": "known",
          "signal": "latency of post/orders GET /orders/{id} @ cloud-a",
          "start": "2026-11-21T12:00:00Z",
          "until": "2026-11-21T12:01:00Z"
        }
    "#]]
    .assert_eq(&answer.show());
    assert_eq!(get_from(&site, "/api/v1/feedback").await.json()["total"], 1);
    for (path, body, status) in [
        (path, json!({"answer": "perhaps"}), 400),
        (path, json!({"answer": "ignore", "for_seconds": 0}), 400),
        (
            path,
            json!({"answer": "ignore", "for_seconds": 1e9 as u64}),
            400,
        ),
        (
            path,
            json!({"answer": "real", "note": "é".repeat(1_001)}),
            400,
        ),
        (path, json!({"answer": "real", "notes": ""}), 400),
        ("/anomalies/ff/feedback", json!({"answer": "real"}), 404),
        (
            "/anomalies/+0000000000000ff/feedback",
            json!({"answer": "real"}),
            404,
        ),
        (
            "/alerts/00000000000000ff/feedback",
            json!({"answer": "real"}),
            404,
        ),
    ] {
        let answer = post(&site, path, &body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_was_learned_is_found_by_service_and_place() {
    let all = get("/api/v1/learned").await.json();
    let signal = &all["items"][0]["signals"][0];
    assert_eq!(signal["parent"], 1);
    assert_eq!(signal["expected"]["upper"], Value::Null);
    let id = all["items"][0]["subject"]["api_id"].as_str().unwrap();
    for (query, total) in [
        ("service=orders", 1),
        ("service=cart", 0),
        ("environment=cloud-b", 0),
        ("api=0", 0),
        (&format!("api={id}"), 1),
    ] {
        let found = get(&format!("/api/v1/learned?{query}")).await.json();
        assert_eq!(found["total"], total, "{query}");
    }
}

#[tokio::test]
async fn a_backtest_compares_candidates_with_the_active_recipe() {
    let site = usual();
    let candidate = json!({"name": "sharp", "recipe": {"false_alarms_per_api_week": 1}});
    let body = json!({"from": "-1h", "candidates": [candidate]});
    let answer = post(&site, "/models/backtest", &body).await.json();
    assert_eq!(answer["records"], 5, "the usual folds");
    assert_eq!(answer["results"][0]["name"], "active");
    assert_eq!(
        answer["results"][1]["recipe"]["false_alarms_per_api_week"],
        1.0
    );
    assert_eq!(
        answer["results"][0]["folds"][0]["from"],
        "2026-11-21T11:00:00Z"
    );
    let many: Vec<Value> = vec![candidate.clone(); 8];
    for body in [
        json!({}),
        json!({"from": "yesterday"}),
        json!({"from": "-1h", "candidates": many}),
        json!({"from": "-1h", "candidates": [{"name": "", "recipe": {}}]}),
    ] {
        assert_eq!(
            post(&site, "/models/backtest", &body).await.status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_bad_series_costs_one_series() {
    let site = usual();
    let point = |time: &str| json!({"time": time, "value": 1.5});
    let body = json!([
        {"id": "bad", "points": [point("2026-11-21T12:00:00Z"), point("noon")]},
        {"id": "empty", "points": []},
        {"id": "good", "points": [point("2026-11-21T12:00:00Z")]},
    ]);
    let answer = post(&site, "/score", &body).await;
    expect![[r#"
        200 application/json
        {
          "series": [
            {
              "error": "the time of point 1 is none; write 2026-11-21T10:05:00Z",
              "id": "bad",
              "opinions": []
            },
            {
              "error": "there are no points",
              "id": "empty",
              "opinions": []
            },
            {
              "id": "good",
              "opinions": [
                {
                  "alarm": 0.0,
                  "evidence": 0.0,
                  "most_surprising": "level",
                  "surprise": 0.0,
                  "time": "2026-11-21T12:00:00Z",
                  "typical": null,
                  "value": 1.5
                }
              ]
            }
          ]
        }
    "#]]
    .assert_eq(&answer.show());
    let many: Vec<Value> = vec![json!({"id": "", "points": []}); 101];
    assert_eq!(post(&site, "/score", &json!(many)).await.status, 400);
}

#[tokio::test]
async fn a_series_is_foretold_for_the_usual_horizons_or_the_given_ones() {
    let site = usual();
    let series = json!([
        {"id": "good", "points": [{"time": "2026-11-21T12:00:00Z", "value": 2.0}]},
        {"id": "bad", "points": [{"time": "", "value": 2.0}]},
    ]);
    let answer = post(&site, "/forecast", &json!({"series": series}))
        .await
        .json();
    assert_eq!(
        answer["series"][0]["forecasts"].as_array().unwrap().len(),
        6
    );
    assert!(answer["series"][1]["error"].is_string());
    let given = json!({"series": series, "after_seconds": [60]});
    let answer = post(&site, "/forecast", &given).await.json();
    let expected = json!([
        {"after_seconds": 60, "median": 2.0, "lower": null, "upper": 3.0, "scored": 7}
    ]);
    assert_eq!(answer["series"][0]["forecasts"], expected);
    for after in [json!([604_801]), json!(vec![1; 51]), json!([-1])] {
        let body = json!({"series": series, "after_seconds": after});
        assert_eq!(post(&site, "/forecast", &body).await.status, 400, "{after}");
    }
}
