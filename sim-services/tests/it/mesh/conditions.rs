//! Changes that come and go while the shop is open.

use sim_services::mesh::Phase;
use sim_services::topology::WindowSpec;

use super::shop::partition;
use super::*;

#[test]
fn a_partition_stops_what_crosses_and_nothing_else() {
    in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 20.0).await;
        let before = platform.after(20 * SECOND).await;
        let on_prem = Target {
            environment: Some("on-prem".into()),
            ..Target::default()
        };
        let touch = platform.change(partition(), on_prem);
        // What was on its way has arrived or failed after that.
        sleep(10 * SECOND).await;
        let cut_off = platform.after(20 * SECOND).await;
        for name in [
            "payments",
            "inventory",
            "statements",
            "ledger",
            "legacy-core",
        ] {
            assert!(before.service(name).requests > 0);
            assert_eq!(cut_off.service(name).requests, 0, "{name}");
        }
        for name in ["web", "search", "catalog", "recommendations"] {
            let (was, is) = (before.service(name), cut_off.service(name));
            assert_eq!(is.failed, 0, "{name}");
            assert!(
                is.requests * 10 > was.requests * 7,
                "{name}: {was:?} {is:?}"
            );
        }
        let checkout = cut_off.service("checkout");
        assert!(checkout.requests > 0);
        assert_eq!(checkout.failed, checkout.requests);
        let crossing =
            |from: &str, to: &str| cut_off.links[&(from.to_owned(), to.to_owned())].bytes;
        assert_eq!(
            crossing("cloud-a", "on-prem") + crossing("on-prem", "cloud-b"),
            0
        );
        assert!(crossing("cloud-a", "cloud-b") > 0);
        assert!(touch.count() > 0);
        platform.all_is_well();
        sleep(10 * SECOND).await;
        let healed = platform.after(20 * SECOND).await;
        assert_eq!(healed.service("checkout").failed, 0);
        assert!(healed.service("payments").requests > 0);
        platform.stop().await;
    });
}

#[test]
fn who_is_down_refuses_and_comes_back() {
    in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 20.0).await;
        sleep(5 * SECOND).await;
        let touch = platform.change(Change::Down, service("search"));
        let down = platform.after(10 * SECOND).await;
        assert_eq!(down.service("search").requests, 0);
        let phases = |platform: &Platform| -> Vec<Phase> {
            let replicas = platform.replicas("search");
            replicas.iter().map(|replica| replica.phase).collect()
        };
        assert_eq!(phases(&platform), [Phase::Down, Phase::Down]);
        // Each search at the edge, and its second attempt, meets a refusal at both replicas.
        assert!(down.load.failed > 20, "{:?}", down.load);
        assert!(touch.count() > down.load.failed, "{}", touch.count());
        let last = touch.last().unwrap();
        platform.all_is_well();
        let up = platform.after(10 * SECOND).await;
        assert_eq!(phases(&platform), [Phase::Running, Phase::Running]);
        assert!(up.service("search").requests > 20);
        assert!(up.load.failed <= 2, "{:?}", up.load);
        assert_eq!(touch.last(), Some(last));
        platform.stop().await;
    });
}

#[test]
fn who_leaks_is_killed_and_restarted_after_a_while() {
    let exports = in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 10.0).await;
        let first = platform.replicas("catalog")[0].clone();
        let target = Target {
            replica: Some(0),
            ..service("catalog")
        };
        // Of 512 MB, 358 are left.
        platform.change(
            Change::Leak {
                mb_per_second: 100.0,
            },
            target,
        );
        sleep(4 * SECOND).await;
        platform.all_is_well();
        assert_eq!(platform.replicas("catalog")[0].phase, Phase::BackingOff);
        sleep(6 * SECOND).await;
        let second = platform.replicas("catalog")[0].clone();
        assert_eq!((second.phase, second.restarts), (Phase::Running, 1));
        assert_ne!(second.instance, first.instance);
        let counts = platform.mesh.meters().read();
        let key = ("catalog".to_owned(), 0);
        assert_eq!(counts.replicas[&key].out_of_memory_kills, 1);
        assert_eq!(counts.replicas[&key].starts, 2);
        let after = platform.after(5 * SECOND).await;
        assert!(after.replicas[&key].requests > 0);
        platform.stop().await
    });
    let mut lines = exports
        .iter()
        .filter(|export| export.identity.service == "catalog")
        .flat_map(|export| &export.lines);
    assert!(
        lines.any(|line| line.text.contains("OOMKilled") && line.text.contains("restart count 1"))
    );
}

#[test]
fn who_stops_consuming_lets_the_queue_grow() {
    in_virtual_time(async |clock| {
        let platform = Platform::shop(clock, 20.0).await;
        let touch = platform.change(Change::StopConsuming, service("shipping"));
        // A request for messages that was under way may still bring some.
        sleep(2 * SECOND).await;
        let did = platform.after(20 * SECOND).await;
        assert_eq!(did.service("shipping").consumed, 0);
        let waiting = platform.mesh.state().queues["order-events"].waiting;
        assert!(waiting > 40, "{waiting}");
        assert!(touch.count() > 0);
        platform.all_is_well();
        sleep(10 * SECOND).await;
        assert!(platform.mesh.state().queues["order-events"].waiting < 3);
        platform.stop().await;
    });
}

