//! Laws of steps, on journeys that are made up.

use monitor_core::SpanKind;
use proptest::prelude::*;

use super::super::tests::part;
use super::super::tree::{Step, Tree};
use super::*;

/// An entry (Api 0) that asks for Apis one after the other; those marked do not answer.
fn journey(asked: &[(u32, bool)]) -> Tree {
    let step = |role, op, parent, (from, to)| {
        let mut part = part(role, from, to);
        part.op = op;
        Step { part, parent }
    };
    let mut tree = Tree::default();
    tree.steps
        .push(step(SpanKind::Server, 0, None, (0, 100_000)));
    for (at, (op, lost)) in (0..).zip(asked) {
        let from = 10 * at;
        let call = tree.steps.len();
        tree.steps.push(step(
            SpanKind::Client,
            1_000_000 + op,
            Some(0),
            (from, from + 9),
        ));
        if !lost {
            tree.steps.push(step(
                SpanKind::Server,
                *op,
                Some(call),
                (from + 1, from + 8),
            ));
        }
    }
    tree
}

fn learned(journeys: u32) -> Steps {
    let mut steps = Steps::default();
    for _ in 0..journeys {
        steps.count(&journey(&[(1, false), (2, false), (3, false)]), 0);
    }
    steps
}

/// What one more journey is told to be: missing, repeated, out of order; and whether it is whole.
fn told(steps: &mut Steps, tree: &Tree) -> ([u64; WAYS], bool) {
    steps.count(tree, 100);
    let block = steps.blocks.back().expect("it was counted");
    (block.odd, block.whole == 1)
}

#[test]
fn more_calls_are_never_a_lower_frequency() {
    let places = [1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, u32::MAX].map(frequency);
    assert_eq!(places, [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7]);
}

#[test]
fn nothing_is_usual_before_a_hundred_journeys() {
    let without = journey(&[(1, false), (3, false)]);
    assert_eq!(told(&mut learned(FEW - 1), &without), ([0, 0, 0], true));
    assert_eq!(told(&mut learned(FEW), &without), ([1, 0, 0], true));
}

#[test]
fn a_step_that_came_with_a_new_version_is_missed_as_soon_as_it_is_usual() {
    let mut steps = learned(10_000);
    let all = journey(&[(1, false), (2, false), (3, false), (4, false)]);
    let without = journey(&[(1, false), (2, false), (3, false)]);
    for _ in 0..FEW {
        steps.count(&all, 0);
    }
    assert_eq!(told(&mut steps, &without), ([1, 0, 0], true));
}

#[test]
fn loops_are_no_repetition_where_they_are_usual() {
    let turns = |turns: usize| journey(&vec![(1, false); turns]);
    let mut steps = Steps::default();
    for journey in 0..200 {
        steps.count(&turns(5 + journey % 3), 0);
    }
    assert_eq!(told(&mut steps.clone(), &turns(8)), ([0, 0, 0], true));
    assert_eq!(told(&mut steps.clone(), &turns(2)), ([0, 0, 0], true));
    assert_eq!(told(&mut steps, &turns(40)), ([0, 1, 0], true));
}

proptest! {
    /// A call that was told of is no missing step, whoever lost the answer; and such a journey is not whole.
    #[test]
    fn what_was_asked_for_is_not_missing(lost in prop::collection::vec(any::<bool>(), 3)) {
        let asked: Vec<(u32, bool)> = (1..).zip(lost.iter().copied()).collect();
        let (odd, whole) = told(&mut learned(200), &journey(&asked));
        prop_assert_eq!(odd, [0, 0, 0]);
        prop_assert_eq!(whole, !lost.contains(&true));
    }

    /// Each way is told for what it is, whatever else is asked for besides.
    #[test]
    fn journeys_are_odd_by_what_is_otherwise(
        order in Just(vec![1, 2, 3]).prop_shuffle(),
        others in prop::collection::vec(4_u32..100, 0..20),
        kept in 1_usize..=3,
    ) {
        let kept = &order[..kept];
        let asked: Vec<(u32, bool)> = kept.iter().chain(&others).map(|op| (*op, false)).collect();
        let (odd, whole) = told(&mut learned(200), &journey(&asked));
        prop_assert!(whole);
        prop_assert_eq!(odd[MISSING], u64::from(kept.len() < 3));
        prop_assert_eq!(odd[REPEATED], 0);
        let place = |op: u32| kept.iter().position(|kept| *kept == op);
        let before = |a, b| place(a).zip(place(b)).is_some_and(|(a, b)| a < b);
        prop_assert_eq!(odd[DISORDERED], u64::from(before(2, 1) || before(3, 2)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// No journeys make it remember more than it has room for, nor tell of more odd ones than there are.
    #[test]
    fn it_stays_small(
        journeys in prop::collection::vec(
            (prop::collection::vec((1_u32..5_000, any::<bool>()), 0..200), 0_i64..100_000),
            1..40,
        ),
    ) {
        let mut steps = learned(FEW);
        let mut heard = 0;
        for (asked, later) in &journeys {
            heard += later;
            steps.count(&journey(asked), heard);
        }
        for _ in 0..3 * BLOCKS {
            heard += BLOCK;
            steps.count(&journey(&[]), heard);
        }
        prop_assert!(steps.usual.len() <= MOST && steps.blocks.len() <= BLOCKS);
        for block in &steps.blocks {
            prop_assert!(block.steps.len() <= MOST && block.whole <= block.clear);
            prop_assert!(block.odd[MISSING] <= block.whole && block.odd.iter().all(|odd| *odd <= block.clear));
        }
        let bytes = postcard::to_stdvec(&steps).expect("it has no maps of unknown length");
        prop_assert!(bytes.len() < 32_768, "{}", bytes.len());
        let again: Steps = postcard::from_bytes(&bytes).expect("its own bytes");
        prop_assert_eq!(again, steps);
    }
}
