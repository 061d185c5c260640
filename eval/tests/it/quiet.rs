//! The same seed gives the same bytes, and what nothing is wrong with is hardly alarmed about.

use eval::quiet::run::Quiet;

#[test]
fn a_quiet_run_is_the_same_byte_for_byte_and_within_reason() {
    let quiet = Quiet {
        seed: 3,
        apis: 3,
        days: 2,
        targets: vec![0.1, 10.0],
    };
    let run = || quiet.report(&quiet.run(|_| {}));
    let report = run();
    let text = |report| serde_json::to_string(report).expect("figures are JSON");
    assert_eq!(text(&report), text(&run()));
    // Six Api-days: 0.09 alarms are expected at the lower sensitivity, 8.6 at the higher one.
    let alarms: Vec<u64> = report
        .settings
        .iter()
        .map(|setting| setting.alarms)
        .collect();
    assert!(alarms[0] <= 2 && alarms[1] <= 20, "{}", report.table());
}
