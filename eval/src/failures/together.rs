//! Several runs as one: the same figures of all that was judged in any of them.

use statrs::statistics::{Data, Median};

use super::{Bin, Coverage, Failures, Report, Stated};

impl Report {
    /// Of one run it is that run's; of several it has theirs beside it. None of none.
    pub fn together(runs: Vec<Report>) -> Option<Report> {
        let (first, others) = runs.split_first()?;
        if others.is_empty() {
            return runs.into_iter().next();
        }
        let sum = |of: fn(&Report) -> u64| runs.iter().map(of).sum::<u64>();
        let by_ramp: Vec<_> = runs.iter().flat_map(|run| run.by_ramp.clone()).collect();
        let (ramps, ramps_predicted) = (sum(|run| run.ramps), sum(|run| run.ramps_predicted));
        Some(Report {
            seeds: runs.iter().flat_map(|run| run.seeds.clone()).collect(),
            ramps,
            ramps_predicted,
            predicted: mean([(ramps_predicted as f64, 1)], ramps),
            ramps_paged: sum(|run| run.ramps_paged),
            median_lead_seconds: median(by_ramp.iter().filter_map(|ramp| ramp.lead_seconds)),
            median_lead_of_ramp: median(by_ramp.iter().filter_map(|ramp| ramp.lead_of_ramp)),
            risks: sum(|run| run.risks),
            false_risks: sum(|run| run.false_risks),
            failures: failures(runs.iter().map(|run| &run.failures), &first.failures),
            journeys: failures(runs.iter().map(|run| &run.journeys), &first.journeys),
            stated: stated(&runs),
            forecasts: forecasts(&runs),
            by_ramp,
            runs,
        })
    }
}

/// The base rate is that of all together.
fn failures<'a>(parts: impl Iterator<Item = &'a Failures> + Clone, first: &Failures) -> Failures {
    let judged = parts.clone().map(|part| part.judged).sum();
    let failed = parts.clone().map(|part| part.failed).sum();
    let brier = mean(
        parts
            .clone()
            .filter_map(|part| Some((part.brier?, part.judged))),
        judged,
    );
    let base_brier = mean([(failed as f64, 1)], judged).map(|share| share * (1.0 - share));
    let bins = parts.clone().map(|part| part.reliability.len()).max();
    Failures {
        horizon_seconds: first.horizon_seconds,
        judged,
        failed,
        brier,
        base_brier,
        skill: Failures::skill(brier, base_brier),
        reliability: (0..bins.unwrap_or(0))
            .map(|index| bin(parts.clone().filter_map(|part| part.reliability.get(index))))
            .collect(),
    }
}

fn bin<'a>(parts: impl Iterator<Item = &'a Bin> + Clone) -> Bin {
    let judged = parts.clone().map(|bin| bin.judged).sum();
    let of = |what: fn(&Bin) -> f64| {
        mean(parts.clone().map(|bin| (what(bin), bin.judged)), judged).unwrap_or(0.0)
    };
    Bin {
        judged,
        said: of(|bin| bin.said),
        came: of(|bin| bin.came),
    }
}

fn stated(runs: &[Report]) -> Stated {
    let sum = |of: fn(&Stated) -> u64| runs.iter().map(|run| of(&run.stated)).sum::<u64>();
    Stated {
        stated: sum(|of| of.stated),
        came: sum(|of| of.came),
        averted: sum(|of| of.averted),
        not_come: sum(|of| of.not_come),
        missed: sum(|of| of.missed),
        in_time: sum(|of| of.in_time),
        brier: mean(
            runs.iter()
                .filter_map(|run| Some((run.stated.brier?, run.stated.ended()))),
            sum(Stated::ended),
        ),
    }
}

