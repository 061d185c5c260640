//! Journeys, from hops to what is known of them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    ApiKey, CallSource, Hop, JourneyTypeId, JourneyWish, Name, Outcome, Peer, ServiceKey, SpanId,
    SpanKind, Time, TraceId, Workload,
};
use monitor_diagnose::{Journey, Journeys};
use proptest::prelude::*;

const T0: i64 = 1_772_532_000;
const MS: i64 = 1_000_000;

/// Milliseconds after the beginning.
pub(crate) fn at(millis: i64) -> Time {
    Time::from_nanos(T0 * 1_000_000_000 + millis * MS)
}

fn span_id(id: u64) -> Option<SpanId> {
    SpanId::new(id.to_be_bytes())
}

pub(crate) fn trace_id(id: u64) -> Option<TraceId> {
    TraceId::new(u128::from(id).to_be_bytes())
}

/// `service@environment`.
pub(crate) fn workload(text: &str) -> Workload {
    let (service, environment) = text.split_once('@').unwrap_or((text, "here"));
    Workload {
        service: ServiceKey::new("", service),
        environment: environment.into(),
    }
}

/// From and to in milliseconds.
pub(crate) fn hop(role: SpanKind, place: &str, operation: &str, (from, to): (i64, i64)) -> Hop {
    let workload = workload(place);
    let serves = matches!(role, SpanKind::Server | SpanKind::Consumer);
    let api = serves.then(|| {
        Arc::new(ApiKey {
            environment: workload.environment.clone(),
            service: workload.service.clone(),
            method: "GET".into(),
            route: operation.into(),
        })
    });
    Hop {
        source: CallSource::Span,
        role,
        workload,
        instance: "pod-1".into(),
        version: None,
        api,
        operation: operation.into(),
        peer: None,
        trace: None,
        span: None,
        parent: None,
        links: Default::default(),
        request: None,
        client: None,
        start: at(from),
        duration: Duration::from_millis((to - from).unsigned_abs()),
        precision: Duration::ZERO,
        outcome: Outcome::Ok,
        resent: false,
    }
}

pub(crate) fn served(place: &str, operation: &str, when: (i64, i64)) -> Hop {
    hop(SpanKind::Server, place, operation, when)
}

pub(crate) fn asked(place: &str, callee: &str, operation: &str, when: (i64, i64)) -> Hop {
    Hop {
        peer: Some(Peer::Service(callee.into())),
        ..hop(SpanKind::Client, place, operation, when)
    }
}

/// Of trace, with its own and its parent's span id.
pub(crate) fn ids(hop: Hop, trace: u64, span: u64, parent: u64) -> Hop {
    Hop {
        trace: trace_id(trace),
        span: span_id(span),
        parent: span_id(parent),
        ..hop
    }
}

/// A purchase: the edge asks web, web asks two others at once.
pub(crate) fn purchase(trace: u64, from: i64) -> Vec<Hop> {
    let id = |n: u64| trace * 100 + n;
    let when = |a: i64, b: i64| (from + a, from + b);
    vec![
        ids(served("edge", "/buy", when(0, 100)), trace, id(1), 0),
        ids(
            asked("edge", "web", "/buy", when(5, 95)),
            trace,
            id(2),
            id(1),
        ),
        ids(served("web", "/buy", when(10, 90)), trace, id(3), id(2)),
        ids(
            asked("web", "stock", "/stock", when(20, 80)),
            trace,
            id(4),
            id(3),
        ),
        ids(
            asked("web", "prices", "/price", when(20, 50)),
            trace,
            id(5),
            id(3),
        ),
        ids(served("stock", "/stock", when(25, 75)), trace, id(6), id(4)),
        ids(
            served("prices", "/price", when(25, 45)),
            trace,
            id(7),
            id(5),
        ),
    ]
}

pub(crate) fn assembled(hops: impl IntoIterator<Item = Hop>) -> (Journeys, Vec<Journey>) {
    let mut journeys = Journeys::default();
    journeys.keep_finished();
    for hop in hops {
        journeys.see(&hop);
    }
    journeys.finish();
    let finished = journeys.take_finished().collect();
    (journeys, finished)
}

/// What was served, indented by what asked for it.
fn tree(journey: &Journey) -> String {
    let mut text = String::new();
    for stop in &journey.stops {
        if !matches!(stop.role, SpanKind::Server | SpanKind::Consumer) {
            continue;
        }
        let mut depth = 0;
        let mut above = stop.parent;
        while let Some(parent) = above {
            let stop = &journey.stops[parent];
            depth += usize::from(matches!(stop.role, SpanKind::Server | SpanKind::Consumer));
            above = stop.parent;
        }
        let api = stop.api.as_ref().map_or("?", |api| &api.service.name);
        writeln!(text, "{}{api}", "  ".repeat(depth)).expect("texts grow");
    }
    text
}

