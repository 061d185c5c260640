//! The book of changes: what was done to the platform lately, in order of time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Change, Name, Suspect, Time, Workload};
use serde::{Deserialize, Serialize};

use crate::explain::duration_text;

/// Changes kept; the earliest make room.
const MOST: usize = 10_000;
/// A change earlier than this before the latest one explains nothing any more.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// What came this long before an incident began may have caused it; so may what seems to have come
/// a little later, because clocks differ and whoever reports a change may do so when it is done.
const BEFORE: Duration = Duration::from_secs(15 * 60);
const AFTER: Duration = Duration::from_secs(60);
/// Changes shown with an incident, the nearest to its beginning first.
const SHOWN: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangeBook {
    changes: BTreeMap<(Time, Name, Name), Arc<Change>>,
    /// By source and id.
    known: BTreeMap<(Name, Name), Time>,
    /// As it is shown, until another one comes.
    #[serde(skip)]
    shown: Arc<[Arc<Change>]>,
}

impl ChangeBook {
    /// Whether it is new. O(log n), and O(n) for what is shown.
    pub(crate) fn note(&mut self, change: Change) -> bool {
        let name = (Name::clone(&change.source), Name::clone(&change.id));
        if self.known.contains_key(&name) {
            return false;
        }
        self.known.insert(name.clone(), change.at);
        self.changes
            .insert((change.at, name.0, name.1), Arc::new(change));
        self.forget_some();
        self.show();
        true
    }

    fn forget_some(&mut self) {
        let latest = self.changes.last_key_value().map(|(key, _)| key.0);
        while let Some(first) = self.changes.first_entry() {
            let old = latest.is_some_and(|latest| first.key().0 + KEPT < latest);
            if !old && self.known.len() <= MOST {
                break;
            }
            let (_, source, id) = first.remove_entry().0;
            self.known.remove(&(source, id));
        }
    }

    /// Builds what a snapshot does not hold.
    pub(crate) fn show(&mut self) {
        self.shown = self.changes.values().cloned().collect();
    }

    /// In order of time.
    pub(crate) fn all(&self) -> Arc<[Arc<Change>]> {
        Arc::clone(&self.shown)
    }

    /// Those near `began` that concern any of these, the nearest first.
    pub(crate) fn near(&self, began: Time, concerned: &[&Workload]) -> Vec<Change> {
        let mut near: Vec<&Change> = self
            .around(began)
            .filter(|change| concerned.iter().any(|workload| change.concerns(workload)))
            .collect();
        near.sort_by_key(|change| change.at.since(began) + began.since(change.at));
        near.into_iter().take(SHOWN).cloned().collect()
    }

    /// Adds to a suspect's explanation what was done to it, by name, shortly before.
    pub(crate) fn explain(&self, began: Time, suspect: &mut Suspect) {
        let latest = self
            .around(began)
            .filter(|change| change.service.is_some() && change.concerns(&suspect.workload))
            .last();
        if let Some(change) = latest {
            let when = if change.at > began {
                format!(
                    "{} after the first sign",
                    duration_text(change.at.since(began))
                )
            } else {
                format!(
                    "{} before the first sign",
                    duration_text(began.since(change.at))
                )
            };
            suspect.why.push_str(&format!("; {change}, {when}"));
        }
    }

    fn around(&self, began: Time) -> impl Iterator<Item = &Change> {
        let nobody: Name = "".into();
        let from = (began - BEFORE, Name::clone(&nobody), nobody);
        self.changes
            .range(from..)
            .map(|(_, change)| &**change)
            .take_while(move |change| change.at <= began + AFTER)
    }
}
