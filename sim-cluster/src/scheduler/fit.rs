//! Whether one node can take one pod, and how well.

use std::sync::Arc;

use serde_json::Value;

use super::company::Company;
use super::request::Amounts;
use super::{affinity, taint};
use crate::controllers::pod;
use crate::controllers::world::World;
use crate::object;

/// What a node has, and what of it is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    pub(super) allocatable: Amounts,
    pub(super) used: Amounts,
}

impl Space {
    /// Why the node cannot take the pod; empty when it can. The first plugin that objects is heard,
    /// as with Kubernetes; one that lacks several resources names them all.
    pub(super) fn objections(
        &self,
        pod: &Value,
        wanted: &Amounts,
        node: &Value,
        world: &World,
        company: &Company,
    ) -> Vec<String> {
        let one = |reason: &str| vec![reason.to_owned()];
        let tolerations = taint::tolerations(pod);
        if taint::is_cordoned(node, tolerations) {
            return one("node(s) were unschedulable");
        }
        if let Some(taint) = taint::forbidding(node, tolerations) {
            return vec![format!("node(s) had untolerated taint {taint}")];
        }
        if !affinity::permits(&pod["spec"], node) {
            return one("node(s) didn't match Pod's node affinity/selector");
        }
        if ports_clash(pod, object::name(node), world) {
            return one("node(s) didn't have free ports for the requested pod ports");
        }
        let lacking = self.allocatable.lacking(&self.used, wanted);
        if !lacking.is_empty() {
            return lacking;
        }
        company.objection(node).map(one).unwrap_or_default()
    }

    /// The more the better. In thousandths, so that one pod more or less tells nodes apart; each wish
    /// counts up to about a hundred.
    pub(super) fn score(
        &self,
        pod: &Value,
        wanted: &Amounts,
        node: &Value,
        company: &Company,
    ) -> i64 {
        let avoided = taint::of(node).filter(|taint| {
            taint.effect() == "PreferNoSchedule"
                && taint.tolerated_by(taint::tolerations(pod)).is_none()
        });
        let avoided = i64::try_from(avoided.count()).unwrap_or(i64::MAX);
        // Rather where much is free; pods that ask for nothing are spread by their number.
        let free = |resource: &str, at_most: i64| {
            let all = self.allocatable.get(resource).max(1);
            let left = all - self.used.get(resource) - wanted.get(resource);
            let share = i128::from(left.max(0)) * i128::from(at_most) / i128::from(all);
            i64::try_from(share).unwrap_or(at_most)
        };
        let free = free("cpu", 50_000) + free("memory", 50_000) + free("pods", 100_000);
        let wishes = affinity::preference(&pod["spec"], node) + company.score(node);
        free + 1_000 * wishes - 100_000 * avoided
    }
}

/// Ports of the node itself, each of which only one pod can have.
fn host_ports(pod: &Value) -> impl Iterator<Item = (i64, &str)> {
    object::list(pod, &["spec", "containers"])
        .iter()
        .flat_map(|container| object::list(container, &["ports"]))
        .filter_map(|port| {
            let number = port["hostPort"].as_i64().filter(|number| *number > 0)?;
            Some((number, port["protocol"].as_str().unwrap_or("TCP")))
        })
}

fn ports_clash(pod: &Value, node: &str, world: &World) -> bool {
    let wanted: Vec<(i64, &str)> = host_ports(pod).collect();
    !wanted.is_empty()
        && world
            .pods_on(node)
            .filter(|other| !pod::has_ended(other))
            .any(|other| host_ports(other).any(|port| wanted.contains(&port)))
}

/// Why the pod's volumes let it go nowhere yet.
pub(super) fn volumes_objection(pod: &Value, world: &World) -> Option<String> {
    let namespace = object::namespace(pod);
    let claims = object::list(pod, &["spec", "volumes"])
        .iter()
        .map(|volume| object::text(volume, &["persistentVolumeClaim", "claimName"]))
        .filter(|claim| !claim.is_empty());
    for claim in claims {
        let found: Option<&Arc<Value>> = world.get("persistentvolumeclaims", namespace, claim);
        let Some(found) = found else {
            return Some(format!("persistentvolumeclaim \"{claim}\" not found"));
        };
        if object::text(found, &["status", "phase"]) != "Bound" {
            return Some("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
    }
    None
}
