//! Steps of journeys that are missing, repeated or out of order.

use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    AlertState, Hop, Name, Observation, Outcome, Peer, SpanId, SpanKind, Time, TraceId,
};
use monitor_engine::Engine;

use crate::world::{Random, World, hop, orders};

/// What web does for a purchase, one after the other.
const USUAL: &[&str] = &["basket", "stock", "payment"];
const WITHOUT_STOCK: &[&str] = &["basket", "payment"];

/// All spans of one purchase: web asks each of `steps` in turn, and payment asks the bank, of whom nobody
/// hears.
fn purchase(number: u64, start: Time, steps: &[&str]) -> Vec<Hop> {
    let id = |place: u64| SpanId::new((number ^ place).to_be_bytes());
    let placed = |hop: Hop, span: u64, parent: u64| Hop {
        trace: TraceId::new(u128::from(number).to_be_bytes()),
        span: id(span),
        parent: (parent > 0).then(|| id(parent)).flatten(),
        ..hop
    };
    let at = |millis: u64| start + Duration::from_millis(millis);
    let ask = |service: &str, callee: &str, time: (Time, u64)| Hop {
        peer: Some(Peer::Service(Name::from(callee))),
        ..hop(SpanKind::Client, service, "GET", time)
    };
    let whole = hop(SpanKind::Server, "web", "/buy", (start, 400));
    let mut hops = vec![placed(whole, 1, 0)];
    for (place, callee) in (0..).zip(steps) {
        let (begin, span) = (10 + 30 * place, 2 + 3 * place);
        hops.push(placed(ask("web", callee, (at(begin), 25)), span, 1));
        let route = format!("/{callee}");
        let served = hop(SpanKind::Server, callee, &route, (at(begin + 3), 18));
        hops.push(placed(served, span + 1, span));
        if *callee == "payment" {
            let bank = ask(callee, "bank.example", (at(begin + 5), 8));
            hops.push(placed(bank, span + 2, span + 1));
        }
    }
    hops
}

/// Three purchases a second for so many seconds; `told` says which spans come of each.
fn run(world: &mut World, seconds: u64, told: &mut dyn FnMut(&mut Random, u64, Time) -> Vec<Hop>) {
    for _ in 0..seconds {
        for _ in 0..3 {
            let number = world.random.next();
            let start = Time::from_secs(world.now) + Duration::from_micros(number % 500_000);
            for hop in told(&mut world.random, number, start) {
                world.observe(&Observation::Hop(Box::new(hop)));
            }
        }
        world.run(1, &[orders()]);
    }
}

fn as_usual(_: &mut Random, number: u64, start: Time) -> Vec<Hop> {
    purchase(number, start, USUAL)
}

/// What is said when, after five minutes, three go otherwise.
fn said(otherwise: &mut dyn FnMut(&mut Random, u64, Time) -> Vec<Hop>) -> String {
    let mut world = World::new(3);
    run(&mut world, 300, &mut as_usual);
    assert_eq!(world.story(), "");
    run(&mut world, 180, otherwise);
    assert_eq!(world.alerts(AlertState::Firing).len(), 0, "it wakes nobody");
    let shown = world.engine.view().anomalies.len();
    assert_eq!(shown, world.opened().len());
    world.story()
}

/// The same when a fifth of the purchases is made so.
fn said_of(steps: &[&str]) -> String {
    said(&mut |_, number, start| {
        let odd = number.is_multiple_of(5);
        purchase(number, start, if odd { steps } else { USUAL })
    })
}

#[test]
fn a_step_that_is_missing_is_named() {
    expect!["+340 s journey-step-missing since +300 s: 27 % of journeys GET /buy (16 of 60 in 20 s) are without the step GET /stock of stock, against at most 1.7 % expected"].assert_eq(&said_of(WITHOUT_STOCK));
}

#[test]
fn a_step_that_is_done_twice_is_named() {
    expect!["+340 s journey-step-repeated since +300 s: 27 % of journeys GET /buy (16 of 60 in 20 s) repeat the step GET /stock of stock, against at most 1.7 % expected"].assert_eq(&said_of(&["basket", "stock", "stock", "payment"]));
}

