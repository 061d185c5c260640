//! How much the figures owe to choices made on the same cases, and how they bear disturbance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use monitor_diagnose::blame::{Before, Blame, Level, Tuning};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::judge::judge;
use super::read::{Case, Corpus};
use super::report::{Recall, recall};

/// Runs of each disturbance that needs chance.
const RUNS: u64 = 5;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Settings tried, and the range of their figures.
    pub settings: usize,
    pub lowest: Recall,
    pub highest: Recall,
    /// Each group judged with the setting that is best on all others.
    pub held_out: Vec<Held>,
    pub stress: Vec<Stress>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    pub by: &'static str,
    pub groups: usize,
    #[serde(flatten)]
    pub recall: Recall,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stress {
    pub what: String,
    #[serde(flatten)]
    pub recall: Recall,
}

/// The default first, which so wins ties.
fn settings() -> Vec<Tuning> {
    let mut all = vec![Tuning::default()];
    for level in [Level::Median, Level::Mean] {
        for before in [Before::Best, Before::Mean] {
            for noise in [0.25, 0.5, 0.75, 1.0] {
                for few_failures in [0.25, 0.5, 1.0] {
                    let tuning = Tuning {
                        level,
                        before,
                        noise,
                        few_failures,
                    };
                    if tuning != all[0] {
                        all.push(tuning);
                    }
                }
            }
        }
    }
    all
}

/// Judges the corpus some seventy times.
pub fn validate(corpus: &Corpus) -> Validation {
    let settings = settings();
    let said: Vec<Vec<Blame>> = settings.iter().map(|one| judge(corpus, one)).collect();
    let everything: Vec<usize> = (0..corpus.cases.len()).collect();
    let mut figures: Vec<Recall> = said
        .iter()
        .map(|said| recall(corpus, said, everything.iter().copied()))
        .collect();
    let root = |case: &Case| case.root_cause.clone().unwrap_or_default();
    let scenario = |case: &Case| corpus.scenarios[case.scenario].name.clone();
    let held_out = vec![
        held(corpus, &said, "case", |case| case.name.clone()),
        held(corpus, &said, "root cause", root),
        held(corpus, &said, "root cause and metric", |case| {
            format!("{} {}", root(case), case.metric)
        }),
        held(corpus, &said, "scenario", scenario),
    ];
    figures.sort_by(|a, b| {
        a.top_1
            .total_cmp(&b.top_1)
            .then(a.top_3.total_cmp(&b.top_3))
    });
    Validation {
        settings: settings.len(),
        lowest: figures.first().copied().unwrap_or_default(),
        highest: figures.last().copied().unwrap_or_default(),
        held_out,
        stress: stress(corpus),
    }
}

/// Each group's cases with the setting that is best on the others; the first of equals.
fn held(
    corpus: &Corpus,
    said: &[Vec<Blame>],
    by: &'static str,
    group: impl Fn(&Case) -> String,
) -> Held {
    let mut groups: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (at, case) in corpus.cases.iter().enumerate() {
        groups.entry(group(case)).or_default().insert(at);
    }
    let mut chosen: Vec<Blame> = vec![Blame::default(); corpus.cases.len()];
    for left_out in groups.values() {
        let on_others = |said: &Vec<Blame>| {
            let others = (0..corpus.cases.len()).filter(|case| !left_out.contains(case));
            let Recall { top_1, top_3, .. } = recall(corpus, said, others);
            top_1 + top_3
        };
        let best = said.iter().map(|said| (said, on_others(said)));
        let best = best.reduce(|best, other| if other.1 > best.1 { other } else { best });
        if let Some((said, _)) = best {
            for case in left_out {
                chosen[*case] = said[*case].clone();
            }
        }
    }
    Held {
        by,
        groups: groups.len(),
        recall: recall(corpus, &chosen, 0..corpus.cases.len()),
    }
}

type Change = fn(&mut Case, &[String], &mut StdRng);

