//! `GET /what-if`: what happens to journeys if something is taken away.

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{Problem, WhatIfQuery};
use monitor_core::View;
use monitor_diagnose::what_if::{Removal, WhatIf, what_if};

use super::params::Params;
use super::problem::Failure;
use super::words::{or_zero, watermark};
use crate::Shared;

#[utoipa::path(
    get, path = "/api/v1/what-if", tag = "watch", params(WhatIfQuery),
    responses(
        (status = 200, body = wire::WhatIf),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// What happens to journeys if an Api, a service or an environment is taken away: as journeys need it,
/// and as they did when a call to it failed.
pub(crate) async fn get_what_if(
    State(shared): State<Shared>,
    Params(query): Params<WhatIfQuery>,
) -> Result<Json<wire::WhatIf>, Failure> {
    let view = shared.ports.view.borrow().clone();
    let removal: Removal = query.remove.parse().map_err(|refused| {
        Failure::bad_parameter(
            "remove",
            format!("it says not what is taken away: {refused}"),
        )
    })?;
    let found = what_if(&view.journeys, &removal).ok_or_else(|| {
        Failure::not_found("no journey and no call was seen to go there".to_owned())
            .at("remove")
            .hint("GET /api/v1/topology lists services and what they call")
    })?;
    Ok(Json(answer(&view, query.remove, &found)))
}

fn answer(view: &View, removed: String, found: &WhatIf) -> wire::WhatIf {
    wire::WhatIf {
        at: watermark(view),
        removed,
        journeys_per_second: or_zero(found.rate),
        usually: or_zero(found.usually),
        fails: or_zero(found.fails),
        types: found
            .types
            .iter()
            .map(|loss| wire::JourneyLoss {
                r#type: loss.kind.to_string(),
                name: loss.name.to_string(),
                environment: loss.entry.environment.to_string(),
                service: loss.entry.service.to_string(),
                operation: loss.entry.operation(),
                journeys_per_second: or_zero(loss.rate),
                needs: or_zero(loss.needs),
                lost: or_zero(loss.lost),
                seen: loss.seen,
                usually: or_zero(loss.usually),
                fails: or_zero(loss.fails),
            })
            .collect(),
        callers: found
            .callers
            .iter()
            .map(|caller| wire::AffectedCaller {
                name: caller.name.clone(),
                calls_per_second: or_zero(caller.rate),
                share: or_zero(caller.share),
            })
            .collect(),
    }
}
