//! The clients, in paused time, against a platform that only notes what it is asked.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use sim_services::change::{Active, Change, Conditions, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::load::shape::Shape;
use sim_services::load::{Load, Rate};
use sim_services::meter::Meters;
use sim_services::net::{CallError, Caller, Reply, Request};
use sim_services::topology::Topology;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A Monday, at midnight.
const MONDAY: Moment = Moment(1_767_571_200_000_000_000);

const SECOND: Duration = Duration::from_secs(1);

/// How the platform answers a request that reaches it at a moment.
type Manner = fn(Duration, &Request) -> (Duration, u16);

struct Platform {
    clock: Clock,
    manner: Manner,
    asked: Mutex<Vec<(Moment, Request)>>,
}

impl Caller for Platform {
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        _: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        assert_eq!(service, "edge");
        let now = self.clock.now();
        let (takes, status) = (self.manner)(now.since(MONDAY), &request);
        self.asked.lock().unwrap().push((now, request));
        async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            Ok(Reply {
                status,
                grpc_status: None,
                body: Bytes::new(),
            })
        }
        .boxed()
    }
}

fn at_once(_: Duration, _: &Request) -> (Duration, u16) {
    (Duration::ZERO, 200)
}

fn in_5_s(_: Duration, _: &Request) -> (Duration, u16) {
    (5 * SECOND, 200)
}

fn never_well(_: Duration, _: &Request) -> (Duration, u16) {
    (Duration::from_millis(3), 503)
}

/// 1 ms, but whoever comes from 30 s to 40 s waits until 40 s.
fn with_a_stall(now: Duration, _: &Request) -> (Duration, u16) {
    let stall = (30 * SECOND..40 * SECOND).contains(&now);
    let takes = if stall {
        40 * SECOND - now
    } else {
        Duration::ZERO
    };
    (takes + Duration::from_millis(1), 200)
}

struct Stage {
    load: Load,
    platform: Arc<Platform>,
    meters: Arc<Meters>,
    conditions: watch::Sender<Arc<Conditions>>,
}

impl Stage {
    fn new(topology: Topology, seed: u64, manner: Manner) -> Stage {
        let clock = Clock::starting_at(MONDAY);
        let platform = Arc::new(Platform {
            clock,
            manner,
            asked: Mutex::default(),
        });
        let meters = Arc::new(Meters::default());
        let (conditions, receiver) = watch::channel(Arc::default());
        let load = Load::new(
            Arc::new(topology),
            Arc::clone(&platform) as Arc<dyn Caller>,
            clock,
            seed,
            receiver,
            Arc::clone(&meters),
        );
        Stage {
            load,
            platform,
            meters,
            conditions,
        }
    }

    fn with(mut self, change: impl FnOnce(Load) -> Load) -> Stage {
        self.load = change(self.load);
        self
    }

    /// Load for so long, while `meanwhile` happens.
    async fn play(
        self,
        length: Duration,
        meanwhile: impl AsyncFnOnce(&watch::Sender<Arc<Conditions>>, &Load),
    ) -> Played {
        let stop = CancellationToken::new();
        let load = Arc::new(self.load);
        let running = tokio::spawn(Arc::clone(&load).run(stop.clone()));
        let script = async {
            meanwhile(&self.conditions, &load).await;
        };
        tokio::join!(sleep(length), script);
        stop.cancel();
        running.await.unwrap();
        assert_eq!(Arc::strong_count(&load), 1, "nobody is left on the way");
        Played {
            asked: std::mem::take(&mut *self.platform.asked.lock().unwrap()),
            meters: self.meters,
            load,
        }
    }
}

struct Played {
    asked: Vec<(Moment, Request)>,
    meters: Arc<Meters>,
    load: Arc<Load>,
}

impl Played {
    /// Requests by what `key` says of them.
    fn count(&self, key: impl Fn(&Request) -> String) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for (_, request) in &self.asked {
            *counts.entry(key(request)).or_default() += 1;
        }
        counts
    }

    fn class(&self, name: &str, from: Duration, to: Duration) -> usize {
        self.asked
            .iter()
            .filter(|(at, request)| {
                let at = at.since(MONDAY);
                class(request) == name && (from..to).contains(&at)
            })
            .count()
    }
}

async fn nothing(_: &watch::Sender<Arc<Conditions>>, _: &Load) {}

fn class(request: &Request) -> String {
    let client = request.headers["x-client-id"].to_str().unwrap();
    client.rsplit_once('-').unwrap().0.to_owned()
}

