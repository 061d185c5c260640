//! Following what happens to the objects of one resource.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Entry, EventKind, Store, TooOld};
use crate::object;
use crate::resource::ResourceId;
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::Status;

/// Entries taken from the log at a time: enough to spare the lock, few enough to be no queue.
const BATCH: usize = 64;

/// Which objects somebody looks at.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) resource: ResourceId,
    /// All when `None`.
    pub(crate) namespace: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Scope {
    pub(crate) fn contains(&self, object: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|it| object::namespace(object) == it)
            && self.labels.matches(&object["metadata"]["labels"])
            && self.fields.matches(object)
    }
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub object: Arc<Value>,
}

/// An event with the log's entry it comes from, which knows its text.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    pub(crate) kind: EventKind,
    pub(crate) object: Arc<Value>,
    /// None for the state as it was at the start.
    pub(crate) entry: Option<Arc<Entry>>,
}

/// A position in a table's log, and what is of interest there. Holds no events but the few that it
/// has just taken.
#[derive(Debug)]
pub struct Watch {
    store: Arc<Store>,
    scope: Scope,
    position: u64,
    /// The state still has to be told.
    from_the_state: bool,
    ahead: VecDeque<Occurrence>,
    changed: watch::Receiver<u64>,
    epoch: u64,
}

impl Watch {
    pub(super) fn new(
        store: Arc<Store>,
        scope: Scope,
        from: u64,
        changed: watch::Receiver<u64>,
        epoch: u64,
    ) -> Watch {
        Watch {
            store,
            scope,
            position: from,
            from_the_state: from == 0,
            ahead: VecDeque::new(),
            changed,
            epoch,
        }
    }

    /// The next event; waits for it. Safe to cancel: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// 410 when the log no longer holds what comes next, or the resource is served no more: list
    /// again.
    pub async fn next(&mut self) -> Result<Event, Status> {
        let Occurrence { kind, object, .. } = self.next_occurrence().await?;
        Ok(Event { kind, object })
    }

    pub(crate) async fn next_occurrence(&mut self) -> Result<Occurrence, Status> {
        loop {
            if let Some(occurrence) = self.ready()? {
                return Ok(occurrence);
            }
            if self.changed.changed().await.is_err() {
                return Err(Status::expired("the cluster has stopped"));
            }
        }
    }

    /// The next event if there is one already.
    pub(crate) fn ready(&mut self) -> Result<Option<Occurrence>, Status> {
        if let Some(occurrence) = self.ahead.pop_front() {
            return Ok(Some(occurrence));
        }
        self.changed.mark_unchanged();
        if self.from_the_state {
            self.from_the_state = false;
            self.take_the_state();
        }
        while self.ahead.is_empty() {
            if !self.take_from_the_log()? {
                return Ok(None);
            }
        }
        Ok(self.ahead.pop_front())
    }

    /// Everything up to this version has been told.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn take_the_state(&mut self) {
        let Scope {
            resource,
            namespace,
            ..
        } = &self.scope;
        let (objects, revision) = self.store.list(resource, namespace.as_deref());
        self.position = revision;
        self.ahead.extend(
            objects
                .into_iter()
                .filter(|it| self.scope.contains(it))
                .map(|object| Occurrence {
                    kind: EventKind::Added,
                    object,
                    entry: None,
                }),
        );
    }

    /// Whether the log had anything new, of interest or not.
    fn take_from_the_log(&mut self) -> Result<bool, Status> {
        let entries = {
            let inner = self.store.read();
            let Some(table) = inner.tables.get(&self.scope.resource) else {
                return Ok(false);
            };
            let entries = table
                .after(self.position, BATCH)
                .map_err(|TooOld { oldest }| too_old(self.position, oldest))?;
            if entries.is_empty() {
                if table.epoch() != self.epoch {
                    return Err(Status::expired("the resource is served differently now"));
                }
                self.position = self.position.max(inner.revision);
            }
            entries
        };
        for entry in &entries {
            self.position = entry.revision;
            if let Some(kind) = seen_by(&self.scope, entry) {
                self.ahead.push_back(Occurrence {
                    kind,
                    object: shown_by(kind, entry),
                    entry: Some(Arc::clone(entry)),
                });
            }
        }
        Ok(!entries.is_empty())
    }
}

/// What an entry is to somebody who sees only a part: an object that begins to match is added, one
/// that ceases to is deleted.
fn seen_by(scope: &Scope, entry: &Entry) -> Option<EventKind> {
    let is = scope.contains(&entry.object);
    let was = entry
        .previous
        .as_deref()
        .is_some_and(|previous| scope.contains(previous));
    match (entry.kind, was, is) {
        (EventKind::Deleted, true, _) => Some(EventKind::Deleted),
        (EventKind::Deleted, false, _) | (_, false, false) => None,
        (_, false, true) => Some(EventKind::Added),
        (_, true, true) => Some(EventKind::Modified),
        (_, true, false) => Some(EventKind::Deleted),
    }
}

/// What ceases to match is shown as it was when it last did, with the version of the change
/// (`convertToWatchEvent` of the API server's `cache_watcher.go`).
fn shown_by(kind: EventKind, entry: &Entry) -> Arc<Value> {
    match &entry.previous {
        Some(previous) if kind == EventKind::Deleted && entry.kind != EventKind::Deleted => {
            let mut last = (**previous).clone();
            last["metadata"]["resourceVersion"] = json!(entry.revision.to_string());
            Arc::new(last)
        }
        _ => Arc::clone(&entry.object),
    }
}

pub(crate) fn too_old(asked: u64, oldest: u64) -> Status {
    let mut status = Status::expired(format!("too old resource version: {asked} ({oldest})"));
    status.details = json!({ "causes": [] });
    status
}
