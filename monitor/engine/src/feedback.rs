//! What people said of anomalies, and what follows from it for those to come.
//!
//! Stands between the tracks, which find anomalies, and everyone who is told of them: the engine
//! sends each change through [`FeedbackBook::admit`]. `ignore` mutes one detector on one signal for
//! a time. `expected` is remembered as a pattern: the same detector on the same signal in the same
//! direction, not much further from the typical value than what was marked, and either with the same
//! thing in common (a client, a version) or at about the same time of the day. A pattern never grows
//! by what it holds back, so nobody can widen it step by step. `real` lets nothing of its subject be
//! learned while the anomaly lasts, and counts when models are compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use monitor_core::{
    Anomaly, AnomalyId, Answer, Direction, Feedback, Name, SignalKey, Subject, Time,
};
use serde::{Deserialize, Serialize};

use crate::episode::Change;

/// Answers kept; with a few anomalies a day to answer, those of years.
const MOST_ANSWERS: usize = 1_000;
/// Anomalies held back at a time; one more is told.
const MOST_HELD: usize = 10_000;
/// The same again may deviate by this much more than what was marked.
const SLACK: f64 = 1.25;
/// At about the same time of the day.
const SAME_TIME: Duration = Duration::from_secs(3_600);
const DAY_SECS: i64 = 86_400;
/// Deviation counts no further than this: a silence is as deep as it gets.
const DEEPEST: f64 = 1e3;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeedbackBook {
    /// The latest last; one for each anomaly.
    given: VecDeque<Given>,
    /// Open ones that nobody is told of, and whose place in `given` holds them back; `None` when
    /// the recipe leaves them out.
    held: BTreeMap<AnomalyId, Option<AnomalyId>>,
    /// Open ones that a person confirmed.
    confirmed: BTreeMap<AnomalyId, Subject>,
    /// To be told as closed with the next second.
    withdrawn: Vec<Anomaly>,
    /// Answers forgotten because there were more than we keep.
    forgotten: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Given {
    feedback: Feedback,
    pattern: Pattern,
}

/// What the same again means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pattern {
    deviation: f64,
    /// What the calls had in common, as dimension and value.
    common: BTreeSet<(Name, Name)>,
}

impl Pattern {
    fn of(anomaly: &Anomaly) -> Pattern {
        Pattern {
            deviation: deviation(anomaly),
            common: anomaly
                .explanation
                .contributions
                .iter()
                .map(|one| (one.dimension.clone(), one.value.clone()))
                .collect(),
        }
    }
}

impl Given {
    fn is_about(&self, anomaly: &Anomaly) -> bool {
        let said = &self.feedback;
        said.signal == anomaly.signal
            && said.detector == anomaly.detector
            && said.direction == anomaly.direction
    }

    /// Whether nobody is to be told of this anomaly, as it is at `now`.
    fn holds_back(&self, anomaly: &Anomaly, now: Time) -> bool {
        let said = &self.feedback;
        match said.answer {
            Answer::Real => false,
            Answer::Ignore => {
                said.signal == anomaly.signal
                    && said.detector == anomaly.detector
                    && said.until.is_some_and(|until| now < until)
            }
            Answer::Expected => {
                // The very one that was marked stays expected until it grows.
                let alike = said.anomaly == anomaly.id
                    || same_time_of_day(said.start, anomaly.start)
                    || Pattern::of(anomaly)
                        .common
                        .iter()
                        .any(|common| self.pattern.common.contains(common));
                self.is_about(anomaly)
                    && alike
                    && deviation(anomaly) <= self.pattern.deviation * SLACK
            }
        }
    }
}

impl FeedbackBook {
    /// Takes an answer to `anomaly`. A later answer to the same one takes the place of an earlier,
    /// and `real` ends what mutes or excuses its signal. O(answers).
    pub(crate) fn answer(
        &mut self,
        anomaly: &Anomaly,
        answer: Answer,
        note: String,
        lasting: Duration,
        at: Time,
    ) -> Feedback {
        self.given
            .retain(|given| given.feedback.anomaly != anomaly.id);
        if answer == Answer::Real {
            self.given
                .retain(|given| given.feedback.answer == Answer::Real || !given.is_about(anomaly));
        }
        let feedback = Feedback {
            anomaly: anomaly.id,
            signal: anomaly.signal.clone(),
            detector: anomaly.detector.clone(),
            direction: anomaly.direction,
            start: anomaly.start,
            detected: anomaly.detected,
            end: anomaly.end,
            score: anomaly.score.get(),
            answer,
            note,
            at,
            until: (answer == Answer::Ignore).then(|| at + lasting),
            held_back: 0,
        };
        let open = anomaly.end.is_none();
        self.confirmed.remove(&anomaly.id);
        if open && answer == Answer::Real {
            self.held.remove(&anomaly.id);
            self.confirmed
                .insert(anomaly.id, anomaly.signal.subject.clone());
        } else if open && self.held.len() < MOST_HELD {
            let known = self.held.insert(anomaly.id, Some(anomaly.id));
            if known.is_none() {
                let mut over = anomaly.clone();
                over.end = Some(at.max(anomaly.start));
                let why = &mut over.explanation.why;
                why.push_str("; marked as ");
                why.push_str(answer.as_str());
                self.withdrawn.push(over);
            }
        }
        if self.given.len() >= MOST_ANSWERS {
            self.given.pop_front();
            self.forgotten += 1;
        }
        self.given.push_back(Given {
            feedback: feedback.clone(),
            pattern: Pattern::of(anomaly),
        });
        feedback
    }

