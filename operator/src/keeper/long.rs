//! What takes minutes and hours: the monitor away, the API server in trouble, a long rest.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::play::{Asked, Play, Trouble};
use crate::args::LeaseTimes;
use crate::conditions::holds;
use crate::watch::watched;
use crate::world::named;

const WORKLOADS: usize = 1_000;
/// That it was discovered, and that its baseline is ready.
const TOLD_OF_EACH: usize = 2;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Each workload has one resource, that says of it what is the case.
fn assert_settled(play: &Play, workloads: usize) {
    let named: BTreeSet<_> = play.apis.values().filter_map(named).collect();
    assert_eq!((named.len(), play.apis.len()), (workloads, workloads));
    for (key, api) in &play.apis {
        let status = api.status.as_ref().unwrap();
        let well = ["Ready", "Discovered", "LogsFlowing", "Parsed"];
        let not: Vec<_> = well
            .iter()
            .filter(|it| !holds(&status.conditions, it))
            .collect();
        assert!(not.is_empty(), "{key} lacks {not:?}: {status:#?}");
        assert_eq!(status.state.as_deref(), Some("ok"), "{key}");
    }
    assert_eq!(play.keeper.counts().running, 0);
    // Of each workload people are told once, whatever happened since.
    assert_eq!(
        play.asked.iter().filter(|it| it.1 == Asked::Event).count(),
        workloads * TOLD_OF_EACH
    );
}

fn settled(workloads: usize) -> Play {
    let mut play = Play::new(workloads);
    play.pass(minutes(2));
    assert_settled(&play, workloads);
    play
}

#[test]
fn the_monitor_is_away_for_ten_minutes() {
    let mut play = settled(WORKLOADS);
    let wishes = play.wishes;
    play.monitor_there = false;
    let gone = play.now;
    play.pass(minutes(10));
    // Each resource says so, and keeps what is known.
    for (key, api) in &play.apis {
        let status = api.status.as_ref().unwrap();
        assert!(!holds(&status.conditions, "Ready"), "{key}");
        assert!(holds(&status.conditions, "LogsFlowing"), "{key}");
        let binding = &status.bindings[0].conditions[0];
        assert_eq!(binding.reason, "MonitorUnreachable", "{key}");
    }
    // That costs one write each, and until it is noticed, half a minute long, the numbers of the
    // last answer are written at their pace of four a second.
    let cost = play.count(Asked::Status, gone);
    assert!(
        (WORKLOADS..=WORKLOADS + 30 * 4 + 20).contains(&cost),
        "{cost} writes to say that it is away"
    );

    let back = play.now;
    play.monitor_comes_back();
    // A thousand are told within a minute that it is there.
    play.pass(minutes(1));
    assert_settled(&play, WORKLOADS);
    // Once each, and numbers that moved meanwhile at their own pace of four a second.
    let cost = play.count(Asked::Status, back);
    assert!(
        (WORKLOADS..=WORKLOADS + 60 * 4 + 20).contains(&cost),
        "{cost} writes to say that it is back"
    );
    for kind in [Asked::Apply, Asked::Delete, Asked::Event, Asked::Other] {
        assert_eq!(play.count(kind, gone), 0, "{kind:?}");
    }
    assert_eq!(play.wishes, wishes, "the same wish was made again");
}

#[test]
fn the_api_server_is_in_trouble_for_a_minute_from_the_first_write_on() {
    for trouble in [Trouble::Refuses, Trouble::Deaf] {
        let mut play = Play::new(WORKLOADS);
        let begun = play.now;
        play.trouble = trouble;
        play.pass(minutes(1));
        let tried = play.asked.len();
        // Half a second doubled each time: at most eight tries of each in a minute, and what is
        // tried is a workload's resource, or the status of one that is there.
        assert!(
            tried <= WORKLOADS * 8,
            "{tried} requests in a minute of {trouble:?}"
        );
        play.trouble = Trouble::None;
        // The watch, that was silent or dropped, begins anew.
        play.list_monitored_again();
        // The longest pause between two tries is two minutes, and a quarter for the jitter.
        play.pass(minutes(3));
        assert_settled(&play, WORKLOADS);
        let applied = play.count(Asked::Apply, begun);
        // And once more each, when it is over.
        assert!(
            applied <= WORKLOADS * 9,
            "{applied} applies for {WORKLOADS} resources"
        );
        // And then it rests.
        let rest = play.now;
        play.pass(minutes(2));
        assert_eq!(play.count(Asked::Apply, rest), 0);
        let written = play.count(Asked::Status, rest);
        assert!(written <= 2 * 60 * 4 + 20, "{written} writes at rest");
    }
}

