//! What people say of types: what they are called, and which of them are one.
//!
//! Types are counted as they were found; only readers see them otherwise. So whatever was said can
//! be taken back, and nothing that was learned is lost by it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use monitor_core::{JourneyTypeId, JourneyWish, Name};

use super::Journeys;
use super::kinds::Kind;

/// Types that are parts of one another, followed so far.
const DEEPEST: usize = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    names: BTreeMap<JourneyTypeId, Name>,
    same_as: BTreeMap<JourneyTypeId, JourneyTypeId>,
}

impl Wishes {
    /// Of what is said of one type, the later holds.
    pub(super) fn new(wishes: &[JourneyWish]) -> Wishes {
        let mut all = Wishes::default();
        for wish in wishes {
            if let Some(name) = &wish.name {
                all.names.insert(wish.id, name.clone());
            }
            if let Some(other) = wish.same_as {
                all.same_as.insert(wish.id, other);
            }
        }
        all
    }

    pub(super) fn name(&self, id: JourneyTypeId) -> Option<&Name> {
        self.names.get(&id)
    }
}

impl Journeys {
    /// The type that one is shown as: itself, unless it is a part of another that is known.
    pub(super) fn shown(&self, id: JourneyTypeId) -> JourneyTypeId {
        let mut at = id;
        for _ in 0..DEEPEST {
            match self.wishes.same_as.get(&at) {
                // Round in a circle: nothing is a part of anything.
                Some(next) if *next == id => return id,
                Some(next) if self.kinds.has(*next) => at = *next,
                _ => return at,
            }
        }
        id
    }

    /// The types as readers see them. O(types).
    pub(super) fn types(&self) -> Vec<Cow<'_, Kind>> {
        let mut shown: Vec<Cow<'_, Kind>> = Vec::with_capacity(self.kinds.kinds.len());
        let mut parts = Vec::new();
        for kind in &self.kinds.kinds {
            let id = self.shown(kind.id);
            if id == kind.id {
                shown.push(Cow::Borrowed(kind));
            } else {
                parts.push((id, kind));
            }
        }
        for (id, part) in parts {
            if let Some(whole) = shown.iter_mut().find(|kind| kind.id == id) {
                whole.to_mut().absorb(part);
            }
        }
        shown
    }
}
