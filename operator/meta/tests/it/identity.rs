//! Names of services, in OpenTelemetry's order.

use operator_meta::identity::{Identity, IdentityOptions, identity};

use crate::World;

fn of(world: &World) -> Identity {
    identity(&world.subject(), "web", &IdentityOptions::default())
}

#[track_caller]
fn check(world: &World, expected: &str) {
    let found = of(world).service_name;
    assert_eq!(format!("{} ({})", found.value, found.source), expected);
}

#[test]
fn a_service_is_named_by_the_first_that_names_it() {
    let world = World::new();
    check(&world, "cart (Deployment metadata.name)");
    let world = world.pod_label("tags.datadoghq.com/service", "dd");
    check(&world, "dd (pod label tags.datadoghq.com/service)");
    let world = world.pod_label("app.kubernetes.io/name", "by-name");
    check(&world, "by-name (pod label app.kubernetes.io/name)");
    let world = world.pod_label("app.kubernetes.io/instance", "by-instance");
    check(&world, "by-instance (pod label app.kubernetes.io/instance)");
    let key = "resource.opentelemetry.io/service.name";
    let world = world.pod_annotation(key, "said");
    check(&world, &format!("said (pod annotation {key})"));
}

#[test]
fn well_known_labels_can_be_ignored() {
    let world = World::new()
        .pod_label("app.kubernetes.io/instance", "release")
        .pod_label("app.kubernetes.io/version", "9");
    let options = IdentityOptions {
        well_known_labels: false,
    };
    let found = identity(&world.subject(), "web", &options);
    assert_eq!(found.service_name.value, "cart");
    assert_eq!(found.service_version.unwrap().value, "1.4");
}

#[test]
fn an_image_says_the_version() {
    for (image, version) in [
        ("cart:1.4", Some("1.4")),
        ("cart:1.4@sha256:ab", Some("1.4@sha256:ab")),
        ("reg:5000/cart", None),
        ("reg:5000/cart@sha256:cd", Some("sha256:cd")),
        ("reg:5000/a/cart:2@sha256:cd", Some("2@sha256:cd")),
    ] {
        let mut world = World::new();
        world.pod.containers[0].image = image.to_owned();
        let found = of(&world).service_version.map(|it| it.value);
        assert_eq!(found.as_deref(), version, "{image}");
    }
}

#[test]
fn attributes_are_complete() {
    let mut world = World::new()
        .provider("aws:///eu-west-1a/i-0abc")
        .node_label("topology.kubernetes.io/region", "eu-west-1")
        .node_label("topology.kubernetes.io/zone", "eu-west-1a")
        .node_label("eks.amazonaws.com/nodegroup", "main")
        .pod_annotation("resource.opentelemetry.io/team", "basket")
        .pod_annotation("crosswatch.dev/tier", "critical")
        .pod_label("tags.datadoghq.com/env", "production");
    world.cluster.name = Some("eu-1".to_owned());
    world.cluster.uid = Some("99".to_owned());
    let attributes: String = of(&world)
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={} ({})\n", value.value, value.source))
        .collect();
    expect_test::expect![[r#"
        cloud.availability_zone=eu-west-1a (node label topology.kubernetes.io/zone)
        cloud.platform=aws_eks (node label eks.amazonaws.com/nodegroup)
        cloud.provider=aws (node spec.providerID)
        cloud.region=eu-west-1 (node label topology.kubernetes.io/region)
        container.id=c0ffee (container containerID)
        container.image.name=registry:5000/shop/cart (container image)
        crosswatch.environment=aws-eu-west-1 (node label topology.kubernetes.io/region)
        crosswatch.environment.kind=cloud (node spec.providerID)
        deployment.environment.name=production (pod label tags.datadoghq.com/env)
        k8s.cluster.name=eu-1 (setting --cluster-name)
        k8s.cluster.uid=99 (namespace kube-system's uid)
        k8s.container.name=web (container name)
        k8s.deployment.name=cart (Deployment metadata.name)
        k8s.deployment.uid=33 (Deployment metadata.uid)
        k8s.namespace.name=shop (pod metadata.namespace)
        k8s.node.name=worker-1 (pod spec.nodeName)
        k8s.node.uid=55 (node metadata.uid)
        k8s.pod.ip=10.1.2.3 (pod status.podIP)
        k8s.pod.name=cart-7d4b9c6f5-x2x9k (pod metadata.name)
        k8s.pod.start_time=2026-11-21T18:00:00Z (pod status.startTime)
        k8s.pod.uid=0a1b (pod metadata.uid)
        k8s.replicaset.name=cart-7d4b9c6f5 (ReplicaSet metadata.name)
        k8s.replicaset.uid=77 (ReplicaSet metadata.uid)
        service.criticality=critical (pod annotation crosswatch.dev/tier)
        service.instance.id=shop.cart-7d4b9c6f5-x2x9k.web (namespace.pod.container)
        service.name=cart (Deployment metadata.name)
        service.namespace=shop (pod metadata.namespace)
        service.version=1.4 (container image)
        team=basket (pod annotation resource.opentelemetry.io/team)
    "#]]
    .assert_eq(&attributes);
}

#[test]
fn only_kubernetes_says_what_a_pod_is() {
    let world = World::new().pod_annotation("resource.opentelemetry.io/k8s.pod.uid", "forged");
    let found = of(&world);
    assert_eq!(found.attributes["k8s.pod.uid"].value, "0a1b");
    assert_eq!(found.notes.len(), 1);
}

#[test]
fn a_pod_by_itself_is_its_own_service() {
    let mut world = World::new();
    world.pod.controller = None;
    check(&world, "cart-7d4b9c6f5-x2x9k (pod metadata.name)");
}
