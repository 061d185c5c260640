//! What a wire between environments adds to a call.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_round_trip_takes_twice_the_latency_and_a_new_connection_two() {
    let world = World::memory();
    for service in ["cart", "search", "catalog", "payments"] {
        world.replica(service).await;
    }
    let client = world.client("cloud-a");
    // Within an environment nothing is added.
    let (reply, took) = call(&client, "cart", get("/"), SECOND).await;
    assert_eq!((reply.unwrap().status, took), (200, Duration::ZERO));
    // TCP's handshake takes one round trip, TLS 1.3's another; timers are exact to a millisecond.
    for (service, request, connecting) in [
        ("search", get("/"), 1),
        (
            "catalog",
            post("/shop.catalog.Catalog/ListProducts", "x"),
            1,
        ),
        ("payments", post("/payments", "x"), 2),
    ] {
        let (reply, took) = call(&client, service, request.clone(), SECOND).await;
        assert_eq!(reply.unwrap().status, 200);
        let trips = connecting + 1;
        let (least, most) = (ms(20) * trips, ms(22) * trips);
        assert!(
            (least..=most).contains(&took),
            "first of {service}: {took:?}"
        );
        for _ in 0..10 {
            let (reply, took) = call(&client, service, request.clone(), SECOND).await;
            assert_eq!(reply.unwrap().status, 200);
            assert!((ms(20)..=ms(22)).contains(&took), "{service}: {took:?}");
        }
    }
    let counts = world.meters.read().links;
    let there = counts[&("cloud-a".to_owned(), "cloud-b".to_owned())];
    assert_eq!((there.connections, there.lost, there.blocked), (2, 0, 0));
    assert_eq!(
        counts[&("cloud-b".to_owned(), "on-prem".to_owned())].bytes,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn jitter_is_as_wide_as_it_says_and_keeps_the_order() {
    let world = World::new(Wire::memory(), |link| {
        plain(link);
        link.jitter = ms(4);
    });
    world.replica("search").await;
    let client = world.client("cloud-a");
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let (reply, took) = call(&client, "search", get("/"), SECOND).await;
        assert_eq!(reply.unwrap().status, 200);
        times.push(took.as_secs_f64() * 1e3);
    }
    times.remove(0);
    // Two independent exponentials of 4 ms above 20 ms, each rounded up by half a timer's step.
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / times.len() as f64;
    assert!((mean - 29.0).abs() < 0.6, "mean {mean}");
    assert!(
        (variance.sqrt() - 4.0 * 2_f64.sqrt()).abs() < 0.5,
        "deviation {}",
        variance.sqrt()
    );
    let (reply, _) = call(&client, "search", get("/bytes/300000"), SECOND).await;
    assert_eq!(reply.unwrap().body, pattern(300_000));
}

#[tokio::test(start_paused = true)]
async fn bandwidth_is_shared_by_all_connections() {
    let world = World::new(Wire::memory(), |link| {
        plain(link);
        link.megabits_per_second = 8.0;
    });
    world.replica("search").await;
    let client = world.client("cloud-a");
    let fetch = || async {
        let (reply, took) = call(&client, "search", get("/bytes/500000"), 10 * SECOND).await;
        assert_eq!(reply.unwrap().body.len(), 500_000);
        took
    };
    // 500 kB at 1 MB/s, and two round trips.
    let alone = fetch().await;
    assert!((ms(540)..ms(560)).contains(&alone), "{alone:?}");
    let (one, other) = tokio::join!(fetch(), fetch());
    let both = one.max(other);
    assert!((ms(1_020)..ms(1_060)).contains(&both), "{one:?} {other:?}");
}

