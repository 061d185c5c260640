//! How unlikely a value is among all that this signal has shown: a p-value without a distribution.
//!
//! The rank of a value among earlier ones is a conformal p-value (V. Vovk, A. Gammerman, G. Shafer,
//! "Algorithmic learning in a random world", 2005): valid whatever the distribution, if the future
//! is like the past. Beyond the highest twentieth the rank has too few values to go by, and the
//! exceedances of that threshold are extrapolated as in extreme value theory (A. Siffer et al.,
//! "Anomaly detection in streams with extreme value theory", KDD 2017): exponentially, or as a power
//! with the exponent of B. M. Hill's estimator (Annals of Statistics 3, 1975), whichever tail is
//! heavier. A few hundred values do not tell the two apart, and being told of every spike of a
//! heavy-tailed signal is the worse mistake.
//!
//! Counts live in a histogram with eight bins an octave, as in HdrHistogram: O(1) memory, and
//! O(log bins) a value by a Fenwick tree (P. M. Fenwick, "A new data structure for cumulative
//! frequency tables", 1994).

use serde::{Deserialize, Serialize};

/// Sixteen octaves below the highest value seen; what is smaller is "small".
const BINS: usize = 128;
/// Bits of an `f32` that are dropped, so that three bits of the mantissa remain: 8 bins an octave.
const DROPPED_BITS: u32 = 20;
/// Values before anything is said.
const ENOUGH: u32 = 50;
/// The part of all values that counts as tail, and the fewest values it rests on.
const TAIL: f32 = 0.05;
const FEWEST_IN_TAIL: f32 = 10.0;
/// When so many are counted, all counts are halved: what happened long ago weighs less.
const FULL: u32 = 60_000;
/// The tail is fitted anew every so many values once there are `SETTLED` of them.
const REFIT: u32 = 16;
const SETTLED: u32 = 256;
/// The least inverse exponent of a power tail.
const STEEPEST: f32 = 1e-3;
/// Nothing is more surprising than one in 10^30.
const MOST: f32 = 30.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Surprise {
    /// Fenwick tree over the bins; bin 0 holds everything small, the last one ends at the highest.
    tree: Vec<u16>,
    /// The code of the last bin.
    top: u32,
    counted: u32,
    tail: Tail,
}

/// The fitted tail: `share` of all values exceed `threshold`, by `mean_excess` on average, and by
/// `mean_log_excess` in natural logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tail {
    threshold: f32,
    mean_excess: f32,
    mean_log_excess: f32,
    share: f32,
}

