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

/// Short, because tests run unoptimised.
const SLOW_LEDGER: &str = "
apiVersion: crosswatch.dev/v1alpha1
kind: ChaosExperiment
metadata: { name: slow-ledger }
spec:
  description: The ledger's database answers eight times as slowly.
  faults:
    - kind: database-slow
      target: { service: ledger }
      parameters: { factor: 8 }
  duration: 30s
  recovery: 5s
";

#[test]
fn a_slow_database_is_detected_and_blamed_and_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow-ledger.yaml");
    std::fs::write(&file, SLOW_LEDGER).unwrap();
    let again = || run(&["run", file.to_str().unwrap(), "--warm-up", "45s", "--json"]);
    let text = again();
    let card: Value = serde_json::from_str(&text).unwrap();
    let fault = &card["faults"][0];
    assert_eq!(fault["acted"], true, "{fault:#}");
    assert_eq!(fault["outcome"], "detected", "{fault:#}");
    assert_eq!(fault["root_cause"]["right_at_3"], true, "{fault:#}");
    assert_eq!(text, again());
}

#[test]
fn a_campaign_follows_from_its_seed_alone() {
    let plan = |seed: &str| run(&["run", "--campaign", seed, "--faults", "30", "--plan"]);
    assert_eq!(plan("5"), plan("5"));
    assert_ne!(plan("5"), plan("6"));
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
