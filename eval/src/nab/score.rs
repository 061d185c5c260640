//! NAB's official score.
//!
//! An alarm inside a window counts by how early it is, only the best of a window counts; every alarm
//! outside costs, less shortly after a window; a window without an alarm costs. Scaled so that no
//! alarm at all is 0 and a perfect detector is 100. One threshold holds for all files.

use super::read::{Corpus, Series};

/// What the three kinds of outcomes weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    pub name: &'static str,
    pub hit: f64,
    pub false_alarm: f64,
    pub miss: f64,
}

pub const STANDARD: Profile = Profile {
    name: "standard",
    hit: 1.0,
    false_alarm: 0.11,
    miss: 1.0,
};
pub const LOW_FP: Profile = Profile {
    name: "reward_low_FP",
    hit: 1.0,
    false_alarm: 0.22,
    miss: 1.0,
};
pub const LOW_FN: Profile = Profile {
    name: "reward_low_FN",
    hit: 1.0,
    false_alarm: 0.11,
    miss: 2.0,
};
pub const PROFILES: [Profile; 3] = [STANDARD, LOW_FP, LOW_FN];

/// What one detector reaches under one profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// With the threshold that is best for all files together.
    pub best: f64,
    pub threshold: f64,
    /// Each file scored with the threshold that is best for all others.
    pub leave_one_out: f64,
    /// Raw score and windows of each file at the best threshold, in the corpus's order.
    pub files: Vec<(f64, usize)>,
}

/// The weight of a row as an alarm, from 1 (first row of a window) down to −1.
fn sigmoid(x: f64) -> f64 {
    if x > 3.0 {
        -1.0
    } else {
        2.0 / (1.0 + (5.0 * x).exp()) - 1.0
    }
}

/// Where an alarm would fall, and what it would count.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    score: f64,
    file: usize,
    /// The window it hits; otherwise it is a false alarm.
    window: Option<usize>,
    worth: f64,
}

/// Scores all thresholds. O(rows · log rows + files · rows).
pub fn outcome(corpus: &Corpus, scores: &[Vec<f64>], profile: Profile) -> Outcome {
    let windows: Vec<usize> = corpus.series.iter().map(|s| s.windows.len()).collect();
    let mut alarms: Vec<Alarm> = corpus
        .series
        .iter()
        .zip(scores)
        .enumerate()
        .flat_map(|(file, (series, scores))| alarms(file, series, scores, profile))
        .collect();
    alarms.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (threshold, raw) = best_threshold(&alarms, &windows, profile, None);
    let files = files_at(&alarms, &windows, profile, threshold);
    let left_out = (0..windows.len()).map(|file| {
        let (threshold, _) = best_threshold(&alarms, &windows, profile, Some(file));
        files_at(&alarms, &windows, profile, threshold)[file]
    });
    let left_out: f64 = left_out.sum();
    let total = windows.iter().sum();
    Outcome {
        best: scaled(raw, total, profile),
        threshold,
        leave_one_out: scaled(left_out, total, profile),
        files: files.into_iter().zip(windows).collect(),
    }
}

fn scaled(raw: f64, windows: usize, profile: Profile) -> f64 {
    let null = -profile.miss * windows as f64;
    let perfect = profile.hit * windows as f64;
    if windows == 0 {
        return 0.0;
    }
    100.0 * (raw - null) / (perfect - null)
}

fn alarms(file: usize, series: &Series, scores: &[f64], profile: Profile) -> Vec<Alarm> {
    let rows = series.probation()..series.values.len().min(scores.len());
    rows.map(|row| {
        let window = series.in_window(row);
        Alarm {
            score: scores[row],
            file,
            window,
            worth: worth(series, row, window, profile),
        }
    })
    .collect()
}

fn worth(series: &Series, row: usize, window: Option<usize>, profile: Profile) -> f64 {
    if let Some((first, last)) = window.map(|window| series.windows[window]) {
        let length = (last - first + 1) as f64;
        let position = -((last - row + 1) as f64) / length;
        return profile.hit * sigmoid(position) / sigmoid(-1.0);
    }
    let before = series.windows.iter().rev().find(|(_, last)| *last < row);
    profile.false_alarm
        * before.map_or(-1.0, |(first, last)| {
            let length = (last - first) as f64;
            sigmoid((row - last) as f64 / length.max(1.0))
        })
}

/// What has been collected while the threshold falls.
struct Tally {
    raw: f64,
    /// The best hit of each window of each file.
    hits: Vec<Vec<Option<f64>>>,
}

