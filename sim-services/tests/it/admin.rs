//! The admin API over a platform that runs in virtual time.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use expect_test::expect;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sim_services::admin;
use sim_services::clock::Moment;
use sim_services::load::Rate;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{MeshConfig, Platform, PlatformConfig};
use sim_services::net::Wire;
use sim_services::telemetry::sink::Memory;
use sim_services::topology::Topology;
use tokio::time::sleep;
use tower::ServiceExt as _;

const SECOND: Duration = Duration::from_secs(1);

struct Admin {
    router: Router,
    platform: Arc<Platform>,
    sink: Arc<Memory>,
}

impl Admin {
    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

fn with_admin(test: impl AsyncFnOnce(&Admin)) {
    run_virtual(Moment::from_secs(1_700_568_000), async |clock| {
        let sink = Arc::new(Memory::default());
        let platform = Platform::start(PlatformConfig {
            mesh: MeshConfig {
                topology: Arc::new(Topology::shop()),
                wire: Wire::memory(),
                clock,
                seed: 1,
                sink: sink.clone(),
            },
            rate: Some(Rate::Journeys(10.0)),
            constant: true,
            tell: Arc::new(|_| {}),
        });
        let platform = Arc::new(platform.await.unwrap());
        let router = admin::router(Arc::clone(&platform));
        let admin = Admin {
            router,
            platform,
            sink,
        };
        test(&admin).await;
        let Admin {
            router, platform, ..
        } = admin;
        drop(router);
        Arc::into_inner(platform).unwrap().stop().await;
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(tasks, 0, "tasks are left");
    })
    .unwrap();
}

#[test]
fn it_tells_what_runs() {
    with_admin(async |admin| {
        sleep(10 * SECOND).await;
        let (_, index) = admin.ask(Method::GET, "/", "").await;
        assert!(index.contains("POST   /experiments"));
        assert_eq!(admin.ask(Method::GET, "/healthz", "").await.0, 200);
        let state = admin.get("/state").await;
        let cart = &state["services"]["cart"]["replicas"][0];
        assert_eq!(
            (&cart["version"], &cart["phase"]),
            (&json!("3.2.1"), &json!("running"))
        );
        assert_eq!(state["environments"]["on-prem"]["batch"], json!(false));
        assert_eq!(state["changes"], json!([]));
        let topology = admin.get("/topology").await;
        assert_eq!(
            topology["services"]["edge"]["log"]["dialect"],
            json!("nginx")
        );
        let load = admin.get("/load").await;
        assert!(load["all"]["requests"].as_u64().unwrap() > 50, "{load}");
    });
}

#[test]
fn an_experiment_is_started_seen_and_ended() {
    const SLOW: &str = r#"
apiVersion: crosswatch.dev/v1alpha1
kind: ChaosExperiment
metadata: { name: slow-search }
spec:
  description: Searches take 100 ms longer.
  faults:
    - kind: latency
      target: { service: search }
      parameters: { added: 100ms, shape: constant }
  ramp: 0s
  duration: 60s
  recovery: 10s
"#;
    with_admin(async |admin| {
        sleep(20 * SECOND).await;
        let (status, started) = admin.ask(Method::POST, "/experiments", SLOW).await;
        assert_eq!(status, 201, "{started}");
        assert_eq!(started, r#"{"number":1}"#);
        sleep(20 * SECOND).await;
        let on = admin.get("/experiments").await;
        assert_eq!(on[0]["experiment"], json!("slow-search"));
        assert!(on[0]["affected"].as_u64().unwrap() > 10);
        let changes = admin.get("/state").await["changes"].clone();
        assert_eq!(changes[0]["target"], json!("search"));
        let (status, truth) = admin.ask(Method::DELETE, "/experiments/1", "").await;
        assert_eq!(status, 200, "{truth}");
        let truth: Value = serde_json::from_str(&truth).unwrap();
        assert_eq!(truth["acted"]["yes"], json!(true), "{truth}");
        assert_eq!(admin.get("/experiments").await, json!([]));
        // Told to the timeline by the task that drives them.
        sleep(SECOND).await;
        assert_eq!(admin.get("/timeline").await["faults"][0], truth);
    });
}

#[test]
fn load_and_levels_are_turned_by_hand() {
    with_admin(async |admin| {
        let requests = async || {
            let before = admin.platform.mesh().meters().read();
            sleep(10 * SECOND).await;
            let did = admin.platform.mesh().meters().read().since(&before);
            did.load.journeys
        };
        let put = async |path: &str, body: &str| admin.ask(Method::PUT, path, body).await.0;
        let usual = requests().await;
        assert_eq!(put("/load", r#"{"factor": 3}"#).await, 204);
        let more = requests().await;
        assert!(more > 2 * usual, "{usual} {more}");
        assert_eq!(put("/load", r#"{"factor": 0}"#).await, 204);
        assert_eq!(requests().await, 0);
        assert_eq!(put("/load", r#"{"factor": 1}"#).await, 204);
        let debug_lines = || {
            let exports = admin.sink.take().into_iter().flatten();
            let mut lines = exports
                .filter(|export| export.identity.service == "cart")
                .flat_map(|export| export.lines);
            lines.any(|line| line.text.contains(r#""level":"debug""#))
        };
        requests().await;
        assert!(!debug_lines());
        let path = "/services/cart/log-level";
        assert_eq!(put(path, r#"{"level": "debug"}"#).await, 204);
        requests().await;
        assert!(debug_lines());
        assert_eq!(put(path, r#"{"level": null}"#).await, 204);
        // What was said before is delivered first.
        sleep(SECOND).await;
        debug_lines();
        requests().await;
        assert!(!debug_lines());
        assert_eq!(admin.get("/state").await["changes"], json!([]));
    });
}

#[test]
fn what_cannot_be_granted_is_said_in_a_sentence() {
    let unknown_kind = "apiVersion: crosswatch.dev/v1alpha1\nkind: Earthquake\n";
    let unknown_service = r#"{"apiVersion": "crosswatch.dev/v1alpha1", "kind": "ChaosExperiment",
        "metadata": {"name": "x"}, "spec": {"duration": "1m",
        "faults": [{"kind": "dependency-down", "target": {"service": "legder"}}]}}"#;
    with_admin(async |admin| {
        let mut said = String::new();
        for (method, path, body) in [
            (Method::GET, "/nowhere", ""),
            (Method::POST, "/experiments", unknown_kind),
            (Method::POST, "/experiments", unknown_service),
            (Method::DELETE, "/experiments/7", ""),
            (Method::DELETE, "/experiments/all", ""),
            (Method::PUT, "/load", "much"),
            (Method::PUT, "/load", r#"{"factor": -1}"#),
            (
                Method::PUT,
                "/services/car/log-level",
                r#"{"level": "debug"}"#,
            ),
            (
                Method::PUT,
                "/services/cart/log-level",
                r#"{"level": "loud"}"#,
            ),
        ] {
            let (status, body) = admin.ask(method.clone(), path, body).await;
            said.push_str(&format!("{method} {path}: {status} {body}"));
        }
        expect![[r#"
            GET /nowhere: 404 there is no such page; GET / tells what there is
            POST /experiments: 400 the body cannot be used:
              kind: there is no kind `Earthquake`; there are ChaosExperiment and ChaosSchedule
            POST /experiments: 400 x cannot be used:
              spec.faults[0].target.service: there is no service `legder`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web
            DELETE /experiments/7: 404 no experiment 7 is on; GET /experiments tells which are
            DELETE /experiments/all: 404 no experiment all is on; GET /experiments tells which are
            PUT /load: 400 the body is not like {"factor": 1.5}: expected value at line 1 column 1
            PUT /load: 400 `factor` is a number from 0 to 1000, not -1
            PUT /services/car/log-level: 404 there is no service `car`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web
            PUT /services/cart/log-level: 400 the body is not like {"level": "debug"}: unknown variant `loud`, expected one of `debug`, `info`, `warn`, `error` at line 1 column 16
        "#]].assert_eq(&said);
    });
}