impl Surprise {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Surprise>() + size_of_val(self.tree.as_slice())
    }

    pub(super) fn new() -> Surprise {
        Surprise {
            tree: vec![0; BINS],
            top: 0,
            counted: 0,
            tail: Tail::default(),
        }
    }

    pub(super) fn is_learning(&self) -> bool {
        self.counted < ENOUGH
    }

    /// −log₁₀ of the probability of a value at least this high, and then counts the value in.
    ///
    /// 0 until [`ENOUGH`] values are known. Values are at least 0.
    pub(super) fn judge(&mut self, value: f32) -> f32 {
        let said = if self.counted < ENOUGH {
            0.0
        } else {
            self.of(value)
        };
        self.count(value);
        if self.counted >= ENOUGH && (self.counted < SETTLED || self.counted.is_multiple_of(REFIT))
        {
            self.tail = self.fit();
        }
        said
    }

    /// What all but this share of the values stay below, to an eighth of an octave; `None` before
    /// [`ENOUGH`].
    pub(super) fn exceeded_by(&self, share: f32) -> Option<f32> {
        if self.is_learning() {
            return None;
        }
        let wanted = (1.0 - share) * self.counted as f32;
        let bin = (0..BINS).find(|bin| f32::from(self.up_to(*bin)) >= wanted);
        Some(self.edges(bin.unwrap_or(BINS - 1)).1)
    }

    /// −log₁₀ of the probability of a value at least this high.
    fn of(&self, value: f32) -> f32 {
        let tail = self.tail;
        let power = if tail.threshold > 0.0 {
            (value / tail.threshold).ln() / tail.mean_log_excess.max(STEEPEST)
        } else {
            f32::INFINITY
        };
        self.beyond(value, power)
    }

    /// The same of what is a logarithm itself: its tail is exponential.
    pub(super) fn of_logarithm(&self, value: f32) -> f32 {
        self.beyond(value, f32::INFINITY)
    }

    fn beyond(&self, value: f32, power: f32) -> f32 {
        let counted = self.counted as f32;
        let tail = self.tail;
        let above = self.above(value);
        if value <= tail.threshold || above > 0.5 * tail.share * counted {
            let p = (above + 1.0) / (counted + 1.0);
            return -p.log10();
        }
        let exponential = (value - tail.threshold) / tail.mean_excess.max(f32::MIN_POSITIVE);
        let beyond = exponential.min(power);
        let p_of_threshold = (tail.share * counted + 1.0) / (counted + 1.0);
        (beyond * std::f32::consts::LOG10_E - p_of_threshold.log10()).min(MOST)
    }

    /// How many values are higher, those of the same bin counted as half.
    fn above(&self, value: f32) -> f32 {
        let code = code(value);
        if code > self.top {
            return 0.0;
        }
        let bin = self.bin(code);
        let up_to = f32::from(self.up_to(bin));
        let below = if bin == 0 {
            0.0
        } else {
            f32::from(self.up_to(bin - 1))
        };
        self.counted as f32 - 0.5 * (up_to + below)
    }

    fn bin(&self, code: u32) -> usize {
        (BINS - 1).saturating_sub((self.top.saturating_sub(code)) as usize)
    }

    fn up_to(&self, bin: usize) -> u16 {
        let (mut at, mut sum) = (bin + 1, 0u16);
        while at > 0 {
            sum += self.tree[at - 1];
            at &= at - 1;
        }
        sum
    }

    fn add(&mut self, bin: usize, count: u16) {
        let mut at = bin + 1;
        while at <= BINS {
            self.tree[at - 1] += count;
            at += at & at.wrapping_neg();
        }
    }

    fn count(&mut self, value: f32) {
        let code = code(value);
        if self.counted == 0 {
            self.top = code;
        } else if code > self.top {
            let by = (code - self.top) as usize;
            self.top = code;
            self.rebuild(|bin| bin.saturating_sub(by), |count| count);
        }
        if self.counted >= FULL {
            self.rebuild(|bin| bin, |count| count.div_ceil(2));
        }
        self.add(self.bin(code), 1);
        self.counted += 1;
    }

    fn rebuild(&mut self, moved: impl Fn(usize) -> usize, kept: impl Fn(u16) -> u16) {
        let counts = self.counts();
        self.tree.fill(0);
        self.counted = 0;
        for (bin, count) in counts.into_iter().enumerate() {
            let count = kept(count);
            if count > 0 {
                self.add(moved(bin), count);
                self.counted += u32::from(count);
            }
        }
    }

    fn counts(&self) -> [u16; BINS] {
        let mut counts = [0; BINS];
        let mut before = 0;
        for (bin, count) in counts.iter_mut().enumerate() {
            let up_to = self.up_to(bin);
            *count = up_to - before;
            before = up_to;
        }
        counts
    }

    fn fit(&self) -> Tail {
        let counted = self.counted as f32;
        let wanted = (TAIL * counted).max(FEWEST_IN_TAIL).min(counted);
        let mut reached = 0.0;
        let (mut weighed, mut weighed_logs) = (0.0, 0.0);
        let mut later = self.up_to(BINS - 1);
        for bin in (0..BINS).rev() {
            let before = if bin == 0 { 0 } else { self.up_to(bin - 1) };
            let count = f32::from(later - before);
            later = before;
            if count == 0.0 {
                continue;
            }
            let (low, high) = self.edges(bin);
            if reached + count >= wanted {
                let part = (wanted - reached) / count;
                let threshold = high - part * (high - low);
                let partial = wanted - reached;
                let excess = weighed - reached * threshold + partial * 0.5 * (high - threshold);
                let log_threshold = threshold.max(f32::MIN_POSITIVE).ln();
                let log_excess = weighed_logs - reached * log_threshold
                    + partial * 0.5 * (high.max(f32::MIN_POSITIVE).ln() - log_threshold);
                return Tail {
                    threshold,
                    mean_excess: excess / wanted,
                    mean_log_excess: log_excess / wanted,
                    share: wanted / counted,
                };
            }
            reached += count;
            let middle = 0.5 * (low + high);
            weighed += count * middle;
            weighed_logs += count * middle.max(f32::MIN_POSITIVE).ln();
        }
        Tail::default()
    }

    fn edges(&self, bin: usize) -> (f32, f32) {
        let code = (self.top + bin as u32).saturating_sub(BINS as u32 - 1);
        let low = if bin == 0 { 0.0 } else { value(code) };
        (low, value(code + 1))
    }
}

fn code(value: f32) -> u32 {
    value.clamp(0.0, f32::MAX).to_bits() >> DROPPED_BITS
}

/// The lowest value of a code.
fn value(code: u32) -> f32 {
    f32::from_bits(code << DROPPED_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that are exponential in distribution and come in a fixed scrambled order.
    fn exponential(i: u32) -> f32 {
        let uniform = ((i.wrapping_mul(2_654_435_769)) as f32 + 1.0) / 4_294_967_300.0;
        -uniform.ln()
    }

    #[test]
    fn the_surprise_of_an_exponential_value_is_its_exponent_where_it_was_seen() {
        let mut surprise = Surprise::new();
        (0..5_000).for_each(|i| {
            surprise.judge(exponential(i));
        });
        for value in [0.5f32, 1.0, 2.0, 4.0] {
            let expected = value * std::f32::consts::LOG10_E;
            let said = surprise.of(value);
            assert!(
                (said / expected - 1.0).abs() < 0.12,
                "{value}: {said} for {expected}"
            );
        }
        // Beyond, the tail may be a power: less surprising than the exponent, yet more and more.
        let [far, farther] = [16.0, 64.0].map(|value| surprise.of(value));
        assert!(
            far > 3.5 && far < 7.0 && farther > far + 1.0,
            "{far} {farther}"
        );
    }

    #[test]
    fn a_constant_is_no_surprise_and_the_first_other_value_is() {
        let mut surprise = Surprise::new();
        assert!((0..200).all(|_| surprise.judge(0.0) < 0.5));
        assert!(surprise.judge(1.0) > 2.0);
    }

    #[test]
    fn a_value_far_above_all_others_leaves_their_order_intact() {
        let mut surprise = Surprise::new();
        (0..1_000).for_each(|i| {
            surprise.judge(exponential(i));
        });
        let before = surprise.of(2.0);
        surprise.judge(1_000.0);
        assert!((surprise.of(2.0) - before).abs() < 0.1);
        assert_eq!(u32::from(surprise.up_to(BINS - 1)), surprise.counted);
    }

    #[test]
    fn old_values_fade_and_the_count_stays_bounded() {
        let mut surprise = Surprise::new();
        (0..FULL * 2).for_each(|i| {
            surprise.judge(exponential(i));
        });
        assert!(surprise.counted <= FULL + 1);
        assert_eq!(u32::from(surprise.up_to(BINS - 1)), surprise.counted);
    }
}