impl Tally {
    fn new(windows: &[usize], profile: Profile, without: Option<usize>) -> Tally {
        let counted = windows.iter().enumerate();
        let counted: usize = counted
            .filter(|(file, _)| Some(*file) != without)
            .map(|(_, windows)| windows)
            .sum();
        Tally {
            raw: -profile.miss * counted as f64,
            hits: windows.iter().map(|windows| vec![None; *windows]).collect(),
        }
    }

    fn add(&mut self, alarm: &Alarm, profile: Profile) -> f64 {
        let gain = match alarm.window {
            None => alarm.worth,
            Some(window) => {
                let hit = &mut self.hits[alarm.file][window];
                let before = hit.unwrap_or(-profile.miss);
                if hit.is_some_and(|hit| hit >= alarm.worth) {
                    0.0
                } else {
                    *hit = Some(alarm.worth);
                    alarm.worth - before
                }
            }
        };
        self.raw += gain;
        gain
    }
}

/// The highest of the best thresholds, and the raw score there; `alarms` fall in score.
fn best_threshold(
    alarms: &[Alarm],
    windows: &[usize],
    profile: Profile,
    without: Option<usize>,
) -> (f64, f64) {
    let mut tally = Tally::new(windows, profile, without);
    let mut best = (f64::INFINITY, tally.raw);
    for same in alarms.chunk_by(|a, b| a.score == b.score) {
        for alarm in same.iter().filter(|alarm| Some(alarm.file) != without) {
            tally.add(alarm, profile);
        }
        if tally.raw > best.1 {
            best = (same[0].score, tally.raw);
        }
    }
    best
}

fn files_at(alarms: &[Alarm], windows: &[usize], profile: Profile, threshold: f64) -> Vec<f64> {
    let mut tally = Tally::new(windows, profile, None);
    let mut files: Vec<f64> = windows
        .iter()
        .map(|windows| -profile.miss * *windows as f64)
        .collect();
    for alarm in alarms.iter().take_while(|alarm| alarm.score >= threshold) {
        files[alarm.file] += tally.add(alarm, profile);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred rows a minute apart, of which 50 to 59 are a window.
    fn corpus() -> Corpus {
        let series = Series {
            name: "real/one.csv".to_owned(),
            secs: (0..100).map(|i| f64::from(i) * 60.0).collect(),
            values: vec![0.0; 100],
            lines: vec!["2020-01-01 00:00:00,0".into(); 100],
            windows: vec![(50, 59)],
        };
        Corpus {
            series: vec![series],
            ..Corpus::default()
        }
    }

    fn scored(alarms: &[usize]) -> f64 {
        let corpus = corpus();
        let mut scores = vec![0.0; 100];
        alarms.iter().for_each(|row| scores[*row] = 1.0);
        let all = super::alarms(0, &corpus.series[0], &scores, STANDARD);
        let mut all: Vec<Alarm> = all;
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        files_at(&all, &[1], STANDARD, 0.5)[0]
    }

    #[test]
    fn the_first_row_of_a_window_is_perfect_and_later_rows_are_worth_less() {
        assert!((scored(&[50]) - 1.0).abs() < 1e-12);
        // s(−0.5)/s(−1) = 0.848284 / 0.986614.
        assert!(
            (scored(&[55]) - 0.859_793).abs() < 1e-5,
            "{}",
            scored(&[55])
        );
        assert_eq!(scored(&[55, 57]), scored(&[55]));
    }

    #[test]
    fn alarms_outside_cost_less_shortly_after_a_window_and_none_count_in_probation() {
        assert!((scored(&[]) + 1.0).abs() < 1e-12);
        assert!((scored(&[20]) + 1.11).abs() < 1e-12);
        assert!((scored(&[3]) + 1.0).abs() < 1e-12);
        // s(1/9) = −0.270679.
        assert!((scored(&[60]) + 1.0 + 0.11 * 0.270_7).abs() < 1e-4);
    }

    #[test]
    fn the_best_threshold_is_found_and_scaled() {
        let mut scores = vec![0.1; 100];
        scores[50] = 0.9;
        scores[80] = 0.95;
        let outcome = outcome(&corpus(), &[scores], STANDARD);
        assert_eq!(outcome.threshold, 0.9);
        assert!((outcome.best - 100.0 * (2.0 - 0.11) / 2.0).abs() < 0.01);
        // With no other file to choose by, nothing is an alarm.
        assert_eq!(outcome.leave_one_out, 0.0);
    }
}
