//! Which answer a request gets: routes, quotas, bodies.

use std::sync::Arc;

use sim_services::topology::Level;
use tokio::time::sleep;

use super::world::{Nobody, World, ask, get, get_as, grpc, ms};

const FRONT: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 10
    enforces_quota: true
    log: { dialect: nginx }
    routes:
      GET /products/{id}: { bytes: 900, steps: [] }
      GET /products/top: { bytes: 100, steps: [] }
  deep:
    environment: here
    version: 1.0.0
    protocol: grpc
    workers: 10
    log: { dialect: klog }
    routes: { a.B/C: { bytes: 300, steps: [] } }
";

#[tokio::test(start_paused = true)]
async fn a_request_finds_its_route() {
    let world = World::silent(FRONT);
    let front = world.alone("front");
    for (path, status, bytes) in [
        ("/products/4711?page=2", 200, 900),
        ("/products/top", 200, 100),
        ("/products", 404, 14),
        ("/products/4711/reviews", 404, 14),
    ] {
        let reply = ask(&front, get(path)).await;
        assert_eq!((reply.status, reply.body.len()), (status, bytes), "{path}");
    }
    assert_eq!(world.counts("front").failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_method_that_is_not_there_is_unimplemented() {
    let world = World::silent(FRONT);
    let deep = world.alone("deep");
    let good = ask(&deep, grpc("a.B/C")).await;
    assert_eq!((good.status, good.grpc_status), (200, Some(0)));
    // A field's tag and two bytes of length.
    assert_eq!(good.body.len(), 303);
    let missing = ask(&deep, grpc("a.B/D")).await;
    assert_eq!((missing.status, missing.grpc_status), (200, Some(12)));
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_one_for_all_replicas_and_for_each_client() {
    let world = World::new(FRONT);
    let replicas = [0, 1].map(|number| world.replica("front", number, Arc::new(Nobody)));
    let mut throttled = 0;
    for number in 0..30 {
        let request = get_as("/products/1", "partners-1", "acme");
        let reply = ask(&replicas[number % 2], request).await;
        throttled += u64::from(reply.status == 429);
    }
    assert_eq!(throttled, 20);
    assert_eq!(world.counts("front").throttled, 20);
    let texts = world.voice.texts(Level::Warn);
    assert_eq!(texts[0], "quota of client partners-1 exceeded");

    let other = get_as("/products/1", "partners-2", "acme");
    assert_eq!(ask(&replicas[0], other).await.status, 200);
    sleep(ms(100)).await;
    for status in [200, 429] {
        let request = get_as("/products/1", "partners-1", "acme");
        assert_eq!(ask(&replicas[0], request).await.status, status);
    }
}
