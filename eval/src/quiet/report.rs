//! What was raised against what was promised.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::function::gamma::gamma_ur;

use super::run::Raised;

/// One object with the figures; field names are the JSON's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the signals are.
    pub signals: String,
    pub apis: usize,
    pub weeks: f64,
    pub settings: Vec<Setting>,
}

/// One sensitivity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// False alarms for each Api in a week that may be.
    pub target: f64,
    /// And that were.
    pub per_api_week: f64,
    /// 95 % of it, if alarms come as a Poisson process.
    pub interval: (f64, f64),
    /// What was over what may be.
    pub ratio: f64,
    /// 95 % of it.
    pub ratio_interval: (f64, f64),
    pub alarms: u64,
    pub by_detector: BTreeMap<String, u64>,
    /// Alarms of services and dependencies, which have budgets of their own and are not in the rate.
    pub others: BTreeMap<String, u64>,
    /// In each week for each Api; in the first one there is nothing to know of days and weeks.
    pub by_week: Vec<f64>,
}

impl Setting {
    /// So many Apis were watched for so many weeks.
    pub fn of(target: f64, raised: &Raised, apis: usize, weeks: f64) -> Setting {
        let mut by_detector = BTreeMap::new();
        for week in &raised.weeks {
            for (detector, alarms) in week {
                *by_detector.entry(detector.clone()).or_insert(0) += alarms;
            }
        }
        let alarms: u64 = by_detector.values().sum();
        let exposure = (apis as f64 * weeks).max(f64::MIN_POSITIVE);
        let (low, high) = poisson_interval(alarms);
        Setting {
            target,
            per_api_week: alarms as f64 / exposure,
            interval: (low / exposure, high / exposure),
            ratio: alarms as f64 / exposure / target,
            ratio_interval: (low / exposure / target, high / exposure / target),
            alarms,
            by_detector,
            others: raised.others.clone(),
            by_week: (0u32..)
                .zip(&raised.weeks)
                .map(|(number, week)| {
                    let watched = (weeks - f64::from(number)).min(1.0) * apis as f64;
                    week.values().sum::<u64>() as f64 / watched
                })
                .collect(),
        }
    }
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}: {} Apis, {:.2} weeks, nothing wrong\n\n\
             {:>8} {:>10} {:>7} {:>6} {:>13}   in each week; by detector\n",
            self.signals, self.apis, self.weeks, "target", "raised", "alarms", "ratio", "95 %"
        );
        for setting in &self.settings {
            let weeks: Vec<String> = setting
                .by_week
                .iter()
                .map(|rate| format!("{rate:.2}"))
                .collect();
            let detectors: Vec<String> = setting
                .by_detector
                .iter()
                .map(|(detector, alarms)| format!("{detector} {alarms}"))
                .collect();
            let (low, high) = setting.ratio_interval;
            text.push_str(&format!(
                "{:>8} {:>10.3} {:>7} {:>6.2} {:>13}   {}; {}\n",
                setting.target,
                setting.per_api_week,
                setting.alarms,
                setting.ratio,
                format!("{low:.2} to {high:.2}"),
                weeks.join(" "),
                detectors.join(", ")
            ));
        }
        text
    }
}

/// Garwood's exact interval of a Poisson mean at 95 % ("Fiducial limits for the Poisson distribution",
/// Biometrika 28, 1936), by bisection.
pub fn poisson_interval(count: u64) -> (f64, f64) {
    let count = count as f64;
    // P(X ≤ k) for mean m is the upper regularised gamma function Q(k + 1, m).
    let at_most = |k: f64, mean: f64| gamma_ur(k + 1.0, mean);
    let solve = |holds: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (1e-9, 10.0 + 3.0 * count);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if holds(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    };
    let lower = if count == 0.0 {
        0.0
    } else {
        solve(&|mean| 1.0 - at_most(count - 1.0, mean) < 0.025)
    };
    (lower, solve(&|mean| at_most(count, mean) > 0.025))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_garwoods() {
        let (low, high) = poisson_interval(10);
        assert!((low - 4.795).abs() < 1e-3 && (high - 18.39).abs() < 1e-2);
        let (low, high) = poisson_interval(0);
        assert!(low == 0.0 && (high - 3.689).abs() < 1e-3);
    }

    #[test]
    fn alarms_are_told_for_each_api_and_week() {
        let raised = Raised {
            weeks: vec![
                BTreeMap::from([("traffic-drop".to_owned(), 6)]),
                BTreeMap::from([("latency-spike".to_owned(), 2)]),
            ],
            others: BTreeMap::new(),
        };
        let setting = Setting::of(0.5, &raised, 4, 2.0);
        assert_eq!((setting.alarms, setting.per_api_week), (8, 1.0));
        assert_eq!((setting.ratio, &*setting.by_week), (2.0, &[1.5, 0.5][..]));
        // Eight alarms are 3.45 to 15.76; four were to be expected.
        let (low, high) = setting.ratio_interval;
        assert!((low - 0.863).abs() < 1e-3 && (high - 3.941).abs() < 1e-3);
        let report = Report {
            signals: "synthetic".to_owned(),
            apis: 4,
            weeks: 2.0,
            settings: vec![setting],
        };
        expect_test::expect![[r#"
            synthetic: 4 Apis, 2.00 weeks, nothing wrong

              target     raised  alarms  ratio          95 %   in each week; by detector
                 0.5      1.000       8   2.00  0.86 to 3.94   1.50 0.50; latency-spike 2, traffic-drop 6
        "#]]
        .assert_eq(&report.table());
    }
}
