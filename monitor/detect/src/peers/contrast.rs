//! How one of several that do the same work differs from the others, in one stretch of time.
//!
//! Response times are compared by the median of all pairs' ratios, one call of the member to one of the
//! others (J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests", Annals of
//! Mathematical Statistics 34, 1963): a few wild calls count for little, and a member that is always three
//! times slower can still be told to be six times slower, which ranks alone cannot. Routes are strata:
//! replicas are compared route by route and the logarithms of ratios are averaged by precision, so that who
//! happens to serve more of a slow route is not slow for that.

use monitor_core::Name;
use serde::{Deserialize, Serialize};

/// What one member did of one kind of work.
#[derive(Clone, Copy, Debug)]
pub struct PeerCalls<'a> {
    pub member: &'a Name,
    pub calls: u64,
    pub errors: u64,
    /// Bins of durations with how many calls lie in each, ascending.
    pub durations: &'a [(u8, u32)],
}

/// One member against the others. Sums over kinds of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) other_calls: u64,
    pub(crate) other_errors: u64,
    /// So many errors would be this member's if errors fell on calls by chance.
    pub(crate) expected_errors: f64,
    /// Sum of the kinds' weights; by it the sums below are divided.
    pub(crate) weight: f64,
    /// Logarithm of how many times slower it is, times the weight.
    pub(crate) shift: f64,
    /// Its variance, times the square of the weight.
    pub(crate) variance: f64,
    /// Mean logarithm of durations in seconds, of this member and of the others.
    pub(crate) own_log: f64,
    pub(crate) other_log: f64,
    /// Calls slower than nearly all of the others', and how many of them are this member's.
    pub(crate) slow: f64,
    pub(crate) slow_of_all: f64,
}

/// Variance of the median of pairs in units of the mean difference's, for a normal.
const EFFICIENCY: f64 = std::f64::consts::PI / 3.0;
/// Of the others' calls, so many are slower than what counts as slow.
const SLOW_SHARE: f64 = 0.05;

impl Contrast {
    /// Another kind of work, or another stretch of time.
    pub fn add(&mut self, other: &Contrast) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.other_calls += other.other_calls;
        self.other_errors += other.other_errors;
        self.expected_errors += other.expected_errors;
        self.weight += other.weight;
        self.shift += other.shift;
        self.variance += other.variance;
        self.own_log += other.own_log;
        self.other_log += other.other_log;
        self.slow += other.slow;
        self.slow_of_all += other.slow_of_all;
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }
}

