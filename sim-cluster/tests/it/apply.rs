//! Server-side apply: who owns what, who may change what, what goes when nobody wants it any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use sim_cluster::apply::{Writer, apply, track};
use sim_cluster::shape::{Shape, builtin};
use sim_cluster::status::Status;

fn deployments() -> Arc<Shape> {
    builtin::shape("apps/v1", "Deployment").expect("a built-in kind")
}

fn writer(manager: &str, second: i64) -> Writer<'_> {
    Writer {
        manager,
        api_version: "apps/v1",
        subresource: "",
        has_status: true,
        now: jiff::Timestamp::from_second(1_900_000_000 + second).expect("in range"),
    }
}

fn deployment(spec: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop" }, "spec": spec,
    })
}

fn containers(containers: Value) -> Value {
    deployment(json!({ "template": { "spec": { "containers": containers } } }))
}

fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Result<Value, Status> {
    apply(live, config, &deployments(), &writer(manager, 0), false)
}

/// `manager (operation): path path …`, one line an entry.
fn owners(object: &Value) -> String {
    let mut said = String::new();
    for entry in object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let (manager, operation) = (&entry["manager"], &entry["operation"]);
        said.push_str(&format!("{manager} {operation} {}\n", entry["fieldsV1"]));
    }
    said.replace('"', "")
}

#[track_caller]
fn check_owners(object: &Value, expected: Expect) {
    expected.assert_eq(&owners(object));
}

