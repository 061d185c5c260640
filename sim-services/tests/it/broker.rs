//! A broker on its own: asked through its handler, without a network.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use hyper::{HeaderMap, Method};
use sim_services::broker::{Broker, BrokerParts, Queues, publish_path, read_taken, take_path};
use sim_services::change::{Active, Change, Target};
use sim_services::clock::{Clock, Moment};
use sim_services::meter::{Meters, ReplicaCounts};
use sim_services::net::{Handler, Reply, Request};
use sim_services::random::{Dice, Dist};
use sim_services::telemetry::Identity;
use sim_services::telemetry::collector::Collector;
use sim_services::telemetry::sink::Memory;
use sim_services::telemetry::voice::Voice;
use sim_services::topology::{EnvironmentKind, Topology};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Answers what is not the broker's.
struct Teapot;

impl Handler for Teapot {
    fn handle(self: Arc<Self>, _: Request, _: SocketAddr) -> BoxFuture<'static, Reply> {
        Box::pin(ready(Reply {
            status: 418,
            grpc_status: None,
            body: Bytes::new(),
        }))
    }
}

struct Bench {
    broker: Arc<Broker>,
    meters: Meters,
    sink: Arc<Memory>,
    stop: CancellationToken,
    collector: JoinHandle<()>,
}

fn bench(capacity: usize) -> Bench {
    let mut topology = Topology::shop();
    topology.queues.get_mut("order-events").unwrap().capacity = capacity;
    let clock = Clock::starting_at(Moment::from_secs(1_700_000_000));
    let meters = Meters::default();
    let sink = Arc::new(Memory::default());
    let collector = Collector::new("cloud-a", sink.clone(), clock, 1_000);
    let identity = Identity {
        service: "events".into(),
        namespace: "platform".into(),
        version: "3.13.1".into(),
        instance: "events-7d9f8b6c5-x2x4k".into(),
        replica: 0,
        environment: "cloud-a".into(),
        kind: EnvironmentKind::Cloud,
        provider: None,
        region: None,
        zone: None,
        cluster: None,
        site: None,
    };
    let spec = &topology.services["events"];
    let voice = Voice::new(
        Arc::new(identity),
        &spec.log,
        &spec.tracing,
        clock,
        0,
        meters.replica("events", 0),
        collector.handle(),
    );
    let broker = Broker::new(BrokerParts {
        queues: Arc::new(Queues::of(&topology, "events").unwrap()),
        voice,
        clock,
        meter: meters.replica("events", 0),
        dice: Dice::new(1, "broker"),
        other: Arc::new(Teapot),
    });
    let stop = CancellationToken::new();
    let collector = tokio::spawn(collector.run(stop.clone()));
    Bench {
        broker,
        meters,
        sink,
        stop,
        collector,
    }
}

impl Bench {
    async fn ask(&self, path: String, body: &'static str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", "acme".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        let request = Request {
            method: Method::POST,
            path,
            headers,
            body: Bytes::from_static(body.as_bytes()),
        };
        let peer = SocketAddr::from(([10, 0, 0, 7], 41_000));
        Arc::clone(&self.broker).handle(request, peer).await
    }

    fn counts(&self) -> ReplicaCounts {
        self.meters.read().service("events")
    }

    /// What it logged, all of it.
    async fn lines(self) -> Vec<String> {
        self.stop.cancel();
        self.collector.await.unwrap();
        let deliveries = self.sink.take();
        let exports = deliveries.into_iter().flatten();
        let lines = exports.flat_map(|export| export.lines);
        lines.map(|line| line.text).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_taken_once_with_its_headers() {
    let bench = bench(10);
    let reply = bench.ask(publish_path("order-events"), "one").await;
    assert_eq!((reply.status, &reply.body[..]), (201, &br#"{"id":1}"#[..]));
    bench.ask(publish_path("order-events"), "two").await;
    let reply = bench.ask(take_path("order-events", 8), "").await;
    let taken = read_taken(&reply.body).unwrap();
    let bodies: Vec<&[u8]> = taken.iter().map(|message| &message.body[..]).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    assert_eq!(taken[0].headers.len(), 1, "{:?}", taken[0].headers);
    assert_eq!(taken[0].headers["x-tenant"], "acme");
    let began = Instant::now();
    let reply = bench.ask(take_path("order-events", 8), "").await;
    assert_eq!(&reply.body[..], b"[]");
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    // What a taker waits is not the broker's time.
    assert_eq!(bench.counts().duration_ns, 0);
    let lines = bench.lines().await;
    assert_eq!(lines.len(), 3, "an empty take says nothing: {lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_says_so() {
    let bench = bench(1);
    let path = || publish_path("order-events");
    assert_eq!(bench.ask(path(), "one").await.status, 201);
    assert_eq!(bench.ask(path(), "two").await.status, 503);
    let other = bench.ask(publish_path("parcel-events"), "three").await;
    assert_eq!(other.status, 201);
    assert_eq!(bench.ask(publish_path("ghost"), "").await.status, 404);
    assert_eq!(bench.ask("/".into(), "").await.status, 418);
    let counts = bench.counts();
    assert_eq!((counts.requests, counts.failed), (4, 1));
    let lines = bench.lines().await;
    let says = |what: &str| lines.iter().any(|line| line.contains(what));
    assert!(
        says("queue order-events is full with 1 messages"),
        "{lines:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn faults_bite_and_are_marked() {
    let bench = bench(10);
    let active = |change, route: &str| Active {
        id: 1,
        target: Target {
            route: Some(route.to_owned()),
            ..Target::default()
        },
        change,
        touch: Arc::default(),
    };
    let constant = Duration::from_millis(30);
    let slow = active(
        Change::Delay(Dist::Constant { constant }),
        "POST /queues/{queue}/messages",
    );
    let broken = active(
        Change::Fail {
            ratio: 1.0,
            status: 500,
            error: "disk is read-only".to_owned(),
        },
        "POST /queues/{queue}/take",
    );
    bench.broker.follow(&[slow.clone(), broken.clone()]);
    let began = Instant::now();
    let reply = bench.ask(publish_path("order-events"), "one").await;
    assert_eq!((reply.status, began.elapsed()), (201, constant));
    let reply = bench.ask(take_path("order-events", 1), "").await;
    assert_eq!(reply.status, 500);
    assert_eq!((slow.touch.count(), broken.touch.count()), (1, 1));
    bench.broker.follow(&[]);
    let reply = bench.ask(take_path("order-events", 1), "").await;
    assert_eq!(read_taken(&reply.body).unwrap().len(), 1);
    let lines = bench.lines().await;
    assert!(lines.iter().any(|line| line.contains("disk is read-only")));
}
