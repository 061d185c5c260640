//! Routes that vanish while their service serves on.

use expect_test::expect;
use monitor_engine::Effect;

use crate::world::{START, Traffic, World, orders};

fn slow(service: &'static str, route: &'static str) -> Traffic {
    orders().at(service, route).rate(4.0)
}

/// After a quarter of an hour of `before`, so many seconds of `after`. The first and the last word on what
/// is anomalous, and how often it was told anew.
fn said(before: &[Traffic], after: &[Traffic], seconds: i64) -> String {
    let mut world = World::new(21);
    world.run(900, before).run(seconds, after);
    let mut lines = Vec::new();
    for effect in &world.effects {
        let (word, anomaly) = match effect {
            Effect::AnomalyOpened(anomaly) => ("opened", anomaly),
            Effect::AnomalyUpdated(anomaly) => ("changed", anomaly),
            Effect::AnomalyClosed(anomaly) => ("closed", anomaly),
            _ => continue,
        };
        let since = anomaly.detected.as_secs() - START;
        let why = &anomaly.explanation.why;
        lines.push(format!(
            "+{since} s {word} {}: {why}",
            anomaly.signal.subject
        ));
    }
    let told = lines.len();
    lines.drain(1..told.saturating_sub(1).max(1));
    lines.push(format!("{told} times"));
    lines.join("\n")
}

#[test]
fn the_silence_of_a_route_that_vanished_is_told_once_more_as_such() {
    let (kept, gone) = (
        slow("orders", "/orders/{id}"),
        slow("orders", "/carts/{id}"),
    );
    let all = [kept.clone(), gone, slow("basket", "/baskets")];
    let said = said(&all, &[kept, slow("basket", "/baskets")], 1_500);
    expect![[r#"
        +909 s opened shop/orders GET /carts/{id} @ cloud-a: no calls for 8 s against 1.63–6.59 calls/s expected
        +909 s changed shop/orders GET /carts/{id} @ cloud-a: no calls for 88 s against 1.87–6.35 calls/s expected; the route has vanished: no calls for 10 min, while orders served 2356 others in the last 10 min (2458 before)
        7 times"#]].assert_eq(&said);
}

#[test]
fn the_route_that_took_its_place_is_named() {
    let (kept, gone) = (slow("orders", "/orders/{id}"), slow("orders", "/v1/carts"));
    let after = [kept.clone(), slow("orders", "/v2/carts")];
    let said = said(&[kept, gone], &after, 720);
    expect![[r#"
        +909 s opened shop/orders GET /v1/carts @ cloud-a: no calls for 8 s against 1.57–6.64 calls/s expected
        +909 s changed shop/orders GET /v1/carts @ cloud-a: no calls for 88 s against 1.80–6.41 calls/s expected; the route has vanished: no calls for 10 min, while orders served 2330 others in the last 10 min (2457 before); new since then: GET /v2/carts
        7 times"#]].assert_eq(&said);
}

#[test]
fn a_service_that_is_dead_or_has_no_other_route_has_lost_none() {
    let all = [
        slow("orders", "/orders/{id}"),
        slow("orders", "/carts/{id}"),
        slow("basket", "/baskets"),
    ];
    let alone = [slow("basket", "/baskets"), slow("stock", "/stock")];
    for said in [
        said(&all, &all[2..], 1_500),
        said(&alone, &alone[..1], 1_500),
    ] {
        assert!(
            said.contains("no calls for") && !said.contains("vanished"),
            "{said}"
        );
    }
}
