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
    expect_test::expect![[r#"
        step   at   lasts  kind                     where
           1   1:07  79 s  lock-contention          ledger
           2   4:10  50 s  cpu-contention           cart
           3   6:29  45 s  pool-exhaustion          shipping
           4   8:29  87 s  log-flood                catalog
           5  11:14  90 s  error-burst              checkout
           6  14:34  52 s  dns-failure              search
           7  17:24  46 s  dependency-down          payments
           8  19:40  55 s  cache-failure            recommendations
           9  21:56  62 s  link-latency             cloud-a
          10  24:18  74 s  benign-deployment        legacy-core
          11  27:25  73 s  traffic-surge            the clients
          12  29:54  60 s  marketing-peak           the clients
          13  32:51  57 s  configuration-change     orders
          14  35:18  89 s  log-format-change        edge
          15  38:06  73 s  partition                cloud-b
          16  40:49  74 s  traffic-drop             the clients
          17  43:32  70 s  latency                  payments
          18  46:35 347 s  slow-ramp                inventory
          19  53:44  52 s  certificate-expiry       payments
          20  56:04  76 s  service-silent           checkout
          21  58:53  65 s  marketing-peak           the clients
          22  61:54 333 s  memory-leak              web
          23  69:26  50 s  bad-deployment           statements
          24  71:36  66 s  database-slow            ledger
          25  74:08  77 s  clock-skew               edge
          26  76:53  46 s  cache-stampede           recommendations
          27  79:10  68 s  consumer-stopped         notifications
          28  82:11  62 s  partial-failure          inventory, client partners-2
          29  84:48  83 s  planned-batch            on-prem
          30  87:36  46 s  benign-deployment        ledger
          31  89:55  87 s  rate-limiting            statements
          32  93:15  84 s  consumer-stopped         notifications
          33  96:14  65 s  authentication-failure   inventory
          34  98:43  67 s  retry-storm              web
          35 101:44  62 s  link-loss                cloud-b
          36 104:43  89 s  planned-batch            on-prem
    "#]]
    .assert_eq(&plan.table());
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
    expect_test::expect![[r#"
        Somebody else holds the locks that ledger needs.
        Cart shares its processor: work takes 40 times as long.
        The database connections of shipping are used up.
        Catalog writes far too many lines.
        Checkout fails many of its requests.
        The name of search cannot be resolved.
        Nothing listens at payments any more.
        The cache of recommendations finds nothing.
        The wire between cloud-a and cloud-b is slow.
        A new version of legacy-core with nothing wrong is rolled out.
        6.2 times as many clients come.
        A campaign brings 1.5 times as many clients, as expected.
        Orders was given too short a timeout for its calls.
        Edge writes its lines in another format.
        The wire between cloud-b and cloud-a is cut.
        Only 24 % of the clients come.
        Payments takes longer to answer.
        Inventory becomes slower and slower.
        The certificate of payments has expired.
        Nothing is heard of checkout any more; it works.
        A campaign brings 1.6 times as many clients, as expected.
        Web leaks memory until it is killed.
        A new version of statements is slower and throws something new.
        The database of ledger takes 7.1 times as long.
        The clock of edge is wrong.
        The cached entries of recommendations expire all together.
        Notifications takes no more messages.
        Requests fail at one part only: inventory, client partners-2.
        The planned batch of on-prem runs.
        A new version of ledger with nothing wrong is rolled out.
        Statements refuses requests as too many.
        Notifications takes no more messages.
        Inventory does not accept credentials.
        Web fails partly, and its callers try again at once and often.
        The wire between cloud-b and on-prem loses packets.
        The planned batch of on-prem runs."#]]
    .assert_eq(&names.join("\n"));
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
