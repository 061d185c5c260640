//! Metadata that nobody should have written costs only itself.

use operator_meta::decision::{Mode, decide};
use operator_meta::explain::explain;
use operator_meta::hints::hints;
use operator_meta::identity::{IdentityOptions, identity};
use proptest::prelude::*;

use crate::World;

#[test]
fn a_huge_name_is_ignored_with_a_word_why() {
    let key = "resource.opentelemetry.io/service.name";
    let world = World::new().pod_annotation(key, &"x".repeat(100_000));
    let found = identity(&world.subject(), "web", &IdentityOptions::default());
    assert_eq!(found.service_name.value, "cart");
    assert!(
        found.notes.contains(&format!(
            "pod annotation {key} is ignored: it has 100000 bytes, and at most 256 are taken"
        )),
        "{:?}",
        found.notes
    );
}

#[test]
fn many_attributes_are_bounded() {
    let mut world = World::new();
    for n in 0..500 {
        world = world.pod_annotation(&format!("resource.opentelemetry.io/a{n:03}"), "1");
    }
    let found = identity(&world.subject(), "web", &IdentityOptions::default());
    assert!(found.attributes.len() < 64, "{}", found.attributes.len());
    assert!(
        found.notes[0].starts_with("468 annotations"),
        "{:?}",
        found.notes
    );
}

/// Keys that mean something to us, and values that people and fuzzers write.
fn annotations() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "crosswatch.dev/enabled",
            "crosswatch.dev/env",
            "crosswatch.dev/env-kind",
            "crosswatch.dev/site",
            "crosswatch.dev/tier",
            "crosswatch.dev/slo-latency",
            "crosswatch.dev/slo-availability",
            "crosswatch.dev/exclude-paths",
            "crosswatch.dev/log-format",
            "crosswatch.dev/runbook-url",
            "coroot.com/slo-latency-threshold",
            "resource.opentelemetry.io/service.name",
            "resource.opentelemetry.io/service.version",
            "fluentbit.io/exclude",
            "vector.dev/exclude-containers",
        ])
        .prop_map(str::to_owned),
        "resource\\.opentelemetry\\.io/\\PC{0,20}",
    ];
    let value = prop_oneof![
        ".{0,40}",
        "[p0-9.<%ms ]{0,12}",
        prop::sample::select(vec!["true", "false", "", "\n", "\u{0}", "99.9%", "p99 1s"])
            .prop_map(str::to_owned),
        (0usize..5_000).prop_map(|n| "é".repeat(n)),
    ];
    prop::collection::vec((key, value), 0..12)
}

proptest! {
    #[test]
    fn whatever_is_written_everything_answers_with_usable_values(
        pod in annotations(),
        namespace in annotations(),
        provider in ".{0,30}",
    ) {
        let mut world = World::new().provider(&provider);
        world.pod.annotations = pod.into_iter().collect();
        world.namespace.as_mut().unwrap().labels = namespace.into_iter().collect();
        let subject = world.subject();
        let found = identity(&subject, "web", &IdentityOptions::default());
        for (name, value) in &found.attributes {
            prop_assert!(!name.is_empty() && name.len() <= 128);
            prop_assert!(!value.value.is_empty() && value.value.len() <= 1_024, "{name}");
            prop_assert!(!value.value.chars().any(char::is_control), "{name}");
        }
        prop_assert!(!found.service_name.value.is_empty());
        if let Some(objective) = hints(&subject).slo_latency {
            let quantile = objective.value.quantile;
            prop_assert!(quantile > 0.0 && quantile < 1.0);
        }
        let decision = decide(&subject, Mode::OptOut);
        prop_assert!(!decision.reason.is_empty());
        let text = explain(&subject, Mode::OptOut, &IdentityOptions::default());
        prop_assert!(text.len() < 40_000);
    }
}
