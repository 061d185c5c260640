//! Resources: what the API serves, built in or defined by a `CustomResourceDefinition`.

use std::fmt;

/// Which resource, whatever its version. Ordered, so that walks over resources are repeatable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// Empty for the core group.
    pub group: String,
    /// `pods`.
    pub plural: String,
}

impl ResourceId {
    /// From `pods` or `deployments.apps`.
    pub fn of(written: &str) -> ResourceId {
        let (plural, group) = written.split_once('.').unwrap_or((written, ""));
        ResourceId {
            group: group.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// `pods`, `deployments.apps`.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plural)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// One served version of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub id: ResourceId,
    /// `v1`, `v1alpha1`.
    pub version: String,
    pub kind: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub has_status: bool,
    pub scale: Option<Scale>,
    /// Of `kubectl get`, after the name.
    pub columns: Vec<Column>,
    /// Fields by which lists can be selected, beside `metadata.name` and `metadata.namespace`:
    /// `spec.nodeName`.
    pub selectable: Vec<String>,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.id.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.id.group, self.version)
        }
    }
}

/// Where the scale subresource reads and writes; paths such as `.spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub spec_replicas: String,
    pub status_replicas: String,
    /// Of a selector as text; built-in kinds have theirs as an object.
    pub label_selector: Option<String>,
}

/// A column of a table, as CRDs write them (`additionalPrinterColumns`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: String,
    pub format: String,
    pub description: String,
    /// A JSONPath as Kubernetes has them: `.status.conditions[?(@.type=="Ready")].status`.
    pub json_path: String,
    /// Columns above 0 are shown with `-o wide` only.
    pub priority: i32,
}