/// The shop, where every journey is a single request that tells which journey it is.
fn single_steps() -> Topology {
    let mut shop = Topology::shop();
    let routes = [
        "GET /",
        "GET /api/search",
        "POST /api/checkout",
        "GET /api/orders/{id}",
        "GET /api/statements/{id}",
        "GET /partner/v1/stock/{id}",
    ];
    for (journey, route) in shop.journeys.iter_mut().zip(routes) {
        journey.steps.truncate(1);
        journey.steps[0].request = route.to_owned();
        journey.steps[0].think = None;
    }
    shop.load.timeout = 60 * SECOND;
    shop
}

fn surge(factor: f64, clients: &str) -> (Arc<Conditions>, Arc<Touch>) {
    let touch = Arc::new(Touch::default());
    let active = Active {
        id: 1,
        target: Target::default(),
        change: Change::Load {
            factor,
            clients: clients.to_owned(),
        },
        touch: Arc::clone(&touch),
    };
    (Arc::new(Conditions(vec![active])), touch)
}

/// In paused time, on one thread: the same every time.
fn virtually<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

/// By chance such counts would be further from what is expected only once in a hundred times.
fn assert_fits(pairs: &[(f64, f64)], free: usize) {
    let statistic: f64 = pairs
        .iter()
        .map(|(got, wanted)| (got - wanted).powi(2) / wanted)
        .sum();
    let p = 1.0 - ChiSquared::new(free as f64).unwrap().cdf(statistic);
    assert!(p > 0.01, "chi² {statistic} of {free}: {pairs:?}");
}

#[test]
fn a_compressed_day_has_its_peak_and_its_trough() {
    virtually(async {
        let mut shop = single_steps();
        shop.load.journeys_per_second = 5.0;
        shop.load.time_compression = 24.0;
        let shape = Shape::new(&shop.load, MONDAY);
        let hour = 3_600 * SECOND;
        let played = Stage::new(shop, 1, at_once).play(hour, nothing).await;
        let bin = hour / 24;
        let pairs: Vec<(f64, f64)> = (0..24)
            .map(|index| {
                let (from, to) = (MONDAY + bin * index, MONDAY + bin * (index + 1));
                let arrived = (played.asked.iter())
                    .filter(|(at, _)| (from..to).contains(at))
                    .count();
                let mean: f64 = (0..60)
                    .map(|minute| shape.at(from + bin * minute / 60 + bin / 120))
                    .sum::<f64>()
                    / 60.0;
                (arrived as f64, 5.0 * bin.as_secs_f64() * mean)
            })
            .collect();
        assert_fits(&pairs, 24);
        assert!(pairs[19].0 > 1.9 * pairs[3].0, "{pairs:?}");
    });
}

#[test]
fn a_slow_platform_is_not_spared() {
    let play = |manner| {
        virtually(async move {
            let stage = Stage::new(single_steps(), 2, manner).with(Load::constant);
            let played = stage.play(100 * SECOND, nothing).await;
            (played.load.summary(), played.meters.read().load)
        })
    };
    let (fast, fast_counts) = play(at_once);
    let (slow, slow_counts) = play(in_5_s);
    assert_eq!(slow_counts.journeys, fast_counts.journeys);
    assert!((1_800..2_200).contains(&slow.journeys), "{}", slow.journeys);
    assert_eq!(slow.all.requests + slow.under_way, slow.journeys);
    // Arrivals of the last five seconds.
    assert!((60..140).contains(&slow.under_way), "{}", slow.under_way);
    assert!((5_000.0..5_010.0).contains(&slow.all.latency.p50_ms));
    assert!((5_000.0..5_010.0).contains(&slow.all.latency.max_ms));
    assert!(fast.all.latency.max_ms <= 1.1, "the timer's step");
    let mean = slow_counts.latency_ns as f64 / slow_counts.requests as f64 / 1e9;
    assert!((5.0..5.002).contains(&mean), "{mean}");
}

