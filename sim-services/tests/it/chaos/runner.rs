//! Plans and people against a platform, in time that is fast-forwarded.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use sim_services::change::{Active, Change, Conditions};
use sim_services::chaos::campaign::Campaign;
use sim_services::chaos::{Happening, Manual, Plan, plan_of, run, shipped};
use sim_services::topology::Topology;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::platform::{Platform, START};

fn in_virtual_time<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(what)
}

fn schedule(shop: &Topology, experiments: &str) -> Plan {
    let yaml = format!(
        "apiVersion: crosswatch.dev/v1alpha1\nkind: ChaosSchedule\nmetadata: {{ name: x }}\n\
         spec: {{ {experiments} }}"
    );
    plan_of("x.yaml", &yaml, shop, |_| None).unwrap_or_else(|error| panic!("{error}"))
}

fn inline(kind: &str, service: &str, parameters: &str, times: &str) -> String {
    format!(
        "{{ metadata: {{ name: x }}, spec: {{ {times}, faults: [{{ kind: {kind}, \
         target: {{ service: {service} }}, parameters: {{ {parameters} }} }}] }} }}"
    )
}

fn told(happenings: &[Happening]) -> String {
    let line = |happening: &Happening| {
        let at = happening.at().since(START).as_secs_f64();
        format!("{at:<6.2} {happening}\n")
    };
    happenings.iter().map(line).collect()
}

