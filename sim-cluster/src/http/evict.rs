//! Eviction: a deletion that asks the pod's disruption budget first.

use hyper::Response;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::handle::Call;
use crate::client::{Cluster, ListOptions};
use crate::controllers;
use crate::object;
use crate::status::Status;
use crate::verbs::{self, Request};

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
    spend(cluster, &pod, request.dry_run)?;
    let options = call.query.delete_options(&sent["deleteOptions"])?;
    verbs::delete(cluster, &request, &options)?;
    Ok(body::json(
        201,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }),
    ))
}

/// Takes one disruption of the pod's budget. Of two evictions at once, the one that writes later is
/// refused: the write carries the version that was read.
fn spend(cluster: &Cluster, pod: &Value, dry_run: bool) -> Result<(), Status> {
    const BUDGETS: &str = "poddisruptionbudgets.policy";
    let client = cluster.client("system:apiserver");
    let budgets = client.list(BUDGETS, Some(object::namespace(pod)), &ListOptions::all())?;
    let spent = controllers::evict(pod, &budgets.items, cluster.now())?;
    if let Some(spent) = spent.filter(|_| !dry_run) {
        client.update_status(BUDGETS, spent)?;
    }
    Ok(())
}
