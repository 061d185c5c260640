//! What is said of a run: figures by plain names, beside what others published.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use monitor_diagnose::blame::{Blame, Tuning};
use serde::Serialize;

use super::normal::{Quiet, quiet};
use super::read::Corpus;
use super::validate::Validation;

/// Published on all 52 cases of both scenarios: top-1 and top-3 for each of `GROUPS`, best first where
/// hash seeds gave a range.
const PUBLISHED: [(&str, [(f64, f64); 4]); 5] = [
    (
        "ranked correlation",
        [(0.43, 0.57), (0.75, 1.0), (0.64, 0.79), (0.83, 0.92)],
    ),
    (
        "authors' traversal, best seed",
        [(0.57, 0.57), (0.83, 1.0), (0.57, 0.79), (0.83, 1.0)],
    ),
    (
        "CIRCA",
        [(0.36, 0.86), (0.42, 1.0), (0.50, 1.0), (0.0, 0.0)],
    ),
    ("RCD", [(0.07, 0.21), (0.75, 0.83), (0.0, 0.0), (0.0, 0.0)]),
    (
        "largest z-score",
        [(0.50, 0.86), (0.56, 1.0), (0.29, 0.71), (0.0, 0.08)],
    ),
];
const GROUPS: [&str; 4] = [
    "low_traffic latency",
    "low_traffic availability",
    "high_traffic latency",
    "high_traffic availability",
];

/// One object with the figures; field names are the JSON's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub benchmark: &'static str,
    #[serde(flatten)]
    pub all: Recall,
    /// By scenario and metric.
    pub by_group: BTreeMap<String, Recall>,
    /// Cases in which there is nothing to find: in how many somebody was named.
    pub nothing_to_find: usize,
    pub nothing_to_find_named: usize,
    pub normal_days: Quiet,
    pub cases: Vec<Judged>,
    pub skipped: Vec<Skipped>,
    pub validation: Option<Validation>,
}

/// Shares of cases whose root cause is among the first; ties as expected value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Recall {
    pub cases: usize,
    pub top_1: f64,
    pub top_3: f64,
    pub top_5: f64,
    /// Mean reciprocal rank; 0 for who is not in the list.
    pub mrr: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub case: String,
    pub metric: String,
    pub target: String,
    pub root_cause: Option<String>,
    /// The root cause's rank, from 1, the mean under ties; `null` when it is not in the list.
    pub rank: Option<f64>,
    pub suspects: Vec<Named>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    pub node: String,
    pub score: f64,
    pub why: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    pub case: String,
    pub problem: String,
}

/// The root cause's place: how many are before it, and how many it shares its score with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    better: usize,
    equal: usize,
}

impl Place {
    /// Scores that differ by less are equal.
    const SAME: f64 = 1e-9;

    fn of(corpus: &Corpus, case: usize, blame: &Blame) -> Option<Place> {
        let case = &corpus.cases[case];
        let names = &corpus.scenarios[case.scenario].graph.names;
        let root = case.root_cause.as_deref()?;
        let listed = blame.suspects.iter().filter(|_| blame.named);
        let found = listed.clone().find(|s| names[s.node] == root)?;
        let above = |margin: f64| {
            let scores = listed.clone().map(|suspect| suspect.score);
            scores.filter(|score| *score > found.score + margin).count()
        };
        let better = above(Self::SAME);
        Some(Place {
            better,
            equal: above(-Self::SAME) - better,
        })
    }

    fn among(self, first: usize) -> f64 {
        (first.saturating_sub(self.better) as f64 / self.equal as f64).min(1.0)
    }

    fn reciprocal(self) -> f64 {
        let ranks = self.better + 1..=self.better + self.equal;
        ranks.map(|rank| 1.0 / rank as f64).sum::<f64>() / self.equal as f64
    }

    fn rank(self) -> f64 {
        self.better as f64 + f64::midpoint(self.equal as f64, 1.0)
    }
}

/// Of the cases whose positions are given and that have something to find.
pub(super) fn recall(
    corpus: &Corpus,
    said: &[Blame],
    cases: impl IntoIterator<Item = usize>,
) -> Recall {
    let mut recall = Recall::default();
    for case in cases {
        if corpus.cases[case].root_cause.is_none() {
            continue;
        }
        recall.cases += 1;
        if let Some(place) = Place::of(corpus, case, &said[case]) {
            recall.top_1 += place.among(1);
            recall.top_3 += place.among(3);
            recall.top_5 += place.among(5);
            recall.mrr += place.reciprocal();
        }
    }
    let cases = recall.cases.max(1) as f64;
    Recall {
        cases: recall.cases,
        top_1: recall.top_1 / cases,
        top_3: recall.top_3 / cases,
        top_5: recall.top_5 / cases,
        mrr: recall.mrr / cases,
    }
}

