//! What a person wants to be told of a `MonitoredApi` as Events: from one status to the next.
//!
//! A transition is in the status before it is told, so that nothing is told twice, whoever writes
//! the status and however often it starts anew. What goes to and fro is told again only after a
//! while.

use std::collections::BTreeMap;

use crds::MonitoredApiStatus;
use jiff::{SignedDuration, Timestamp};

use crate::conditions::{find, holds};

/// The same of the same resource is not told more often than this.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// Remembered at most; the oldest are forgotten first, and may then be told again.
const REMEMBERED: usize = 8_192;
/// Longest note that Kubernetes takes, in bytes.
const LONGEST_NOTE: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `PascalCase`
    pub reason: &'static str,
    pub note: String,
    pub warning: bool,
    /// What was done when it was found.
    pub action: &'static str,
}

impl Notice {
    fn new(reason: &'static str, warning: bool, note: impl Into<String>) -> Notice {
        let mut note: String = note.into();
        if note.len() > LONGEST_NOTE {
            let mut end = LONGEST_NOTE - '…'.len_utf8();
            while !note.is_char_boundary(end) {
                end -= 1;
            }
            note.truncate(end);
            note.push('…');
        }
        Notice {
            reason,
            note,
            warning,
            action: "Watch",
        }
    }
}

pub(crate) fn notices(old: &MonitoredApiStatus, new: &MonitoredApiStatus) -> Vec<Notice> {
    let mut notices = Vec::new();
    let began = |type_: &str| holds(&new.conditions, type_) && !holds(&old.conditions, type_);
    let ended = |type_: &str| holds(&old.conditions, type_) && !holds(&new.conditions, type_);
    let message = |type_: &str| {
        let condition = find(&new.conditions, type_);
        condition.map(|it| it.message.clone()).unwrap_or_default()
    };
    if began("LogsFlowing") && old.first_log.is_none() {
        let service = new.service.as_ref();
        let name = service.map_or("it", |service| &service.name);
        let environment = new.environment.as_deref().unwrap_or("unknown");
        let note = format!("log lines of {name} in {environment} arrive at the monitor");
        notices.push(Notice::new("ApiDiscovered", false, note));
    }
    let unknown =
        |conditions| find(conditions, "Parsed").is_some_and(|it| it.reason == "FormatUnknown");
    if unknown(&new.conditions) && !unknown(&old.conditions) {
        notices.push(Notice::new("LogFormatUnknown", true, message("Parsed")));
    }
    if began("BaselineReady") {
        notices.push(Notice::new(
            "BaselineReady",
            false,
            message("BaselineReady"),
        ));
    }
    if began("Anomalous") {
        notices.push(Notice::new("AnomalyDetected", true, message("Anomalous")));
    }
    if began("AtRisk") {
        notices.push(Notice::new("ObjectiveAtRisk", true, message("AtRisk")));
    }
    if began("Silent") {
        notices.push(Notice::new("Silent", true, message("Silent")));
    }
    for incident in new.incidents.iter().filter(|it| it.root_cause) {
        let known = old
            .incidents
            .iter()
            .any(|it| it.id == incident.id && it.root_cause);
        if !known {
            let note = format!("incident {}: {}", incident.id, incident.summary);
            notices.push(Notice::new("RootCauseIdentified", true, note));
        }
    }
    let calm = |conditions| {
        let troubles = ["Anomalous", "AtRisk", "Silent"];
        !troubles.iter().any(|type_| holds(conditions, type_))
    };
    let was_troubled = ["Anomalous", "AtRisk", "Silent"]
        .iter()
        .any(|type_| ended(type_));
    if was_troubled && calm(&new.conditions) {
        notices.push(Notice::new(
            "Recovered",
            false,
            "it is as it usually is again",
        ));
    }
    notices
}

/// Keeps what goes to and fro from being told each time.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    told: BTreeMap<(String, &'static str, String), Timestamp>,
}

impl Memory {
    /// Whether this is to be told of the object with this uid. An incident is a thing of its own,
    /// however soon it follows another.
    pub(crate) fn is_news(&mut self, uid: &str, notice: &Notice, now: Timestamp) -> bool {
        let what = match notice.reason {
            "RootCauseIdentified" => notice.note.clone(),
            _ => String::new(),
        };
        let recent = |at: Timestamp| now.duration_since(at) < QUIET;
        let key = (uid.to_owned(), notice.reason, what);
        if self.told.get(&key).is_some_and(|at| recent(*at)) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, at| recent(*at));
        }
        if self.told.len() >= REMEMBERED {
            let oldest = self.told.iter().min_by_key(|(_, at)| **at);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.told.remove(&key);
            }
        }
        self.told.insert(key, now);
        true
    }
}