    /// What is told of these changes; `without` are measures of which nothing is.
    pub(crate) fn admit(
        &mut self,
        changes: Vec<Change>,
        without: &BTreeSet<Name>,
        now: Time,
    ) -> Vec<Change> {
        let mut told: Vec<Change> = self.withdrawn.drain(..).map(Change::Closed).collect();
        if self.given.is_empty() && self.held.is_empty() && without.is_empty() {
            told.extend(changes);
            return told;
        }
        for change in changes {
            let (Change::Opened(anomaly) | Change::Updated(anomaly) | Change::Closed(anomaly)) =
                &change;
            let id = anomaly.id;
            let was_held = self.held.contains_key(&id);
            if let Change::Closed(anomaly) = &change {
                self.confirmed.remove(&id);
                self.has_ended(anomaly);
                if self.held.remove(&id).is_none() {
                    told.push(change);
                }
                continue;
            }
            let off = without.contains(anomaly.signal.measure.as_str());
            let holder = self
                .given
                .iter_mut()
                .rev()
                .find(|given| given.holds_back(anomaly, now));
            let room = was_held || self.held.len() < MOST_HELD;
            match holder {
                Some(given) if room => {
                    given.feedback.held_back += u64::from(!was_held);
                    let holder = given.feedback.anomaly;
                    self.held.insert(id, Some(holder));
                }
                None if off && room => {
                    self.held.insert(id, None);
                }
                _ if was_held => {
                    self.held.remove(&id);
                    // Those who are told now have never heard of it.
                    let (Change::Opened(mut anomaly)
                    | Change::Updated(mut anomaly)
                    | Change::Closed(mut anomaly)) = change;
                    anomaly.explanation.why.push_str(
                        "; more than what was marked before, or that does not count any more",
                    );
                    told.push(Change::Opened(anomaly));
                }
                _ => told.push(change),
            }
        }
        told
    }

    /// Whether nobody is told of this open anomaly.
    pub(crate) fn holds(&self, id: AnomalyId) -> bool {
        self.held.contains_key(&id)
    }

    /// Whose troubles are real and last: of them nothing is learned.
    pub(crate) fn confirmed(&self) -> Vec<Subject> {
        self.confirmed.values().cloned().collect()
    }

    /// The latest last.
    pub(crate) fn given(&self) -> impl DoubleEndedIterator<Item = &Feedback> {
        self.given.iter().map(|given| &given.feedback)
    }

    fn has_ended(&mut self, anomaly: &Anomaly) {
        for given in &mut self.given {
            if given.feedback.anomaly == anomaly.id {
                given.feedback.end = anomaly.end;
                given.feedback.score = given.feedback.score.max(anomaly.score.get());
            }
        }
    }

    /// Takes over the answers of another book: a model that begins to judge knows what was said.
    pub(crate) fn adopt(&mut self, other: &FeedbackBook) {
        self.given.clone_from(&other.given);
        self.forgotten = other.forgotten;
    }
}

/// How far from what is typical, as a factor where there is something to divide by.
fn deviation(anomaly: &Anomaly) -> f64 {
    let (typical, actual) = (anomaly.explanation.typical, anomaly.explanation.actual);
    let factor = match anomaly.direction {
        Direction::Above if typical > 0.0 => actual / typical,
        Direction::Above => actual,
        Direction::Below => typical / actual.max(typical / DEEPEST),
    };
    if factor.is_finite() {
        factor.min(DEEPEST)
    } else {
        DEEPEST
    }
}

/// On any two days, in UTC.
fn same_time_of_day(a: Time, b: Time) -> bool {
    let apart = (a.as_secs() - b.as_secs()).rem_euclid(DAY_SECS);
    let apart = apart.min(DAY_SECS - apart);
    apart.unsigned_abs() <= SAME_TIME.as_secs()
}

/// Whether an answer about one signal is about another: troubles of a workload show at several.
pub(crate) fn same_workload(a: &SignalKey, b: &SignalKey) -> bool {
    a.subject.service() == b.subject.service() && a.subject.environment() == b.subject.environment()
}

#[cfg(test)]
mod tests;
