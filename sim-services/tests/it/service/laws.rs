//! What holds whatever is on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use proptest::prelude::*;
use sim_services::change::{Active, Change, Target};
use sim_services::clock::Moment;
use sim_services::meter::ReplicaCounts;
use sim_services::random::Dist;
use sim_services::service::Replica;
use sim_services::telemetry::LogEvent;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::world::{Scripted, World, ask, get_as, ms, on, status};

const WORKERS: u32 = 4;

const FRONT: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 4
    backlog: 6
    log: { dialect: pino }
    stores: { db: { system: mysql, connections: 3, patience: 50ms } }
    caches: { pages: { entries: 5, ttl: 200ms } }
    routes:
      GET /a/{id}:
        error_ratio: 0.05
        steps:
          - work: { mean: 10ms }
          - cached:
              cache: pages
              key: \"page-{id}\"
              miss: [ query: { store: db, statement: SELECT a, takes: { mean: 20ms }, locks: \"row-{id}\" } ]
      GET /b/{id}:
        steps:
          - parallel:
              - call: { service: back, route: GET /, timeout: 50ms, attempts: 3, backoff: 10ms, breaker: { window: 5, failure_ratio: 0.5, open: 100ms } }
              - query: { store: db, statement: SELECT b, takes: { mean: 5ms } }
  back:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 4
    log: { dialect: pino }
    routes: { GET /: { steps: [] } }
";

fn change() -> impl Strategy<Value = Change> {
    let dist = (0_u64..100).prop_map(|millis| Dist::Exponential { mean: ms(millis) });
    prop_oneof![
        dist.clone().prop_map(Change::Delay),
        (0.0..5.0).prop_map(Change::WorkFactor),
        (0.0..1.0, 400_u16..600).prop_map(|(ratio, status)| Change::Fail {
            ratio,
            status,
            error: "Oops".into()
        }),
        (0_u32..=WORKERS).prop_map(Change::Workers),
        (0.0..8.0).prop_map(|factor| Change::StoreFactor {
            store: "db".into(),
            factor
        }),
        dist.prop_map(|held| Change::StoreLock {
            store: "db".into(),
            held
        }),
        (0_u32..4).prop_map(|left| Change::Connections {
            store: "db".into(),
            left
        }),
        Just(Change::CacheOff {
            cache: "pages".into()
        }),
        Just(Change::CacheFlush {
            cache: "pages".into()
        }),
        (0_u32..6).prop_map(|attempts| Change::Retries {
            callee: "back".into(),
            attempts,
            backoff: ms(5)
        }),
        (0_u64..40).prop_map(|timeout| Change::CallTimeout {
            callee: String::new(),
            timeout: ms(timeout)
        }),
        // At most 200 MB in two seconds, of 358 that are free.
        (0.0..100.0).prop_map(|mb_per_second| Change::Leak { mb_per_second }),
        (0.0..500.0).prop_map(|lines_per_second| Change::LogFlood { lines_per_second }),
    ]
}

/// When it comes on, for how long, and for one tenant or all.
fn episode() -> impl Strategy<Value = (u64, u64, bool, Change)> {
    (0_u64..2_000, 1_u64..1_500, any::<bool>(), change())
}

/// When, where to, for whom.
fn arrival() -> impl Strategy<Value = (u64, String, &'static str)> {
    let path = prop_oneof![
        8 => (0_u32..4).prop_map(|id| format!("/a/{id}")),
        8 => (0_u32..4).prop_map(|id| format!("/b/{id}")),
        1 => Just("/c".to_owned()),
    ];
    (
        0_u64..2_000,
        path,
        prop_oneof![Just("acme"), Just("globex")],
    )
}

struct Seen {
    statuses: Vec<u16>,
    busiest: u32,
    busy_at_the_end: u32,
    counts: ReplicaCounts,
    events: Vec<LogEvent>,
    ended: Moment,
}

fn episodes_at(episodes: &[(u64, u64, bool, Change)], now: u64, all: &[Active]) -> Vec<Active> {
    let is_on = |(from, lasts, ..): &(u64, u64, bool, Change)| (*from..from + lasts).contains(&now);
    let both = episodes.iter().zip(all);
    both.filter(|(episode, _)| is_on(episode))
        .map(|(_, active)| active.clone())
        .collect()
}

async fn play(
    episodes: &[(u64, u64, bool, Change)],
    arrivals: &[(u64, String, &'static str)],
) -> Seen {
    let world = World::new(FRONT);
    let busiest = Arc::new(AtomicU32::new(0));
    let caller = Scripted::new(|request| {
        let slow = request.path.len() > 1;
        async move {
            sleep(ms(if slow { 30 } else { 15 })).await;
            status(200).await
        }
        .boxed()
    });
    let front = world.replica("front", 0, caller);
    let stop = CancellationToken::new();
    let life = tokio::spawn(Arc::clone(&front).run(stop.clone()));
    let start = Instant::now();
    let all: Vec<Active> = (1..)
        .zip(episodes)
        .map(|(id, (_, _, narrow, change))| Active {
            target: Target {
                tenant: narrow.then(|| "acme".into()),
                ..Target::default()
            },
            ..on(id, change.clone())
        })
        .collect();
    let conditions = async {
        let mut times: Vec<u64> = episodes
            .iter()
            .flat_map(|(from, lasts, ..)| [*from, from + lasts])
            .collect();
        times.sort_unstable();
        for time in times {
            sleep_until(start + ms(time)).await;
            world.set(episodes_at(episodes, time, &all));
        }
    };
    let watch = |front: Arc<Replica>, busiest: Arc<AtomicU32>| async move {
        for _ in 0..20_000 {
            busiest.fetch_max(front.busy(), Ordering::Relaxed);
            sleep(ms(1)).await;
        }
    };
    let watching = tokio::spawn(watch(Arc::clone(&front), Arc::clone(&busiest)));
    let requests = arrivals.iter().map(|(at, path, tenant)| {
        let front = &front;
        async move {
            sleep_until(start + ms(*at)).await;
            ask(front, get_as(path, "partners-1", tenant)).await.status
        }
    });
    let (statuses, ()) = tokio::join!(join_all(requests), conditions);
    stop.cancel();
    life.await.unwrap();
    watching.abort();
    let events = world.voice.events.lock().unwrap().clone();
    Seen {
        statuses,
        busiest: busiest.load(Ordering::Relaxed),
        busy_at_the_end: front.busy() + front.waiting(),
        counts: world.counts("front"),
        events,
        ended: world.clock.now(),
    }
}

fn in_paused_time<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn every_request_gets_one_answer_and_no_worker_is_lent_twice(
        episodes in prop::collection::vec(episode(), 0..6),
        arrivals in prop::collection::vec(arrival(), 1..120),
    ) {
        let seen = in_paused_time(play(&episodes, &arrivals));
        prop_assert!(seen.busiest <= WORKERS, "{} busy", seen.busiest);
        prop_assert_eq!(seen.busy_at_the_end, 0);
        prop_assert_eq!(usize::try_from(seen.counts.requests), Ok(arrivals.len()));
        let accesses = seen.events.iter().filter(|event| matches!(event, LogEvent::Access(_)));
        prop_assert_eq!(accesses.count(), arrivals.len(), "one line for each");
        let failed = seen.statuses.iter().filter(|status| **status >= 500).count();
        prop_assert_eq!(usize::try_from(seen.counts.failed), Ok(failed));
        prop_assert!(seen.counts.attempts >= seen.counts.calls.saturating_sub(seen.counts.call_failures));
    }

    #[test]
    fn the_same_seed_does_the_same(
        episodes in prop::collection::vec(episode(), 0..4),
        arrivals in prop::collection::vec(arrival(), 1..40),
    ) {
        let once = in_paused_time(play(&episodes, &arrivals));
        let again = in_paused_time(play(&episodes, &arrivals));
        prop_assert_eq!(once.events, again.events);
        prop_assert_eq!(once.ended, again.ended);
        prop_assert_eq!(once.counts, again.counts);
    }
}

#[test]
fn a_run_like_these_takes_its_two_seconds() {
    let arrivals: Vec<_> = (0..50)
        .map(|at| (at * 40, "/b/1".to_owned(), "acme"))
        .collect();
    let seen = in_paused_time(play(&[], &arrivals));
    assert!(seen.statuses.iter().all(|status| *status == 200));
    let took = seen.ended.since(Moment::from_secs(1_700_000_000));
    assert!(took >= Duration::from_millis(1_960 + 15), "{took:?}");
}
