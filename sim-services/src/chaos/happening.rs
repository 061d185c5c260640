//! What a runner tells while it runs.

use std::fmt;

use super::experiment::Experiment;
use crate::clock::Moment;
use crate::truth::FaultTruth;

/// In the order of time. Their [`Display`](fmt::Display) is a sentence for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    FaultIn {
        at: Moment,
        /// As in the ground truth: `07-database-slow`.
        id: String,
        experiment: Experiment,
    },
    /// The ramp is over.
    Full { at: Moment, id: String },
    /// With all that is known of it now.
    FaultOut { at: Moment, truth: FaultTruth },
}

impl Happening {
    pub fn at(&self) -> Moment {
        match self {
            Happening::FaultIn { at, .. }
            | Happening::Full { at, .. }
            | Happening::FaultOut { at, .. } => *at,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::FaultIn { id, experiment, .. } => {
                let benign = experiment.benign();
                let what = if benign { "benign change" } else { "fault" };
                write!(f, "{what} in: {id} at ")?;
                for (index, placed) in experiment.faults.iter().enumerate() {
                    let and = if index > 0 { " and " } else { "" };
                    write!(f, "{and}{}", placed.place())?;
                }
                if !experiment.description.is_empty() {
                    write!(f, ": {}", experiment.description)?;
                }
                Ok(())
            }
            Happening::Full { id, .. } => write!(f, "at full strength: {id}"),
            Happening::FaultOut { truth, .. } => {
                let what = if truth.benign {
                    "benign change"
                } else {
                    "fault"
                };
                let acted = if truth.acted.yes {
                    "it acted"
                } else {
                    "without effect"
                };
                write!(
                    f,
                    "{what} out: {}, {acted}: {}",
                    truth.id, truth.acted.evidence
                )
            }
        }
    }
}
