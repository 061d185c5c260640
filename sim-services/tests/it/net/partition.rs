//! A partition stops what crosses it, and nothing else.

use proptest::prelude::*;

use super::*;

const PLACES: [(&str, &str); 3] = [
    ("cloud-a", "cart"),
    ("cloud-b", "catalog"),
    ("on-prem", "inventory"),
];

const PAIRS: [(&str, &str); 3] = [
    ("cloud-a", "cloud-b"),
    ("cloud-a", "on-prem"),
    ("cloud-b", "on-prem"),
];

fn crosses(from: &str, to: &str, cut: &[(&str, &str)]) -> bool {
    cut.contains(&(from, to)) || cut.contains(&(to, from))
}

/// `warm`: over connections that were open before; `turned`: the change names the other end.
async fn check(cut: Vec<(&str, &str)>, calls: Vec<(usize, usize)>, warm: bool, turned: bool) {
    let world = World::memory();
    for (_, service) in PLACES {
        world.replica(service).await;
    }
    let clients = PLACES.map(|(environment, _)| world.client(environment));
    let ask = async |(from, to): (usize, usize), timeout| {
        let request = post("/a.B/C", "hello");
        call(&clients[from], PLACES[to].1, request, timeout).await
    };
    if warm {
        for &way in &calls {
            assert_eq!(ask(way, SECOND).await.0.unwrap().status, 200);
        }
    }
    let changes = cut.iter().map(|&(one, other)| {
        let (one, other) = if turned { (other, one) } else { (one, other) };
        let partition = LinkChange {
            partition: true,
            ..link(other)
        };
        partition.between(one)
    });
    let touches = world.on(changes);
    let answers = calls.iter().map(|&way| ask(way, SECOND));
    let answers = futures::future::join_all(answers).await;
    for (&(from, to), (answer, took)) in calls.iter().zip(answers) {
        if crosses(PLACES[from].0, PLACES[to].0, &cut) {
            assert_eq!(answer, Err(CallError::Timeout(SECOND)), "{from} to {to}");
        } else {
            assert_eq!(answer.unwrap().body, "hello", "{from} to {to}");
            assert!(took < ms(50), "{from} to {to} took {took:?}");
        }
    }
    for (&(one, other), touch) in cut.iter().zip(touches) {
        let uses =
            |&(from, to): &(usize, usize)| crosses(PLACES[from].0, PLACES[to].0, &[(one, other)]);
        assert_eq!(touch.count() > 0, calls.iter().any(uses), "{one} {other}");
    }
    // It heals, and what comes after is as it was.
    world.on([]);
    for &way in &calls {
        let (answer, took) = ask(way, SECOND).await;
        assert_eq!(answer.unwrap().body, "hello");
        assert!(took < ms(50), "{way:?} took {took:?}");
    }
    world.net.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stops_all_calls_that_cross_it_and_no_others(
        cut in proptest::sample::subsequence(PAIRS.to_vec(), 0..=3),
        calls in proptest::collection::vec((0_usize..3, 0_usize..3), 1..12),
        warm: bool,
        turned: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(cut, calls, warm, turned));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_goes_on_when_it_ends() {
    let world = World::memory();
    let replica = world.replica("inventory").await;
    let client = world.client("cloud-a");
    assert!(call(&client, "inventory", get("/"), SECOND).await.0.is_ok());
    let cut = LinkChange {
        partition: true,
        ..link("")
    };
    world.on([cut.between("on-prem")]);
    let waiting = call(&client, "inventory", get("/"), 60 * SECOND);
    let heal = async {
        tokio::time::sleep(30 * SECOND).await;
        assert_eq!(replica.handler.requests.load(Ordering::Relaxed), 1);
        world.on([]);
    };
    let ((answer, took), ()) = tokio::join!(waiting, heal);
    assert_eq!(answer.unwrap().status, 200);
    let late = 30 * SECOND + ms(10);
    assert!((late..late + ms(3)).contains(&took), "{took:?}");
    let there = ("cloud-a".to_owned(), "on-prem".to_owned());
    assert_eq!(world.meters.read().links[&there].blocked, 1);
}

/// Thousands of requests that were given up meanwhile are no reason for HTTP/2 to hang up.
#[tokio::test(start_paused = true)]
async fn a_long_partition_leaves_http2_as_it_was() {
    let world = World::memory();
    let replica = world.replica("catalog").await;
    let client = world.client("cloud-a");
    let ask = async || {
        let request = post("/shop.catalog.Catalog/ListProducts", vec![b'x'; 300]);
        call(&client, "catalog", request, ms(800)).await.0
    };
    assert_eq!(ask().await.unwrap().status, 200);
    let cut = LinkChange {
        partition: true,
        ..link("cloud-b")
    };
    world.on([cut.between("cloud-a")]);
    for _ in 0..60 {
        for answer in futures::future::join_all((0..50).map(|_| ask())).await {
            assert_eq!(answer, Err(CallError::Timeout(ms(800))));
        }
    }
    assert_eq!(replica.handler.requests.load(Ordering::Relaxed), 1);
    world.on([]);
    let answers = futures::future::join_all((0..50).map(|_| ask())).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(
        answered,
        50,
        "{:?}",
        answers.iter().find(|answer| answer.is_err())
    );
    let there = ("cloud-a".to_owned(), "cloud-b".to_owned());
    assert_eq!(world.meters.read().links[&there].connections, 1);
}

/// Neither a connection nor its refusal gets through.
#[tokio::test(start_paused = true)]
async fn nobody_learns_across_it_whether_anyone_listens() {
    let world = World::memory();
    let gone = world.replica("inventory").await;
    gone.server.stop().await;
    world.replica("search").await;
    let client = world.client("cloud-a");
    let cut = LinkChange {
        partition: true,
        ..link("")
    };
    let touches = world.on([cut.between("cloud-a")]);
    for service in ["inventory", "search"] {
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert_eq!(answer, Err(CallError::Timeout(SECOND)));
    }
    assert_eq!(touches[0].count(), 2);
    let links = world.meters.read().links;
    assert!(links.values().all(|counts| counts.connections == 0));
    world.on([]);
    let (answer, _) = call(&client, "inventory", get("/"), SECOND).await;
    assert_eq!(answer, Err(CallError::Refused(gone.member.address)));
}
