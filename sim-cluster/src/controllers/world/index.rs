//! The indexes over all objects; kept by [`super::World`] whenever an object comes or goes.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::controllers::selector::Selector;
use crate::object;

/// Where an object is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    /// `pods`, `deployments.apps`.
    pub(crate) resource: String,
    /// Empty for what belongs to the whole cluster.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Reference {
    pub(crate) fn of(resource: &str, object: &Value) -> Reference {
        Reference {
            resource: resource.to_owned(),
            namespace: object::namespace(object).to_owned(),
            name: object::name(object).to_owned(),
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Indexes {
    pub(super) by_uid: HashMap<String, Reference>,
    /// By the uid of an owner.
    pub(super) dependants: HashMap<String, BTreeSet<Reference>>,
    /// By resource and namespace: names of what has no managing owner.
    pub(super) unmanaged: HashMap<(String, String), BTreeSet<String>>,
    /// By namespace, label and value.
    pub(super) labelled_pods: HashMap<(String, String, String), BTreeSet<String>>,
    /// By resource and namespace.
    pub(super) selectors: HashMap<(String, String), SelectorIndex>,
    /// Namespace and name of pods by node.
    pub(super) on_node: HashMap<String, BTreeSet<(String, String)>>,
}

/// Names of objects with a selector, by one label that it asks for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SelectorIndex {
    pub(super) by_pair: HashMap<(String, String), BTreeSet<String>>,
    /// Those that ask for no certain value.
    pub(super) others: BTreeSet<String>,
}

/// What an object selects pods (or, for Deployments, ReplicaSets) by.
pub(super) fn selector_of(resource: &str, object: &Value) -> Option<Selector> {
    let written = &object["spec"]["selector"];
    match resource {
        "services" => Selector::of_map(written),
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch"
        | "poddisruptionbudgets.policy" => Selector::of(written),
        _ => None,
    }
}

/// Resources whose unmanaged objects somebody may adopt.
fn is_adoptable(resource: &str) -> bool {
    matches!(
        resource,
        "pods" | "replicasets.apps" | "controllerrevisions.apps"
    )
}

impl Indexes {
    pub(super) fn insert(&mut self, resource: &str, object: &Value) {
        self.each(resource, object, |map, reference| map.add(reference));
    }

    pub(super) fn remove(&mut self, resource: &str, object: &Value) {
        self.each(resource, object, |map, reference| map.take(reference));
    }

    /// Every entry that an object has, in whichever index.
    fn each(
        &mut self,
        resource: &str,
        object: &Value,
        mut apply: impl FnMut(Entry<'_>, &Reference),
    ) {
        let reference = Reference::of(resource, object);
        let scope = || (reference.resource.clone(), reference.namespace.clone());
        apply(
            Entry::Uid(&mut self.by_uid, object::uid(object)),
            &reference,
        );
        for owner in object::owners(object) {
            let uid = object::text(owner, &["uid"]).to_owned();
            apply(Entry::Dependant(&mut self.dependants, uid), &reference);
        }
        if is_adoptable(resource) && object::controller(object).is_none() {
            apply(Entry::Unmanaged(&mut self.unmanaged, scope()), &reference);
        }
        if resource == "pods" {
            for (key, value) in object["metadata"]["labels"]
                .as_object()
                .into_iter()
                .flatten()
            {
                let label = (
                    reference.namespace.clone(),
                    key.clone(),
                    value.as_str().unwrap_or_default().to_owned(),
                );
                apply(Entry::Labelled(&mut self.labelled_pods, label), &reference);
            }
            let node = object::text(object, &["spec", "nodeName"]);
            if !node.is_empty() {
                apply(
                    Entry::OnNode(&mut self.on_node, node.to_owned()),
                    &reference,
                );
            }
        }
        if let Some(selector) = selector_of(resource, object) {
            let pair = selector
                .hint()
                .map(|(key, value)| (key.to_owned(), value.to_owned()));
            apply(
                Entry::Selector(&mut self.selectors, scope(), pair),
                &reference,
            );
        }
    }
}

/// One place in one index.
enum Entry<'a> {
    Uid(&'a mut HashMap<String, Reference>, &'a str),
    Dependant(&'a mut HashMap<String, BTreeSet<Reference>>, String),
    Unmanaged(
        &'a mut HashMap<(String, String), BTreeSet<String>>,
        (String, String),
    ),
    Labelled(
        &'a mut HashMap<(String, String, String), BTreeSet<String>>,
        (String, String, String),
    ),
    OnNode(&'a mut HashMap<String, BTreeSet<(String, String)>>, String),
    Selector(
        &'a mut HashMap<(String, String), SelectorIndex>,
        (String, String),
        Option<(String, String)>,
    ),
}

impl Entry<'_> {
    fn add(self, reference: &Reference) {
        let name = || reference.name.clone();
        match self {
            Entry::Uid(map, uid) => {
                map.insert(uid.to_owned(), reference.clone());
            }
            Entry::Dependant(map, key) => {
                map.entry(key).or_default().insert(reference.clone());
            }
            Entry::Unmanaged(map, key) => {
                map.entry(key).or_default().insert(name());
            }
            Entry::Labelled(map, key) => {
                map.entry(key).or_default().insert(name());
            }
            Entry::OnNode(map, key) => {
                let pod = (reference.namespace.clone(), name());
                map.entry(key).or_default().insert(pod);
            }
            Entry::Selector(map, scope, pair) => {
                let index = map.entry(scope).or_default();
                match pair {
                    Some(pair) => index.by_pair.entry(pair).or_default().insert(name()),
                    None => index.others.insert(name()),
                };
            }
        }
    }

    fn take(self, reference: &Reference) {
        match self {
            Entry::Uid(map, uid) => {
                if map.get(uid) == Some(reference) {
                    map.remove(uid);
                }
            }
            Entry::Dependant(map, key) => take_one(map, key, reference),
            Entry::Unmanaged(map, key) => take_one(map, key, &reference.name),
            Entry::Labelled(map, key) => take_one(map, key, &reference.name),
            Entry::OnNode(map, key) => {
                take_one(
                    map,
                    key,
                    &(reference.namespace.clone(), reference.name.clone()),
                );
            }
            Entry::Selector(map, scope, pair) => {
                let Some(index) = map.get_mut(&scope) else {
                    return;
                };
                match pair {
                    Some(pair) => take_one(&mut index.by_pair, pair, &reference.name),
                    None => {
                        index.others.remove(&reference.name);
                    }
                }
                if index.by_pair.is_empty() && index.others.is_empty() {
                    map.remove(&scope);
                }
            }
        }
    }
}

fn take_one<K: std::hash::Hash + Eq, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: K, value: &V) {
    if let Some(held) = map.get_mut(&key) {
        held.remove(value);
        if held.is_empty() {
            map.remove(&key);
        }
    }
}
