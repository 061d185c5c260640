//! An experiment as people write it. The shape is that of a custom resource of Kubernetes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Fault, needs::Need};
use super::problem::Problem;
use crate::change::Target;
use crate::random::length;
use crate::truth::Cause;

pub const API_VERSION: &str = "crosswatch.dev/v1alpha1";
pub const KIND: &str = "ChaosExperiment";

/// Faults that come on together, stay for a while and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Resource", into = "Resource")]
pub struct Experiment {
    pub name: String,
    /// A sentence for people.
    pub description: String,
    pub faults: Vec<Placed>,
    /// From nothing to full strength; zero is abrupt.
    pub ramp: Duration,
    /// From the start to the end, the ramp included.
    pub duration: Duration,
    /// Undisturbed time after it.
    pub recovery: Duration,
    pub expect: Expect,
}

/// A fault and where it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub fault: Fault,
    pub target: Target,
}

impl Placed {
    /// Its target, for people.
    pub fn place(&self) -> String {
        if self.fault.need() == Need::Clients {
            "the clients".to_owned()
        } else {
            self.target.to_string()
        }
    }
}

/// What a good watcher makes of it. What is absent follows from faults, targets and topology.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Expect {
    /// Services where it shows, the cause among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<Cause>,
    /// False when nothing is wrong: pages on it are false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_page: Option<bool>,
    #[serde(
        with = "crate::random::maybe_length",
        skip_serializing_if = "Option::is_none"
    )]
    pub detected_within: Option<Duration>,
}

impl Experiment {
    /// How strong it is when it has been on for `on_for`; between the steps of a ramp it stays
    /// as it is, so that nobody has to be told of changes too small to matter.
    pub fn strength(&self, on_for: Duration) -> f64 {
        if on_for >= self.ramp {
            return 1.0;
        }
        let steps = on_for.as_nanos() / Experiment::STEP.as_nanos();
        let on_for = Experiment::STEP.mul_f64(steps as f64);
        on_for.as_secs_f64() / self.ramp.as_secs_f64()
    }

    /// Between two strengths of a ramp.
    pub const STEP: Duration = Duration::from_millis(250);

    /// How often something in it happens anew.
    pub(super) fn again_every(&self) -> Option<Duration> {
        self.faults
            .iter()
            .filter_map(|placed| match placed.fault {
                Fault::CacheStampede { every, .. } => Some(every),
                _ => None,
            })
            .min()
    }

    /// Nothing is wrong with any of it, or the file says so.
    pub fn benign(&self) -> bool {
        let may_page = self.expect.may_page;
        !may_page.unwrap_or_else(|| self.faults.iter().any(|placed| !placed.fault.benign()))
    }

    /// What it is a case of, by its first fault.
    pub fn kind(&self) -> &'static str {
        self.faults.first().map_or("", |placed| placed.fault.kind())
    }

    pub(super) fn of(resource: Resource, at: &str) -> Result<Experiment, Vec<Problem>> {
        let mut problems = Vec::new();
        let place = |field: &str| format!("{at}{field}");
        let version = resource.api_version.as_deref();
        if version.is_some_and(|version| version != API_VERSION) {
            let what = format!("must be `{API_VERSION}`");
            problems.push(Problem::new(place("apiVersion"), what));
        }
        if resource.kind.as_deref().is_some_and(|kind| kind != KIND) {
            problems.push(Problem::new(place("kind"), format!("must be `{KIND}`")));
        }
        let name = resource.metadata.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) || name.starts_with('-') {
            let what = "must be lower-case letters, digits and `-`, such as `ledger-database-slow`";
            problems.push(Problem::new(place("metadata.name"), what));
        }
        let spec = resource.spec;
        if spec.duration.is_zero() {
            problems.push(Problem::new(place("spec.duration"), "must be more than 0s"));
        }
        if spec.ramp > spec.duration {
            let what = "must not be longer than `duration`, which includes it";
            problems.push(Problem::new(place("spec.ramp"), what));
        }
        if spec.faults.is_empty() {
            let what = "needs at least one fault: `- kind: latency` with a `target`";
            problems.push(Problem::new(place("spec.faults"), what));
        }
        let mut faults = Vec::new();
        for (index, written) in spec.faults.into_iter().enumerate() {
            let place = format!("{at}spec.faults[{index}]");
            match written.read(&place) {
                Ok(placed) => faults.push(placed),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Experiment {
            name,
            description: spec.description,
            faults,
            ramp: spec.ramp,
            duration: spec.duration,
            recovery: spec.recovery,
            expect: spec.expect,
        })
    }
}

