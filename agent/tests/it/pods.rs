//! Whose a log is, and whether it is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent::cluster::pods::{KnownPods, PodsOptions};
use agent::cluster::{PodContext, Snapshot};
use agent::follow::{Attribution, PodFolder, Pods as _};
use operator_meta::decision::Mode;
use operator_meta::facts::{ContainerFacts, PodFacts};
use operator_meta::identity::IdentityOptions;
use tokio::sync::watch;

use crate::node::at;

fn pods(mode: Mode, contexts: &[(&str, PodContext)]) -> (watch::Sender<Arc<Snapshot>>, KnownPods) {
    let pods = contexts.iter();
    let snapshot = Snapshot {
        pods: pods
            .map(|(uid, context)| ((*uid).to_owned(), Arc::new(context.clone())))
            .collect(),
        ..Snapshot::default()
    };
    let (sender, receiver) = watch::channel(Arc::new(snapshot));
    let options = PodsOptions {
        mode,
        identity: IdentityOptions::default(),
        wait: Duration::from_secs(2),
    };
    let pods = KnownPods::new(Some(receiver), Some("worker-1".to_owned()), options);
    (sender, pods)
}

fn context(annotations: &[(&str, &str)], complete: bool) -> PodContext {
    let annotations = annotations.iter();
    PodContext {
        pod: Arc::new(PodFacts {
            namespace: "shop".to_owned(),
            name: "cart-0".to_owned(),
            uid: "u".to_owned(),
            annotations: annotations
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            containers: vec![ContainerFacts {
                name: "web".to_owned(),
                image: "cart:1.4".to_owned(),
                id: "c0ffee".to_owned(),
            }],
            ..PodFacts::default()
        }),
        namespace: None,
        workload: None,
        node: None,
        cluster: Arc::default(),
        complete,
    }
}

fn folder() -> PodFolder {
    PodFolder {
        namespace: "shop".to_owned(),
        pod: "cart-7d4b9c6f5-x2x9k".to_owned(),
        uid: "u".to_owned(),
    }
}

/// At `seconds` after the log was first seen.
fn about(pods: &mut KnownPods, seconds: f64) -> Option<BTreeMap<String, String>> {
    match pods.about(&folder(), "web", 3, at(0.0), at(seconds)) {
        Attribution::Wait => None,
        Attribution::Skip => Some(BTreeMap::new()),
        Attribution::Read(origin) => Some(origin.attributes.iter().cloned().collect()),
    }
}

#[test]
fn a_log_waits_a_moment_for_its_pod_and_then_says_that_it_knows_only_its_path() {
    let (snapshots, mut pods) = pods(Mode::OptOut, &[]);
    assert_eq!(about(&mut pods, 1.9), None);
    let found = about(&mut pods, 2.0).unwrap();
    assert_eq!(found["service.name"], "cart");
    assert_eq!(found["k8s.namespace.name"], "shop");
    assert_eq!(found["k8s.container.restart_count"], "3");
    assert_eq!(found["crosswatch.metadata"], "path");
    // The answer comes later: from then on everything is known.
    let known = Snapshot {
        pods: [("u".to_owned(), Arc::new(context(&[], true)))].into(),
        ..Snapshot::default()
    };
    snapshots.send_replace(Arc::new(known));
    let found = about(&mut pods, 2.1).unwrap();
    assert_eq!(found["service.version"], "1.4");
    assert!(!found.contains_key("crosswatch.metadata"));
}

#[test]
fn a_pod_whose_workload_was_not_looked_at_yet_waits_too() {
    let (_snapshots, mut pods) = pods(Mode::OptOut, &[("u", context(&[], false))]);
    assert_eq!(about(&mut pods, 0.5), None);
    let found = about(&mut pods, 2.5).unwrap();
    assert_eq!(found["container.id"], "c0ffee");
    assert_eq!(found["crosswatch.metadata"], "partial");
}

#[test]
fn a_pod_that_opts_out_is_not_read() {
    let out = context(&[("crosswatch.dev/enabled", "false")], true);
    let (_snapshots, mut pods) = pods(Mode::OptOut, &[("u", out)]);
    assert_eq!(about(&mut pods, 0.0), Some(BTreeMap::new()));
}

#[test]
fn with_opt_in_only_those_that_ask_are_read() {
    let asks = context(&[("crosswatch.dev/enabled", "true")], true);
    let (_snapshots, mut asking) = pods(Mode::OptIn, &[("u", asks)]);
    assert!(!about(&mut asking, 0.0).unwrap().is_empty());
    let (_snapshots, mut silent) = pods(Mode::OptIn, &[("u", context(&[], true))]);
    assert_eq!(about(&mut silent, 0.0), Some(BTreeMap::new()));
}
