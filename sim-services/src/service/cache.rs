//! A cache of one replica: entries with an age limit, the least recently used leaves first.
//!
//! Only what is in it matters, not what it holds. Nothing keeps two requests from looking for the
//! same missing entry at once, so a stampede is real.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::change::Touch;
use crate::clock::Moment;
use crate::topology::CacheSpec;

#[derive(Debug)]
pub(super) struct Cache {
    spec: CacheSpec,
    /// Never iterated: its order is chance.
    entries: HashMap<Arc<str>, Entry>,
    /// By last use.
    order: BTreeMap<u64, Arc<str>>,
    uses: u64,
    /// What a flush took away and would still be there, and which flush it was.
    flushed: HashMap<Arc<str>, Moment>,
    flush: Option<Arc<Touch>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Moment,
    used: u64,
}

impl Cache {
    pub(super) fn new(spec: CacheSpec) -> Cache {
        Cache {
            spec,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            flushed: HashMap::new(),
            flush: None,
        }
    }

    /// Whether it is there.
    pub(super) fn look(&mut self, key: &str, now: Moment) -> bool {
        self.uses += 1;
        let Some(entry) = self.entries.get_mut(key) else {
            self.blame(key, now);
            return false;
        };
        let Some(name) = self.order.remove(&entry.used) else {
            return false;
        };
        if entry.until <= now {
            self.entries.remove(key);
            return false;
        }
        entry.used = self.uses;
        self.order.insert(self.uses, name);
        true
    }

    pub(super) fn keep(&mut self, key: &str, now: Moment) {
        self.uses += 1;
        self.flushed.remove(key);
        let key: Arc<str> = key.into();
        let entry = Entry {
            until: now + self.spec.ttl,
            used: self.uses,
        };
        if let Some(old) = self.entries.insert(Arc::clone(&key), entry) {
            self.order.remove(&old.used);
        }
        self.order.insert(self.uses, key);
        while self.entries.len() > self.spec.entries {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.entries.remove(&oldest);
        }
    }

    /// Look-ups that miss because of it are marked in `touch`.
    pub(super) fn flush(&mut self, touch: &Arc<Touch>) {
        self.order.clear();
        let entries = std::mem::take(&mut self.entries);
        self.flushed = entries
            .into_iter()
            .map(|(key, entry)| (key, entry.until))
            .collect();
        self.flush = Some(Arc::clone(touch));
    }

    fn blame(&self, key: &str, now: Moment) {
        if let Some(touch) = &self.flush
            && self.flushed.get(key).is_some_and(|until| *until > now)
        {
            touch.mark(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cache(entries: usize) -> Cache {
        Cache::new(CacheSpec {
            entries,
            ttl: Duration::from_secs(10),
        })
    }

    fn at(secs: i64) -> Moment {
        Moment::from_secs(secs)
    }

    #[test]
    fn entries_grow_old() {
        let mut cache = cache(10);
        assert!(!cache.look("a", at(0)));
        cache.keep("a", at(0));
        assert!(cache.look("a", at(9)));
        assert!(!cache.look("a", at(10)));
        assert!(cache.entries.is_empty() && cache.order.is_empty());
    }

    #[test]
    fn the_least_recently_used_leaves_first() {
        let mut cache = cache(2);
        cache.keep("a", at(0));
        cache.keep("b", at(0));
        assert!(cache.look("a", at(1)));
        cache.keep("c", at(1));
        assert!(!cache.look("b", at(1)));
        assert!(cache.look("a", at(1)) && cache.look("c", at(1)));
        assert_eq!(cache.order.len(), 2);
    }

    #[test]
    fn a_flush_is_blamed_for_what_it_took_and_no_more() {
        let mut cache = cache(10);
        let touch = Arc::new(Touch::default());
        cache.keep("a", at(0));
        cache.flush(&touch);
        assert!(!cache.look("a", at(1)) && !cache.look("a", at(1)));
        assert!(!cache.look("never there", at(1)));
        assert_eq!(touch.count(), 2);
        cache.keep("a", at(2));
        assert!(cache.look("a", at(3)));
        assert!(!cache.look("a", at(12)), "too old by itself");
        assert_eq!(touch.count(), 2);
    }
}
