use std::collections::BTreeSet;

use sim_services::chaos::{Fault, Plan, plan_of, shipped};
use sim_services::topology::Topology;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../chaos");

fn plans() -> Vec<(&'static str, Plan)> {
    let shop = Topology::shop();
    let plan = |name: &str, yaml| plan_of(name, yaml, &shop, |_| None);
    shipped()
        .iter()
        .map(|(name, yaml)| {
            (
                *name,
                plan(name, yaml).unwrap_or_else(|error| panic!("{error}")),
            )
        })
        .collect()
}

#[test]
fn every_file_of_the_folder_is_shipped_and_fits_the_shop() {
    let files: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".yaml").map(str::to_owned)
        })
        .collect();
    let plans = plans();
    let names: BTreeSet<String> = plans.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, names);
    for (name, plan) in plans {
        if let [only] = plan.steps.as_slice() {
            assert_eq!(
                only.experiment.name, name,
                "a file is named as what is in it"
            );
            assert!(only.experiment.description.ends_with('.'), "{name}");
        }
    }
}

#[test]
fn every_kind_has_a_file_and_a_row_in_the_table() {
    let plans = plans();
    let readme = std::fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    for kind in Fault::KINDS {
        let has = |plan: &Plan| plan.steps.iter().any(|step| step.experiment.kind() == kind);
        assert!(
            plans.iter().any(|(_, plan)| has(plan)),
            "no file for {kind}"
        );
        assert!(
            readme.contains(&format!("| `{kind}` |")),
            "no row for {kind}"
        );
    }
}

#[test]
fn what_is_spelt_out_is_what_would_be_derived() {
    let shop = Topology::shop();
    for (name, plan) in plans() {
        for step in plan.steps {
            let mut bare = step.experiment.clone();
            bare.expect.symptoms.clear();
            bare.expect.root_cause = None;
            bare.expect.may_page = None;
            assert_eq!(bare.fit(&shop, "").unwrap(), step.experiment, "{name}");
        }
    }
}

#[test]
fn the_demo_begins_soon_and_leaves_time_to_recover() {
    let plans = plans();
    let (_, demo) = plans.iter().find(|(name, _)| *name == "demo").unwrap();
    assert!(demo.repeat);
    expect_test::expect![[r#"
        step   at   lasts  kind                     where
           1   0:15  60 s  database-slow            ledger
           2   2:15  90 s  bad-deployment           checkout
           3   4:45  90 s  benign-deployment        cart
           4   6:45  60 s  link-latency             cloud-a
           5   8:45  60 s  cpu-contention           search
           6   8:55  50 s  error-burst              statements
           7  10:45  60 s  certificate-expiry       payments
    "#]]
    .assert_eq(&demo.table());
    assert!((11 * 60..=14 * 60).contains(&demo.length.as_secs()));
}

#[test]
fn the_shipped_experiments() {
    let mut table = String::new();
    for (name, plan) in plans() {
        if let [only] = plan.steps.as_slice() {
            table.push_str(&format!("{name}: {}\n", only.experiment.description));
        }
    }
    expect_test::expect![[r#"
        cart-benign-deployment: Cart 3.2.2 replaces 3.2.1. Nothing is wrong with it.
        cart-clock-skew: The cart's clock is a minute and a half ahead.
        cart-error-burst: Half of all requests to the cart fail.
        catalog-cache-failure: The catalogue's cache finds nothing: every product is read from the database.
        catalog-cache-stampede: The catalogue's cached products expire all together, every five seconds, before a cold database.
        catalog-latency-constant: Every answer of the catalogue takes 150 ms longer.
        catalog-log-flood: Each replica of the catalogue writes 200 more lines a second.
        checkout-bad-deployment: Checkout 2.10.0 is slower than 2.9.4 and throws a NullPointerException.
        cloud-a-cloud-b-link-lossy: The wire between the two clouds loses one packet in ten.
        cloud-a-on-prem-link-slow: The wire between cloud-a and the data centre takes 120 ms longer, each way.
        cloud-a-on-prem-partition: The wire between cloud-a and the data centre is cut.
        edge-too-few-workers: A new configuration leaves each replica of the edge one worker.
        inventory-latency-heavy-tail: Most answers of the inventory are as fast as ever; a few take very long.
        ledger-database-slow: The ledger's database answers six times as slowly.
        ledger-dns-failure: The name of the ledger cannot be resolved.
        legacy-core-down: Nothing listens at the legacy core any more.
        marketing-peak: A newsletter brings 1.6 times as many customers. The platform carries them.
        on-prem-planned-batch: The accounts are settled by day, by way of exception.
        orders-pool-exhaustion: Connections to the orders' database are never given back.
        orders-refund-route-failing: Refunds fail; all else that orders do works.
        orders-silent: Nothing is heard of orders any more, neither lines nor spans. They work.
        partner-client-failing: One partner gets errors from the inventory; nobody else does.
        payments-certificate-expiry: The certificate of payments has expired.
        payments-retry-storm: Payments fail half of the time, and checkout and orders try again at once, five times.
        payments-timeout-too-short: A new configuration gives payments 8 ms for what the ledger does in 14.
        recommendations-memory-leak: Recommendations leak memory until their replicas are killed.
        search-cpu-contention: A neighbour takes the processor from the search.
        search-latency-jitter: Answers of the search take anything from 0 to 300 ms longer.
        search-log-format-change: Search writes its access log as logfmt instead of in the format of Envoy.
        search-rate-limiting: Search refuses half of its requests as too many.
        shipping-consumer-stopped: Shipping takes no more order events: no parcels.
        slow-link-and-bad-deployment: A new version of orders goes out while the wire to the data centre is slow.
        statements-authentication-failure: Statements do not accept the tokens of most clients.
        statements-slow-ramp: Statements take a little longer every second, until they are too slow.
        stock-lock-contention: An export holds the locks of the stock that reservations need.
        tenant-acme-failing: All that belongs to acme fails at the inventory.
        traffic-drop: Four of five clients do not come any more.
        traffic-surge: Eight times as many clients come as usual.
        web-one-replica-failing: One of the two replicas of the web front fails.
    "#]].assert_eq(&table);
}
