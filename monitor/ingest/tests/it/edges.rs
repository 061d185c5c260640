//! Who calls whom, as spans and logs tell it.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{
    Batch, Environment, Item, LogItem, Name, Observation, Origin, Payload, Resource, ServiceKey,
    Source, SpanId, SpanItem, SpanKind, Time, TraceId, Value,
};
use monitor_ingest::pipeline::Pipeline;
use proptest::prelude::*;

const START: Time = Time::from_secs(1_772_359_200);

fn resource(service: &str, environment: &str) -> Arc<Resource> {
    Arc::new(Resource {
        service: ServiceKey::new("shop", service),
        version: None,
        instance: "".into(),
        environment: Environment {
            name: environment.into(),
            ..Environment::default()
        },
        attributes: Vec::new(),
    })
}

fn batch(service: &str, environment: &str, payload: Payload, at: Time) -> Batch {
    Batch {
        origin: Origin::OtlpGrpc,
        received: at,
        sources: vec![Source {
            resource: resource(service, environment),
            stream: "".into(),
        }],
        items: vec![Item { source: 0, payload }],
    }
}

/// A span of 5 ms with the id `id`, in the trace with that of its parent.
fn span(kind: SpanKind, id: u64, parent: Option<u64>, attributes: &[(&str, &str)]) -> Payload {
    Payload::Span(SpanItem {
        trace_id: TraceId::new([7; 16]).expect("not zero"),
        span_id: SpanId::new(id.to_be_bytes()).expect("not zero"),
        parent: parent.and_then(|id| SpanId::new(id.to_be_bytes())),
        kind,
        name: "GET /".into(),
        start: START,
        duration: Duration::from_millis(5),
        error: None,
        status_message: String::new(),
        attributes: attributes
            .iter()
            .map(|(name, value)| (Name::from(*name), Value::Str((*value).to_owned())))
            .collect(),
    })
}

fn line(text: &str) -> Payload {
    Payload::Log(LogItem {
        text: text.to_owned(),
        ..LogItem::default()
    })
}

/// The edges that these batches, one each ten seconds, tell of.
fn edges(pipeline: &mut Pipeline, batches: Vec<Batch>) -> Vec<String> {
    let mut told = Vec::new();
    for batch in batches {
        for observation in pipeline.process(batch).observations {
            if let Observation::Edge { caller, callee, .. } = observation {
                told.push(format!("{caller} -> {callee}"));
            }
        }
    }
    told
}

fn both_ends() -> [Batch; 2] {
    let at = START + Duration::from_secs(1);
    [
        batch(
            "payments",
            "cloud-b",
            span(SpanKind::Client, 1, None, &[]),
            at,
        ),
        batch(
            "ledger",
            "on-prem",
            span(SpanKind::Server, 2, Some(1), &[]),
            at,
        ),
    ]
}

#[test]
fn a_parent_in_another_service_is_its_caller_whichever_comes_first() {
    let expected = ["shop/payments @ cloud-b -> shop/ledger @ on-prem"];
    let [client, server] = both_ends();
    let forth = edges(&mut Pipeline::new(), vec![client.clone(), server.clone()]);
    assert_eq!(forth, expected);
    let back = edges(&mut Pipeline::new(), vec![server.clone(), client.clone()]);
    assert_eq!(back, expected);

    // Also when the monitor was restarted in between.
    let mut before = Pipeline::new();
    assert!(edges(&mut before, vec![server]).is_empty());
    let mut after = Pipeline::restore(&before.snapshot().unwrap()).unwrap();
    assert_eq!(edges(&mut after, vec![client]), expected);
}

#[test]
fn a_queues_consumer_is_called_by_its_producer_and_a_service_not_by_itself() {
    let at = START + Duration::from_secs(1);
    let told = edges(
        &mut Pipeline::new(),
        vec![
            batch(
                "orders",
                "cloud-a",
                span(SpanKind::Server, 1, None, &[]),
                at,
            ),
            batch(
                "orders",
                "cloud-a",
                span(SpanKind::Producer, 2, Some(1), &[]),
                at,
            ),
            batch(
                "orders",
                "cloud-a",
                span(SpanKind::Consumer, 3, Some(2), &[]),
                at,
            ),
            batch(
                "shipping",
                "cloud-b",
                span(SpanKind::Consumer, 4, Some(2), &[]),
                at,
            ),
        ],
    );
    expect!["shop/orders @ cloud-a -> shop/shipping @ cloud-b"].assert_eq(&told.join("\n"));
}

