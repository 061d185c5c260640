//! A mergeable quantile sketch with relative error, small when sparse.
//!
//! DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", VLDB 2019) with logarithmic mapping. Ours keeps bins as a sorted
//! list because a one-second bucket of one Api holds a handful of values: two bytes of index and
//! four of count each, against the kilobytes of a dense store. Counts are integers, so merging in
//! any order gives the same bytes.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Relative error of a quantile.
const ALPHA: f64 = 0.01;
/// Values at or below this (seconds: a nanosecond) are counted as zero.
const SMALLEST: f64 = 1e-9;
/// The largest bins index we keep: 1e9 s. Values above are counted there.
const LARGEST: f64 = 1e9;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    zeros: u32,
    /// Ascending by index.
    bins: Vec<(i16, u32)>,
}

impl Sketch {
    pub fn new() -> Sketch {
        Sketch::default()
    }

    pub fn add(&mut self, value: f64) {
        self.add_n(value, 1);
    }

    /// Adds `value` `n` times; not-a-number is ignored, negatives count as zero.
    /// O(log b) to find the bin of b, O(b) to insert a new one.
    pub fn add_n(&mut self, value: f64, n: u32) {
        if value.is_nan() || n == 0 {
            return;
        }
        if value <= SMALLEST {
            self.zeros = self.zeros.saturating_add(n);
            return;
        }
        self.add_bin(index(value), n);
    }

    fn add_bin(&mut self, index: i16, n: u32) {
        match self.bins.binary_search_by_key(&index, |bin| bin.0) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(n),
            Err(at) => self.bins.insert(at, (index, n)),
        }
    }

    /// Adds all of `other`; commutative and associative (up to saturation at 2³² per bin).
    pub fn merge(&mut self, other: &Sketch) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
            return;
        }
        for &(index, n) in &other.bins {
            self.add_bin(index, n);
        }
    }

    pub fn count(&self) -> u64 {
        self.bins.iter().map(|bin| u64::from(bin.1)).sum::<u64>() + u64::from(self.zeros)
    }

    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.bins.is_empty()
    }

    /// The value below which a share `q` of the values lies, within 1 %; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        Some(self.quantile_bin(q)?.value())
    }

    /// [`Sketch::quantile`] for whoever keeps many: in two bytes, and losing nothing.
    pub fn quantile_bin(&self, q: f64) -> Option<Bin> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * (count - 1) as f64;
        let mut seen = u64::from(self.zeros);
        if seen as f64 > rank {
            return Some(Bin::ZERO);
        }
        for &(index, n) in &self.bins {
            seen += u64::from(n);
            if seen as f64 > rank {
                return Some(Bin(index));
            }
        }
        self.bins.last().map(|bin| Bin(bin.0))
    }

    /// The share of values above `threshold`; bins are taken whole, so within the relative error.
    pub fn share_above(&self, threshold: f64) -> f64 {
        let count = self.count();
        if count == 0 {
            return 0.0;
        }
        self.count_above(threshold) as f64 / count as f64
    }

    /// How many values lie above `threshold`, as [`Sketch::share_above`].
    pub fn count_above(&self, threshold: f64) -> u64 {
        self.bins
            .iter()
            .filter(|bin| value(bin.0) > threshold)
            .map(|bin| u64::from(bin.1))
            .sum()
    }

    /// Each bin's value and count, ascending; zeros first when there are any.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        (self.zeros > 0)
            .then_some((0.0, self.zeros))
            .into_iter()
            .chain(self.bins.iter().map(|&(index, n)| (value(index), n)))
    }
}

/// The bin of a [`Sketch`] that a value falls into: two bytes that stand for it within 1 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin(i16);

impl Bin {
    /// Of values counted as zero.
    pub const ZERO: Bin = Bin(i16::MIN);

    pub fn value(self) -> f64 {
        if self == Bin::ZERO {
            0.0
        } else {
            value(self.0)
        }
    }
}

fn gamma_ln() -> f64 {
    ((1.0 + ALPHA) / (1.0 - ALPHA)).ln()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "|index| <= ln(1e9)/0.02 = 1037 by the clamp"
)]
fn index(value: f64) -> i16 {
    (value.clamp(SMALLEST, LARGEST).ln() / gamma_ln()).ceil() as i16
}

/// The outermost index that a value can have, on either side.
const OUTERMOST: i16 = 1_040;

/// The value of a bin that is within ALPHA of all values that map to it.
fn value(index: i16) -> f64 {
    static VALUES: LazyLock<Vec<f64>> =
        LazyLock::new(|| (-OUTERMOST..=OUTERMOST).map(middle).collect());
    // An index from a damaged snapshot is beyond it.
    let at = usize::try_from(i32::from(index) + i32::from(OUTERMOST));
    let known = at.ok().and_then(|at| VALUES.get(at).copied());
    known.unwrap_or_else(|| middle(index))
}

fn middle(index: i16) -> f64 {
    (f64::from(index) * gamma_ln()).exp() * (1.0 - ALPHA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::new();
        values.iter().for_each(|v| sketch.add(*v));
        sketch
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_one_percent_of_the_exact_one(
            mut values in prop::collection::vec(1e-6f64..1e4, 1..300), q in 0.0f64..=1.0)
        {
            let estimate = sketch(&values).quantile(q).unwrap();
            values.sort_by(f64::total_cmp);
            let rank = q * (values.len() - 1) as f64;
            let exact = values[rank.floor() as usize];
            prop_assert!((estimate - exact).abs() <= exact * (ALPHA + 1e-9), "{} {}", estimate, exact);
            prop_assert_eq!(sketch(&values).quantile_bin(q).map(Bin::value), Some(estimate));
        }

        #[test]
        fn merging_is_commutative_and_associative_and_loses_nothing(
            a in prop::collection::vec(0.0f64..1e4, 0..50),
            b in prop::collection::vec(0.0f64..1e4, 0..50),
            c in prop::collection::vec(0.0f64..1e4, 0..50))
        {
            let all = sketch(&[a.clone(), b.clone(), c.clone()].concat());
            let (a, b, c) = (sketch(&a), sketch(&b), sketch(&c));
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut bc = c;
            bc.merge(&b);
            bc.merge(&a);
            prop_assert_eq!(&left, &bc);
            prop_assert_eq!(left, all);
        }
    }

    #[test]
    fn hostile_values_do_no_harm() {
        let sketch = sketch(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300]);
        assert_eq!(sketch.count(), 5);
        assert_eq!(sketch.quantile(0.0), Some(0.0));
    }
}
