//! Routes that have vanished: nobody is served by them for long, and their service serves all others as before.
//!
//! The traffic detector tells of the silence within seconds. What it means shows later: when the service
//! stays as busy as it was, it is neither dead nor cut off, and callers who are turned away by mistake come back
//! sooner. So the anomaly of the silence is told once more, with what became of the rest. There is no second one.

use rustc_hash::FxHashMap;

use monitor_core::{Name, ServiceKey};

use crate::api::ApiTrack;
use crate::episode::Change;

/// A silence is looked at when it has lasted so long, and so long again.
const LASTING: i64 = 600;
const EVERY: i64 = 60;
/// Calls that the rest must have served to speak for the service.
const FEWEST: u64 = 50;
/// Of the calls before, the part that the rest must still have.
const AS_BEFORE: f64 = 0.7;
/// Routes of one service that are looked at at a time.
const MOST: usize = 64;
/// What began so shortly before the silence may have taken its place.
const OVERLAP: i64 = 600;
/// New routes that are named.
const NAMED: usize = 2;

/// A silent Api, and what the others of its service did.
struct Silence {
    track: usize,
    since: i64,
    before: u64,
    after: u64,
    new: Vec<String>,
}

/// Once a minute. O(Apis), and O(silent · all Apis) of a service, of 64 silent ones at most.
pub(crate) fn tell(second: i64, apis: &mut [ApiTrack], changes: &mut Vec<Change>) {
    let now = second.saturating_add(1);
    if now.rem_euclid(EVERY) != 0 {
        return;
    }
    let mut silent: FxHashMap<(ServiceKey, Name), Vec<Silence>> = FxHashMap::default();
    for (track, api) in apis.iter().enumerate() {
        let Some(since) = api.silent_since().filter(|since| is_due(now - since)) else {
            continue;
        };
        let key = (api.key.service.clone(), api.key.environment.clone());
        let known = silent.entry(key).or_default();
        if known.len() < MOST {
            known.push(Silence {
                track,
                since,
                before: 0,
                after: 0,
                new: Vec::new(),
            });
        }
    }
    if silent.is_empty() {
        return;
    }
    for api in apis.iter().filter(|api| api.silent_since().is_none()) {
        let key = (api.key.service.clone(), api.key.environment.clone());
        for silence in silent.get_mut(&key).into_iter().flatten() {
            let since = silence.since.div_euclid(EVERY) * EVERY;
            let after = api.calls_between(now - LASTING, now);
            if api.first_seen() >= silence.since - OVERLAP {
                if after > 0 {
                    silence.new.push(api.key.operation());
                }
                continue;
            }
            silence.before += api.calls_between(since - LASTING, since);
            silence.after += after;
        }
    }
    let mut gone: Vec<Silence> = silent.into_values().flatten().collect();
    gone.sort_by_key(|silence| silence.track);
    for silence in gone {
        let api = &mut apis[silence.track];
        if let Some(note) = note(&silence, now, &api.key.service.name) {
            changes.extend(api.remark_silence(&note));
        }
    }
}

fn is_due(lasted: i64) -> bool {
    lasted >= LASTING && lasted % LASTING < EVERY
}

/// `; the route has vanished: no calls for 10 min, while orders has served 12,480 others in as many minutes (12,211
/// before); new since then: GET /v2/orders`
fn note(silence: &Silence, now: i64, service: &str) -> Option<String> {
    let busy = silence.after as f64 >= AS_BEFORE * silence.before as f64;
    if silence.after < FEWEST || silence.before < FEWEST || !busy {
        return None;
    }
    let new = match silence.new.as_slice() {
        [] => String::new(),
        new => format!(
            "; new since then: {}",
            new[..new.len().min(NAMED)].join(", ")
        ),
    };
    Some(format!(
        "; the route has vanished: no calls for {} min, while {service} served {} others in the last {} min ({} before){new}",
        (now - silence.since) / 60,
        silence.after,
        LASTING / 60,
        silence.before,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: u64, after: u64, new: &[&str]) -> Option<String> {
        let silence = Silence {
            track: 0,
            since: 1_000,
            before,
            after,
            new: new.iter().map(|name| (*name).to_owned()).collect(),
        };
        note(&silence, 1_630, "orders")
    }

    #[test]
    fn a_service_that_serves_less_or_hardly_anything_says_nothing() {
        assert_eq!(told(1_000, 699, &[]), None);
        assert_eq!(told(49, 60, &[]), None);
        assert_eq!(told(60, 49, &[]), None);
        assert!(told(1_000, 700, &[]).is_some());
    }

    #[test]
    fn what_took_its_place_is_named() {
        let note = told(1_000, 900, &["GET /v2/a", "GET /v2/b", "GET /v2/c"]);
        let note = note.expect("the service is as busy as before");
        assert!(
            note.ends_with("; new since then: GET /v2/a, GET /v2/b"),
            "{note}"
        );
    }

    #[test]
    fn a_silence_is_looked_at_every_ten_minutes() {
        let due: Vec<i64> = (0..2_000)
            .step_by(60)
            .filter(|lasted| is_due(*lasted))
            .collect();
        assert_eq!(due, [600, 1_200, 1_800]);
        assert!(is_due(659) && !is_due(660));
    }
}
