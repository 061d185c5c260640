//! What is to be looked at, each thing once, and what is to be looked at later.
//!
//! A key that fails is tried again with growing delay; a key that is woken while it waits for that
//! runs at once. Time is an argument.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// One thing that one controller looks after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Which controller, by its place among them.
    pub(crate) controller: usize,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The first wait after a failure; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// As client-go's controllers do, but less: nothing here is worth waiting 16 minutes for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: VecDeque<Key>,
    waiting: HashSet<Key>,
    /// When each delayed key is due, both ways.
    due: BTreeSet<(Timestamp, Key)>,
    due_of: HashMap<Key, Timestamp>,
    failures: HashMap<Key, u32>,
}

impl Queue {
    /// Once, however often it is woken before it is looked at.
    pub(crate) fn wake(&mut self, key: Key) {
        if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// At the latest then; an earlier wish stands.
    pub(crate) fn wake_at(&mut self, key: Key, at: Timestamp) {
        match self.due_of.get(&key) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.due.remove(&(*known, key.clone()));
            }
            None => {}
        }
        self.due.insert((at, key.clone()));
        self.due_of.insert(key, at);
    }

    /// Again after a wait that grows with each failure in a row. Gives the wait.
    pub(crate) fn failed(&mut self, key: Key, now: Timestamp) -> Duration {
        let failures = self.failures.entry(key.clone()).or_default();
        let wait = FIRST_WAIT
            .saturating_mul(1 << (*failures).min(20))
            .min(LONGEST_WAIT);
        *failures += 1;
        self.wake_at(
            key,
            now + SignedDuration::try_from(wait).unwrap_or_default(),
        );
        wait
    }

    pub(crate) fn succeeded(&mut self, key: &Key) {
        self.failures.remove(key);
    }

    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Key> {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.due.pop_first() {
                self.due_of.remove(&key);
                self.wake(key);
            }
        }
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        Some(key)
    }

    /// When the next delayed key is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            controller: 0,
            resource: "pods".to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_key_is_looked_at_once_however_often_it_is_woken() {
        let mut queue = Queue::default();
        for name in ["a", "b", "a", "a"] {
            queue.wake(key(name));
        }
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(queue.next(now), Some(key("a")));
        assert_eq!(queue.next(now), Some(key("b")));
        assert_eq!(queue.next(now), None);
    }

    #[test]
    fn the_earliest_wish_for_later_stands() {
        let mut queue = Queue::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        queue.wake_at(key("a"), at(20));
        queue.wake_at(key("a"), at(10));
        queue.wake_at(key("a"), at(30));
        assert_eq!(queue.next(at(9)), None);
        assert_eq!(queue.next_due(), Some(at(10)));
        assert_eq!(queue.next(at(10)), Some(key("a")));
        assert_eq!(queue.next(at(100)), None);
    }

    #[test]
    fn failures_in_a_row_wait_longer_up_to_a_bound() {
        let mut queue = Queue::default();
        let now = Timestamp::UNIX_EPOCH;
        let waits: Vec<u128> = (0..3)
            .map(|_| queue.failed(key("a"), now).as_millis())
            .collect();
        assert_eq!(waits, [5, 10, 20]);
        for _ in 0..40 {
            queue.failed(key("a"), now);
        }
        assert_eq!(queue.failed(key("a"), now), LONGEST_WAIT);
        queue.succeeded(&key("a"));
        assert_eq!(queue.failed(key("a"), now), FIRST_WAIT);
    }
}
