//! By how much each environment's clock is ahead.
//!
//! A call from A that B served is an exchange as NTP's (Mills et al., RFC 5905, section 8): what B
//! measured lies within what A measured, so B's clock is ahead of A's by at least end minus end and
//! at most start minus start. Many calls, many such intervals; the offset that is in most of them is
//! taken (Marzullo: "Maintaining the Time in a Distributed System", Stanford 1984), so a few wrong
//! pairs and a clock that was set do no harm. Between the environments, offsets are added along the
//! pairs that bound each other most narrowly, from the one that most others call or are called by.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Pairs kept of each two environments: the last ones.
const KEPT: usize = 256;
/// Fewer pairs say nothing.
const FEWEST: usize = 3;
/// Offsets are computed anew after so many pairs of the same two environments.
const AGAIN: u32 = 32;
/// Nanoseconds within which a supposed offset is still the same one.
const CALM: i64 = 5_000_000;
/// Environments told apart in this.
const MAX_PAIRS: usize = 1_024;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Exchange {
    /// Lower and upper bound of each, in nanoseconds.
    bounds: VecDeque<(i64, i64)>,
    new: u32,
    seen: u64,
    /// Offset and half of the interval's width.
    found: Option<(i64, i64)>,
}

/// Offset, how wrong it may be, and the pairs that say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offset {
    pub(super) ahead: i64,
    pub(super) doubt: i64,
    pub(super) pairs: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Skews {
    /// By the numbers of both environments, the lower first; offsets are of the second.
    exchanges: BTreeMap<(u32, u32), Exchange>,
    /// By environment.
    offsets: BTreeMap<u32, Offset>,
    ahead: Vec<i64>,
}

impl Skews {
    /// A call that `caller` measured from `asked.0` to `asked.1`, and `callee` as `served`.
    pub(super) fn pair(&mut self, caller: u32, callee: u32, asked: (i64, i64), served: (i64, i64)) {
        let (low, high) = (served.1 - asked.1, served.0 - asked.0);
        if caller == callee || low > high {
            return;
        }
        if caller < callee {
            self.bound((caller, callee), (low, high), 1);
        } else {
            self.bound((callee, caller), (-high, -low), 1);
        }
    }

    /// Two services logged parts of one journey, and the longer may have waited for the shorter.
    /// Says something only where nobody tells of calls; most of such pairs that are wrong disagree.
    pub(super) fn hint(&mut self, longer: u32, shorter: u32, outer: (i64, i64), inner: (i64, i64)) {
        if longer == shorter || self.knows(longer, shorter) {
            return;
        }
        let (low, high) = (inner.1 - outer.1, inner.0 - outer.0);
        if low > high {
            return;
        }
        if longer < shorter {
            self.bound((longer, shorter), (low, high), 0);
        } else {
            self.bound((shorter, longer), (-high, -low), 0);
        }
    }

    fn bound(&mut self, pair: (u32, u32), bounds: (i64, i64), weight: u64) {
        if self.exchanges.len() >= MAX_PAIRS && !self.exchanges.contains_key(&pair) {
            return;
        }
        let exchange = self.exchanges.entry(pair).or_default();
        if exchange.bounds.len() >= KEPT {
            exchange.bounds.pop_front();
        }
        exchange.bounds.push_back(bounds);
        exchange.seen += weight;
        exchange.new += 1;
        if exchange.new >= AGAIN || (exchange.found.is_none() && exchange.bounds.len() >= FEWEST) {
            exchange.new = 0;
            exchange.found = agreed(exchange.bounds.iter().copied());
            self.solve();
        }
    }

    /// What hops without ids agree upon, where nothing better is known. Whether that is another
    /// offset than before.
    pub(super) fn suppose(&mut self, caller: u32, callee: u32, offset: i64, doubt: i64) -> bool {
        let pair = (caller.min(callee), caller.max(callee));
        if caller == callee || self.exchanges.len() >= MAX_PAIRS {
            return false;
        }
        let exchange = self.exchanges.entry(pair).or_default();
        if exchange.seen > 0 {
            return false;
        }
        let offset = if caller < callee { offset } else { -offset };
        let (found, jumped) = match exchange.found {
            // The same as before, a little better known.
            Some((known, before)) if (known - offset).abs() <= doubt.max(CALM) => {
                ((known + (offset - known) / 8, before.min(doubt)), false)
            }
            _ => ((offset, doubt), true),
        };
        exchange.found = Some(found);
        self.solve();
        jumped
    }

    /// Whether pairs with ids have said something of these two.
    pub(super) fn knows(&self, one: u32, other: u32) -> bool {
        one == other
            || self
                .exchanges
                .get(&(one.min(other), one.max(other)))
                .is_some_and(|exchange| exchange.seen >= FEWEST as u64)
    }

