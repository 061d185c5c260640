//! So many at once, the others in line, first come first served: workers and connections.
//!
//! A tokio semaphore whose size can change while permits are out: what cannot be taken away at
//! once is owed, and paid by those who come back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

#[derive(Debug)]
pub(super) struct Limit {
    permits: Semaphore,
    size: Mutex<Size>,
    busy: AtomicU32,
    waiting: AtomicU32,
}

#[derive(Debug)]
struct Size {
    now: u32,
    /// Permits to be kept back when they return.
    owed: u32,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    limit: &'a Limit,
    permit: Option<SemaphorePermit<'a>>,
}

impl Limit {
    pub(super) fn new(size: u32) -> Limit {
        Limit {
            permits: Semaphore::new(size as usize),
            size: Mutex::new(Size { now: size, owed: 0 }),
            busy: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// Those who hold one keep it, also when that is more than the new size.
    pub(super) fn resize(&self, to: u32) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if to > size.now {
            let more = to - size.now;
            let paid = more.min(size.owed);
            size.owed -= paid;
            self.permits.add_permits((more - paid) as usize);
        } else {
            let fewer = size.now - to;
            let gone = self.permits.forget_permits(fewer as usize);
            size.owed += fewer - u32::try_from(gone).unwrap_or(fewer);
        }
        size.now = to;
    }

    pub(super) fn size(&self) -> u32 {
        self.size.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    pub(super) fn busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// None when it would have to wait and `line` are waiting already.
    pub(super) async fn enter(&self, line: u32) -> Option<Held<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(self.held(permit));
        }
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                (waiting < line).then_some(waiting + 1)
            })
            .ok()?;
        let _place = InLine(&self.waiting);
        let permit = self.permits.acquire().await.ok()?;
        Some(self.held(permit))
    }

    fn held<'a>(&'a self, permit: SemaphorePermit<'a>) -> Held<'a> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Held {
            limit: self,
            permit: Some(permit),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut size = self
            .limit
            .size
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.limit.busy.fetch_sub(1, Ordering::Relaxed);
        if let Some(permit) = self.permit.take()
            && size.owed > 0
        {
            size.owed -= 1;
            permit.forget();
        }
    }
}

/// Leaves the line also when the one who waits gives up.
struct InLine<'a>(&'a AtomicU32);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_smaller_size_is_reached_as_permits_come_back() {
        let limit = Limit::new(3);
        let held = [limit.enter(0).await, limit.enter(0).await];
        limit.resize(1);
        assert_eq!((limit.size(), limit.busy()), (1, 2));
        assert!(limit.enter(0).await.is_none());
        let [first, second] = held;
        drop(first);
        assert!(limit.enter(0).await.is_none(), "one is still out");
        drop(second);
        let only = limit.enter(0).await;
        assert!(only.is_some());
        assert!(limit.enter(0).await.is_none());
        limit.resize(2);
        assert!(limit.enter(0).await.is_some());
    }

    #[tokio::test]
    async fn growing_pays_what_was_owed_first() {
        let limit = Limit::new(2);
        let held = [limit.enter(0).await, limit.enter(0).await];
        limit.resize(0);
        limit.resize(2);
        drop(held);
        let again = [limit.enter(0).await, limit.enter(0).await];
        assert!(again.iter().all(Option::is_some));
        assert!(limit.enter(0).await.is_none());
    }
}