#[test]
fn a_stall_is_recorded_for_everyone_who_came_during_it() {
    virtually(async {
        let stage = Stage::new(single_steps(), 3, with_a_stall)
            .with(Load::constant)
            .with(|load| load.with_rate(Rate::Journeys(100.0)));
        let played = stage.play(101 * SECOND, nothing).await;
        let latency = played.load.summary().all.latency;
        // Of a hundred seconds, ten are those of the stall. Who came then waited from 0 to 10 s,
        // so one in a hundred of all waited for more than 9 s, and one in a thousand for 9.9 s.
        assert!((8_700.0..9_300.0).contains(&latency.p99_ms), "{latency:?}");
        assert!(
            (9_800.0..10_010.0).contains(&latency.p999_ms),
            "{latency:?}"
        );
        assert!((1.0..2.1).contains(&latency.p50_ms), "{latency:?}");
    });

    // One client that asks again when it has its answer meets the stall once.
    let closed = virtually(async {
        let platform = Stage::new(single_steps(), 3, with_a_stall).platform;
        let mut waited = Vec::new();
        let (end, request) = (
            MONDAY + 100 * SECOND,
            Request {
                method: hyper::Method::GET,
                path: "/".into(),
                headers: hyper::HeaderMap::new(),
                body: Bytes::new(),
            },
        );
        while platform.clock.now() < end {
            let sent = platform.clock.now();
            let reply = platform.call("edge", request.clone(), 60 * SECOND).await;
            assert_eq!(reply.unwrap().status, 200);
            waited.push(platform.clock.now().since(sent));
            sleep(Duration::from_millis(9)).await;
        }
        waited.sort();
        waited[waited.len() * 999 / 1_000]
    });
    assert_eq!(
        closed,
        Duration::from_millis(1),
        "where the open loop saw 9.9 s"
    );
}

#[test]
fn clients_and_their_journeys_come_by_their_weights() {
    virtually(async {
        let mut shop = single_steps();
        shop.load.ids = 1;
        let stage = Stage::new(shop.clone(), 4, at_once).with(Load::constant);
        let played = stage.play(1_000 * SECOND, nothing).await;
        let all = played.asked.len() as f64;
        let got = played.count(class);
        let total: f64 = shop.clients.iter().map(|class| class.weight).sum();
        let classes: Vec<(f64, f64)> = (shop.clients.iter())
            .map(|class| (f64::from(got[&class.name]), all * class.weight / total))
            .collect();
        assert_fits(&classes, shop.clients.len() - 1);

        let mut asked = played.count(|request| {
            let path = request.path.split('?').next().unwrap();
            format!("{}: {} {path}", class(request), request.method)
        });
        for class in &shop.clients {
            let theirs: Vec<_> = (shop.journeys.iter())
                .filter(|journey| journey.clients.contains(&class.name))
                .collect();
            let weight: f64 = theirs.iter().map(|journey| journey.weight).sum();
            let pairs: Vec<(f64, f64)> = theirs
                .iter()
                .map(|journey| {
                    let route = journey.steps[0].request.replace("{id}", "1");
                    let count = asked.remove(&format!("{}: {route}", class.name));
                    let wanted = f64::from(got[&class.name]) * journey.weight / weight;
                    (f64::from(count.unwrap_or_default()), wanted)
                })
                .collect();
            assert_fits(&pairs, (pairs.len() - 1).max(1));
        }
        assert!(
            asked.is_empty(),
            "nobody goes on journeys of others: {asked:?}"
        );
    });
}

#[test]
fn a_client_is_the_same_whenever_it_comes() {
    virtually(async {
        let stage = Stage::new(Topology::shop(), 5, at_once).with(Load::constant);
        let played = stage.play(200 * SECOND, nothing).await;
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for (_, request) in &played.asked {
            let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
            for absent in ["traceparent", "x-request-id"] {
                assert!(
                    !request.headers.contains_key(absent),
                    "the edge makes these"
                );
            }
            let names = ["x-tenant", "x-api-key", "user-agent", "x-forwarded-for"];
            keys.insert(header("x-api-key"));
            seen.entry(header("x-client-id"))
                .or_default()
                .insert(names.map(header).join(" "));
        }
        assert!(seen.len() > 400, "{}", seen.len());
        assert!(seen.values().all(|sets| sets.len() == 1), "{seen:?}");
        assert_eq!(keys.len(), seen.len());
    });
}

