//! `GET /what-if`, and what users have of journeys.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    Experience, Fare, JourneyNeed, JourneyTypeId, JourneyTypeView, JourneysView, Need, Node,
    ServiceKey, Workload,
};

use super::fixture::noon;
use super::parcels::{key, view};
use super::{get, get_from, usual};

/// Parcels are sent at the gateway and wait for a tariff; one in four was sent without.
fn sending() -> JourneyTypeView {
    let fare = |hurt: f64, apdex| Fare {
        journeys: 600.0,
        failed: hurt / 2.0,
        hurt,
        apdex,
    };
    JourneyTypeView {
        id: JourneyTypeId(0x9c1f),
        name: "POST /parcels".into(),
        entry: key("aws-eu-central-1", "gateway", "POST", "/parcels"),
        window: Duration::from_secs(900),
        journeys: 9_000,
        rate: 10.0,
        success: 0.98,
        p50: Some(0.1),
        p95: Some(0.2),
        p99: Some(0.3),
        incomplete: 0,
        stuck: 0,
        retried: 0,
        duplicated: 0,
        inferred: 0,
        confidence: 1.0,
        hops: Vec::new(),
        environments: Vec::new(),
        wire: Vec::new(),
        needs: vec![JourneyNeed {
            what: Need::Node(Node::Workload(Workload {
                service: ServiceKey::new("post", "tariffs"),
                environment: "aws-eu-central-1".into(),
            })),
            share: 0.8,
            lost: 2,
            spared: 1,
        }],
        experience: Some(Experience {
            satisfied: 0.15,
            stated: true,
            late: 0.3,
            now: fare(0.1, 0.9),
            usual: fare(0.0, 0.97),
        }),
        failure_chance: Some(0.25),
        total: 90_000,
        first_seen: noon(),
        last_seen: noon(),
    }
}

async fn ask(path: &str) -> serde_json::Value {
    let site = usual();
    let mut view = view(noon());
    view.journeys = Arc::new(JourneysView {
        types: vec![sending()],
        ..JourneysView::default()
    });
    site.view.send_replace(Arc::new(view));
    get_from(&site, path).await.json()
}

#[tokio::test]
async fn what_would_be_lost_is_told_by_type_of_journeys() {
    let told = ask("/api/v1/what-if?remove=service:post/tariffs").await;
    let loss = &told["types"][0];
    assert_eq!(loss["name"], "POST /parcels");
    // Three of four that had to do without were, or are taken to be, lost.
    assert_eq!((&loss["lost"], &loss["seen"]), (&0.75.into(), &3.into()));
    assert_eq!(
        (&loss["usually"], &loss["needs"]),
        (&0.0.into(), &0.8.into())
    );
    let fails = told["fails"].as_f64().unwrap();
    assert!((fails - 0.6).abs() < 1e-9, "{told}");
    assert_eq!(told["journeys_per_second"], 10.0);
}

#[tokio::test]
async fn what_nobody_knows_is_refused_with_a_reason() {
    for (remove, status) in [
        ("", 400),
        ("?remove=", 400),
        ("?remove=tariffs", 400),
        ("?remove=pod:tariffs-1", 400),
        ("?remov=service:tariffs", 400),
        ("?remove=service:nobody", 404),
        ("?remove=environment:%F0%9F%92%A9", 404),
    ] {
        let answer = get(&format!("/api/v1/what-if{remove}")).await;
        assert_eq!(answer.status, status, "{remove}");
        assert!(answer.json()["detail"].is_string(), "{remove}");
    }
}

#[tokio::test]
async fn types_of_journeys_say_how_users_have_them_and_how_likely_they_fail() {
    let kinds = ask("/api/v1/journeys/types").await;
    let kind = &kinds["items"][0];
    expect![[r#"{"apdex":0.9,"apdex_usually":0.97,"hurt":0.1,"hurt_usually":0.0,"late_seconds":0.3,"satisfied_seconds":0.15,"stated":true}"#]]
        .assert_eq(&kind["experience"].to_string());
    assert_eq!(kind["failure_chance"], 0.25);
    let foreseen = ask("/api/v1/predictions").await;
    expect![[r#"[{"name":"POST /parcels","probability":0.25,"type":"0000000000009c1f"}]"#]]
        .assert_eq(&foreseen["journeys"].to_string());
    let elsewhere = ask("/api/v1/predictions?environment=dc-north").await;
    assert_eq!(elsewhere["journeys"], serde_json::json!([]));
}
