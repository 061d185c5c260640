//! What a pod asks of a node, and what a node has left.

use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity::milli;
use crate::object;

/// Amounts by resource, in thousandths; `pods` is one for each pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    /// Of a map such as `status.allocatable`.
    pub(crate) fn of(map: &Value) -> Amounts {
        let known = map.as_object().into_iter().flatten();
        Amounts(
            known
                .filter_map(|(key, value)| Some((key.clone(), milli(value)?)))
                .collect(),
        )
    }

    /// What a pod asks for: its containers together, or its greediest init container if that is
    /// more. Sidecars (init containers that are always restarted) run beside both.
    pub(crate) fn requested_by(pod: &Value) -> Amounts {
        let requests = |container: &Value| Amounts::of(&container["resources"]["requests"]);
        let mut running = Amounts::default();
        for container in object::list(pod, &["spec", "containers"]) {
            running.add(&requests(container));
        }
        let mut sidecars = Amounts::default();
        let mut starting = Amounts::default();
        for container in object::list(pod, &["spec", "initContainers"]) {
            if container["restartPolicy"] == "Always" {
                sidecars.add(&requests(container));
            } else {
                let mut needed = requests(container);
                needed.add(&sidecars);
                starting.raise(&needed);
            }
        }
        running.add(&sidecars);
        running.raise(&starting);
        running.add(&Amounts::of(&pod["spec"]["overhead"]));
        running.0.insert("pods".to_owned(), 1_000);
        running
    }

    pub(crate) fn get(&self, resource: &str) -> i64 {
        self.0.get(resource).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Amounts) {
        for (resource, amount) in &other.0 {
            let held = self.0.entry(resource.clone()).or_default();
            *held = held.saturating_add(*amount);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Amounts) {
        for (resource, amount) in &other.0 {
            let held = self.0.entry(resource.clone()).or_default();
            *held = held.saturating_sub(*amount);
        }
    }

    fn raise(&mut self, other: &Amounts) {
        for (resource, amount) in &other.0 {
            let held = self.0.entry(resource.clone()).or_default();
            *held = (*held).max(*amount);
        }
    }

    /// What there is too little of when `wanted` comes on top of what is `used`, as messages name it.
    pub(crate) fn lacking(&self, used: &Amounts, wanted: &Amounts) -> Vec<String> {
        wanted
            .0
            .iter()
            .filter(|(resource, amount)| {
                // A node that says nothing of how many pods it takes, takes any.
                **amount > 0
                    && (resource.as_str() != "pods" || self.0.contains_key("pods"))
                    && self.get(resource) < used.get(resource).saturating_add(**amount)
            })
            .map(|(resource, _)| match resource.as_str() {
                "pods" => "Too many pods".to_owned(),
                resource => format!("Insufficient {resource}"),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn init_containers_count_by_the_greediest_and_sidecars_all_along() {
        let cpu = |amount: &str| json!({ "requests": { "cpu": amount } });
        let pod = json!({ "spec": {
            "containers": [{ "resources": cpu("100m") }, { "resources": cpu("200m") }],
            "initContainers": [
                { "resources": cpu("50m"), "restartPolicy": "Always" },
                { "resources": cpu("400m") },
                { "resources": cpu("10m") },
            ],
        }});
        assert_eq!(Amounts::requested_by(&pod).get("cpu"), 450);
    }

    #[test]
    fn what_a_node_lacks_is_named() {
        let node = Amounts::of(&json!({ "cpu": "1", "memory": "1Gi", "pods": "2" }));
        let used = Amounts::of(&json!({ "cpu": "900m", "pods": "2" }));
        let wanted = Amounts::of(&json!({ "cpu": "200m", "memory": "1Gi", "pods": "1" }));
        assert_eq!(
            node.lacking(&used, &wanted),
            ["Insufficient cpu", "Too many pods"]
        );
    }
}
