//! Are failures foreseen, and are the chances of failure as true as they say?
//!
//! The figures come from a run on the simulated platform, whose faults are known; here they are put
//! into words, a table and a [`page`] with the reliability diagram (Murphy, Winkler, "Reliability of
//! subjective probability forecasts of precipitation and temperature", Applied Statistics 26, 1977):
//! of all minutes with a chance of about so much, how many were followed by a failure.

pub mod page;
mod together;

use std::fmt::Write as _;

use monitor_core::Stretches;
use serde::Serialize;

/// One object with the figures; field names are the JSON's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of the runs that it is of.
    pub seeds: Vec<u64>,
    /// Faults that grew and broke their objective.
    pub ramps: u64,
    /// A risk was stated at a place where it showed, before that.
    pub ramps_predicted: u64,
    pub predicted: Option<f64>,
    /// Somebody was paged for it, foreseen or not.
    pub ramps_paged: u64,
    pub median_lead_seconds: Option<f64>,
    /// Of the time that the fault took to grow.
    pub median_lead_of_ramp: Option<f64>,
    pub risks: u64,
    /// About no fault.
    pub false_risks: u64,
    pub failures: Failures,
    /// The same for types of journeys.
    pub journeys: Failures,
    pub stated: Stated,
    pub forecasts: Vec<Coverage>,
    pub by_ramp: Vec<Ramp>,
    /// Each by itself, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Report>,
}

/// Chances that an Api, or a type of journeys, fails within the horizon, one a minute of each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failures {
    pub horizon_seconds: u32,
    pub judged: u64,
    pub failed: u64,
    pub brier: Option<f64>,
    /// Of who always says the share that failed.
    pub base_brier: Option<f64>,
    /// 1 − brier / base_brier: 0 is no better than the base rate, 1 is always right.
    pub skill: Option<f64>,
    pub reliability: Vec<Bin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub judged: u64,
    pub said: f64,
    pub came: f64,
}

/// What the monitor's own ledger holds of its risks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stated {
    pub stated: u64,
    pub came: u64,
    pub averted: u64,
    pub not_come: u64,
    pub missed: u64,
    pub in_time: u64,
    pub brier: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    pub measure: String,
    pub horizon_seconds: u32,
    pub forecasts: u64,
    /// Stretches of time, each as long as the horizon, that these lie in.
    pub stretches: u64,
    pub coverage: f64,
    pub relative_to_naive: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ramp {
    pub seed: u64,
    pub fault: String,
    pub ramp_seconds: f64,
    pub lead_seconds: Option<f64>,
    pub lead_of_ramp: Option<f64>,
    /// From its first effect on.
    pub paged_after_seconds: Option<f64>,
}

impl Failures {
    /// None where nothing failed or everything did: nobody can be better than the base rate there.
    pub fn skill(brier: Option<f64>, base_brier: Option<f64>) -> Option<f64> {
        let base = base_brier.filter(|base| *base > 0.0)?;
        Some(1.0 - brier? / base)
    }
}

impl Stated {
    /// Of which it is known what came.
    fn ended(&self) -> u64 {
        self.came + self.averted + self.not_come
    }
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            // Writing to a string does not fail.
            _ = writeln!(text, "{what:<44} {value}");
        };
        let maybe =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let percent = |value: Option<f64>| {
            value.map_or("-".to_owned(), |value| format!("{:.0} %", value * 100.0))
        };
        line(
            "growing faults predicted before the breach",
            format!(
                "{} of {} ({})",
                self.ramps_predicted,
                self.ramps,
                percent(self.predicted)
            ),
        );
        line(
            "of these paged for, sooner or later",
            format!("{} of {}", self.ramps_paged, self.ramps),
        );
        let lead = self
            .median_lead_seconds
            .map_or("-".to_owned(), |lead| format!("{lead:.0} s"));
        line(
            "median lead",
            format!("{lead}, {} of the ramp", percent(self.median_lead_of_ramp)),
        );
        line(
            "risks stated, of them about no fault",
            format!("{}, {}", self.risks, self.false_risks),
        );
        let stated = &self.stated;
        line(
            "risks that came, were averted, did not come",
            format!("{}, {}, {}", stated.came, stated.averted, stated.not_come),
        );
        let failures = &self.failures;
        line(
            "minutes judged, followed by a failure",
            format!("{}, {}", failures.judged, failures.failed),
        );
        line(
            "Brier score, that of the base rate",
            format!("{}, {}", maybe(failures.brier), maybe(failures.base_brier)),
        );
        line("skill", percent(failures.skill));
        for bin in failures.reliability.iter().filter(|bin| bin.judged > 0) {
            let what = format!("  said {:.1} %", bin.said * 100.0);
            line(
                &what,
                format!("came {:.1} % of {}", bin.came * 100.0, bin.judged),
            );
        }
        let journeys = &self.journeys;
        line(
            "minutes of journeys judged, then failing",
            format!("{}, {}", journeys.judged, journeys.failed),
        );
        line(
            "Brier score, that of the base rate, skill",
            format!(
                "{}, {}, {}",
                maybe(journeys.brier),
                maybe(journeys.base_brier),
                percent(journeys.skill)
            ),
        );
        for of in &self.forecasts {
            line(
                &format!(
                    "{} in {} s: coverage of 90 % intervals",
                    of.measure, of.horizon_seconds
                ),
                format!(
                    "{:.1} % of {}{}",
                    of.coverage * 100.0,
                    of.forecasts,
                    of.doubt()
                ),
            );
        }
        for run in &self.runs {
            let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
            line(
                &format!("seed {}: foreseen, skill, of journeys", seeds.join(", ")),
                format!(
                    "{} of {}, {}, {}",
                    run.ramps_predicted,
                    run.ramps,
                    percent(run.failures.skill),
                    percent(run.journeys.skill)
                ),
            );
        }
        text
    }
}

impl Coverage {
    /// What came in one stretch came together, of all signals; of few, intervals of nine of ten cannot be judged.
    fn doubt(&self) -> String {
        match self.stretches {
            Stretches::ENOUGH.. => String::new(),
            stretches => format!(", of {stretches} stretches of that length: too few to say"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_few_stretches_of_time_it_is_said_that_they_are_few() {
        let of = |stretches| Coverage {
            measure: "rate".to_owned(),
            horizon_seconds: 7_200,
            forecasts: 500,
            stretches,
            coverage: 0.83,
            relative_to_naive: 1.0,
        };
        assert!(of(4).doubt().contains("4 stretches"), "{}", of(4).doubt());
        assert_eq!(of(10).doubt(), "");
    }
}
