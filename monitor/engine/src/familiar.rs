//! What somebody has been seen to use, and when something else becomes a part of it.
//!
//! The window in which a change begins may hold only a little of the new at its end, too little to be
//! told. So what is strange is not the usual for having been seen once, but for having been seen again
//! and again without anything coming of it.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

/// The most that is remembered of one; the rest counts as familiar.
const MOST: usize = 32;
/// For so long, and never so long apart, something must have been seen to become familiar.
const NEWS: Duration = Duration::from_secs(60);

/// O(log n) to ask; n is at most 32, and mostly two.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Familiar<K> {
    /// In order.
    known: Vec<K>,
    /// Others: since when they have been seen, and when last.
    new: Vec<(K, Time, Time)>,
}

impl<K> Default for Familiar<K> {
    fn default() -> Familiar<K> {
        Familiar {
            known: Vec::new(),
            new: Vec::new(),
        }
    }
}

impl<K: Ord + Clone> Familiar<K> {
    /// Nothing is strange to those who know nothing, or too much to remember.
    pub(crate) fn is_strange(&self, what: &K) -> bool {
        !self.known.is_empty() && self.known.len() < MOST && self.known.binary_search(what).is_err()
    }

    /// It was seen, and is familiar `at_once` or after a while.
    pub(crate) fn see(&mut self, what: &K, now: Time, at_once: bool) {
        let place = match self.known.binary_search(what) {
            Err(place) if self.known.len() < MOST => place,
            _ => return,
        };
        self.new.retain(|(_, _, last)| now.since(*last) < NEWS);
        let before = self.new.iter().position(|(new, ..)| new == what);
        let first = before.map_or(now, |at| self.new[at].1);
        if at_once || now.since(first) >= NEWS {
            if let Some(at) = before {
                self.new.swap_remove(at);
            }
            self.known.insert(place, what.clone());
        } else if let Some(at) = before {
            self.new[at].2 = now;
        } else if self.new.len() < MOST {
            self.new.push((what.clone(), now, now));
        }
    }

    /// Something is the matter: what is strange now is not on its way to be the usual.
    pub(crate) fn doubt(&mut self) {
        self.new = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(familiar: &mut Familiar<u8>, seconds: impl Iterator<Item = i64>) {
        for second in seconds {
            familiar.see(&2, Time::from_secs(second), false);
        }
    }

    fn knows_one() -> Familiar<u8> {
        let mut familiar = Familiar::default();
        assert!(!familiar.is_strange(&2));
        familiar.see(&1, Time::EPOCH, true);
        assert!(familiar.is_strange(&2));
        familiar
    }

    #[test]
    fn what_is_seen_for_a_minute_is_familiar() {
        let mut familiar = knows_one();
        see(&mut familiar, (0..60).step_by(10));
        assert!(familiar.is_strange(&2));
        see(&mut familiar, 60..61);
        assert!(!familiar.is_strange(&2));
    }

    #[test]
    fn what_is_seen_now_and_then_or_in_doubt_stays_strange() {
        let mut familiar = knows_one();
        see(&mut familiar, (0..6_000).step_by(61));
        assert!(familiar.is_strange(&2));
        see(&mut familiar, 7_000..7_050);
        familiar.doubt();
        see(&mut familiar, 7_050..7_100);
        assert!(familiar.is_strange(&2));
    }

    #[test]
    fn there_is_a_limit_to_what_is_remembered() {
        let mut familiar = Familiar::default();
        for what in 0..=u8::MAX {
            familiar.see(&what, Time::EPOCH, true);
        }
        assert!(!familiar.is_strange(&u8::MAX));
        assert_eq!(familiar.known.len(), MOST);
    }
}
