//! Wishes in annotations, ours and the neighbours'.

use operator_meta::hints::hints;

use crate::World;

#[track_caller]
fn latency(key: &str, value: &str) -> Option<(f64, f64)> {
    let found = hints(&World::new().pod_annotation(key, value).subject());
    assert_eq!(found.slo_latency.is_none(), !found.notes.is_empty());
    let objective = found.slo_latency?.value;
    Some((objective.quantile, objective.threshold.as_secs_f64()))
}

#[test]
fn latency_objectives_are_read_as_people_write_them() {
    let key = "crosswatch.dev/slo-latency";
    for (text, expected) in [
        ("300ms", Some((0.99, 0.3))),
        ("p95<1.5s", Some((0.95, 1.5))),
        ("p99.9 2s", Some((0.999, 2.0))),
        ("p99 <= 250ms", Some((0.99, 0.25))),
        ("fast", None),
        ("p100 1s", None),
        ("p99 -1s", None),
        ("p99 1e99s", None),
        ("NaNs", None),
    ] {
        assert_eq!(latency(key, text), expected, "{text}");
    }
    assert_eq!(
        latency("coroot.com/slo-latency-threshold", "500ms"),
        Some((0.99, 0.5))
    );
}

#[test]
fn a_share_is_the_same_in_percent_and_as_a_ratio() {
    for text in ["99.9%", "99.9", "0.999", " 99.9 % "] {
        let world = World::new().pod_annotation("crosswatch.dev/slo-availability", text);
        let found = hints(&world.subject());
        assert_eq!(
            found.slo_availability.map(|it| it.value),
            Some(0.999),
            "{text}"
        );
    }
    for text in ["100%", "0", "-3", "all", "nan"] {
        let world = World::new().pod_annotation("crosswatch.dev/slo-availability", text);
        let found = hints(&world.subject());
        assert!(found.slo_availability.is_none(), "{text}");
        assert_eq!(found.notes.len(), 1, "{text}");
    }
}

#[test]
fn ours_comes_before_the_neighbours_and_a_bad_one_falls_through() {
    let world = World::new()
        .pod_annotation("fluentbit.io/parser", "nginx")
        .workload_annotation("crosswatch.dev/log-format", "logfmt");
    let format = |world: &World| hints(&world.subject()).log_format.map(|it| it.value);
    assert_eq!(format(&world).as_deref(), Some("logfmt"));
    let world = world.workload_annotation("crosswatch.dev/log-format", "a b c");
    assert_eq!(format(&world).as_deref(), Some("nginx"));
    let json = World::new().pod_annotation("co.elastic.logs/json.message_key", "msg");
    assert_eq!(format(&json).as_deref(), Some("json"));
}

#[test]
fn links_must_be_links() {
    let key = "crosswatch.dev/runbook-url";
    let bad = World::new().pod_annotation(key, "javascript:alert(1)");
    assert!(hints(&bad.subject()).runbook_url.is_none());
    let good = World::new().pod_annotation(key, "https://wiki/cart");
    assert!(hints(&good.subject()).runbook_url.is_some());
}
