//! Eviction: a deletion that asks the pod's disruption budget first.

use hyper::Response;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::handle::Call;
use crate::client::{Cluster, ListOptions};
use crate::object;
use crate::selector::LabelSelector;
use crate::status::Status;
use crate::verbs::{self, Patch, Request};

pub(super) fn evict(
    cluster: &Cluster,
    call: &Call,
    sent: &Value,
) -> Result<Response<Body>, Status> {
    let request = Request {
        subresource: String::new(),
        ..call.request()?
    };
    let pod = verbs::get(cluster, &request)?;
    // What does not run any more disrupts nobody.
    let runs = !matches!(
        object::text(&pod, &["status", "phase"]),
        "Succeeded" | "Failed" | "Pending"
    ) && !object::is_being_deleted(&pod);
    if runs {
        spend(cluster, &pod, request.dry_run)?;
    }
    let options = call.query.delete_options(&sent["deleteOptions"])?;
    verbs::delete(cluster, &request, &options)?;
    Ok(body::json(
        201,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }),
    ))
}

/// Takes one disruption of the pod's budget. Of two evictions at once, the one that writes later
/// reads again: the write carries the version that was read.
fn spend(cluster: &Cluster, pod: &Value, dry_run: bool) -> Result<(), Status> {
    let client = cluster.client("system:apiserver");
    let namespace = object::namespace(pod);
    let budgets = client.list(
        "poddisruptionbudgets.policy",
        Some(namespace),
        &ListOptions::all(),
    )?;
    let mut matching = budgets.items.iter().filter(|budget| {
        LabelSelector::from_object(&budget["spec"]["selector"])
            .ok()
            .flatten()
            .is_some_and(|selector| selector.matches(&pod["metadata"]["labels"]))
    });
    let Some(budget) = matching.next() else {
        return Ok(());
    };
    if matching.next().is_some() {
        return Err(Status::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does \
             not support.",
        ));
    }
    let name = object::name(budget);
    let observed = budget["status"]["observedGeneration"].as_i64().unwrap_or(0);
    let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
    if observed < budget["metadata"]["generation"].as_i64().unwrap_or(0) || allowed <= 0 {
        let mut refusal = Status::too_many_requests(10);
        refusal.message =
            "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
        let healthy = budget["status"]["currentHealthy"].as_i64().unwrap_or(0);
        let desired = budget["status"]["desiredHealthy"].as_i64().unwrap_or(0);
        refusal.details = json!({ "causes": [{
            "reason": "DisruptionBudget",
            "message": format!(
                "The disruption budget {name} needs {desired} healthy pods and has {healthy} \
                 currently"
            ),
        }] });
        return Err(refusal);
    }
    if dry_run {
        return Ok(());
    }
    let disrupted = json!({ object::name(pod): cluster.now().to_string() });
    let spent = Patch::Merge(json!({
        "metadata": { "resourceVersion": budget["metadata"]["resourceVersion"] },
        "status": { "disruptionsAllowed": allowed - 1, "disruptedPods": disrupted },
    }));
    client.patch(
        "poddisruptionbudgets.policy",
        namespace,
        name,
        "status",
        spent,
    )?;
    Ok(())
}