#[test]
fn a_step_that_comes_before_the_one_it_follows_is_named() {
    expect!["+340 s journey-step-order since +300 s: 27 % of journeys GET /buy (16 of 60 in 20 s) have a step out of order: GET /payment of payment before GET /stock of stock, against at most 1.7 % expected"].assert_eq(&said_of(&["basket", "payment", "stock"]));
}

#[test]
fn an_attempt_that_nobody_served_is_a_repetition() {
    let said = said(&mut |_, number, start| {
        let mut hops = purchase(number, start, &["basket", "stock", "stock", "payment"]);
        if number.is_multiple_of(5) {
            // The first attempt did not get through.
            let lost = hops
                .iter()
                .position(|hop| &*hop.workload.service.name == "stock");
            hops.remove(lost.expect("stock was asked"));
            return hops;
        }
        purchase(number, start, USUAL)
    });
    expect!["+350 s journey-step-repeated since +300 s: 24 % of journeys GET /buy (22 of 90 in 30 s) repeat the step GET /stock of stock, against at most 1.1 % expected"].assert_eq(&said);
}

#[test]
fn a_step_below_one_that_is_missing_is_not_named_beside_it() {
    let deep = |number: u64, start: Time, all: bool| {
        let mut hops = purchase(number, start, USUAL);
        let parent = hops
            .iter()
            .position(|hop| &*hop.workload.service.name == "stock");
        let parent = hops[parent.expect("stock serves")].clone();
        let (ask, serve) = (
            SpanId::new((number ^ 91).to_be_bytes()),
            SpanId::new((number ^ 92).to_be_bytes()),
        );
        hops.push(Hop {
            peer: Some(Peer::Service("prices".into())),
            trace: parent.trace,
            span: ask,
            parent: parent.span,
            ..hop(
                SpanKind::Client,
                "stock",
                "GET",
                (parent.start + Duration::from_millis(2), 9),
            )
        });
        hops.push(Hop {
            trace: parent.trace,
            span: serve,
            parent: ask,
            ..hop(
                SpanKind::Server,
                "prices",
                "/prices",
                (parent.start + Duration::from_millis(3), 6),
            )
        });
        if !all {
            hops.retain(|hop| !["stock", "prices"].contains(&&*hop.workload.service.name));
            hops.retain(|hop| hop.peer != Some(Peer::Service("stock".into())));
        }
        hops
    };
    let mut world = World::new(5);
    run(&mut world, 300, &mut |_, number, start| {
        deep(number, start, true)
    });
    run(&mut world, 120, &mut |_, number, start| {
        deep(number, start, !number.is_multiple_of(4))
    });
    expect!["+340 s journey-step-missing since +300 s: 32 % of journeys GET /buy (19 of 60 in 20 s) are without the step GET /stock of stock, against at most 1.7 % expected"].assert_eq(&world.story());
}

/// Loses each span of these services by itself.
fn lose(hops: &mut Vec<Hop>, random: &mut Random, share: f64, of: &[&str]) {
    hops.retain(|hop| {
        random.unit() >= share || !of.iter().any(|name| *hop.workload.service.name == **name)
    });
}

#[test]
fn an_exporter_that_fails_is_no_missing_step() {
    // Of one service all is lost, or half of it, or of all services a part.
    for (share, of) in [
        (1.0, &["stock"] as &[_]),
        (0.5, &["stock"]),
        (0.5, &["web"]),
        (0.05, &["web", "basket", "stock", "payment"]),
        (0.3, &["web", "basket", "stock", "payment"]),
        (0.6, &["web", "basket", "stock", "payment"]),
    ] {
        let said = said(&mut |random, number, start| {
            let mut hops = purchase(number, start, USUAL);
            lose(&mut hops, random, share, of);
            hops
        });
        assert_eq!(said, "", "{share} of {of:?}");
    }
}

