use expect_test::expect;

use super::*;

fn case(system: &str, kind: &str, rank: Option<usize>) -> Case {
    let hit = |k| f64::from(u8::from(rank.is_some_and(|rank| rank <= k)));
    Case {
        system: system.to_owned(),
        injected: "2026-03-01T10:00:00Z".to_owned(),
        kind: kind.to_owned(),
        service: "till".to_owned(),
        not_compared: None,
        rank,
        tied: 1,
        top_1: hit(1),
        top_3: hit(3),
        top_5: hit(5),
        reciprocal_rank: rank.map_or(0.0, |rank| 1.0 / rank as f64),
        suspects: vec![super::super::Suspect {
            service: "till".to_owned(),
            evidence: 7.25,
            why: vec!["it did not log `charged`".to_owned()],
        }],
    }
}

#[test]
fn figures_are_overall_and_by_group_and_leave_out_what_could_not_be_compared() {
    let nothing = Case {
        not_compared: Some("the recording has no spans".to_owned()),
        ..case("train", "delay", None)
    };
    let report = Report::of(vec![
        case("train", "delay", Some(1)),
        case("train", "delay", Some(2)),
        case("train", "return", None),
        case("shop", "delay", Some(4)),
        nothing,
    ]);
    assert_eq!((report.overall.cases, report.not_compared), (4, 1));
    assert_eq!(report.overall.top_1, 0.25);
    assert_eq!(report.by_system["train"].mrr, 0.5);
    assert_eq!(report.by_fault["delay"].top_5, 1.0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["top_3"], 0.5);
    assert_eq!(json["by_system_and_fault"]["train"]["delay"]["top_1"], 0.5);
    assert_eq!(json["by_day"]["2026-03-01"]["cases"], 4);
    expect![[r#"
                                      cases   top 1   top 3   top 5     MRR
        shop: delay                       1   0.000   0.000   1.000   0.250
        shop                              1   0.000   0.000   1.000   0.250
        train: delay                      2   0.500   1.000   1.000   0.750
        train: return                     1   0.000   0.000   0.000   0.000
        train                             3   0.333   0.667   0.667   0.500
        all                               4   0.250   0.500   0.750   0.438
        1 more faults have no minute, or no fault-free minute, to compare

        Published, top 1 / 3 / 5 in per cent, over all faults of each system
                                         TrainTicket (45)  OnlineBoutique (56)
        Nezha                          86.7 / 97.8 / 97.8   92.9 / 96.4 / 96.4
        Nezha without logs                   42 / 44 / 44         64 / 64 / 64
        PDiagnose                             9 / 13 / 22         41 / 73 / 82
        MicroRank                            16 / 24 / 36         41 / 48 / 63
        MicroScope                           18 / 27 / 36         13 / 41 / 55
    "#]]
    .assert_eq(&report.table());
}

#[test]
fn each_case_is_told_with_its_reasons() {
    let report = Report::of(vec![case("train", "return", Some(1))]);
    expect![[r#"
        train 2026-03-01T10:00:00Z return till: place 1
          * till (7.2)
              it did not log `charged`

    "#]]
    .assert_eq(&report.cases_text());
}
