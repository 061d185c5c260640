//! Each rule in a run of its own.

use std::time::Duration;

use expect_test::expect;
use sim_services::score::{Rules, Scorecard};
use sim_services::truth::{Cause, Timeline};

use super::check;
use super::story::*;

#[test]
fn times_are_from_the_first_effect() {
    let late = with(fault("f", 300.0, 420.0), |fault| {
        fault.first_affected = Some(at(305.0));
    });
    check(
        &run(vec![late]),
        &[
            // Nothing was wrong yet.
            anomaly(303.0, "a1", "ledger"),
            anomaly(309.0, "a2", "edge"),
            page(311.5, "p1", "payments"),
        ],
        expect![[r#"
            f: detected after 4s at edge, paged after 6.5s, 1 anomalies, 1 pages, never recovered
            pages: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 1 right, 1 false (benign 0, elsewhere 0, nothing 1), 0 neither
        "#]],
    );
}

#[test]
fn what_is_late_is_no_detection_and_what_is_later_is_false() {
    let faults = || run(vec![fault("f", 300.0, 420.0)]);
    check(
        &faults(),
        &[anomaly(435.0, "a", "ledger")],
        expect![[r#"
            f: detected after 135s at ledger, 1 anomalies, never recovered
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
    check(
        &faults(),
        &[
            anomaly(435.001, "a1", "ledger"),
            page(480.0, "p1", "ledger"),
            page(480.001, "p2", "ledger"),
        ],
        expect![[r#"
            f: missed, 1 anomalies, 1 pages, never recovered
            pages: 1 right, 1 false (benign 0, elsewhere 0, nothing 1), 0 neither
            anomalies: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn the_rules_can_be_others() {
    let strict = Rules {
        settle: Duration::from_secs(5),
        grace: Duration::ZERO,
        recovery: Duration::from_secs(1),
    };
    let timeline = run(vec![fault("f", 300.0, 420.0)]);
    let said = [
        anomaly(310.0, "a1", "ledger"),
        anomaly_over(422.0, "a1"),
        page(421.0, "p1", "ledger"),
        page_over(421.5, "p1"),
        page(425.5, "p2", "ledger"),
    ];
    let card = Scorecard::new(&timeline, &said, &strict);
    assert_eq!(card.faults[0].recovered, Some(false));
    assert_eq!((card.totals.pages.right, card.totals.pages.wrong), (1, 1));
    assert!(card.faults[0].detected && !card.faults[0].paged);
}

#[test]
fn the_next_fault_ends_what_is_still_said_of_the_last() {
    check(
        &run(vec![
            fault("1", 300.0, 420.0),
            at_search(fault("2", 440.0, 500.0)),
        ]),
        &[
            page(439.9, "p1", "ledger"),
            page(440.0, "p2", "ledger"),
            page(450.0, "p3", "edge"),
        ],
        expect![[r#"
            1: missed, 1 pages, never recovered
            2: detected after 10s at edge, paged after 10s, 1 pages, never recovered
            pages: 2 right, 1 false (benign 0, elsewhere 1, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn a_benign_change_ends_it_as_well_but_one_that_did_nothing_does_not() {
    check(
        &run(vec![
            fault("1", 300.0, 420.0),
            benign(at_search(fault("2", 440.0, 500.0))),
        ]),
        &[page(450.0, "p1", "ledger")],
        expect![[r#"
            1: missed
            2: benign, false page, 1 pages
            pages: 0 right, 1 false (benign 1, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
    check(
        &run(vec![
            fault("1", 300.0, 420.0),
            idle(at_search(fault("2", 440.0, 500.0))),
        ]),
        &[page(450.0, "p1", "ledger"), page(451.0, "p2", "search")],
        expect![[r#"
            1: missed, 1 pages, never recovered
            2: did not act, paged after 11s, 1 pages
            pages: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 1 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn what_was_open_before_is_no_detection() {
    check(
        &run(vec![fault("f", 300.0, 420.0)]),
        &[
            anomaly(290.0, "a1", "ledger"),
            // The same one, said again.
            anomaly(310.0, "a1", "ledger"),
            anomaly_over(320.0, "a1"),
        ],
        expect![[r#"
            f: missed
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 1 false (benign 0, elsewhere 0, nothing 1), 0 neither
        "#]],
    );
}

#[test]
fn an_id_that_was_over_is_new_when_it_comes_again() {
    check(
        &run(vec![fault("f", 300.0, 420.0)]),
        &[
            page(200.0, "p", "ledger"),
            page_over(250.0, "p"),
            page(310.0, "p", "ledger"),
            page_over(330.0, "p"),
            page(340.0, "p", "ledger"),
            page(350.0, "p", "ledger"),
            page_over(430.0, "p"),
            // Of nothing that is open.
            page_over(431.0, "p"),
        ],
        expect![[r#"
            f: detected after 10s at ledger, paged after 10s, 2 pages, recovered after 10s
            pages: 2 right, 1 false (benign 0, elsewhere 0, nothing 1), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn learning_and_the_time_after_the_end_do_not_count() {
    let timeline = run(vec![fault("f", 300.0, 420.0)]);
    let said = [
        page(20.0, "p1", "ledger"),
        anomaly(99.9, "a1", "ledger"),
        // Still the one from learning.
        anomaly(310.0, "a1", "ledger"),
        incident(50.0, "i1", &["ledger"], &["edge"]),
        page(3600.5, "p2", "edge"),
    ];
    check(
        &timeline,
        &said,
        expect![[r#"
            f: missed
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
    let card = Scorecard::new(&timeline, &said, &Rules::default());
    assert_eq!(card.ignored.while_learning, 3);
    assert_eq!(card.ignored.after_the_end, 1);
}

#[test]
fn a_fault_that_began_while_learning_counts_neither_way() {
    check(
        &run(vec![fault("f", 90.0, 200.0)]),
        &[page(110.0, "p1", "ledger"), page(111.0, "p2", "catalog")],
        expect![[r#"
            f: not judged, paged after 20s, 1 pages
            pages: 0 right, 1 false (benign 0, elsewhere 1, nothing 0), 1 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn of_overlapping_faults_the_one_that_shows_there_gets_it_else_the_latest() {
    check(
        &run(vec![
            fault("1", 300.0, 500.0),
            at_search(fault("2", 400.0, 450.0)),
        ]),
        &[
            page(410.0, "p1", "ledger"),
            page(411.0, "p2", "search"),
            // Both show here.
            page(412.0, "p3", "edge"),
            // None does.
            page(413.0, "p4", "catalog"),
            // Both causes, then only the first's.
            incident(414.0, "i1", &["search", "ledger", "edge"], &["search"]),
            incident(415.0, "i2", &["edge", "ledger"], &["ledger"]),
        ],
        expect![[r#"
            1: detected after 110s at ledger, paged after 110s, i2 names it as number 1, 1 pages, 1 incidents, never recovered
            2: detected after 11s at search, paged after 11s, i1 names it as number 1, 2 pages, 1 incidents, never recovered
            pages: 3 right, 1 false (benign 0, elsewhere 1, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn what_could_be_about_a_fault_is_not_about_a_benign_change() {
    check(
        &run(vec![
            fault("1", 300.0, 500.0),
            benign(at_search(fault("2", 400.0, 450.0))),
        ]),
        &[
            page(410.0, "p1", "edge"),
            page(411.0, "p2", "search"),
            page(412.0, "p3", "catalog"),
        ],
        expect![[r#"
            1: detected after 110s at edge, paged after 110s, 1 pages, never recovered
            2: benign, false page, paged after 11s, 2 pages
            pages: 1 right, 2 false (benign 2, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn anomalies_on_a_benign_change_are_false_but_page_nobody() {
    check(
        &run(vec![benign(fault("b", 300.0, 420.0))]),
        &[anomaly(310.0, "a1", "ledger")],
        expect![[r#"
            b: benign, left alone, 1 anomalies
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 1 false (benign 1, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn the_last_word_in_time_is_the_answer() {
    check(
        &run(vec![fault("f", 300.0, 420.0)]),
        &[
            anomaly(305.0, "a1", "ledger"),
            incident(306.0, "i1", &["ledger"], &["ledger"]),
            incident(330.0, "i1", &["ledger", "edge"], &["edge", "ledger"]),
            // Too late to help.
            incident(436.0, "i1", &["ledger", "edge"], &["ledger"]),
        ],
        expect![[r#"
            f: detected after 5s at ledger, i1 names it as number 2, 1 anomalies, 1 incidents, never recovered
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn of_several_incidents_the_one_with_the_cause_or_else_the_largest_answers() {
    check(
        &run(vec![fault("f", 300.0, 420.0)]),
        &[
            incident(306.0, "i1", &["payments", "edge"], &["ledger"]),
            incident(307.0, "i2", &["ledger"], &["edge", "web", "cart", "ledger"]),
        ],
        expect![[r#"
            f: missed, i2 names it as number 4, 2 incidents
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
    check(
        &run(vec![fault("f", 300.0, 420.0)]),
        &[
            incident(306.0, "i1", &["edge"], &["ledger"]),
            incident(307.0, "i2", &["edge", "payments"], &["edge"]),
        ],
        expect![[r#"
            f: missed, i2 does not name it, 2 incidents
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn pages_without_an_incident_explain_nothing() {
    let timeline = run(vec![fault("f", 300.0, 420.0)]);
    let card = Scorecard::new(&timeline, &[page(310.0, "p", "ledger")], &Rules::default());
    let causes = card.totals.root_cause;
    assert_eq!(causes.at_1_of_detected.share, Some(0.0));
    assert_eq!(causes.at_3_of_acted.share, Some(0.0));
    assert_eq!(card.faults[0].root_cause.rank, None);
}

#[test]
fn an_incident_that_spans_two_faults_is_opened_in_one_and_answers_for_both() {
    check(
        &run(vec![
            fault("1", 300.0, 420.0),
            at_search(fault("2", 440.0, 500.0)),
        ]),
        &[
            incident(310.0, "i", &["ledger", "edge"], &["ledger"]),
            incident(450.0, "i", &["edge", "search"], &["ledger", "search"]),
            incident_over(510.0, "i"),
        ],
        expect![[r#"
            1: missed, i names it as number 1, 1 incidents
            2: missed, i names it as number 2
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn either_end_of_a_wire_is_right() {
    let wire = |cause: Cause| {
        with(fault("f", 300.0, 420.0), |fault| {
            fault.cause = cause;
            fault.symptoms = vec!["checkout".into(), "payments".into(), "edge".into()];
        })
    };
    let by_environment = wire(Cause {
        service: None,
        environment: Some("on-prem".into()),
        also: Vec::new(),
    });
    let by_service = wire(Cause {
        service: None,
        environment: None,
        also: vec!["payments".into(), "checkout".into()],
    });
    let by_both_environments = wire(Cause {
        service: None,
        environment: None,
        also: vec!["cloud-a".into(), "on-prem".into()],
    });
    // The edge is in cloud-a, payments in on-prem.
    let said = [incident(310.0, "i", &["edge"], &["edge", "payments"])];
    let rank = |fault| {
        let card = Scorecard::new(&run(vec![fault]), &said, &Rules::default());
        let cause = &card.faults[0].root_cause;
        assert!(cause.wire);
        cause.rank
    };
    assert_eq!(rank(by_environment), Some(2));
    assert_eq!(rank(by_service), Some(2));
    assert_eq!(rank(by_both_environments), Some(1));
    // When a service is to blame, being near it is not enough.
    let card = Scorecard::new(
        &run(vec![fault("f", 300.0, 420.0)]),
        &said,
        &Rules::default(),
    );
    assert_eq!(card.faults[0].root_cause.rank, None);
}

#[test]
fn a_prediction_is_made_after_the_start_and_before_the_breach() {
    let leak = |id: &str, from: f64| {
        with(fault(id, from, from + 400.0), |leak| {
            leak.ramp = true;
            leak.full = at(from + 400.0);
            leak.breached = Some(at(from + 300.0));
        })
    };
    check(
        &run(vec![leak("1", 500.0), leak("2", 1500.0), leak("3", 2500.0)]),
        &[
            // Before it began: nobody could know.
            risk(490.0, "r0", "ledger", 800.0),
            risk(600.0, "r1", "edge", 900.0),
            risk(700.0, "r1", "edge", 850.0),
            // At another service.
            risk(1600.0, "r2", "search", 1900.0),
            // When it was broken already.
            risk(2800.0, "r3", "ledger", 2900.0),
        ],
        expect![[r#"
            1: missed, predicted 200s before (Some(0.5) of the ramp)
            2: missed
            3: missed
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn what_grows_is_foreseen_from_its_start_on_and_not_only_once_it_is_felt() {
    let leak = with(fault("1", 500.0, 900.0), |leak| {
        leak.ramp = true;
        leak.full = at(900.0);
        leak.first_affected = Some(at(750.0));
        leak.breached = Some(at(800.0));
    });
    let said = [risk(600.0, "r1", "ledger", 850.0)];
    let card = Scorecard::new(&run(vec![leak]), &said, &Rules::default());
    let predictions = card.totals.predictions;
    assert_eq!(predictions.lead.median, Some(Duration::from_secs(200)));
    assert_eq!((predictions.risks, predictions.false_risks), (1, 0));
}

#[test]
fn only_ramps_that_broke_something_could_be_predicted() {
    let ramp = with(fault("1", 500.0, 900.0), |ramp| ramp.ramp = true);
    let abrupt = with(fault("2", 1500.0, 1900.0), |fault| {
        fault.breached = Some(at(1600.0));
    });
    let leak = with(fault("3", 2500.0, 2900.0), |leak| {
        leak.ramp = true;
        leak.full = at(2900.0);
        leak.breached = Some(at(2800.0));
    });
    let card = Scorecard::new(
        &run(vec![ramp, abrupt, leak]),
        &[
            risk(600.0, "r1", "ledger", 900.0),
            risk(1550.0, "r2", "ledger", 1700.0),
            risk(2600.0, "r3", "ledger", 2700.0),
            risk(3300.0, "r4", "ledger", 3400.0),
        ],
        &Rules::default(),
    );
    let predictions = card.totals.predictions;
    assert_eq!(
        (predictions.predicted.count, predictions.predicted.of),
        (1, 1)
    );
    assert_eq!(predictions.lead.median, Some(Duration::from_secs(200)));
    assert_eq!((predictions.risks, predictions.false_risks), (4, 1));
}

#[test]
fn it_recovers_when_the_last_alarm_is_over() {
    let over = |anomaly_at: f64, page_at: Option<f64>| {
        let mut said = vec![
            anomaly(310.0, "a", "ledger"),
            page(315.0, "p", "edge"),
            anomaly_over(anomaly_at, "a"),
        ];
        said.extend(page_at.map(|secs| page_over(secs, "p")));
        // The last request it affected ended 5 s after it.
        let slow = with(fault("f", 300.0, 420.0), |fault| {
            fault.last_affected = Some(at(425.0));
        });
        let card = Scorecard::new(&run(vec![slow]), &said, &Rules::default());
        let fault = &card.faults[0];
        (fault.recovered, fault.recovered_after, fault.over_early)
    };
    let secs = |secs| Some(Duration::from_secs(secs));
    assert_eq!(over(430.0, Some(440.0)), (Some(true), secs(15), None));
    assert_eq!(over(515.0, Some(440.0)), (Some(true), secs(90), None));
    assert_eq!(over(430.0, Some(516.0)), (Some(false), secs(91), None));
    assert_eq!(over(430.0, None), (Some(false), None, None));
    assert_eq!(over(400.0, Some(410.0)), (Some(true), secs(0), secs(15)));
}

#[test]
fn recovery_is_not_judged_when_the_run_ends_too_early() {
    check(
        &run(vec![fault("f", 3400.0, 3550.0)]),
        &[anomaly(3410.0, "a", "ledger")],
        expect![[r#"
            f: detected after 10s at ledger, 1 anomalies
            pages: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn faults_with_the_same_id_are_two() {
    check(
        &run(vec![fault("f", 300.0, 420.0), fault("f", 900.0, 1000.0)]),
        &[page(310.0, "p", "ledger"), page_over(430.0, "p")],
        expect![[r#"
            f: detected after 10s at ledger, paged after 10s, 1 pages, recovered after 10s
            f: missed
            pages: 1 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
            anomalies: 0 right, 0 false (benign 0, elsewhere 0, nothing 0), 0 neither
        "#]],
    );
}

#[test]
fn false_pages_are_counted_per_api_and_day() {
    let mut timeline = run(Vec::new());
    // 24 Apis for an hour are an Api-day.
    timeline.judged_from = at(0.0);
    let said = [page(10.0, "p1", "edge"), page(20.0, "p2", "edge")];
    let rate = |timeline: &Timeline| {
        let card = Scorecard::new(timeline, &said, &Rules::default());
        card.totals.pages.false_per_api_day
    };
    let of_a_day = rate(&timeline);
    assert_eq!((of_a_day.count, of_a_day.api_days), (2, 1.0));
    assert_eq!(of_a_day.per_api_day, Some(2.0));
    timeline.apis.clear();
    assert_eq!(rate(&timeline).per_api_day, None);
}

#[test]
fn the_figures_of_a_campaign_are_those_worked_out_on_paper() {
    let (timeline, said) = campaign();
    let card = Scorecard::new(&timeline, &said, &Rules::default());
    let totals = &card.totals;
    let of = |ratio: sim_services::score::Ratio| (ratio.count, ratio.of);
    assert_eq!((totals.injected, totals.acted), (9, 6));
    assert_eq!((totals.benign, totals.did_not_act), (2, 1));
    assert_eq!(of(totals.detected), (5, 6));
    assert_eq!(of(totals.root_cause.at_1_of_detected), (3, 5));
    assert_eq!(of(totals.root_cause.at_1_of_acted), (3, 6));
    assert_eq!(of(totals.root_cause.at_3_of_detected), (4, 5));
    // 3 s, 4.2 s, 5 s and 10 s; the leak is a ramp.
    let abrupt = totals.speed.detect_abrupt;
    assert_eq!(abrupt.median, Some(Duration::from_millis(4600)));
    assert_eq!(abrupt.p90, Some(Duration::from_millis(8500)));
    assert_eq!(
        totals.speed.detect_ramp.median,
        Some(Duration::from_secs(390))
    );
    // 1, 1, 2, 1 and 0 incidents.
    assert_eq!(totals.incidents_per_detected, Some(1.0));
    assert_eq!(of(totals.one_incident), (3, 5));
    assert_eq!(of(totals.pages.precision), (5, 8));
    assert_eq!(of(totals.anomalies.precision), (6, 6));
    assert_eq!(of(totals.benign_paged), (1, 2));
    // 2 · 5/8 · 5/6 ÷ (5/8 + 5/6) = 5/7.
    assert!((totals.f1_pages.unwrap() - 5.0 / 7.0).abs() < 1e-5);
    let searches = card.kinds["error-burst"];
    assert_eq!(
        (searches.injected, searches.acted, searches.detected),
        (3, 2, 1)
    );
}
