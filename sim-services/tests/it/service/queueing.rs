//! A replica is a queue: its latency against Erlang's formula.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sim_services::net::Handler as _;
use sim_services::random::Dice;

use super::world::{PEER, World, ask, get, ms};

/// Mean service time.
const MEAN: f64 = 0.1;

/// Mean time in an M/M/c system (Erlang, "Solution of some problems in the theory of
/// probabilities", 1917; Kleinrock, "Queueing Systems" I, 1975, chapter 3).
fn erlang(workers: u32, utilisation: f64) -> f64 {
    let offered = f64::from(workers) * utilisation;
    // Erlang B by recursion, and from it C, the share that has to wait.
    let blocked = (1..=workers).fold(1.0, |blocked, servers| {
        offered * blocked / (f64::from(servers) + offered * blocked)
    });
    let waits = blocked / (1.0 - utilisation * (1.0 - blocked));
    MEAN + waits * MEAN / (f64::from(workers) * (1.0 - utilisation))
}

/// Mean time measured over Poisson arrivals.
async fn measured(workers: u32, utilisation: f64, arrivals: u32) -> f64 {
    let world = World::silent(&format!(
        "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: {workers}
    backlog: 1000000
    log: {{ dialect: pino }}
    tracing: {{ propagates: nothing, exports_spans: false }}
    routes: {{ GET /: {{ steps: [ work: {{ mean: 100ms }} ] }} }}
"
    ));
    let replica = world.alone("front");
    let mut dice = Dice::new(1, "arrivals");
    let rate = f64::from(workers) * utilisation / MEAN;
    let start = tokio::time::Instant::now();
    let mut due = Duration::ZERO;
    for _ in 0..arrivals {
        // From the start: a timer's rounding must not add up.
        due += dice.gap(rate);
        tokio::time::sleep_until(start + due).await;
        // The work goes on though nobody waits for the answer.
        drop(Arc::clone(&replica).handle(get("/"), PEER));
    }
    while world.counts("front").requests < u64::from(arrivals) {
        tokio::time::sleep(ms(100)).await;
    }
    let counts = world.counts("front");
    Duration::from_nanos(counts.duration_ns).as_secs_f64() / f64::from(arrivals)
}

/// The fuller, the longer a queue remembers, and the more arrivals a mean needs (Whitt, "Planning
/// Queueing Simulations", 1989).
async fn follows_erlang(workers: u32) {
    for (utilisation, arrivals) in [(0.3, 10_000), (0.6, 20_000), (0.8, 40_000), (0.9, 120_000)] {
        let theory = erlang(workers, utilisation);
        let mean = measured(workers, utilisation, arrivals).await;
        assert!(
            (mean / theory - 1.0).abs() < 0.1,
            "{workers} workers at {utilisation}: {mean:.4} s, by theory {theory:.4} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_worker_is_an_m_m_1_queue() {
    follows_erlang(1).await;
}

#[tokio::test(start_paused = true)]
async fn two_workers_are_an_m_m_2_queue() {
    follows_erlang(2).await;
}

#[tokio::test(start_paused = true)]
async fn eight_workers_are_an_m_m_8_queue() {
    follows_erlang(8).await;
}

#[test]
fn the_formula_gives_known_values() {
    // M/M/1: mean/(1 − ρ). M/M/2: mean/(1 − ρ²).
    assert!((erlang(1, 0.9) - MEAN / 0.1).abs() < 1e-9);
    assert!((erlang(2, 0.6) - MEAN / 0.64).abs() < 1e-9);
}

const SLOW: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 2
    backlog: 3
    log: { dialect: pino }
    routes: { GET /: { steps: [ work: { constant: 100ms } ] } }
";

#[tokio::test(start_paused = true)]
async fn who_finds_the_line_full_is_refused() {
    let world = World::new(SLOW);
    let replica = world.alone("front");
    let asks = (0..8).map(|_| ask(&replica, get("/")));
    let replies = join_all(asks).await;
    let refused = replies.iter().filter(|reply| reply.status == 503).count();
    assert_eq!(refused, 3, "two work and three wait");
    let counts = world.counts("front");
    assert_eq!((counts.overloaded, counts.failed), (3, 3));
    // Two waited 100 ms and one 200 ms.
    assert_eq!(Duration::from_nanos(counts.queued_ns), ms(400));
}

#[tokio::test(start_paused = true)]
async fn the_line_is_first_come_first_served() {
    let world = World::new(SLOW);
    let replica = world.alone("front");
    let start = tokio::time::Instant::now();
    let asks = (0..5).map(|_| async {
        ask(&replica, get("/")).await;
        start.elapsed().as_millis()
    });
    assert_eq!(join_all(asks).await, [100, 100, 200, 200, 300]);
    assert_eq!((replica.busy(), replica.waiting()), (0, 0));
}
