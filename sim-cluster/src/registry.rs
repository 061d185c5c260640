//! What the API serves at the moment: the built-in resources, and those that definitions have added.
//!
//! An immutable value; a definition that comes or goes makes a new one, and requests that run keep
//! the one they began with.

mod builtin;
pub(crate) mod custom;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::resource::{Resource, ResourceId};
use crate::shape::{self, Shape};
use crate::structural::Schema;

/// One version of a resource, and how it is kept.
#[derive(Clone, Debug)]
pub struct Served {
    pub resource: Resource,
    /// Where its objects are: `events.k8s.io` shows the objects of the core group's events.
    pub stored_as: ResourceId,
    /// Whether a change of what is wished for raises `metadata.generation`.
    pub counts_generations: bool,
    /// Asked, never stored: reviews.
    pub is_question: bool,
    /// The version that its objects are stored in.
    pub storage_version: String,
    /// Of what a `CustomResourceDefinition` has defined.
    pub(crate) custom: Option<Custom>,
    /// Compiled when it is first needed.
    shape: OnceLock<Arc<Shape>>,
}

/// What only resources of definitions have.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub(crate) schema: Arc<Schema>,
    /// As it was written, for OpenAPI documents.
    pub(crate) written: Arc<Value>,
    pub(crate) list_kind: String,
    /// Of a version that is deprecated.
    pub(crate) warning: Option<String>,
}

impl Served {
    pub fn is_custom(&self) -> bool {
        self.custom.is_some()
    }

    /// What its objects may hold.
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        self.shape.get_or_init(|| {
            let Resource { kind, .. } = &self.resource;
            shape::builtin::shape(&self.resource.api_version(), kind)
                .unwrap_or_else(|| Arc::new(Shape::Unknown))
        })
    }

    /// As in messages: `pods`, `deployments.apps`.
    pub fn name(&self) -> String {
        self.resource.id.to_string()
    }

    /// As in messages about invalid objects: `Pod`, `Deployment.apps`.
    pub fn kind_and_group(&self) -> String {
        if self.resource.id.group.is_empty() {
            self.resource.kind.clone()
        } else {
            format!("{}.{}", self.resource.kind, self.resource.id.group)
        }
    }

    pub fn list_kind(&self) -> String {
        match &self.custom {
            Some(custom) => custom.list_kind.clone(),
            None => format!("{}List", self.resource.kind),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// By group, then version (preferred first), then plural.
    groups: BTreeMap<String, Vec<Version>>,
    /// Counts definitions that came, changed or went; caches hang on it.
    revision: u64,
}

#[derive(Clone, Debug)]
struct Version {
    name: String,
    resources: BTreeMap<String, Arc<Served>>,
}

impl Registry {
    pub fn built_in() -> Registry {
        let mut registry = Registry::default();
        for served in builtin::all() {
            registry.put(served);
        }
        registry
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The preferred version of a resource.
    pub fn find(&self, resource: &ResourceId) -> Option<&Arc<Served>> {
        self.groups
            .get(&resource.group)?
            .iter()
            .find_map(|version| version.resources.get(&resource.plural))
    }

    pub fn at(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Served>> {
        self.version(group, version)?.resources.get(plural)
    }

    /// By the kind that an object says it has.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Served>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.version(group, version)?
            .resources
            .values()
            .find(|served| served.resource.kind == kind)
    }

    /// Groups by name, each with its versions, preferred first. The core group is the empty one.
    pub fn groups(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.groups.iter().map(|(group, versions)| {
            let names = versions
                .iter()
                .map(|version| version.name.as_str())
                .collect();
            (group.as_str(), names)
        })
    }

    /// Empty when there is no such group or version.
    pub fn resources(&self, group: &str, version: &str) -> impl Iterator<Item = &Arc<Served>> {
        self.version(group, version)
            .into_iter()
            .flat_map(|version| version.resources.values())
    }

    /// Every version of every resource.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.groups
            .values()
            .flatten()
            .flat_map(|version| version.resources.values())
    }

    /// This registry with a definition's versions in place of those it had before.
    #[must_use]
    pub fn with(&self, id: &ResourceId, versions: Vec<Served>) -> Registry {
        let mut registry = self.without(id);
        for served in versions {
            registry.put(served);
        }
        registry
    }

    #[must_use]
    pub fn without(&self, id: &ResourceId) -> Registry {
        let mut registry = self.clone();
        registry.revision += 1;
        if let Some(versions) = registry.groups.get_mut(&id.group) {
            for version in versions.iter_mut() {
                version.resources.remove(&id.plural);
            }
            versions.retain(|version| !version.resources.is_empty());
            if versions.is_empty() {
                registry.groups.remove(&id.group);
            }
        }
        registry
    }

    fn version(&self, group: &str, version: &str) -> Option<&Version> {
        self.groups.get(group)?.iter().find(|it| it.name == version)
    }

    fn put(&mut self, served: Served) {
        let versions = self
            .groups
            .entry(served.resource.id.group.clone())
            .or_default();
        let name = &served.resource.version;
        let position = match versions.iter().position(|it| it.name == *name) {
            Some(position) => position,
            None => {
                versions.push(Version {
                    name: name.clone(),
                    resources: BTreeMap::new(),
                });
                versions.sort_by_key(|it| std::cmp::Reverse(maturity(&it.name)));
                versions
                    .iter()
                    .position(|it| it.name == *name)
                    .expect("the version was pushed above")
            }
        };
        let plural = served.resource.id.plural.clone();
        versions[position]
            .resources
            .insert(plural, Arc::new(served));
    }
}

/// Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then all others.
fn maturity(version: &str) -> (u8, u32, u32) {
    let read = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        let (stage, minor) = match &rest[digits..] {
            "" => (3, ""),
            tail if tail.starts_with("beta") => (2, &tail[4..]),
            tail if tail.starts_with("alpha") => (1, &tail[5..]),
            _ => return None,
        };
        Some((stage, major, minor.parse().unwrap_or(0)))
    };
    read().unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_preferred_by_maturity() {
        let mut versions = ["v1alpha1", "v1", "foo", "v2beta1", "v10", "v1beta2"];
        versions.sort_by_key(|version| std::cmp::Reverse(maturity(version)));
        assert_eq!(
            versions,
            ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]
        );
    }

    #[test]
    fn resources_are_found_by_name_kind_and_path() {
        let registry = Registry::built_in();
        let by_name = registry.find(&ResourceId::of("deployments.apps")).unwrap();
        let by_kind = registry.of_kind("apps/v1", "Deployment").unwrap();
        let by_path = registry.at("apps", "v1", "deployments").unwrap();
        assert!(Arc::ptr_eq(by_name, by_kind) && Arc::ptr_eq(by_kind, by_path));
        assert_eq!(by_name.kind_and_group(), "Deployment.apps");
    }

    #[test]
    fn a_definition_comes_and_goes() {
        let registry = Registry::built_in();
        let pods = registry.find(&ResourceId::of("pods")).unwrap();
        let id = ResourceId::of("widgets.example.org");
        let mut widget = (**pods).clone();
        widget.resource.id = id.clone();
        let with = registry.with(&id, vec![widget]);
        assert!(with.at("example.org", "v1", "widgets").is_some());
        assert!(
            with.without(&id)
                .groups()
                .all(|(group, _)| group != "example.org")
        );
    }
}
