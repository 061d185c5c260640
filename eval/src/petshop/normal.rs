//! How often somebody is named on normal days, when nobody should be.

use monitor_diagnose::blame::{Costs, Layout, Tuning, Unit, blame};
use serde::Serialize;

use super::judge::Habits;
use super::read::{Corpus, Scenario};
use super::tables::Table;

/// As in most cases.
const LAYOUT: Layout = Layout {
    before: 2,
    during: 3,
};

/// Windows of normal days, and in how many of them somebody was named.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quiet {
    /// With the targets of the cases, by the rules of the benchmark: normal days are known.
    pub windows: usize,
    pub named: usize,
    /// With every node as the target.
    pub windows_of_all_nodes: usize,
    pub named_of_all_nodes: usize,
    /// With the targets of the cases, each half of the normal days judged by the other.
    pub unseen_windows: usize,
    pub unseen_named: usize,
    /// The same, those in which it is the target itself that is named.
    pub unseen_named_target: usize,
}

/// Every window of every scenario's normal days, for both metrics.
pub(super) fn quiet(corpus: &Corpus, tuning: &Tuning) -> Quiet {
    let mut quiet = Quiet::default();
    for (at, scenario) in corpus.scenarios.iter().enumerate() {
        let mut targets: Vec<usize> = corpus
            .cases
            .iter()
            .filter(|case| case.scenario == at)
            .map(|case| case.target)
            .collect();
        targets.sort_unstable();
        targets.dedup();
        let all: Vec<usize> = (0..scenario.graph.names.len()).collect();
        let (first, second) = scenario.normal.halves();
        for unit in [Unit::Seconds, Unit::Failures] {
            let known = windows(
                scenario,
                &scenario.normal,
                &scenario.normal,
                unit,
                tuning,
                &all,
            );
            for said in &known {
                quiet.windows_of_all_nodes += 1;
                quiet.named_of_all_nodes += usize::from(said.top.is_some());
                if targets.contains(&said.target) {
                    quiet.windows += 1;
                    quiet.named += usize::from(said.top.is_some());
                }
            }
            for (judged, by) in [(&first, &second), (&second, &first)] {
                for said in windows(scenario, judged, by, unit, tuning, &targets) {
                    quiet.unseen_windows += 1;
                    quiet.unseen_named += usize::from(said.top.is_some());
                    quiet.unseen_named_target += usize::from(said.top == Some(said.target));
                }
            }
        }
    }
    quiet
}

struct Said {
    target: usize,
    /// Who is named first, if anybody is.
    top: Option<usize>,
}

fn windows(
    scenario: &Scenario,
    judged: &Table,
    by: &Table,
    unit: Unit,
    tuning: &Tuning,
    targets: &[usize],
) -> Vec<Said> {
    let names = &scenario.graph.names;
    let costs: Vec<Costs> = names.iter().map(|name| judged.costs(name, unit)).collect();
    let length = LAYOUT.before + LAYOUT.during;
    let mut habits = Habits::new(scenario, by, *tuning);
    let mut said = Vec::new();
    for start in 0..(judged.secs.len() + 1).saturating_sub(length) {
        let cut = |values: &[f64]| {
            values
                .get(start..start + length)
                .unwrap_or_default()
                .to_vec()
        };
        let slice = |at: usize| Costs {
            calls: cut(&costs[at].calls),
            each: cut(&costs[at].each),
        };
        let nodes = habits.nodes(slice, LAYOUT, unit);
        said.extend(targets.iter().map(|target| {
            let blame = blame(&nodes, *target, unit, tuning);
            let first = blame.suspects.first().filter(|_| blame.named);
            Said {
                target: *target,
                top: first.map(|suspect| suspect.node),
            }
        }));
    }
    said
}