#[test]
fn what_is_sampled_from_the_beginning_is_no_missing_step() {
    let mut world = World::new(6);
    run(&mut world, 900, &mut |random, number, start| {
        let mut hops = purchase(number, start, USUAL);
        lose(&mut hops, random, 0.9, &["stock"]);
        lose(&mut hops, random, 0.1, &["web", "basket"]);
        hops
    });
    assert_eq!(world.story(), "");
}

#[test]
fn spans_that_come_late_are_no_missing_steps() {
    let mut behind: Vec<Hop> = Vec::new();
    let said = said(&mut |_, number, start| {
        // From stock everything comes a quarter of a minute late.
        let (late, mut hops): (Vec<Hop>, Vec<Hop>) = (purchase(number, start, USUAL).into_iter())
            .partition(|hop| &*hop.workload.service.name == "stock");
        behind.extend(late);
        let due = start - Duration::from_secs(15);
        hops.extend(behind.extract_if(.., |hop| hop.start <= due));
        hops
    });
    assert_eq!(said, "");
}

#[test]
fn a_clock_that_is_off_is_no_missing_step_and_no_disorder() {
    for seconds in [-40, 40] {
        let said = said(&mut |_, number, start| {
            let mut hops = purchase(number, start, USUAL);
            for hop in &mut hops {
                if &*hop.workload.service.name == "stock" {
                    let secs = hop.start.as_secs() + seconds;
                    hop.start = Time::from_secs(secs);
                }
            }
            hops
        });
        assert_eq!(said, "", "{seconds} s");
    }
}

#[test]
fn a_journey_that_fails_half_way_is_without_steps_for_a_reason() {
    let said = said(&mut |_, number, start| {
        if !number.is_multiple_of(5) {
            return purchase(number, start, USUAL);
        }
        let mut hops = purchase(number, start, &["basket", "stock"]);
        hops[0].outcome = Outcome::ClientError;
        hops
    });
    assert_eq!(said, "");
}

#[test]
fn what_journeys_never_had_is_not_missing() {
    // The twentieth has no stock, a tenth asks for it twice, and which comes first is chance.
    let mut world = World::new(4);
    run(&mut world, 1_800, &mut |random, number, start| {
        let chance = random.unit();
        let steps: &[&str] = match number % 20 {
            0 => WITHOUT_STOCK,
            1 | 2 => &["basket", "stock", "stock", "payment"],
            _ if chance < 0.5 => &["stock", "basket", "payment"],
            _ => USUAL,
        };
        purchase(number, start, steps)
    });
    assert_eq!(world.story(), "");
}

#[test]
fn after_half_an_hour_a_step_that_is_gone_is_forgotten() {
    let mut world = World::new(7);
    run(&mut world, 300, &mut as_usual);
    run(&mut world, 2_400, &mut |_, number, start| {
        purchase(number, start, WITHOUT_STOCK)
    });
    expect![[r#"
        +320 s journey-step-missing since +300 s: 50 % of journeys GET /buy (30 of 60 in 20 s) are without the step GET /stock of stock, against at most 1.7 % expected
        journey-step-missing over at +2100 s"#]].assert_eq(&world.story());
    // And what has become usual is missed in turn.
    run(&mut world, 120, &mut |_, number, start| {
        purchase(number, start, &["payment"])
    });
    let last = world
        .opened()
        .last()
        .map(|anomaly| anomaly.explanation.why.clone());
    assert!(last.is_some_and(|why| why.contains("GET /basket of basket")));
}

#[test]
fn a_restored_engine_goes_on_judging_steps() {
    let mut world = World::new(8);
    run(&mut world, 300, &mut as_usual);
    let mut other = World::new(8);
    other.now = world.now;
    other.random = world.random.clone();
    other.engine =
        Engine::restore(Default::default(), &world.engine.snapshot()).expect("its own snapshot");
    for world in [&mut world, &mut other] {
        run(world, 120, &mut |_, number, start| {
            let odd = number.is_multiple_of(3);
            purchase(number, start, if odd { WITHOUT_STOCK } else { USUAL })
        });
        assert!(world.story().contains("journey-step-missing"));
    }
    assert_eq!(world.story(), other.story());
}
