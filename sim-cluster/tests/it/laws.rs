//! Laws of the store, for any order of writes.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which stop where something is amiss"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sim_cluster::client::{DeleteOptions, EventKind, Patch};
use sim_cluster::{Client, ListOptions};

use crate::client::cluster;

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Change(u8, u8),
    Finish(u8),
    Delete(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6_u8).prop_map(Step::Create),
        (0..6_u8, 0..3_u8).prop_map(|(name, value)| Step::Change(name, value)),
        (0..6_u8).prop_map(Step::Finish),
        (0..6_u8).prop_map(Step::Delete),
    ];
    proptest::collection::vec(step, 0..40)
}

/// Does what it can; what is refused (creating twice, deleting nothing) is part of the game.
fn take(client: &Client, step: &Step) {
    let outcome = match step {
        Step::Create(name) => client.create(
            "configmaps",
            json!({
                "metadata": {
                    "name": format!("m{name}"), "namespace": "default", "labels": { "v": "0" },
                    "finalizers": if name % 2 == 0 { json!(["example.org/f"]) } else { json!([]) },
                },
            }),
        ),
        Step::Change(name, value) => {
            let patch = json!({ "metadata": { "labels": { "v": value.to_string() } } });
            client.patch(
                "configmaps",
                "default",
                &format!("m{name}"),
                "",
                Patch::Merge(patch),
            )
        }
        Step::Finish(name) => {
            let patch = json!({ "metadata": { "finalizers": null } });
            client.patch(
                "configmaps",
                "default",
                &format!("m{name}"),
                "",
                Patch::Merge(patch),
            )
        }
        Step::Delete(name) => client.delete(
            "configmaps",
            "default",
            &format!("m{name}"),
            &DeleteOptions::default(),
        ),
    };
    if let Err(status) = outcome {
        assert!(matches!(status.code, 404 | 409), "{status}");
    }
}

type State = BTreeMap<String, Arc<Value>>;

fn state(items: impl IntoIterator<Item = Arc<Value>>) -> State {
    items
        .into_iter()
        .map(|object| {
            (
                object["metadata"]["name"].as_str().unwrap().to_owned(),
                object,
            )
        })
        .collect()
}

/// What a watcher that saw `before` believes after all events that are there.
fn replay(mut before: State, watch: &mut sim_cluster::client::Watch) -> State {
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let mut last = 0;
    loop {
        let next = std::pin::pin!(watch.next());
        let std::task::Poll::Ready(event) = std::future::Future::poll(next, &mut context) else {
            return before;
        };
        let event = event.expect("the window holds all steps of a test");
        let version = sim_cluster::object::resource_version(&event.object);
        assert!(version > last, "versions only grow: {version} after {last}");
        last = version;
        let name = event.object["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        match event.kind {
            EventKind::Added | EventKind::Modified => before.insert(name, event.object),
            _ => before.remove(&name),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn events_over_a_list_give_the_later_list(first in steps(), then in steps(), label in 0..3_u8) {
        let client = cluster().client("system:admin");
        let some = ListOptions::labels(&format!("v={label}")).unwrap();
        first.iter().for_each(|step| take(&client, step));
        for options in [ListOptions::all(), some] {
            let before = client.list("configmaps", None, &options).unwrap();
            let mut watch = client
                .watch_selected("configmaps", None, &options, before.resource_version)
                .unwrap();
            then.iter().for_each(|step| take(&client, step));
            let believed = replay(state(before.items), &mut watch);
            let after = client.list("configmaps", None, &options).unwrap();
            prop_assert_eq!(believed, state(after.items));
        }
    }

    #[test]
    fn writing_what_is_there_changes_nothing(all in steps()) {
        let client = cluster().client("system:admin");
        all.iter().for_each(|step| take(&client, step));
        let revision = client.cluster().revision();
        for object in client.list("configmaps", None, &ListOptions::all()).unwrap().items {
            client.update("configmaps", (*object).clone()).unwrap();
        }
        prop_assert_eq!(client.cluster().revision(), revision);
    }
}