fn stress(corpus: &Corpus) -> Vec<Stress> {
    let disturbances: [(&str, u64, Change); 7] = [
        ("values ± 5 %", RUNS, |case, _, rng| {
            case.metrics.jitter(0.05, rng)
        }),
        ("values ± 15 %", RUNS, |case, _, rng| {
            case.metrics.jitter(0.15, rng)
        }),
        (
            "a fifth of the other nodes not measured",
            RUNS,
            |case, names, rng| {
                hide(case, names, 0.2, rng);
            },
        ),
        (
            "two fifths of the other nodes not measured",
            RUNS,
            |case, names, rng| {
                hide(case, names, 0.4, rng);
            },
        ),
        ("seen half a row too early", 1, |case, _, _| shift(case, -1)),
        ("seen half a row too late", 1, |case, _, _| shift(case, 1)),
        ("not told when it was seen", 1, |case, _, _| {
            case.seen = None
        }),
    ];
    let mut stress: Vec<Stress> = disturbances
        .into_iter()
        .map(|(what, runs, change)| {
            let mut sum = Recall::default();
            for seed in 0..runs {
                let mut rng = StdRng::seed_from_u64(seed);
                let mut disturbed = corpus.clone();
                for case in &mut disturbed.cases {
                    let names = &corpus.scenarios[case.scenario].graph.names;
                    change(case, names, &mut rng);
                }
                let said = judge(&disturbed, &Tuning::default());
                let one = recall(&disturbed, &said, 0..disturbed.cases.len());
                sum = sum.plus(one);
            }
            Stress {
                what: what.to_owned(),
                recall: sum.over(runs as f64),
            }
        })
        .collect();
    for half in [
        "the first half of normal days",
        "the second half of normal days",
    ] {
        let mut halved = corpus.clone();
        for scenario in &mut halved.scenarios {
            let (first, second) = scenario.normal.halves();
            scenario.normal = if half.contains("first") {
                first
            } else {
                second
            };
        }
        let said = judge(&halved, &Tuning::default());
        stress.push(Stress {
            what: format!("only {half}"),
            recall: recall(&halved, &said, 0..halved.cases.len()),
        });
    }
    stress
}

fn shift(case: &mut Case, half_rows: i64) {
    let half = case.metrics.step() / 2;
    case.seen = case.seen.map(|seen| seen + half_rows * half);
}

/// The target and the answer stay: without them there is nothing to ask.
fn hide(case: &mut Case, names: &[String], part: f64, rng: &mut StdRng) {
    let target = names[case.target].clone();
    for name in names {
        let hidden = rng.random::<f64>() < part;
        if hidden && *name != target && Some(name) != case.root_cause.as_ref() {
            case.metrics.forget(name);
        }
    }
}

impl Recall {
    fn plus(self, other: Recall) -> Recall {
        Recall {
            cases: other.cases,
            top_1: self.top_1 + other.top_1,
            top_3: self.top_3 + other.top_3,
            top_5: self.top_5 + other.top_5,
            mrr: self.mrr + other.mrr,
        }
    }

    fn over(self, runs: f64) -> Recall {
        Recall {
            cases: self.cases,
            top_1: self.top_1 / runs,
            top_3: self.top_3 / runs,
            top_5: self.top_5 / runs,
            mrr: self.mrr / runs,
        }
    }
}

impl Validation {
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<48}{:>7}{:>7}{:>7}\n", "", "top-1", "top-3", "mrr");
        let mut row = |name: &str, recall: &Recall| {
            let Recall {
                top_1, top_3, mrr, ..
            } = recall;
            // Writing to a string cannot fail.
            _ = writeln!(text, "{name:<48}{top_1:>7.3}{top_3:>7.3}{mrr:>7.3}");
        };
        row(
            &format!("best of {} settings", self.settings),
            &self.highest,
        );
        row(
            &format!("worst of {} settings", self.settings),
            &self.lowest,
        );
        for held in &self.held_out {
            row(
                &format!("leave one {} out ({})", held.by, held.groups),
                &held.recall,
            );
        }
        for stress in &self.stress {
            row(&stress.what, &stress.recall);
        }
        text
    }
}
