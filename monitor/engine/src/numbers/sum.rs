//! A sum of numbers that does not depend on their order, as a bucket's must not.
//!
//! The sum is kept exactly, as parts that do not overlap (J. R. Shewchuk, "Adaptive precision
//! floating-point arithmetic and fast robust geometric predicates", Discrete & Computational
//! Geometry 18, 1997), and rounded once. Numbers of one signal are of about one size, so there are
//! two or three parts; there cannot be more than forty.

use serde::{Deserialize, Serialize};

/// Beyond this a number is taken for it, so that no sum is infinite.
const LARGEST: f64 = 1e200;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// Ascending by magnitude, without zeros.
    parts: Vec<f64>,
    pub(crate) count: u64,
}

impl Sum {
    /// What is not a number counts for nothing.
    pub(crate) fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        self.take(value.clamp(-LARGEST, LARGEST));
    }

    pub(crate) fn merge(&mut self, other: &Sum) {
        self.count += other.count;
        for part in &other.parts {
            self.take(*part);
        }
    }

    /// `None` of nothing.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.rounded() / self.count as f64)
    }

    fn take(&mut self, mut value: f64) {
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (sum, error) = two_sum(value, self.parts[at]);
            if error != 0.0 {
                self.parts[kept] = error;
                kept += 1;
            }
            value = sum;
        }
        self.parts.truncate(kept);
        if value != 0.0 {
            self.parts.push(value);
        }
    }

    /// The sum to the nearest number, ties to even.
    fn rounded(&self) -> f64 {
        let mut parts = self.parts.iter().rev().copied();
        let mut sum = parts.next().unwrap_or(0.0);
        while let Some(part) = parts.next() {
            let (next, error) = two_sum(sum, part);
            sum = next;
            if error != 0.0 {
                // Halfway between two numbers, what is left decides.
                let same_side = parts
                    .next()
                    .is_some_and(|rest| (rest < 0.0) == (error < 0.0));
                let doubled = 2.0 * error;
                if same_side && doubled == (sum + doubled) - sum {
                    sum += doubled;
                }
                break;
            }
        }
        sum
    }
}

/// Sum and rounding error (D. E. Knuth, "The art of computer programming" 2, 4.2.2).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Sum {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    #[test]
    fn what_cancels_out_leaves_the_rest_exactly() {
        let sum = of(&[1e100, 1.0, -1e100, f64::NAN, 1e-30]);
        assert_eq!(sum.mean(), Some((1.0 + 1e-30) / 4.0));
        assert_eq!(of(&[f64::INFINITY, f64::MAX]).mean(), Some(LARGEST));
        assert_eq!(Sum::default().mean(), None);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_nor_where_it_is_split(
            values in prop::collection::vec(any::<f64>(), 1..60),
            at in 0usize..60,
        ) {
            let at = at.min(values.len());
            let (left, right) = values.split_at(at);
            let mut sum = of(right);
            sum.merge(&of(left));
            prop_assert_eq!(sum.mean(), of(&values).mean());
            prop_assert!(sum.parts.len() <= 40);
        }
    }
}
