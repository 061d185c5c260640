//! Which fault a statement is about, told from when and where it was said.
//!
//! A fault's window is from its first effect until a while after its end ([`Rules::settle`]), but
//! not into what comes next. Of risks it is from its start: they are to be stated before there is an
//! effect. A statement belongs to one fault at most. Where windows overlap it is
//! a fault at whose symptoms it was said; of several first one that is real, then the latest to set
//! in, as it is the news. An incident, which has many services, rather goes where its cause is.

use crate::clock::Moment;
use crate::truth::{FaultTruth, Suspect, Timeline};

use super::rules::Rules;

#[derive(Debug)]
pub(super) struct Windows<'a> {
    /// By start, then id.
    pub(super) all: Vec<Window<'a>>,
}

#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) fault: &'a FaultTruth,
    pub(super) standing: Standing,
    /// Of the first effect.
    pub(super) from: Moment,
    /// Until then what is said is in time.
    pub(super) in_time: Moment,
    /// The last moment of it.
    pub(super) to: Moment,
}

/// Ordered by who is first to get a statement that could be about several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It was to do something and did nothing.
    Idle,
    /// It began while the watcher was learning, or after the end.
    NotJudged,
    Benign,
    Real,
}

/// What a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belongs {
    /// Of the window.
    pub(super) to: usize,
    /// It was said of a service where the fault shows.
    pub(super) at_symptom: bool,
}

impl<'a> Windows<'a> {
    pub(super) fn new(timeline: &'a Timeline, rules: &Rules) -> Windows<'a> {
        let mut faults: Vec<&FaultTruth> = timeline.faults.iter().collect();
        faults.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        let mut all: Vec<Window<'_>> = faults
            .into_iter()
            .map(|fault| {
                let from = fault.first_affected.unwrap_or(fault.started);
                let ended = fault.ended.max(from);
                Window {
                    fault,
                    standing: standing(fault, from, timeline),
                    from,
                    in_time: ended + rules.grace,
                    to: ended + rules.settle.max(rules.grace),
                }
            })
            .collect();
        // What did nothing does not cut short what is still being said of the fault before it.
        let starts: Vec<Moment> = all
            .iter()
            .filter(|window| window.standing != Standing::Idle)
            .map(|window| window.from)
            .collect();
        for window in &mut all {
            let ended = window.fault.ended.max(window.from);
            let next = starts
                .iter()
                .filter(|&&start| start >= ended && start > window.from)
                .min();
            if let Some(next) = next {
                let before = next.shifted(-1).max(ended);
                window.to = window.to.min(before);
                window.in_time = window.in_time.min(before);
            }
        }
        Windows { all }
    }

    /// None when no fault's window holds `at`.
    pub(super) fn of(&self, at: Moment, services: &[&str]) -> Option<Belongs> {
        self.among(services, |window| window.holds(at))
    }

    /// The same of a risk: what begins to grow can be foreseen before anybody is affected.
    pub(super) fn of_risk(&self, at: Moment, service: &str) -> Option<Belongs> {
        self.among(&[service], |window| window.could_be_foreseen(at))
    }

    fn among(&self, services: &[&str], holds: impl Fn(&Window<'_>) -> bool) -> Option<Belongs> {
        let holding = || {
            self.all
                .iter()
                .enumerate()
                .filter(|(_, window)| holds(window))
        };
        let several = services.len() > 1;
        let at_symptom = holding()
            .filter(|(_, window)| services.iter().any(|service| window.shows_at(service)))
            .max_by_key(|(index, window)| {
                let has_cause = several && services.iter().any(|service| window.is_cause(service));
                (window.standing, has_cause, window.from, *index)
            });
        let (to, at_symptom) = match at_symptom {
            Some((to, _)) => (to, true),
            None => {
                let (to, _) = holding().max_by_key(|(index, window)| {
                    (window.standing > Standing::NotJudged, window.from, *index)
                })?;
                (to, false)
            }
        };
        Some(Belongs { to, at_symptom })
    }

    /// Like [`Windows::of`], but None also when it is about another fault.
    pub(super) fn about(&self, index: usize, at: Moment, services: &[&str]) -> Option<Belongs> {
        // Most statements are far from most faults, and this is asked of each about each.
        if !self.all[index].holds(at) {
            return None;
        }
        self.of(at, services).filter(|belongs| belongs.to == index)
    }
}

fn standing(fault: &FaultTruth, from: Moment, timeline: &Timeline) -> Standing {
    if from < timeline.judged_from || from > timeline.ended {
        Standing::NotJudged
    } else if fault.benign {
        // Whether or not it did anything: nobody should have been paged.
        Standing::Benign
    } else if fault.acted.yes {
        Standing::Real
    } else {
        Standing::Idle
    }
}

impl Window<'_> {
    fn holds(&self, at: Moment) -> bool {
        self.from <= at && at <= self.to
    }

    fn could_be_foreseen(&self, at: Moment) -> bool {
        self.fault.started <= at && at <= self.to
    }

    /// Whether the fault can be seen at this service.
    pub(super) fn shows_at(&self, service: &str) -> bool {
        self.is_cause(service) || self.fault.symptoms.iter().any(|symptom| symptom == service)
    }

    fn is_cause(&self, service: &str) -> bool {
        let cause = &self.fault.cause;
        cause.service.as_deref() == Some(service) || cause.also.iter().any(|also| also == service)
    }

    /// Whether an incident of these services has what caused the fault in it.
    pub(super) fn has_cause(&self, services: &[&str]) -> bool {
        services.iter().any(|service| self.is_cause(service))
    }

    /// Whether this is the right answer. A wire's ends are both right, by their services or by the
    /// environments they are in.
    pub(super) fn is_right(&self, suspect: &Suspect) -> bool {
        let cause = &self.fault.cause;
        self.is_cause(&suspect.service)
            || (cause.service.is_none()
                && (cause.environment.as_ref() == Some(&suspect.environment)
                    || cause.also.contains(&suspect.environment)))
    }
}
