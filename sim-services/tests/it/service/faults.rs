//! Changes that are on: whom they hit, whom not, and what a replica's life comes to.

use std::sync::Arc;

use futures::FutureExt as _;
use sim_services::change::{Active, Change, Target};
use sim_services::net::Handler as _;
use sim_services::random::Dist;
use sim_services::service::Ended;
use sim_services::telemetry::LogEvent;
use sim_services::topology::Level;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::world::{PEER, World, ask, get, get_as, grpc, ms, on};

const FRONT: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 10
    memory_mb: 500
    log: { dialect: spring }
    routes:
      GET /: { steps: [ work: { constant: 100ms } ] }
      GET /other: { steps: [] }
  deep:
    environment: here
    version: 1.0.0
    protocol: grpc
    workers: 10
    log: { dialect: klog }
    routes: { a.B/C: { steps: [] } }
";

fn fail(ratio: f64, status: u16) -> Change {
    Change::Fail {
        ratio,
        status,
        error: "java.sql.SQLException".into(),
    }
}

fn only(target: Target, change: Change) -> Active {
    Active {
        target,
        ..on(1, change)
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_hits_whom_it_is_meant_for() {
    let target = Target {
        service: Some("front".into()),
        ..Target::default()
    };
    let of_tenant = Target {
        tenant: Some("acme".into()),
        ..target.clone()
    };
    let of_client = Target {
        client: Some("partners-2".into()),
        ..target.clone()
    };
    let of_route = Target {
        route: Some("GET /other".into()),
        ..target.clone()
    };
    let of_another = Target {
        replica: Some(1),
        ..target.clone()
    };
    let of_version = Target {
        version: Some("2.0.0".into()),
        ..target
    };
    // Who asks for what, and who is hit.
    let cases = [
        (of_tenant, [true, false, true, false]),
        (of_client, [false, true, false, true]),
        (of_route, [false, false, true, true]),
        (of_another, [false; 4]),
        (of_version, [false; 4]),
    ];
    for (target, hit) in cases {
        let world = World::silent(FRONT);
        let front = world.alone("front");
        let change = only(target.clone(), fail(1.0, 503));
        world.set([change.clone()]);
        let mut got = Vec::new();
        for path in ["/", "/other"] {
            for (client, tenant) in [("partners-1", "acme"), ("partners-2", "globex")] {
                let reply = ask(&front, get_as(path, client, tenant)).await;
                got.push(reply.status == 503);
            }
        }
        assert_eq!(got, hit, "{target}");
        let touched = hit.iter().filter(|hit| **hit).count();
        assert_eq!(usize::try_from(change.touch.count()), Ok(touched));
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_requests_fails_at_once() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    let burst = on(1, fail(0.3, 500));
    world.set([burst.clone()]);
    let start = Instant::now();
    for _ in 0..1_000 {
        ask(&front, get("/")).await;
    }
    let counts = world.counts("front");
    assert!((250..350).contains(&counts.failed), "{}", counts.failed);
    assert_eq!(burst.touch.count(), counts.failed);
    let worked = u32::try_from(1_000 - counts.failed).unwrap();
    assert_eq!(start.elapsed(), ms(100) * worked);
}

#[tokio::test(start_paused = true)]
async fn grpc_fails_with_the_code_that_corresponds() {
    for (status, code) in [
        (503, 14),
        (500, 13),
        (429, 8),
        (401, 16),
        (403, 7),
        (404, 5),
    ] {
        let world = World::new(FRONT);
        let deep = world.alone("deep");
        assert_eq!(ask(&deep, grpc("a.B/C")).await.grpc_status, Some(0));
        world.set([on(1, fail(1.0, status))]);
        let reply = ask(&deep, grpc("a.B/C")).await;
        assert_eq!((reply.status, reply.grpc_status), (200, Some(code)));
        let counts = world.counts("deep");
        assert_eq!(counts.failed, u64::from(status >= 500));
        assert_eq!(counts.denied, u64::from([401, 403].contains(&status)));
        assert_eq!(counts.throttled, u64::from(status == 429));
        let events = world.voice.events.lock().unwrap();
        let thrown = events.iter().find_map(|event| match event {
            LogEvent::Message(message) => message.error.clone(),
            LogEvent::Access(_) => None,
        });
        assert_eq!(thrown.map(|(kind, _)| kind), Some("java.sql.SQLException"));
    }
}

#[tokio::test(start_paused = true)]
async fn work_takes_longer_and_workers_are_held_longer() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    let starved = on(1, Change::WorkFactor(3.0));
    let delayed = on(2, Change::Delay(Dist::Constant { constant: ms(50) }));
    world.set([starved.clone(), delayed.clone()]);
    let start = Instant::now();
    ask(&front, get("/")).await;
    assert_eq!(start.elapsed(), ms(350));
    assert_eq!((starved.touch.count(), delayed.touch.count()), (1, 1));
    assert_eq!(
        delayed.touch.first(),
        starved.touch.first().map(|at| at - ms(50))
    );
}

#[tokio::test(start_paused = true)]
async fn workers_can_be_fewer_for_a_while() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    let fewer = on(1, Change::Workers(2));
    world.set([fewer.clone()]);
    let start = Instant::now();
    let asks = || futures::future::join_all((0..10).map(|_| ask(&front, get("/"))));
    asks().await;
    assert_eq!(start.elapsed(), ms(500));
    assert_eq!((front.workers(), fewer.touch.count()), (2, 8));
    world.set([]);
    asks().await;
    assert_eq!(start.elapsed(), ms(600));
}

#[tokio::test(start_paused = true)]
async fn a_leak_ends_in_a_kill_when_the_memory_is_full() {
    let world = World::new(FRONT);
    let front = world.alone("front");
    let life = tokio::spawn(Arc::clone(&front).run(CancellationToken::new()));
    sleep(ms(10_000)).await;
    // 150 of 500 MB are in use: 350 MB are left.
    let leak = on(1, Change::Leak { mb_per_second: 3.5 });
    world.set([leak.clone()]);
    let start = Instant::now();

    let took = || async {
        let start = Instant::now();
        ask(&front, get("/")).await;
        start.elapsed()
    };
    sleep(ms(39_000)).await;
    assert_eq!(took().await, ms(100), "69 % are no trouble");
    assert_eq!(leak.touch.count(), 0);
    sleep(ms(50_000)).await;
    assert!(took().await >= ms(300), "at 95 %");
    assert!(leak.touch.count() > 0);

    let unanswered = async {
        sleep(ms(9_900) - (start.elapsed() - ms(89_100))).await;
        tokio::time::timeout(ms(600_000), ask(&front, get("/"))).await
    };
    let (ended, unanswered) = tokio::join!(
        async {
            let ended = life.await.unwrap();
            (ended, start.elapsed().as_millis())
        },
        unanswered,
    );
    assert_eq!(ended, (Ended::OutOfMemory, 100_000));
    assert!(unanswered.is_err(), "nobody answers");
    let counts = world.counts("front");
    assert_eq!((counts.starts, counts.out_of_memory_kills), (1, 1));
    let warnings = world.voice.texts(Level::Warn);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[3].contains("475 of 500 MB"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leak_that_is_mended_kills_nobody() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    let stop = CancellationToken::new();
    let life = tokio::spawn(Arc::clone(&front).run(stop.clone()));
    for _ in 0..3 {
        world.set([on(1, Change::Leak { mb_per_second: 3.5 })]);
        sleep(ms(99_000)).await;
        world.set([]);
        sleep(ms(1_000)).await;
    }
    sleep(ms(100_000)).await;
    let start = Instant::now();
    ask(&front, get("/")).await;
    assert_eq!(start.elapsed(), ms(100));
    stop.cancel();
    assert_eq!(life.await.unwrap(), Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_requests_finish() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    let stop = CancellationToken::new();
    let life = tokio::spawn(Arc::clone(&front).run(stop.clone()));
    let request = Arc::clone(&front).handle(get("/"), PEER);
    sleep(ms(10)).await;
    stop.cancel();
    let start = Instant::now();
    assert_eq!(life.await.unwrap(), Ended::Stopped);
    assert_eq!(start.elapsed(), ms(90));
    assert_eq!(request.now_or_never().map(|reply| reply.status), Some(200));
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_is_told_once_and_a_flood_at_its_rate() {
    let world = World::new(FRONT);
    let front = world.alone("front");
    let stop = CancellationToken::new();
    let life = tokio::spawn(Arc::clone(&front).run(stop.clone()));
    let reload = on(
        1,
        Change::ConfigReloaded {
            key: "pool.size".into(),
            value: "4".into(),
        },
    );
    let flood = on(
        2,
        Change::LogFlood {
            lines_per_second: 700.0,
        },
    );
    world.set([reload.clone(), flood.clone()]);
    sleep(ms(5_000)).await;
    world.set([reload.clone()]);
    sleep(ms(5_000)).await;
    stop.cancel();
    life.await.unwrap();
    let texts = world.voice.texts(Level::Info);
    let reloads = texts.iter().filter(|text| text.contains("pool.size=4"));
    assert_eq!((reloads.count(), reload.touch.count()), (1, 1));
    let lines = texts
        .iter()
        .filter(|text| text.contains("entering handler"));
    let lines = u64::try_from(lines.count()).unwrap();
    assert!((3_480..=3_500).contains(&lines), "{lines}");
    assert_eq!(flood.touch.count(), lines);
}
