//! Names of things in a cluster.

use std::fmt;

use operator_meta::owner::{WorkloadKind, WorkloadRef};

/// An object of some kind; the namespace is empty for those of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Key {
        Key {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    pub(crate) fn of(metadata: &kube::api::ObjectMeta) -> Key {
        Key::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        )
    }
}

/// `shop/cart`, or `node-1`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// What pods belong to. Any kind, as people may name kinds that Kubernetes does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    pub namespace: String,
    pub kind: String,
    pub name: String,
}

impl WorkloadKey {
    pub fn new(namespace: &str, kind: &str, name: &str) -> WorkloadKey {
        WorkloadKey {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(namespace: &str, workload: &WorkloadRef) -> WorkloadKey {
        WorkloadKey::new(namespace, workload.kind.as_str(), &workload.name)
    }

    /// One of Kubernetes' own.
    pub(crate) fn known_kind(&self) -> Option<WorkloadKind> {
        let mut all = WorkloadKind::ALL.into_iter();
        all.find(|kind| kind.as_str() == self.kind)
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

/// `Deployment shop/cart`
impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
