//! Experiments on a platform that does what the test tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use crds::ChaosExperiment;
use crds::chaos_experiment::{Phase, VerdictResult};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch};
use monitor_api::{Incident, Suspect, Workload};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{World, eventually};

#[derive(Clone, Default)]
pub(crate) struct FakePlatform(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    keys: BTreeMap<String, u64>,
    bodies: Vec<Value>,
    over: BTreeMap<u64, Value>,
    stopped: Vec<u64>,
}

/// A platform, and a Service by which the operator finds it.
pub(crate) async fn platform(world: &World) -> FakePlatform {
    let platform = FakePlatform::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new()
        .route("/experiments", post(start))
        .route("/experiments/{number}", get(show).delete(stop))
        .with_state(platform.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let _: Service = world
        .create(json!({
            "metadata": { "name": "platform", "labels": { "crosswatch.dev/chaos-admin": "true" } },
            "spec": {
                "type": "ExternalName", "externalName": "127.0.0.1",
                "ports": [{ "name": "admin", "port": port }],
            },
        }))
        .await;
    platform
}

async fn start(
    State(platform): State<FakePlatform>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    if body["spec"]["faults"][0]["kind"] == "earthquake" {
        return (
            StatusCode::BAD_REQUEST,
            "no kind of fault is `earthquake`\n".to_owned(),
        );
    }
    let mut known = platform.0.lock().unwrap();
    let next = known.keys.len() as u64 + 1;
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let number = *known.keys.entry(key).or_insert(next);
    if number == next {
        known.bodies.push(body);
    }
    (StatusCode::CREATED, json!({ "number": number }).to_string())
}

async fn show(
    State(platform): State<FakePlatform>,
    Path(number): Path<u64>,
) -> Result<Json<Value>, StatusCode> {
    let known = platform.0.lock().unwrap();
    if let Some(truth) = known.over.get(&number) {
        return Ok(Json(
            json!({ "number": number, "phase": "over", "truth": truth }),
        ));
    }
    if number as usize > known.keys.len() {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Json(
        json!({ "number": number, "phase": "running", "affected": 0 }),
    ))
}

async fn stop(State(platform): State<FakePlatform>, Path(number): Path<u64>) -> Json<Value> {
    let mut known = platform.0.lock().unwrap();
    known.stopped.push(number);
    let truth = truth(true);
    known.over.insert(number, truth.clone());
    Json(truth)
}

#[expect(clippy::disallowed_methods, reason = "the platform's clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// It began ten seconds ago and is over now.
fn truth(acted: bool) -> Value {
    let nanos = now().as_nanosecond() as i64;
    json!({
        "id": "1", "experiment": "slow", "kind": "latency", "description": "", "targets": [],
        "benign": false, "ramp": false, "cause": { "service": "cart" }, "symptoms": ["cart", "edge"],
        "started": nanos - 10_000_000_000_i64, "full": nanos, "ended": nanos,
        "first_affected": nanos - 9_000_000_000_i64, "last_affected": nanos, "affected": 10,
        "breached": null,
        "acted": { "yes": acted, "evidence": "mean latency 31 ms, 3.9 ms before" },
    })
}

impl FakePlatform {
    fn end(&self, number: u64, truth: Value) {
        self.0.lock().unwrap().over.insert(number, truth);
    }

    fn started(&self) -> Vec<Value> {
        self.0.lock().unwrap().bodies.clone()
    }

    fn stopped(&self) -> Vec<u64> {
        self.0.lock().unwrap().stopped.clone()
    }
}

fn incident(service: &str, suspect: &str, seconds_ago: i64) -> Incident {
    let at = now() - jiff::SignedDuration::from_secs(seconds_ago);
    let workload = |service: &str| Workload {
        environment: "on-prem".to_owned(),
        namespace: "shop".to_owned(),
        service: service.to_owned(),
        name: format!("shop/{service} @ on-prem"),
    };
    Incident {
        id: "i-1".to_owned(),
        open: true,
        began: at.to_string(),
        opened: at.to_string(),
        changed: at.to_string(),
        ended: None,
        merged_into: None,
        duration_seconds: 1.0,
        services: vec![workload(service)],
        anomalies: Vec::new(),
        suspects: vec![Suspect {
            workload: workload(suspect),
            kind: "service".to_owned(),
            score: 0.9,
            why: "changed first".to_owned(),
        }],
        scope: String::new(),
        impact: None,
        changes: Vec::new(),
    }
}

fn in_phase(phase: Phase) -> impl Fn(&ChaosExperiment) -> bool {
    move |it| it.status.as_ref().is_some_and(|it| it.phase == phase)
}

fn slow(more: Value) -> Value {
    let mut spec = json!({
        "faults": [{ "kind": "latency", "target": { "service": "cart" },
            "parameters": { "added": "150ms", "shape": "constant" } }],
        "duration": "1m30s", "recovery": "0s",
    });
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({ "metadata": { "name": "slow" }, "spec": spec })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_runs_and_the_monitor_is_judged() {
    let world = World::new().await;
    let platform = platform(&world).await;
    let operator = world.operator().await;
    let expect =
        json!({ "expect": { "detectedWithin": "30s", "rootCause": { "service": "cart" } } });
    let _: ChaosExperiment = world.create(slow(expect)).await;
    let _: ChaosExperiment = world.until("slow", in_phase(Phase::Running)).await;
    let sent = platform.started();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["spec"]["duration"], "1m30s");
    assert_eq!(sent[0]["spec"]["faults"][0]["parameters"]["added"], "150ms");
    for unknown in ["suspend", "abort", "schedule"] {
        assert!(sent[0]["spec"].get(unknown).is_none(), "{unknown}");
    }

    world.monitor.incident(incident("edge", "cart", 5));
    platform.end(1, truth(true));
    let done: ChaosExperiment = world.until("slow", in_phase(Phase::Completed)).await;
    let status = done.status.unwrap();
    let verdict = status.verdict.unwrap();
    assert_eq!(verdict.result, VerdictResult::Passed, "{verdict:?}");
    assert_eq!(status.incident.as_deref(), Some("i-1"));
    let took: f64 = status
        .time_to_detect
        .unwrap()
        .trim_end_matches('s')
        .parse()
        .unwrap();
    assert!((0.0..=6.0).contains(&took), "{took}");
    assert!(status.acted.unwrap().observed);
    // Nothing holds it any more.
    let free = |it: &ChaosExperiment| it.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    let _: ChaosExperiment = world.until("slow", free).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_crossed_ends_it() {
    let world = World::new().await;
    let platform = platform(&world).await;
    let operator = world.operator().await;
    let _: ChaosExperiment = world
        .create(slow(json!({ "abort": { "maxServices": 1 } })))
        .await;
    let _: ChaosExperiment = world.until("slow", in_phase(Phase::Running)).await;
    let mut wide = incident("edge", "cart", 1);
    wide.services.extend(incident("orders", "cart", 1).services);
    world.monitor.incident(wide);
    let aborted: ChaosExperiment = world.until("slow", in_phase(Phase::Aborted)).await;
    assert_eq!(platform.stopped(), [1]);
    let message = aborted.status.unwrap().message.unwrap();
    assert_eq!(
        message,
        "aborted: 2 services are in incidents: shop/edge, shop/orders"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_one_ends_its_fault_first() {
    let world = World::new().await;
    let platform = platform(&world).await;
    let operator = world.operator().await;
    let _: ChaosExperiment = world.create(slow(json!({}))).await;
    let _: ChaosExperiment = world.until("slow", in_phase(Phase::Running)).await;
    // While no operator runs nothing is forgotten.
    operator.stop().await;
    let api = world.api::<ChaosExperiment>();
    api.delete("slow", &DeleteParams::default()).await.unwrap();
    let operator = world.operator().await;
    eventually(api, |all: &[ChaosExperiment]| all.is_empty()).await;
    assert_eq!(platform.stopped(), [1]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_platform_refuses_is_said() {
    let world = World::new().await;
    platform(&world).await;
    let operator = world.operator().await;
    let fault = json!({ "faults": [{ "kind": "earthquake" }] });
    let _: ChaosExperiment = world.create(slow(fault)).await;
    let failed: ChaosExperiment = world.until("slow", in_phase(Phase::Failed)).await;
    let message = failed.status.unwrap().message.unwrap();
    assert_eq!(
        message,
        "the platform refused it: no kind of fault is `earthquake`"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_cannot_become_something_else() {
    let world = World::new().await;
    let operator = world.operator().await;
    let _: ChaosExperiment = world.create(slow(json!({}))).await;
    let waits = |it: &ChaosExperiment| {
        let message = it.status.as_ref().and_then(|it| it.message.as_deref());
        message.is_some_and(|it| it.starts_with("no Service has the label"))
    };
    let _: ChaosExperiment = world.until("slow", waits).await;
    let patch = Patch::Merge(json!({ "spec": { "duration": "2h" } }));
    let refused = world.api::<ChaosExperiment>();
    let refused = refused
        .patch("slow", &Default::default(), &patch)
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("cannot change once it is not suspended"),
        "{refused}"
    );
    operator.stop().await;
}
