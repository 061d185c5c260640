//! Detectors of others, computed beside ours on the same files.
//!
//! Both are batch methods on sub-sequences (every row with those before and after it), as in the
//! TSB-AD benchmark: they see the whole file before they judge its first row, ours never does.

pub mod forest;
pub mod pca;

/// The sub-sequences of `length`, one a row that begins one, each column at mean 0 and variance 1.
struct Windows {
    length: usize,
    rows: Vec<f64>,
}

impl Windows {
    fn new(values: &[f64], length: usize) -> Windows {
        let length = length.clamp(1, values.len().max(1));
        let mut rows: Vec<f64> = values.windows(length).flatten().copied().collect();
        let count = (rows.len() / length).max(1) as f64;
        for column in 0..length {
            let of_column = || rows[column..].iter().step_by(length);
            let mean = of_column().sum::<f64>() / count;
            let variance = of_column().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
            for value in rows[column..].iter_mut().step_by(length) {
                *value = (*value - mean) / scale;
            }
        }
        Windows { length, rows }
    }

    fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.rows.chunks_exact(self.length)
    }

    fn count(&self) -> usize {
        self.rows.len() / self.length
    }

    /// One score a row of the series: each sub-sequence's goes to its middle, the ends repeat.
    fn spread(&self, scores: &[f64], rows: usize) -> Vec<f64> {
        let before = self.length / 2;
        let last = scores.len().saturating_sub(1);
        (0..rows)
            .map(|row| {
                scores
                    .get(row.saturating_sub(before).min(last))
                    .copied()
                    .unwrap_or(0.0)
            })
            .collect()
    }
}
