//! Groups whose members answer in 50 ms each, but for the odd one.

use super::*;

const WINDOW: i64 = 10;

#[derive(Debug)]
struct Group {
    detector: PeerDetector,
    at: i64,
    seed: u64,
}

/// A member: how slow by its usual 50 ms, and its share of failures.
type Does = (&'static str, f64, f64);

impl Group {
    fn new(joining: Joining) -> Group {
        Group {
            detector: PeerDetector::new(
                joining,
                false,
                Sensitivity::per_week(0.1).shared_by(12),
                Duration::from_secs(1_800),
            ),
            at: 0,
            seed: 1,
        }
    }

    fn unit(&mut self) -> f64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) as f64 / (1u64 << 31) as f64
    }

    /// Lets windows of 40 calls a member pass; what was said when it was first anomalous.
    fn run(&mut self, windows: i64, members: &[Does]) -> Option<(i64, PeerVerdict)> {
        let mut found = None;
        for window in 0..windows {
            let mut durations: Vec<Vec<(u8, u32)>> = Vec::new();
            let mut failures = Vec::new();
            for (_, slow, failing) in members {
                let mut bins = std::collections::BTreeMap::new();
                for _ in 0..40 {
                    let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
                    let micros = 50_000.0 * slow * (0.4 * normal).exp();
                    *bins.entry((2.0 * micros.log2()) as u8).or_insert(0) += 1;
                }
                durations.push(bins.into_iter().collect());
                failures.push((0..40).filter(|_| self.unit() < *failing).count() as u64);
            }
            let names: Vec<Name> = members.iter().map(|(name, ..)| Name::from(*name)).collect();
            let calls: Vec<PeerCalls<'_>> = names
                .iter()
                .zip(&durations)
                .zip(&failures)
                .map(|((member, durations), errors)| PeerCalls {
                    member,
                    calls: 40,
                    errors: *errors,
                    durations,
                })
                .collect();
            let contrasts: Vec<(Name, Contrast)> = names
                .iter()
                .cloned()
                .zip(contrast(&calls, |bin| {
                    1e-6 * (f64::from(bin) / 2.0 + 0.25).exp2()
                }))
                .collect();
            let start = Time::from_secs(self.at);
            self.at += WINDOW;
            let span = (start, Time::from_secs(self.at));
            let told = self.detector.judge(span, &contrasts, false);
            for told in told.into_iter().flatten() {
                if told.verdict.phase.is_anomalous() && found.is_none() {
                    found = Some((window, told));
                }
            }
        }
        found
    }
}

const ALIKE: [Does; 4] = [
    ("a", 1.0, 0.001),
    ("b", 1.0, 0.001),
    ("c", 1.0, 0.001),
    ("d", 1.0, 0.001),
];

#[test]
fn a_slow_replica_among_four_is_named_within_three_windows() {
    let mut group = Group::new(Joining::AsEqual);
    assert_eq!(group.run(60, &ALIKE), None);
    let mut members = ALIKE;
    members[2].1 = 4.0;
    let (window, told) = group.run(6, &members).expect("it is four times slower");
    assert!(window <= 2, "{window}");
    assert_eq!((&*told.member, told.others), ("c", 3));
    assert!((3.0..5.0).contains(&(told.verdict.actual / told.against)));
    assert!(told.share > 0.8 && told.usual_share < 0.3, "{told:?}");
}

#[test]
fn a_failing_replica_is_named() {
    let mut group = Group::new(Joining::AsEqual);
    assert_eq!(group.run(60, &ALIKE), None);
    let mut members = ALIKE;
    members[1].2 = 0.5;
    let (window, told) = group.run(12, &members).expect("half of its calls fail");
    assert!(window <= 4, "{window}");
    assert_eq!(
        (&*told.member, told.verdict.statistic),
        ("b", "against its peers")
    );
    assert!(told.share > 0.8, "{told:?}");
}

#[test]
fn what_slows_or_fails_all_alike_accuses_nobody() {
    let mut group = Group::new(Joining::AsEqual);
    assert_eq!(group.run(60, &ALIKE), None);
    assert_eq!(
        group.run(60, &ALIKE.map(|(name, ..)| (name, 6.0, 0.3))),
        None
    );
}

#[test]
fn who_is_always_slower_is_as_usual_and_who_becomes_faster_accuses_nobody() {
    let mut group = Group::new(Joining::AfterLearning);
    let two = [("here", 1.0, 0.001), ("there", 3.0, 0.001)];
    assert_eq!(group.run(400, &two), None);
    assert_eq!(group.run(30, &[two[0], ("there", 1.0, 0.001)]), None);
    let (_, told) = group
        .run(30, &[two[0], ("there", 12.0, 0.001)])
        .expect("it is four times slower than usual");
    assert_eq!(&*told.member, "there");
}

#[test]
fn a_bad_version_is_found_though_nothing_better_is_known_of_it() {
    let mut group = Group::new(Joining::AsEqual);
    let old = ("v41", 1.0, 0.001);
    group.detector.windows = LEARN_WINDOWS;
    assert_eq!(
        group.run(3, &[old, ("v42", 3.0, 0.001)]),
        None,
        "cold caches"
    );
    let (_, told) = group
        .run(6, &[old, ("v42", 3.0, 0.001)])
        .expect("three times slower");
    assert_eq!((&*told.member, told.others), ("v42", 1));
}

#[test]
fn what_lasts_is_the_new_normal_and_restored_detectors_agree() {
    let mut group = Group::new(Joining::AsEqual);
    group.run(60, &ALIKE);
    let mut members = ALIKE;
    members[0].1 = 3.0;
    assert!(group.run(200, &members).is_some());
    assert_eq!(group.run(200, &members), None);
    let bytes = postcard::to_allocvec(&group.detector).unwrap();
    let restored: PeerDetector = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(restored, group.detector);
}

#[test]
fn quiet_weeks_of_replicas_that_are_alike_raise_hardly_an_alarm() {
    let mut group = Group::new(Joining::AsEqual);
    group.detector.sensitivity = Sensitivity::per_week(1.0);
    group.run(60, &ALIKE);
    let mut alarms = 0;
    // A week of windows of ten seconds, with failures that matter.
    for _ in 0..1_008 {
        let busy = ALIKE.map(|(name, slow, _)| (name, slow, 0.05));
        alarms += u32::from(group.run(60, &busy).is_some());
    }
    assert!(
        alarms <= 4,
        "{alarms} alarms in a week, of two kinds at one each"
    );
}

#[test]
fn members_without_end_cost_no_memory() {
    let mut group = Group::new(Joining::AsEqual);
    group.run(20, &ALIKE);
    for at in 0..200 {
        let name = Name::from(format!("pod-{at}"));
        let span = (Time::from_secs(at), Time::from_secs(at + 1));
        group
            .detector
            .judge(span, &[(name, Contrast::default())], false);
    }
    assert!(group.detector.members.len() <= MAX_MEMBERS);
}
