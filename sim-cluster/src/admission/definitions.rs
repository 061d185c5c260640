//! Definitions of resources: accepted or refused when they are written, and served from then on.
//!
//! A real API server accepts a definition first and says by conditions later whether its names are
//! free and when it is served. Here both are known at once, so that the conditions are written with
//! the definition; clients that wait for them find them.

use serde_json::{Value, json};

use super::{Attempt, Operation};
use crate::client::Cluster;
use crate::object;
use crate::registry::custom;
use crate::resource::ResourceId;
use crate::status::Status;
use crate::store::Key;
use crate::structural;

/// Completes a definition, and what its status says about it.
pub(super) fn admit(attempt: &Attempt<'_>, definition: &mut Value) -> Result<(), Status> {
    complete(definition);
    if let Err(causes) = structural::definition(definition) {
        let kind = attempt.served.kind_and_group();
        return Err(Status::invalid(&kind, object::name(definition), &causes));
    }
    let now = crate::verbs::seconds(attempt.cluster.now());
    let names = definition["spec"]["names"].clone();
    let taken = taken(attempt, definition);
    let mut stored: Vec<Value> = object::list(definition, &["status", "storedVersions"]).to_vec();
    let versions = object::list(definition, &["spec", "versions"]).iter();
    for version in versions.filter(|version| version["storage"] == true) {
        if !stored.contains(&version["name"]) {
            stored.push(version["name"].clone());
        }
    }
    let conditions = match taken {
        None => [
            (
                "NamesAccepted",
                "True",
                "NoConflicts",
                "no conflicts found".to_owned(),
            ),
            (
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted".to_owned(),
            ),
        ],
        Some(why) => [
            ("NamesAccepted", "False", "KindConflict", why),
            (
                "Established",
                "False",
                "NotAccepted",
                "not all names are accepted".to_owned(),
            ),
        ],
    };
    let conditions: Vec<Value> = conditions
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let before = object::condition(definition, kind).filter(|it| it["status"] == status);
            let since = before.map_or(json!(now), |it| it["lastTransitionTime"].clone());
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": since,
            })
        })
        .collect();
    definition["status"]["conditions"] = json!(conditions);
    definition["status"]["acceptedNames"] = names;
    definition["status"]["storedVersions"] = json!(stored);
    Ok(())
}

/// Serves what a definition that was written says, and nothing more of one that is gone.
pub(super) fn settle(cluster: &Cluster, new: Option<&Value>, old: Option<&Value>) {
    let Some(definition) = new.or(old) else {
        return;
    };
    if let (Some(new), Some(old)) = (new, old)
        && new["spec"] == old["spec"]
    {
        return;
    }
    let id = custom::id(definition);
    let key = Key::new("", object::name(definition));
    let definitions = ResourceId::of("customresourcedefinitions.apiextensions.k8s.io");
    // What is there now counts: of two writes at once, either may come here last.
    let mut gone = false;
    cluster.change_registry(|registry| {
        let current = cluster.store().get(&definitions, &key);
        gone = current.is_none();
        let established = current.filter(|current| is_established(current));
        match established.and_then(|current| structural::definition(&current).ok()) {
            Some(definition) => registry.with(&id, custom::served(&definition)),
            None => registry.without(&id),
        }
    });
    cluster.store().close(&id, gone);
}

fn is_established(definition: &Value) -> bool {
    object::condition(definition, "Established").is_some_and(|it| it["status"] == "True")
}

fn complete(definition: &mut Value) {
    let names = &mut definition["spec"]["names"];
    if !names.is_object() {
        return;
    }
    let kind = object::text(names, &["kind"]).to_owned();
    if object::text(names, &["singular"]).is_empty() {
        names["singular"] = json!(kind.to_lowercase());
    }
    if object::text(names, &["listKind"]).is_empty() {
        names["listKind"] = json!(format!("{kind}List"));
    }
    if definition["spec"]["conversion"].is_null() {
        definition["spec"]["conversion"] = json!({ "strategy": "None" });
    }
}

/// Another resource of the group that has the kind already.
fn taken(attempt: &Attempt<'_>, definition: &Value) -> Option<String> {
    let id = custom::id(definition);
    let kind = object::text(definition, &["spec", "names", "kind"]);
    let registry = attempt.cluster.registry();
    let other = registry.all().find(|served| {
        served.resource.id.group == id.group
            && served.resource.id != id
            && served.resource.kind == kind
    })?;
    debug_assert!(
        attempt.operation != Operation::Delete,
        "deletions are not admitted here"
    );
    Some(format!(
        "\"{kind}\" is already in use by {}",
        other.resource.id
    ))
}
