//! What is wrong with an experiment's file, as people need it: file, place, what to do.

use std::fmt;

/// One thing that is wrong, and where: `spec.faults[0].target.service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Empty when the message names line and column itself.
    pub place: String,
    pub what: String,
}

impl Problem {
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.what)
    }
}

/// All that is wrong with one file, so that one reading of the message mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be used:{}", lines(.problems))]
pub struct ChaosError {
    pub file: String,
    pub problems: Vec<Problem>,
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}

/// `there is no service `legder`; there are cart, ledger`.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a String>,
) -> String {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    match known.as_slice() {
        [] => format!("there is no {what} `{name}`, nor any other"),
        [one] => format!("there is no {what} `{name}`; there is only {one}"),
        several => format!(
            "there is no {what} `{name}`; there are {}",
            several.join(", ")
        ),
    }
}
