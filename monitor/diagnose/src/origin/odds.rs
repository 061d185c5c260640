//! How much more probable something is under a fault than under drift, as a natural logarithm.

use statrs::function::gamma::ln_gamma;

/// A fault changes nearly all requests that come where it is, or at least most of them.
const FAULTY_SHARE: (f64, f64) = (3.0, 0.5);
/// A fault slows by a factor whose logarithm is of this order; the tail is Cauchy's, because
/// hundredfold is no surprise either.
const SLOWDOWN: f64 = 1.0;
/// Log durations are spread like this where too few were seen to tell …
const PRIOR_SPREAD: f64 = 0.3;
/// … which counts like so many observations.
const PRIOR_WEIGHT: f64 = 3.0;
/// What a single pair of values could be off by chance.
const UNKNOWN_SPREAD: f64 = 0.5;
/// The most that not having changed counts against a fault.
pub(super) const UNCHANGED: f64 = -3.0;

/// The probability of one sequence of `hits` of `trials`, whose share is Beta(`a`, `b`): its
/// logarithm. Counts need not be whole: a hit may be explained in part.
fn ln_sequence(hits: f64, trials: f64, (a, b): (f64, f64)) -> f64 {
    let misses = (trials - hits).max(0.0);
    ln_gamma(a + hits) + ln_gamma(b + misses) - ln_gamma(a + b + trials) - ln_gamma(a) - ln_gamma(b)
        + ln_gamma(a + b)
}

/// `hits` of `trials` that would be `usual` (a share above 0 and below 1) when all is well, give or
/// take the drift of a mix whose memory is `memory` requests long.
pub(super) fn more_often(hits: f64, trials: f64, usual: f64, memory: f64) -> f64 {
    ln_sequence(hits, trials, FAULTY_SHARE)
        - ln_sequence(hits, trials, (memory * usual, memory * (1.0 - usual)))
}

/// The same for what a fault makes rare.
pub(super) fn less_often(hits: f64, trials: f64, usual: f64, memory: f64) -> f64 {
    let (a, b) = FAULTY_SHARE;
    ln_sequence(hits, trials, (b, a))
        - ln_sequence(hits, trials, (memory * usual, memory * (1.0 - usual)))
}

/// That `now` lies above `before`, both sorted or not, in units whose logarithm is taken after
/// `floor` is added (differences below it mean nothing). `drift` is the standard deviation that the
/// middle of two healthy samples differ by, in logarithms. Also the shift of the middle.
///
/// `None` when either is empty.
pub(super) fn shift(before: &[f64], now: &[f64], floor: f64, drift: f64) -> Option<(f64, f64)> {
    let log = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .map(|value| (value.max(0.0) + floor).ln())
            .collect()
    };
    let (mut before, mut now) = (log(before), log(now));
    let (count, later) = (before.len() as f64, now.len() as f64);
    let from = median(&mut before)?;
    let change = median(&mut now)? - from;
    let spread = spread(&mut before, from);
    let own = (spread * spread * count + PRIOR_SPREAD * PRIOR_SPREAD * PRIOR_WEIGHT)
        / (count + PRIOR_WEIGHT);
    // The variance of a median is pi/2 that of a mean.
    let scale =
        (own * std::f64::consts::FRAC_PI_2 * (1.0 / count + 1.0 / later) + drift * drift).sqrt();
    Some((above(change, scale), change))
}

/// That a logarithm rose by `change` when healthy ones differ by about `scale`.
pub(super) fn above(change: f64, scale: f64) -> f64 {
    if change <= 0.0 {
        return -0.5;
    }
    let ratio = change / SLOWDOWN;
    let fault = (std::f64::consts::FRAC_2_PI / SLOWDOWN).ln() - (1.0 + ratio * ratio).ln();
    (fault - ln_student4(change / scale, scale)).max(UNCHANGED)
}

/// Student's t density with four degrees of freedom, which forgives an outlier.
fn ln_student4(t: f64, scale: f64) -> f64 {
    0.375f64.ln() - 2.5 * (1.0 + t * t / 4.0).ln() - scale.ln()
}

/// The middle value, or the mean of the two; `None` of nothing.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    Some(if values.len() % 2 == 1 {
        *upper
    } else {
        f64::midpoint(values[middle - 1], *upper)
    })
}

/// The median absolute deviation, scaled to a normal distribution's standard deviation.
pub(super) fn spread(values: &mut [f64], middle: f64) -> f64 {
    if values.len() < 3 {
        return UNKNOWN_SPREAD;
    }
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    1.482_6 * median(values).unwrap_or(UNKNOWN_SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_requests_on_a_new_way_count_more_than_some() {
        let all = more_often(9.0, 9.0, 0.06, 2.0);
        assert!(all > 4.0, "{all}");
        assert!(all > more_often(3.0, 3.0, 0.06, 2.0));
        assert!(more_often(18.0, 40.0, 0.03, 2.0) < 1.5);
        assert!(more_often(1.0, 40.0, 0.03, 2.0) < 0.0);
    }

    #[test]
    fn what_was_often_unusual_before_counts_little() {
        assert!(more_often(9.0, 9.0, 0.5, 2.0) < more_often(9.0, 9.0, 0.05, 2.0) - 2.0);
    }

    #[test]
    fn a_usual_way_has_to_vanish_to_count() {
        assert!(less_often(0.0, 500.0, 0.5, 4.0) > 5.0);
        assert!(less_often(200.0, 500.0, 0.5, 4.0) < 0.0);
    }

    #[test]
    fn a_hundredfold_wait_counts_and_drift_does_not() {
        let before = [3.0, 3.2, 3.4, 2.9, 3.1, 3.3];
        let (delayed, by) = shift(&before, &[2_003.0, 2_004.0], 2.0, 0.3).unwrap();
        assert!(delayed > 4.0, "{delayed}");
        assert!((by - (2_005.5f64 / 5.15).ln()).abs() < 0.01, "{by}");
        let (slower, _) = shift(&before, &[3.5, 4.1, 3.9], 2.0, 0.3).unwrap();
        assert!(slower < 0.5, "{slower}");
        assert_eq!(shift(&before, &[], 2.0, 0.3), None);
    }
}
