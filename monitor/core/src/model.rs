//! Models as things: what was learned under which recipe, what people said of its verdicts, and how
//! well it did.
//!
//! The engine fills these, `serve` renders them. A *model* here is everything that was learned of all
//! Apis and services under one [`Recipe`]; what one of them has learned is a [`Learned`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AnomalyId, Band, Direction, Name, SignalKey, Subject, Time};

/// How a model judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The sensitivity.
    pub false_alarms_per_api_week: f64,
    /// Measures (`latency`, `rate`, …) that are learned, but of which nothing is told.
    pub without: BTreeSet<Name>,
}

/// The number of a model, counted from 1 since the monitor first started on its data: `m3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(pub u32);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl FromStr for ModelId {
    type Err = NoModelId;

    fn from_str(text: &str) -> Result<ModelId, NoModelId> {
        let digits = text.strip_prefix('m').ok_or(NoModelId)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoModelId);
        }
        digits.parse().map(ModelId).map_err(|_| NoModelId)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a model, such as m3")]
pub struct NoModelId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelState {
    /// Its verdicts are told.
    Active,
    /// Judges the same samples; its verdicts are recorded and not told.
    Shadow,
    /// Was one of the two and is no more; nothing of what it had learned is kept.
    Retired,
}

impl ModelState {
    pub fn as_str(self) -> &'static str {
        match self {
            ModelState::Active => "active",
            ModelState::Shadow => "shadow",
            ModelState::Retired => "retired",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub id: ModelId,
    pub state: ModelState,
    pub recipe: Recipe,
    /// Whose knowledge it began with; `None` when it began with none.
    pub parent: Option<ModelId>,
    /// `None` before the first record.
    pub created: Option<Time>,
    /// Since when it has the state it has.
    pub since: Option<Time>,
    /// Why it was made and what became of it, in sentences.
    pub history: Vec<String>,
    /// The event time of what it has learned from.
    pub learned_from: Option<Time>,
    pub learned_to: Option<Time>,
    pub observations: u64,
    pub apis: u64,
    pub services: u64,
    /// Promoted as soon as it is measurably better.
    pub automatic: bool,
}

/// What one Api or service has learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    pub subject: Subject,
    pub signals: Vec<LearnedSignal>,
}

/// The model of one signal. A new version begins when the old one does not count any more.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedSignal {
    pub measure: Name,
    pub detector: Name,
    /// Counted from 1; the parent is the one before.
    pub version: u32,
    /// `made`, `made afresh`, or `shifted`: what had been unusual for long is the new normal.
    pub because: &'static str,
    pub created: Time,
    /// The event time of what this version was fed.
    pub learned_from: Time,
    pub learned_to: Time,
    /// Calls or records that it rests on.
    pub observations: u64,
    /// No verdict yet.
    pub learning: bool,
    /// Now; in the signal's unit.
    pub typical: Option<f64>,
    pub band: Option<Band>,
}

/// What a person says of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// That is how it should be: the same again, at such a time or of such calls, is no anomaly.
    Expected,
    /// May be true, but tell me nothing of this signal for a while.
    Ignore,
    /// A real trouble: to be found again, and never to become normal.
    Real,
}

impl Answer {
    pub const ALL: [Answer; 3] = [Answer::Expected, Answer::Ignore, Answer::Real];

    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Expected => "expected",
            Answer::Ignore => "ignore",
            Answer::Real => "real",
        }
    }
}

/// An answer, and what it was about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    pub anomaly: AnomalyId,
    pub signal: SignalKey,
    pub detector: Name,
    pub direction: Direction,
    pub start: Time,
    pub detected: Time,
    /// `None` while it lasts.
    pub end: Option<Time>,
    pub score: f64,
    pub answer: Answer,
    pub note: String,
    /// When it was given.
    pub at: Time,
    /// Of [`Answer::Ignore`].
    pub until: Option<Time>,
    /// Anomalies that were not told because of it.
    pub held_back: u64,
}

/// How a model did over some time, by what people said of anomalies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Apis that were judged, times how long.
    pub api_weeks: f64,
    /// Anomalies told, or that would have been.
    pub alarms: u64,
    /// Of these, such as people answered `expected` or `ignore` to.
    pub unwanted: u64,
    /// Of these, such as no answer is about.
    pub unanswered: u64,
    /// Answers `real` that fall into the time, and how many of them it found.
    pub real: u64,
    pub found: u64,
    /// From the beginning of what was found to the alarm.
    pub median_delay: Option<Duration>,
    /// By score: what became of the alarms of each range.
    pub scores: Vec<ScoreRange>,
}

impl Tally {
    /// Alarms that nobody called real, for each Api and week; `None` when nothing was judged.
    pub fn false_alarms_per_api_week(&self) -> Option<f64> {
        (self.api_weeks > 0.0).then(|| self.false_alarms() as f64 / self.api_weeks)
    }

    pub fn false_alarms(&self) -> u64 {
        self.unwanted + self.unanswered
    }
}

/// Alarms whose score lay from `from` to below `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub from: f64,
    pub to: f64,
    pub alarms: u64,
    pub real: u64,
    pub unwanted: u64,
}

/// An alarm that only one of two models raised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    pub id: AnomalyId,
    pub signal: SignalKey,
    pub detector: Name,
    pub start: Time,
    pub detected: Time,
    pub end: Option<Time>,
    pub score: f64,
}

/// Two models that judged the same samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub active: ModelId,
    pub shadow: ModelId,
    pub since: Time,
    pub until: Time,
    pub active_tally: Tally,
    pub shadow_tally: Tally,
    /// The probability that as few false alarms come of chance, were both alike.
    pub p: f64,
    pub better: bool,
    /// In a sentence.
    pub why: String,
    /// The latest first.
    pub only_active: Vec<Alarm>,
    pub only_shadow: Vec<Alarm>,
    /// Alarms forgotten for want of room; not in the tallies.
    pub forgotten: u64,
}

/// How a recipe would have done on stored records.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtested {
    pub name: String,
    pub recipe: Recipe,
    pub all: Tally,
    /// The blocks that were judged, each after learning from all before it.
    pub folds: Vec<Fold>,
    /// Over the folds.
    pub mean_false_alarms_per_api_week: Option<f64>,
    /// Standard error of that mean; `None` with fewer than two folds.
    pub standard_error: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    pub from: Time,
    pub to: Time,
    pub tally: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        assert_eq!("m17".parse(), Ok(ModelId(17)));
        assert_eq!(ModelId(17).to_string(), "m17");
        for text in ["", "m", "17", "m-1", "m+1", "m99999999999"] {
            assert_eq!(text.parse::<ModelId>(), Err(NoModelId), "{text}");
        }
    }
}
