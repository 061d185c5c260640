//! Experiments as their user runs them: in virtual time, with the real detectors.

use serde_json::Value;

use crate::process::crosswatch;

fn run(arguments: &[&str]) -> String {
    let output = crosswatch().arg("chaos").args(arguments).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{out}\n{err}");
    out
}

fn scorecard(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(arguments)).unwrap()
}

#[test]
fn a_slow_database_is_detected_by_a_monitor_that_was_told_nothing() {
    let card = scorecard(&["run", "ledger-database-slow", "--warm-up", "90s", "--json"]);
    let fault = &card["faults"][0];
    assert_eq!(fault["acted"], true, "{fault:#}");
    assert_eq!(fault["outcome"], "detected", "{fault:#}");
}

#[test]
fn the_same_campaign_brings_the_same_faults_and_the_same_score() {
    let campaign = [
        "run",
        "--campaign",
        "5",
        "--faults",
        "1",
        "--warm-up",
        "60s",
        "--json",
    ];
    assert_eq!(run(&campaign), run(&campaign));
    let other = ["run", "--campaign", "6", "--faults", "1", "--plan"];
    let one = ["run", "--campaign", "5", "--faults", "1", "--plan"];
    assert_ne!(run(&one), run(&other));
}

#[test]
fn every_shipped_experiment_can_be_listed_and_printed() {
    let list = run(&["list"]);
    assert!(list.contains("ledger-database-slow"), "{list}");
    let yaml = run(&["show", "ledger-database-slow"]);
    assert!(yaml.contains("kind: ChaosExperiment"), "{yaml}");
}

#[test]
fn an_unknown_experiment_is_a_usage_error_that_says_where_to_look() {
    let output = crosswatch()
        .args(["chaos", "run", "no-such-experiment"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{err}");
    assert!(err.contains("crosswatch chaos list"), "{err}");
}
