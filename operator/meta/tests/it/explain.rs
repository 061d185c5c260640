//! The text of `crosswatch explain pod/NAME`.

use expect_test::{Expect, expect};
use operator_meta::decision::Mode;
use operator_meta::explain::explain;
use operator_meta::identity::IdentityOptions;

use crate::World;

fn check(world: &World, mode: Mode, expected: &Expect) {
    expected.assert_eq(&explain(
        &world.subject(),
        mode,
        &IdentityOptions::default(),
    ));
}

#[test]
fn a_pod_that_nobody_spoke_of() {
    check(
        &World::new(),
        Mode::OptOut,
        &expect![[r#"
            pod shop/cart-7d4b9c6f5-x2x9k is watched: nothing excludes it, and pods are watched by default.
            It belongs to Deployment/cart through ReplicaSet/cart-7d4b9c6f5.

            Decision (the first that says anything decides)
              crosswatch.dev/enabled on the pod               not set
              crosswatch.dev/enabled on the workload          not set
              the pod excludes itself from other collectors   no
              crosswatch.dev/enabled on the namespace         not set
              a part of Kubernetes itself                     no
            > the default                                     nothing excludes it, and pods are watched by default

            Identity
              service.name           cart                             Deployment metadata.name
              service.namespace      shop                             pod metadata.namespace
              service.version        1.4                              container image
              service.instance.id    shop.cart-7d4b9c6f5-x2x9k.web    namespace.pod.container

            Environment
              name                   unknown                          nothing says so
        "#]],
    );
}

#[test]
fn a_pod_with_everything() {
    let mut world = World::new()
        .provider("gce://project/zone/node")
        .node_label("topology.kubernetes.io/region", "europe-west1")
        .node_label("topology.kubernetes.io/zone", "europe-west1-b")
        .namespace_label("crosswatch.dev/enabled", "true")
        .workload_annotation("crosswatch.dev/owner", "team-basket")
        .workload_annotation("crosswatch.dev/slo-latency", "p99 300ms")
        .pod_annotation("crosswatch.dev/tier", "high")
        .pod_annotation("crosswatch.dev/exclude-paths", "/healthz,/internal/*")
        .pod_annotation("crosswatch.dev/runbook-url", "none yet")
        .pod_annotation("fluentbit.io/exclude-proxy", "perhaps")
        .pod_annotation("vector.dev/exclude-containers", "proxy")
        .pod_label("app.kubernetes.io/name", "cart")
        .pod_label("app.kubernetes.io/version", "1.4.2");
    let mut proxy = world.pod.containers[0].clone();
    proxy.name = "proxy".to_owned();
    world.pod.containers.push(proxy);
    check(
        &world,
        Mode::OptIn,
        &expect![[r#"
        pod shop/cart-7d4b9c6f5-x2x9k is watched: its namespace says crosswatch.dev/enabled=true.
        It belongs to Deployment/cart through ReplicaSet/cart-7d4b9c6f5.

        Decision (the first that says anything decides)
          crosswatch.dev/enabled on the pod               not set
          crosswatch.dev/enabled on the workload          not set
          the pod excludes itself from other collectors   no
        > crosswatch.dev/enabled on the namespace         namespace label crosswatch.dev/enabled=`true`
          container proxy is left out: pod annotation vector.dev/exclude-containers

        Identity
          service.name           cart                             pod label app.kubernetes.io/name
          service.namespace      shop                             pod metadata.namespace
          service.version        1.4.2                            pod label app.kubernetes.io/version
          service.instance.id    shop.cart-7d4b9c6f5-x2x9k.web    namespace.pod.container
          service.criticality    high                             pod annotation crosswatch.dev/tier

        Environment
          name                   gcp-europe-west1                 node label topology.kubernetes.io/region
          kind                   cloud                            node spec.providerID
          provider               gcp                              node spec.providerID
          region                 europe-west1                     node label topology.kubernetes.io/region
          zone                   europe-west1-b                   node label topology.kubernetes.io/zone

        Wishes
          latency objective      p99 below 0.3 s                  Deployment annotation crosswatch.dev/slo-latency
          excluded paths         /healthz, /internal/*            pod annotation crosswatch.dev/exclude-paths
          owner                  team-basket                      Deployment annotation crosswatch.dev/owner

        Not used
          pod annotation crosswatch.dev/runbook-url is ignored: `none yet` does not begin with http:// or https://
    "#]],
    );
}

#[test]
fn a_pod_that_a_neighbour_leaves_out() {
    let world = World::new().pod_annotation("fluentbit.io/exclude", "true");
    check(
        &world,
        Mode::OptOut,
        &expect![[r#"
            pod shop/cart-7d4b9c6f5-x2x9k is not watched: the pod is excluded from Fluent Bit's log collection, and that holds here too unless crosswatch.dev/enabled=true on the pod or its workload says otherwise.
            It belongs to Deployment/cart through ReplicaSet/cart-7d4b9c6f5.

            Decision (the first that says anything decides)
              crosswatch.dev/enabled on the pod               not set
              crosswatch.dev/enabled on the workload          not set
            > the pod excludes itself from other collectors   pod annotation fluentbit.io/exclude=`true`

            Identity
              service.name           cart                             Deployment metadata.name
              service.namespace      shop                             pod metadata.namespace
              service.version        1.4                              container image
              service.instance.id    shop.cart-7d4b9c6f5-x2x9k.web    namespace.pod.container

            Environment
              name                   unknown                          nothing says so
        "#]],
    );
}

#[test]
fn a_finished_job_of_a_cron_job() {
    let mut world = World::new();
    world.pod.name = "report-29912340-x2x9k".to_owned();
    world.pod.phase = operator_meta::facts::Phase::Succeeded;
    let controller = world.pod.controller.as_mut().unwrap();
    controller.api_version = "batch/v1".to_owned();
    controller.kind = "Job".to_owned();
    controller.name = "report-29912340".to_owned();
    world.workload = None;
    check(
        &world,
        Mode::OptOut,
        &expect![[r#"
            pod shop/report-29912340-x2x9k is read to its end (it has finished): nothing excludes it, and pods are watched by default.
            It belongs to CronJob/report through Job/report-29912340.

            Decision (the first that says anything decides)
              crosswatch.dev/enabled on the pod               not set
              crosswatch.dev/enabled on the workload          its metadata is not known here
              the pod excludes itself from other collectors   no
              crosswatch.dev/enabled on the namespace         not set
              a part of Kubernetes itself                     no
            > the default                                     nothing excludes it, and pods are watched by default

            Identity
              service.name           report                           CronJob metadata.name
              service.namespace      shop                             pod metadata.namespace
              service.version        1.4                              container image
              service.instance.id    shop.report-29912340-x2x9k.web   namespace.pod.container

            Environment
              name                   unknown                          nothing says so
        "#]],
    );
}