#[test]
fn a_surge_of_one_class_leaves_the_others_as_they_were() {
    let surge_from = 100 * SECOND;
    let play = |factor: Option<f64>, clients: &'static str| {
        virtually(async move {
            let stage = Stage::new(single_steps(), 6, at_once).with(Load::constant);
            let (on, touch) = surge(factor.unwrap_or(1.0), clients);
            let script = async |conditions: &watch::Sender<Arc<Conditions>>, _: &Load| {
                sleep(surge_from).await;
                conditions.send_replace(on);
                sleep(100 * SECOND).await;
                conditions.send_replace(Arc::default());
            };
            (stage.play(300 * SECOND, script).await, touch)
        })
    };
    let of = |played: &Played, class: &str| {
        [0, 100, 200].map(|from| played.class(class, from * SECOND, (from + 100) * SECOND))
    };
    let (calm, untouched) = play(None, "app");
    assert_eq!(untouched.count(), 0, "a factor of 1 does nothing");
    let (busy, touch) = play(Some(3.0), "app");
    for class in ["browsers", "partners", "crawlers"] {
        assert_eq!(of(&busy, class), of(&calm, class), "{class}");
    }
    let [before, during, after] = of(&busy, "app");
    assert_eq!(before, of(&calm, "app")[0]);
    assert!((1_060..1_340).contains(&during), "{during} for 1,200");
    assert!((320..480).contains(&after), "{after} for 400");
    assert_eq!(touch.count(), during as u64);
    let first = touch.first().unwrap().since(MONDAY);
    let last = touch.last().unwrap().since(MONDAY);
    assert!(
        (surge_from..surge_from + SECOND).contains(&first),
        "{first:?}"
    );
    assert!((199 * SECOND..200 * SECOND).contains(&last), "{last:?}");

    // Those who stay away are counted as touched too, or a fault that stops all would prove nothing.
    let (gone, touch) = play(Some(0.0), "");
    for class in ["browsers", "app", "partners", "crawlers"] {
        assert_eq!(of(&gone, class)[1], 0, "{class}");
        assert!(of(&gone, class)[2] > 0, "{class}");
    }
    assert!((1_820..2_180).contains(&touch.count()), "{}", touch.count());
}

#[test]
fn the_same_seed_asks_for_the_same_in_the_same_order() {
    let digest = |seed| {
        virtually(async move {
            let mut shop = Topology::shop();
            shop.load.journeys_per_second = 100.0;
            let stage = Stage::new(shop, seed, with_a_stall);
            let mut played = stage.play(60 * SECOND, nothing).await;
            assert!(played.asked.len() > 5_000, "{}", played.asked.len());
            played.asked.truncate(5_000);
            // FNV-1a.
            format!("{:?}", played.asked)
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
        })
    };
    assert_eq!(digest(7), digest(7));
    assert_ne!(digest(7), digest(8));
}

#[test]
fn beyond_the_bound_journeys_are_shed_and_counted() {
    virtually(async {
        let stage = Stage::new(single_steps(), 8, in_5_s)
            .with(Load::constant)
            .with(|load| load.with_most_journeys(10));
        let played = stage.play(100 * SECOND, nothing).await;
        let counts = played.meters.read().load;
        // 10 places, each taken for 5 s: 2 a second of 20.
        assert!((180..=210).contains(&counts.journeys), "{counts:?}");
        let arrivals = counts.journeys + counts.shed;
        assert!((1_800..2_200).contains(&arrivals), "{counts:?}");
        assert_eq!(played.load.summary().shed, counts.shed);
        assert_eq!(played.asked.len() as u64, counts.journeys);
    });
}

#[test]
fn when_all_fails_people_try_again_once_at_most_and_bots_go_on() {
    virtually(async {
        let stage = Stage::new(Topology::shop(), 9, never_well).with(Load::constant);
        let played = stage.play(1_000 * SECOND, nothing).await;
        let counts = played.meters.read().load;
        assert_eq!(counts.failed, counts.requests);
        let requests = played.count(class);
        let people = f64::from(requests["browsers"]);
        // 14 journeys a second, each a request and for a third a second one.
        let ratio = people / (14_000.0 * 4.0 / 3.0);
        assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
        // Of crawlers' journeys two thirds are to browse (3.3 requests), the others to search (1.8).
        let bots = f64::from(requests["crawlers"]);
        let ratio = bots / (800.0 * (3.3 * 46.0 + 1.8 * 22.0) / 68.0);
        assert!((ratio - 1.0).abs() < 0.12, "{ratio}");
    });
}

#[test]
fn a_rate_of_requests_is_met() {
    virtually(async {
        let stage = Stage::new(Topology::shop(), 10, at_once)
            .with(Load::constant)
            .with(|load| load.with_rate(Rate::Requests(200.0)));
        let script = async |_: &watch::Sender<Arc<Conditions>>, load: &Load| {
            // Journeys take a while until as many end as begin.
            sleep(30 * SECOND).await;
            load.restart_summary();
        };
        let played = stage.play(130 * SECOND, script).await;
        let summary = played.load.summary();
        assert_eq!(summary.to.since(summary.from), 100 * SECOND);
        let rate = summary.all.per_second;
        assert!((190.0..210.0).contains(&rate), "{summary}");
        assert!(summary.late.max_ms <= 1.1, "{summary}");
    });
}