const PURCHASE: &str = "edge\n  web\n    stock\n    prices\n";

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        order in Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
        again in prop::collection::vec(0_usize..7, 0..5),
    ) {
        let hops = purchase(1, 0);
        let told = order.iter().chain(&again).map(|place| hops[*place].clone());
        let (journeys, finished) = assembled(told);
        prop_assert_eq!(finished.len(), 1);
        prop_assert_eq!(tree(&finished[0]), PURCHASE);
        prop_assert_eq!(journeys.counts().duplicated, again.len() as u64);
    }

    #[test]
    fn whatever_ids_say_every_hop_is_in_one_tree(
        hops in prop::collection::vec((0_u64..3, 0_u64..6, 0_u64..6, 0_u8..5, 0_i64..50, 0_i64..50), 1..60),
    ) {
        let roles = [
            SpanKind::Internal,
            SpanKind::Server,
            SpanKind::Client,
            SpanKind::Producer,
            SpanKind::Consumer,
        ];
        let told = hops.iter().map(|(trace, span, parent, role, from, took)| {
            let role = roles[usize::from(*role)];
            ids(hop(role, "any", "/any", (*from, from + took)), *trace, *span, *parent)
        });
        let (journeys, finished) = assembled(told);
        prop_assert_eq!(journeys.counts().in_flight, 0);
        for journey in finished {
            for (place, stop) in journey.stops.iter().enumerate() {
                prop_assert!(stop.parent.is_none_or(|parent| parent < place));
            }
        }
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing(cut in 0_usize..70) {
        let hops: Vec<Hop> = (0..10).flat_map(|n| purchase(n + 1, n as i64 * 700)).collect();
        let mut whole = Journeys::default();
        hops.iter().for_each(|hop| whole.see(hop));
        let mut first = Journeys::default();
        hops[..cut].iter().for_each(|hop| first.see(hop));
        let bytes = postcard::to_stdvec(&first).unwrap();
        let mut second: Journeys = postcard::from_bytes(&bytes).unwrap();
        second.reindex();
        hops[cut..].iter().for_each(|hop| second.see(hop));
        whole.finish();
        second.finish();
        prop_assert_eq!(whole.view(), second.view());
        prop_assert_eq!(postcard::to_stdvec(&whole).unwrap(), postcard::to_stdvec(&second).unwrap());
    }
}

#[test]
fn a_service_that_exports_nothing_leaves_no_hole() {
    // Web passed the trace on and told nothing: neither its own span nor its calls'.
    let hops = purchase(1, 0);
    let (_, finished) = assembled(
        hops.into_iter()
            .filter(|hop| &*hop.workload.service.name != "web"),
    );
    assert_eq!(finished.len(), 1);
    assert_eq!(tree(&finished[0]), "edge\n  stock\n  prices\n");
    assert!(finished[0].confidence < 1.0, "{}", finished[0].confidence);
}

#[test]
fn a_log_with_both_ids_joins_what_has_one_of_them() {
    let mut hops = purchase(1, 0);
    let log = |hop: Hop, trace, request: &str| Hop {
        source: CallSource::Log,
        trace,
        request: Some(request.into()),
        ..hop
    };
    // The edge's proxy knows the request's id, web both, the store's log the request's.
    let both = hop(SpanKind::Internal, "web", "", (50, 50));
    hops.push(log(served("store", "/items", (30, 40)), None, "req-1"));
    hops.push(log(both, trace_id(1), "req-1"));
    let (_, finished) = assembled(hops);
    assert_eq!(finished.len(), 1);
    assert!(
        tree(&finished[0]).contains("store"),
        "{}",
        tree(&finished[0])
    );
}

/// The edge's log knows no trace and whole seconds only, the store's log the request's id only.
fn told_twice(trace: u64, from: i64) -> Vec<Hop> {
    let span = |hop: Hop, id: u64, parent: u64| ids(hop, trace, trace * 100 + id, parent);
    let log = |hop: Hop| Hop {
        source: CallSource::Log,
        request: Some(format!("request-{trace}").into()),
        ..hop
    };
    let when = |a: i64, b: i64| (from + a, from + b);
    let mut proxy = log(served("edge", "/items", when(0, 40)));
    let end = (from + 40).div_euclid(1_000) * 1_000;
    proxy.start = at(end - 40);
    proxy.precision = Duration::from_secs(1);
    vec![
        span(served("edge", "/items", when(0, 40)), 1, 0),
        span(
            asked("edge", "store", "/items", when(2, 38)),
            2,
            trace * 100 + 1,
        ),
        proxy,
        log(served("store", "/items", when(10, 30))),
    ]
}

