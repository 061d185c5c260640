//! Gives every Api and service a small number, and says which track its data goes to.
//!
//! A place is given at first sight, in order of arrival; a track (which holds the models) is given
//! when the second is judged, in order of keys. So who gets the last free track does not depend on
//! the order in which observations arrived.

use std::hash::Hash;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de>"))]
pub(crate) struct Places<K> {
    places: Vec<Place<K>>,
    #[serde(skip, default = "FxHashMap::default")]
    index: FxHashMap<K, u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place<K> {
    key: K,
    track: Option<u32>,
}

impl<K> Default for Places<K> {
    fn default() -> Places<K> {
        Places {
            places: Vec::new(),
            index: FxHashMap::default(),
        }
    }
}

impl<K: Clone + Hash + Eq> Places<K> {
    /// The place of `key`, a new one while there are fewer than `limit`.
    pub(crate) fn place<Q>(&mut self, key: &Q, limit: usize, own: impl FnOnce() -> K) -> Option<u32>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(&place) = self.index.get(key) {
            return Some(place);
        }
        if self.places.len() >= limit {
            return None;
        }
        let place = u32::try_from(self.places.len()).ok()?;
        let key = own();
        self.places.push(Place {
            key: key.clone(),
            track: None,
        });
        self.index.insert(key, place);
        Some(place)
    }

    /// The place of `key`, if it has one.
    pub(crate) fn known<Q>(&self, key: &Q) -> Option<u32>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.index.get(key).copied()
    }

    pub(crate) fn key(&self, place: u32) -> &K {
        &self.places[place as usize].key
    }

    pub(crate) fn track(&self, place: u32) -> Option<u32> {
        self.places[place as usize].track
    }

    pub(crate) fn set_track(&mut self, place: u32, track: u32) {
        self.places[place as usize].track = Some(track);
    }

    /// Builds what a snapshot does not hold.
    pub(crate) fn reindex(&mut self) {
        self.index = (0u32..)
            .zip(&self.places)
            .map(|(place, entry)| (entry.key.clone(), place))
            .collect();
    }
}
