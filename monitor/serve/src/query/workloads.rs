//! `GET /workloads`: for whoever keeps a resource for each of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use monitor_api::{Problem, WorkloadView, Workloads, WorkloadsQuery};

use super::params::Params;
use super::problem::Failure;
use crate::Shared;

/// Proxies give up on an answer that takes much longer.
const LONGEST_WAIT_SECONDS: u64 = 30;

#[utoipa::path(
    get, path = "/api/v1/workloads", tag = "watch", params(WorkloadsQuery),
    responses(
        (status = 200, body = Workloads),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Services by environment: all of them, or those that changed since a cursor, waiting for a change
/// when asked to.
pub(crate) async fn list_workloads(
    State(shared): State<Shared>,
    Params(query): Params<WorkloadsQuery>,
) -> Result<Json<Workloads>, Failure> {
    let wait = query.wait_seconds.unwrap_or(0);
    if wait > LONGEST_WAIT_SECONDS {
        return Err(Failure::bad_parameter(
            "wait_seconds",
            format!("{wait} is more than {LONGEST_WAIT_SECONDS}"),
        )
        .hint("ask again with the same cursor when nothing has changed"));
    }
    let wanted = |view: &WorkloadView| {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == name)
        };
        is(&query.namespace, &view.namespace) && is(&query.service, &view.service)
    };
    let mut published = shared.ports.workloads.clone();
    let answer = |published: &Arc<crate::workloads::Published>| {
        published.since(query.after.as_deref(), wanted)
    };
    let (now, anything) = answer(&published.borrow_and_update().clone());
    if anything || wait == 0 {
        return Ok(Json(now));
    }
    let _place = shared.place_for_reader()?;
    let mut latest = now;
    let until = tokio::time::sleep(Duration::from_secs(wait));
    tokio::pin!(until);
    loop {
        tokio::select! {
            changed = published.changed() => {
                let (now, anything) = answer(&published.borrow_and_update().clone());
                latest = now;
                if anything || changed.is_err() {
                    return Ok(Json(latest));
                }
            }
            () = &mut until => return Ok(Json(latest)),
            () = shared.stop.cancelled() => return Ok(Json(latest)),
        }
    }
}
