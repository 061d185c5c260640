//! What belongs together, and who is to blame.

use expect_test::{Expect, expect};
use monitor_core::Time;
use monitor_diagnose::{IncidentChange, Vitals};
use proptest::prelude::*;

use crate::story::{Story, at};

const SHOP: &str = "edge -> checkout -> payments -> ledger\nedge -> search\nedge -> cart";

fn check(story: &Story, expected: Expect) {
    expected.assert_eq(&story.told());
}

#[test]
fn a_slow_ledger_makes_its_callers_slow_and_is_to_blame() {
    let mut story = Story::new(SHOP);
    story
        .until("10:05:15")
        .found("payments", "slow", "10:05:04")
        .until("10:05:18")
        .found("ledger", "slow", "10:05:00")
        .until("10:05:20")
        .found("checkout", "slow", "10:05:09")
        .until("10:05:30")
        .found("edge", "failing", "10:05:12")
        .until("10:09:00")
        .recovered("ledger")
        .recovered("payments")
        .recovered("checkout")
        .recovered("edge")
        .until("10:12:00");
    check(
        &story,
        expect![[r#"
        10:05:20 incident 1 opened: ledger, payments
          1. ledger 0.86: changed first, at 10:05:00, 4 s before payments; it calls nobody that we know of; 1 of 1 others depend on it
          2. payments 0.13: changed at 10:05:04; it calls ledger, which changed 4 s before it
        10:05:21 incident 1 changed: checkout, ledger, payments
          1. ledger 0.86: changed first, at 10:05:00, 4 s before payments; it calls nobody that we know of; 2 of 2 others depend on it
          2. payments 0.18: changed at 10:05:04; it calls ledger, which changed 4 s before it
          3. checkout 0.12: changed at 10:05:09; it calls payments, which changed 5 s before it
        10:05:31 incident 1 changed: checkout, edge, ledger, payments
          1. ledger 0.86: changed first, at 10:05:00, 4 s before payments; it calls nobody that we know of; 3 of 3 others depend on it
          2. payments 0.20: changed at 10:05:04; it calls ledger, which changed 4 s before it
          3. checkout 0.16: changed at 10:05:09; it calls payments, which changed 5 s before it
          4. edge 0.12: changed at 10:05:12; it calls checkout, which changed 3 s before it
        10:09:30 incident 1 closed: checkout, edge, ledger, payments
    "#]],
    );
}

#[test]
fn two_faults_that_have_nothing_to_do_with_each_other_are_two_incidents() {
    let mut story = Story::new("web -> search\npartner -> statements");
    story
        .until("10:05:10")
        .found("search", "slow", "10:05:00")
        .found("statements", "failing", "10:05:01")
        .until("10:05:30");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: search
          1. search 0.86: changed at 10:05:00; it calls nobody that we know of
        10:05:15 incident 2 opened: statements
          1. statements 0.86: changed at 10:05:01; it calls nobody that we know of
    "#]],
    );
}

#[test]
fn one_after_the_other_is_two_incidents_also_in_one_place() {
    let mut story = Story::new("web -> search");
    story
        .until("10:05:10")
        .found("search", "slow", "10:05:00")
        .until("10:06:00")
        .recovered("search")
        .until("10:10:00")
        .found("web", "failing", "10:09:50")
        .until("10:11:00");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: search
          1. search 0.86: changed at 10:05:00; it calls nobody that we know of
        10:06:30 incident 1 closed: search
        10:10:05 incident 2 opened: web
          1. web 0.86: changed at 10:09:50; nothing it calls is unusual
    "#]],
    );
}

#[test]
fn the_same_trouble_that_is_back_shortly_after_is_the_same_incident() {
    let mut story = Story::new("web -> search");
    story
        .until("10:05:10")
        .found("search", "slow", "10:05:00")
        .until("10:06:00")
        .recovered("search")
        .until("10:07:10")
        .found("search", "slow", "10:07:00")
        .until("10:07:30");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: search
          1. search 0.86: changed at 10:05:00; it calls nobody that we know of
        10:06:30 incident 1 closed: search
        10:07:15 incident 1 opened: search
          1. search 0.86: changed at 10:07:00; it calls nobody that we know of
    "#]],
    );
}

#[test]
fn what_hurts_nobody_after_an_outage_is_not_part_of_it() {
    let mut story = Story::new("web -> search");
    story
        .until("10:05:10")
        .found("search", "failing", "10:05:00")
        .until("10:07:00")
        .recovered("search")
        .until("10:07:20")
        .found("search", "complaining", "10:07:15")
        .until("10:08:00");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: search
          1. search 0.86: changed at 10:05:00; it calls nobody that we know of
        10:07:25 incident 2 opened: search
          1. search 0.86: changed at 10:07:15; it calls nobody that we know of
        10:07:30 incident 1 closed: search
    "#]],
    );
}

