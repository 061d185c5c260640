use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sim_services::chaos::campaign::Campaign;
use sim_services::chaos::{Fault, Plan};
use sim_services::topology::Topology;

fn kinds(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for step in &plan.steps {
        *kinds.entry(step.experiment.kind()).or_default() += 1;
    }
    kinds
}

fn benign(plan: &Plan) -> usize {
    let steps = plan.steps.iter();
    steps.filter(|step| step.experiment.benign()).count()
}

#[test]
fn the_first_campaign() {
    let plan = Campaign::new(&Topology::shop(), 1, 30);
    expect_test::expect![[]].assert_eq(&plan.table());
    assert_eq!(
        kinds(&plan).len(),
        Fault::KINDS.len(),
        "every kind is in it"
    );
    assert_eq!((plan.steps.len(), benign(&plan)), (36, 6));
    let names: Vec<String> = plan
        .steps
        .iter()
        .map(|step| step.experiment.description.clone())
        .collect();
    expect_test::expect![[]].assert_eq(&names.join("\n"));
}

#[test]
fn a_plan_is_written_and_read_again() {
    let plan = Campaign::new(&Topology::shop(), 1, 30);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn seeds_choose_other_places_and_variants() {
    let shop = Topology::shop();
    let mut partial = BTreeSet::new();
    let mut targets = BTreeSet::new();
    for seed in 0..40 {
        for step in Campaign::new(&shop, seed, 30).steps {
            let placed = &step.experiment.faults[0];
            if let Fault::PartialFailure { .. } = placed.fault {
                let target = &placed.target;
                partial.insert(match (&target.route, target.replica, &target.client) {
                    (Some(_), _, _) => "route",
                    (_, Some(_), _) => "replica",
                    (_, _, Some(_)) => "client",
                    _ => "tenant",
                });
            }
            targets.extend(placed.target.service.clone());
        }
    }
    assert_eq!(
        partial,
        BTreeSet::from(["client", "replica", "route", "tenant"])
    );
    assert_eq!(targets.len(), 15, "all but the broker: {targets:?}");
}

#[test]
fn a_small_platform_has_what_it_can_have() {
    let mut shop = Topology::shop();
    for service in shop.services.values_mut() {
        service.tls = false;
    }
    let plan = Campaign::new(&shop, 1, 30);
    assert!(!kinds(&plan).contains_key("certificate-expiry"));
    assert_eq!(plan.steps.len(), 36);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn laws_of_campaigns(seed: u64, faults in 1usize..64) {
        let shop = Topology::shop();
        let plan = Campaign::new(&shop, seed, faults);
        prop_assert_eq!(&plan, &Campaign::new(&shop, seed, faults));
        prop_assert_ne!(&plan, &Campaign::new(&shop, seed ^ 1, faults));
        prop_assert_eq!(benign(&plan), faults.div_ceil(5));
        prop_assert_eq!(plan.steps.len(), faults + benign(&plan));
        let bad = Fault::KINDS.len() - Fault::BENIGN;
        let bad_kinds = kinds(&plan)
            .into_keys()
            .filter(|kind| Fault::KINDS[..bad].contains(kind))
            .count();
        prop_assert_eq!(bad_kinds, faults.min(bad));
        let mut free = 45;
        for step in &plan.steps {
            let experiment = &step.experiment;
            prop_assert!(step.at.as_secs() >= free, "nothing overlaps, all recovers");
            free = (step.at + experiment.duration + experiment.recovery).as_secs();
            let foreseeable = experiment.faults[0].fault.foreseeable();
            let lasts = if foreseeable { 240..=360 } else { 45..=90 };
            prop_assert!(lasts.contains(&experiment.duration.as_secs()));
            prop_assert!((75..=120).contains(&experiment.recovery.as_secs()));
            prop_assert!(experiment.faults[0].fault.problems().is_empty());
        }
        prop_assert_eq!(plan.length.as_secs(), free);
    }
}
