//! What all replicas of a service share: rows' locks in its databases, and clients' quotas.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::clock::Moment;
use crate::random::{Dice, Dist};
use crate::topology::Topology;

/// One for each service, given to all its replicas, also to those that replace others.
pub struct Stores {
    seed: u64,
    locks: Mutex<BTreeMap<Row, Arc<tokio::sync::Mutex<()>>>>,
    intruders: Mutex<BTreeMap<(usize, u64), Intruder>>,
    classes: Vec<Class>,
    buckets: Mutex<BTreeMap<(usize, u32), Bucket>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Of a store, by its place in the service's list.
type Row = (usize, String);

/// A row's lock; let go when dropped.
pub(super) struct RowLock<'a> {
    stores: &'a Stores,
    row: Row,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Somebody else who holds every lock for a while, pauses for as long, and comes again.
struct Intruder {
    dice: Dice,
    holds_until: Moment,
    back_at: Moment,
}

/// Of clients, with a quota.
struct Class {
    name: String,
    count: u32,
    per_second: f64,
}

/// A token bucket that holds what a second brings.
struct Bucket {
    tokens: f64,
    at: Moment,
}

impl Stores {
    pub fn new(topology: &Topology, seed: u64) -> Arc<Stores> {
        let class = |client: &crate::topology::ClientSpec| {
            Some(Class {
                name: client.name.clone(),
                count: client.count,
                per_second: client.quota_per_second?,
            })
        };
        Arc::new(Stores {
            seed,
            locks: Mutex::default(),
            intruders: Mutex::default(),
            classes: topology.clients.iter().filter_map(class).collect(),
            buckets: Mutex::default(),
        })
    }

    /// Waits for its turn, first come first served.
    pub(super) async fn lock(&self, store: usize, key: String) -> RowLock<'_> {
        let row = (store, key);
        let lock = {
            let mut locks = unpoisoned(&self.locks);
            match locks.get(&row) {
                Some(lock) => Arc::clone(lock),
                None => Arc::clone(locks.entry(row.clone()).or_default()),
            }
        };
        // Forgotten again also when the one who waits is dropped.
        let mut held = RowLock {
            stores: self,
            row,
            guard: None,
        };
        held.guard = Some(lock.lock_owned().await);
        held
    }

    /// From now on an intruder comes to `store`; does nothing when it came already.
    pub(super) fn intrude(&self, store: usize, change: u64, holds: &Dist, now: Moment) {
        unpoisoned(&self.intruders)
            .entry((store, change))
            .or_insert_with(|| {
                let mut dice = Dice::new(self.seed, &format!("intruder/{store}/{change}"));
                let (holds_until, back_at) = visit(holds, &mut dice, now);
                Intruder {
                    dice,
                    holds_until,
                    back_at,
                }
            });
    }

    /// Forgets the intruders whose change is over.
    pub(super) fn keep_intruders(&self, on: impl Fn(u64) -> bool) {
        unpoisoned(&self.intruders).retain(|(_, change), _| on(*change));
    }

    /// Until when an intruder holds all rows of `store`; none while it pauses or never came.
    pub(super) fn intruded(
        &self,
        store: usize,
        change: u64,
        holds: &Dist,
        now: Moment,
    ) -> Option<Moment> {
        let mut intruders = unpoisoned(&self.intruders);
        let intruder = intruders.get_mut(&(store, change))?;
        while intruder.back_at <= now {
            (intruder.holds_until, intruder.back_at) =
                visit(holds, &mut intruder.dice, intruder.back_at);
        }
        (now < intruder.holds_until).then_some(intruder.holds_until)
    }

    /// Takes one request of the client's quota; false when there is none left. Clients without
    /// a quota may always.
    pub(super) fn within_quota(&self, client: &str, now: Moment) -> bool {
        let Some((name, number)) = client.rsplit_once('-') else {
            return true;
        };
        let Ok(number) = number.parse::<u32>() else {
            return true;
        };
        let known = |class: &Class| class.name == name && number <= class.count;
        let Some(place) = self.classes.iter().position(known) else {
            return true;
        };
        let per_second = self.classes[place].per_second;
        let full = per_second.max(1.0);
        let mut buckets = unpoisoned(&self.buckets);
        let bucket = buckets.entry((place, number)).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let came = now.since(bucket.at).as_secs_f64() * per_second;
        bucket.tokens = (bucket.tokens + came).min(full);
        bucket.at = now;
        let may = bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }
}

/// Until when it holds, and when it is back.
fn visit(holds: &Dist, dice: &mut Dice, from: Moment) -> (Moment, Moment) {
    let length = holds.sample(dice).max(Duration::from_millis(1));
    (from + length, from + length + length)
}

impl Drop for RowLock<'_> {
    fn drop(&mut self) {
        let mut locks = unpoisoned(&self.stores.locks);
        self.guard = None;
        if locks
            .get(&self.row)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.row);
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> Arc<Stores> {
        Stores::new(&Topology::shop(), 1)
    }

    fn at(millis: i64) -> Moment {
        Moment(millis * 1_000_000)
    }

    #[tokio::test]
    async fn locks_that_nobody_wants_are_forgotten() {
        let stores = stores();
        let first = stores.lock(0, "a".into()).await;
        let waiting = stores.lock(0, "a".into());
        let second = async {
            drop(first);
            1
        };
        let (held, _) = tokio::join!(waiting, second);
        assert_eq!(unpoisoned(&stores.locks).len(), 1);
        drop(held);
        assert!(unpoisoned(&stores.locks).is_empty());
    }

    #[test]
    fn an_intruder_holds_and_pauses_alike() {
        let stores = stores();
        let holds = Dist::Constant {
            constant: Duration::from_millis(100),
        };
        assert_eq!(stores.intruded(0, 7, &holds, at(0)), None);
        stores.intrude(0, 7, &holds, at(0));
        let until = |now| stores.intruded(0, 7, &holds, at(now));
        assert_eq!(until(0), Some(at(100)));
        assert_eq!(until(99), Some(at(100)));
        assert_eq!(until(100), None);
        assert_eq!(until(250), Some(at(300)));
        assert_eq!(until(1350), None);
        stores.keep_intruders(|_| false);
        assert_eq!(until(1450), None);
    }

    #[test]
    fn a_quota_is_a_second_at_once_and_its_rate_after_that() {
        let stores = stores();
        let granted = |client, millis| {
            (0..1000)
                .filter(|_| stores.within_quota(client, at(millis)))
                .count()
        };
        assert_eq!(granted("partners-3", 0), 40);
        assert_eq!(granted("partners-3", 500), 20);
        assert_eq!(granted("partners-2", 500), 40);
        assert_eq!(granted("browsers-17", 0), 1000);
        assert_eq!(granted("somebody", 0), 1000);
    }
}
