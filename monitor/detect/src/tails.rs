//! Tail probabilities, exact to the last digits where the decisions are made: far out.

use statrs::function::beta::{beta_reg, ln_beta};
use statrs::function::gamma::{gamma_ur, ln_gamma};

/// P(T ≥ t) for Student's t with `freedom` degrees.
pub(crate) fn student_above(t: f64, freedom: f64) -> f64 {
    if t.is_nan() {
        return 1.0;
    }
    let tail = 0.5 * beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t));
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The t that is exceeded with probability 0.01, by the expansion of Cornish and Fisher around the
/// normal's 2.326 (Abramowitz and Stegun 26.7.5): within a percent from four degrees of freedom on,
/// and a hundred times cheaper than inverting the integral. For bands, not for verdicts.
pub(crate) fn student_one_percent(freedom: f64) -> f64 {
    const Z: f64 = 2.326_347_874;
    let z2 = Z * Z;
    let first = (z2 + 1.0) * Z / 4.0;
    let second = ((5.0 * z2 + 16.0) * z2 + 3.0) * Z / 96.0;
    let third = (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) * Z / 384.0;
    Z + (first + (second + third / freedom) / freedom) / freedom
}

/// Calls up to which the beta-binomial tail is summed.
const SUMMED: u64 = 4_096;

/// P(K ≥ k) when K of n succeed and the chance itself is Beta(a, b) distributed.
///
/// The sum runs upwards from k with the ratio of neighbouring terms, so it is O(terms that matter)
/// and keeps its relative accuracy however small it is. For more than some thousand calls the
/// scatter of the chance outweighs the drawing, and the tail is that of a Beta distribution with
/// the same mean and variance: O(1).
pub(crate) fn beta_binomial_above(k: u64, n: u64, a: f64, b: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    let mean = n as f64 * a / (a + b);
    if (k as f64) <= mean {
        // Near or below the middle the exact value decides nothing; one half bounds it from below.
        return 1.0 - 0.5 * (k as f64 / mean.max(1.0)).min(1.0);
    }
    let (kf, nf) = (k as f64, n as f64);
    if n > SUMMED {
        // Var(K/n) = q(1−q)(1/n + (1 − 1/n)/(a+b+1)) is that of a Beta whose size is one less than
        // the inverse of the bracket.
        let size = 1.0 / (1.0 / nf + (1.0 - 1.0 / nf) / (a + b + 1.0)) - 1.0;
        let (a, b) = (a / (a + b) * size, b / (a + b) * size);
        return beta_reg(b, a, 1.0 - (kf - 0.5) / nf);
    }
    let ln_choose = ln_gamma(nf + 1.0) - ln_gamma(kf + 1.0) - ln_gamma(nf - kf + 1.0);
    let first = ln_choose + ln_beta(a + kf, b + nf - kf) - ln_beta(a, b);
    let (mut term, mut sum, mut i) = (1.0, 1.0, kf);
    while i < nf {
        term *= (nf - i) / (i + 1.0) * (a + i) / (b + nf - i - 1.0);
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
        i += 1.0;
    }
    (first + f64::ln(sum)).exp().min(1.0)
}

/// The smallest k with P(K > k) at most `tail`, for the upper end of a band.
pub(crate) fn beta_binomial_quantile(tail: f64, n: u64, a: f64, b: f64) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if beta_binomial_above(middle + 1, n, a, b) > tail {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// P(X ≤ x) for a count with this mean and variance mean + dispersion · mean²: negative binomial,
/// Poisson when there is no dispersion.
pub(crate) fn count_at_most(x: u64, mean: f64, dispersion: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let x = x as f64;
    if dispersion < 1e-6 {
        gamma_ur(x + 1.0, mean)
    } else {
        let size = 1.0 / dispersion;
        beta_reg(size, x + 1.0, size / (size + mean))
    }
}

/// P(X ≥ x) for the same distribution.
pub(crate) fn count_at_least(x: u64, mean: f64, dispersion: f64) -> f64 {
    if x == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    let x = x as f64;
    if dispersion < 1e-6 {
        statrs::function::gamma::gamma_lr(x, mean)
    } else {
        let size = 1.0 / dispersion;
        beta_reg(x, size, mean / (size + mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-6,
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn student_agrees_with_tables() {
        close(student_above(2.228_138_85, 10.0), 0.025);
        for (freedom, expected) in [(4.0, 3.747), (10.0, 2.764), (30.0, 2.457)] {
            assert!((student_one_percent(freedom) / expected - 1.0f64).abs() < 0.01);
        }
        close(student_above(-1.0, 3.0), 1.0 - student_above(1.0, 3.0));
    }

    #[test]
    fn a_flat_prior_makes_every_number_of_successes_equally_likely() {
        for k in 6..=10 {
            close(beta_binomial_above(k, 10, 1.0, 1.0), (11 - k) as f64 / 11.0);
        }
        assert_eq!(beta_binomial_above(11, 10, 1.0, 1.0), 0.0);
    }

    #[test]
    fn a_certain_chance_makes_it_binomial() {
        // P(K >= 3 of 4) at 0.01 is 4 * 0.01^3 * 0.99 + 0.01^4.
        close_to(beta_binomial_above(3, 4, 1e9 * 0.01, 1e9 * 0.99), 3.97e-6);
    }

    fn close_to(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-4, "{found:e}");
    }

    #[test]
    fn large_and_small_samples_agree_where_they_meet() {
        for (a, b, k) in [
            (2.0, 198.0, 120),
            (2.0, 198.0, 200),
            (0.2, 199.8, 60),
            (20.0, 1980.0, 90),
        ] {
            let (summed, beta) = (
                beta_binomial_above(k, SUMMED, a, b),
                beta_binomial_above(k, SUMMED + 1, a, b),
            );
            assert!(
                (summed.ln() / beta.ln() - 1.0).abs() < 0.05,
                "{summed:e} {beta:e}"
            );
        }
    }

    #[test]
    fn counts_are_poisson_without_dispersion_and_wider_with_it() {
        close(count_at_most(0, 20.0, 0.0), (-20.0f64).exp());
        close(count_at_least(1, 2.0, 0.0), 1.0 - (-2.0f64).exp());
        close(count_at_most(0, 10.0, 0.5), 6.0f64.powi(-2));
        close(
            count_at_least(3, 10.0, 0.5) + count_at_most(2, 10.0, 0.5),
            1.0,
        );
    }

    #[test]
    fn the_quantile_is_the_first_with_a_small_enough_tail() {
        let k = beta_binomial_quantile(0.01, 200, 2.0, 98.0);
        assert!(beta_binomial_above(k + 1, 200, 2.0, 98.0) <= 0.01);
        assert!(beta_binomial_above(k, 200, 2.0, 98.0) > 0.01);
    }
}
