//! What is to be looked at: each thing once, never twice at a time, later when it failed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// The first retry comes this long after a failure; each further one twice as long after the last.
const FIRST_RETRY: SignedDuration = SignedDuration::from_millis(500);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_mins(2);

/// Bounded by the number of things there are.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    ready: BTreeSet<(u64, T)>,
    queued: BTreeMap<T, u64>,
    running: BTreeSet<T>,
    /// Asked for while running.
    again: BTreeSet<T>,
    waiting: BTreeMap<T, Timestamp>,
    failures: BTreeMap<T, u32>,
    next: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            ready: BTreeSet::new(),
            queued: BTreeMap::new(),
            running: BTreeSet::new(),
            again: BTreeSet::new(),
            waiting: BTreeMap::new(),
            failures: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T: Ord + Clone> Queue<T> {
    /// To be looked at as soon as there is room; when it runs, once more afterwards. What failed
    /// waits on: news is no reason to try sooner what the server refuses.
    pub(crate) fn push(&mut self, item: T) {
        if self.running.contains(&item) {
            self.again.insert(item);
            return;
        }
        let queued = self.queued.contains_key(&item);
        let failed = self.failures.contains_key(&item) && self.waiting.contains_key(&item);
        if !queued && !failed {
            self.queued.insert(item.clone(), self.next);
            self.ready.insert((self.next, item));
            self.next += 1;
        }
    }

    /// To be looked at then; the earlier of two such moments holds.
    pub(crate) fn push_at(&mut self, item: T, at: Timestamp) {
        let waiting = self.waiting.entry(item).or_insert(at);
        *waiting = at.min(*waiting);
    }

    /// Moves what has waited long enough.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        let due: Vec<T> = self
            .waiting
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(item, _)| item.clone())
            .collect();
        for item in due {
            self.waiting.remove(&item);
            self.push(item);
        }
    }

    /// The one that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (_, item) = self.ready.pop_first()?;
        self.queued.remove(&item);
        Some(item)
    }

    pub(crate) fn start(&mut self, item: T) {
        self.running.insert(item);
    }

    pub(crate) fn finish(&mut self, item: &T) {
        self.failures.remove(item);
        self.running.remove(item);
        if self.again.remove(item) {
            self.push(item.clone());
        }
    }

    /// Tries again later: twice as long after each failure, and not before the server said.
    /// `jitter` from 0 to 1 keeps many from coming back at the same moment. Returns how long.
    pub(crate) fn fail(
        &mut self,
        item: &T,
        now: Timestamp,
        not_before: Option<SignedDuration>,
        jitter: f64,
    ) -> SignedDuration {
        self.running.remove(item);
        self.again.remove(item);
        let failures = self.failures.entry(item.clone()).or_insert(0);
        let doubled = FIRST_RETRY.saturating_mul(1 << (*failures).min(16));
        *failures = failures.saturating_add(1);
        let longest = doubled.min(LONGEST_RETRY);
        let wait = longest.mul_f64_at_most(0.75 + 0.5 * jitter);
        let wait = wait.max(not_before.unwrap_or(SignedDuration::ZERO));
        self.waiting
            .insert(item.clone(), now.checked_add(wait).unwrap_or(now));
        wait
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// How much waits for room.
    pub(crate) fn depth(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.values().min().copied()
    }
}

/// Scaling that cannot overflow.
trait Scaled {
    fn mul_f64_at_most(self, factor: f64) -> SignedDuration;
}

impl Scaled for SignedDuration {
    fn mul_f64_at_most(self, factor: f64) -> SignedDuration {
        let seconds = (self.as_secs_f64() * factor).clamp(0.0, 1.0e6);
        SignedDuration::try_from_secs_f64(seconds).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_looked_at_once_and_never_twice_at_a_time() {
        let mut queue = Queue::default();
        queue.push("a");
        queue.push("a");
        queue.push("b");
        assert_eq!((queue.depth(), queue.pop()), (2, Some("a")));
        queue.start("a");
        queue.push("a");
        queue.push("a");
        assert_eq!(queue.pop(), Some("b"));
        assert_eq!(queue.pop(), None);
        queue.finish(&"a");
        assert_eq!(queue.pop(), Some("a"));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_fails_comes_back_later_and_later_and_news_do_not_hurry_it() {
        let mut queue = Queue::default();
        let start = Timestamp::UNIX_EPOCH;
        let mut waits = Vec::new();
        for _ in 0..10 {
            queue.start("a");
            waits.push(queue.fail(&"a", start, None, 0.5).as_millis());
            queue.push("a");
            assert_eq!(queue.pop(), None);
        }
        assert_eq!(waits[..4], [500, 1_000, 2_000, 4_000]);
        assert_eq!(waits[9], 120_000);
        queue.wake(start + SignedDuration::from_mins(2));
        assert_eq!(queue.pop(), Some("a"));
        queue.start("a");
        queue.finish(&"a");
        queue.start("a");
        let told = SignedDuration::from_secs(7);
        assert_eq!(queue.fail(&"a", start, Some(told), 0.0), told);
    }
}
