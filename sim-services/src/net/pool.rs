//! The connections of one client to one service.
//!
//! HTTP/1 connections carry one request at a time and wait idle in between; HTTP/2 needs one
//! connection to each member.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::connection::{Http1, Http2};
use super::directory::{Listed, MemberId};

/// Connections to one member that are multiplexed; the lock is held while one is made.
pub(super) type Shared = Arc<tokio::sync::Mutex<Option<Http2>>>;

#[derive(Debug)]
pub(super) struct Pool {
    /// HTTP/1 connections, to all members together.
    limit: usize,
    open: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: Arc<[Listed]>,
    idle: BTreeMap<MemberId, Vec<Pooled>>,
    shared: BTreeMap<MemberId, Shared>,
}

/// Counted as open for as long as it lives.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) connection: Http1,
    _room: Room,
}

/// Room for one more connection.
#[derive(Debug)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Room {
    pub(super) fn filled_by(self, connection: Http1) -> Pooled {
        Pooled {
            connection,
            _room: self,
        }
    }
}

impl Pool {
    pub(super) fn new(limit: usize) -> Pool {
        Pool {
            limit,
            open: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// Lets go of connections to who is not a member any more; what is under way on them goes on.
    pub(super) fn keep_only(&self, members: &Arc<[Listed]>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&state.members, members) {
            state.members = Arc::clone(members);
            let listed = |id: &MemberId| members.iter().any(|listed| listed.id == *id);
            state.idle.retain(|id, _| listed(id));
            state.shared.retain(|id, _| listed(id));
        }
    }

    /// One that waits for a request, the last used first.
    pub(super) fn idle(&self, member: MemberId) -> Option<Pooled> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = state.idle.get_mut(&member)?;
        while let Some(pooled) = idle.pop() {
            if !pooled.connection.is_closed() {
                return Some(pooled);
            }
        }
        None
    }

    /// For another connection; an idle one to another member is closed when there are too many.
    /// Whoever asks is one of at most `limit` requests, so not all can be in use.
    pub(super) fn room(&self) -> Room {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open.load(Ordering::Acquire) >= self.limit {
            for idle in state.idle.values_mut() {
                idle.retain(|pooled| !pooled.connection.is_closed());
            }
            if self.open.load(Ordering::Acquire) >= self.limit
                && let Some(idle) = state.idle.values_mut().find(|idle| !idle.is_empty())
            {
                idle.remove(0);
            }
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        Room(Arc::clone(&self.open))
    }

    /// It waits for the next request.
    pub(super) fn give_back(&self, member: MemberId, pooled: Pooled) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = state.members.iter().any(|listed| listed.id == member);
        if listed && !pooled.connection.is_closed() {
            state.idle.entry(member).or_default().push(pooled);
        }
    }

    pub(super) fn shared(&self, member: MemberId) -> Shared {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(state.shared.entry(member).or_default())
    }
}
