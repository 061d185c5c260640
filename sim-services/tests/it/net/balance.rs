//! How calls are spread over members and connections.

use super::*;

#[tokio::test(start_paused = true)]
async fn members_take_turns_and_who_is_removed_gets_nothing() {
    let world = World::memory();
    for service in ["orders", "cart"] {
        let replicas = [
            world.replica(service).await,
            world.replica(service).await,
            world.replica(service).await,
        ];
        let client = world.client("cloud-a");
        let ask = async |times: usize| {
            let calls = (0..times).map(|_| call(&client, service, get("/wait/5"), SECOND));
            for (answer, _) in futures::future::join_all(calls).await {
                assert_eq!(answer.unwrap().status, 200);
            }
            replicas
                .each_ref()
                .map(|replica| replica.handler.requests.swap(0, Ordering::Relaxed))
        };
        assert_eq!(ask(60).await, [20, 20, 20]);
        world.net.directory().remove(replicas[1].id);
        assert_eq!(ask(60).await, [30, 0, 30]);
        // One that is listed but gone is passed over.
        replicas[0].server.stop().await;
        assert_eq!(ask(60).await, [0, 0, 60]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_connection_in_time_is_told_so() {
    let world = World::memory();
    // HTTP/1 by connections, HTTP/2 by requests on one connection.
    for service in ["orders", "cart"] {
        let replica = world.replica(service).await;
        let two = BTreeMap::from([(service.to_owned(), 2)]);
        let client = world.net.client("cloud-a", two, "small");
        let calls = (0..5).map(|_| call(&client, service, get("/wait/300"), ms(500)));
        let answers = futures::future::join_all(calls).await;
        // Two are served, two more wait for them and have too little time left, one gets no turn.
        let outcome = |at: usize| answers[at].0.as_ref().map(|reply| reply.status);
        assert_eq!((outcome(0), outcome(1)), (Ok(200), Ok(200)));
        for at in [2, 3] {
            assert_eq!(outcome(at), Err(&CallError::Timeout(ms(500))));
        }
        assert_eq!(outcome(4), Err(&CallError::PoolExhausted(ms(500))));
        assert_eq!(replica.handler.requests.load(Ordering::Relaxed), 4);
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert_eq!(answer.unwrap().status, 200);
    }
}

/// Connections that another environment's members see are counted by the wire.
#[tokio::test(start_paused = true)]
async fn connections_are_used_again_and_not_beyond_their_number() {
    let world = World::memory();
    for _ in 0..2 {
        world.replica("inventory").await;
    }
    let way = ("cloud-a".to_owned(), "on-prem".to_owned());
    let connections = || world.meters.read().links[&way].connections;
    let four = BTreeMap::from([("inventory".to_owned(), 4)]);
    let client = world.net.client("cloud-a", four, "four");
    for _ in 0..10 {
        let calls = (0..4).map(|_| call(&client, "inventory", get("/"), SECOND));
        for (answer, _) in futures::future::join_all(calls).await {
            assert_eq!(answer.unwrap().status, 200);
        }
    }
    assert_eq!(connections(), 4);
    // After half a minute of silence they are gone, and nobody notices.
    tokio::time::sleep(31 * SECOND).await;
    let (answer, _) = call(&client, "inventory", get("/"), SECOND).await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(connections(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_has_closed_is_replaced_silently() {
    let world = World::memory();
    for service in ["inventory", "ledger", "payments"] {
        let before = world.replica(service).await;
        let client = world.client("cloud-a");
        let ask = async |request| call(&client, service, request, SECOND).await.0;
        assert_eq!(ask(post("/a.B/C", "x")).await.unwrap().status, 200);
        // The requests are on the wire when the news that the connection is closed comes across.
        let after = world.replica(service).await;
        before.server.stop().await;
        let calls = (0..4).map(|_| ask(get("/a.B/C")));
        for answer in futures::future::join_all(calls).await {
            assert_eq!(answer.unwrap().status, 200, "{service}");
        }
        assert_eq!(after.handler.requests.load(Ordering::Relaxed), 4);
    }
}

/// A request that may have been taken is not repeated unless that does no harm.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    let world = World::memory();
    let replica = world.replica("inventory").await;
    let client = world.client("cloud-a");
    assert!(call(&client, "inventory", get("/"), SECOND).await.0.is_ok());
    let other = world.replica("inventory").await;
    let under_way = tokio::join!(
        call(&client, "inventory", post("/", ""), SECOND),
        call(&client, "inventory", post("/wait/200", ""), SECOND),
        async {
            tokio::time::sleep(ms(100)).await;
            replica.server.stop().await;
        }
    );
    assert_eq!(replica.handler.requests.load(Ordering::Relaxed), 2);
    assert_eq!(under_way.0.0.unwrap().status, 200);
    assert!(matches!(under_way.1.0, Err(CallError::Broken(_))));
    assert_eq!(other.handler.requests.load(Ordering::Relaxed), 1);
}