#[test]
fn the_api_server_is_in_trouble_for_a_minute_while_all_is_well_otherwise() {
    for trouble in [Trouble::Refuses, Trouble::Deaf] {
        let mut play = settled(WORKLOADS);
        let begun = play.now;
        play.trouble = trouble;
        play.pass(minutes(1));
        // Only numbers want to be written: no more than their four a second, and tries again.
        let tried = play.count(Asked::Status, begun);
        assert!(
            tried <= 60 * 4 * 8,
            "{tried} writes in a minute of {trouble:?}"
        );
        play.trouble = Trouble::None;
        play.list_monitored_again();
        play.pass(minutes(3));
        assert_settled(&play, WORKLOADS);
        assert_eq!(play.count(Asked::Apply, begun), 0);
    }
}

/// What is asked of the API server at rest, beside what the keeper asks for: a lease that is renewed,
/// and watches that the API server ends after 290 seconds, which is what kube asks for. Of watches
/// there is one for each kind and one for experiments; each begins anew with one request.
fn around_the_keeper() -> f64 {
    let lease = 1.0 / LeaseTimes::default().renew_every.as_secs_f64();
    let watches = (watched(false).len() + 1) as f64 / 290.0;
    lease + watches
}

/// Numbers that always move are written four times a second, and of one resource once a minute. Gives
/// what the keeper asks for in a second.
fn rest(mut play: Play, length: SignedDuration) -> f64 {
    let workloads = play.apis.len();
    let begun = play.now;
    let wishes = play.wishes;
    play.pass(length);
    assert_settled(&play, workloads);
    let asked = play.asked.iter().filter(|(at, _)| *at >= begun).count();
    // None is left behind.
    let oldest = play.apis.values().filter_map(|api| {
        let last = api.status.as_ref()?.last_log.as_ref()?;
        last.parse::<jiff::Timestamp>().ok()
    });
    let age = play.now.duration_since(oldest.min().unwrap());
    assert!(age < minutes(5), "numbers of {age:#} ago");
    for kind in [Asked::Apply, Asked::Delete, Asked::Event, Asked::Other] {
        assert_eq!(play.count(kind, begun), 0, "{kind:?}");
    }
    assert_eq!(play.wishes, wishes);
    asked as f64 / play.now.duration_since(begun).as_secs_f64()
}

#[test]
fn a_thousand_workloads_at_rest_cost_less_than_ten_requests_a_second() {
    let keeper = rest(settled(WORKLOADS), minutes(15));
    assert!((3.5..=4.1).contains(&keeper), "{keeper:.2} writes a second");
    let all = keeper + around_the_keeper();
    assert!(all < 5.0, "{all:.2} requests a second");
}

#[test]
fn two_hours_at_rest_cost_no_more_than_the_first_minute_of_them() {
    let keeper = rest(settled(60), minutes(120));
    // Each once a minute, or as seldom as the monitor says something new after that.
    assert!(
        (0.6..=1.05).contains(&keeper),
        "{keeper:.2} writes a second"
    );
}

/// Definitions of another version do not have a field that the operator writes.
#[test]
fn what_the_api_server_does_not_keep_is_not_written_again_and_again() {
    let mut play = Play::new(60);
    play.cuts = true;
    play.pass(minutes(2));
    let keeper = rest(play, minutes(30));
    assert!(
        (0.6..=1.05).contains(&keeper),
        "{keeper:.2} writes a second"
    );
}