fn forecasts(runs: &[Report]) -> Vec<Coverage> {
    let all = || runs.iter().flat_map(|run| &run.forecasts);
    let mut kinds = Vec::new();
    for of in all() {
        let kind = (&of.measure, of.horizon_seconds);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let of_kind = |kind| {
        let parts = || all().filter(move |of| (&of.measure, of.horizon_seconds) == kind);
        let forecasts = parts().map(|of| of.forecasts).sum();
        let of = |what: fn(&Coverage) -> f64| {
            mean(parts().map(|of| (what(of), of.forecasts)), forecasts).unwrap_or(0.0)
        };
        Coverage {
            measure: kind.0.clone(),
            horizon_seconds: kind.1,
            forecasts,
            stretches: parts().map(|of| of.stretches).sum(),
            coverage: of(|of| of.coverage),
            relative_to_naive: of(|of| of.relative_to_naive),
        }
    };
    kinds.into_iter().map(of_kind).collect()
}

/// Of values, each of so many cases. None of no case.
fn mean(values: impl IntoIterator<Item = (f64, u64)>, cases: u64) -> Option<f64> {
    let sum: f64 = values
        .into_iter()
        .map(|(value, count)| value * count as f64)
        .sum();
    (cases > 0).then(|| sum / cases as f64)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| Data::new(values).median())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::Ramp;

    fn run(seed: u64, failed: u64, brier: f64, lead: Option<f64>) -> Report {
        let failures = Failures {
            horizon_seconds: 300,
            judged: 100,
            failed,
            brier: Some(brier),
            base_brier: None,
            skill: None,
            reliability: vec![Bin {
                judged: 100,
                said: 0.2,
                came: failed as f64 / 100.0,
            }],
        };
        Report {
            seeds: vec![seed],
            ramps: 1,
            ramps_predicted: u64::from(lead.is_some()),
            predicted: None,
            ramps_paged: 1,
            median_lead_seconds: lead,
            median_lead_of_ramp: None,
            risks: 2,
            false_risks: 0,
            journeys: failures.clone(),
            failures,
            stated: Stated {
                stated: 2,
                came: 1,
                averted: 0,
                not_come: 0,
                missed: 0,
                in_time: 1,
                brier: Some(brier),
            },
            forecasts: vec![Coverage {
                measure: "rate".to_owned(),
                horizon_seconds: 7_200,
                forecasts: 100 * seed,
                stretches: 4 * seed,
                coverage: 1.0 - 0.1 * seed as f64,
                relative_to_naive: 1.0,
            }],
            by_ramp: vec![Ramp {
                seed,
                fault: "leak".to_owned(),
                ramp_seconds: 600.0,
                lead_seconds: lead,
                lead_of_ramp: None,
                paged_after_seconds: None,
            }],
            runs: Vec::new(),
        }
    }

    #[test]
    fn one_run_is_itself_and_no_run_is_nothing() {
        let alone = run(1, 20, 0.1, Some(60.0));
        assert_eq!(Report::together(vec![alone.clone()]), Some(alone));
        assert_eq!(Report::together(Vec::new()), None);
    }

    #[test]
    fn what_was_judged_in_any_run_counts_once() {
        let runs = vec![run(1, 10, 0.05, Some(60.0)), run(2, 30, 0.11, None)];
        let both = Report::together(runs.clone()).unwrap();
        assert_eq!(both.seeds, [1, 2]);
        assert_eq!(both.predicted, Some(0.5));
        assert_eq!(both.median_lead_seconds, Some(60.0));
        // 40 of 200 failed.
        assert_eq!((both.failures.judged, both.failures.failed), (200, 40));
        assert!((both.failures.base_brier.unwrap() - 0.16).abs() < 1e-12);
        assert!((both.failures.brier.unwrap() - 0.08).abs() < 1e-12);
        assert!((both.failures.skill.unwrap() - 0.5).abs() < 1e-12);
        assert!((both.failures.reliability[0].came - 0.2).abs() < 1e-12);
        assert!((both.stated.brier.unwrap() - 0.08).abs() < 1e-12);
        // 90 of 100 and 160 of 200.
        let [rate] = &both.forecasts[..] else {
            panic!("{:?}", both.forecasts)
        };
        assert_eq!((rate.forecasts, rate.stretches), (300, 12));
        assert!((rate.coverage - 250.0 / 300.0).abs() < 1e-12);
        assert_eq!(both.runs, runs);
    }
}
