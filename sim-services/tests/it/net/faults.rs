//! Names, certificates, and replicas that go away.

use super::*;

#[tokio::test(start_paused = true)]
async fn names_fail_in_the_share_and_the_place_that_a_change_says() {
    let world = World::memory();
    world.replica("cart").await;
    world.replica("inventory").await;
    let (near, far) = (world.client("cloud-a"), world.client("cloud-b"));
    let failures = async |client: &Client, service: &str| {
        let mut failures = 0;
        for _ in 0..400 {
            match call(client, service, get("/"), SECOND).await.0 {
                Err(CallError::Resolve(host)) => {
                    assert!(
                        host.starts_with(service) && host.ends_with(".internal"),
                        "{host}"
                    );
                    failures += 1;
                }
                other => assert_eq!(other.unwrap().status, 200),
            }
        }
        failures
    };
    let dns =
        |service, environment, ratio| (target(service, environment), Change::DnsFailure { ratio });
    let touches = world.on([dns(Some("cart"), None, 0.25)]);
    let failed = failures(&near, "cart").await;
    assert!((70..130).contains(&failed), "{failed}");
    assert_eq!(failures(&near, "inventory").await, 0);
    assert_eq!(touches[0].count(), failed);
    assert_eq!(world.meters.read().dns_failures, failed);

    world.on([dns(None, Some("cloud-b"), 1.0)]);
    assert_eq!(failures(&near, "cart").await, 0);
    assert_eq!(failures(&far, "cart").await, 400);
    world.on([]);
    assert_eq!(failures(&far, "cart").await, 0);

    let (answer, _) = call(&near, "no-such", get("/"), SECOND).await;
    assert_eq!(answer, Err(CallError::Resolve("no-such".into())));
}

