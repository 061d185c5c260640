//! One page for each incident: which alert tells of it, and which stay quiet because it does.
//!
//! An incident's services are in trouble together, and who is paged for one of them is paged for
//! all. The page names the likeliest suspect of those that fire; if the incident gets worse than
//! the page's `severity` says, that is told once more, since critical ones may wake other people. The
//! page lasts as long as the incident. One that comes back shortly after it ended does not page
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_core::{AlertSeverity, IncidentId, Time};
use serde::{Deserialize, Serialize};

use super::GroupKey;

/// An incident that is back within this does not page again.
const QUIET_AFTER: Duration = Duration::from_secs(10 * 60);

/// What was told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    /// Whose alert it is.
    pub(super) key: GroupKey,
    pub(super) severity: AlertSeverity,
    pub(super) at: Time,
    /// When it was resolved.
    pub(super) over: Option<Time>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pages(BTreeMap<IncidentId, Page>);

impl Pages {
    /// The page that covers an alert of this severity.
    pub(super) fn covering(&self, incident: IncidentId, severity: AlertSeverity) -> Option<&Page> {
        self.0
            .get(&incident)
            .filter(|page| page.severity >= severity)
    }

    pub(super) fn is_page(&self, incident: IncidentId, key: &GroupKey) -> bool {
        self.0
            .get(&incident)
            .is_some_and(|page| page.key == *key && page.over.is_none())
    }

    pub(super) fn told(
        &mut self,
        incident: IncidentId,
        key: &GroupKey,
        severity: AlertSeverity,
        at: Time,
    ) {
        self.0.insert(
            incident,
            Page {
                key: key.clone(),
                severity,
                at,
                over: None,
            },
        );
    }

    pub(super) fn resolved(&mut self, incident: IncidentId, key: &GroupKey, at: Time) {
        if let Some(page) = self.0.get_mut(&incident)
            && page.key == *key
        {
            page.over = Some(at);
        }
    }

    /// One incident turned out to be a part of another: who was told of it knows of the other.
    pub(super) fn merge(&mut self, part: IncidentId, whole: IncidentId) {
        let Some(gone) = self.0.remove(&part) else {
            return;
        };
        match self.0.get_mut(&whole) {
            Some(known) => known.severity = known.severity.max(gone.severity),
            None => {
                self.0.insert(whole, gone);
            }
        }
    }

    /// Those of incidents that are over for long; `lasting` are not over.
    pub(super) fn forget(&mut self, now: Time, lasting: &BTreeSet<IncidentId>) {
        for (incident, page) in &mut self.0 {
            if !lasting.contains(incident) {
                page.over.get_or_insert(now);
            }
        }
        self.0
            .retain(|_, page| page.over.is_none_or(|over| now.since(over) < QUIET_AFTER));
    }

    pub(super) fn skip(&mut self, blind: Duration) {
        for page in self.0.values_mut() {
            page.over = page.over.map(|over| over + blind);
        }
    }
}