/// Each member of one kind of work against all others together, in their order. Fewer than two members
/// have nothing to be compared with. `middle` is the duration in seconds that a bin stands for;
/// each bin is as many times the one before. O(members · bins²).
pub fn contrast(members: &[PeerCalls<'_>], middle: impl Fn(u8) -> f64) -> Vec<Contrast> {
    if members.len() < 2 {
        return Vec::new();
    }
    let mut all = [0u64; 256];
    let (mut calls, mut errors) = (0u64, 0u64);
    let (mut lowest, mut highest) = (u8::MAX, 0u8);
    for member in members {
        calls += member.calls;
        errors += member.errors;
        for &(bin, n) in member.durations {
            all[usize::from(bin)] += u64::from(n);
            lowest = lowest.min(bin);
            highest = highest.max(bin);
        }
    }
    let logs: Vec<f64> = (lowest..=highest)
        .map(|bin| middle(bin).max(1e-9).ln())
        .collect();
    let log = |bin: u8| logs[usize::from(bin - lowest)];
    members
        .iter()
        .map(|member| {
            let mut found = Contrast {
                calls: member.calls,
                errors: member.errors,
                other_calls: calls - member.calls,
                other_errors: errors - member.errors,
                expected_errors: errors as f64 * member.calls as f64 / calls.max(1) as f64,
                ..Contrast::default()
            };
            if lowest <= highest {
                durations(&mut found, member, &all, (lowest, highest), log);
            }
            found
        })
        .collect()
}

fn durations(
    found: &mut Contrast,
    member: &PeerCalls<'_>,
    all: &[u64; 256],
    (lowest, highest): (u8, u8),
    log: impl Fn(u8) -> f64,
) {
    let mut own = [0u32; 256];
    for &(bin, n) in member.durations {
        own[usize::from(bin)] += n;
    }
    let (mut mine, mut others, mut own_log, mut other_log) = (0.0, 0.0, 0.0, 0.0);
    for bin in lowest..=highest {
        let n = f64::from(own[usize::from(bin)]);
        let rest = all[usize::from(bin)] as f64 - n;
        mine += n;
        others += rest;
        own_log += n * log(bin);
        other_log += rest * log(bin);
    }
    if mine == 0.0 || others == 0.0 {
        return;
    }
    let (own_mean, other_mean) = (own_log / mine, other_log / others);
    let width = if highest > lowest {
        log(lowest + 1) - log(lowest)
    } else {
        0.0
    };
    // Apart by so many bins, and how many pairs are.
    let mut pairs = [0.0f64; 511];
    let mut squares = 0.0;
    for bin in lowest..=highest {
        let n = f64::from(own[usize::from(bin)]);
        let rest = all[usize::from(bin)] as f64 - n;
        squares += n * (log(bin) - own_mean).powi(2) + rest * (log(bin) - other_mean).powi(2);
        if rest > 0.0 {
            for &(mine, n) in member.durations {
                pairs[255 + usize::from(mine) - usize::from(bin)] += f64::from(n) * rest;
            }
        }
    }
    let weight = mine * others / (mine + others);
    // Of what falls into one bin nobody knows the spread.
    let spread = squares / (mine + others - 1.0).max(1.0) + width * width / 12.0;
    found.weight = weight;
    found.shift = weight * width * median(&pairs, mine * others);
    found.variance = weight * EFFICIENCY * spread;
    found.own_log = weight * own_mean;
    found.other_log = weight * other_mean;
    let mut rest = 0.0;
    for bin in (lowest..=highest).rev() {
        let n = f64::from(own[usize::from(bin)]);
        let whole = all[usize::from(bin)] as f64;
        rest += whole - n;
        if rest > SLOW_SHARE * others {
            break;
        }
        found.slow += n;
        found.slow_of_all += whole;
    }
}

/// The median of differences in bins, as if each bin were evenly filled.
fn median(pairs: &[f64; 511], total: f64) -> f64 {
    let mut below = 0.0;
    for (at, &n) in (-255i16..).zip(pairs) {
        if n > 0.0 && below + n >= total / 2.0 {
            return f64::from(at) - 0.5 + (total / 2.0 - below) / n;
        }
        below += n;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(members: &[&[(u8, u32)]]) -> Vec<Contrast> {
        let names: Vec<Name> = (0..members.len()).map(|at| at.to_string().into()).collect();
        let calls: Vec<PeerCalls<'_>> = members
            .iter()
            .zip(&names)
            .map(|(durations, member)| PeerCalls {
                member,
                calls: durations.iter().map(|(_, n)| u64::from(*n)).sum(),
                errors: 0,
                durations,
            })
            .collect();
        contrast(&calls, |bin| (f64::from(bin) / 2.0).exp2())
    }

    #[test]
    fn two_octaves_more_are_four_times_and_who_is_alike_is_not_far_off() {
        let found = compare(&[&[(10, 7)], &[(10, 7)], &[(14, 7)]]);
        let times = |c: &Contrast| (c.shift / c.weight).exp();
        assert!((times(&found[2]) - 4.0).abs() < 1e-9, "{found:?}");
        let ratio = (found[2].own_log - found[2].other_log) / found[2].weight;
        assert!((ratio.exp() - 4.0).abs() < 1e-9);
        assert_eq!((found[2].slow, found[2].slow_of_all), (7.0, 7.0));
        let alike = compare(&[&[(10, 5), (11, 9)], &[(10, 5), (11, 9)]]);
        assert!(
            alike[0].shift.abs() < 1e-12 && alike[0].variance > 0.0,
            "{alike:?}"
        );
    }

    #[test]
    fn a_few_wild_calls_hardly_count() {
        let found = compare(&[&[(10, 30), (60, 2)], &[(10, 30)]]);
        assert!((found[0].shift / found[0].weight).exp() < 1.1, "{found:?}");
    }

    #[test]
    fn one_alone_or_calls_without_durations_show_nothing() {
        assert!(compare(&[&[(3, 5)]]).is_empty());
        assert!(compare(&[&[], &[]]).iter().all(|c| c.weight == 0.0));
    }
}