    /// From the reference outwards, the surest pair first (Prim's tree over the doubts).
    fn solve(&mut self) {
        let mut weight: BTreeMap<u32, u64> = BTreeMap::new();
        for ((one, other), exchange) in &self.exchanges {
            if exchange.found.is_some() {
                for end in [one, other] {
                    *weight.entry(*end).or_default() += exchange.seen.max(1);
                }
            }
        }
        let mut offsets: BTreeMap<u32, Offset> = BTreeMap::new();
        // The one with most pairs of those that no other leads to.
        while let Some(reference) = weight
            .iter()
            .filter(|(end, _)| !offsets.contains_key(end))
            .max_by_key(|(end, weight)| (**weight, std::cmp::Reverse(**end)))
            .map(|(end, _)| *end)
        {
            offsets.insert(reference, Offset::default());
            loop {
                let next = self
                    .exchanges
                    .iter()
                    .filter_map(|((one, other), exchange)| {
                        let (offset, doubt) = exchange.found?;
                        let (known, new, offset) = match (offsets.get(one), offsets.get(other)) {
                            (Some(known), None) => (known, *other, offset),
                            (None, Some(known)) => (known, *one, -offset),
                            _ => return None,
                        };
                        let offset = Offset {
                            ahead: known.ahead + offset,
                            doubt: known.doubt + doubt,
                            pairs: exchange.seen,
                        };
                        Some((offset, new))
                    })
                    .min_by_key(|(offset, new)| (offset.doubt, *new));
                let Some((offset, new)) = next else { break };
                offsets.insert(new, offset);
            }
        }
        let length = offsets.keys().max().map_or(0, |end| *end as usize + 1);
        self.ahead = vec![0; length];
        for (end, offset) in &offsets {
            self.ahead[*end as usize] = offset.ahead;
        }
        self.offsets = offsets;
    }

    /// Nanoseconds, by environment.
    pub(super) fn ahead(&self) -> &[i64] {
        &self.ahead
    }

    pub(super) fn offsets(&self) -> &BTreeMap<u32, Offset> {
        &self.offsets
    }
}

/// The middle of where nearly as many intervals overlap as do anywhere, and half of its width: the
/// very most may be a matter of chance. O(n log n).
pub(super) fn agreed(bounds: impl Iterator<Item = (i64, i64)>) -> Option<(i64, i64)> {
    // Beginnings before ends at the same place, so that touching intervals overlap.
    let mut ends: Vec<(i64, bool)> = bounds
        .flat_map(|(low, high)| [(low, false), (high, true)])
        .collect();
    ends.sort_unstable();
    // How many are open from each end to the next.
    let mut open = 0_usize;
    let counts: Vec<usize> = ends
        .iter()
        .map(|(_, closes)| {
            open = if *closes { open - 1 } else { open + 1 };
            open
        })
        .collect();
    let most = *counts.iter().max()?;
    let best = counts.iter().position(|count| *count == most)?;
    let enough = |count: &usize| *count * 10 >= most * 9;
    let first = best
        - counts[..best]
            .iter()
            .rev()
            .take_while(|count| enough(count))
            .count();
    let last = best
        + counts[best..]
            .iter()
            .take_while(|count| enough(count))
            .count();
    let (low, high) = (ends[first].0, ends.get(last)?.0);
    Some((low + (high - low) / 2, (high - low) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;

    proptest! {
        #[test]
        fn a_clock_two_seconds_off_is_found_within_fifty_milliseconds(
            skew in -3_000i64..3_000,
            calls in prop::collection::vec((0i64..40, 1i64..200, 0i64..40, any::<bool>()), 20..200),
        ) {
            let mut skews = Skews::default();
            for (at, (there, work, back, forth)) in (0..).zip(calls) {
                // Either side may be the caller; one's clock is the right one.
                let start = at * 100 * MS;
                let asked = (start, start + (2 + there + work + back) * MS);
                let served = (start + (1 + there) * MS, start + (1 + there + work) * MS);
                let shifted = |(a, b): (i64, i64)| (a + skew * MS, b + skew * MS);
                if forth {
                    skews.pair(0, 1, asked, shifted(served));
                } else {
                    skews.pair(1, 0, shifted(asked), served);
                }
            }
            let between = skews.offsets()[&1].ahead - skews.offsets()[&0].ahead;
            prop_assert!((between - skew * MS).abs() <= 50 * MS, "{between}");
        }
    }

    #[test]
    fn a_few_impossible_pairs_do_no_harm() {
        let mut skews = Skews::default();
        for n in 0..100 {
            let start = n * 1_000 * MS;
            let off = if n % 10 == 0 { 700 * MS } else { 0 };
            let served = (start + 2_004 * MS + off, start + 2_006 * MS + off);
            skews.pair(3, 5, (start, start + 10 * MS), served);
        }
        let between = skews.offsets()[&5].ahead - skews.offsets()[&3].ahead;
        assert!((between - 2_000 * MS).abs() < 5 * MS, "{between}");
    }

    #[test]
    fn offsets_add_up_along_the_way() {
        let mut skews = Skews::default();
        for _ in 0..10 {
            skews.pair(0, 1, (0, 10 * MS), (104 * MS, 106 * MS));
            skews.pair(1, 2, (0, 10 * MS), (-46 * MS, -44 * MS));
        }
        let at = |end: u32| skews.offsets()[&end].ahead;
        assert_eq!((at(1) - at(0), at(2) - at(0)), (100 * MS, 50 * MS));
    }
}