/// Scores what was said of each case, in their order.
pub fn report(corpus: &Corpus, said: &[Blame], tuning: &Tuning) -> Report {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, case) in corpus.cases.iter().enumerate() {
        let scenario = &corpus.scenarios[case.scenario].name;
        let group = format!("{scenario} {}", case.metric);
        groups.entry(group).or_default().push(at);
    }
    let cases: Vec<Judged> = (0..corpus.cases.len())
        .map(|at| judged(corpus, at, &said[at]))
        .collect();
    let nothing = || cases.iter().filter(|case| case.root_cause.is_none());
    Report {
        benchmark: "PetShop",
        all: recall(corpus, said, 0..corpus.cases.len()),
        by_group: groups
            .into_iter()
            .map(|(group, cases)| (group, recall(corpus, said, cases)))
            .collect(),
        nothing_to_find: nothing().count(),
        nothing_to_find_named: nothing().filter(|case| !case.suspects.is_empty()).count(),
        normal_days: quiet(corpus, tuning),
        cases,
        skipped: corpus
            .skipped
            .iter()
            .map(|(case, problem)| Skipped {
                case: case.clone(),
                problem: problem.clone(),
            })
            .collect(),
        validation: None,
    }
}

fn judged(corpus: &Corpus, at: usize, blame: &Blame) -> Judged {
    let case = &corpus.cases[at];
    let names = &corpus.scenarios[case.scenario].graph.names;
    Judged {
        case: case.name.clone(),
        metric: case.metric.clone(),
        target: names[case.target].clone(),
        root_cause: case.root_cause.clone(),
        rank: Place::of(corpus, at, blame).map(Place::rank),
        suspects: blame
            .suspects
            .iter()
            .filter(|_| blame.named)
            .map(|suspect| Named {
                node: names[suspect.node].clone(),
                score: suspect.score,
                why: suspect.why.clone(),
            })
            .collect(),
    }
}

impl Report {
    /// The figures as a table for people.
    // Writing to a string cannot fail, here and below.
    pub fn table(&self) -> String {
        let mut text = format!(
            "PetShop: {} cases\n\n{:<31}{:>7}{:>7}{:>7}{:>7}{:>7}\n",
            self.all.cases, "", "cases", "top-1", "top-3", "top-5", "mrr"
        );
        let rows = self.by_group.iter().map(|(group, r)| (group.as_str(), r));
        for (name, recall) in rows.chain([("all", &self.all)]) {
            let Recall {
                cases,
                top_1,
                top_3,
                top_5,
                mrr,
            } = recall;
            _ = writeln!(
                text,
                "{name:<31}{cases:>7}{top_1:>7.3}{top_3:>7.3}{top_5:>7.3}{mrr:>7.3}"
            );
        }
        self.published(&mut text);
        let quiet = &self.normal_days;
        _ = write!(
            text,
            "\nNormal days: somebody is named in {} of {} windows with the cases' targets, {} of {} \
             with every node as the target.\nEach half of the normal days judged by the other: {} \
             of {}, {} of them the target itself.\n",
            quiet.named,
            quiet.windows,
            quiet.named_of_all_nodes,
            quiet.windows_of_all_nodes,
            quiet.unseen_named,
            quiet.unseen_windows,
            quiet.unseen_named_target,
        );
        if self.nothing_to_find > 0 {
            _ = writeln!(
                text,
                "Cases without a root cause: somebody is named in {} of {}.",
                self.nothing_to_find_named, self.nothing_to_find
            );
        }
        for Skipped { case, problem } in &self.skipped {
            _ = writeln!(text, "Not judged: {case}: {problem}.");
        }
        if let Some(validation) = &self.validation {
            _ = write!(text, "\n{}", validation.table());
        }
        text
    }

    fn published(&self, text: &mut String) {
        if !GROUPS
            .iter()
            .any(|group| self.by_group.contains_key(*group))
        {
            return;
        }
        _ = write!(text, "\n{:<31}", "top-1 / top-3");
        for group in ["low lat.", "low avail.", "high lat.", "high avail."] {
            _ = write!(text, "{group:>14}");
        }
        _ = write!(text, "\n{:<31}", "crosswatch");
        for group in GROUPS {
            let figures = self.by_group.get(group).map_or_else(String::new, |recall| {
                format!("{:.2} / {:.2}", recall.top_1, recall.top_3)
            });
            _ = write!(text, "{figures:>14}");
        }
        text.push('\n');
        for (name, figures) in PUBLISHED {
            _ = write!(text, "{name:<31}");
            for (top_1, top_3) in figures {
                _ = write!(text, "{:>14}", format!("{top_1:.2} / {top_3:.2}"));
            }
            text.push('\n');
        }
        text.push_str("Others as published, on all 52 cases of these two scenarios.\n");
    }

    /// Every case with its suspects and the evidence against the first.
    pub fn cases(&self) -> String {
        let mut text = String::new();
        for judged in &self.cases {
            let rank = match (judged.rank, &judged.root_cause) {
                (Some(rank), _) => format!("rank {rank}"),
                (None, Some(_)) => "not in the list".to_owned(),
                (None, None) => "nothing to find".to_owned(),
            };
            _ = writeln!(
                text,
                "{}: {} of {}; root cause {}: {rank}",
                judged.case,
                judged.metric,
                judged.target,
                judged.root_cause.as_deref().unwrap_or("none"),
            );
            for suspect in judged.suspects.iter().take(3) {
                _ = writeln!(
                    text,
                    "    {:.2} {}: {}",
                    suspect.score,
                    suspect.node,
                    suspect.why.join("; ")
                );
            }
            if judged.suspects.is_empty() {
                text.push_str("    nobody is named\n");
            }
        }
        text
    }
}
