//! Calls: amplification by retries, breakers, back-off, time limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::join_all;
use sim_services::change::Change;
use sim_services::net::CallError;
use sim_services::random::Dice;
use sim_services::topology::Level;
use tokio::time::{Instant, sleep};

use super::world::{PEER, Scripted, World, ask, get, ms, on, status};

/// `front` calls `s1`, which calls `s2`, and so on; the last always fails.
fn chain(depth: usize, attempts: u32) -> String {
    let service = |number: usize| {
        let name = if number == 0 {
            "front".to_owned()
        } else {
            format!("s{number}")
        };
        let does = if number == depth {
            "error_ratio: 1, steps: []".to_owned()
        } else {
            let next = number + 1;
            format!(
                "steps: [ call: {{ service: s{next}, route: GET /, timeout: 10s, attempts: {attempts} }} ]"
            )
        };
        format!(
            "
  {name}:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 100
    log: {{ dialect: pino }}
    routes: {{ GET /: {{ {does} }} }}
"
        )
    };
    (0..=depth).map(service).collect()
}

#[tokio::test(start_paused = true)]
async fn retries_multiply_by_every_level() {
    for attempts in 1..=4 {
        for depth in 1..=4 {
            let world = World::silent(&chain(depth, attempts));
            let replicas = world.all();
            let reply = ask(&replicas["front"], get("/")).await;
            assert_eq!(reply.status, if depth == 1 { 500 } else { 502 });
            for level in 1..=depth {
                let expected = u64::from(attempts).pow(u32::try_from(level).unwrap());
                let counts = world.counts(&format!("s{level}"));
                assert_eq!(
                    counts.requests, expected,
                    "{attempts} attempts, level {level}"
                );
            }
        }
    }
}

