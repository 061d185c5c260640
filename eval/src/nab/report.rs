//! What is said of a run: figures by plain names, beside what others published on the same files.

use std::fmt::Write as _;

use serde::Serialize;

use super::detect::Said;
use super::read::{Corpus, Series};
use super::score::{LOW_FN, LOW_FP, STANDARD, outcome};
use crate::baselines::{forest, pca};
use crate::vus::{period, vus_pr};

/// Of the baseline that needs chance.
const SEED: u64 = 1;

/// One object with the figures; field names are the JSON's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub benchmark: &'static str,
    pub detector: &'static str,
    pub files: usize,
    pub rows: usize,
    pub windows: usize,
    pub unlabelled_files: Vec<String>,
    #[serde(flatten)]
    pub scores: Scores,
    pub vus_pr: Option<f64>,
    pub vus_pr_sub_isolation_forest: Option<f64>,
    pub vus_pr_sub_pca: Option<f64>,
    /// Files that VUS-PR is the mean of: real ones with windows.
    pub vus_pr_files: usize,
    /// The largest model at its file's end.
    pub bytes_per_signal: usize,
    pub published: Vec<Published>,
    pub by_file: Vec<ByFile>,
}

/// NAB's figures of one detector, thresholds chosen on these files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    pub standard: f64,
    #[serde(rename = "reward_low_FP")]
    pub reward_low_fp: f64,
    #[serde(rename = "reward_low_FN")]
    pub reward_low_fn: f64,
    /// Standard, each file scored with the threshold that is best for all others.
    pub leave_one_out: f64,
    /// The standard profile's.
    pub threshold: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    pub name: String,
    #[serde(flatten)]
    pub scores: Scores,
    pub vus_pr: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ByFile {
    pub file: String,
    pub rows: usize,
    pub windows: usize,
    /// Raw standard score; at most the number of windows.
    pub raw: f64,
    pub vus_pr: Option<f64>,
}

/// The detector's name in results and tables.
pub const DETECTOR: &str = "crosswatch";

/// Scores what was said of each series of the corpus, in its order.
pub fn report(corpus: &Corpus, said: &[Said]) -> Report {
    let alarms: Vec<Vec<f64>> = said.iter().map(|said| said.alarms.clone()).collect();
    let (scores, files) = nab(corpus, &alarms);
    let lengths: Vec<Option<usize>> = corpus.series.iter().map(length).collect();
    let ours = volumes(corpus, &lengths, |at, _, _| said[at].evidence.clone());
    let forest = volumes(corpus, &lengths, |_, series, length| {
        forest::scores(&filled(series), length, SEED)
    });
    let pca = volumes(corpus, &lengths, |_, series, length| {
        pca::scores(&filled(series), length)
    });
    let published = corpus.published.iter().map(|(name, scores)| Published {
        name: name.clone(),
        scores: nab(corpus, scores).0,
        vus_pr: mean(&volumes(corpus, &lengths, |at, _, _| scores[at].clone())),
    });
    let by_file = corpus.series.iter().zip(files).zip(&ours);
    Report {
        benchmark: "NAB",
        detector: DETECTOR,
        files: corpus.series.len(),
        rows: corpus.series.iter().map(|s| s.values.len()).sum(),
        windows: corpus.series.iter().map(|s| s.windows.len()).sum(),
        unlabelled_files: corpus.unlabelled.clone(),
        scores,
        vus_pr: mean(&ours),
        vus_pr_sub_isolation_forest: mean(&forest),
        vus_pr_sub_pca: mean(&pca),
        vus_pr_files: ours.iter().flatten().count(),
        bytes_per_signal: said.iter().map(|said| said.bytes).max().unwrap_or(0),
        published: published.collect(),
        by_file: by_file
            .map(|((series, raw), vus_pr)| ByFile {
                file: series.name.clone(),
                rows: series.values.len(),
                windows: series.windows.len(),
                raw,
                vus_pr: *vus_pr,
            })
            .collect(),
    }
}

fn nab(corpus: &Corpus, scores: &[Vec<f64>]) -> (Scores, Vec<f64>) {
    let standard = outcome(corpus, scores, STANDARD);
    let figures = Scores {
        standard: standard.best,
        reward_low_fp: outcome(corpus, scores, LOW_FP).best,
        reward_low_fn: outcome(corpus, scores, LOW_FN).best,
        leave_one_out: standard.leave_one_out,
        threshold: standard.threshold,
    };
    (figures, standard.files.iter().map(|file| file.0).collect())
}

/// The length for VUS-PR and sub-sequences, of the series that it is computed for.
fn length(series: &Series) -> Option<usize> {
    (series.is_real() && !series.windows.is_empty()).then(|| period(&filled(series)))
}

fn volumes(
    corpus: &Corpus,
    lengths: &[Option<usize>],
    scores: impl Fn(usize, &Series, usize) -> Vec<f64>,
) -> Vec<Option<f64>> {
    let series = corpus.series.iter().zip(lengths).enumerate();
    series
        .map(|(at, (series, length))| {
            let length = (*length)?;
            vus_pr(&scores(at, series, length), &series.windows, length)
        })
        .collect()
}

/// Gaps hold the value before them: the baselines know no gaps.
fn filled(series: &Series) -> Vec<f64> {
    let mut last = 0.0;
    let fill = |value: &f64| {
        if value.is_finite() {
            last = *value;
        }
        last
    };
    series.values.iter().map(fill).collect()
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

impl Report {
    /// The table that people read.
    pub fn table(&self) -> String {
        let mut text = format!(
            "NAB: {} files, {} rows, {} windows; one threshold for all files\n\n\
             {:<24}{:>9}{:>9}{:>9}{:>15}{:>9}\n",
            self.files,
            self.rows,
            self.windows,
            "",
            "standard",
            "low FP",
            "low FN",
            "leave-one-out",
            "VUS-PR",
        );
        let mut row = |name: &str, scores: Option<&Scores>, vus: Option<f64>| {
            let figures = scores.map_or_else(
                || format!("{:>9}{:>9}{:>9}{:>15}", "", "", "", ""),
                |s| {
                    format!(
                        "{:>9.1}{:>9.1}{:>9.1}{:>15.1}",
                        s.standard, s.reward_low_fp, s.reward_low_fn, s.leave_one_out
                    )
                },
            );
            let vus = vus.map_or_else(String::new, |vus| format!("{vus:.3}"));
            // Writing to a string cannot fail.
            _ = writeln!(text, "{name:<24}{figures}{vus:>9}");
        };
        row(self.detector, Some(&self.scores), self.vus_pr);
        let mut published: Vec<&Published> = self.published.iter().collect();
        published.sort_by(|a, b| b.scores.standard.total_cmp(&a.scores.standard));
        for other in published {
            row(&other.name, Some(&other.scores), other.vus_pr);
        }
        row("sub-sequence PCA", None, self.vus_pr_sub_pca);
        row(
            "sub-sequence forest",
            None,
            self.vus_pr_sub_isolation_forest,
        );
        _ = write!(
            text,
            "\nThresholds are chosen on these files for every row of the table; leave-one-out \
             chooses each file's on the others.\nVUS-PR is the mean over {} real files with \
             windows, of the continuous score; the two last see whole files in advance.\n\
             {} bytes a signal at most.\n",
            self.vus_pr_files, self.bytes_per_signal,
        );
        text
    }
}
