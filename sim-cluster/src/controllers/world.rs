//! The controllers' picture of the cluster, with the indexes they look things up by.
//!
//! Fed by watches and by the answers to the controllers' own writes, so that a controller never
//! decides on a state older than its last action. One task owns it; nothing here does IO.
//!
//! Looking up what an owner owns, which pods carry a label, which selectors a pod may match and
//! what runs on a node costs no more than what is found.

mod index;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

pub(crate) use index::Reference;
use index::{Indexes, selector_of};

use crate::object;

/// An object appeared, changed or went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) resource: &'a str,
    pub(crate) old: Option<&'a Arc<Value>>,
    pub(crate) new: Option<&'a Arc<Value>>,
}

impl<'a> Change<'a> {
    /// As it is, or as it was last.
    pub(crate) fn object(&self) -> Option<&'a Arc<Value>> {
        self.new.or(self.old)
    }

    /// Both states: what concerns the old one may be as much affected.
    pub(crate) fn states(&self) -> impl Iterator<Item = &'a Arc<Value>> {
        [self.old, self.new].into_iter().flatten()
    }

    pub(crate) fn is_new(&self) -> bool {
        self.old.is_none()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.new.is_none()
    }

    /// Whether what this reads from the object is different now.
    pub(crate) fn differs(&self, path: &[&str]) -> bool {
        let read = |object: Option<&'a Arc<Value>>| object.map(|object| object::at(object, path));
        read(self.old) != read(self.new)
    }
}

type Objects = BTreeMap<String, BTreeMap<String, Arc<Value>>>;

#[derive(Debug, Default)]
pub(crate) struct World {
    stores: BTreeMap<String, Objects>,
    indexes: Indexes,
    /// Deleted by a controller; the watch has yet to say so. Older events about them are ignored.
    gone: HashMap<String, String>,
}

