//! What holds for every run and everything that can be said about it.

use proptest::prelude::*;
use proptest::sample::select;
use sim_services::score::{Alarms, Ratio, Rules, Scorecard};
use sim_services::truth::{FaultTruth, Said, Timeline};

use super::story::*;

const SERVICES: [&str; 5] = ["ledger", "payments", "edge", "search", "catalog"];

fn any_fault() -> impl Strategy<Value = FaultTruth> {
    (0..3500_u16, 0..600_u16, any::<[bool; 4]>(), 0..30_u16).prop_map(
        |(from, lasts, [search, is_benign, is_idle, ramp], after)| {
            let (from, lasts) = (f64::from(from), f64::from(lasts));
            let mut one = fault(&format!("f{from}"), from, from + lasts);
            if search {
                one = at_search(one);
            }
            if is_benign {
                one = benign(one);
            }
            one.first_affected = Some(at(from + f64::from(after)));
            if ramp {
                one.ramp = true;
                one.full = one.ended;
                one.breached = Some(at(from + lasts * 0.7));
            }
            if is_idle { idle(one) } else { one }
        },
    )
}

fn any_run() -> impl Strategy<Value = Timeline> {
    prop::collection::vec(any_fault(), 0..6).prop_map(run)
}

/// No two at the same moment: of such, the order matters.
fn any_said() -> impl Strategy<Value = Vec<Said>> {
    let one = (
        0..3700_u16,
        0..7_u8,
        0..4_u8,
        select(&SERVICES[..]),
        select(&SERVICES[..]),
    );
    prop::collection::vec(one, 0..60).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(index, (secs, what, id, service, other))| {
                let secs = f64::from(secs) + f64::from(u32::try_from(index).unwrap()) / 1000.0;
                let id = format!("{id}");
                match what {
                    0 => anomaly(secs, &id, service),
                    1 => anomaly_over(secs, &id),
                    2 => page(secs, &id, service),
                    3 => page_over(secs, &id),
                    4 => incident(secs, &id, &[service, other], &[other, service]),
                    5 => incident_over(secs, &id),
                    _ => risk(secs, &id, service, secs + 60.0),
                }
            })
            .collect()
    })
}

fn card(timeline: &Timeline, said: &[Said]) -> Scorecard {
    Scorecard::new(timeline, said, &Rules::default())
}

fn is_a_share(ratio: Ratio) -> bool {
    let whole = ratio.count <= ratio.of;
    let bounds = match (ratio.low, ratio.share, ratio.high) {
        (Some(low), Some(share), Some(high)) => {
            0.0 <= low && low <= share && share <= high && high <= 1.0
        }
        (None, None, None) => ratio.of == 0,
        _ => false,
    };
    whole && bounds
}

fn each_counts_once(alarms: &Alarms) -> bool {
    alarms.opened == alarms.right + alarms.wrong + alarms.neither
        && alarms.wrong == alarms.on_benign + alarms.elsewhere + alarms.out_of_nothing
}

proptest! {
    #[test]
    fn every_change_and_every_alarm_is_counted_once(timeline in any_run(), said in any_said()) {
        let card = card(&timeline, &said);
        let totals = &card.totals;
        prop_assert_eq!(
            totals.injected,
            totals.acted + totals.benign + totals.did_not_act + totals.not_judged
        );
        prop_assert!(totals.detected.count <= totals.acted);
        prop_assert!(totals.paged.count <= totals.detected.count);
        prop_assert!(each_counts_once(&totals.pages));
        prop_assert!(each_counts_once(&totals.anomalies));
        prop_assert_eq!(u64::try_from(card.false_pages.len()).unwrap(), totals.pages.wrong);
        let of_faults: u64 = card
            .faults
            .iter()
            .filter(|fault| !fault.outcome.is_scored_benign())
            .map(|fault| fault.pages)
            .sum();
        prop_assert_eq!(of_faults, totals.pages.right + totals.pages.neither);
        let kinds: u64 = card.kinds.values().map(|kind| kind.detected).sum();
        prop_assert_eq!(kinds, totals.detected.count);
    }

    #[test]
    fn the_order_in_which_it_is_handed_in_does_not_matter(
        (timeline, faults) in any_run().prop_flat_map(|timeline| {
            let faults = Just(timeline.faults.clone()).prop_shuffle();
            (Just(timeline), faults)
        }),
        (said, shuffled) in any_said().prop_flat_map(|said| {
            let shuffled = Just(said.clone()).prop_shuffle();
            (Just(said), shuffled)
        }),
    ) {
        // Ids are by start here, so faults with the same id that are not the same are left out.
        let mut ids: Vec<&str> = faults.iter().map(|fault| fault.id.as_str()).collect();
        ids.sort_unstable();
        prop_assume!(ids.windows(2).all(|two| two[0] != two[1]));
        let other = Timeline { faults: faults.clone(), ..timeline.clone() };
        prop_assert_eq!(card(&timeline, &said), card(&other, &shuffled));
    }

    #[test]
    fn shares_are_shares(timeline in any_run(), said in any_said()) {
        let totals = card(&timeline, &said).totals;
        for ratio in [
            totals.detected,
            totals.paged,
            totals.root_cause.at_1_of_detected,
            totals.root_cause.at_3_of_detected,
            totals.root_cause.at_1_of_acted,
            totals.root_cause.at_3_of_acted,
            totals.one_incident,
            totals.recovered_in_time,
            totals.over_early,
            totals.predictions.predicted,
            totals.pages.precision,
            totals.anomalies.precision,
            totals.benign_paged,
        ] {
            prop_assert!(is_a_share(ratio), "{ratio:?}");
        }
        for share in [totals.f1_pages, totals.f1_anomalies, totals.predictions.median_share_of_ramp]
            .into_iter()
            .flatten()
        {
            prop_assert!((0.0..=1.0).contains(&share));
        }
        let causes = totals.root_cause;
        prop_assert!(causes.at_1_of_detected.count <= causes.at_3_of_detected.count);
        prop_assert!(causes.at_1_of_detected.count <= causes.at_1_of_acted.count);
    }

    #[test]
    fn a_page_when_nothing_is_on_never_helps(
        timeline in any_run(),
        said in any_said(),
        secs in 100..3600_u16,
    ) {
        let secs = f64::from(secs) + 0.5;
        let quiet = timeline.faults.iter().all(|fault| {
            at(secs) < fault.started || at(secs) > fault.ended.max(fault.started).shifted(91_000_000_000)
        });
        prop_assume!(quiet);
        let before = card(&timeline, &said).totals.pages;
        let more: Vec<Said> = said.into_iter().chain([page(secs, "vain", "edge")]).collect();
        let after = card(&timeline, &more).totals.pages;
        prop_assert_eq!(after.wrong, before.wrong + 1);
        prop_assert_eq!(after.right, before.right);
        prop_assert!(after.precision.share <= before.precision.share.or(Some(0.0)));
        prop_assert!(after.false_per_api_day.per_api_day > before.false_per_api_day.per_api_day);
    }

    #[test]
    fn it_is_read_back_as_it_was_written(timeline in any_run(), said in any_said()) {
        let card = card(&timeline, &said);
        let json = serde_json::to_string(&card).unwrap();
        let back: Scorecard = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }
}
