//! Which workloads and alerts a window or a route is about.

use std::fmt;

use crate::{AlertSeverity, Name, ServiceKey, Time};

/// All that is given must hold; an empty one chooses everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    pub workloads: Vec<ServiceKey>,
    pub environments: Vec<Name>,
    pub namespaces: Vec<Name>,
    /// Of alerts only.
    pub severities: Vec<AlertSeverity>,
}

impl Select {
    pub fn holds(&self, service: &ServiceKey, environment: &Name) -> bool {
        fn any<T: PartialEq>(wanted: &[T], found: &T) -> bool {
            wanted.is_empty() || wanted.contains(found)
        }
        any(&self.workloads, service)
            && any(&self.environments, environment)
            && any(&self.namespaces, &service.namespace)
    }

    pub fn holds_severity(&self, severity: AlertSeverity) -> bool {
        self.severities.is_empty() || self.severities.contains(&severity)
    }
}

/// A time in which something is different on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub name: Name,
    pub starts: Time,
    pub ends: Time,
    /// Alerts of the chosen are not sent.
    pub mute: bool,
    /// What the chosen do teaches the models nothing.
    pub exclude_learning: bool,
    pub select: Select,
}

impl Window {
    pub fn is_open(&self, at: Time) -> bool {
        (self.starts..self.ends).contains(&at)
    }
}

/// Which alerts go where, beside the destinations of the monitor's own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRoute {
    pub name: Name,
    pub select: Select,
    /// What its receivers are told instead of the computed one; without receivers, what the
    /// monitor's own destinations are told.
    pub severity: Option<AlertSeverity>,
    pub receivers: Vec<Receiver>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceiverKind {
    Alertmanager,
    Webhook,
}

/// Where alerts are sent. Its address and token are secrets: `Debug` does not show them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receiver {
    pub kind: ReceiverKind,
    pub url: Name,
    pub token: Option<Name>,
    pub name: Name,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
