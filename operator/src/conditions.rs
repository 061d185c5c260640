//! Conditions in the manner of Kubernetes: one of each type, and since when.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What can be known of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    True,
    False,
    Unknown,
}

impl Answer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Answer::True => "True",
            Answer::False => "False",
            Answer::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Answer {
        if yes { Answer::True } else { Answer::False }
    }
}

/// Builds a list of conditions from an older one, whose times stay where nothing has changed.
#[derive(Debug)]
pub(crate) struct Conditions<'a> {
    old: &'a [Condition],
    new: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(
        old: &'a [Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Conditions<'a> {
        Conditions {
            old,
            new: Vec::new(),
            generation,
            now,
        }
    }

    /// What it was before.
    pub(crate) fn was(&self, type_: &str) -> Option<&'a Condition> {
        self.old.iter().find(|condition| condition.type_ == type_)
    }

    pub(crate) fn say(
        &mut self,
        type_: &str,
        status: Answer,
        reason: &str,
        message: impl Into<String>,
    ) {
        let status = status.as_str();
        let same = self.was(type_).filter(|it| it.status == status);
        let since = same.map(|it| it.last_transition_time.clone());
        self.new.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.into(),
            observed_generation: self.generation,
            last_transition_time: since.unwrap_or(Time(whole_second(self.now))),
        });
    }

    /// As it was, where nothing can be known now.
    pub(crate) fn keep(&mut self, type_: &str) {
        self.new.extend(self.was(type_).cloned());
    }

    pub(crate) fn all(self) -> Vec<Condition> {
        self.new
    }
}

/// Kubernetes writes seconds; more would come back cut, as something else than was sent.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Whether a condition of this type holds.
pub(crate) fn holds(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

pub(crate) fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}
