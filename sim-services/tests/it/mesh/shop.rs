//! The shipped topology on a good day.

use std::collections::{BTreeMap, BTreeSet};

use sim_services::telemetry::{Export, Span};

use super::*;

#[test]
fn the_shop_serves_a_minute_of_customers() {
    let exports = in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 20.0).await;
        let did = platform.after(60 * SECOND).await;
        assert!(did.load.journeys > 1_000, "{:?}", did.load);
        assert!(did.load.failed * 100 < did.load.requests, "{:?}", did.load);
        let services: Vec<String> = platform.mesh.topology().services.keys().cloned().collect();
        for name in &services {
            let counts = did.service(name);
            let busy = counts.requests + counts.consumed;
            assert!(busy > 20, "{name} got {busy} requests and messages");
            assert!(counts.failed * 100 <= counts.requests, "{name}: {counts:?}");
        }
        // The wire to the data centre and back costs 18 ms, and a checkout goes there twice or
        // three times; a stock look-up is 3 ms of work on the spot.
        let mean = |name: &str| {
            let counts = did.service(name);
            counts.duration_ns as f64 / 1e6 / counts.requests as f64
        };
        assert!(
            (50.0..150.0).contains(&mean("checkout")),
            "{}",
            mean("checkout")
        );
        assert!(
            (2.0..8.0).contains(&mean("inventory")),
            "{}",
            mean("inventory")
        );
        assert!((5.0..60.0).contains(&mean("edge")), "{}", mean("edge"));
        platform.quiet().await;
        let all = platform.mesh.meters().read();
        let orders = all.service("orders").published;
        let shipping = all.service("shipping");
        assert!(orders > 100);
        assert_eq!((shipping.consumed, shipping.published), (orders, orders));
        assert_eq!(all.service("notifications").consumed, orders);
        let depths = platform.mesh.state().queues;
        let waiting: Vec<usize> = depths.values().map(|depth| depth.waiting).collect();
        assert_eq!(waiting, [0, 0]);
        let exports = platform.stop().await;
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(tasks, 0, "tasks are left");
        exports
    });
    whole_traces(&exports);
    let speakers: BTreeSet<&str> = exports
        .iter()
        .filter(|export| !export.lines.is_empty())
        .map(|export| export.identity.service.as_str())
        .collect();
    assert_eq!(speakers.len(), Topology::shop().services.len());
}

/// Every span's parent is there, and checkouts reach from the edge to the data centre.
fn whole_traces(exports: &[Export]) {
    let mut traces: BTreeMap<[u8; 16], Vec<(&Export, &Span)>> = BTreeMap::new();
    for export in exports {
        for span in &export.spans {
            traces.entry(span.trace).or_default().push((export, span));
        }
    }
    assert!(traces.len() > 3_000, "{}", traces.len());
    let mut checkouts = 0;
    for spans in traces.values() {
        let ids: BTreeSet<[u8; 8]> = spans.iter().map(|(_, span)| span.id).collect();
        assert_eq!(ids.len(), spans.len(), "ids are unique");
        let roots = spans.iter().filter(|(_, span)| span.parent.is_none());
        assert_eq!(roots.count(), 1, "one root: {spans:#?}");
        for (export, span) in spans {
            if let Some(parent) = span.parent {
                assert!(
                    ids.contains(&parent),
                    "{}: {span:#?}",
                    export.identity.service
                );
            }
            assert!(span.start <= span.end);
        }
        let services: BTreeSet<&str> = spans
            .iter()
            .map(|(export, _)| export.identity.service.as_str())
            .collect();
        let path = [
            "edge", "checkout", "payments", "ledger", "orders", "shipping",
        ];
        checkouts += u32::from(path.iter().all(|service| services.contains(service)));
    }
    assert!(checkouts > 50, "{checkouts}");
}

#[test]
fn the_same_seed_says_the_same() {
    let run = || {
        in_virtual_time(async |clock| {
            let platform = Platform::shop(clock, 10.0).await;
            sleep(5 * SECOND).await;
            platform.change(Change::Version("3.3.0".into()), service("cart"));
            sleep(5 * SECOND).await;
            let mut target = service("");
            target.service = None;
            target.environment = Some("on-prem".into());
            platform.change(partition(), target);
            sleep(4 * SECOND).await;
            platform.change(Change::CertificateExpired, service("payments"));
            sleep(4 * SECOND).await;
            platform.all_is_well();
            sleep(6 * SECOND).await;
            platform.stop().await
        })
    };
    let (one, other) = (run(), run());
    assert!(one.iter().map(|export| export.lines.len()).sum::<usize>() > 1_000);
    for (one, other) in one.iter().zip(&other) {
        // In pieces that can be read.
        assert_eq!(one.identity, other.identity);
        for (one, other) in one.lines.iter().zip(&other.lines) {
            assert_eq!(one, other);
        }
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

pub(super) fn partition() -> Change {
    Change::Link {
        to: String::new(),
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        partition: true,
        megabits_per_second: None,
    }
}