#[tokio::test(start_paused = true)]
async fn loss_raises_the_tail_and_not_the_median() {
    let world = World::new(Wire::memory(), |link| {
        plain(link);
        link.loss = 0.03;
    });
    world.replica("search").await;
    let client = world.client("cloud-a");
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let (reply, took) = call(&client, "search", get("/"), 30 * SECOND).await;
        assert_eq!(reply.unwrap().status, 200);
        times.push(took);
    }
    times.sort();
    assert!(times[1_000] <= ms(22), "median {:?}", times[1_000]);
    // A call is lost in one of its two directions at 5.9 %, and then takes 200 ms longer.
    let slow = times.iter().filter(|&&time| time >= ms(220)).count();
    assert!((90..150).contains(&slow), "{slow}");
    assert!(
        (ms(220)..=ms(222)).contains(&times[1_960]),
        "{:?}",
        times[1_960]
    );
    let links = world.meters.read().links;
    let lost: u64 = links.values().map(|counts| counts.lost).sum();
    assert!((90..160).contains(&lost), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_felt_at_once_and_marked_by_what_it_touches() {
    let world = World::memory();
    world.replica("search").await;
    world.replica("inventory").await;
    let client = world.client("cloud-a");
    let took = async |service| {
        let (reply, took) = call(&client, service, get("/"), 5 * SECOND).await;
        assert_eq!(reply.unwrap().status, 200);
        took.as_millis()
    };
    for service in ["search", "inventory"] {
        took(service).await;
    }
    let slow = LinkChange {
        latency: ms(50),
        ..link("cloud-a")
    };
    let touches = world.on([slow.between("cloud-b")]);
    assert!((120..=122).contains(&took("search").await));
    assert!((20..=22).contains(&took("inventory").await));
    assert_eq!(touches[0].count(), 2, "a request and its answer");
    world.on([]);
    assert!((20..=22).contains(&took("search").await));
    let narrow = LinkChange {
        megabits_per_second: Some(0.008),
        ..link("")
    };
    world.on([narrow.between("on-prem")]);
    assert!(took("inventory").await > 100, "at a byte a millisecond");
    assert!((20..=22).contains(&took("search").await));
}

/// What a wire without bounds on what is under way could not show.
#[tokio::test(start_paused = true)]
async fn a_slow_wire_makes_the_sender_wait() {
    let world = World::new(Wire::memory(), |link| {
        plain(link);
        link.megabits_per_second = 0.8;
    });
    world.replica("search").await;
    let client = world.client("cloud-a");
    let big = get("/bytes/4000000");
    let (reply, _) = call(&client, "search", big, 2 * SECOND).await;
    assert_eq!(reply, Err(CallError::Timeout(2 * SECOND)));
    // What was given up does not fill the wire for the next one: less than 256 kB and a pipe.
    let (reply, took) = call(&client, "search", get("/"), 30 * SECOND).await;
    assert_eq!(reply.unwrap().status, 200);
    assert!(took < 4 * SECOND, "{took:?}");
}

/// The same seed gives the same run to the nanosecond, through TLS and over every protocol.
#[test]
fn a_seed_says_all() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new(Wire::memory(), |link| {
                link.loss = 0.02;
                link.jitter = ms(3);
                link.megabits_per_second = 1.0;
            });
            for service in ["payments", "ledger", "shipping", "cart", "search"] {
                world.replica(service).await;
            }
            let mut times = Vec::new();
            for round in 0..20 {
                for (service, path) in [
                    ("payments", "/bytes/900"),
                    ("ledger", "/bank.ledger.Ledger/Post"),
                    ("shipping", "/bytes/9000"),
                    ("search", "/wait/40"),
                ] {
                    let client = world.net.client("cloud-a", BTreeMap::new(), "one");
                    let body = vec![b'x'; round * 100];
                    let calls =
                        (0..4).map(|_| call(&client, service, post(path, body.clone()), ms(350)));
                    times.extend(futures::future::join_all(calls).await);
                }
            }
            world.net.stop().await;
            (times, world.meters.read())
        })
    };
    let (first, second) = (run(), run());
    assert!(
        first.0.iter().any(|(reply, _)| reply.is_err()),
        "some time out"
    );
    assert!(first == second);
}
