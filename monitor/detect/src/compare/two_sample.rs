//! Are these two samples of one kind? Two-sided p-values.

use monitor_core::Sketch;
use statrs::function::beta::beta_reg;
use statrs::function::gamma::ln_gamma;

use crate::tails::{normal_above, student_above};

/// Durations of one kind usually lie within a factor of 1.65; believed as much as four calls are.
const PRIOR_SPREAD: f64 = 0.5;
const PRIOR_FREEDOM: f64 = 4.0;

/// Mann and Whitney's rank test (Annals of Mathematical Statistics 18, 1947) on the sketches' bins,
/// with the correction for ties; values within a bin are equal to it. O(bins).
pub(super) fn mann_whitney(a: &Sketch, b: &Sketch) -> f64 {
    let mut bins: Vec<(f64, f64, f64)> = a
        .bins()
        .map(|(value, n)| (value, f64::from(n), 0.0))
        .chain(b.bins().map(|(value, n)| (value, 0.0, f64::from(n))))
        .collect();
    bins.sort_by(|x, y| x.0.total_cmp(&y.0));
    bins.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
            kept.2 += next.2;
        }
        same
    });
    let (na, nb) = (a.count() as f64, b.count() as f64);
    let (mut below, mut u, mut ties) = (0.0, 0.0, 0.0);
    for (_, in_a, in_b) in bins {
        u += in_b * (below + in_a / 2.0);
        below += in_a;
        let tied = in_a + in_b;
        ties += tied * (tied * tied - 1.0);
    }
    let n = na + nb;
    let variance = na * nb / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    // NaN when there is one value in all, and then nothing differs.
    if variance.is_nan() || variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - na * nb / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * normal_above(z)).min(1.0)
}

/// Student's test on the logarithms, with a prior for their spread so that it may speak on a handful
/// of calls: ranks cannot, however far apart two and five values lie. O(bins).
pub(super) fn log_shift(a: &Sketch, b: &Sketch, soft: f64) -> f64 {
    let moments = |sketch: &Sketch| {
        let n = sketch.count() as f64;
        let mean = sketch
            .bins()
            .map(|(value, count)| (value + soft).ln() * f64::from(count))
            .sum::<f64>()
            / n;
        let squares = sketch
            .bins()
            .map(|(value, count)| ((value + soft).ln() - mean).powi(2) * f64::from(count))
            .sum::<f64>();
        (n, mean, squares)
    };
    let ((na, mean_a, squares_a), (nb, mean_b, squares_b)) = (moments(a), moments(b));
    let freedom = PRIOR_FREEDOM + na + nb - 2.0;
    if freedom <= 0.0 {
        return 1.0;
    }
    let prior = PRIOR_FREEDOM * PRIOR_SPREAD * PRIOR_SPREAD;
    let variance = (prior + squares_a + squares_b) / freedom;
    let t = (mean_b - mean_a).abs() / (variance * (1.0 / na + 1.0 / nb)).sqrt();
    (2.0 * student_above(t, freedom)).min(1.0)
}

/// Fisher's exact test of `k` of `n` against `j` of `m`; twice the smaller tail.
pub(super) fn fisher_two_sided(k: u64, n: u64, j: u64, m: u64) -> f64 {
    if n == 0 || m == 0 || k + j == 0 || k + j == n + m {
        return 1.0;
    }
    let upper = fisher_above(k, n, j, m);
    let lower = fisher_above(j, m, k, n);
    (2.0 * upper.min(lower)).min(1.0)
}

/// Probability of at least `k` in the first sample, the margins given; the sum runs from `k` away
/// from the middle and stops when the terms no longer matter.
fn fisher_above(k: u64, n: u64, j: u64, m: u64) -> f64 {
    let (kf, nf, jf, mf) = (k as f64, n as f64, j as f64, m as f64);
    let cases = kf + jf;
    if kf <= nf * cases / (nf + mf) {
        return 1.0;
    }
    let choose = |whole: f64, part: f64| {
        ln_gamma(whole + 1.0) - ln_gamma(part + 1.0) - ln_gamma(whole - part + 1.0)
    };
    let first = choose(nf, kf) + choose(mf, jf) - choose(nf + mf, cases);
    let (mut term, mut sum) = (1.0, 1.0);
    let (mut x, mut y) = (kf, jf);
    while x < nf && y > 0.0 {
        term *= (nf - x) / (x + 1.0) * y / (mf - y + 1.0);
        sum += term;
        x += 1.0;
        y -= 1.0;
        if term < sum * 1e-12 {
            break;
        }
    }
    (first + f64::ln(sum)).exp().min(1.0)
}

/// Of `n` events, `k` fell into a part that should get this share of them; twice the smaller tail.
/// The exact test for two Poisson counts (Przyborowski and Wilenski, Biometrika 31, 1940).
pub(super) fn binomial_two_sided(k: u64, n: u64, share: f64) -> f64 {
    if n == 0 || share <= 0.0 || share >= 1.0 {
        return 1.0;
    }
    let (kf, nf) = (k as f64, n as f64);
    let at_least = if k == 0 {
        1.0
    } else {
        beta_reg(kf, nf - kf + 1.0, share)
    };
    let at_most = if k == n {
        1.0
    } else {
        beta_reg(nf - kf, kf + 1.0, 1.0 - share)
    };
    (2.0 * at_least.min(at_most)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: impl IntoIterator<Item = f64>) -> Sketch {
        let mut sketch = Sketch::new();
        values.into_iter().for_each(|value| sketch.add(value));
        sketch
    }

    #[test]
    fn fisher_agrees_with_the_lady_who_tasted_tea() {
        // 3 of 4 against 1 of 4: P(at least 3) = 17/70.
        assert!((fisher_two_sided(3, 4, 1, 4) - 34.0 / 70.0).abs() < 1e-9);
        assert!(fisher_two_sided(30, 40, 1, 400) < 1e-20);
        assert_eq!(fisher_two_sided(0, 40, 0, 400), 1.0);
    }

    #[test]
    fn binomial_agrees_with_tossed_coins() {
        assert!((binomial_two_sided(0, 10, 0.5) - 2.0 / 1024.0).abs() < 1e-12);
        assert!((binomial_two_sided(10, 10, 0.5) - 2.0 / 1024.0).abs() < 1e-12);
        assert!((binomial_two_sided(5, 10, 0.5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn two_calls_of_two_seconds_against_five_of_four_milliseconds_are_no_chance() {
        let (usual, slow) = (
            sketch([0.003, 0.004, 0.004, 0.005, 0.004]),
            sketch([2.0, 2.1]),
        );
        assert!(mann_whitney(&usual, &slow) > 0.01);
        assert!(log_shift(&usual, &slow, 0.01) < 1e-6);
        assert!(log_shift(&usual, &sketch([0.006, 0.003]), 0.01) > 0.1);
    }

    #[test]
    fn ranks_tell_shifted_samples_from_equal_ones() {
        let usual = sketch((0..200).map(|i| 0.05 + 0.001 * f64::from(i % 40)));
        let shifted = sketch((0..200).map(|i| 0.07 + 0.001 * f64::from(i % 40)));
        assert!(mann_whitney(&usual, &usual) > 0.9);
        assert!(mann_whitney(&usual, &shifted) < 1e-20);
        let one = sketch([0.1]);
        assert_eq!(mann_whitney(&one, &one), 1.0);
    }
}