#[test]
fn a_fault_comes_acts_and_goes() {
    let shop = Topology::shop();
    let slow = inline(
        "database-slow",
        "ledger",
        "factor: 6",
        "ramp: 5s, duration: 20s",
    );
    let burst = inline("error-burst", "cart", "ratio: 0.5", "duration: 10s");
    let idle = inline(
        "error-burst",
        "search",
        "ratio: 0.5",
        "duration: 10s, recovery: 5s",
    );
    let plan = schedule(
        &shop,
        &format!(
            "experiments: [{{ at: 10s, experiment: {slow} }}, {{ at: 20s, experiment: {burst} }}, \
             {{ at: 22s, experiment: {idle} }}]"
        ),
    );
    let (happenings, truths, ended) = in_virtual_time(async {
        let platform = Platform::serving(&["ledger", "cart"]);
        let mut happenings = Vec::new();
        let stop = CancellationToken::new();
        let truths = run(
            &plan,
            &shop,
            &platform.levers,
            platform.clock,
            stop,
            |happening| {
                happenings.push(happening.clone());
            },
        )
        .await;
        let ended = platform.clock.now();
        assert_eq!(platform.on(), 0);
        platform.end().await;
        (happenings, truths, ended)
    });
    expect![[r#"
        10.00  fault in: 01-database-slow at ledger
        15.00  at full strength: 01-database-slow
        20.00  fault in: 02-error-burst at cart
        22.00  fault in: 03-error-burst at search
        30.00  fault out: 01-database-slow, it acted: mean latency of ledger 32 ms, 10 ms before; its statements 27 ms, 5.0 ms before
        30.00  fault out: 02-error-burst, it acted: 49 of 100 requests to cart failed, 0 % before
        32.00  fault out: 03-error-burst, without effect: did not act: no request reached search
    "#]].assert_eq(&told(&happenings));
    assert_eq!(ended, START + plan.length);
    let of_ledger = &truths[0];
    // At a quarter of a second the ramp leaves nothing, and requests come every tenth of one.
    let first = of_ledger.first_affected.unwrap().since(of_ledger.started);
    assert!((250..=350).contains(&first.as_millis()), "{first:?}");
    expect![[r#"
        {
          "id": "01-database-slow",
          "experiment": "x",
          "kind": "database-slow",
          "description": "",
          "targets": [
            {
              "service": "ledger"
            }
          ],
          "benign": false,
          "ramp": false,
          "cause": {
            "service": "ledger",
            "environment": "on-prem"
          },
          "symptoms": [
            "checkout",
            "edge",
            "ledger",
            "orders",
            "payments",
            "statements"
          ],
          "started": 1767571210000000000,
          "full": 1767571215000000000,
          "ended": 1767571230000000000,
          "first_affected": 1767571210300000000,
          "last_affected": 1767571229900000000,
          "affected": 197,
          "breached": null,
          "acted": {
            "yes": true,
            "evidence": "mean latency of ledger 32 ms, 10 ms before; its statements 27 ms, 5.0 ms before"
          }
        }"#]].assert_eq(&serde_json::to_string_pretty(of_ledger).unwrap());
    let acted: Vec<bool> = truths.iter().map(|truth| truth.acted.yes).collect();
    assert_eq!(acted, [true, true, false]);
}

#[test]
fn changes_keep_their_id_and_touch_while_their_strength_grows() {
    let shop = Topology::shop();
    let slow = inline(
        "latency",
        "ledger",
        "added: 100ms",
        "ramp: 2s, duration: 4s",
    );
    let burst = inline("error-burst", "ledger", "ratio: 0.5", "duration: 1s");
    let plan = schedule(
        &shop,
        &format!(
            "experiments: [{{ at: 1s, experiment: {slow} }}, {{ at: 3500ms, experiment: {burst} }}]"
        ),
    );
    in_virtual_time(async {
        let platform = Platform::serving(&["ledger"]);
        let mut seen = platform.seen.clone();
        let watch = async {
            let mut published: Vec<Vec<Active>> = Vec::new();
            while published.last().is_none_or(|all| !all.is_empty()) {
                seen.changed().await.unwrap();
                published.push(seen.borrow_and_update().0.clone());
            }
            published
        };
        let stop = CancellationToken::new();
        let levers = &platform.levers;
        let (published, _) = tokio::join!(
            watch,
            run(&plan, &shop, levers, platform.clock, stop, |_| {})
        );
        let first = published[0][0].clone();
        let mut lines = String::new();
        for all in &published {
            let of_ramp = all.iter().filter(|active| active.id == first.id);
            assert!(
                of_ramp
                    .clone()
                    .all(|active| Arc::ptr_eq(&active.touch, &first.touch))
            );
            let changes: Vec<String> = all
                .iter()
                .map(|active| match &active.change {
                    Change::Delay(dist) => serde_json::to_string(dist).unwrap(),
                    other => serde_json::to_string(other).unwrap(),
                })
                .collect();
            lines.push_str(&format!("{}\n", changes.join(" and ")));
        }
        expect![[r#"
            {"constant":"12ms500µs"}
            {"constant":"25ms"}
            {"constant":"37ms500µs"}
            {"constant":"50ms"}
            {"constant":"62ms500µs"}
            {"constant":"75ms"}
            {"constant":"87ms500µs"}
            {"constant":"100ms"}
            {"constant":"100ms"} and {"fail":{"ratio":0.5,"status":500,"error":"IllegalStateException"}}
            {"constant":"100ms"}

        "#]].assert_eq(&lines);
        platform.end().await;
    });
}

#[test]
fn what_grows_is_known_to_break_its_objective() {
    let shop = Topology::shop();
    // From 10 ms to 210 ms in 100 s: four times as slow when 30 ms have been added.
    let ramp = inline(
        "slow-ramp",
        "statements",
        "added: 200ms",
        "ramp: 100s, duration: 110s",
    );
    let plan = schedule(
        &shop,
        &format!("experiments: [{{ at: 60s, experiment: {ramp} }}]"),
    );
    let truths = in_virtual_time(async {
        let platform = Platform::serving(&["statements"]);
        let stop = CancellationToken::new();
        let truths = run(&plan, &shop, &platform.levers, platform.clock, stop, |_| {}).await;
        platform.end().await;
        truths
    });
    let breached = truths[0]
        .breached
        .unwrap()
        .since(truths[0].started)
        .as_secs_f64();
    // The mean of five seconds lags by two and a half.
    assert!((16.0..20.0).contains(&breached), "{breached}");
    assert!(truths[0].ramp && truths[0].acted.yes, "{:?}", truths[0]);
}

#[test]
fn a_plan_that_repeats_goes_on_until_it_is_stopped() {
    let shop = Topology::shop();
    let burst = inline(
        "error-burst",
        "cart",
        "ratio: 0.5",
        "duration: 10s, recovery: 15s",
    );
    let plan = schedule(
        &shop,
        &format!("repeat: true, experiments: [{{ at: 5s, experiment: {burst} }}]"),
    );
    let (happenings, truths) = in_virtual_time(async {
        let platform = Platform::serving(&["cart"]);
        let stop = CancellationToken::new();
        let mut happenings = Vec::new();
        let driver = run(
            &plan,
            &shop,
            &platform.levers,
            platform.clock,
            stop.clone(),
            |one| {
                happenings.push(one.clone());
            },
        );
        let stopper = async {
            sleep(Duration::from_secs(70)).await;
            stop.cancel();
        };
        let (truths, ()) = tokio::join!(driver, stopper);
        assert_eq!(platform.on(), 0);
        platform.end().await;
        (happenings, truths)
    });
    expect![[r#"
        5.00   fault in: 01-error-burst at cart
        15.00  fault out: 01-error-burst, it acted: 49 of 100 requests to cart failed, 0 % before
        35.00  fault in: 02-error-burst at cart
        45.00  fault out: 02-error-burst, it acted: 48 of 100 requests to cart failed, 0 % before
        65.00  fault in: 03-error-burst at cart
        70.00  fault out: 03-error-burst, it acted: 25 of 51 requests to cart failed, 0 % before
    "#]]
    .assert_eq(&told(&happenings));
    let ids: Vec<&str> = truths.iter().map(|truth| truth.id.as_str()).collect();
    assert_eq!(ids, ["01-error-burst", "02-error-burst", "03-error-burst"]);
}

#[test]
fn people_start_and_stop_beside_a_plan() {
    let shop = Arc::new(Topology::shop());
    let named = |name: &str| {
        let (_, yaml) = shipped()
            .iter()
            .find(|(shipped, _)| *shipped == name)
            .unwrap();
        let plan = plan_of(name, yaml, &shop, |_| None).unwrap();
        plan.steps[0].experiment.clone()
    };
    let plan = schedule(
        &shop,
        "experiments: [{ at: 10s, experiment: ledger-database-slow }]",
    );
    let text = in_virtual_time(async {
        let platform = Platform::serving(&["ledger", "cart"]);
        let manual = Manual::new(Arc::clone(&shop), &platform.levers, platform.clock);
        let stop = CancellationToken::new();
        let mut happenings = Vec::new();
        let people = async {
            sleep(Duration::from_secs(30)).await;
            let number = manual.start(named("cart-error-burst")).unwrap();
            let clash = platform.seen.borrow().0.clone();
            assert_eq!(clash.len(), 2, "beside the plan's");
            assert_ne!(clash[0].id, clash[1].id);
            sleep(Duration::from_secs(20)).await;
            let on = manual.list();
            assert_eq!((on.len(), on[0].number, on[0].strength), (1, number, 1.0));
            assert!(on[0].affected > 50);
            let truth = manual.stop(number).unwrap();
            assert!(truth.acted.yes, "{truth:?}");
            assert_eq!(platform.on(), 1, "the plan's stays");
            assert_eq!(manual.stop(number), None);
            manual.start(named("ledger-database-slow")).unwrap();
            sleep(Duration::from_secs(100)).await;
            assert!(manual.list().is_empty(), "it ended by itself");
            manual.start(named("cart-error-burst")).unwrap();
            sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        let ((), (), _) = tokio::join!(
            people,
            manual.run(stop.clone(), |happening| happenings.push(happening.clone())),
            run(
                &plan,
                &shop,
                &platform.levers,
                platform.clock,
                stop.clone(),
                |_| {}
            ),
        );
        assert_eq!(platform.on(), 0);
        platform.end().await;
        told(&happenings)
    });
    expect![[r#"
        30.00  fault in: 01-error-burst at cart: Half of all requests to the cart fail.
        50.00  fault out: 01-error-burst, it acted: 97 of 200 requests to cart failed, 0 % before
        50.00  fault in: 02-database-slow at ledger: The ledger's database answers six times as slowly.
        55.00  at full strength: 02-database-slow
        110.00 fault out: 02-database-slow, it acted: mean latency of ledger 42 ms, 25 ms before; its statements 37 ms, 20 ms before
        150.00 fault in: 03-error-burst at cart: Half of all requests to the cart fail.
        151.00 fault out: 03-error-burst, it acted: 5 of 10 requests to cart failed, 0 % before
    "#]].assert_eq(&text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Stopped or dropped, at any time of any plan.
    #[test]
    fn nothing_stays_on(seed: u64, faults in 1usize..5, at in 0.0..1.0f64, dropped: bool) {
        let shop = Topology::shop();
        let plan = Campaign::new(&shop, seed, faults);
        let end = plan.length.mul_f64(at);
        let (before, after) = in_virtual_time(async {
            let platform = Platform::serving(&[]);
            let stop = CancellationToken::new();
            let token = stop.clone();
            let driver = run(&plan, &shop, &platform.levers, platform.clock, token, |_| {});
            let mut driver = Box::pin(driver);
            let deadline = Instant::now() + end;
            let over = tokio::select! {
                biased;
                _ = &mut driver => true,
                () = sleep_until(deadline) => false,
            };
            let before = platform.on();
            if dropped {
                drop(driver);
            } else if !over {
                stop.cancel();
                let truths = driver.await;
                let began = plan.steps.iter().filter(|step| step.at <= end).count();
                prop_assert!(truths.len() + 1 >= began && truths.len() <= began);
            }
            Ok((before, platform.on()))
        })?;
        let on = plan.steps.iter().any(|step| {
            let later = Duration::from_secs(1);
            step.at + later < end && end + later < step.at + step.experiment.duration
        });
        prop_assert!(!on || before > 0, "the fault was on");
        prop_assert_eq!(after, 0);
    }
}

#[test]
fn changes_of_others_are_left_alone() {
    let shop = Topology::shop();
    let plan = Campaign::new(&shop, 3, 1);
    in_virtual_time(async {
        let platform = Platform::serving(&[]);
        let other = Active {
            id: 7,
            target: Default::default(),
            change: Change::Mute,
            touch: Arc::default(),
        };
        let conditions = Arc::new(Conditions(vec![other]));
        platform.levers.conditions.send_replace(conditions);
        let stop = CancellationToken::new();
        run(&plan, &shop, &platform.levers, platform.clock, stop, |_| {}).await;
        let ids: Vec<u64> = platform
            .seen
            .borrow()
            .0
            .iter()
            .map(|active| active.id)
            .collect();
        assert_eq!(ids, [7]);
    });
}
