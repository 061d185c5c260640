//! Databases and caches: pools, locks, time, hits.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use sim_services::change::Change;
use sim_services::net::Handler as _;
use sim_services::random::{Dice, Dist};
use sim_services::topology::Level;
use tokio::time::{Instant, sleep};

use super::world::{Nobody, PEER, World, ask, get, ms, on};

const LEDGER: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 100
    log: { dialect: spring }
    stores: { db: { system: postgresql, connections: 50, patience: 10s } }
    routes:
      GET /accounts/{id}:
        steps: [ query: { store: db, statement: UPDATE accounts, takes: { constant: 20ms }, locks: \"account-{id}\" } ]
      GET /rates:
        steps: [ query: { store: db, statement: SELECT rates, takes: { constant: 20ms } } ]
";

#[tokio::test(start_paused = true)]
async fn one_row_is_written_by_one_at_a_time_whichever_replica_it_is() {
    let world = World::silent(LEDGER);
    let replicas = [0, 1].map(|number| world.replica("front", number, Arc::new(Nobody)));
    let start = Instant::now();
    let took = join_all((0..10).map(|number| {
        let replica = &replicas[number % 2];
        async move {
            ask(replica, get("/accounts/1")).await;
            start.elapsed().as_millis()
        }
    }))
    .await;
    assert_eq!(took, (1..=10).map(|turn| turn * 20).collect::<Vec<_>>());

    let start = Instant::now();
    let asks = (0..10).map(|number| ask(&replicas[0], get(&format!("/accounts/{number}"))));
    join_all(asks).await;
    assert_eq!(start.elapsed(), ms(20), "different rows do not wait");
}

#[tokio::test(start_paused = true)]
async fn while_somebody_holds_all_rows_everybody_waits() {
    let world = World::silent(LEDGER);
    let front = world.alone("front");
    let lock = on(
        1,
        Change::StoreLock {
            store: "db".into(),
            held: Dist::Constant { constant: ms(500) },
        },
    );
    world.set([lock.clone()]);
    let start = Instant::now();
    let took = |path: &'static str| {
        let front = &front;
        async move {
            ask(front, get(path)).await;
            start.elapsed().as_millis()
        }
    };
    assert_eq!(took("/rates").await, 20, "needs no lock");
    let both = tokio::join!(took("/accounts/1"), took("/accounts/2"));
    assert_eq!(both, (520, 520));
    assert_eq!(lock.touch.count(), 2);
    assert_eq!(took("/accounts/1").await, 540, "it pauses");
    assert_eq!(lock.touch.count(), 2);
    sleep(ms(500)).await;
    assert_eq!(took("/accounts/1").await, 1_520, "and comes again");
    world.set([]);
    assert_eq!(took("/accounts/1").await, 1_540);
}

const POOL: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 100
    log: { dialect: spring }
    stores: { orders-db: { system: postgresql, connections: 2, patience: 100ms } }
    routes:
      GET /:
        steps: [ query: { store: orders-db, statement: SELECT orders, takes: { constant: 80ms } } ]
";

#[tokio::test(start_paused = true)]
async fn patience_for_a_connection_ends() {
    let world = World::new(POOL);
    let front = world.alone("front");
    let start = Instant::now();
    let outcomes = join_all((0..6).map(|_| async {
        let status = ask(&front, get("/")).await.status;
        (status, start.elapsed().as_millis())
    }))
    .await;
    let (good, late) = ([(200, 80), (200, 80), (200, 160), (200, 160)], (500, 100));
    assert_eq!(outcomes, [&good[..], &[late, late]].concat());
    let counts = world.counts("front");
    assert_eq!((counts.connection_timeouts, counts.statements), (2, 4));
    assert_eq!(counts.connection_wait_ns, 2 * 80_000_000 + 2 * 100_000_000);
    assert_eq!(counts.statement_ns, 4 * 80_000_000);
    assert_eq!(
        world.voice.texts(Level::Error),
        ["timed out waiting for a connection from pool orders-db"; 2]
    );
}

#[tokio::test(start_paused = true)]
async fn connections_can_be_taken_away_and_come_back() {
    let world = World::silent(POOL);
    let front = world.alone("front");
    let fewer = on(
        1,
        Change::Connections {
            store: "orders-db".into(),
            left: 1,
        },
    );
    world.set([fewer.clone()]);
    let both = || async {
        let (one, other) = tokio::join!(ask(&front, get("/")), ask(&front, get("/")));
        (one.status, other.status)
    };
    let start = Instant::now();
    assert_eq!(both().await, (200, 200));
    assert_eq!(start.elapsed(), ms(160), "one after the other");
    assert_eq!(fewer.touch.count(), 1);
    world.set([]);
    let start = Instant::now();
    assert_eq!(both().await, (200, 200));
    assert_eq!(start.elapsed(), ms(80));
}

#[tokio::test(start_paused = true)]
async fn a_slow_database_is_slow_for_all_its_statements() {
    let world = World::silent(LEDGER);
    let front = world.alone("front");
    let slow = on(
        1,
        Change::StoreFactor {
            store: "db".into(),
            factor: 6.0,
        },
    );
    world.set([slow.clone()]);
    let start = Instant::now();
    ask(&front, get("/rates")).await;
    assert_eq!(start.elapsed(), ms(120));
    assert_eq!(slow.touch.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn nightly_statements_compete_with_requests() {
    let world = World::silent(POOL);
    let front = world.alone("front");
    let batches = join_all((0..2).map(|_| front.batch("orders-db")));
    let request = async {
        sleep(ms(1)).await;
        ask(&front, get("/")).await.status
    };
    let (batches, status) = tokio::join!(batches, request);
    assert_eq!(batches, [Ok(()), Ok(())]);
    assert_eq!(status, 500, "both connections are busy for 800 ms");
    assert_eq!(front.batch("another").await, Ok(()));
    assert_eq!(world.counts("front").statements, 2);
}

/// Fragments of a page, which cost a while to make.
fn cached(entries: u32, ttl: &str, key: &str, costs: &str) -> World {
    World::silent(&format!(
        "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 1000
    log: {{ dialect: pino }}
    caches: {{ pages: {{ entries: {entries}, ttl: {ttl} }} }}
    routes:
      GET /{{id}}:
        steps: [ cached: {{ cache: pages, key: \"{key}\", miss: [ work: {{ constant: {costs} }} ] }} ]
"
    ))
}

/// The share of hits when Poisson asks for one key come at `rate`: in every cycle one misses, and
/// those that come within the entry's life hit (renewal theory: λT/(1 + λT)).
#[tokio::test(start_paused = true)]
async fn the_hit_ratio_is_that_of_renewal_theory() {
    for (rate, ttl) in [(0.1, 10.0), (0.5, 10.0), (5.0, 10.0)] {
        let world = cached(10, "10s", "home", "0ms");
        let front = world.alone("front");
        let mut dice = Dice::new(1, "asks");
        for _ in 0..20_000 {
            sleep(dice.gap(rate)).await;
            ask(&front, get("/1")).await;
        }
        let counts = world.counts("front");
        let hits = counts.cache_hits as f64 / 20_000.0;
        let theory = rate * ttl / (1.0 + rate * ttl);
        assert!((hits - theory).abs() < 0.01, "{hits}, by theory {theory}");
        assert_eq!(counts.cache_hits + counts.cache_misses, 20_000);
    }
}

/// Of keys that are asked for alike, a cache that holds half of them hits half the time.
#[tokio::test(start_paused = true)]
async fn a_small_cache_hits_in_proportion() {
    let world = cached(50, "1h", "page-{id}", "0ms");
    let front = world.alone("front");
    let mut dice = Dice::new(1, "asks");
    for _ in 0..10_000 {
        ask(&front, get(&format!("/{}", dice.between(0, 100)))).await;
    }
    let hits = world.counts("front").cache_hits as f64 / 10_000.0;
    assert!((hits - 0.5).abs() < 0.02, "{hits}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_makes_a_stampede() {
    let world = cached(10, "1h", "home", "40ms");
    let front = world.alone("front");
    ask(&front, get("/1")).await;
    let asks = || join_all((0..30).map(|_| ask(&front, get("/1"))));
    asks().await;
    assert_eq!(world.counts("front").cache_hits, 30);

    let flush = on(
        7,
        Change::CacheFlush {
            cache: "pages".into(),
        },
    );
    world.set([flush.clone()]);
    asks().await;
    assert_eq!(
        world.counts("front").cache_misses,
        1 + 30,
        "nobody waits for another"
    );
    assert_eq!(flush.touch.count(), 30);
    // Published again with something else, it is the same flush.
    world.set([flush.clone(), on(8, Change::WorkFactor(1.0))]);
    asks().await;
    assert_eq!(world.counts("front").cache_misses, 31);

    let off = on(
        9,
        Change::CacheOff {
            cache: "pages".into(),
        },
    );
    world.set([off.clone()]);
    asks().await;
    assert_eq!(world.counts("front").cache_misses, 61);
    assert_eq!(off.touch.count(), 30);
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_when_the_caller_hangs_up() {
    let world = World::silent(LEDGER);
    let front = world.alone("front");
    drop(Arc::clone(&front).handle(get("/rates"), PEER));
    let hasty = Arc::clone(&front).handle(get("/rates"), PEER);
    assert!(tokio::time::timeout(ms(5), hasty).await.is_err());
    assert_eq!(front.busy(), 2);
    sleep(ms(30)).await;
    let counts = world.counts("front");
    assert_eq!((counts.requests, counts.statements), (2, 2));
    let states: BTreeMap<&str, u32> =
        BTreeMap::from([("busy", front.busy()), ("waiting", front.waiting())]);
    assert!(states.values().all(|number| *number == 0), "{states:?}");
}