/// As it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    metadata: Metadata,
    spec: Spec,
}

/// Labels and annotations may be there for the tools of others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    description: String,
    faults: Vec<Written>,
    #[serde(default, with = "length")]
    ramp: Duration,
    #[serde(default = "a_minute", with = "length")]
    duration: Duration,
    #[serde(default = "a_minute", with = "length")]
    recovery: Duration,
    #[serde(default)]
    expect: Expect,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

/// A fault before its kind is looked up, so that what is wrong can be said with its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    #[serde(default)]
    target: Target,
    #[serde(default = "nothing", skip_serializing_if = "is_nothing")]
    parameters: Value,
}

fn nothing() -> Value {
    json!({})
}

fn is_nothing(parameters: &Value) -> bool {
    parameters.as_object().is_none_or(|all| all.is_empty())
}

impl Written {
    fn read(self, place: &str) -> Result<Placed, Vec<Problem>> {
        let parameters = match self.parameters {
            Value::Null => nothing(),
            given => given,
        };
        let known = Fault::KINDS.contains(&self.kind.as_str());
        let fault = Fault::read(&self.kind, parameters).map_err(|what| {
            let field = if known { "parameters" } else { "kind" };
            vec![Problem::new(format!("{place}.{field}"), what)]
        })?;
        let problems = fault.problems();
        if problems.is_empty() {
            let target = self.target;
            return Ok(Placed { fault, target });
        }
        let place = |parameter| format!("{place}.parameters.{parameter}");
        Err(problems
            .into_iter()
            .map(|(parameter, what)| Problem::new(place(parameter), what))
            .collect())
    }
}

impl From<Placed> for Written {
    fn from(placed: Placed) -> Written {
        // A fault is made of numbers and strings; all of it has a JSON form.
        let mut fault = serde_json::to_value(&placed.fault).unwrap_or_default();
        let parameters = fault["parameters"].take();
        let mut parameters = match parameters {
            Value::Object(all) => all,
            _ => serde_json::Map::new(),
        };
        parameters.retain(|_, value| !value.is_null() && *value != json!(""));
        Written {
            kind: placed.fault.kind().to_owned(),
            target: placed.target,
            parameters: Value::Object(parameters),
        }
    }
}

impl From<Experiment> for Resource {
    fn from(experiment: Experiment) -> Resource {
        Resource {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(KIND.to_owned()),
            metadata: Metadata {
                name: experiment.name,
            },
            spec: Spec {
                description: experiment.description,
                faults: experiment.faults.into_iter().map(Written::from).collect(),
                ramp: experiment.ramp,
                duration: experiment.duration,
                recovery: experiment.recovery,
                expect: experiment.expect,
            },
        }
    }
}

impl TryFrom<Resource> for Experiment {
    type Error = String;

    fn try_from(resource: Resource) -> Result<Experiment, String> {
        Experiment::of(resource, "").map_err(|problems| {
            let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
            all.join("; ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn experiment(ramp: Duration) -> Experiment {
        Experiment {
            name: "x".into(),
            description: String::new(),
            faults: vec![Placed {
                fault: Fault::read("latency", json!({})).unwrap(),
                target: Target::default(),
            }],
            ramp,
            duration: Duration::from_secs(600),
            recovery: Duration::ZERO,
            expect: Expect::default(),
        }
    }

    #[test]
    fn a_ramp_goes_in_steps() {
        let slow = experiment(Duration::from_secs(5));
        let at = |millis| slow.strength(Duration::from_millis(millis));
        assert_eq!((at(0), at(249), at(250), at(499)), (0.0, 0.0, 0.05, 0.05));
        assert_eq!((at(2_500), at(5_000), at(9_000)), (0.5, 1.0, 1.0));
        assert_eq!(experiment(Duration::ZERO).strength(Duration::ZERO), 1.0);
    }

    #[test]
    fn it_reads_what_it_writes() {
        let written = serde_json::to_value(experiment(Duration::from_secs(5))).unwrap();
        assert_eq!(written["spec"]["faults"][0]["parameters"]["added"], "100ms");
        let read: Experiment = serde_json::from_value(written).unwrap();
        assert_eq!(read, experiment(Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn strength_only_grows_and_gets_there(ramp in 0u64..400_000, at in 0u64..400_000) {
            let experiment = experiment(Duration::from_millis(ramp));
            let strength = |at| experiment.strength(Duration::from_millis(at));
            prop_assert!((0.0..=1.0).contains(&strength(at)));
            prop_assert!(strength(at) <= strength(at + 100));
            prop_assert_eq!(strength(ramp), 1.0);
        }
    }
}
