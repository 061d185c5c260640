//! How often what has no hurry is written.
//!
//! Two lanes of one kind: numbers, which move all the time, and the monitor's coming and going,
//! which concerns every resource at the same moment. Each has its rate for all resources together;
//! numbers also have a least time between two writes of the same one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::key::Key;

/// With 1,000 resources whose numbers always move: 4 writes a second, each resource every four
/// minutes; half of what the whole operator may ask for at rest.
const NUMBERS_PER_SECOND: f64 = 4.0;
const NUMBERS_APART: SignedDuration = SignedDuration::from_secs(60);
/// A thousand resources are told within a minute that the monitor went away.
const STANDING_PER_SECOND: f64 = 20.0;
/// What may be written at once after a quiet time.
const BURST: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Numbers,
    Standing,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn new(per_second: f64, now: Timestamp) -> Bucket {
        Bucket {
            per_second,
            tokens: BURST,
            at: now,
        }
    }

    fn take(&mut self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.at = self.at.max(now);
        self.tokens = (self.tokens + passed * self.per_second).min(BURST);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    fn next(&self) -> Timestamp {
        let missing = (1.0 - self.tokens).max(0.0) / self.per_second;
        let missing = SignedDuration::try_from_secs_f64(missing + 0.001).unwrap_or_default();
        self.at.checked_add(missing).unwrap_or(self.at)
    }
}

#[derive(Debug)]
pub(crate) struct Pace {
    numbers: Bucket,
    standing: Bucket,
    waiting: BTreeMap<Key, Timestamp>,
    due: BTreeSet<(Timestamp, Key)>,
    hurried: BTreeSet<Key>,
    written: BTreeMap<Key, Timestamp>,
}

impl Pace {
    pub(crate) fn new(now: Timestamp) -> Pace {
        Pace {
            numbers: Bucket::new(NUMBERS_PER_SECOND, now),
            standing: Bucket::new(STANDING_PER_SECOND, now),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            hurried: BTreeSet::new(),
            written: BTreeMap::new(),
        }
    }

    /// It wants to be written some time.
    pub(crate) fn ask(&mut self, key: &Key, lane: Lane, now: Timestamp) {
        if lane == Lane::Standing {
            self.drop_number(key);
            self.hurried.insert(key.clone());
            return;
        }
        if self.waiting.contains_key(key) || self.hurried.contains(key) {
            return;
        }
        let last = self.written.get(key);
        let due = last.and_then(|last| last.checked_add(NUMBERS_APART).ok());
        let due = due.unwrap_or(now).max(now);
        self.waiting.insert(key.clone(), due);
        self.due.insert((due, key.clone()));
    }

    /// It is written, or there is nothing to write any more.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.drop_number(key);
        self.hurried.remove(key);
    }

    pub(crate) fn wrote(&mut self, key: &Key, now: Timestamp) {
        self.forget(key);
        self.written.insert(key.clone(), now);
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.forget(key);
        self.written.remove(key);
    }

    /// Those whose turn it is.
    pub(crate) fn release(&mut self, now: Timestamp) -> Vec<(Key, Lane)> {
        let mut released = Vec::new();
        while let Some(first) = self.hurried.first() {
            if !self.standing.take(now) {
                break;
            }
            released.push((first.clone(), Lane::Standing));
            self.hurried.pop_first();
        }
        while let Some((due, key)) = self.due.first().cloned() {
            if due > now || !self.numbers.take(now) {
                break;
            }
            self.drop_number(&key);
            released.push((key, Lane::Numbers));
        }
        released
    }

    /// When there is something to release.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let hurried = self.hurried.first().map(|_| self.standing.next());
        let number = self
            .due
            .first()
            .map(|(due, _)| (*due).max(self.numbers.next()));
        [hurried, number].into_iter().flatten().min()
    }

    fn drop_number(&mut self, key: &Key) {
        if let Some(due) = self.waiting.remove(key) {
            self.due.remove(&(due, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for all, always, for so many seconds, and counts what was released in the last half.
    fn released(resources: u32, seconds: i64, lane: Lane) -> usize {
        let start = Timestamp::UNIX_EPOCH;
        let mut pace = Pace::new(start);
        let keys: Vec<Key> = (0..resources)
            .map(|n| Key::new("n", n.to_string()))
            .collect();
        let mut count = 0;
        for tick in 0..seconds * 10 {
            let now = start + SignedDuration::from_millis(tick * 100);
            keys.iter().for_each(|key| pace.ask(key, lane, now));
            for (key, _) in pace.release(now) {
                pace.wrote(&key, now);
                count += usize::from(tick >= seconds * 5);
            }
        }
        count
    }

    #[test]
    fn a_thousand_resources_cost_four_writes_a_second() {
        assert_eq!(released(1_000, 120, Lane::Numbers) / 60, 4);
        // And ten of them one a minute each.
        assert_eq!(released(10, 240, Lane::Numbers), 20);
    }

    #[test]
    fn the_monitors_absence_is_told_within_a_minute_and_not_at_once() {
        let told = released(1_000, 60, Lane::Standing);
        assert!((590..=610).contains(&told), "{told} in half a minute");
    }

    #[test]
    fn nobody_waits_for_what_is_written_already() {
        let start = Timestamp::UNIX_EPOCH;
        let mut pace = Pace::new(start);
        let key = Key::new("n", "a");
        pace.ask(&key, Lane::Numbers, start);
        pace.wrote(&key, start);
        assert_eq!((pace.release(start), pace.next_at()), (Vec::new(), None));
        pace.ask(&key, Lane::Numbers, start);
        assert_eq!(pace.next_at(), Some(start + NUMBERS_APART));
    }
}
