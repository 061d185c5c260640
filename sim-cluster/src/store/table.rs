//! The objects of one resource, and the last things that happened to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::{Lost, TooOld};
use crate::object;

/// Ordered by namespace, then name; the namespace is empty for what belongs to the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Key {
        Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(object: &Value) -> Key {
        Key::new(object::namespace(object), object::name(object))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
    /// Nothing happened up to the version that it carries.
    Bookmark,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    pub(crate) kind: EventKind,
    pub(crate) object: Arc<Value>,
    /// What it was before: selectors need it to tell a change from a departure.
    pub(crate) previous: Option<Arc<Value>>,
    /// As it goes over the wire, written by the first watcher that needs it. Kept with the log's
    /// entry, and gone with it.
    pub(crate) json: OnceLock<Bytes>,
}

#[derive(Debug)]
pub(crate) struct Table {
    objects: BTreeMap<Key, Arc<Value>>,
    log: VecDeque<Arc<Entry>>,
    window: usize,
    /// Everything up to this version has left the log.
    forgotten: u64,
    changed_at: u64,
    /// Counts how often its watches were ended.
    epoch: u64,
    changed: watch::Sender<u64>,
}

impl Table {
    pub(crate) fn new(window: usize, revision: u64) -> Table {
        Table {
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            window,
            forgotten: 0,
            changed_at: 0,
            epoch: 0,
            changed: watch::Sender::new(revision),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn all(&self) -> Vec<(Key, Arc<Value>)> {
        self.objects
            .iter()
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    pub(crate) fn range(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Value>> {
        let start = Key::new(namespace.unwrap_or(""), "");
        self.objects
            .range(start..)
            .take_while(move |(key, _)| namespace.is_none_or(|it| key.namespace == it))
            .map(|(_, object)| object)
    }

    /// The state at an earlier version: what happened since is undone, last thing first.
    pub(crate) fn range_at(
        &self,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Value>>, TooOld> {
        if revision < self.forgotten {
            return Err(TooOld {
                oldest: self.forgotten,
            });
        }
        if revision >= self.changed_at {
            return Ok(self.range(namespace).cloned().collect());
        }
        let inside = |key: &Key| namespace.is_none_or(|it| key.namespace == it);
        let mut objects: BTreeMap<Key, &Arc<Value>> = self
            .range(namespace)
            .map(|object| (Key::of(object), object))
            .collect();
        for entry in self
            .log
            .iter()
            .rev()
            .take_while(|entry| entry.revision > revision)
        {
            let key = Key::of(&entry.object);
            if !inside(&key) {
                continue;
            }
            match &entry.previous {
                Some(previous) => objects.insert(key, previous),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().cloned().collect())
    }

    /// Entries after a version, at most `limit`, oldest first.
    pub(crate) fn after(&self, revision: u64, limit: usize) -> Result<Vec<Arc<Entry>>, TooOld> {
        if revision < self.forgotten {
            return Err(TooOld {
                oldest: self.forgotten,
            });
        }
        let start = self.log.partition_point(|entry| entry.revision <= revision);
        Ok(self.log.range(start..).take(limit).cloned().collect())
    }

    pub(crate) fn expect(&self, key: &Key, version: u64) -> Result<(), Lost> {
        match self.objects.get(key) {
            Some(found) if object::resource_version(found) == version => Ok(()),
            _ => Err(Lost),
        }
    }

    pub(crate) fn put(&mut self, key: Key, revision: u64, object: Arc<Value>) {
        let previous = self.objects.insert(key, Arc::clone(&object));
        let kind = if previous.is_some() {
            EventKind::Modified
        } else {
            EventKind::Added
        };
        self.happened(Entry {
            revision,
            kind,
            object,
            previous,
            json: OnceLock::new(),
        });
    }

    pub(crate) fn take(&mut self, key: &Key, revision: u64, object: Arc<Value>) {
        let previous = self.objects.remove(key);
        let kind = EventKind::Deleted;
        self.happened(Entry {
            revision,
            kind,
            object,
            previous,
            json: OnceLock::new(),
        });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn announce(&self, revision: u64) {
        self.changed.send_replace(revision);
    }

    pub(crate) fn close(&mut self) {
        self.epoch += 1;
        self.changed.send_modify(|_| {});
    }

    fn happened(&mut self, entry: Entry) {
        self.changed_at = entry.revision;
        if self.log.len() == self.window
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.log.push_back(Arc::new(entry));
    }
}
