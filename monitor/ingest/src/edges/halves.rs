//! Halves of edges that wait for their other half: span ids, each with a value (a workload's number,
//! and how long its end of the call took).
//!
//! As in a processor's cache: an id belongs to one of many small sets, and a newcomer takes the place
//! of the oldest in its set. So memory is bounded, nothing is ever searched for or rebuilt, and the
//! same spans in the same order are remembered and forgotten alike on every machine.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// A parent may have several children in other services that came before it.
const WAYS: usize = 4;
const SETS: usize = 8_192;

/// Up to 32,768 of them, in 0.6 MB. The oldest of each set comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Halves {
    /// Empty until there is one; then `SETS` of them.
    sets: Vec<Set>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Set {
    length: u8,
    keys: [u64; WAYS],
    places: [u64; WAYS],
}

impl Halves {
    /// Remembers `key`; true when another had to be forgotten for it.
    pub(super) fn put(&mut self, key: u64, place: u64) -> bool {
        if self.sets.is_empty() {
            self.sets = vec![Set::default(); SETS];
        }
        let set = &mut self.sets[set_of(key)];
        let length = usize::from(set.length);
        if (0..length).any(|way| set.keys[way] == key && set.places[way] == place) {
            return false;
        }
        let full = length == WAYS;
        if full {
            set.remove(0);
        }
        let end = usize::from(set.length);
        set.keys[end] = key;
        set.places[end] = place;
        set.length += 1;
        full
    }

    /// The newest one.
    pub(super) fn get(&self, key: u64) -> Option<u64> {
        let set = self.sets.get(set_of(key))?;
        let way = (0..usize::from(set.length)).rfind(|way| set.keys[*way] == key)?;
        Some(set.places[way])
    }

    /// The oldest one, which is then forgotten.
    pub(super) fn take(&mut self, key: u64) -> Option<u64> {
        let set = self.sets.get_mut(set_of(key))?;
        let way = (0..usize::from(set.length)).find(|way| set.keys[*way] == key)?;
        let place = set.places[way];
        set.remove(way);
        Some(place)
    }
}

impl Set {
    fn remove(&mut self, way: usize) {
        self.keys[way..].rotate_left(1);
        self.places[way..].rotate_left(1);
        self.length -= 1;
        // What is gone leaves no trace, so that equal contents are equal bytes.
        self.keys[usize::from(self.length)..].fill(0);
        self.places[usize::from(self.length)..].fill(0);
    }
}

/// Ids are random, but not those of a hostile sender: it can only make itself forget sooner.
fn set_of(key: u64) -> usize {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(mixed).map_or(0, |mixed| mixed % SETS)
}

/// The ids in order of sets and age: putting them back in that order restores everything.
impl Serialize for Halves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries: Vec<(u64, u64)> = self
            .sets
            .iter()
            .flat_map(|set| {
                (0..usize::from(set.length)).map(|way| (set.keys[way], set.places[way]))
            })
            .collect();
        entries.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Halves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Halves, D::Error> {
        let entries: Vec<(u64, u64)> = Vec::deserialize(deserializer)?;
        let mut halves = Halves::default();
        for (key, place) in entries {
            if halves.put(key, place) {
                return Err(D::Error::custom("more span ids than fit"));
            }
        }
        Ok(halves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flood_forgets_the_oldest_and_grows_nothing() {
        let mut halves = Halves::default();
        let forgotten = (0..1_000_000).filter(|key| halves.put(*key, 7)).count();
        let kept: usize = halves.sets.iter().map(|set| usize::from(set.length)).sum();
        assert_eq!(kept + forgotten, 1_000_000);
        assert!(kept <= SETS * WAYS);
        assert_eq!(halves.get(999_999), Some(7));
        assert_eq!(halves.get(0), None);
    }

    proptest! {
        #[test]
        fn all_children_of_a_late_parent_are_found(places in prop::collection::btree_set(any::<u64>(), 1..=WAYS)) {
            let mut halves = Halves::default();
            for place in &places {
                prop_assert!(!halves.put(11, *place));
            }
            let taken: std::collections::BTreeSet<u64> =
                std::iter::from_fn(|| halves.take(11)).collect();
            prop_assert_eq!(taken, places);
            prop_assert_eq!(halves.get(11), None);
        }

        #[test]
        fn a_snapshot_forgets_nothing(entries in prop::collection::vec((0u64..50_000, any::<u64>(), any::<bool>()), 0..2_000)) {
            let mut halves = Halves::default();
            for (key, place, take) in entries {
                if take {
                    halves.take(key);
                } else {
                    halves.put(key, place);
                }
            }
            let bytes = postcard::to_stdvec(&halves).unwrap();
            let back: Halves = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes);
            prop_assert!(back == halves || halves.sets.iter().all(|set| set.length == 0));
        }
    }
}
