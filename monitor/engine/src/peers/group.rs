//! One group of peers: what is gathered of it, and its model once there are two in it.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{Anomaly, Name, Time};
use monitor_detect::{
    Contrast, Joining, PeerCalls, PeerDetector, PeerVerdict, Sensitivity, contrast,
};
use serde::{Deserialize, Serialize};

use super::Closed;
use crate::dimensions::{Tally, middle_of};
use crate::episode::Episode;

/// A window is judged after this long with many calls of each member, …
const SHORTEST_SECS: u64 = 5;
const MANY: u64 = 20;
/// … after a minute with some, …
const MINUTE_SECS: u64 = 60;
const SOME: u64 = 8;
/// … or after ten with whoever has some.
const LONGEST_SECS: u64 = 600;
/// Whose service is this old is known: a second member joins it, and did not begin with it.
const KNOWN_AFTER: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    since: Time,
    /// The only member so far.
    first: Option<Name>,
    body: Option<Box<Body>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Body {
    /// `None` before the first window.
    model: Option<PeerDetector>,
    known: bool,
    gathered: Gathered,
    latency: Episode,
    errors: Episode,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Gathered {
    start: Option<Time>,
    held: bool,
    /// Compared within each route.
    contrasts: BTreeMap<Name, Contrast>,
    /// To be compared as a whole.
    whole: BTreeMap<Name, Tally>,
}

impl Group {
    pub(super) fn new(since: Time) -> Group {
        Group {
            since,
            first: None,
            body: None,
        }
    }

    /// Takes in the members that an Api's window shows; whether there is anything to judge.
    pub(super) fn see_members(
        &mut self,
        members: &[(Name, &Tally)],
        closed: &Closed,
        held: bool,
    ) -> bool {
        // Who is alone is remembered: whoever comes later joins a group that is known.
        for (name, _) in members {
            self.is_group(name, closed);
        }
        if members.len() < 2 {
            return false;
        }
        let calls: Vec<PeerCalls<'_>> = members.iter().map(peer_calls).collect();
        let contrasts = contrast(&calls, middle_of);
        let gathered = self.gather(closed, held);
        for ((name, _), contrast) in members.iter().zip(contrasts) {
            let sum = gathered.contrasts.entry(name.clone()).or_default();
            sum.add(&contrast);
        }
        true
    }

    /// Takes in all of a window's calls as those of one member.
    pub(super) fn see_whole(
        &mut self,
        (name, tally): (Name, &Tally),
        closed: &Closed,
        held: bool,
    ) -> bool {
        if !self.is_group(&name, closed) {
            return false;
        }
        let gathered = self.gather(closed, held);
        gathered.whole.entry(name).or_default().merge(tally);
        true
    }

    /// Whether there was ever anyone but this one.
    fn is_group(&mut self, name: &Name, closed: &Closed) -> bool {
        let first = self.first.get_or_insert_with(|| name.clone());
        if self.body.is_none() && first != name {
            self.body = Some(Box::new(self.fresh(closed)));
        }
        self.body.is_some()
    }

    fn fresh(&self, closed: &Closed) -> Body {
        Body {
            known: closed.start.since(self.since) >= KNOWN_AFTER,
            ..Body::default()
        }
    }

    fn gather(&mut self, closed: &Closed, held: bool) -> &mut Gathered {
        let fresh = self.fresh(closed);
        let body = self.body.get_or_insert_with(|| Box::new(fresh));
        let gathered = &mut body.gathered;
        gathered.start = Some(
            gathered
                .start
                .map_or(closed.start, |at| at.min(closed.start)),
        );
        gathered.held |= held;
        gathered
    }

    /// Judges slowness and failures, when enough has come.
    pub(super) fn judge(
        &mut self,
        now: Time,
        joining: Joining,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> Option<[Option<PeerVerdict>; 2]> {
        let body = self.body.as_deref_mut()?;
        let start = body.gathered.start?;
        if !body.gathered.is_complete(now.since(start).as_secs()) {
            return None;
        }
        let Gathered {
            held,
            contrasts,
            whole,
            ..
        } = std::mem::take(&mut body.gathered);
        let mut members: Vec<(Name, Contrast)> = contrasts
            .into_iter()
            .filter(|(_, contrast)| contrast.calls() >= SOME)
            .collect();
        let whole: Vec<(Name, &Tally)> = whole
            .iter()
            .filter(|(_, tally)| tally.calls >= SOME)
            .map(|(name, tally)| (name.clone(), tally))
            .collect();
        let calls: Vec<PeerCalls<'_>> = whole.iter().map(peer_calls).collect();
        let names = whole.iter().map(|(name, _)| name.clone());
        members.extend(names.zip(contrast(&calls, middle_of)));
        if members.len() < 2 {
            return None;
        }
        let known = body.known;
        let model = body
            .model
            .get_or_insert_with(|| PeerDetector::new(joining, known, sensitivity, shift_after));
        model.grant(sensitivity);
        Some(model.judge((start, now), &members, held))
    }

    pub(super) fn skip(&mut self) {
        if let Some(body) = &mut self.body {
            body.gathered = Gathered::default();
            if let Some(model) = &mut body.model {
                model.skip();
            }
        }
    }

    /// Of slowness and of failures.
    pub(super) fn episodes(&mut self) -> impl Iterator<Item = &mut Episode> {
        self.body
            .iter_mut()
            .flat_map(|body| [&mut body.latency, &mut body.errors])
    }

    pub(super) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.body
            .iter()
            .flat_map(|body| [&body.latency, &body.errors])
            .filter_map(|episode| episode.open.as_ref().map(|open| &open.anomaly))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open_anomalies().next().is_none()
            && self
                .body
                .as_ref()
                .is_none_or(|body| body.gathered.start.is_none())
    }
}

impl Gathered {
    fn is_complete(&self, seconds: u64) -> bool {
        let calls = || {
            let compared = self.contrasts.values().map(Contrast::calls);
            compared.chain(self.whole.values().map(|tally| tally.calls))
        };
        let members = calls().count() as u64;
        let all = calls().sum::<u64>();
        let each = |fewest: u64| members >= 2 && all >= fewest * members;
        // Environments come one by one: who has too few is waited for.
        let waits = self.whole.values().any(|tally| tally.calls < MANY);
        (seconds >= SHORTEST_SECS && each(MANY) && !waits)
            || (seconds >= MINUTE_SECS && each(SOME))
            || seconds >= LONGEST_SECS
    }
}

fn peer_calls<'a>((name, tally): &'a (Name, &'a Tally)) -> PeerCalls<'a> {
    PeerCalls {
        member: name,
        calls: tally.calls,
        errors: tally.errors,
        durations: tally.durations(),
    }
}
