//! Rolling deployments.

use std::collections::BTreeSet;

use sim_services::mesh::Phase;

use super::*;

#[test]
fn a_rolling_deployment_loses_nothing() {
    let exports = in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 20.0).await;
        let seen = |platform: &Platform, name: &str| -> Vec<(String, Phase)> {
            let replicas = platform.replicas(name);
            let seen = replicas.iter();
            seen.map(|replica| (replica.version.clone(), replica.phase))
                .collect()
        };
        let names = |platform: &Platform| -> BTreeSet<String> {
            let replicas = platform.replicas("cart");
            replicas
                .into_iter()
                .map(|replica| replica.instance)
                .collect()
        };
        let first = names(&platform);
        sleep(5 * SECOND).await;
        let touch = platform.change(
            Change::Version("3.3.0".into()),
            Target {
                // As a deployment is written that replaces one version and no other.
                version: Some("3.2.1".into()),
                ..service("cart")
            },
        );
        sleep(SECOND).await;
        let is = |version: &str, phase| (version.to_owned(), phase);
        // The first is replaced, the second waits for its turn.
        let (old, new) = ("3.2.1", "3.3.0");
        assert_eq!(
            seen(&platform, "cart"),
            [
                is(old, Phase::Running),
                is(new, Phase::Starting),
                is(old, Phase::Running),
            ]
        );
        sleep(9 * SECOND).await;
        assert_eq!(
            seen(&platform, "cart"),
            [is(new, Phase::Running), is(new, Phase::Running)]
        );
        assert!(first.is_disjoint(&names(&platform)));
        assert!(touch.count() > 0);
        let shipping = platform.change(Change::Version("1.20.0".into()), service("shipping"));
        sleep(15 * SECOND).await;
        assert_eq!(
            seen(&platform, "cart"),
            [is(old, Phase::Running), is(old, Phase::Running)]
        );
        assert!(shipping.count() > 0);
        platform.quiet().await;
        let did = platform.mesh.meters().read();
        assert_eq!(did.load.failed, 0, "{:?}", did.load);
        assert_eq!(did.service("cart").failed, 0);
        // Consumers were replaced as well, and no message is lost.
        let published = did.service("orders").published;
        assert!(published > 40);
        assert_eq!(did.service("shipping").consumed, published);
        platform.stop().await
    });
    let versions: BTreeSet<&str> = exports
        .iter()
        .filter(|export| export.identity.service == "cart")
        .map(|export| export.identity.version.as_str())
        .collect();
    assert_eq!(versions, BTreeSet::from(["3.2.1", "3.3.0"]));
}

#[test]
fn a_deployment_that_is_called_off_leaves_the_old_version() {
    in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 10.0).await;
        let before = platform.replicas("web");
        platform.change(Change::Version("6.0.0".into()), service("web"));
        sleep(SECOND).await;
        assert_eq!(platform.replicas("web").len(), 3);
        platform.all_is_well();
        sleep(10 * SECOND).await;
        let instances = |replicas: &[ReplicaState]| -> Vec<String> {
            replicas
                .iter()
                .map(|replica| replica.instance.clone())
                .collect()
        };
        assert_eq!(instances(&platform.replicas("web")), instances(&before));
        assert_eq!(platform.mesh.meters().read().load.failed, 0);
        platform.stop().await;
    });
}
