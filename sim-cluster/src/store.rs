//! The only owner of objects: tables of them, one counter of versions, and a log of what happened.
//!
//! Called by the verbs, which have decided already what is to be written; it knows nothing of users,
//! defaults or kinds. Readers get `Arc`s. Watchers have no queues: each reads the log of its table
//! from its own position, and learns when that position is no longer there.
//!
//! One lock guards all of it, held for map operations only: never while an object is decided on,
//! patched or serialised.

mod table;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

pub use table::EventKind;
pub(crate) use table::{Entry, Key, Table};
pub use watch::{Event, Watch};
pub(crate) use watch::{Occurrence, Scope, too_old};

use crate::object;
use crate::resource::ResourceId;

#[derive(Debug)]
pub(crate) struct Store {
    inner: RwLock<Inner>,
    /// Log entries kept per resource.
    window: usize,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    tables: BTreeMap<ResourceId, Table>,
}

/// What was expected to be in place is not: somebody else was first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// A version that the log no longer reaches; the oldest that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOld {
    pub(crate) oldest: u64,
}

impl Store {
    pub(crate) fn new(window: usize) -> Store {
        Store {
            // Version 0 means "any" to clients, so that counting starts after it.
            inner: RwLock::new(Inner {
                revision: 1,
                tables: BTreeMap::new(),
            }),
            window: window.max(1),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    pub(crate) fn get(&self, resource: &ResourceId, key: &Key) -> Option<Arc<Value>> {
        self.read().tables.get(resource)?.get(key).cloned()
    }

    /// Objects in order of namespace and name, and the version at which that is the truth.
    pub(crate) fn list(
        &self,
        resource: &ResourceId,
        namespace: Option<&str>,
    ) -> (Vec<Arc<Value>>, u64) {
        let inner = self.read();
        let items = inner
            .tables
            .get(resource)
            .map_or_else(Vec::new, |table| table.range(namespace).cloned().collect());
        (items, inner.revision)
    }

    /// As [`Store::list`] was at an earlier version.
    pub(crate) fn list_at(
        &self,
        resource: &ResourceId,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Value>>, TooOld> {
        let inner = self.read();
        let Some(table) = inner.tables.get(resource) else {
            return Ok(Vec::new());
        };
        table.range_at(namespace, revision)
    }

    /// Puts a new object and gives it its version.
    pub(crate) fn create(&self, resource: &ResourceId, object: Value) -> Result<Arc<Value>, Lost> {
        let key = Key::of(&object);
        self.write(resource, |revision, table| {
            if table.get(&key).is_some() {
                return Err(Lost);
            }
            let object = versioned(object, revision);
            table.put(key, revision, Arc::clone(&object));
            Ok(object)
        })
    }

    /// Replaces an object that still has the version it was read with.
    pub(crate) fn replace(
        &self,
        resource: &ResourceId,
        read: &Value,
        object: Value,
    ) -> Result<Arc<Value>, Lost> {
        let key = Key::of(read);
        self.write(resource, |revision, table| {
            table.expect(&key, object::resource_version(read))?;
            let object = versioned(object, revision);
            table.put(key, revision, Arc::clone(&object));
            Ok(object)
        })
    }

    /// Removes an object that still has the version it was read with; `object` is how it is shown
    /// to watchers for the last time.
    pub(crate) fn remove(
        &self,
        resource: &ResourceId,
        read: &Value,
        object: Value,
    ) -> Result<Arc<Value>, Lost> {
        let key = Key::of(read);
        self.write(resource, |revision, table| {
            table.expect(&key, object::resource_version(read))?;
            let object = versioned(object, revision);
            table.take(&key, revision, Arc::clone(&object));
            Ok(object)
        })
    }

    /// Ends the watches of a resource that is served no more (or differently), and forgets its
    /// objects when `forget`.
    pub(crate) fn close(&self, resource: &ResourceId, forget: bool) {
        let mut inner = self.inner_mut();
        let Inner { revision, tables } = &mut *inner;
        let Some(table) = tables.get_mut(resource) else {
            return;
        };
        if forget {
            for (key, object) in table.all() {
                *revision += 1;
                table.take(&key, *revision, versioned((*object).clone(), *revision));
            }
        }
        table.close();
    }

    /// From the state as it is (0), or from after a version.
    pub(crate) fn watch(self: &Arc<Store>, scope: Scope, from: u64) -> Watch {
        let window = self.window;
        let (changed, epoch) = {
            let mut inner = self.inner_mut();
            let revision = inner.revision;
            let table = inner
                .tables
                .entry(scope.resource.clone())
                .or_insert_with(|| Table::new(window, revision));
            (table.subscribe(), table.epoch())
        };
        Watch::new(Arc::clone(self), scope, from, changed, epoch)
    }

    fn write<T>(
        &self,
        resource: &ResourceId,
        change: impl FnOnce(u64, &mut Table) -> Result<T, Lost>,
    ) -> Result<T, Lost> {
        let mut inner = self.inner_mut();
        let next = inner.revision + 1;
        let window = self.window;
        if !inner.tables.contains_key(resource) {
            let empty = Table::new(window, inner.revision);
            inner.tables.insert(resource.clone(), empty);
        }
        let table = inner
            .tables
            .get_mut(resource)
            .expect("the table was put there above");
        let done = change(next, table)?;
        inner.revision = next;
        // After the counter, so that who wakes up sees the version that woke it.
        if let Some(table) = inner.tables.get(resource) {
            table.announce(next);
        }
        Ok(done)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // A panic while the lock was held cannot leave a map half written.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner_mut(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn versioned(mut object: Value, revision: u64) -> Arc<Value> {
    object["metadata"]["resourceVersion"] = Value::String(revision.to_string());
    Arc::new(object)
}
