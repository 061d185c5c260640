//! Where a pod runs.

use operator_meta::environment::environment;

use crate::World;

#[track_caller]
fn check(world: &World, expected: &str) {
    let found = environment(&world.subject());
    let kind = found.kind.map(|it| it.value.to_string());
    let text = format!(
        "{} [{}] by {}",
        found.name.value,
        kind.as_deref().unwrap_or("?"),
        found.name.source
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_said_nearest_wins() {
    let key = "crosswatch.dev/env";
    let world = World::new();
    check(&world, "unknown [?] by nothing says so");
    let stage = "resource.opentelemetry.io/deployment.environment.name";
    let world = world.pod_annotation(stage, "production");
    check(&world, &format!("production [?] by pod annotation {stage}"));
    let mut world = world;
    world.cluster.name = Some("eu-1".to_owned());
    check(&world, "eu-1 [?] by setting --cluster-name");
    let world = world.provider("aws:///eu-west-1a/i-0abc");
    check(&world, "aws [cloud] by node spec.providerID");
    let region = "topology.kubernetes.io/region";
    let world = world.node_label(region, "eu-west-1");
    check(
        &world,
        &format!("aws-eu-west-1 [cloud] by node label {region}"),
    );
    let world = world.node_label(key, "cloud-a");
    check(&world, &format!("cloud-a [cloud] by node label {key}"));
    let world = world.namespace_label(key, "cloud-b");
    check(&world, &format!("cloud-b [cloud] by namespace label {key}"));
    let world = world.workload_annotation(key, "cloud-c");
    check(
        &world,
        &format!("cloud-c [cloud] by Deployment annotation {key}"),
    );
    let world = world.pod_annotation(key, "cloud-d");
    check(&world, &format!("cloud-d [cloud] by pod annotation {key}"));
}

#[test]
fn providers_are_known_by_the_scheme_of_their_ids() {
    for (id, provider, kind) in [
        (
            "gce://project/europe-west1-b/node",
            Some("gcp"),
            Some("cloud"),
        ),
        ("azure:///subscriptions/x", Some("azure"), Some("cloud")),
        ("ocid1.instance.oc1.eu", Some("oracle_cloud"), Some("cloud")),
        ("hcloud://123", Some("hetzner"), Some("cloud")),
        ("kind://docker/kind/kind-worker", None, Some("on-prem")),
        ("vsphere://4201", None, Some("on-prem")),
        ("acme://machine-7", Some("acme"), None),
        ("no-scheme", None, None),
        ("", None, None),
        ("://", None, None),
    ] {
        let found = environment(&World::new().provider(id).subject());
        assert_eq!(
            found.provider.map(|it| it.value).as_deref(),
            provider,
            "{id}"
        );
        let found = found.kind.map(|it| it.value.to_string());
        assert_eq!(found.as_deref(), kind, "{id}");
    }
}

#[test]
fn a_site_is_on_premises_and_the_edge_says_so() {
    let site = World::new().node_label("crosswatch.dev/site", "dc-2");
    check(&site, "dc-2 [on-prem] by node label crosswatch.dev/site");
    let edge = site.node_label("node-role.kubernetes.io/edge", "");
    check(&edge, "dc-2 [edge] by node label crosswatch.dev/site");
    let said = edge.node_label("crosswatch.dev/env-kind", "cloud");
    check(&said, "dc-2 [cloud] by node label crosswatch.dev/site");
}
