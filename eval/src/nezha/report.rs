//! The figures, overall and by group, beside what others published.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Case;

/// What was published of the same systems: AS@1, AS@3, AS@5 in per cent over all faults of each,
/// in the paper's table of service-level results.
const PUBLISHED: [(&str, &str, &str); 5] = [
    ("Nezha", "86.7 / 97.8 / 97.8", "92.9 / 96.4 / 96.4"),
    ("Nezha without logs", "42 / 44 / 44", "64 / 64 / 64"),
    ("PDiagnose", "9 / 13 / 22", "41 / 73 / 82"),
    ("MicroRank", "16 / 24 / 36", "41 / 48 / 63"),
    ("MicroScope", "18 / 27 / 36", "13 / 41 / 55"),
];

/// Figures of a group of cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    pub cases: usize,
    pub top_1: f64,
    pub top_3: f64,
    pub top_5: f64,
    /// Mean reciprocal rank.
    pub mrr: f64,
}

impl Figures {
    fn of(cases: &[&Case]) -> Figures {
        let mean = |value: &dyn Fn(&Case) -> f64| {
            cases.iter().map(|case| value(case)).sum::<f64>() / cases.len().max(1) as f64
        };
        Figures {
            cases: cases.len(),
            top_1: mean(&|case| case.top_1),
            top_3: mean(&|case| case.top_3),
            top_5: mean(&|case| case.top_5),
            mrr: mean(&|case| case.reciprocal_rank),
        }
    }
}

/// Everything, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub overall: Figures,
    /// Cases without anything to compare, which are in no figure.
    pub not_compared: usize,
    pub by_system: BTreeMap<String, Figures>,
    /// By what was injected, over all systems.
    pub by_fault: BTreeMap<String, Figures>,
    pub by_system_and_fault: BTreeMap<String, BTreeMap<String, Figures>>,
    /// By the day of the recording, over all systems.
    pub by_day: BTreeMap<String, Figures>,
    #[serde(rename = "each")]
    pub cases: Vec<Case>,
}

impl Report {
    pub fn of(cases: Vec<Case>) -> Report {
        let scored: Vec<&Case> = cases
            .iter()
            .filter(|case| case.not_compared.is_none())
            .collect();
        let by_system = group(&scored, |case| case.system.clone());
        Report {
            overall: Figures::of(&scored),
            not_compared: cases.len() - scored.len(),
            by_fault: figures(&group(&scored, |case| case.kind.clone())),
            by_day: figures(&group(&scored, |case| {
                case.injected.chars().take(10).collect()
            })),
            by_system_and_fault: by_system
                .iter()
                .map(|(system, cases)| {
                    let faults = group(cases, |case| case.kind.clone());
                    (system.clone(), figures(&faults))
                })
                .collect(),
            by_system: figures(&by_system),
            cases,
        }
    }

    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<28} {:>6} {:>7} {:>7} {:>7} {:>7}\n",
            "", "cases", "top 1", "top 3", "top 5", "MRR"
        );
        for (system, faults) in &self.by_system_and_fault {
            for (fault, figures) in faults {
                row(&mut text, &format!("{system}: {fault}"), figures);
            }
            if let Some(figures) = self.by_system.get(system) {
                row(&mut text, system, figures);
            }
        }
        if self.by_system.len() > 1 {
            row(&mut text, "all", &self.overall);
        }
        if self.not_compared > 0 {
            text.push_str(&format!(
                "{} more faults have no minute, or no fault-free minute, to compare\n",
                self.not_compared
            ));
        }
        text.push_str("\nPublished, top 1 / 3 / 5 in per cent, over all faults of each system\n");
        let mut published = |method: &str, train: &str, boutique: &str| {
            text.push_str(&format!("{method:<28} {train:>20} {boutique:>20}\n"));
        };
        published("", "TrainTicket (45)", "OnlineBoutique (56)");
        for (method, train, boutique) in PUBLISHED {
            published(method, train, boutique);
        }
        text
    }

    /// Each case with what was suspected and why.
    pub fn cases_text(&self) -> String {
        let mut text = String::new();
        for case in &self.cases {
            let place = match (&case.not_compared, case.rank) {
                (Some(reason), _) => reason.clone(),
                (None, Some(rank)) if case.tied > 1 => {
                    format!("place {rank}, with {} others", case.tied - 1)
                }
                (None, Some(rank)) => format!("place {rank}"),
                (None, None) => "nothing speaks for it".to_owned(),
            };
            text.push_str(&format!(
                "{} {} {} {}: {place}\n",
                case.system, case.injected, case.kind, case.service
            ));
            let shown = case.rank.map_or(3, |rank| rank.clamp(2, 3));
            for suspect in case.suspects.iter().take(shown) {
                let marker = if suspect.service == case.service {
                    '*'
                } else {
                    ' '
                };
                text.push_str(&format!(
                    "  {marker} {} ({:.1})\n",
                    suspect.service, suspect.evidence
                ));
                for why in &suspect.why {
                    text.push_str(&format!("      {why}\n"));
                }
            }
            text.push('\n');
        }
        text
    }
}

fn row(text: &mut String, name: &str, figures: &Figures) {
    text.push_str(&format!(
        "{name:<28} {:>6} {:>7.3} {:>7.3} {:>7.3} {:>7.3}\n",
        figures.cases, figures.top_1, figures.top_3, figures.top_5, figures.mrr
    ));
}

fn group<'a>(cases: &[&'a Case], key: impl Fn(&Case) -> String) -> BTreeMap<String, Vec<&'a Case>> {
    let mut groups: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(key(case)).or_default().push(case);
    }
    groups
}

fn figures(groups: &BTreeMap<String, Vec<&Case>>) -> BTreeMap<String, Figures> {
    groups
        .iter()
        .map(|(name, cases)| (name.clone(), Figures::of(cases)))
        .collect()
}

#[cfg(test)]
mod tests;
