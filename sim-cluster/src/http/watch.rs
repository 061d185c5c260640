//! Watching over HTTP: one JSON line an event, until something ends it.
//!
//! A line is written by the first watcher that sends it and kept with the log's entry; the others
//! send the same bytes. Events that are there already go out in one piece.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use hyper::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::body::{Body, answer, streamed};
use super::handle::{Call, Handler};
use super::table;
use super::view::{self, View};
use crate::client::{Cluster, scope};
use crate::convert;
use crate::faults::{Asked, Interruption};
use crate::selector::FieldSelector;
use crate::status::Status;
use crate::store::{EventKind, Occurrence, Watch, too_old};

/// Pieces grow to this when events are waiting.
const PIECE: usize = 64 * 1024;

/// When the client sets no bound; Kubernetes takes 30 to 60 minutes.
const USUAL_LIFE: Duration = Duration::from_secs(45 * 60);

struct Running {
    cluster: Cluster,
    call: Call,
    resource: String,
    watch: Watch,
    /// None when the client does not want any.
    bookmarks: Option<Interval>,
    ends: Instant,
    interruptions: broadcast::Receiver<Interruption>,
    stop: CancellationToken,
    /// The state is told first, and then that it has been.
    telling_the_state: bool,
    over: bool,
}

pub(super) fn start(handler: &Handler, call: Call) -> Result<Response<Body>, Status> {
    let cluster = handler.cluster.clone();
    let mut selection = call.query.selection()?;
    if !call.path.name.is_empty() {
        selection.fields = FieldSelector::parse(&format!("metadata.name={}", call.path.name))?;
    }
    let scope = scope(&call.served, call.namespace(), &selection)?;
    let wants_state = call.query.truth("sendInitialEvents");
    let asked = call.query.number("resourceVersion")?.unwrap_or(0);
    if wants_state && call.query.text("resourceVersionMatch") != "NotOlderThan" {
        return Err(Status::bad_request(
            "sendInitialEvents requires resourceVersionMatch set to NotOlderThan",
        ));
    }
    let from = if wants_state { 0 } else { asked };
    let life = call
        .query
        .number("timeoutSeconds")?
        .filter(|seconds| *seconds > 0);
    let bookmarks = call.query.truth("allowWatchBookmarks").then(|| {
        let every = handler.bookmark_every;
        let mut interval = tokio::time::interval_at(Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    });
    let expired = call.trouble.expired && from > 0;
    let running = Running {
        resource: call.served.name(),
        watch: cluster.store().watch(scope, from),
        bookmarks,
        ends: Instant::now() + life.map_or(USUAL_LIFE, Duration::from_secs),
        interruptions: cluster.faults().interruptions(),
        stop: handler.stop.clone(),
        telling_the_state: wants_state,
        over: false,
        cluster,
        call,
    };
    if expired {
        let told = error_line(&too_old(from, running.cluster.revision()));
        return Ok(answer(
            200,
            "application/json",
            streamed(stream::iter([told])),
        ));
    }
    let pieces = stream::unfold(running, |mut running| async move {
        let piece = running.next_piece().await?;
        Some((piece, running))
    });
    Ok(answer(200, "application/json", streamed(pieces)))
}

impl Running {
    /// None at the end.
    async fn next_piece(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = BytesMut::new();
        if let Err(status) = self.take_what_is_there(&mut out) {
            return self.fail(out, &status);
        }
        if !out.is_empty() {
            return Some(out.freeze());
        }
        let asked = Asked {
            user: &self.call.user.name,
            verb: "watch",
            resource: &self.resource,
        };
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                told = self.interruptions.recv() => match told {
                    Ok(interruption) => match interruption.ends(&asked) {
                        None => {}
                        Some(false) => return None,
                        Some(true) => {
                            let position = self.watch.position();
                            return self.fail(out, &too_old(position, self.cluster.revision()));
                        }
                    },
                    Err(_) => return None,
                },
                occurrence = self.watch.next_occurrence() => match occurrence {
                    Ok(occurrence) => {
                        self.write(&mut out, &occurrence);
                        return match self.take_what_is_there(&mut out) {
                            Ok(()) => Some(out.freeze()),
                            Err(status) => self.fail(out, &status),
                        };
                    }
                    Err(status) => return self.fail(out, &status),
                },
                () = tick(&mut self.bookmarks) => {
                    self.write_bookmark(&mut out, false);
                    return Some(out.freeze());
                }
                () = tokio::time::sleep_until(self.ends) => {
                    self.over = true;
                    // Who wants bookmarks gets a last one.
                    self.bookmarks.as_ref()?;
                    self.write_bookmark(&mut out, false);
                    return Some(out.freeze());
                }
            }
        }
    }

    fn take_what_is_there(&mut self, out: &mut BytesMut) -> Result<(), Status> {
        while out.len() < PIECE {
            match self.watch.ready()? {
                Some(occurrence) => {
                    if self.telling_the_state && occurrence.entry.is_some() {
                        self.end_of_the_state(out);
                    }
                    self.write(out, &occurrence);
                }
                None => {
                    if self.telling_the_state {
                        self.end_of_the_state(out);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn end_of_the_state(&mut self, out: &mut BytesMut) {
        self.telling_the_state = false;
        self.write_bookmark(out, true);
    }

    fn fail(&mut self, mut out: BytesMut, status: &Status) -> Option<Bytes> {
        self.over = true;
        out.extend_from_slice(&error_line(status));
        Some(out.freeze())
    }

    fn write(&self, out: &mut BytesMut, occurrence: &Occurrence) {
        let kind = match occurrence.kind {
            EventKind::Added => "ADDED",
            EventKind::Modified => "MODIFIED",
            EventKind::Deleted => "DELETED",
            EventKind::Bookmark => "BOOKMARK",
        };
        let as_stored = occurrence.object["apiVersion"] == self.call.served.resource.api_version();
        match (self.call.view, &occurrence.entry) {
            (View::Objects, Some(entry)) if as_stored => {
                let json = entry
                    .json
                    .get_or_init(|| Bytes::from(view::text(&occurrence.object)));
                line(out, kind, json);
            }
            _ => line(out, kind, self.shown(&occurrence.object).as_bytes()),
        }
    }

    fn shown(&self, object: &Arc<Value>) -> String {
        let shown = convert::shown(&self.call.served, object);
        match self.call.view {
            View::Objects => view::text(&shown),
            View::Metadata => view::metadata(&shown).to_string(),
            View::Table => {
                let version = shown["metadata"]["resourceVersion"].clone();
                let metadata = json!({ "resourceVersion": version });
                let rows = std::slice::from_ref(&shown);
                table::of(&self.cluster, &self.call, rows, metadata).to_string()
            }
        }
    }

    fn write_bookmark(&self, out: &mut BytesMut, ends_the_state: bool) {
        let resource = &self.call.served.resource;
        let mut bookmark = json!({
            "kind": resource.kind, "apiVersion": resource.api_version(),
            "metadata": {
                "resourceVersion": self.watch.position().to_string(), "creationTimestamp": null,
            },
        });
        if ends_the_state {
            bookmark["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let text = match self.call.view {
            View::Objects => bookmark.to_string(),
            View::Metadata => view::metadata(&bookmark).to_string(),
            View::Table => table::of_bookmark(&bookmark).to_string(),
        };
        line(out, "BOOKMARK", text.as_bytes());
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn line(out: &mut BytesMut, kind: &str, object: &[u8]) {
    out.reserve(object.len() + 40);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(object);
    out.put_slice(b"}\n");
}

fn error_line(status: &Status) -> Bytes {
    let mut out = BytesMut::new();
    line(&mut out, "ERROR", status.to_json().to_string().as_bytes());
    out.freeze()
}
