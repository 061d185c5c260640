//! Two operators at once.

use crds::MonitoredApi;
use k8s_openapi::api::coordination::v1::Lease;

use crate::monitor::view;
use crate::onboarding::holds;
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_acts_and_the_other_takes_over() {
    let world = World::new().await;
    let first = world.operator_with("first", |_| ()).await;
    let held_by = |holder: &'static str| {
        move |lease: &Lease| {
            let spec = lease.spec.as_ref();
            spec.and_then(|it| it.holder_identity.as_deref()) == Some(holder)
        }
    };
    let _: Lease = world.until("crosswatch-operator", held_by("first")).await;
    let second = world.operator_with("second", |_| ()).await;
    world.deployment("cart", 1).await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Ready")).await;
    let wrote =
        |user: &str| {
            let cluster = world.cluster.as_ref()?;
            let writes = ["create", "patch", "update", "delete"];
            Some(cluster.requests().total(|it| {
                it.user == user && writes.contains(&&*it.verb) && it.resource != "leases"
            }))
        };
    assert_eq!(wrote("second").unwrap_or(0), 0);

    first.stop().await;
    let lease: Lease = world.until("crosswatch-operator", held_by("second")).await;
    assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
    let before = wrote("first");
    world.monitor.see(view(&world.namespace, "cart"));
    let _: MonitoredApi = world.until("cart", |api| holds(api, "LogsFlowing")).await;
    let all = eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        !all.is_empty()
    })
    .await;
    assert_eq!(all.len(), 1);
    assert_eq!(wrote("first"), before);
    second.stop().await;
}
