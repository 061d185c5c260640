//! Who is to blame for what a node loses, told with small platforms.

use std::borrow::Cow;

use expect_test::expect;
use monitor_diagnose::blame::{Blame, Costs, Excess, Habit, Layout, Node, Tuning, Unit, blame};
use proptest::prelude::*;

const LAYOUT: Layout = Layout {
    before: 2,
    during: 3,
};

/// A node with 100 calls a bucket, its normal days, and five buckets around the incident.
struct Story {
    name: &'static str,
    callees: Vec<usize>,
    normal: Costs,
    incident: Costs,
}

/// Restless by a tenth, in a way that does not repeat.
fn normal_days(each: f64) -> Costs {
    let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_769) >> 8) / f64::from(1u32 << 24);
    Costs {
        calls: vec![100.0; 300],
        each: (0..300).map(|i| each * (0.95 + 0.1 * noise(i))).collect(),
    }
}

fn node(name: &'static str, callees: &[usize], normal: f64, incident: [f64; 5]) -> Story {
    Story {
        name,
        callees: callees.to_vec(),
        normal: normal_days(normal),
        incident: Costs {
            calls: vec![100.0; 5],
            each: incident.to_vec(),
        },
    }
}

fn nodes(stories: &[Story], unit: Unit) -> Vec<Node<'_>> {
    let tuning = Tuning::default();
    stories
        .iter()
        .map(|story| {
            let habit = Habit::learn(&story.normal, LAYOUT, &tuning);
            Node {
                name: Cow::Borrowed(story.name),
                callees: Cow::Borrowed(&story.callees),
                excess: Excess::measure(&habit, &story.incident, LAYOUT, unit, &tuning),
            }
        })
        .collect()
}

/// Of the first node's trouble.
fn judged(stories: &[Story], unit: Unit) -> Blame {
    blame(&nodes(stories, unit), 0, unit, &Tuning::default())
}

fn told(stories: &[Story], unit: Unit) -> String {
    let blame = judged(stories, unit);
    let mut text = String::new();
    if !blame.named {
        text.push_str("nobody is named\n");
    }
    for suspect in &blame.suspects {
        let name = stories[suspect.node].name;
        text += &format!("{:.2} {name}: {}\n", suspect.score, suspect.why.join("; "));
    }
    text
}

const fn steady(each: f64) -> [f64; 5] {
    [each; 5]
}

