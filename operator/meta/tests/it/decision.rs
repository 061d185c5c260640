//! Who is watched, and who said so.

use operator_meta::decision::{Decision, Mode, decide};
use operator_meta::facts::Phase;

use crate::World;

/// `watched`, and what decided.
fn check(world: &World, mode: Mode, expected: &str) -> Decision {
    let decision = decide(&world.subject(), mode);
    let by = match &decision.decided_by {
        Some(by) => format!("{}={}", by.source, by.value),
        None => format!("{:?}", decision.rule),
    };
    let watched = if decision.watched { "yes" } else { "no" };
    assert_eq!(format!("{watched}, {by}"), expected, "{decision:#?}");
    decision
}

#[test]
fn without_a_word_the_mode_decides() {
    check(&World::new(), Mode::OptOut, "yes, Default");
    check(&World::new(), Mode::OptIn, "no, Default");
}

#[test]
fn the_pod_outranks_the_workload_and_that_the_namespace() {
    let namespace = World::new().namespace_label("crosswatch.dev/enabled", "false");
    check(
        &namespace,
        Mode::OptOut,
        "no, namespace label crosswatch.dev/enabled=false",
    );
    let workload = namespace.workload_annotation("crosswatch.dev/enabled", "true");
    check(
        &workload,
        Mode::OptOut,
        "yes, Deployment annotation crosswatch.dev/enabled=true",
    );
    let pod = workload.pod_label("crosswatch.dev/enabled", "off");
    check(
        &pod,
        Mode::OptOut,
        "no, pod label crosswatch.dev/enabled=false",
    );
    let annotated = pod.pod_annotation("crosswatch.dev/enabled", "yes");
    check(
        &annotated,
        Mode::OptIn,
        "yes, pod annotation crosswatch.dev/enabled=true",
    );
}

#[test]
fn neighbours_exclusions_are_honoured() {
    for (key, value) in [
        ("fluentbit.io/exclude", "true"),
        ("co.elastic.logs/enabled", "false"),
        ("ad.datadoghq.com/logs_exclude", "true"),
        ("logs.grafana.com/pods.enabled", "false"),
    ] {
        let world = World::new().pod_annotation(key, value);
        check(
            &world,
            Mode::OptOut,
            &format!("no, pod annotation {key}={value}"),
        );
    }
    let vector = World::new().pod_label("vector.dev/exclude", "true");
    check(
        &vector,
        Mode::OptOut,
        "no, pod label vector.dev/exclude=true",
    );
    // As an annotation it means nothing to Vector, nor to us.
    let other = World::new().pod_annotation("vector.dev/exclude", "true");
    check(&other, Mode::OptOut, "yes, Default");
    let included = World::new().pod_annotation("co.elastic.logs/enabled", "true");
    check(&included, Mode::OptOut, "yes, Default");
    check(&included, Mode::OptIn, "no, Default");
}

#[test]
fn our_word_on_the_workload_beats_a_neighbours_on_the_pod_and_that_beats_the_namespaces() {
    let world = World::new()
        .pod_annotation("fluentbit.io/exclude", "true")
        .namespace_label("crosswatch.dev/enabled", "true");
    check(
        &world,
        Mode::OptOut,
        "no, pod annotation fluentbit.io/exclude=true",
    );
    let world = world.workload_annotation("crosswatch.dev/enabled", "true");
    check(
        &world,
        Mode::OptOut,
        "yes, Deployment annotation crosswatch.dev/enabled=true",
    );
}

#[test]
fn kubernetes_itself_is_left_alone_unless_asked() {
    let mut system = World::new();
    system.pod.namespace = "kube-system".to_owned();
    check(&system, Mode::OptOut, "no, System");
    let asked = system.pod_annotation("crosswatch.dev/enabled", "true");
    check(
        &asked,
        Mode::OptOut,
        "yes, pod annotation crosswatch.dev/enabled=true",
    );
    let mirror = World::new().pod_annotation("kubernetes.io/config.mirror", "abcd");
    check(&mirror, Mode::OptOut, "no, System");
}

#[test]
fn a_finished_pod_is_read_and_onboards_nothing() {
    let mut world = World::new();
    world.pod.phase = Phase::Succeeded;
    let decision = check(&world, Mode::OptOut, "yes, Default");
    assert!(decision.reads("web") && !decision.onboards());
}

#[test]
fn single_containers_can_be_left_out() {
    for (key, value) in [
        ("vector.dev/exclude-containers", "proxy, web"),
        ("fluentbit.io/exclude-web", "true"),
        ("co.elastic.logs.web/enabled", "false"),
        ("ad.datadoghq.com/web.logs_exclude", "true"),
    ] {
        let world = World::new().pod_annotation(key, value);
        let decision = check(&world, Mode::OptOut, "yes, Default");
        assert!(!decision.reads("web"), "{key}");
        assert!(decision.reads("sidecar"), "{key}");
    }
}

#[test]
fn a_value_that_is_no_switch_is_said_and_passed_over() {
    let world = World::new().pod_annotation("crosswatch.dev/enabled", "maybe");
    let decision = check(&world, Mode::OptOut, "yes, Default");
    assert_eq!(
        decision.notes,
        ["pod annotation crosswatch.dev/enabled is ignored: `maybe` is neither true nor false"]
    );
}
