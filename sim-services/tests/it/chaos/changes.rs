//! What each kind does to the platform.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use sim_services::chaos::{Experiment, Fault, plan_of, shipped};
use sim_services::topology::Topology;

fn experiments(shop: &Topology) -> Vec<Experiment> {
    shipped()
        .iter()
        .map(|(name, yaml)| plan_of(name, yaml, shop, |_| None).expect("a test reads them"))
        .flat_map(|plan| plan.steps)
        .map(|step| step.experiment)
        .collect()
}

fn at(shop: &Topology, experiment: &Experiment, strength: f64) -> Vec<String> {
    experiment
        .faults
        .iter()
        .flat_map(|placed| {
            placed
                .fault
                .parts(shop, &placed.target, strength, Duration::ZERO)
        })
        .map(|part| {
            format!(
                "{}: {}",
                part.target,
                serde_json::to_string(&part.change).expect("plain data")
            )
        })
        .collect()
}

#[test]
fn every_kind_at_full_strength() {
    let shop = Topology::shop();
    let experiments = experiments(&shop);
    let mut text = String::new();
    for kind in Fault::KINDS {
        let of_kind = experiments
            .iter()
            .find(|experiment| experiment.kind() == kind);
        let parts = at(&shop, of_kind.unwrap(), 1.0);
        text.push_str(&format!("{kind}\n  {}\n", parts.join("\n  ")));
    }
    expect_test::expect![[r#"
        latency
          catalog: {"delay":{"constant":"150ms"}}
        slow-ramp
          statements: {"delay":{"constant":"300ms"}}
        error-burst
          cart: {"fail":{"ratio":0.5,"status":500,"error":"RedisConnectionException"}}
        partial-failure
          orders, POST /orders/{id}/refund: {"fail":{"ratio":0.9,"status":500,"error":"RefundStateException"}}
        dependency-down
          legacy-core: "down"
        database-slow
          ledger: {"store-factor":{"store":"ledger-db","factor":6.0}}
        lock-contention
          inventory: {"store-lock":{"store":"stock-db","held":{"mean":"200ms"}}}
        pool-exhaustion
          orders: {"connections":{"store":"orders-db","left":0}}
        retry-storm
          payments: {"fail":{"ratio":0.5,"status":503,"error":"ServiceUnavailable"}}
          checkout: {"retries":{"callee":"payments","attempts":5,"backoff":"0s"}}
          orders: {"retries":{"callee":"payments","attempts":5,"backoff":"0s"}}
        cache-failure
          catalog: {"cache-off":{"cache":"products"}}
        cache-stampede
          catalog: {"cache-flush":{"cache":"products"}}
          catalog: {"store-factor":{"store":"catalog-db","factor":6.0}}
        cpu-contention
          search: {"work-factor":15.0}
        memory-leak
          recommendations: {"leak":{"mb_per_second":2.0}}
        bad-deployment
          checkout: {"version":"2.10.0"}
          checkout, version 2.10.0: {"delay":{"constant":"120ms"}}
          checkout, version 2.10.0: {"fail":{"ratio":0.25,"status":500,"error":"NullPointerException"}}
        configuration-change
          edge: {"config-reloaded":{"key":"server.workers","value":"1"}}
          edge: {"workers":1}
        traffic-surge
          everything: {"load":{"factor":8.0,"clients":""}}
        traffic-drop
          everything: {"load":{"factor":0.2,"clients":""}}
        service-silent
          orders: "mute"
        consumer-stopped
          shipping: "stop-consuming"
        link-latency
          cloud-a: {"link":{"to":"on-prem","latency":"120ms","jitter":"20ms","loss":0.0,"partition":false,"megabits_per_second":null}}
        link-loss
          cloud-a: {"link":{"to":"cloud-b","latency":"0s","jitter":"0s","loss":0.1,"partition":false,"megabits_per_second":null}}
        partition
          cloud-a: {"link":{"to":"on-prem","latency":"0s","jitter":"0s","loss":0.0,"partition":true,"megabits_per_second":null}}
        dns-failure
          ledger: {"dns-failure":{"ratio":1.0}}
        certificate-expiry
          payments: "certificate-expired"
        clock-skew
          cart: {"clock-skew":{"millis":90000}}
        rate-limiting
          search: {"fail":{"ratio":0.5,"status":429,"error":"TooManyRequests"}}
        authentication-failure
          statements: {"fail":{"ratio":0.8,"status":401,"error":"InvalidToken"}}
        log-flood
          catalog: {"log-flood":{"lines_per_second":200.0}}
        log-format-change
          search: {"log-dialect":"logfmt"}
        benign-deployment
          cart: {"version":"3.2.2"}
        planned-batch
          ledger in on-prem: {"store-factor":{"store":"ledger-db","factor":1.15}}
          ledger in on-prem: {"log-flood":{"lines_per_second":2.0}}
        marketing-peak
          everything: {"load":{"factor":1.6,"clients":""}}
    "#]].assert_eq(&text);
}

#[test]
fn what_has_degrees_is_half_as_strong_half_way() {
    let shop = Topology::shop();
    let mut text = String::new();
    for name in [
        "ledger-database-slow",
        "cart-error-burst",
        "search-latency-jitter",
        "orders-pool-exhaustion",
        "traffic-drop",
        "cloud-a-on-prem-link-slow",
        "legacy-core-down",
    ] {
        let experiments = experiments(&shop);
        let experiment = experiments
            .iter()
            .find(|experiment| experiment.name == name);
        text.push_str(&format!(
            "{}\n",
            at(&shop, experiment.unwrap(), 0.5).join("\n")
        ));
    }
    expect_test::expect![[r#"
        ledger: {"store-factor":{"store":"ledger-db","factor":3.5}}
        cart: {"fail":{"ratio":0.25,"status":500,"error":"RedisConnectionException"}}
        search: {"delay":{"from":"0s","to":"150ms"}}
        orders: {"connections":{"store":"orders-db","left":10}}
        everything: {"load":{"factor":0.6,"clients":""}}
        cloud-a: {"link":{"to":"on-prem","latency":"60ms","jitter":"10ms","loss":0.0,"partition":false,"megabits_per_second":null}}
        legacy-core: "down"
    "#]].assert_eq(&text);
}

#[test]
fn a_stampede_comes_again_and_again() {
    let shop = Topology::shop();
    let experiments = experiments(&shop);
    let stampede = experiments
        .iter()
        .find(|experiment| experiment.kind() == "cache-stampede")
        .unwrap();
    let placed = &stampede.faults[0];
    let flushes = |secs| {
        let on_for = Duration::from_secs(secs);
        let parts = placed.fault.parts(&shop, &placed.target, 1.0, on_for);
        parts.iter().map(|part| part.again).collect::<Vec<_>>()
    };
    assert_eq!(flushes(0), [0, 0]);
    assert_eq!(flushes(4), [0, 0]);
    // Only the flush; the store stays slow.
    assert_eq!(flushes(11), [2, 0]);
}

static SHIPPED: LazyLock<(Topology, Vec<Experiment>)> = LazyLock::new(|| {
    let shop = Topology::shop();
    let experiments = experiments(&shop);
    (shop, experiments)
});

proptest! {
    /// A change keeps its id by its place among the parts.
    #[test]
    fn parts_are_the_same_in_number_at_every_strength(strength in 0.001..1.0f64, secs in 0u64..400) {
        let (shop, experiments) = &*SHIPPED;
        for experiment in experiments {
            for placed in &experiment.faults {
                let parts = |strength| {
                    let on_for = Duration::from_secs(secs);
                    let parts = placed.fault.parts(shop, &placed.target, strength, on_for);
                    parts
                        .into_iter()
                        .map(|part| (part.target, std::mem::discriminant(&part.change)))
                        .collect::<Vec<_>>()
                };
                prop_assert_eq!(parts(strength), parts(1.0));
                prop_assert!(parts(0.0).is_empty());
            }
        }
    }
}
