//! What others want of the monitor: taken part by part, refused with words that teach.

use axum::body::Body;
use axum::http::Request;
use expect_test::{Expect, expect};
use monitor_api::{ConfigurationOutcome, Problem};
use serde_json::{Value, json};

use super::fixture::Site;
use super::{Answer, get_from, router, send, usual};

async fn put(site: &Site, source: &str, body: String) -> Answer {
    let request = Request::put(format!("/api/v1/configuration/{source}"))
        .header("content-type", "application/json")
        .body(Body::from(body));
    send(router(site), request.unwrap()).await
}

/// What is in force of a wish, and what is not and why.
async fn check(wish: Value, expected: Expect) {
    let answer = put(&usual(), "test", wish.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let outcome: ConfigurationOutcome = serde_json::from_str(&answer.body).unwrap();
    let mut text = format!("{} in force\n", outcome.accepted);
    for refusal in outcome.refused {
        let how = if refusal.whole { "refused" } else { "in part" };
        text.push_str(&format!(
            "{how}: {} {}: {}\n",
            refusal.part, refusal.name, refusal.reason
        ));
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn a_good_wish_is_in_force_whole() {
    check(
        json!({
            "revision": "17",
            "workloads": [{
                "namespace": "shop", "service": "orders", "environment": "cloud-a",
                "false_alarms_per_week": 0.5,
                "detection": {
                    "latency": {"min_dev_from_expected": 0.05, "detection_direction": "above_expected"},
                    "traffic": {"detection_direction": "both", "data_range": [0.5, 1000.0]},
                    "logs": {"enabled": false},
                },
                "routes": ["GET /orders/{id}"], "exclude_paths": ["/healthz", "/internal/*"],
                "log_format": "nginx", "owner": "team-orders",
                "runbook_url": "https://runbooks.example/orders", "criticality": "high",
            }],
            "maintenance": [{
                "name": "night", "starts_at": "2026-11-21T22:00:00Z", "ends_at": "2026-11-22T02:00:00+01:00",
                "mute": true, "exclude_learning": true, "select": {"namespaces": ["shop"]},
            }],
            "routing": [{
                "name": "pager", "select": {"severities": ["critical"]}, "severity": "warning",
                "receivers": [{"name": "am", "kind": "alertmanager", "url": "http://am:9093", "token": "t"}],
            }],
        }),
        expect![[r#"
            3 in force
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_mistake_costs_the_part_that_it_is_in() {
    check(
        json!({"workloads": [
            {"service": "fine"},
            {"namespace": "shop"},
            {"service": "odd", "paused": "yes"},
            7,
            {
                "service": "typos", "pausd": true, "false_alarms_per_week": 1e9,
                "detection": {"latency": {"min_dev": 1, "data_range": [2, 1], "detection_direction": "up"},
                              "colour": {}, "error_ratio": {"detection_direction": "both"}},
                "routes": ["GET /orders/{id}", "orders"], "exclude_paths": ["healthz"],
                "log_format": "morse", "runbook_url": "javascript:alert(1)", "criticality": "very",
            },
        ]}),
        expect![[r#"
            2 in force
            refused: workloads odd: it is not understood: invalid type: string "yes", expected a boolean
            refused: workloads number 4: it is not understood: invalid type: integer `7`, expected struct WorkloadSettings
            refused: workloads shop/: `service` is empty; write the `service.name` of its records
            in part: workloads /typos: there is no field `detection.latency.min_dev`; it does nothing
            in part: workloads /typos: there is no field `pausd`; it does nothing
            in part: workloads /typos: `detection.colour` is no signal; signals are latency, error_ratio, traffic, logs
            in part: workloads /typos: `false_alarms_per_week` is 1000000000; it is from 0.0001 to 168
            in part: workloads /typos: `detection.latency.data_range` is [2, 1]; write the lower end first
            in part: workloads /typos: `detection.latency.detection_direction` is `up`; it is one of both, above_expected, below_expected
            in part: workloads /typos: `detection.error_ratio.detection_direction`: error_ratio is judged only above what is expected; with `enabled: false` it is not judged at all
            in part: workloads /typos: `routes` number 2: is no route; write `GET /orders/{id}` or `/orders/{id}`
            in part: workloads /typos: `exclude_paths` number 1: begins neither with `/` nor with `*`
            in part: workloads /typos: `log_format` is `morse`; formats are json, logfmt, syslog, access, header, text. Without one the format is recognised
            in part: workloads /typos: `runbook_url` is no http:// or https:// address
            in part: workloads /typos: `criticality` is `very`; it is one of critical, high, medium, low
        "#]],
    )
    .await;
    check(
        json!({"maintenance": [
            {"name": "backwards", "starts_at": "2026-11-22T00:00:00Z", "ends_at": "2026-11-21T00:00:00Z", "mute": true},
            {"name": "idle", "starts_at": "2026-11-21T00:00:00Z", "ends_at": "2026-11-22T00:00:00Z"},
            {"name": "when", "starts_at": "tonight", "ends_at": "2026-11-22T00:00:00Z", "mute": true},
            {"name": "twice", "starts_at": "2026-11-21T00:00:00Z", "ends_at": "2026-11-22T00:00:00Z", "mute": true},
            {"name": "twice", "starts_at": "2026-11-21T00:00:00Z", "ends_at": "2026-11-22T00:00:00Z", "mute": true},
            {"name": "learn", "starts_at": "2026-11-21T00:00:00Z", "ends_at": "2026-11-22T00:00:00Z",
             "exclude_learning": true, "select": {"severities": ["critical"]}},
        ]}),
        expect![[r#"
            2 in force
            refused: maintenance backwards: it ends at 2026-11-21T00:00:00Z, before it starts at 2026-11-22T00:00:00Z
            refused: maintenance idle: it does nothing: set `mute`, `exclude_learning` or both
            refused: maintenance when: `starts_at` is `tonight`, which is no time; write 2026-11-21T22:00:00Z
            refused: maintenance twice: another window of this source has the same name
            in part: maintenance learn: `select.severities` chooses alerts; learning is excluded for all the workloads chosen
        "#]],
    )
    .await;
    check(
        json!({"routing": [
            {"name": "nothing"},
            {"name": "loud", "severity": "loud"},
            {"name": "wrong", "receivers": [{"name": "a", "kind": "carrier-pigeon", "url": "http://a"}]},
            {"name": "half", "receivers": [
                {"name": "a", "kind": "webhook", "url": "http://a/hook?key=secret"},
                {"name": "b", "kind": "webhook", "url": "https://b/hook?key=secret"},
                {"name": "c", "kind": "webhook", "url": "***"},
            ]},
        ]}),
        expect![[r#"
            1 in force
            refused: routing nothing: it does nothing: give it `receivers`, a `severity` or both
            refused: routing loud: `loud` is no severity; severities are critical, warning, info
            refused: routing wrong: none of its receivers can be used; receiver `a`: its kind is `carrier-pigeon`; kinds are alertmanager, webhook
            in part: routing half: receiver `b`: this monitor speaks no TLS: give the http:// address of a proxy that does
            in part: routing half: receiver `c`: its address is none; write http://HOST:PORT/PATH. What the monitor shows as *** has to be written anew
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_a_probe_objective_or_metric_needs_is_said() {
    check(
        json!({"workloads": [{
            "service": "orders",
            "objectives": [
                {"name": "fine", "objective_ratio": 0.999, "window_seconds": 604800, "route": "GET /orders/{id}"},
                {"name": "whole", "objective_ratio": 1.0, "window_seconds": 604800},
                {"name": "short", "objective_ratio": 0.9, "window_seconds": 60},
                {"name": "fine", "objective_ratio": 0.9, "window_seconds": 604800},
            ],
            "metrics": [{"name": "depth", "field": "queue.depth"}, {"name": "", "field": "x"}],
            "probes": [
                {"name": "home", "url": "http://orders:8080/"},
                {"name": "post", "url": "http://orders:8080/", "method": "POST"},
                {"name": "often", "url": "http://orders:8080/", "interval_seconds": 1},
                {"name": "file", "url": "file:///etc/passwd"},
            ],
        }]}),
        expect![[r#"
            1 in force
            in part: workloads /orders: `objectives` number 2: `whole`: `objective_ratio` is 1; it lies between 0 and 1, such as 0.999
            in part: workloads /orders: `objectives` number 3: `short`: `window_seconds` is 60; it is from 3600 (an hour) to 7776000 (90 days)
            in part: workloads /orders: `objectives` number 4: `fine` is there twice
            in part: workloads /orders: `metrics` number 2: needs a `name` and a `field`
            in part: workloads /orders: `probes` number 2: `post`: a probe asks with GET, HEAD or OPTIONS and changes nothing
            in part: workloads /orders: `probes` number 3: `often`: `interval_seconds` is from 5 to 86400, and `timeout_seconds` is not more
            in part: workloads /orders: `probes` number 4: `file`: its address is none; write http://HOST:PORT/PATH. What the monitor shows as *** has to be written anew
        "#]],
    )
    .await;
}

#[tokio::test]
async fn secrets_are_not_shown_again() {
    let site = usual();
    let wish = json!({"revision": "a", "routing": [{
        "name": "pager",
        "receivers": [{"name": "hook", "kind": "webhook", "url": "http://hook/s3cret", "token": "s3cret"}],
    }]});
    assert_eq!(put(&site, "person", wish.to_string()).await.status, 200);
    let shown = get_from(&site, "/api/v1/configuration/person").await;
    assert!(!shown.body.contains("s3cret"), "{}", shown.body);
    assert_eq!(shown.json()["routing"][0]["receivers"][0]["url"], "***");
    let list = get_from(&site, "/api/v1/configuration").await;
    assert!(!list.body.contains("s3cret"), "{}", list.body);
    expect![[r#"[{"accepted":1,"refused":[],"revision":"a","source":"person"}]"#]]
        .assert_eq(&list.json()["items"].to_string());
    let request = Request::delete("/api/v1/configuration/person").body(Body::empty());
    let answer = send(router(&site), request.unwrap()).await;
    assert_eq!(answer.status, 204);
    let gone = get_from(&site, "/api/v1/configuration/person").await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn what_is_no_wish_changes_nothing() {
    let site = usual();
    for (source, body, expected) in [
        ("a", "", 400),
        ("a", "[]", 400),
        ("a", "{\"workload\":[]}", 400),
        ("a", "{\"workloads\":{}}", 400),
        ("a", "{\"revision\":7}", 400),
        ("..", "{}", 400),
        (".hidden", "{}", 400),
        ("Upper", "{}", 400),
        ("a%2Fb", "{}", 400),
        (&"a".repeat(65), "{}", 400),
    ] {
        let answer = put(&site, source, body.to_owned()).await;
        assert_eq!(
            answer.status.as_u16(),
            expected,
            "{source} {body}: {}",
            answer.body
        );
        let _problem: Problem = serde_json::from_str(&answer.body).unwrap();
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        put(&site, "a", format!("{{\"workloads\":{deep}"))
            .await
            .status,
        400
    );
    let large = format!("{{\"revision\":\"{}\"}}", "x".repeat(16 << 20));
    assert_eq!(put(&site, "a", large).await.status, 413);
    let request = Request::put("/api/v1/configuration/a").body(Body::from("{}"));
    assert_eq!(send(router(&site), request.unwrap()).await.status, 415);
    let list = get_from(&site, "/api/v1/configuration").await;
    assert_eq!(list.json()["total"], 0);
}

mod laws {
    use monitor_serve::configuration::Understood;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            Just(json!("/a/{b}")),
            Just(json!("http://a")),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            let field = prop_oneof![
                Just("service"),
                Just("name"),
                Just("detection"),
                Just("latency"),
                Just("routes"),
                Just("select"),
                Just("receivers"),
                Just("url"),
                Just("objectives"),
                Just("probes"),
                Just("starts_at"),
                Just("mute"),
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(field.prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_parts_are_answered_and_read_back_the_same(
            workloads in prop::collection::vec(value(), 0..4),
            maintenance in prop::collection::vec(value(), 0..4),
            routing in prop::collection::vec(value(), 0..4),
            journeys in prop::collection::vec(value(), 0..4),
        ) {
            let wish = json!({
                "workloads": workloads, "maintenance": maintenance, "routing": routing, "journeys": journeys,
            });
            let once = Understood::read(wish.to_string().as_bytes()).unwrap();
            let kept = serde_json::to_vec(&once.wish).unwrap();
            let again = Understood::read(&kept).unwrap();
            prop_assert_eq!(once.accepted(), again.accepted());
            prop_assert_eq!(once.workloads, again.workloads);
        }
    }
}
