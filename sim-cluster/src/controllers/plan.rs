//! What a controller decided to do: a value, so that deciding can be tested without a cluster.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::world::Reference;
use crate::client::Propagation;
use crate::object;

/// The actions of one reconciliation, in their order, and when to look again if nothing happens.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    pub(crate) again: Option<Duration>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Create {
        resource: &'static str,
        object: Value,
        said: Option<Said>,
    },
    /// The whole object, or one subresource of it (`status`, `finalize`). It carries the
    /// resourceVersion that was looked at, so that a decision on an old state is refused.
    Update {
        resource: String,
        subresource: &'static str,
        object: Value,
        said: Option<Said>,
    },
    /// This very object, not another of its name.
    Delete {
        target: Reference,
        uid: String,
        propagation: Option<Propagation>,
        /// Seconds of grace; None for what the object asks for.
        grace: Option<u64>,
        said: Option<Said>,
    },
    /// Ask for a pod to be moved to a node.
    Bind {
        pod: Arc<Value>,
        node: String,
    },
    Say(Said),
}

/// An Event that people see in `kubectl describe`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) about: Arc<Value>,
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    /// `{name}` stands for the name of what an action created.
    pub(crate) message: String,
    /// Reason and sentence when the action it belongs to is refused: `FailedCreate`.
    pub(crate) refused: Option<(&'static str, &'static str)>,
}

impl Said {
    pub(crate) fn normal(about: &Arc<Value>, reason: &'static str, message: String) -> Said {
        Said {
            about: Arc::clone(about),
            warning: false,
            reason,
            message,
            refused: None,
        }
    }

    pub(crate) fn warning(about: &Arc<Value>, reason: &'static str, message: String) -> Said {
        Said {
            warning: true,
            ..Said::normal(about, reason, message)
        }
    }

    pub(crate) fn or_when_refused(mut self, reason: &'static str, sentence: &'static str) -> Said {
        self.refused = Some((reason, sentence));
        self
    }
}

impl Plan {
    pub(crate) fn create(&mut self, resource: &'static str, object: Value, said: Option<Said>) {
        self.actions.push(Action::Create {
            resource,
            object,
            said,
        });
    }

    pub(crate) fn update(&mut self, resource: &str, object: Value, said: Option<Said>) {
        self.actions.push(Action::Update {
            resource: resource.to_owned(),
            subresource: "",
            object,
            said,
        });
    }

    /// Writes `status` when it differs from what the object has.
    pub(crate) fn status(&mut self, resource: &str, object: &Value, status: Value) {
        if object.get("status").unwrap_or(&Value::Null) == &status {
            return;
        }
        let mut object = object.clone();
        object["status"] = status;
        self.actions.push(Action::Update {
            resource: resource.to_owned(),
            subresource: "status",
            object,
            said: None,
        });
    }

    pub(crate) fn delete(&mut self, resource: &str, object: &Value, said: Option<Said>) {
        self.actions.push(Action::Delete {
            target: Reference::of(resource, object),
            uid: object::uid(object).to_owned(),
            propagation: None,
            grace: None,
            said,
        });
    }

    pub(crate) fn say(&mut self, said: Said) {
        self.actions.push(Action::Say(said));
    }

    /// Look again no later than this.
    pub(crate) fn again_in(&mut self, wait: SignedDuration) {
        // A moment more than asked, since objects round their times down to whole seconds.
        let wait = Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(10);
        self.again = Some(self.again.map_or(wait, |known| known.min(wait)));
    }
}

/// Conditions of a status, by type; the transition time changes only with the status itself.
pub(crate) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    at: &str,
) {
    let known = conditions.iter_mut().find(|known| known["type"] == kind);
    let mut condition = serde_json::json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": at,
    });
    match known {
        Some(known) => {
            if known["status"] == status {
                condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
}