impl World {
    /// From now on, objects of this resource are kept; those of others pass by.
    pub(crate) fn begin(&mut self, resource: &str) {
        self.stores.entry(resource.to_owned()).or_default();
    }

    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.stores.get(resource)?.get(namespace)?.get(name)
    }

    pub(crate) fn find(&self, reference: &Reference) -> Option<&Arc<Value>> {
        self.get(&reference.resource, &reference.namespace, &reference.name)
    }

    pub(crate) fn find_by_uid(&self, uid: &str) -> Option<(&Reference, &Arc<Value>)> {
        let reference = self.indexes.by_uid.get(uid)?;
        Some((reference, self.find(reference)?))
    }

    /// In the order of namespaces and names.
    pub(crate) fn all(&self, resource: &str) -> impl Iterator<Item = &Arc<Value>> {
        self.stores
            .get(resource)
            .into_iter()
            .flat_map(BTreeMap::values)
            .flat_map(BTreeMap::values)
    }

    pub(crate) fn within<'a>(
        &'a self,
        resource: &str,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        self.stores
            .get(resource)
            .and_then(|store| store.get(namespace))
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// What refers to this owner, of any resource.
    pub(crate) fn dependants(
        &self,
        owner: &str,
    ) -> impl Iterator<Item = (&Reference, &Arc<Value>)> {
        self.indexes
            .dependants
            .get(owner)
            .into_iter()
            .flatten()
            .filter_map(|reference| Some((reference, self.find(reference)?)))
    }

    /// What this owner manages, of one resource.
    pub(crate) fn managed(&self, owner: &str, resource: &str) -> Vec<Arc<Value>> {
        self.dependants(owner)
            .filter(|(reference, object)| {
                reference.resource == resource
                    && object::controller(object).is_some_and(|it| it["uid"] == owner)
            })
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// What nobody manages, of one resource.
    pub(crate) fn unmanaged(&self, resource: &str, namespace: &str) -> Vec<Arc<Value>> {
        let key = (resource.to_owned(), namespace.to_owned());
        self.named(resource, namespace, self.indexes.unmanaged.get(&key))
            .cloned()
            .collect()
    }

    /// Pods that match, by way of one label that they must carry.
    pub(crate) fn pods_matching<'a>(
        &'a self,
        namespace: &'a str,
        selector: &'a super::selector::Selector,
    ) -> Box<dyn Iterator<Item = &'a Arc<Value>> + 'a> {
        let candidates: Box<dyn Iterator<Item = &'a Arc<Value>> + 'a> = match selector.hint() {
            Some((key, value)) => {
                let key = (namespace.to_owned(), key.to_owned(), value.to_owned());
                Box::new(self.named("pods", namespace, self.indexes.labelled_pods.get(&key)))
            }
            None => Box::new(self.within("pods", namespace)),
        };
        Box::new(candidates.filter(|pod| selector.matches(&pod["metadata"]["labels"])))
    }

    /// Objects of a resource whose own selector matches these labels.
    pub(crate) fn selecting(
        &self,
        resource: &str,
        namespace: &str,
        labels: &Value,
    ) -> Vec<Arc<Value>> {
        let mut names = BTreeSet::new();
        let scope = (resource.to_owned(), namespace.to_owned());
        if let Some(index) = self.indexes.selectors.get(&scope) {
            for (key, value) in labels.as_object().into_iter().flatten() {
                let pair = (key.clone(), value.as_str().unwrap_or_default().to_owned());
                names.extend(index.by_pair.get(&pair).into_iter().flatten());
            }
            names.extend(&index.others);
        }
        names
            .into_iter()
            .filter_map(|name| self.get(resource, namespace, name))
            .filter(|object| {
                selector_of(resource, object).is_some_and(|selector| selector.matches(labels))
            })
            .cloned()
            .collect()
    }

    pub(crate) fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Value>> {
        self.indexes
            .on_node
            .get(node)
            .into_iter()
            .flatten()
            .filter_map(|(namespace, name)| self.get("pods", namespace, name))
    }

    fn named<'a>(
        &'a self,
        resource: &'a str,
        namespace: &'a str,
        names: Option<&'a BTreeSet<String>>,
    ) -> impl Iterator<Item = &'a Arc<Value>> {
        names
            .into_iter()
            .flatten()
            .filter_map(move |name| self.get(resource, namespace, name))
    }

    /// Takes an object as it is now. Gives what it was before, or nothing at all when this is no
    /// news: seen already, or of something deleted since.
    pub(crate) fn put(
        &mut self,
        resource: &str,
        object: &Arc<Value>,
    ) -> Option<Option<Arc<Value>>> {
        if self.gone.contains_key(object::uid(object)) {
            return None;
        }
        let held = self
            .stores
            .get_mut(resource)?
            .entry(object::namespace(object).to_owned())
            .or_default();
        let known = held.get(object::name(object));
        if known.is_some_and(|known| {
            object::resource_version(known) >= object::resource_version(object)
        }) {
            return None;
        }
        let old = held.insert(object::name(object).to_owned(), Arc::clone(object));
        if let Some(old) = &old {
            self.indexes.remove(resource, old);
        }
        self.indexes.insert(resource, object);
        Some(old)
    }

    /// Forgets an object. Gives what it was, or nothing when another has taken its name.
    /// `early` when a controller deleted it and the watch has yet to tell.
    pub(crate) fn remove(
        &mut self,
        resource: &str,
        object: &Value,
        early: bool,
    ) -> Option<Arc<Value>> {
        let store = self.stores.get_mut(resource)?;
        if early {
            self.gone
                .insert(object::uid(object).to_owned(), resource.to_owned());
        } else {
            self.gone.remove(object::uid(object));
        }
        let held = store.get_mut(object::namespace(object))?;
        if object::uid(held.get(object::name(object))?) != object::uid(object) {
            return None;
        }
        let old = held.remove(object::name(object))?;
        if held.is_empty() {
            store.remove(object::namespace(object));
        }
        self.indexes.remove(resource, &old);
        Some(old)
    }

    /// After a list: what is known here but was not listed is gone.
    pub(crate) fn absent_from(&mut self, resource: &str, listed: &[Arc<Value>]) -> Vec<Arc<Value>> {
        self.gone.retain(|_, of| of != resource);
        let listed: HashSet<&str> = listed.iter().map(|object| object::uid(object)).collect();
        self.all(resource)
            .filter(|object| !listed.contains(object::uid(object)))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controllers::selector::Selector;

    fn pod(name: &str, version: u64, labels: Value, owner: &str) -> Arc<Value> {
        Arc::new(json!({ "metadata": {
            "name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string(), "labels": labels,
            "ownerReferences": [{ "uid": owner, "controller": true }],
        }}))
    }

    #[test]
    fn what_was_seen_already_is_no_news() {
        let mut world = World::default();
        world.begin("pods");
        let first = pod("a", 5, json!({}), "owner");
        assert_eq!(world.put("pods", &first), Some(None));
        assert_eq!(world.put("pods", &first), None);
        assert_eq!(world.put("pods", &pod("a", 4, json!({}), "owner")), None);
        assert_eq!(
            world.put("pods", &pod("a", 6, json!({}), "owner")),
            Some(Some(first))
        );
    }

    #[test]
    fn events_older_than_a_controllers_own_deletion_do_not_bring_the_object_back() {
        let mut world = World::default();
        world.begin("pods");
        let first = pod("a", 5, json!({}), "owner");
        world.put("pods", &first);
        assert!(world.remove("pods", &first, true).is_some());
        assert_eq!(world.put("pods", &pod("a", 6, json!({}), "owner")), None);
        assert!(world.remove("pods", &first, false).is_none());
        assert!(world.gone.is_empty());
    }

    #[test]
    fn indexes_follow_changes_and_leave_nothing_behind() {
        let mut world = World::default();
        world.begin("pods");
        let selector = Selector::of_map(&json!({ "app": "web" })).unwrap();
        world.put("pods", &pod("a", 1, json!({ "app": "web" }), "one"));
        assert_eq!(world.pods_matching("default", &selector).count(), 1);
        assert_eq!(world.managed("one", "pods").len(), 1);
        let moved = pod("a", 2, json!({ "app": "db" }), "two");
        world.put("pods", &moved);
        assert_eq!(world.pods_matching("default", &selector).count(), 0);
        assert_eq!(world.managed("one", "pods").len(), 0);
        assert_eq!(world.managed("two", "pods").len(), 1);
        world.remove("pods", &moved, false);
        assert_eq!(world.indexes, Indexes::default());
    }
}
