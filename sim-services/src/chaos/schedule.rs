//! Experiments one after the other or over each other, as people write it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::experiment::{API_VERSION, Experiment, Metadata, Resource};
use super::problem::Problem;
use crate::random::length;

pub(super) const KIND: &str = "ChaosSchedule";

/// Which experiments begin when. They may overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub name: String,
    pub entries: Vec<(Duration, Which)>,
    /// Begins again when it is over.
    pub repeat: bool,
}

/// An experiment by the name of its file, or itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    Named(String),
    Inline(Box<Experiment>),
}

impl Schedule {
    pub(super) fn of(written: Written) -> Result<Schedule, Vec<Problem>> {
        let mut problems = Vec::new();
        if written.api_version != API_VERSION {
            let what = format!("must be `{API_VERSION}`");
            problems.push(Problem::new("apiVersion", what));
        }
        if written.spec.experiments.is_empty() {
            let what = "needs at least one `{ at: 30s, experiment: ledger-database-slow }`";
            problems.push(Problem::new("spec.experiments", what));
        }
        let mut entries = Vec::new();
        for (index, entry) in written.spec.experiments.into_iter().enumerate() {
            let place = format!("spec.experiments[{index}].experiment");
            match Which::of(entry.experiment, &place) {
                Ok(which) => entries.push((entry.at, which)),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(Schedule {
                name: written.metadata.name,
                entries,
                repeat: written.spec.repeat,
            })
        } else {
            Err(problems)
        }
    }
}

impl Which {
    fn of(written: Value, place: &str) -> Result<Which, Vec<Problem>> {
        let wrong = |what: String| vec![Problem::new(place, what)];
        match written {
            Value::String(name) => Ok(Which::Named(name)),
            Value::Object(_) => {
                let resource = serde_json::from_value::<Resource>(written)
                    .map_err(|error| wrong(error.to_string()))?;
                let experiment = Experiment::of(resource, &format!("{place}."))?;
                Ok(Which::Inline(Box::new(experiment)))
            }
            _ => Err(wrong(
                "must be the name of an experiment, or one with `metadata` and `spec`".into(),
            )),
        }
    }
}

/// As it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    api_version: String,
    #[expect(dead_code, reason = "by its value this type was chosen")]
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    repeat: bool,
    experiments: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(with = "length")]
    at: Duration,
    experiment: Value,
}
