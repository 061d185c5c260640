//! Why a workload is suspected, in words.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{Time, Workload};

use super::{Blame, Finding, Reason, SAME_TIME, Scene, Trouble, Troubles};
use crate::explain::duration_text;
use crate::flow::Level;

/// Callers named in a sentence.
const NAMED: usize = 3;

/// Short names of the workloads that a sentence may speak of.
#[derive(Debug)]
pub(super) struct Names<'a> {
    scene: Scene<'a>,
    troubles: &'a Troubles<'a>,
    members: &'a BTreeSet<&'a Workload>,
    /// Services by name that are there in more than one namespace or environment.
    ambiguous: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(
        scene: Scene<'a>,
        troubles: &'a Troubles<'a>,
        members: &'a BTreeSet<&'a Workload>,
    ) -> Names<'a> {
        let mut known: BTreeMap<&str, &Workload> = BTreeMap::new();
        let mut ambiguous = BTreeSet::new();
        let around = troubles.keys().copied().chain(scene.vitals.keys());
        for workload in around {
            let name: &str = &workload.service.name;
            if known
                .insert(name, workload)
                .is_some_and(|other| other != workload)
            {
                ambiguous.insert(name);
            }
        }
        Names {
            scene,
            troubles,
            members,
            ambiguous,
        }
    }

    fn of_one(&self, workload: &Workload) -> String {
        if self.ambiguous.contains(&*workload.service.name) {
            workload.to_string()
        } else {
            workload.service.name.to_string()
        }
    }

    /// `payments`, `payments and checkout`, `payments, checkout and 4 more`
    fn several<'w>(&self, workloads: impl Iterator<Item = &'w Workload>) -> String {
        let names: Vec<String> = workloads.map(|workload| self.of_one(workload)).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [rest @ .., last] if names.len() <= NAMED => {
                format!("{} and {last}", rest.join(", "))
            }
            all => {
                let shown = &all[..NAMED - 1];
                format!("{} and {} more", shown.join(", "), all.len() - shown.len())
            }
        }
    }

    pub(super) fn why(&self, finding: &Finding<'_>) -> String {
        let mut parts: Vec<String> = finding
            .blame
            .as_ref()
            .map(|blame| self.blame(blame))
            .unwrap_or_default();
        let rest = self.around(finding);
        if !rest.is_empty() {
            parts.push(rest);
        }
        parts.join("; ")
    }

    /// What calls show, with numbers.
    fn blame(&self, blame: &Blame<'_>) -> Vec<String> {
        let mut parts = Vec::new();
        if let Some(own) = blame.own {
            if own.own.rise() > 0.0 {
                let stores = own.stores.rise() >= 0.6 * own.own.rise();
                parts.push(format!(
                    "its own time for a call rose {}from {} to {}, waiting for other services not counted{}",
                    times(own.own),
                    seconds(own.own.usual),
                    seconds(own.own.now),
                    if stores { ", most of it at its database" } else { "" }
                ));
            }
            if blame.failures - blame.lost > 0.0 && own.own_bad.now > own.own_bad.usual {
                parts.push(format!(
                    "{:.1} calls a second fail in it that nothing it calls had failed",
                    own.own_bad.now
                ));
            }
        }
        if let Some((callee, lost)) = blame.given_up {
            parts.push(format!(
                "it gives up {lost:.1} calls a second to {}, which answers others as usual",
                self.of_one(callee)
            ));
        }
        if blame.lost > 0.0 {
            parts.push(format!(
                "{:.1} calls a second of {} are lost on the way to where they should be answered",
                blame.lost,
                self.several(blame.losers.iter().copied())
            ));
        }
        if let Some(wire) = blame.wire {
            parts.push(format!(
                "between both ends of a call {} pass instead of {}",
                seconds(wire.now),
                seconds(wire.usual)
            ));
        }
        if let Some(answers) = blame.answers {
            parts.push(format!(
                "callers wait {} for an answer instead of {}",
                seconds(answers.now),
                seconds(answers.usual)
            ));
        }
        if let Some(load) = blame.load {
            parts.push(format!(
                "its clients call it {:.1} times a second instead of {:.1}",
                load.now, load.usual
            ));
        }
        if blame.share > 0.0 {
            parts.push(format!(
                "{:.0} % of all delay and failures began here",
                blame.share * 100.0
            ));
        }
        parts
    }

    /// What is known beside.
    fn around(&self, finding: &Finding<'_>) -> String {
        let workload = finding.workload;
        let (cause, dependants, others) = match finding.reason {
            Reason::Trouble {
                cause,
                dependants,
                others,
            } => (cause, dependants, others),
            Reason::Calls => return String::new(),
            Reason::Complains => {
                let callers = self.scene.topology.callers(workload);
                return format!(
                    "logs more errors than usual, and is called by {}",
                    self.several(callers.filter(|caller| self.members.contains(caller)))
                );
            }
            Reason::CannotBeJudged => {
                return format!(
                    "too little is known of it to judge it, and all that call it are in trouble: {}",
                    self.several(self.scene.topology.callers(workload))
                );
            }
        };
        let Some(trouble) = self.troubles.get(workload) else {
            return String::new();
        };
        let mut parts = Vec::new();
        if trouble.is_mistimed() {
            parts.push("its records bear wrong times".to_owned());
        }
        if let Some(since) = trouble.silent_since {
            parts.push(self.silence(workload, since));
        }
        match cause {
            Some(cause) => {
                parts.push(format!("changed at {}", clock(trouble.began)));
                parts.push(self.explanation(workload, trouble, cause));
            }
            None if trouble.signs.is_empty() => {}
            None => {
                parts.push(self.order(workload, trouble));
                parts.push(self.depth(workload));
            }
        }
        if let Some((dimension, value)) = trouble
            .signs
            .iter()
            .find_map(|sign| sign.confined_to.as_ref())
        {
            parts.push(format!("nearly all of it is of {dimension} {value}"));
        }
        if cause.is_none() && others > 0 && dependants > 0 {
            parts.push(format!("{dependants} of {others} others depend on it"));
        }
        parts.join("; ")
    }

    fn silence(&self, workload: &Workload, since: Time) -> String {
        let callers: Vec<&Workload> = self
            .scene
            .topology
            .callers(workload)
            .filter(|caller| self.troubles.contains_key(caller))
            .collect();
        let said = format!("nothing came from it since {}", clock(since));
        match callers.len() {
            0 => said,
            1 => format!(
                "{said}, while {}, which calls it, is in trouble",
                self.several(callers.into_iter())
            ),
            _ => format!(
                "{said}, while {}, which call it, are in trouble",
                self.several(callers.into_iter())
            ),
        }
    }

    /// `changed first, at 10:05:12, 4 s before payments`
    fn order(&self, workload: &Workload, trouble: &Trouble<'_>) -> String {
        let at = clock(trouble.began);
        let first = self
            .troubles
            .iter()
            .filter(|(other, _)| **other != workload)
            .map(|(other, trouble)| (trouble.began, *other))
            .min();
        let Some((first, other)) = first else {
            return format!("changed at {at}");
        };
        let other = self.of_one(other);
        if first > trouble.began {
            format!(
                "changed first, at {at}, {} before {other}",
                duration_text(first.since(trouble.began))
            )
        } else if trouble.began.since(first) <= SAME_TIME {
            format!("changed at {at}, together with {other}")
        } else {
            format!(
                "changed at {at}, {} after {other}",
                duration_text(trouble.began.since(first))
            )
        }
    }

    fn depth(&self, workload: &Workload) -> String {
        let mut callees = self.scene.topology.callees(workload).peekable();
        if callees.peek().is_none() {
            return "it calls nobody that we know of".to_owned();
        }
        let (starved, troubled): (Vec<&Workload>, Vec<&Workload>) = callees
            .filter(|callee| self.troubles.contains_key(callee))
            .partition(|callee| self.troubles[callee].is_load_alone());
        if !troubled.is_empty() {
            return "nothing it calls was unusual before it".to_owned();
        }
        match starved.as_slice() {
            [] => "nothing it calls is unusual".to_owned(),
            [_] => format!(
                "{}, which it calls, only has another load",
                self.several(starved.into_iter())
            ),
            _ => format!(
                "{}, which it calls, only have another load",
                self.several(starved.into_iter())
            ),
        }
    }

    fn explanation(&self, workload: &Workload, trouble: &Trouble<'_>, cause: &Workload) -> String {
        let began = self.troubles[cause].began;
        let when = match began.cmp(&trouble.began) {
            Ordering::Less => format!("{} before it", duration_text(trouble.began.since(began))),
            Ordering::Equal => "at the same time".to_owned(),
            Ordering::Greater => format!("{} after it", duration_text(began.since(trouble.began))),
        };
        let relation = if self.scene.topology.last_seen(workload, cause).is_some() {
            "it calls"
        } else {
            "it is called by"
        };
        format!("{relation} {}, which changed {when}", self.of_one(cause))
    }
}

/// The time of day in UTC, to the second: an incident is of today.
fn clock(time: Time) -> String {
    let text = time.to_string();
    text.get(11..19).map_or(text.clone(), str::to_owned)
}

/// `8.1×, `; nothing when there is nothing to divide by.
fn times(level: Level) -> String {
    if level.usual > 0.0 {
        format!("{:.1}×, ", level.ratio())
    } else {
        String::new()
    }
}

/// `31 ms`, `1.2 s`
fn seconds(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.01 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{:.1} ms", seconds * 1e3)
    }
}