#[test]
fn a_consumer_without_spans_is_known_by_the_queue_in_its_logs() {
    let at = |seconds| START + Duration::from_secs(seconds);
    let publish = [
        ("messaging.destination.name", "parcel-events"),
        ("server.address", "events"),
    ];
    let told = edges(
        &mut Pipeline::new(),
        vec![
            batch(
                "events",
                "cloud-a",
                line("POST /queues/parcel-events/messages 202"),
                at(1),
            ),
            batch(
                "notifications",
                "cloud-b",
                line("handled message 17 of parcel-events"),
                at(1),
            ),
            batch(
                "shipping",
                "cloud-b",
                span(SpanKind::Producer, 2, Some(1), &publish),
                at(1),
            ),
            batch(
                "events",
                "cloud-a",
                line("POST /queues/parcel-events/messages 202"),
                at(12),
            ),
            batch(
                "statistics",
                "cloud-b",
                line("counted other-parcel-events and parcels"),
                at(12),
            ),
            batch(
                "notifications",
                "cloud-b",
                line("handled message 18 of parcel-events"),
                at(12),
            ),
        ],
    );
    expect![[r#"
        shop/shipping @ cloud-b -> shop/events @ cloud-a
        shop/shipping @ cloud-b -> shop/notifications @ cloud-b
        shop/notifications @ cloud-b -> shop/events @ cloud-a"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn who_exports_no_spans_is_known_by_its_name_alone() {
    let at = START + Duration::from_secs(1);
    let call = |peer: &str| span(SpanKind::Client, 1, None, &[("server.address", peer)]);
    let mut pipeline = Pipeline::new();
    // Nobody has heard of a legacy core, so it may be anything.
    let unknown = batch("payments", "cloud-b", call("core"), at);
    assert!(edges(&mut pipeline, vec![unknown.clone()]).is_empty());
    let told = edges(
        &mut pipeline,
        vec![
            batch(
                "core",
                "on-prem",
                line("2026-03-01T10:00:00Z INFO ready"),
                at,
            ),
            unknown,
            batch("payments", "cloud-b", call("10.0.3.7"), at),
            batch("statements", "cloud-b", call("core.bank.example"), at),
        ],
    );
    expect![[r#"
        shop/payments @ cloud-b -> shop/core @ on-prem
        shop/statements @ cloud-b -> shop/core @ on-prem"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn of_two_with_one_name_the_callers_neighbour_is_meant_and_otherwise_none() {
    let at = START + Duration::from_secs(1);
    let call = || span(SpanKind::Client, 1, None, &[("peer.service", "cache")]);
    let ready = || line("2026-03-01T10:00:00Z INFO ready");
    let told = edges(
        &mut Pipeline::new(),
        vec![
            batch("cache", "cloud-a", ready(), at),
            batch("cache", "cloud-b", ready(), at),
            batch("web", "cloud-b", call(), at),
            batch("core", "on-prem", call(), at),
        ],
    );
    expect!["shop/web @ cloud-b -> shop/cache @ cloud-b"].assert_eq(&told.join("\n"));
}

#[test]
fn a_pair_is_told_once_in_ten_seconds() {
    let mut pipeline = Pipeline::new();
    let mut times = Vec::new();
    for second in 0..25u64 {
        let at = START + Duration::from_secs(second);
        let [mut client, mut server] = both_ends();
        for batch in [&mut client, &mut server] {
            batch.received = at;
            if let Payload::Span(span) = &mut batch.items[0].payload {
                span.start = at;
            }
        }
        for batch in [client, server] {
            for observation in pipeline.process(batch).observations {
                if let Observation::Edge { at, .. } = observation {
                    times.push(at.since(START).as_secs());
                }
            }
        }
    }
    assert_eq!(times, [0, 10, 20]);
    assert_eq!(pipeline.view().edges.told, 3);
}

#[test]
fn a_flood_of_span_ids_and_services_stays_bounded_and_is_counted() {
    let mut pipeline = Pipeline::new();
    for round in 0..30u64 {
        let items = (0..10_000u64)
            .map(|n| Item {
                source: u32::try_from(n % 1_000).unwrap(),
                payload: span(
                    SpanKind::Server,
                    1 + round * 20_000 + n,
                    Some(u64::MAX - n),
                    &[],
                ),
            })
            .collect();
        let sources = (0..1_000)
            .map(|n| Source {
                resource: resource(&format!("made-up-{round}-{n}"), "cloud-a"),
                stream: "".into(),
            })
            .collect();
        pipeline.process(Batch {
            origin: Origin::OtlpGrpc,
            received: START,
            sources,
            items,
        });
    }
    let counts = pipeline.view().edges;
    assert!(counts.forgotten >= 200_000 - 65_536, "{counts:?}");
    assert_eq!(counts.unplaced, 20_000);
    let bytes = pipeline.snapshot().unwrap().len();
    let without_spans = {
        let mut quiet = Pipeline::new();
        quiet.process(batch("web", "cloud-a", line("ready"), START));
        quiet.snapshot().unwrap().len()
    };
    // 65,536 ids of ten bytes with a number of up to three, and 10,000 names of forty.
    assert!(
        bytes - without_spans < 65_536 * 13 + 5_000 * 400 + 400_000,
        "{bytes}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A request through four services: whatever the order of its spans' arrival, and wherever a
    /// restart falls, the same pairs are known in the end.
    #[test]
    fn the_order_of_arrival_decides_nothing(order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(), restart in 0usize..8) {
        let services = ["edge", "checkout", "payments", "ledger"];
        let mut spans = Vec::new();
        for (depth, service) in (0u64..).zip(services) {
            let server = 2 * depth + 1;
            let caller = (depth > 0).then_some(2 * depth);
            let at = START + Duration::from_secs(1);
            spans.push(batch(service, "cloud-a", span(SpanKind::Server, server, caller, &[]), at));
            spans.push(batch(service, "cloud-a", span(SpanKind::Client, server + 1, Some(server), &[]), at));
        }
        let mut pipeline = Pipeline::new();
        let mut told = Vec::new();
        for (place, which) in order.iter().enumerate() {
            if place == restart {
                let bytes = pipeline.snapshot().unwrap();
                pipeline = Pipeline::restore(&bytes).unwrap();
                prop_assert_eq!(pipeline.snapshot().unwrap(), bytes);
            }
            told.extend(edges(&mut pipeline, vec![spans[*which].clone()]));
        }
        told.sort();
        let expected = [
            "shop/checkout @ cloud-a -> shop/payments @ cloud-a",
            "shop/edge @ cloud-a -> shop/checkout @ cloud-a",
            "shop/payments @ cloud-a -> shop/ledger @ cloud-a",
        ];
        prop_assert_eq!(told, expected);
    }
}