#[test]
fn what_a_proxy_logs_without_its_trace_joins_the_trace() {
    // The first one is only looked for once it is known that the edge tells of requests twice.
    let hops = (0..20).flat_map(|n| told_twice(n + 1, n as i64 * 95));
    let (journeys, finished) = assembled(hops);
    let trees: Vec<String> = finished.iter().map(tree).collect();
    let whole = trees.iter().filter(|tree| *tree == "edge\n  store\n");
    assert!(whole.count() >= 19, "{trees:?}");
    assert!(journeys.counts().journeys <= 22, "{:?}", journeys.counts());
}

#[test]
fn a_log_of_a_journey_that_is_over_counts_no_second_time() {
    let mut journeys = Journeys::default();
    let early = (0..3).flat_map(|n| told_twice(n + 1, n as i64 * 95));
    early.for_each(|hop| journeys.see(&hop));
    let mut last = told_twice(9, 500);
    let late = last.split_off(2);
    last.iter().for_each(|hop| journeys.see(hop));
    journeys.pass(at(30_000));
    let before = journeys.counts().journeys;
    late.iter().for_each(|hop| journeys.see(hop));
    journeys.pass(at(90_000));
    let counts = journeys.counts();
    assert_eq!((counts.journeys, counts.late), (before, 2));
}

#[test]
fn a_type_is_called_as_people_say_and_counted_with_another() {
    let mut hops: Vec<Hop> = (0..40)
        .flat_map(|n| purchase(n + 1, n as i64 * 50))
        .collect();
    let look = |n: u64| {
        ids(
            served("web", "/look", (n as i64, n as i64 + 5)),
            100 + n,
            9,
            0,
        )
    };
    hops.extend((0..10).map(look));
    let (mut journeys, _) = assembled(hops);
    let found = journeys.view().types;
    let [buy, look] = found.as_slice() else {
        panic!("{found:?}")
    };
    let wish = |id, name: Option<&str>, same_as| JourneyWish {
        id,
        name: name.map(Name::from),
        same_as,
    };
    journeys.configure(&[
        wish(buy.id, Some("Buying"), None),
        wish(look.id, None, Some(buy.id)),
    ]);
    let merged = journeys.view().types;
    assert_eq!(merged.len(), 1);
    assert_eq!((&*merged[0].name, merged[0].journeys), ("Buying", 50));
    // Round in a circle, or of what is not known: each is itself again.
    journeys.configure(&[
        wish(buy.id, None, Some(look.id)),
        wish(look.id, None, Some(buy.id)),
    ]);
    assert_eq!(journeys.view().types.len(), 2);
    journeys.configure(&[wish(look.id, None, Some(JourneyTypeId(7)))]);
    assert_eq!(journeys.view().types.len(), 2);
    journeys.configure(&[]);
    assert_eq!(journeys.view().types, found);
}

#[test]
fn logs_with_ids_alone_tell_how_far_clocks_are_off() {
    // The shop's clock is right, the bank's half a second ahead.
    let log = |hop: Hop, n: u64| Hop {
        source: CallSource::Log,
        request: Some(format!("request-{n}").into()),
        precision: Duration::from_millis(1),
        ..hop
    };
    let hops = (0..60_u64).flat_map(|n| {
        let from = n as i64 * 130;
        let pay = (from + 510 + n as i64 % 7, from + 540);
        [
            log(served("web@shop", "/buy", (from, from + 60)), n),
            log(served("bank@bank", "/pay", pay), n),
        ]
    });
    let (journeys, finished) = assembled(hops);
    let skews = journeys.view().skews;
    let of = |name: &str| {
        let mut found = skews.iter().filter(|skew| &*skew.environment == name);
        found.next().map_or(0.0, |skew| skew.offset)
    };
    assert!((of("bank") - of("shop") - 0.5).abs() < 0.02, "{skews:?}");
    assert_eq!(finished.last().map(tree).as_deref(), Some("web\n  bank\n"));
}

