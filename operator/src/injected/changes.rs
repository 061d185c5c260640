//! From what a tool did to changes: one for each service and stroke, however many pods it has.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use monitor_api::Change;

use super::{FaultRecord, Occasion};
use crate::changes::{About, RECENT};

/// A tool does to one pod after another what is meant for all of them: what follows on itself
/// within this time is one change.
const STROKE: SignedDuration = SignedDuration::from_secs(60);

/// What is new in a resource. `about` says whom an occasion concerns. Of a resource that is seen for
/// the first time only what happened lately is told, and of what has no time only if it has just
/// come (`live`).
pub(crate) fn fault(
    old: Option<&FaultRecord>,
    new: &FaultRecord,
    live: bool,
    about: impl Fn(&FaultRecord, &Occasion) -> Vec<About>,
    now: Timestamp,
) -> Vec<Change> {
    let mut told = strokes(new, &about, now);
    match old {
        Some(old) if old.uid == new.uid => {
            let known = strokes(old, &about, now);
            told.retain(|id, _| !known.contains_key(id));
        }
        _ => told.retain(|_, (at, _)| match at {
            Some(at) => now.duration_since(*at) < RECENT,
            None => live,
        }),
    }
    told.into_values().map(|(_, change)| change).collect()
}

/// By their ids, which follow from the resource alone.
fn strokes(
    record: &FaultRecord,
    about: impl Fn(&FaultRecord, &Occasion) -> Vec<About>,
    now: Timestamp,
) -> BTreeMap<String, (Option<Timestamp>, Change)> {
    let mut occasions: Vec<&Occasion> = record.occasions.iter().collect();
    occasions.sort_by_key(|it| it.at);
    // The last stroke of each service.
    let mut begun: BTreeMap<(String, String, String), Timestamp> = BTreeMap::new();
    let mut strokes = BTreeMap::new();
    for occasion in occasions {
        for about in about(record, occasion) {
            let whom = format!("{}/{}", about.namespace, about.service);
            let mark = match occasion.at {
                None => occasion.mark.clone(),
                Some(at) => {
                    let place = (whom.clone(), occasion.what.clone(), occasion.mark.clone());
                    let first = begun.entry(place).or_insert(at);
                    if at.duration_since(*first) > STROKE {
                        *first = at;
                    }
                    format!("{}:{}", occasion.mark, first.as_second())
                }
            };
            let what = &occasion.what;
            let id = format!("chaos:{}:{whom}:{what}:{mark}", record.uid);
            let change = change(record, occasion, about, id.clone(), now);
            strokes.entry(id).or_insert((occasion.at, change));
        }
    }
    strokes
}

fn change(
    record: &FaultRecord,
    occasion: &Occasion,
    about: About,
    id: String,
    now: Timestamp,
) -> Change {
    let kind = record.kind;
    let action = record.action.as_ref().map(|it| format!(" ({it})"));
    let summary = format!(
        "{} {}{} {}",
        kind.name,
        record.key,
        action.unwrap_or_default(),
        occasion.what
    );
    let some = |text: String| Some(text).filter(|it| !it.is_empty());
    Change {
        id,
        at: occasion.at.unwrap_or(now).to_string(),
        kind: "chaos".to_owned(),
        namespace: some(about.namespace),
        service: some(about.service),
        environment: about.environment,
        summary,
        source: kind.tool.source().to_owned(),
        attributes: BTreeMap::new(),
    }
}
