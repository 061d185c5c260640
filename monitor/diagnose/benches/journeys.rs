//! What journeys cost: spans assembled in a second on one core, memory under a flood of ids.
//!
//! `cargo bench -p monitor-diagnose --bench journeys`. In `memory_under_a_flood_of_ids` the largest
//! number of bytes allocated is what a hostile client can make the assembler hold.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use monitor_core::{
    ApiKey, CallSource, Hop, Name, Outcome, Peer, ServiceKey, SpanId, SpanKind, Time, TraceId,
    Workload,
};
use monitor_diagnose::Journeys;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const START: i64 = 1_772_532_000_000_000_000;
/// Of one journey: eight requests served, seven calls.
const DEPTH: u64 = 8;

fn main() {
    divan::main();
}

struct Platform {
    workloads: Vec<Workload>,
    apis: Vec<Arc<ApiKey>>,
    names: Vec<Name>,
}

impl Platform {
    fn new() -> Platform {
        let places = 0..DEPTH;
        let workload = |n: u64| Workload {
            service: ServiceKey::new("shop", &format!("service-{n}")),
            environment: format!("environment-{}", n % 3).into(),
        };
        Platform {
            workloads: places.clone().map(workload).collect(),
            apis: places
                .clone()
                .map(|n| {
                    let workload = workload(n);
                    Arc::new(ApiKey {
                        environment: workload.environment,
                        service: workload.service,
                        method: "GET".into(),
                        route: format!("/things/{n}/{{id}}").into(),
                    })
                })
                .collect(),
            names: places.map(|n| format!("service-{n}").into()).collect(),
        }
    }

    /// A chain of calls, in the order in which its spans end.
    fn journey(&self, number: u64, out: &mut Vec<Hop>) {
        let from = START + i64::try_from(number).unwrap_or(0) * 1_000_000;
        let trace = TraceId::new((u128::from(number) + 1).to_be_bytes());
        let id = |n: u64| SpanId::new((number * 100 + n + 1).to_be_bytes());
        for n in (0..DEPTH).rev() {
            let place = usize::try_from(n).unwrap_or(0);
            let inset = i64::try_from(n).unwrap_or(0) * 2_000_000;
            let hop = |role, span, parent, inset: i64| Hop {
                source: CallSource::Span,
                role,
                workload: self.workloads[place].clone(),
                instance: "pod-1".into(),
                version: None,
                api: None,
                operation: "GET".into(),
                peer: None,
                trace,
                span,
                parent,
                links: Default::default(),
                request: None,
                client: None,
                start: Time::from_nanos(from + inset),
                duration: Duration::from_nanos((40_000_000 - 2 * inset).unsigned_abs()),
                precision: Duration::ZERO,
                outcome: Outcome::Ok,
                resent: false,
            };
            if n + 1 < DEPTH {
                let peer = self.names[place + 1].clone();
                out.push(Hop {
                    peer: Some(Peer::Service(peer)),
                    ..hop(
                        SpanKind::Client,
                        id(2 * n + 1),
                        id(2 * n),
                        inset + 1_000_000,
                    )
                });
            }
            let parent = n.checked_sub(1).and_then(|above| id(2 * above + 1));
            out.push(Hop {
                api: Some(Arc::clone(&self.apis[place])),
                ..hop(SpanKind::Server, id(2 * n), parent, inset)
            });
        }
    }

    fn hops(&self, journeys: u64) -> Vec<Hop> {
        let mut hops = Vec::new();
        for number in 0..journeys {
            self.journey(number, &mut hops);
        }
        hops
    }
}

/// A thousand journeys a second of event time; all are over at the end.
#[divan::bench(sample_count = 10)]
fn spans_assembled(bencher: Bencher<'_, '_>) {
    let hops = Platform::new().hops(20_000);
    bencher
        .counter(ItemsCount::new(hops.len()))
        .with_inputs(Journeys::default)
        .bench_local_values(|mut journeys| {
            hops.iter().for_each(|hop| journeys.see(hop));
            journeys.finish();
            black_box(journeys.counts())
        });
}

/// Two million traces of one span within ten seconds, of one client.
#[divan::bench(sample_count = 3)]
fn memory_under_a_flood_of_ids(bencher: Bencher<'_, '_>) {
    const FLOOD: u64 = 2_000_000;
    let platform = Platform::new();
    let mut one = Vec::new();
    platform.journey(0, &mut one);
    let Some(root) = one.pop() else { return };
    bencher
        .counter(ItemsCount::new(FLOOD))
        .with_inputs(Journeys::default)
        .bench_local_values(|mut journeys| {
            let mut hop = Hop {
                client: Some("hostile".into()),
                ..root.clone()
            };
            for n in 0..FLOOD {
                hop.trace = TraceId::new((u128::from(n) + 1).to_be_bytes());
                hop.span = SpanId::new((n + 1).to_be_bytes());
                hop.start = Time::from_nanos(START + i64::try_from(n).unwrap_or(0) * 5_000);
                journeys.see(&hop);
            }
            black_box(journeys.counts());
            journeys
        });
}
