//! The scorecard against runs made by hand, whose outcome was worked out on paper.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod laws;
mod renderings;
mod rules;
mod story;

use std::fmt::Write;

use sim_services::score::{FaultScore, Outcome, Rules, Scorecard};
use sim_services::truth::{Said, Timeline};

/// One line a fault, one for the pages and one for the anomalies.
#[track_caller]
fn check(timeline: &Timeline, said: &[Said], expected: expect_test::Expect) {
    expected.assert_eq(&told(&Scorecard::new(timeline, said, &Rules::default())));
}

fn told(card: &Scorecard) -> String {
    let mut out = String::new();
    for fault in &card.faults {
        writeln!(out, "{}: {}", fault.id, outcome(fault)).unwrap();
    }
    for (name, alarms) in [
        ("pages", card.totals.pages),
        ("anomalies", card.totals.anomalies),
    ] {
        writeln!(
            out,
            "{name}: {} right, {} false (benign {}, elsewhere {}, nothing {}), {} neither",
            alarms.right,
            alarms.wrong,
            alarms.on_benign,
            alarms.elsewhere,
            alarms.out_of_nothing,
            alarms.neither
        )
        .unwrap();
    }
    out
}

fn outcome(fault: &FaultScore) -> String {
    let mut parts = vec![match fault.outcome {
        Outcome::Detected => format!(
            "detected after {:?} at {}",
            fault.detected_after.unwrap(),
            fault.detected_at.as_deref().unwrap()
        ),
        Outcome::Missed => "missed".to_owned(),
        Outcome::LeftAlone => "benign, left alone".to_owned(),
        Outcome::FalsePage => "benign, false page".to_owned(),
        Outcome::DidNotAct => "did not act".to_owned(),
        Outcome::NotJudged => "not judged".to_owned(),
    }];
    parts.extend(
        fault
            .paged_after
            .map(|after| format!("paged after {after:?}")),
    );
    let cause = &fault.root_cause;
    parts.extend(cause.incident.as_ref().map(|incident| match cause.rank {
        Some(rank) => format!("{incident} names it as number {rank}"),
        None => format!("{incident} does not name it"),
    }));
    for (count, name) in [
        (fault.anomalies, "anomalies"),
        (fault.pages, "pages"),
        (fault.incidents, "incidents"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.extend(fault.prediction.as_ref().map(|prediction| {
        let share = prediction.share_of_ramp;
        format!(
            "predicted {:?} before ({share:?} of the ramp)",
            prediction.lead
        )
    }));
    parts.extend(
        match (fault.recovered, fault.recovered_after, fault.over_early) {
            (None, ..) => None,
            (Some(true), _, Some(early)) => Some(format!("over {early:?} early")),
            (Some(true), after, None) => Some(format!("recovered after {:?}", after.unwrap())),
            (Some(false), Some(after), _) => Some(format!("recovered late, after {after:?}")),
            (Some(false), None, _) => Some("never recovered".to_owned()),
        },
    );
    parts.join(", ")
}
