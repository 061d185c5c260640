//! Clocks of environments between which no call has ids.
//!
//! Each call and each request that may be its answer bound the difference of the two clocks, as a
//! true pair would ([`skew`](super::super::skew)). Most of these pairs are wrong and say anything;
//! all the true ones agree. Where more agree than chance makes, there it is.

use std::collections::BTreeMap;

use monitor_core::SpanKind;

use super::super::names::{NONE, Names};
use super::super::skew::{Skews, agreed};
use super::Item;

/// No clock that is worth correcting is further off than this.
const FURTHEST: i64 = 10_000_000_000;
/// Calls looked at, of two environments.
const CALLS: usize = 200;
/// Three quarters of these must agree, and no fewer.
const FEWEST: usize = 20;

/// Whom a call was made to, its start and its end.
type Asked = (u32, i64, i64);

/// Whether a clock turned out to be another than was supposed.
pub(super) fn suppose(items: &[Item], names: &Names, skews: &mut Skews) -> bool {
    let mut jumped = false;
    let mut served: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
    let mut asked: BTreeMap<(u32, u32), Vec<Asked>> = BTreeMap::new();
    for item in items {
        let part = &item.part;
        match part.role {
            SpanKind::Server => {
                let known = served.entry(part.node).or_default();
                known.push((part.start, part.end));
            }
            SpanKind::Client => {
                let callee = names.resolve(part.peer, part.node);
                let ends = (names.home(part.node), names.home(callee));
                if ends.0 != NONE && ends.1 != NONE && !skews.knows(ends.0, ends.1) {
                    let known = asked.entry(ends).or_default();
                    known.push((callee, part.start, part.end));
                }
            }
            _ => {}
        }
    }
    for ((caller, callee), calls) in asked {
        let calls = &calls[calls.len().saturating_sub(CALLS)..];
        let mut bounds = Vec::new();
        let mut answered = 0_usize;
        for (callee, start, end) in calls {
            let Some(served) = served.get(callee) else {
                continue;
            };
            answered += 1;
            let possible = served
                .iter()
                .map(|(from, to)| (to - end, from - start))
                .filter(|(low, high)| low <= high && low.abs() <= FURTHEST);
            bounds.extend(one_vote(possible.collect()));
        }
        let Some((offset, doubt)) = agreed(bounds.iter().copied()) else {
            continue;
        };
        let agree = bounds
            .iter()
            .filter(|(low, high)| *low <= offset && offset <= *high)
            .count();
        let enough = (answered * 3 / 4).max(FEWEST);
        if agree >= enough {
            jumped |= skews.suppose(caller, callee, offset, doubt);
        }
    }
    jumped
}

/// A call says of each offset once that it is possible, however many requests say so: a busy callee
/// would make chance look like agreement.
fn one_vote(mut possible: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    possible.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::with_capacity(possible.len());
    for (low, high) in possible {
        match apart.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => apart.push((low, high)),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_votes_once_for_each_offset() {
        assert_eq!(
            one_vote(vec![(5, 9), (1, 3), (2, 6), (20, 21), (3, 4)]),
            [(1, 9), (20, 21)]
        );
        assert_eq!(one_vote(Vec::new()), []);
    }
}
