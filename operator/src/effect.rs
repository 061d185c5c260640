//! All that the operator can do to the cluster, as values.

use std::collections::BTreeMap;

use crds::{AlertPolicyStatus, MaintenanceWindowStatus, MonitoredApi, MonitoredApiStatus};
use jiff::SignedDuration;

use crate::key::{Key, WorkloadKey};
use crate::notice::Notice;
use crate::onboard::Desired;
use crate::policy::SecretRead;

/// What is looked at as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// A secret that a policy names.
    Secret(Key),
    /// Whether a workload has its resource.
    Workload(WorkloadKey),
    /// A resource's status.
    Monitored(Key),
    Policy(Key),
    Window(Key),
}

impl Task {
    /// For metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Task::Secret(_) => "secret",
            Task::Workload(_) => "workload",
            Task::Monitored(_) => "monitored_api",
            Task::Policy(_) => "alert_policy",
            Task::Window(_) => "maintenance_window",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Apply(Desired),
    Delete {
        key: Key,
        uid: String,
        resource_version: String,
    },
    Status {
        key: Key,
        uid: String,
        status: Box<MonitoredApiStatus>,
    },
    PolicyStatus {
        key: Key,
        uid: String,
        status: Box<AlertPolicyStatus>,
    },
    WindowStatus {
        key: Key,
        uid: String,
        status: Box<MaintenanceWindowStatus>,
    },
    ReadSecret(Key),
}

/// An Event about a `MonitoredApi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub key: Key,
    pub uid: String,
    pub notice: Notice,
}

/// What came of an effect.
#[derive(Debug)]
pub enum Written {
    /// The resource as it is now.
    Monitored(Box<MonitoredApi>),
    Gone,
    Status,
    Secret(SecretRead),
}

/// Why an effect came to nothing, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Somebody else was first: look again.
    Conflict,
    /// It is gone: the watch will say so.
    Gone,
    /// The API server wants other content: nothing helps but a change.
    Refused,
    Forbidden,
    /// Too many requests.
    Busy,
    /// The API server has trouble, or cannot be reached.
    Unavailable,
}

impl Reason {
    /// For metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Conflict => "conflict",
            Reason::Gone => "gone",
            Reason::Refused => "refused",
            Reason::Forbidden => "forbidden",
            Reason::Busy => "busy",
            Reason::Unavailable => "unavailable",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub reason: Reason,
    /// In a sentence, with its causes.
    pub message: String,
    /// The server does not want to be asked sooner.
    pub retry_after: Option<SignedDuration>,
}

/// What an effect of a task came to.
#[derive(Debug)]
pub struct Done {
    pub task: Task,
    pub outcome: Result<Written, Failure>,
}

/// Entries of a Secret that are text.
pub(crate) fn texts(data: BTreeMap<String, k8s_openapi::ByteString>) -> BTreeMap<String, String> {
    data.into_iter()
        .filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)))
        .collect()
}
