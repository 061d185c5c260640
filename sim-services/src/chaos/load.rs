//! From the text of a file to a plan for a topology.

use std::time::Duration;

use serde::Deserialize;

use super::experiment::{Experiment, KIND as EXPERIMENT, Resource};
use super::plan::{Plan, Step};
use super::problem::{ChaosError, Problem, unknown};
use super::schedule::{KIND as SCHEDULE, Schedule, Which, Written};
use super::shipped;
use crate::topology::Topology;

/// What a file can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    Experiment(Experiment),
    Schedule(Schedule),
}

/// A single experiment begins after so much undisturbed time, which it is compared with.
pub const BEFORE: Duration = Duration::from_secs(30);

/// Reads a file; `file` is its name for messages.
///
/// # Errors
///
/// All that is wrong with it, except names that a topology may or may not have.
pub fn load(file: &str, yaml: &str) -> Result<Document, ChaosError> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    let wrong = |problems| ChaosError {
        file: file.to_owned(),
        problems,
    };
    let syntax = |error: serde_saphyr::Error| wrong(vec![Problem::new("", error.to_string())]);
    let head: Head = serde_saphyr::from_str(yaml).map_err(syntax)?;
    match head.kind.as_str() {
        EXPERIMENT => {
            let resource: Resource = serde_saphyr::from_str(yaml).map_err(syntax)?;
            let experiment = Experiment::of(resource, "").map_err(wrong)?;
            Ok(Document::Experiment(experiment))
        }
        SCHEDULE => {
            let written: Written = serde_saphyr::from_str(yaml).map_err(syntax)?;
            Ok(Document::Schedule(Schedule::of(written).map_err(wrong)?))
        }
        other => Err(wrong(vec![Problem::new(
            "kind",
            format!("there is no kind `{other}`; there are {EXPERIMENT} and {SCHEDULE}"),
        )])),
    }
}

/// Reads a file and fits it to a topology. A schedule's names are asked of `others` first (the
/// text of the file of that name, beside it), then of the shipped experiments.
///
/// # Errors
///
/// All that is wrong with the file, or with one that it names.
pub fn plan_of(
    file: &str,
    yaml: &str,
    topology: &Topology,
    others: impl Fn(&str) -> Option<String>,
) -> Result<Plan, ChaosError> {
    let wrong = |problems| ChaosError {
        file: file.to_owned(),
        problems,
    };
    let schedule = match load(file, yaml)? {
        Document::Experiment(experiment) => {
            let experiment = experiment.fit(topology, "").map_err(wrong)?;
            return Ok(Plan::new(vec![Step {
                at: BEFORE,
                experiment,
            }]));
        }
        Document::Schedule(schedule) => schedule,
    };
    let mut steps = Vec::new();
    let mut problems = Vec::new();
    for (index, (at, which)) in schedule.entries.into_iter().enumerate() {
        let place = format!("spec.experiments[{index}].experiment");
        let fitted = match which {
            Which::Inline(experiment) => experiment.fit(topology, &format!("{place}.")),
            Which::Named(name) => match others(&name).or_else(|| shipped_yaml(&name)) {
                // What is wrong there is said of that file, not of this one.
                Some(yaml) => Ok(named(&name, &yaml, topology)?),
                None => Err(vec![Problem::new(place, no_experiment(&name))]),
            },
        };
        match fitted {
            Ok(experiment) => steps.push(Step { at, experiment }),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(wrong(problems));
    }
    let mut plan = Plan::new(steps);
    plan.repeat = schedule.repeat;
    Ok(plan)
}

fn named(name: &str, yaml: &str, topology: &Topology) -> Result<Experiment, ChaosError> {
    let file = format!("{name}.yaml");
    match load(&file, yaml)? {
        Document::Experiment(experiment) => experiment
            .fit(topology, "")
            .map_err(|problems| ChaosError { file, problems }),
        Document::Schedule(_) => {
            let what = format!("must be `{EXPERIMENT}`: a schedule cannot be within another");
            Err(ChaosError {
                file,
                problems: vec![Problem::new("kind", what)],
            })
        }
    }
}

fn shipped_yaml(name: &str) -> Option<String> {
    shipped()
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, yaml)| (*yaml).to_owned())
}

fn no_experiment(name: &str) -> String {
    let names: Vec<String> = shipped()
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    unknown("experiment", name, &names)
}
