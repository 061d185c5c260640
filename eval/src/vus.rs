//! Volume under the surface of precision and recall for ranges (VUS-PR).
//!
//! J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for
//! time-series anomaly detection", PVLDB 15(11), 2022. A ranking measure for continuous scores:
//! labels get soft edges of every width up to a length, for each width the area under precision over
//! recall is taken at 250 thresholds, recall is weighed by the share of windows that were touched,
//! and the areas are averaged. Written from the paper and from the behaviour of the authors'
//! reference; the length is the strongest period of the series, as in their benchmark.

const THRESHOLDS: usize = 250;
/// The length when a series has no period between these.
const FALLBACK: usize = 125;
const PERIODS: std::ops::RangeInclusive<usize> = 3..=300;
/// Autocorrelation is computed for so many lags, over so many values.
const LAGS: usize = 400;
const AUTOCORRELATED: usize = 20_000;

/// The strongest period of a series: the lag of the highest local maximum of its autocorrelation.
pub fn period(values: &[f64]) -> usize {
    let values = &values[..values.len().min(AUTOCORRELATED)];
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let lags = LAGS.min(centred.len().saturating_sub(1));
    let correlation: Vec<f64> = (*PERIODS.start()..=lags)
        .map(|lag| {
            let pairs = centred.iter().zip(&centred[lag..]);
            pairs.map(|(a, b)| a * b).sum()
        })
        .collect();
    let strongest = (1..correlation.len().saturating_sub(1))
        .filter(|at| {
            correlation[*at] > correlation[at - 1] && correlation[*at] > correlation[at + 1]
        })
        .max_by(|a, b| correlation[*a].total_cmp(&correlation[*b]));
    // The reference applies the bounds to the position after the first three lags.
    strongest
        .filter(|at| PERIODS.contains(at))
        .map_or(FALLBACK, |at| at + PERIODS.start())
}

/// VUS-PR of scores against windows (first and last row, ascending), with soft edges up to `length`.
///
/// `None` without windows. O(length · rows).
pub fn vus_pr(scores: &[f64], windows: &[(usize, usize)], length: usize) -> Option<f64> {
    if windows.is_empty() || scores.is_empty() {
        return None;
    }
    let ranking = Ranking::new(scores);
    let areas = (0..=length).map(|width| area(&ranking, scores, windows, width));
    Some(areas.sum::<f64>() / (length + 1) as f64)
}

struct Ranking {
    /// Rows by falling score.
    rows: Vec<usize>,
    thresholds: Vec<f64>,
    /// How many rows reach each threshold.
    predicted: Vec<usize>,
}

impl Ranking {
    fn new(scores: &[f64]) -> Ranking {
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let last = (scores.len() - 1) as f64;
        let thresholds: Vec<f64> = (0..THRESHOLDS)
            .map(|i| scores[rows[(i as f64 * last / (THRESHOLDS - 1) as f64) as usize]])
            .collect();
        let predicted = thresholds
            .iter()
            .map(|threshold| rows.partition_point(|row| scores[*row] >= *threshold))
            .collect();
        Ranking {
            rows,
            thresholds,
            predicted,
        }
    }

    /// For each threshold, the sum of `weights` over the rows that reach it.
    fn sums(&self, weights: &[f64]) -> Vec<f64> {
        let mut sums = Vec::with_capacity(THRESHOLDS);
        let (mut sum, mut taken) = (0.0, 0);
        for predicted in &self.predicted {
            sum += self.rows[taken..*predicted]
                .iter()
                .map(|row| weights[*row])
                .sum::<f64>();
            taken = *predicted;
            sums.push(sum);
        }
        sums
    }
}

fn area(ranking: &Ranking, scores: &[f64], windows: &[(usize, usize)], width: usize) -> f64 {
    let rows = scores.len();
    let mut hard = vec![0.0; rows];
    for (first, last) in windows {
        hard[*first..=*last].fill(1.0);
    }
    let soft = softened(&hard, windows, width);
    let positives: f64 = hard.iter().sum();
    let highest = highest(scores, windows, width / 2);
    let (true_soft, true_hard) = (ranking.sums(&soft), ranking.sums(&hard));
    let (mut area, mut recall_before) = (0.0, 0.0);
    for at in 0..THRESHOLDS {
        let touched = highest
            .iter()
            .filter(|h| **h >= ranking.thresholds[at])
            .count();
        let touched = touched as f64 / highest.len() as f64;
        let labelled = positives + true_soft[at] - true_hard[at];
        let recall = touched * (true_soft[at] / (0.5 * (positives + labelled))).min(1.0);
        let precision = true_soft[at] / ranking.predicted[at] as f64;
        area += (recall - recall_before) * precision;
        recall_before = recall;
    }
    area
}

/// Labels that fall off as a quarter of an ellipse on both sides of each window.
fn softened(hard: &[f64], windows: &[(usize, usize)], width: usize) -> Vec<f64> {
    let mut soft = hard.to_vec();
    let edge = |distance: usize| (1.0 - distance as f64 / width as f64).sqrt();
    for (first, last) in windows {
        for distance in 1..=width / 2 {
            if let Some(label) = soft.get_mut(last + distance) {
                *label += edge(distance);
            }
            if let Some(label) = first.checked_sub(distance).and_then(|at| soft.get_mut(at)) {
                *label += edge(distance);
            }
        }
    }
    soft.iter_mut().for_each(|label| *label = label.min(1.0));
    soft
}

/// The highest score in each window with its edges; windows whose edges meet are one.
fn highest(scores: &[f64], windows: &[(usize, usize)], edge: usize) -> Vec<f64> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (first, last) in windows {
        let (first, last) = (
            first.saturating_sub(edge),
            (last + edge).min(scores.len() - 1),
        );
        match joined.last_mut() {
            Some(before) if first <= before.1 => before.1 = last,
            _ => joined.push((first, last)),
        }
    }
    let highest = |(first, last): (usize, usize)| {
        scores[first..=last]
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    };
    joined.into_iter().map(highest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_score_is_near_one_and_a_constant_one_is_the_share_of_anomalous_rows() {
        let windows = [(500, 549)];
        let perfect: Vec<f64> = (0..1_000)
            .map(|i| f64::from(u8::from((500..550).contains(&i))))
            .collect();
        assert!(vus_pr(&perfect, &windows, 0).unwrap() > 0.99);
        let constant = vus_pr(&vec![1.0; 1_000], &windows, 0).unwrap();
        assert!((constant - 0.05).abs() < 1e-12, "{constant}");
        assert_eq!(vus_pr(&perfect, &[], 10), None);
    }

    #[test]
    fn a_score_that_rises_a_little_late_loses_less_than_one_elsewhere() {
        let windows = [(500, 549)];
        let raised = |from: usize| -> Vec<f64> {
            (0..1_000usize)
                .map(|i| f64::from(u8::from((from..from + 50).contains(&i))))
                .collect()
        };
        let late = vus_pr(&raised(515), &windows, 40).unwrap();
        let elsewhere = vus_pr(&raised(700), &windows, 40).unwrap();
        assert!(late > 0.5 && elsewhere < 0.1, "{late} {elsewhere}");
    }

    #[test]
    fn the_period_of_a_wave_is_found_and_a_constant_has_none() {
        let wave: Vec<f64> = (0..2_000)
            .map(|i| (f64::from(i) * std::f64::consts::TAU / 48.0).sin())
            .collect();
        assert_eq!(period(&wave), 48);
        assert_eq!(period(&[3.0; 500]), FALLBACK);
    }
}