/// `front` calls `back`, with what the braces say.
fn pair(call: &str) -> String {
    format!(
        "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 1000
    log: {{ dialect: ecs }}
    routes: {{ GET /: {{ steps: [ call: {{ service: back, route: GET /, {call} }} ] }} }}
  back:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 1000
    log: {{ dialect: zap }}
    routes: {{ GET /: {{ steps: [ work: {{ constant: 30ms }} ] }} }}
"
    )
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_the_geometric_series() {
    for (attempts, fails) in [(2_u32, 0.3), (3, 0.5), (5, 0.8)] {
        let world = World::silent(&pair(&format!("timeout: 1s, attempts: {attempts}")));
        let dice = std::sync::Mutex::new(Dice::new(1, "fails"));
        let caller = Scripted::new(move |_| {
            let fails = dice.lock().unwrap().chance(fails);
            status(if fails { 500 } else { 200 })
        });
        let front = world.replica("front", 0, caller.clone());
        for _ in 0..10_000 {
            ask(&front, get("/")).await;
        }
        let counts = world.counts("front");
        let power = i32::try_from(attempts).unwrap();
        let expected = (1.0 - f64::powi(fails, power)) / (1.0 - fails);
        let per_call = counts.attempts as f64 / counts.calls as f64;
        assert!(
            (per_call / expected - 1.0).abs() < 0.02,
            "{attempts} attempts, {fails} fail: {per_call}, by theory {expected}"
        );
        let failed = counts.failed as f64 / counts.requests as f64;
        assert!((failed - f64::powi(fails, power)).abs() < 0.02, "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn back_off_doubles_with_full_jitter() {
    let world = World::silent(&pair("timeout: 1s, attempts: 3, backoff: 1s"));
    let front = world.replica("front", 0, Scripted::new(|_| status(503)));
    let start = Instant::now();
    let took = join_all((0..1_000).map(|_| async {
        ask(&front, get("/")).await;
        start.elapsed().as_secs_f64()
    }))
    .await;
    // Uniform up to 1 s and uniform up to 2 s: 1.5 s in the mean, never more than 3 s.
    let mean = took.iter().sum::<f64>() / 1_000.0;
    assert!((mean - 1.5).abs() < 0.08, "{mean}");
    assert!(took.iter().all(|took| *took <= 3.001));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_and_lets_one_through() {
    let spec = "breaker: { window: 10, failure_ratio: 0.5, open: 5s }";
    let world = World::new(&pair(&format!("timeout: 1s, {spec}")));
    let well = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&well);
    let caller = Scripted::new(move |_| {
        let answer = if script.load(Ordering::Relaxed) {
            200
        } else {
            500
        };
        async move {
            sleep(ms(20)).await;
            status(answer).await
        }
        .boxed()
    });
    let front = world.replica("front", 0, caller.clone());
    let asked = || caller.asked.lock().unwrap().len();
    for _ in 0..30 {
        ask(&front, get("/")).await;
    }
    assert_eq!(asked(), 10, "the window, and no more");
    assert_eq!(world.counts("front").breaker_opened, 1);
    // A breaker that is open fails at once, with 503.
    let start = Instant::now();
    assert_eq!(ask(&front, get("/")).await.status, 503);
    assert_eq!(start.elapsed(), ms(0));

    sleep(ms(5_000)).await;
    let at_once = || join_all((0..5).map(|_| ask(&front, get("/"))));
    at_once().await;
    assert_eq!(asked(), 11, "one tries");
    assert_eq!(world.counts("front").breaker_opened, 2);

    well.store(true, Ordering::Relaxed);
    sleep(ms(5_000)).await;
    let good = |replies: &[sim_services::net::Reply]| {
        replies.iter().filter(|reply| reply.status == 200).count()
    };
    assert_eq!(good(&at_once().await), 1, "one tries");
    assert_eq!(good(&at_once().await), 5, "and closes it for all");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_answer_is_told_by_its_kind() {
    let errors = [
        (
            CallError::Timeout(ms(100)),
            504,
            "java.net.SocketTimeoutException",
        ),
        (CallError::Refused(PEER), 502, "java.net.ConnectException"),
        (
            CallError::Resolve("back".into()),
            502,
            "java.net.UnknownHostException",
        ),
        (
            CallError::Tls("expired".into()),
            502,
            "javax.net.ssl.SSLHandshakeException",
        ),
        (
            CallError::Broken("reset".into()),
            502,
            "java.net.SocketException",
        ),
        (
            CallError::PoolExhausted(ms(100)),
            503,
            "org.apache.http.conn.ConnectionPoolTimeoutException",
        ),
    ];
    for (error, expected, kind) in errors {
        let world = World::new(&pair("timeout: 100ms"));
        let caller = Scripted::new(move |_| std::future::ready(Err(error.clone())).boxed());
        let front = world.replica("front", 0, caller);
        assert_eq!(ask(&front, get("/")).await.status, expected);
        let spans = world.voice.spans.lock().unwrap();
        assert_eq!(spans.len(), 2);
        for span in spans.iter() {
            assert_eq!(span.error.as_deref(), Some(kind));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_optional_call_may_fail() {
    let world = World::new(&pair("timeout: 100ms, optional: true"));
    let front = world.alone("front");
    assert_eq!(ask(&front, get("/")).await.status, 200);
    assert_eq!(world.voice.texts(Level::Warn), ["going on without back"]);
    assert_eq!(world.counts("front").call_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_clients_are_not_tried_again() {
    for refusal in [400, 401, 403, 404, 429] {
        let world = World::silent(&pair("timeout: 1s, attempts: 5"));
        let front = world.replica("front", 0, Scripted::new(move |_| status(refusal)));
        // The edge passes them on.
        assert_eq!(ask(&front, get("/")).await.status, refusal);
        assert_eq!(world.counts("front").attempts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_make_a_retry_storm_and_hurry_calls() {
    let world = World::silent(&pair("timeout: 1s, attempts: 1"));
    let replicas = world.all();
    let hurry = on(
        1,
        Change::CallTimeout {
            callee: "back".into(),
            timeout: ms(20),
        },
    );
    let storm = on(
        2,
        Change::Retries {
            callee: String::new(),
            attempts: 4,
            backoff: ms(0),
        },
    );
    world.set([hurry.clone(), storm.clone()]);
    let start = Instant::now();
    assert_eq!(ask(&replicas["front"], get("/")).await.status, 504);
    assert_eq!(start.elapsed(), ms(80));
    assert_eq!((hurry.touch.count(), storm.touch.count()), (4, 4));
    sleep(ms(100)).await;
    assert_eq!(world.counts("back").requests, 4, "none was called off");
    world.set([]);
    assert_eq!(ask(&replicas["front"], get("/")).await.status, 200);
    assert_eq!(world.counts("back").requests, 5);
}

#[tokio::test(start_paused = true)]
async fn steps_at_once_take_as_long_as_the_longest() {
    let world = World::silent(
        "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 1
    log: { dialect: pino }
    routes:
      GET /:
        steps:
          - parallel:
              - work: { constant: 50ms }
              - parallel: [ work: { constant: 30ms }, work: { constant: 70ms } ]
              - call: { service: front, route: GET /, timeout: 1s, optional: true }
",
    );
    let front = world.alone("front");
    let start = Instant::now();
    let calls = AtomicU64::new(0);
    ask(&front, get("/")).await;
    calls.fetch_add(world.counts("front").call_failures, Ordering::Relaxed);
    assert_eq!(start.elapsed(), ms(70));
    assert_eq!(calls.into_inner(), 1);
}