#[test]
fn a_span_and_a_log_of_one_request_are_one_hop() {
    let mut hops = purchase(1, 0);
    let log = Hop {
        source: CallSource::Log,
        ..hops[2].clone()
    };
    hops.push(log);
    let (journeys, finished) = assembled(hops);
    assert_eq!(tree(&finished[0]), PURCHASE);
    assert_eq!(journeys.counts().duplicated, 0);
}

#[test]
fn a_message_is_followed_through_its_queue() {
    let mut hops = purchase(1, 0);
    let queue = || Some(Peer::Queue("parcels".into()));
    let sent = hop(SpanKind::Producer, "web", "parcels", (60, 62));
    hops.push(Hop {
        peer: queue(),
        ..ids(sent, 1, 900, 103)
    });
    // Half a minute later, in a trace of its own that links to the first.
    let taken = hop(SpanKind::Consumer, "ship", "parcels", (30_000, 30_020));
    let link = (trace_id(1).unwrap(), span_id(900).unwrap());
    hops.push(Hop {
        peer: queue(),
        links: [link].into_iter().collect(),
        ..ids(taken, 2, 901, 0)
    });
    let (journeys, finished) = assembled(hops);
    assert_eq!(finished.len(), 1);
    assert_eq!(
        tree(&finished[0]),
        "edge\n  web\n    stock\n    prices\n    ship\n"
    );
    let graph = journeys.view().graph;
    let waited: Vec<f64> = graph
        .minutes
        .iter()
        .flat_map(|minute| &minute.edges)
        .filter(|edge| &*graph.nodes[edge.caller as usize].node.to_string() == "parcels")
        .map(|edge| edge.network_seconds)
        .collect();
    assert_eq!(waited, [29.94]);
}

#[test]
fn a_flood_of_single_spans_takes_its_own_room_only() {
    let mut journeys = Journeys::default();
    let legit = purchase(7, 0);
    journeys.see(&legit[6]);
    let flood = 400_000_u64;
    for n in 0..flood {
        let hostile = ids(served("edge", "/buy", (50, 60)), 1_000 + n, 5_000 + n, 0);
        journeys.see(&Hop {
            client: Some("hostile".into()),
            ..hostile
        });
    }
    assert!(journeys.counts().in_flight <= 50_000);
    legit[..6].iter().for_each(|hop| journeys.see(hop));
    journeys.finish();
    assert!(journeys.counts().evicted >= flood - 50_000);
    // The honest one is whole: its last hop is in no type of its own.
    let view = journeys.view();
    assert_eq!(view.types.len(), 1);
    let passed = |service: &str| {
        let mut hops = view.types[0].hops.iter();
        hops.any(|hop| &*hop.api.service.name == service && hop.share > 0.0)
    };
    assert!(passed("prices") && passed("stock"));
}

#[test]
fn one_endless_journey_is_cut_off_and_counted() {
    let hops = (0..5_000_u64).map(|n| {
        let inner = hop(SpanKind::Internal, "web", "loop", (0, 1));
        ids(inner, 1, n + 1, 0)
    });
    let (journeys, _) = assembled(hops);
    assert_eq!(journeys.counts().crowded, 3_000);
}

#[test]
fn what_comes_after_its_journey_is_over_is_counted() {
    let mut hops = purchase(1, 0);
    let straggler = hops.pop().unwrap();
    hops.extend(purchase(2, 60_000));
    hops.push(straggler);
    let (journeys, _) = assembled(hops);
    assert_eq!(journeys.counts().late, 1);
}

#[test]
fn without_any_id_time_and_peers_tell() {
    let mut hops = Vec::new();
    for n in 0..200 {
        // Now and then two at once.
        let from = n * 130 - (n % 5) * 20;
        hops.extend(purchase(1, from).into_iter().map(|hop| Hop {
            source: CallSource::Log,
            trace: None,
            span: None,
            parent: None,
            ..hop
        }));
    }
    hops.sort_by_key(Hop::end);
    let (journeys, finished) = assembled(hops);
    let right = finished.iter().filter(|journey| tree(journey) == PURCHASE);
    assert!(right.count() >= 160, "{finished:?}");
    assert!(finished.iter().all(|journey| journey.confidence < 1.0));
    assert_eq!(journeys.view().types.len(), 1);
}

