//! What happens when: experiments at times, fitted to a topology.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::experiment::{Experiment, Placed};
use crate::random::length;

/// Experiments in the order in which they begin. They may overlap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Until after the last recovery.
    #[serde(with = "length")]
    pub length: Duration,
    /// Begins again when it is over, until it is stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the time from which the watcher is judged.
    #[serde(with = "length")]
    pub at: Duration,
    /// With nothing left to derive.
    pub experiment: Experiment,
}

impl Plan {
    pub fn new(mut steps: Vec<Step>) -> Plan {
        steps.sort_by_key(|step| step.at);
        let length = steps
            .iter()
            .map(|step| step.at + step.experiment.duration + step.experiment.recovery)
            .max()
            .unwrap_or_default();
        Plan {
            steps,
            length,
            repeat: false,
        }
    }

    /// For people: a line a step, after one that says what the columns are.
    pub fn table(&self) -> String {
        let mut table = "step   at   lasts  kind                     where\n".to_owned();
        for (index, step) in self.steps.iter().enumerate() {
            let experiment = &step.experiment;
            let (secs, lasts) = (step.at.as_secs(), experiment.duration.as_secs());
            let targets: Vec<String> = experiment.faults.iter().map(Placed::place).collect();
            table.push_str(&format!(
                "{:>4} {:>3}:{:02} {lasts:>3} s  {:<23}  {}\n",
                index + 1,
                secs / 60,
                secs % 60,
                experiment.kind(),
                targets.join(" and "),
            ));
        }
        table
    }
}