#[test]
fn an_edge_that_becomes_known_puts_two_incidents_together() {
    let mut story = Story::new("web -> cart\npartner -> inventory");
    story
        .until("10:05:10")
        .found("cart", "slow", "10:05:00")
        .until("10:05:20")
        .found("inventory", "slow", "10:04:57")
        .until("10:05:40")
        .see("cart", "inventory")
        .until("10:06:00");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: cart
          1. cart 0.86: changed at 10:05:00; it calls nobody that we know of
        10:05:25 incident 2 opened: inventory
          1. inventory 0.86: changed at 10:04:57; it calls nobody that we know of
        10:05:41 incident 2 closed, as a part of 1
        10:05:41 incident 1 changed: cart, inventory
          1. inventory 0.86: changed first, at 10:04:57, 3 s before cart; it calls nobody that we know of; 1 of 1 others depend on it
          2. cart 0.13: changed at 10:05:00; it calls inventory, which changed 3 s before it
    "#]],
    );
}

#[test]
fn a_dead_callee_is_known_by_its_silence_and_its_callers() {
    let mut story = Story::new("checkout -> payments -> core\norders -> core\ncore -> mainframe");
    story
        .until("10:05:10")
        .found("payments", "failing", "10:05:00")
        .found("orders", "failing", "10:05:02")
        .vitals(
            "core",
            Vitals {
                judged: true,
                silent_since: Some(at("10:04:59")),
                complains: false,
            },
        )
        .until("10:05:20")
        .found("checkout", "failing", "10:05:03")
        .until("10:05:30");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: orders, payments
          1. core 1.00: nothing came from it since 10:04:59, while orders and payments, which call it, are in trouble; 2 of 2 others depend on it
          2. orders 0.13: changed at 10:05:02; it calls core, which changed 3 s before it
          3. payments 0.13: changed at 10:05:00; it calls core, which changed 1 s before it
        10:05:21 incident 1 changed: checkout, orders, payments
          1. core 1.00: nothing came from it since 10:04:59, while orders and payments, which call it, are in trouble; 3 of 3 others depend on it
          2. payments 0.18: changed at 10:05:00; it calls core, which changed 1 s before it
          3. checkout 0.13: changed at 10:05:03; it calls payments, which changed 3 s before it
          4. orders 0.13: changed at 10:05:02; it calls core, which changed 3 s before it
    "#]],
    );
}

