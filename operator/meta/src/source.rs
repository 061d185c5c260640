//! Where a value came from: an object of the cluster and a key of it, in words for people.

use std::fmt;

use crate::owner::WorkloadKind;

/// Which of the objects around a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    Pod,
    Container,
    /// What the pod belongs to: a Deployment, a CronJob, …
    Workload(WorkloadKind),
    Namespace,
    Node,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Of::Pod => f.write_str("pod"),
            Of::Container => f.write_str("container"),
            Of::Workload(kind) => f.write_str(kind.as_str()),
            Of::Namespace => f.write_str("namespace"),
            Of::Node => f.write_str("node"),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Annotation {
        of: Of,
        key: String,
    },
    Label {
        of: Of,
        key: String,
    },
    /// A field of an object: `spec.providerID`, `image`.
    Field {
        of: Of,
        path: &'static str,
    },
    /// A setting of the operator or the agent.
    Setting(&'static str),
    /// A rule of ours, in words.
    Rule(&'static str),
}

/// `pod annotation crosswatch.dev/env`, `node spec.providerID`
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Annotation { of, key } => write!(f, "{of} annotation {key}"),
            Source::Label { of, key } => write!(f, "{of} label {key}"),
            Source::Field { of, path } => write!(f, "{of} {path}"),
            Source::Setting(name) => write!(f, "setting {name}"),
            Source::Rule(words) => f.write_str(words),
        }
    }
}

/// A value, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    pub source: Source,
}

impl<T> Sourced<T> {
    pub fn new(value: T, source: Source) -> Sourced<T> {
        Sourced { value, source }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced {
            value: change(self.value),
            source: self.source,
        }
    }
}
