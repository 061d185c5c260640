//! What Chaos Mesh and Litmus do is told, where they are and may be read.

use std::time::Duration;

use crate::onboarding::holds;
use crate::world::{World, established, eventually};
use crds::MonitoredApi;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use operator::access::{Place, RULES};
use operator::injected::Tool;
use serde_json::{Value, json};

/// As the tools name them: `PodChaos` is `podchaos`, `ChaosResult` is `chaosresults`.
fn resource(tool: Tool, kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(tool.group(), "v1alpha1", kind);
    let plural = match tool {
        Tool::ChaosMesh => kind.to_lowercase(),
        Tool::Litmus => format!("{}s", kind.to_lowercase()),
    };
    ApiResource::from_gvk_with_plural(&gvk, &plural)
}

/// As installing the tool would, with no more of a schema than there has to be.
pub(crate) async fn define(world: &World, tool: Tool, kinds: &[&str]) {
    let api: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    for kind in kinds {
        let plural = resource(tool, kind).plural;
        let name = format!("{plural}.{}", tool.group());
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": name },
            "spec": {
                "group": tool.group(), "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    } },
                }],
            },
        });
        let params = PatchParams::apply("tests").force();
        api.patch(&name, &params, &Patch::Apply(&definition))
            .await
            .unwrap();
        eventually(api.clone(), |all: &[CustomResourceDefinition]| {
            let mut all = all.iter();
            all.any(|it| it.metadata.name.as_ref() == Some(&name) && established(it))
        })
        .await;
    }
}

async fn create(world: &World, tool: Tool, kind: &str, name: &str, spec: Value, status: Value) {
    let resource = resource(tool, kind);
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let object = json!({
        "apiVersion": resource.api_version, "kind": kind,
        "metadata": { "name": name }, "spec": spec, "status": status,
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// One of each kind, told of: after that each kind was listed and is watched.
pub(crate) async fn ask_for_all(world: &World) {
    for tool in Tool::ALL {
        for kind in tool.kinds() {
            let name = format!("a-{}", kind.to_lowercase());
            let (spec, status) = acted(world, kind);
            create(world, tool, kind, &name, spec, status).await;
            let about = format!("{kind} {}/{name} ", world.namespace);
            let told = world
                .monitor
                .told_change(|it| it.summary.starts_with(&about));
            assert_eq!(told.await.kind, "chaos");
        }
    }
}

/// The status of one that did something just now.
fn acted(world: &World, kind: &str) -> (Value, Value) {
    let now = now();
    match kind {
        "ChaosEngine" => (
            json!({ "appinfo": { "appns": world.namespace, "applabel": "app=cart" } }),
            json!({ "experiments": [
                { "name": "pod-delete", "status": "Running", "lastUpdateTime": now } ] }),
        ),
        "ChaosResult" => (
            json!({ "engine": "a-chaosengine", "experiment": "pod-delete" }),
            json!({ "experimentStatus": { "verdict": "Fail" }, "history": { "failedRuns": 1 } }),
        ),
        _ => (
            json!({ "action": "delay" }),
            json!({ "experiment": { "containerRecords": [
                { "id": "i-0123", "events": [succeeded("Apply", &now)] } ] } }),
        ),
    }
}

fn now() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "what happened long ago is not told"
    )]
    let now = jiff::Timestamp::now();
    now.to_string()
}