#[test]
fn who_is_not_called_any_more_blames_the_caller_who_fell_silent_first() {
    let mut story = Story::new(SHOP);
    let silent = |clock: &str| Vitals {
        judged: true,
        silent_since: Some(at(clock)),
        complains: false,
    };
    story
        .until("10:05:11")
        .found("edge", "failing", "10:05:00")
        .vitals("checkout", silent("10:05:00"))
        .vitals("payments", silent("10:05:01"))
        .vitals("ledger", silent("10:05:01"))
        .found("checkout", "not called", "10:05:00")
        .found("payments", "not called", "10:05:01")
        .found("ledger", "not called", "10:05:01")
        .until("10:05:30");
    check(
        &story,
        expect![[r#"
        10:05:16 incident 1 opened: checkout, edge, ledger, payments
          1. checkout 1.00: nothing came from it since 10:05:00, while edge, which calls it, is in trouble; changed at 10:05:00, together with edge; payments, which it calls, only has another load; 3 of 3 others depend on it
          2. ledger 0.30: nothing came from it since 10:05:01, while payments, which calls it, is in trouble; changed at 10:05:01; it is called by payments, which changed at the same time
          3. payments 0.30: nothing came from it since 10:05:01, while checkout, which calls it, is in trouble; changed at 10:05:01; it is called by checkout, which changed 1 s before it
          4. edge 0.23: changed at 10:05:00; it calls checkout, which changed at the same time
    "#]],
    );
}

#[test]
fn a_bad_version_in_the_middle_is_to_blame_although_its_callee_is_called_less() {
    let mut story = Story::new(SHOP);
    story
        .until("10:05:11")
        .found_in("v42", "payments", "failing", "10:05:00")
        .found("checkout", "failing", "10:05:00")
        .found("ledger", "seldom called", "10:05:00")
        .until("10:05:30");
    check(
        &story,
        expect![[r#"
        10:05:16 incident 1 opened: checkout, ledger, payments
          1. payments 0.92: changed at 10:05:00, together with checkout; ledger, which it calls, only has another load; nearly all of it is of version v42; 2 of 2 others depend on it
          2. checkout 0.13: changed at 10:05:00; it calls payments, which changed at the same time
          3. ledger 0.13: changed at 10:05:00; it is called by payments, which changed at the same time
    "#]],
    );
}

#[test]
fn one_that_logs_too_little_to_judge_is_no_wall() {
    let mut story = Story::new("web -> cart");
    // Known by name alone.
    story
        .see("cart", "legacy")
        .see("legacy", "stock")
        .see("web", "legacy");
    story
        .until("10:05:11")
        .found("cart", "slow", "10:05:00")
        .found("web", "slow", "10:05:01")
        .until("10:05:30");
    check(
        &story,
        expect![[r#"
        10:05:16 incident 1 opened: cart, web
          1. cart 0.86: changed first, at 10:05:00, 1 s before web; nothing it calls is unusual; 1 of 1 others depend on it
          2. legacy 0.50: too little is known of it to judge it, and all that call it are in trouble: cart and web
          3. web 0.13: changed at 10:05:01; it calls cart, which changed 1 s before it
    "#]],
    );
}

#[test]
fn what_two_share_that_is_well_keeps_them_apart() {
    let mut story = Story::new("edge -> cart -> redis\nedge -> search -> redis");
    story
        .until("10:05:11")
        .found("cart", "slow", "10:05:00")
        .found("search", "slow", "10:05:01")
        .until("10:05:30");
    let opened = story
        .changes
        .iter()
        .filter(|(_, change)| matches!(change, IncidentChange::Opened(_)));
    assert_eq!(opened.count(), 2, "{}", story.told());
}

#[test]
fn what_is_over_before_an_alert_would_fire_is_nothing() {
    let mut story = Story::new(SHOP);
    story
        .until("10:05:10")
        .found("ledger", "slow", "10:05:00")
        .until("10:05:13")
        .recovered("ledger")
        .until("10:10:00");
    check(&story, expect![[""]]);
    assert!(!story.book.is_due(at("10:10:00")));
}

#[test]
fn trouble_that_comes_back_at_once_is_the_same_incident() {
    let mut story = Story::new(SHOP);
    story
        .until("10:05:10")
        .found("ledger", "slow", "10:05:00")
        .until("10:08:00")
        .recovered("ledger")
        .until("10:08:25")
        .found("ledger", "failing", "10:08:20")
        .until("10:09:00")
        .recovered("ledger")
        .until("10:10:00");
    check(
        &story,
        expect![[r#"
        10:05:15 incident 1 opened: ledger
          1. ledger 0.86: changed at 10:05:00; it calls nobody that we know of
        10:09:30 incident 1 closed: ledger
    "#]],
    );
}

#[derive(Clone, Copy, Debug)]
struct Step {
    seconds: u8,
    service: usize,
    what: usize,
    begun: u8,
    recovers: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..40, 0usize..6, 0usize..5, 0u8..60, any::<bool>()).prop_map(
        |(seconds, service, what, begun, recovers)| Step {
            seconds,
            service,
            what,
            begun,
            recovers,
        },
    )
}

fn play(steps: &[Step], restart_at: Option<usize>) -> Story {
    const SERVICES: [&str; 6] = ["edge", "checkout", "payments", "ledger", "search", "cart"];
    const WHAT: [&str; 5] = [
        "slow",
        "failing",
        "complaining",
        "seldom called",
        "not called",
    ];
    let mut story = Story::new(SHOP);
    let mut now = at("10:01:00");
    let clock = |time: Time| time.to_string()[11..19].to_owned();
    for (place, step) in steps.iter().enumerate() {
        if Some(place) == restart_at {
            story.restart();
        }
        now = now + std::time::Duration::from_secs(step.seconds.into());
        story.until(&clock(now));
        let service = SERVICES[step.service];
        if step.recovers {
            story.recovered(service);
        } else {
            let begun = now - std::time::Duration::from_secs(step.begun.into());
            story.found(service, WHAT[step.what], &clock(begun));
        }
    }
    story.until(&clock(now + std::time::Duration::from_secs(60)));
    for service in SERVICES {
        story.recovered(service);
    }
    story.until(&clock(now + std::time::Duration::from_secs(180)));
    story
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_anywhere_changes_nothing(
        steps in prop::collection::vec(step(), 1..30), restart in 0usize..30)
    {
        let straight = play(&steps, None);
        let restarted = play(&steps, Some(restart));
        prop_assert_eq!(&straight.changes, &restarted.changes);
    }

    /// Told consistently: opened once, then changed, closed once; each service's trouble is in one
    /// open incident; and in the end all are closed.
    #[test]
    fn incidents_are_told_consistently_whatever_happens(steps in prop::collection::vec(step(), 1..30)) {
        let story = play(&steps, None);
        let mut open = std::collections::BTreeMap::new();
        for (now, change) in &story.changes {
            match change {
                IncidentChange::Opened(incident) => {
                    prop_assert!(incident.ended.is_none() && incident.began <= incident.opened);
                    prop_assert!(open.insert(incident.id, incident.clone()).is_none());
                }
                IncidentChange::Updated(incident) => {
                    prop_assert_eq!(incident.changed, *now);
                    prop_assert!(open.insert(incident.id, incident.clone()).is_some());
                }
                IncidentChange::Closed(incident) => {
                    prop_assert_eq!(incident.ended, Some(*now));
                    prop_assert!(open.remove(&incident.id).is_some());
                    if let Some(home) = incident.merged_into {
                        prop_assert!(open.contains_key(&home), "into one that is open");
                    }
                }
            }
            if let IncidentChange::Opened(incident) | IncidentChange::Updated(incident) = change {
                prop_assert!(!incident.services.is_empty() && !incident.suspects.is_empty());
                prop_assert!(incident.suspects.is_sorted_by(|a, b| a.score >= b.score));
                prop_assert!(incident.suspects.iter().all(|suspect| (0.0..=1.0).contains(&suspect.score)));
            }
        }
        prop_assert!(open.is_empty(), "{}", story.told());
    }
}