#[tokio::test(start_paused = true)]
async fn an_expired_certificate_is_refused_until_it_is_replaced() {
    let world = World::memory();
    world.replica("payments").await;
    world.replica("inventory").await;
    let client = world.client("cloud-a");
    let pay = async || call(&client, "payments", get("/payments"), SECOND).await.0;
    assert_eq!(pay().await.unwrap().status, 200);
    let expired = (target(Some("payments"), None), Change::CertificateExpired);
    let touches = world.on([expired]);
    // The connection that was open is closed; the news has to cross the wire.
    tokio::time::sleep(ms(20)).await;
    for _ in 0..3 {
        let Err(CallError::Tls(why)) = pay().await else {
            panic!("an expired certificate was accepted");
        };
        assert!(why.contains("expired"), "{why}");
    }
    assert_eq!(touches[0].count(), 3);
    let (answer, _) = call(&client, "inventory", get("/"), SECOND).await;
    assert_eq!(answer.unwrap().status, 200);
    world.on([]);
    assert_eq!(pay().await.unwrap().status, 200);
    assert_eq!(touches[0].count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_survives_the_change_of_the_certificate() {
    let world = World::memory();
    world.replica("payments").await;
    let client = world.client("cloud-a");
    let slow = call(&client, "payments", post("/wait/500", ""), SECOND);
    let change = async {
        tokio::time::sleep(ms(200)).await;
        world.on([(Target::default(), Change::CertificateExpired)]);
    };
    let ((answer, _), ()) = tokio::join!(slow, change);
    assert_eq!(answer.unwrap().status, 200);
    let (answer, _) = call(&client, "payments", get("/"), SECOND).await;
    assert!(matches!(answer, Err(CallError::Tls(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_breaks_what_is_under_way_and_refuses_what_comes() {
    let world = World::memory();
    for service in ["orders", "cart"] {
        let replica = world.replica(service).await;
        let client = world.client("cloud-a");
        let slow = call(&client, service, post("/wait/500", ""), SECOND);
        let stop = async {
            tokio::time::sleep(ms(100)).await;
            replica.stop.cancel();
            replica.server.stopped().await;
        };
        let ((answer, took), ()) = tokio::join!(slow, stop);
        assert!(matches!(answer, Err(CallError::Broken(_))), "{answer:?}");
        assert_eq!(took, ms(100));
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert_eq!(answer, Err(CallError::Refused(replica.member.address)));
        world.net.directory().remove(replica.id);
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
    }
}

/// The refusal of a far replica takes a round trip, as its packet has to come back.
#[tokio::test(start_paused = true)]
async fn a_refusal_comes_from_where_the_replica_was() {
    let world = World::memory();
    let replica = world.replica("inventory").await;
    replica.server.stop().await;
    let client = world.client("cloud-a");
    let (answer, took) = call(&client, "inventory", get("/"), SECOND).await;
    assert_eq!(answer, Err(CallError::Refused(replica.member.address)));
    assert!((ms(20)..=ms(22)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_draining_server_finishes_what_it_has_begun() {
    let world = World::memory();
    // HTTP/1 and HTTP/2.
    for service in ["orders", "cart"] {
        let replica = world.replica(service).await;
        let client = world.client("cloud-a");
        let answers = tokio::join!(
            call(&client, service, post("/wait/500", ""), 5 * SECOND),
            call(&client, service, post("/wait/3000", ""), 5 * SECOND),
            async {
                tokio::time::sleep(ms(100)).await;
                replica.server.drain(SECOND).await;
            }
        );
        assert_eq!(answers.0.0.unwrap().status, 200);
        assert!(matches!(answers.1.0, Err(CallError::Broken(_))));
        assert_eq!(answers.1.1, ms(1_100));
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert_eq!(answer, Err(CallError::Refused(replica.member.address)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_server_that_is_idle_ends_after_it_has_lingered() {
    let world = World::memory();
    for service in ["orders", "cart", "payments"] {
        let replica = world.replica(service).await;
        let client = world.client(&replica.member.environment);
        let (answer, _) = call(&client, service, get("/"), SECOND).await;
        assert_eq!(answer.unwrap().status, 200);
        let start = tokio::time::Instant::now();
        replica.server.drain(60 * SECOND).await;
        assert_eq!(start.elapsed(), ms(500), "{service}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_another_name_is_refused() {
    let world = World::memory();
    let other = world.replica("payments").await.member;
    world.net.directory().register(Member {
        service: "orders".into(),
        ..other
    });
    let (answer, _) = call(&world.client("on-prem"), "orders", get("/"), SECOND).await;
    let Err(CallError::Tls(why)) = answer else {
        panic!("a certificate for another name was accepted: {answer:?}");
    };
    assert!(why.contains("name"), "{why}");
}

/// The new one is registered and the old one removed, then the old one drains: nobody notices,
/// near or far, by whatever protocol.
#[tokio::test(start_paused = true)]
async fn a_rolling_deployment_loses_nothing() {
    let world = World::memory();
    for service in ["orders", "cart", "payments", "ledger"] {
        let mut old = world.replica(service).await;
        let client = world.client("cloud-a");
        let over = AtomicU32::new(0);
        let calls = (0..20).map(|caller| {
            let (client, over) = (&client, &over);
            async move {
                let mut answered = 0;
                while over.load(Ordering::Relaxed) == 0 {
                    tokio::time::sleep(ms(9 + caller % 7)).await;
                    let request = post(&format!("/a.B/wait/{}", caller * 13), "x");
                    let (answer, _) = call(client, service, request, 2 * SECOND).await;
                    assert_eq!(answer.unwrap().status, 200, "{service}");
                    answered += 1;
                }
                answered
            }
        });
        let deploy = async {
            for _ in 0..5 {
                tokio::time::sleep(ms(211)).await;
                let new = world.replica(service).await;
                world.net.directory().remove(old.id);
                old.server.drain(10 * SECOND).await;
                assert!(old.handler.requests.load(Ordering::Relaxed) > 20);
                old = new;
            }
            over.store(1, Ordering::Relaxed);
        };
        let (answered, ()) = tokio::join!(futures::future::join_all(calls), deploy);
        assert!(
            answered.iter().sum::<u32>() > 400,
            "{service}: {answered:?}"
        );
    }
}