#[test]
fn a_clock_that_is_wrong_is_found_and_corrected() {
    let hops = (0..50).flat_map(|n| {
        let from = i64::from(n) * 100;
        let trace = u64::try_from(n).unwrap() + 1;
        let skew = 2_000;
        [
            ids(served("edge@here", "/", (from, from + 40)), trace, 1, 0),
            ids(
                asked("edge@here", "far", "/far", (from + 1, from + 39)),
                trace,
                2,
                1,
            ),
            ids(
                served("far@there", "/far", (from + 11 + skew, from + 29 + skew)),
                trace,
                3,
                2,
            ),
        ]
    });
    let (journeys, finished) = assembled(hops);
    let view = journeys.view();
    let of = |name: &str| {
        let found = view.skews.iter().find(|skew| &*skew.environment == name);
        found.unwrap().offset
    };
    assert!(
        (of("there") - of("here") - 2.0).abs() < 0.05,
        "{:?}",
        view.skews
    );
    let last = finished.last().unwrap();
    assert!(last.stops[2].start >= last.stops[1].start);
    // Twenty of forty milliseconds were on the wire, also with two clocks.
    let kind = &view.types[0];
    let on_the_wire: f64 = kind.wire.iter().map(|(.., seconds)| seconds).sum();
    assert!((on_the_wire - 0.020).abs() < 0.002, "{:?}", kind.wire);
}

#[test]
fn optional_steps_make_no_new_type_and_other_places_do() {
    let mut hops = Vec::new();
    for n in 0..100_u64 {
        let when = i64::try_from(n).unwrap() * 200;
        let all = purchase(n + 1, when);
        // A cache answers half of the time.
        let kept = all
            .into_iter()
            .filter(|hop| n % 2 == 0 || &*hop.workload.service.name != "prices");
        hops.extend(kept);
        // The same entry, for something else altogether.
        let id = 1_000_000 + n * 10;
        let trace = 5_000 + n;
        let span = |a, b| (when + a, when + b);
        hops.push(ids(served("edge", "/buy", span(0, 50)), trace, id, 0));
        hops.push(ids(served("mail", "/send", span(5, 45)), trace, id + 1, id));
        hops.push(ids(
            served("text", "/send", span(6, 40)),
            trace,
            id + 2,
            id + 1,
        ));
    }
    let (journeys, _) = assembled(hops);
    let types = journeys.view().types;
    let counts: Vec<(Name, u64)> = types
        .iter()
        .map(|kind| (kind.name.clone(), kind.journeys))
        .collect();
    assert_eq!(
        counts,
        [("GET /buy".into(), 100), ("GET /buy (2)".into(), 100)]
    );
    let prices = types[0]
        .hops
        .iter()
        .find(|hop| &*hop.api.service.name == "prices")
        .unwrap();
    assert_eq!(prices.share, 0.5);
}

#[test]
fn who_is_slow_shows_as_own_time_and_in_its_budget() {
    let mut hops = Vec::new();
    for n in 0..600_u64 {
        hops.extend(purchase(n + 1, i64::try_from(n).unwrap() * 500));
    }
    let (journeys, _) = assembled(hops);
    let kind = &journeys.view().types[0];
    let stock = kind
        .hops
        .iter()
        .find(|hop| &*hop.api.service.name == "stock")
        .unwrap();
    // The other call was over long before: it is on nobody's critical path.
    let prices = kind
        .hops
        .iter()
        .find(|hop| &*hop.api.service.name == "prices")
        .unwrap();
    assert!((stock.own_seconds - 0.050).abs() < 1e-9, "{stock:?}");
    assert_eq!(prices.own_seconds, 0.0);
    assert!(stock.budget_seconds.unwrap() < kind.p99.unwrap());
    assert!(
        (0.5..1.5).contains(&stock.budget_used.unwrap()),
        "{stock:?}"
    );
    let total: f64 = kind.environments.iter().map(|(_, seconds)| seconds).sum();
    let wire: f64 = kind.wire.iter().map(|(.., seconds)| seconds).sum();
    assert!((total + wire - 0.100).abs() < 1e-6);
}

#[test]
fn a_journey_that_does_not_end_is_late_and_named() {
    let mut journeys = Journeys::default();
    for n in 0..100_u64 {
        purchase(n + 1, i64::try_from(n).unwrap() * 100)
            .iter()
            .for_each(|hop| journeys.see(hop));
    }
    // Its stock answered, and the edge has not.
    let stuck = purchase(777, 11_000);
    journeys.see(&stuck[5]);
    journeys.pass(at(11_000 + 4_000));
    let late = journeys.view().late;
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(late[0].trace, trace_id(777));
    assert_eq!(late[0].name.as_deref(), Some("GET /buy"));
    assert_eq!(&*late[0].last, "stock @ here");
}
