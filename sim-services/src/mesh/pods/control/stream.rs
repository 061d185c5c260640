//! The long answer that a replica reads: a line with all that is on whenever that changes, and
//! every few seconds when it does not.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use crate::change::Conditions;
use crate::mesh::pods::ALIVE;
use crate::mesh::pods::words::Line;

#[derive(Debug, Deserialize)]
pub(super) struct Who {
    service: String,
    pod: String,
}

pub(super) async fn follow(State(shared): State<Arc<Shared>>, Query(who): Query<Who>) -> Response {
    if !shared.topology.services.contains_key(&who.service) {
        let what = format!("there is no service `{}` in this topology\n", who.service);
        return (StatusCode::NOT_FOUND, what).into_response();
    }
    let following = Following {
        conditions: shared.conditions.subscribe(),
        numbers: shared.roster.changed(),
        number: shared
            .roster
            .join(&who.service, &who.pod, shared.clock.now()),
        pod: who.pod,
        first: true,
        shared,
    };
    let lines = stream::unfold(following, async |mut following| {
        let line = following.next().await?;
        Some((Ok::<_, Infallible>(line), following))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

/// One replica's stream; dropped when it reads no more.
struct Following {
    shared: Arc<Shared>,
    conditions: watch::Receiver<Arc<Conditions>>,
    numbers: watch::Receiver<u64>,
    pod: String,
    number: u32,
    first: bool,
}

impl Following {
    /// None when the control stops.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.first) {
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return None,
                // Whoever publishes lives as long as this.
                Ok(()) = self.conditions.changed() => {}
                Ok(()) = self.numbers.changed() => {}
                () = sleep(ALIVE) => {}
            }
        }
        self.number = self.shared.roster.number(&self.pod).unwrap_or(self.number);
        let conditions = Arc::clone(&self.conditions.borrow_and_update());
        let mut line = serde_json::to_vec(&Line::new(self.number, &conditions)).ok()?;
        line.push(b'\n');
        Some(line.into())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        self.shared.roster.leave(&self.pod, now);
    }
}
