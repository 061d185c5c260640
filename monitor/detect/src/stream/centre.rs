//! The median of everything a signal has been, from evenly spaced samples of it.
//!
//! Every n-th value is kept; when the store is full every other one goes and n doubles. So the
//! samples always cover the whole past evenly, in fixed memory and without chance.

use serde::{Deserialize, Serialize};

const KEPT: usize = 256;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Centre {
    /// In the order in which they came.
    kept: Vec<f32>,
    stride: u32,
    until_next: u32,
    median: f32,
}

impl Centre {
    pub(super) fn bytes(&self) -> usize {
        self.kept.capacity() * size_of::<f32>()
    }

    pub(super) fn new() -> Centre {
        Centre {
            kept: Vec::new(),
            stride: 1,
            until_next: 0,
            median: 0.0,
        }
    }

    pub(super) fn median(&self) -> f32 {
        self.median
    }

    /// Deviation from the median of what came before; then learns the value.
    pub(super) fn residual(&mut self, value: f32) -> f32 {
        let residual = if self.kept.is_empty() {
            0.0
        } else {
            value - self.median
        };
        if self.until_next == 0 {
            self.keep(value);
        } else {
            self.until_next -= 1;
        }
        residual
    }

    fn keep(&mut self, value: f32) {
        if self.kept.len() == KEPT {
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.kept.push(value);
        self.until_next = self.stride - 1;
        let mut sorted = [0.0; KEPT];
        let sorted = &mut sorted[..self.kept.len()];
        sorted.copy_from_slice(&self.kept);
        let middle = sorted.len() / 2;
        self.median = *sorted.select_nth_unstable_by(middle, f32::total_cmp).1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_covers_the_whole_past_in_fixed_memory() {
        let mut centre = Centre::new();
        (0..10_000u16).for_each(|i| {
            centre.residual(f32::from(i));
        });
        assert!(centre.kept.len() <= KEPT);
        assert!((centre.median - 5_000.0).abs() < 200.0, "{}", centre.median);
    }
}
