//! Who could teach a new Api something: the same one in other environments, else other routes of its
//! service in its environment, as far as they have learned enough themselves and are well.
//!
//! Looked up when a second has new Apis, with one pass over those that are known: nothing is kept.

use std::sync::Arc;

use monitor_core::{ApiKey, Name, ServiceKey};
use monitor_detect::Kinship;
use rustc_hash::FxHashMap;

use crate::api::ApiTrack;
use crate::config::EngineConfig;

/// More do not teach more.
const MOST: usize = 16;

type Same = (ServiceKey, Name, Name);
type Siblings = (ServiceKey, Name);

#[derive(Debug, Default)]
pub(crate) struct Kin {
    same: FxHashMap<Same, Vec<u32>>,
    siblings: FxHashMap<Siblings, Vec<u32>>,
}

impl Kin {
    /// Of all that are `new`. O(new + Apis).
    pub(crate) fn of<'a>(
        new: impl Iterator<Item = &'a Arc<ApiKey>>,
        apis: &[ApiTrack],
        config: &EngineConfig,
    ) -> Kin {
        let mut kin = Kin::default();
        for key in new {
            kin.same.insert(same(key), Vec::new());
            kin.siblings.insert(siblings(key), Vec::new());
        }
        if kin.same.is_empty() {
            return kin;
        }
        for (at, track) in (0u32..).zip(apis) {
            let key = &track.key;
            let (same, siblings) = (kin.same.get_mut(&same(key)), siblings(key));
            let siblings = kin.siblings.get_mut(&siblings);
            if same.is_none() && siblings.is_none() || !track.can_teach(config) {
                continue;
            }
            for list in [same, siblings].into_iter().flatten() {
                if list.len() < MOST {
                    list.push(at);
                }
            }
        }
        kin
    }

    /// The tracks of those that `key` may borrow from, the closer kin.
    pub(crate) fn teachers(&self, key: &ApiKey) -> Option<(Kinship, &[u32])> {
        let same = self.same.get(&same(key)).map(Vec::as_slice);
        let siblings = self.siblings.get(&siblings(key)).map(Vec::as_slice);
        match (same, siblings) {
            (Some(same), _) if !same.is_empty() => Some((Kinship::Same, same)),
            (_, Some(siblings)) if !siblings.is_empty() => Some((Kinship::Sibling, siblings)),
            _ => None,
        }
    }
}

fn same(key: &ApiKey) -> Same {
    (key.service.clone(), key.method.clone(), key.route.clone())
}

fn siblings(key: &ApiKey) -> Siblings {
    (key.service.clone(), key.environment.clone())
}