#[test]
fn a_slow_database_is_blamed_and_not_those_who_wait_for_it() {
    let stories = [
        node("shop", &[1, 2], 0.30, [0.30, 0.30, 0.80, 0.82, 0.81]),
        node("orders", &[3], 0.10, [0.10, 0.10, 0.60, 0.62, 0.61]),
        node("search", &[], 0.05, steady(0.05)),
        node("orders-db", &[], 0.02, [0.02, 0.02, 0.52, 0.54, 0.53]),
    ];
    expect![[r#"
        1.00 orders-db: its calls take 530 ms instead of 20 ms; this is 15.9× the most in such a time on normal days; nothing that it calls explains it; 100 % of the trouble of shop is its own, most of it by way of orders
    "#]].assert_eq(&told(&stories, Unit::Seconds));
}

#[test]
fn who_fails_while_all_its_callees_are_well_is_blamed_itself() {
    let stories = [
        node("shop", &[1], 0.0, [0.0, 0.0, 0.04, 0.05, 0.04]),
        node("orders", &[2], 0.0, [0.0, 0.0, 0.04, 0.05, 0.04]),
        node("orders-db", &[], 0.0, steady(0.0)),
    ];
    expect![[r#"
        1.00 orders: 4 % of its calls fail, before 0 %; this is 8.0× the most in such a time on normal days; nothing that it calls explains it; 100 % of the trouble of shop is its own
    "#]].assert_eq(&told(&stories, Unit::Failures));
}

#[test]
fn a_callee_that_nobody_knew_leaves_the_blame_with_who_began_to_call_it() {
    let mut stories = vec![
        node("shop", &[1], 0.0, [0.0, 0.0, 0.3, 0.3, 0.3]),
        node("orders", &[2], 0.0, [0.0, 0.0, 0.3, 0.3, 0.3]),
        node("new-table", &[], 0.0, [f64::NAN, f64::NAN, 1.0, 1.0, 1.0]),
    ];
    stories[2].normal = Costs::default();
    stories[2].incident.calls = vec![0.0, 0.0, 30.0, 30.0, 30.0];
    expect![[r#"
        0.75 orders: 30 % of its calls fail, before 0 %; this is 60.0× the most in such a time on normal days; nothing that it calls explains it; 75 % of the trouble of shop is its own
        0.25 new-table: no normal days are known of it; 100 % of its calls fail; 25 % of the trouble of shop is its own, most of it by way of orders
    "#]].assert_eq(&told(&stories, Unit::Failures));
}

#[test]
fn who_fell_silent_answers_for_its_callers_failures() {
    let mut stories = vec![
        node("shop", &[1, 2], 0.0, [0.0, 0.0, 0.9, 1.0, 0.9]),
        node("search", &[], 0.0, steady(0.0)),
        node("orders", &[], 0.0, [0.0, 0.0, f64::NAN, f64::NAN, f64::NAN]),
    ];
    stories[2].incident.calls = vec![100.0, 100.0, 0.0, 0.0, 0.0];
    expect![[r#"
        0.60 orders: calls of it ceased, and its caller is in trouble; 60 % of the trouble of shop is its own
        0.40 shop: 90 % of its calls fail, before 0 %; normal days show next to nothing of the kind; nothing that it calls explains it; 40 % of the trouble is its own
    "#]].assert_eq(&told(&stories, Unit::Failures));
}

#[test]
fn who_is_not_called_any_more_by_one_that_fell_silent_is_not_to_blame() {
    let silent = || Costs {
        calls: vec![100.0, 100.0, 0.0, 0.0, 0.0],
        each: vec![0.0, 0.0, f64::NAN, f64::NAN, f64::NAN],
    };
    let mut stories = vec![
        node("shop", &[1, 2], 0.0, [0.0, 0.0, 0.9, 1.0, 0.9]),
        node("orders", &[2], 0.0, steady(0.0)),
        node("settings", &[], 0.0, steady(0.0)),
    ];
    stories[1].incident = silent();
    stories[2].incident = silent();
    let blame = judged(&stories, Unit::Failures);
    let suspects: Vec<usize> = blame.suspects.iter().map(|suspect| suspect.node).collect();
    assert_eq!(suspects, [1, 0]);
}

#[test]
fn a_restless_callee_explains_nothing() {
    let mut stories = vec![
        node("shop", &[1, 2], 0.30, [0.30, 0.30, 0.50, 0.50, 0.50]),
        node("batch", &[], 3.0, [3.0, 3.0, 3.4, 3.2, 3.3]),
        node("orders", &[], 0.10, [0.10, 0.10, 0.30, 0.30, 0.30]),
    ];
    for (i, each) in stories[1].normal.each.iter_mut().enumerate() {
        *each = if i % 20 < 3 { 9.0 } else { 3.0 };
    }
    let blame = judged(&stories, Unit::Seconds);
    assert!(blame.named);
    let suspects: Vec<usize> = blame.suspects.iter().map(|suspect| suspect.node).collect();
    assert_eq!(suspects, [2]);
}

#[test]
fn levels_of_other_days_do_not_matter_if_the_last_minutes_are_the_same() {
    let stories = [
        node("shop", &[1], 0.30, [0.30, 0.30, 0.50, 0.50, 0.50]),
        // Three times as slow as it was, and no slower than a moment ago.
        node("search", &[], 0.05, steady(0.15)),
    ];
    let blame = judged(&stories, Unit::Seconds);
    assert_eq!(blame.suspects[0].node, 0);
    assert!(blame.suspects.iter().all(|suspect| suspect.node != 1));
}

#[test]
fn who_is_not_measured_is_looked_through() {
    let mut stories = vec![
        node("shop", &[1], 0.30, [0.30, 0.30, 0.80, 0.80, 0.80]),
        node("gateway", &[2], 0.0, steady(0.0)),
        node("orders", &[], 0.10, [0.10, 0.10, 0.60, 0.60, 0.60]),
    ];
    stories[1].normal = Costs::default();
    stories[1].incident = Costs::default();
    let blame = judged(&stories, Unit::Seconds);
    assert_eq!((blame.named, blame.suspects[0].node), (true, 2));
}

#[test]
fn callers_in_a_circle_come_to_an_end() {
    let stories = [
        node("a", &[1, 0, 99], 0.1, [0.1, 0.1, 0.6, 0.6, 0.6]),
        node("b", &[0], 0.1, [0.1, 0.1, 0.6, 0.6, 0.6]),
    ];
    let blame = judged(&stories, Unit::Seconds);
    let whole: f64 = blame.suspects.iter().map(|suspect| suspect.share).sum();
    assert!((whole - 1.0).abs() < 1e-9, "{blame:?}");
}

#[test]
fn nobody_is_named_in_any_window_of_the_normal_days_themselves() {
    let stories = [
        node("shop", &[1, 2], 0.30, steady(0.3)),
        node("orders", &[], 0.10, steady(0.1)),
        node("search", &[], 0.05, steady(0.05)),
    ];
    for start in 0..=295 {
        let cut: Vec<Story> = stories
            .iter()
            .map(|story| Story {
                name: story.name,
                callees: story.callees.clone(),
                normal: story.normal.clone(),
                incident: Costs {
                    calls: story.normal.calls[start..start + 5].to_vec(),
                    each: story.normal.each[start..start + 5].to_vec(),
                },
            })
            .collect();
        assert!(!judged(&cut, Unit::Seconds).named, "window {start}");
    }
}

#[test]
fn an_unknown_target_has_no_suspects() {
    let stories = [node("shop", &[], 0.3, [0.3, 0.3, 0.9, 0.9, 0.9])];
    let nodes = nodes(&stories, Unit::Seconds);
    assert_eq!(
        blame(&nodes, 7, Unit::Seconds, &Tuning::default()),
        Blame::default()
    );
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..1e3f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => -10.0..0.0f64,
        1 => Just(1e300),
    ]
}

fn any_costs(longest: usize) -> impl Strategy<Value = Costs> {
    let values = || proptest::collection::vec(any_value(), 0..longest);
    (values(), values()).prop_map(|(calls, each)| Costs { calls, each })
}

proptest! {
    #[test]
    fn whatever_comes_shares_add_up_and_scores_are_scores(
        costs in proptest::collection::vec((any_costs(60), any_costs(9)), 1..6),
        edges in proptest::collection::vec((0usize..7, 0usize..7), 0..12),
        before in 0usize..4,
        during in 0usize..4,
        seconds: bool,
    ) {
        let (layout, tuning) = (Layout { before, during }, Tuning::default());
        let unit = if seconds { Unit::Seconds } else { Unit::Failures };
        let nodes: Vec<Node<'_>> = costs.iter().enumerate().map(|(at, (normal, incident))| Node {
            name: Cow::Owned(format!("n{at}")),
            callees: edges.iter().filter(|edge| edge.0 == at).map(|edge| edge.1).collect(),
            excess: Excess::measure(
                &Habit::learn(normal, layout, &tuning), incident, layout, unit, &tuning,
            ),
        }).collect();
        let said = blame(&nodes, 0, unit, &tuning);
        prop_assert_eq!(&said, &blame(&nodes, 0, unit, &tuning));
        let whole: f64 = said.suspects.iter().map(|suspect| suspect.share).sum();
        prop_assert!(said.suspects.is_empty() || (whole - 1.0).abs() < 1e-6, "{:?}", said);
        for suspect in &said.suspects {
            prop_assert!((0.0..=1.0).contains(&suspect.score), "{:?}", suspect);
            prop_assert!(!suspect.why.is_empty());
        }
    }
}
