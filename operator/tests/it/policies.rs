//! Alert policies and maintenance windows.

use crds::{AlertPolicy, MaintenanceWindow};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::world::World;

fn ready(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> (&str, &str) {
    let ready = conditions.iter().find(|it| it.type_ == "Ready");
    ready.map_or(("", ""), |it| (&*it.status, &*it.reason))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_without_its_secret_says_what_to_do_and_works_with_it() {
    let world = World::new().await;
    let operator = world.operator_with("operator-1", |it| it.own_namespace = "crosswatch".into());
    let operator = operator.await;
    world.namespace_named("crosswatch").await;
    let _: AlertPolicy = world
        .create(json!({
            "metadata": { "name": "pager" },
            "spec": {
                "select": { "severities": ["critical"] },
                "receivers": [{ "name": "pager", "urlFrom": { "name": "pager", "key": "url" } }],
            },
        }))
        .await;
    let missing = |policy: &AlertPolicy| {
        let status = policy.status.as_ref();
        status.is_some_and(|it| ready(&it.conditions) == ("False", "SecretMissing"))
    };
    let policy: AlertPolicy = world.until("pager", missing).await;
    let namespace = &world.namespace;
    assert_eq!(
        policy.status.unwrap().conditions[0].message,
        format!(
            "Secret {namespace}/pager does not exist; make it: kubectl -n {namespace} create \
             secret generic pager --from-literal=url=…"
        )
    );

    let _: Secret = world
        .create(json!({
            "metadata": { "name": "pager" }, "stringData": { "url": "http://pager.example/hook" },
        }))
        .await;
    // Secrets are not watched: somebody who has made one touches the policy, or waits.
    let patch = json!({ "spec": { "select": { "severities": ["critical", "warning"] } } });
    let _: AlertPolicy = world.merge("pager", patch).await;
    let told = world.monitor.told(|it| !it.routing.is_empty()).await;
    let route = &told.routing[0];
    assert_eq!(route.receivers[0].url, "http://pager.example/hook");
    assert_eq!(route.select.namespaces, std::slice::from_ref(namespace));
    assert_eq!(route.select.severities, ["critical", "warning"]);
    let in_force = |policy: &AlertPolicy| {
        let status = policy.status.as_ref();
        status.is_some_and(|it| ready(&it.conditions) == ("True", "InForce"))
    };
    let _: AlertPolicy = world.until("pager", in_force).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_told_with_its_times_and_says_when_it_is_open() {
    let world = World::new().await;
    let operator = world.operator_with("operator-1", |it| it.own_namespace = "crosswatch".into());
    let operator = operator.await;
    world.namespace_named("crosswatch").await;
    let window =
        |name: &str, spec: serde_json::Value| json!({ "metadata": { "name": name }, "spec": spec });
    let long = json!({ "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z" });
    let _: MaintenanceWindow = world
        .create(window(
            "now",
            json!({ "schedule": long, "excludeLearning": false }),
        ))
        .await;
    let told = world.monitor.told(|it| !it.maintenance.is_empty()).await;
    let maintenance = &told.maintenance[0];
    assert_eq!(
        maintenance.name,
        format!("{}/now@2020-01-01T00:00:00Z", world.namespace)
    );
    assert_eq!(maintenance.ends_at, "2099-01-01T00:00:00Z");
    assert_eq!(
        (maintenance.mute, maintenance.exclude_learning),
        (true, false)
    );
    assert_eq!(
        maintenance.select.namespaces,
        std::slice::from_ref(&world.namespace)
    );
    let open = |it: &MaintenanceWindow| {
        let status = it.status.as_ref();
        status.is_some_and(|it| it.active && ready(&it.conditions).0 == "True")
    };
    let _: MaintenanceWindow = world.until("now", open).await;

    // One that reaches for others is refused whole.
    let others = json!({ "schedule": long, "namespaces": ["bank"] });
    let _: MaintenanceWindow = world.create(window("others", others)).await;
    let refused = |it: &MaintenanceWindow| {
        let status = it.status.as_ref();
        status.is_some_and(|it| ready(&it.conditions) == ("False", "NamespacesNotAllowed"))
    };
    let _: MaintenanceWindow = world.until("others", refused).await;
    operator.stop().await;
}