fn succeeded(operation: &str, at: &str) -> Value {
    json!({ "type": "Succeeded", "operation": operation, "timestamp": at })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_chaos_mesh_concerns_the_services_of_its_pods() {
    let world = World::new().await;
    // It is installed while the operator runs.
    let operator = world.operator().await;
    let cart = world.bare_deployment("cart", 2, json!({})).await;
    let first = world.pod_of(&cart, "a", json!({})).await;
    let second = world.pod_of(&cart, "b", json!({})).await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;
    define(&world, Tool::ChaosMesh, &["NetworkChaos"]).await;

    let now = now();
    let record = |pod: &str| {
        let id = format!("{}/{pod}/app", world.namespace);
        json!({ "id": id, "selectorKey": ".", "phase": "Injected", "events": [
            { "type": "Failed", "operation": "Apply", "timestamp": "2020-01-01T00:00:00Z" },
            succeeded("Apply", &now),
        ] })
    };
    let pods = [first, second].map(|pod| pod.metadata.name.unwrap());
    // One of them has been replaced meanwhile: what was meant is known all the same.
    let records = json!([record(&pods[0]), record(&pods[1]), record("cart-gone")]);
    let spec = json!({ "action": "delay", "selector": { "labelSelectors": { "app": "cart" } } });
    let status = json!({ "experiment": { "desiredPhase": "Run", "containerRecords": records } });
    create(
        &world,
        Tool::ChaosMesh,
        "NetworkChaos",
        "slow",
        spec,
        status,
    )
    .await;
    let change = world.monitor.told_change(|it| it.kind == "chaos").await;
    assert_eq!(
        change.summary,
        format!("NetworkChaos {}/slow (delay) was injected", world.namespace)
    );
    assert_eq!(change.source, "chaos-mesh");
    assert_eq!(change.namespace.as_deref(), Some(&*world.namespace));
    assert_eq!(change.service.as_deref(), Some("cart"));
    assert_eq!(change.environment.as_deref(), Some("unknown"));

    let resource = resource(Tool::ChaosMesh, "NetworkChaos");
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let mut undone = record(&pods[0]);
    undone["events"]
        .as_array_mut()
        .unwrap()
        .push(succeeded("Recover", &now));
    let patch = json!({ "status": { "experiment": { "containerRecords": [undone] } } });
    api.patch("slow", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    let ended = |it: &monitor_api::Change| it.summary.ends_with("was undone");
    let change = world.monitor.told_change(ended).await;
    assert_eq!(change.service.as_deref(), Some("cart"));
    // Three pods, one service: it began once, and ended once.
    let told = world.monitor.changes_of("chaos");
    assert_eq!(told.len(), 2, "{told:#?}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_of_litmus_concerns_what_its_engine_was_aimed_at() {
    let world = World::new().await;
    define(&world, Tool::Litmus, Tool::Litmus.kinds()).await;
    let operator = world.operator().await;
    world.deployment("cart", 1).await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;
    let began = |it: &monitor_api::Change| it.summary.ends_with("began pod-delete");
    let (spec, status) = acted(&world, "ChaosEngine");
    create(
        &world,
        Tool::Litmus,
        "ChaosEngine",
        "a-chaosengine",
        spec,
        status,
    )
    .await;
    let change = world.monitor.told_change(began).await;
    assert_eq!((&*change.kind, &*change.source), ("chaos", "litmus"));
    assert_eq!(change.service.as_deref(), Some("cart"));
    let (spec, status) = acted(&world, "ChaosResult");
    create(
        &world,
        Tool::Litmus,
        "ChaosResult",
        "cart-pod-delete",
        spec,
        status,
    )
    .await;
    let ended = |it: &monitor_api::Change| it.summary.ends_with("has the verdict Fail");
    let change = world.monitor.told_change(ended).await;
    assert_eq!(change.service.as_deref(), Some("cart"));
    operator.stop().await;
}

const LIMITED: &str = "limited";

/// Lets the user `limited` do what is listed for some places, and nothing else.
async fn grant(world: &World, name: &str, places: impl Fn(Place) -> bool) {
    let rules = RULES.iter().filter(|rule| places(rule.place));
    let rules: Vec<Value> = rules
        .map(|it| json!({ "apiGroups": [it.group], "resources": [it.resource], "verbs": it.verbs }))
        .collect();
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    let role: ClusterRole = serde_json::from_value(role).unwrap();
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": name },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": LIMITED }],
    });
    let binding: ClusterRoleBinding = serde_json::from_value(binding).unwrap();
    let params = PostParams::default();
    let roles: Api<ClusterRole> = Api::all(world.client.clone());
    roles.create(&params, &role).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(world.client.clone());
    bindings.create(&params, &binding).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_is_read_when_it_may() {
    let world = World::new().await;
    let needs = "a user with few rights, whose requests are counted";
    let Some(cluster) = world.simulated_only(needs) else {
        return;
    };
    define(&world, Tool::ChaosMesh, &["PodChaos"]).await;
    let (spec, status) = acted(&world, "PodChaos");
    create(&world, Tool::ChaosMesh, "PodChaos", "kill", spec, status).await;
    grant(&world, "usual", |place| place != Place::Chaos).await;
    let client = Client::try_from(world.limited_config(LIMITED).await).unwrap();
    let operator = world.operator_of(LIMITED, client).await;
    world.deployment("cart", 1).await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;
    let refused = || {
        let asked =
            |it: &sim_cluster::requests::Request| it.user == LIMITED && it.resource == "podchaos";
        cluster.requests().total(asked)
    };
    let mut every = tokio::time::interval(Duration::from_millis(20));
    while refused() < 2 {
        every.tick().await;
    }
    assert!(world.monitor.changes_of("chaos").is_empty());
    grant(&world, "chaos", |place| place == Place::Chaos).await;
    let change = world.monitor.told_change(|it| it.kind == "chaos").await;
    assert_eq!(change.namespace, None);
    operator.stop().await;
}