#[test]
fn what_is_applied_is_owned() {
    let web = json!([{ "name": "web", "image": "a", "ports": [{ "containerPort": 80 }] }]);
    let live = applied(None, &containers(web), "one").unwrap();
    check_owners(
        &live,
        expect![[r#"
            one Apply {f:spec:{f:template:{f:spec:{f:containers:{k:{\name\:\web\}:{.:{},f:image:{},f:name:{},f:ports:{k:{\containerPort\:80,\protocol\:\TCP\}:{.:{},f:containerPort:{}}}}}}}}}
        "#]],
    );
}

/// "Conflicts" in the documentation of server-side apply.
#[test]
fn a_value_of_another_manager_is_not_taken_without_force() {
    let live = applied(None, &deployment(json!({ "replicas": 1 })), "one").unwrap();
    let wish = deployment(json!({ "replicas": 2 }));
    let refused = applied(Some(&live), &wish, "two").unwrap_err();
    assert_eq!((refused.code, refused.reason), (409, "Conflict"));
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
    );
    assert_eq!(
        refused.details["causes"],
        json!([{
            "reason": "FieldManagerConflict", "message": "conflict with \"one\"",
            "field": ".spec.replicas",
        }])
    );
    let live = apply(Some(&live), &wish, &deployments(), &writer("two", 1), true).unwrap();
    assert_eq!(live["spec"]["replicas"], 2);
    check_owners(
        &live,
        expect![[r#"
        two Apply {f:spec:{f:replicas:{}}}
    "#]],
    );
}

#[test]
fn conflicts_with_several_managers_are_listed_by_manager() {
    let shape = deployments();
    let created = track(
        None,
        deployment(json!({ "replicas": 1, "paused": true })),
        &shape,
        &writer("kubectl-create", 0),
    );
    let live = applied(
        Some(&created),
        &deployment(json!({ "minReadySeconds": 3 })),
        "one",
    )
    .unwrap();
    let refused = applied(
        Some(&live),
        &deployment(json!({ "replicas": 2, "paused": false, "minReadySeconds": 4 })),
        "two",
    )
    .unwrap_err();
    expect![[r#"
        Apply failed with 3 conflicts: conflicts with "one":
        - .spec.minReadySeconds
        conflicts with "kubectl-create" using apps/v1:
        - .spec.paused
        - .spec.replicas"#]]
    .assert_eq(&refused.message);
}

#[test]
fn the_same_value_can_be_owned_by_several_and_stays_until_the_last_lets_go() {
    let wish = deployment(json!({ "replicas": 1, "paused": true }));
    let less = deployment(json!({ "paused": true }));
    let live = applied(None, &wish, "one").unwrap();
    let live = applied(Some(&live), &wish, "two").unwrap();
    let live = applied(Some(&live), &less, "one").unwrap();
    assert_eq!(live["spec"]["replicas"], 1);
    let live = applied(Some(&live), &less, "two").unwrap();
    assert_eq!(live["spec"], json!({ "paused": true }));
}

#[test]
fn an_item_that_is_no_longer_applied_goes_and_those_of_others_stay() {
    let two = containers(json!([{ "name": "web", "image": "a" }, { "name": "log", "image": "b" }]));
    let one = containers(json!([{ "name": "web", "image": "a" }]));
    let mesh = containers(json!([{ "name": "mesh", "image": "m" }]));
    let live = applied(None, &two, "one").unwrap();
    let live = applied(Some(&live), &mesh, "injector").unwrap();
    let live = applied(Some(&live), &one, "one").unwrap();
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"],
        json!([{ "name": "web", "image": "a" }, { "name": "mesh", "image": "m" }]),
    );
}

#[test]
fn what_nobody_applied_stays_beside_what_is_applied() {
    let live = applied(None, &deployment(json!({ "replicas": 1 })), "one").unwrap();
    let mut defaulted = live.clone();
    defaulted["spec"]["progressDeadlineSeconds"] = json!(600);
    let wish = deployment(json!({ "paused": true }));
    let live = applied(Some(&defaulted), &wish, "one").unwrap();
    assert_eq!(
        live["spec"],
        json!({ "paused": true, "progressDeadlineSeconds": 600 })
    );
}

#[test]
fn applying_again_changes_nothing_not_even_the_time() {
    let wish = containers(json!([{ "name": "web", "image": "a" }]));
    let live = applied(None, &wish, "one").unwrap();
    let again = apply(
        Some(&live),
        &wish,
        &deployments(),
        &writer("one", 99),
        false,
    )
    .unwrap();
    assert_eq!(again, live);
}

#[test]
fn an_update_takes_what_it_changes_and_nothing_else() {
    let shape = deployments();
    let live = applied(
        None,
        &deployment(json!({ "replicas": 1, "paused": true })),
        "one",
    )
    .unwrap();
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(5);
    let scaled = track(Some(&live), scaled, &shape, &writer("hpa", 1));
    check_owners(
        &scaled,
        expect![[r#"
        one Apply {f:spec:{f:paused:{}}}
        hpa Update {f:spec:{f:replicas:{}}}
    "#]],
    );
    let mut removed = scaled.clone();
    removed["spec"].as_object_mut().unwrap().remove("paused");
    let removed = track(Some(&scaled), removed, &shape, &writer("hpa", 2));
    check_owners(
        &removed,
        expect![[r#"
        hpa Update {f:spec:{f:replicas:{}}}
    "#]],
    );
}

#[test]
fn an_update_that_changes_nothing_keeps_owners_and_times() {
    let live = applied(None, &deployment(json!({ "replicas": 1 })), "one").unwrap();
    let same = track(Some(&live), live.clone(), &deployments(), &writer("two", 9));
    assert_eq!(same, live);
}

#[test]
fn labels_and_conditions_are_owned_one_by_one() {
    let shape = builtin::shape("v1", "Pod").unwrap();
    let mut status = writer("kubelet", 0);
    status.api_version = "v1";
    status.subresource = "status";
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" } });
    let created = track(
        None,
        {
            let mut pod = pod.clone();
            pod["metadata"]["labels"] = json!({ "app": "web" });
            pod
        },
        &shape,
        &Writer {
            subresource: "",
            ..status
        },
    );
    let mut ready = created.clone();
    ready["status"] = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
    let ready = track(Some(&created), ready, &shape, &status);
    check_owners(
        &ready,
        expect![[r#"
        kubelet Update {f:metadata:{f:labels:{.:{},f:app:{}}}}
        kubelet Update {f:status:{.:{},f:conditions:{.:{},k:{\type\:\Ready\}:{.:{},f:status:{},f:type:{}}}}}
    "#]],
    );
}

#[test]
fn owners_can_be_wiped_and_the_next_applier_is_told_from_those_before() {
    let shape = deployments();
    let live = applied(None, &deployment(json!({ "replicas": 1 })), "one").unwrap();
    let mut wiped = live.clone();
    wiped["metadata"]["managedFields"] = json!([{}]);
    let wiped = track(Some(&live), wiped, &shape, &writer("kubectl-patch", 1));
    assert_eq!(wiped["metadata"].get("managedFields"), None);
    let refused = applied(Some(&wiped), &deployment(json!({ "replicas": 2 })), "one").unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: \
         .spec.replicas"
    );
}

/// What kubectl does when it turns from client-side to server-side apply: it renames its entry.
#[test]
fn a_writer_can_hand_changed_owners_in() {
    let shape = deployments();
    let live = track(
        None,
        deployment(json!({ "replicas": 1 })),
        &shape,
        &writer("kubectl-client-side-apply", 0),
    );
    let mut renamed = live.clone();
    renamed["metadata"]["managedFields"][0]["manager"] = json!("kubectl");
    renamed["metadata"]["managedFields"][0]["operation"] = json!("Apply");
    let renamed = track(Some(&live), renamed, &shape, &writer("kubectl", 1));
    check_owners(
        &renamed,
        expect![[r#"
        kubectl Apply {f:spec:{.:{},f:replicas:{}}}
    "#]],
    );
    let emptied = applied(
        Some(&renamed),
        &deployment(json!({ "paused": true })),
        "kubectl",
    )
    .unwrap();
    assert_eq!(emptied["spec"], json!({ "paused": true }));
}

#[test]
fn a_status_is_applied_through_its_own_door_only() {
    let mut config = deployment(json!({ "replicas": 1 }));
    config["status"] = json!({ "replicas": 7 });
    let live = applied(None, &config, "one").unwrap();
    assert_eq!(live.get("status"), None);
    let mut door = writer("controller", 1);
    door.subresource = "status";
    let live = apply(Some(&live), &config, &deployments(), &door, false).unwrap();
    assert_eq!(live["status"]["replicas"], 7);
    check_owners(
        &live,
        expect![[r#"
        one Apply {f:spec:{f:replicas:{}}}
        controller Apply {f:status:{f:replicas:{}}}
    "#]],
    );
}

#[test]
fn a_field_that_does_not_exist_cannot_be_applied() {
    let refused = applied(None, &deployment(json!({ "replica": 1 })), "one").unwrap_err();
    assert_eq!(
        refused.message,
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): \
         .spec.replica: field not declared in schema"
    );
    let twice = json!([{ "name": "web" }, { "name": "web" }]);
    let refused = applied(None, &containers(twice), "one").unwrap_err();
    assert_eq!(
        refused.message,
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): \
         .spec.template.spec.containers: duplicate entries for key [name=\"web\"]"
    );
}

#[test]
fn of_many_updaters_the_oldest_are_added_up() {
    let shape = deployments();
    let mut live = track(None, deployment(json!({})), &shape, &writer("m-00", 0));
    for at in 1..15 {
        let mut next = live.clone();
        next["metadata"]["labels"][format!("l{at}")] = json!("x");
        live = track(
            Some(&live),
            next,
            &shape,
            &writer(&format!("m-{at:02}"), at),
        );
    }
    let managers: Vec<&str> = live["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    assert_eq!(managers.len(), 10);
    assert_eq!((managers[0], managers[9]), ("ancient-changes", "m-14"));
}

/// Configurations of a deployment: some labels, some scalars, some containers.
fn configs() -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map("[abc]", "[xy]", 0..3);
    let scalars = prop::collection::btree_map(
        prop::sample::select(vec!["replicas", "minReadySeconds", "revisionHistoryLimit"]),
        0..3i32,
        0..3,
    );
    let containers = prop::collection::btree_map("[pqr]", prop::option::of("[xy]"), 0..3);
    (labels, scalars, containers).prop_map(|(labels, scalars, containers)| {
        let mut config = bare();
        if !scalars.is_empty() {
            config["spec"] = json!(scalars);
        }
        if !labels.is_empty() {
            config["metadata"]["labels"] = json!(labels);
        }
        let items: Vec<Value> = containers
            .into_iter()
            .map(|(name, image)| match image {
                Some(image) => json!({ "name": name, "image": image }),
                None => json!({ "name": name }),
            })
            .collect();
        if !items.is_empty() {
            config["spec"]["template"] = json!({ "spec": { "containers": items } });
        }
        config
    })
}

fn bare() -> Value {
    let mut config = deployment(json!({}));
    config
        .as_object_mut()
        .expect("written above")
        .remove("spec");
    config
}

fn forced(live: Option<&Value>, config: &Value, manager: &str) -> Value {
    apply(live, config, &deployments(), &writer(manager, 0), true).expect("forced")
}

/// Every leaf that the configuration sets, items of lists by name.
fn leaves(value: &Value, here: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                leaves(value, &format!("{here}.{name}"), into);
            }
        }
        Value::Array(items) => {
            for item in items {
                leaves(item, &format!("{here}[{}]", item["name"]), into);
            }
        }
        value => {
            into.insert(format!("{here}={value}"));
        }
    }
}

fn leaves_of(object: &Value) -> BTreeSet<String> {
    let mut object = object.clone();
    object["metadata"]
        .as_object_mut()
        .expect("every object has metadata")
        .remove("managedFields");
    let mut found = BTreeSet::new();
    leaves(&object, "", &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_twice_is_applying_once(first in configs(), config in configs()) {
        let live = forced(None, &first, "other");
        let once = forced(Some(&live), &config, "one");
        let twice = apply(Some(&once), &config, &deployments(), &writer("one", 7), false).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_is_applied_is_there(first in configs(), config in configs()) {
        let live = forced(Some(&forced(None, &first, "other")), &config, "one");
        let there = leaves_of(&live);
        for leaf in leaves_of(&config) {
            prop_assert!(there.contains(&leaf), "{leaf} is missing of {live}");
        }
    }

    #[test]
    fn nothing_is_there_that_nobody_applied(first in configs(), config in configs(), last in configs()) {
        let live = forced(None, &first, "one");
        let live = forced(Some(&live), &config, "two");
        let live = forced(Some(&live), &last, "one");
        let mut wanted = leaves_of(&config);
        wanted.extend(leaves_of(&last));
        for leaf in leaves_of(&live) {
            prop_assert!(wanted.contains(&leaf), "{leaf} is left of {live}");
        }
    }

    #[test]
    fn disjoint_managers_never_conflict(config in configs()) {
        let mut other = deployment(json!({ "progressDeadlineSeconds": 5 }));
        other["metadata"]["annotations"] = json!({ "a": "b" });
        let live = applied(None, &config, "one").unwrap();
        let live = applied(Some(&live), &other, "two").unwrap();
        prop_assert!(applied(Some(&live), &config, "one").is_ok());
        let lets_go = applied(Some(&live), &bare(), "one");
        prop_assert!(lets_go.is_ok());
    }

    #[test]
    fn letting_everything_go_leaves_what_others_applied(mine in configs(), theirs in configs()) {
        let live = forced(None, &mine, "one");
        let live = forced(Some(&live), &theirs, "two");
        let left = applied(Some(&live), &bare(), "one").unwrap();
        prop_assert_eq!(leaves_of(&left), leaves_of(&theirs));
        prop_assert!(!owners(&left).contains("one "));
    }

    #[test]
    fn force_moves_every_field_that_differed(mine in configs(), theirs in configs()) {
        let live = forced(Some(&forced(None, &mine, "one")), &theirs, "two");
        // Whoever held them has nothing to say any more: applying them again is no conflict.
        prop_assert!(applied(Some(&live), &theirs, "three").is_ok());
        let conflict = applied(Some(&live), &mine, "one");
        let differs = mine != theirs && leaves_of(&forced(Some(&live), &mine, "one")) != leaves_of(&live);
        if conflict.is_err() {
            prop_assert!(differs);
        }
    }

    #[test]
    fn an_update_leaves_no_field_with_two_opinions(mine in configs(), after in configs()) {
        let shape = deployments();
        let live = forced(None, &mine, "one");
        let mut next = after.clone();
        next["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
        let next = track(Some(&live), next, &shape, &writer("two", 1));
        // What "one" still owns has not changed, so "one" can apply just that again.
        let again = track(Some(&next), next.clone(), &shape, &writer("three", 2));
        prop_assert_eq!(again, next);
    }
}
