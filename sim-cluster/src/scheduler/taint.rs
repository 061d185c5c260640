//! Taints of nodes and what pods tolerate.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::controllers::pod;
use crate::object;

pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// One taint, as messages show it: `{key: value}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taint<'a>(pub(crate) &'a Value);

impl fmt::Display for Taint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{{}: {}}}",
            self.key(),
            object::text(self.0, &["value"])
        )
    }
}

impl<'a> Taint<'a> {
    pub(crate) fn key(self) -> &'a str {
        object::text(self.0, &["key"])
    }

    pub(crate) fn effect(self) -> &'a str {
        object::text(self.0, &["effect"])
    }

    /// The toleration that a pod has for it.
    pub(crate) fn tolerated_by(self, tolerations: &[Value]) -> Option<&Value> {
        tolerations.iter().find(|toleration| {
            let says = |field: &str| object::text(toleration, &[field]);
            let effect = says("effect").is_empty() || says("effect") == self.effect();
            let exists = says("operator") == "Exists";
            let key = says("key") == self.key() || (says("key").is_empty() && exists);
            effect && key && (exists || says("value") == object::text(self.0, &["value"]))
        })
    }

    /// When a pod that runs there has to go because of it; None for never.
    pub(crate) fn evicts_at(self, pod: &Value) -> Option<Timestamp> {
        if self.effect() != "NoExecute" {
            return None;
        }
        let since = pod::time(&self.0["timeAdded"]).unwrap_or(Timestamp::UNIX_EPOCH);
        let after = |seconds| since + SignedDuration::from_secs(seconds);
        match self.tolerated_by(tolerations(pod)) {
            Some(toleration) => toleration["tolerationSeconds"].as_i64().map(after),
            // As the admission plugin DefaultTolerationSeconds gives every pod.
            None if matches!(self.key(), NOT_READY | UNREACHABLE) => Some(after(300)),
            None => Some(since),
        }
    }
}

pub(crate) fn of(node: &Value) -> impl Iterator<Item = Taint<'_>> {
    object::list(node, &["spec", "taints"]).iter().map(Taint)
}

pub(crate) fn tolerations(pod: &Value) -> &[Value] {
    object::list(pod, &["spec", "tolerations"])
}

/// The first taint that keeps a pod with these tolerations off a node.
pub(crate) fn forbidding<'a>(node: &'a Value, tolerations: &[Value]) -> Option<Taint<'a>> {
    of(node).find(|taint| {
        matches!(taint.effect(), "NoSchedule" | "NoExecute")
            && taint.tolerated_by(tolerations).is_none()
    })
}

/// Whether a node is cordoned off for a pod with these tolerations.
pub(crate) fn is_cordoned(node: &Value, tolerations: &[Value]) -> bool {
    let taint = json!({ "key": UNSCHEDULABLE, "effect": "NoSchedule" });
    node["spec"]["unschedulable"] == true && Taint(&taint).tolerated_by(tolerations).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_match_by_key_value_and_effect() {
        let taint = json!({ "key": "dedicated", "value": "db", "effect": "NoExecute" });
        let check = |toleration: Value, expected: bool| {
            let found = Taint(&taint)
                .tolerated_by(std::slice::from_ref(&toleration))
                .is_some();
            assert_eq!(found, expected, "{toleration}");
        };
        check(json!({ "key": "dedicated", "value": "db" }), true);
        check(json!({ "key": "dedicated", "value": "web" }), false);
        check(json!({ "key": "dedicated", "operator": "Exists" }), true);
        check(json!({ "operator": "Exists" }), true);
        check(
            json!({ "operator": "Exists", "effect": "NoSchedule" }),
            false,
        );
        check(json!({ "key": "other", "operator": "Exists" }), false);
    }

    #[test]
    fn pods_leave_when_their_toleration_ends() {
        let taint = json!({
            "key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-11-21T10:00:00Z",
        });
        let leaves = |tolerations: Value| {
            let pod = json!({ "spec": { "tolerations": tolerations } });
            Taint(&taint).evicts_at(&pod).map(pod::stamp)
        };
        assert_eq!(leaves(json!([])).as_deref(), Some("2026-11-21T10:05:00Z"));
        let short = json!([{ "operator": "Exists", "tolerationSeconds": 20 }]);
        assert_eq!(leaves(short).as_deref(), Some("2026-11-21T10:00:20Z"));
        assert_eq!(leaves(json!([{ "operator": "Exists" }])), None);
    }
}