/// Three attempts at each of two layers make nine of one request, and `1 + p + p²` when each fails
/// with probability p.
#[test]
fn retries_multiply_as_computed() {
    const CHAIN: &str = r#"
name: chain
entry: front
environments: { here: { kind: edge } }
links: []
services:
  front:
    environment: here
    version: "1"
    protocol: http1
    workers: 500
    log: { dialect: logfmt }
    routes:
      GET /:
        steps: [call: { service: middle, route: GET /, timeout: 5s }]
  middle:
    environment: here
    version: "1"
    protocol: http1
    workers: 500
    log: { dialect: logfmt }
    routes:
      GET /:
        steps: [call: { service: back, route: GET /, timeout: 1s }]
  back:
    environment: here
    version: "1"
    protocol: http1
    workers: 500
    log: { dialect: logfmt }
    routes:
      GET /: { steps: [] }
clients: [{ name: all, weight: 1, count: 10, tenants: [public], user_agent: test }]
journeys: [{ name: one, weight: 1, steps: [{ request: GET / }] }]
load: { journeys_per_second: 100, ids: 10, timeout: 8s }
"#;
    let amplification = |ratio: f64| {
        in_virtual_time(async |clock| {
            let topology = Topology::parse(CHAIN).unwrap();
            let rate = Rate::Requests(100.0);
            let platform = Platform::start(topology, Wire::memory(), clock, rate).await;
            let active = |id, change, of: &str| Active {
                id,
                target: service(of),
                change,
                touch: Arc::default(),
            };
            let retries = || Change::Retries {
                callee: String::new(),
                attempts: 3,
                backoff: Duration::from_millis(10),
            };
            let fail = Change::Fail {
                ratio,
                status: 503,
                error: "no".to_owned(),
            };
            platform.publish(vec![
                active(1, retries(), "front"),
                active(2, retries(), "middle"),
                active(3, fail, "back"),
            ]);
            sleep(30 * SECOND).await;
            platform.quiet().await;
            let did = platform.mesh.meters().read();
            let requests = |name| did.service(name).requests as f64;
            let (front, middle, back) = (requests("front"), requests("middle"), requests("back"));
            platform.stop().await;
            (middle / front, back / middle)
        })
    };
    let (first, second) = amplification(1.0);
    assert!((first * second - 9.0).abs() < 1e-9, "{first} {second}");
    let p = 0.5;
    let (first, second) = amplification(p);
    let all_failed = p * p * p;
    let near = |got: f64, p: f64| (got / (1.0 + p + p * p) - 1.0).abs() < 0.03;
    assert!(near(second, p), "{second}");
    assert!(near(first, all_failed), "{first}");
}

/// At night accounts are settled and hosts are patched; customers hardly notice.
#[test]
fn a_night_in_the_data_centre() {
    let exports = in_virtual_time(async |clock| {
        let mut topology = Topology::shop();
        let on_prem = topology.environments.get_mut("on-prem").unwrap();
        let window = |minutes: u64, seconds| WindowSpec {
            at: Duration::from_secs(12 * 3600 + minutes * 60),
            lasts: Duration::from_secs(seconds),
        };
        let batch = on_prem.batch.as_mut().unwrap();
        (batch.window, batch.per_second) = (window(1, 20), 10.0);
        on_prem.maintenance = vec![window(2, 30)];
        let rate = Rate::Journeys(5.0);
        let platform = Platform::start(topology, Wire::memory(), clock, rate).await;
        let of_ledger = |did: &Reading| did.service("ledger").statements;
        sleep(40 * SECOND).await;
        let day = platform.after(20 * SECOND).await;
        let night = platform.after(20 * SECOND).await;
        let batch = of_ledger(&night) - of_ledger(&day);
        assert!((130..270).contains(&batch), "200 statements more: {batch}");
        let state = |platform: &Platform| platform.mesh.state().environments["on-prem"].clone();
        assert!(!state(&platform).maintenance);
        sleep(50 * SECOND).await;
        assert!(state(&platform).maintenance);
        sleep(20 * SECOND).await;
        let all = platform.mesh.meters().read();
        for (name, replicas) in [("ledger", 2), ("statements", 1), ("inventory", 2)] {
            assert_eq!(all.service(name).starts, 2 * replicas, "{name}");
            assert_eq!(platform.replicas(name).len() as u64, replicas);
        }
        assert_eq!(all.service("cart").starts, 2);
        assert_eq!(all.load.failed, 0, "{:?}", all.load);
        platform.stop().await
    });
    let said: Vec<&str> = exports
        .iter()
        .flat_map(|export| &export.lines)
        .filter(|line| line.text.contains("nightly batch"))
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[1].contains(" 0 failed"), "{said:#?}");
}
