//! The network between services: what it adds, what breaks it, and that it is real HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod balance;
mod faults;
mod links;
mod partition;
mod protocols;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::{HeaderMap, Method};
use sim_services::change::{Active, Change, Conditions, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::meter::Meters;
use sim_services::net::{
    CallError, Caller, Client, Handler, Member, MemberId, Net, Reply, Request, Server, Wire,
};
use sim_services::topology::{LinkSpec, Topology};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The date of every run: long ago, so that nothing can lean on the machine's.
const BORN: Moment = Moment(1_000_000_000_000_000_000);

const SECOND: Duration = Duration::from_secs(1);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The shop's environments and services, without any replica yet, and with links to one's taste.
struct World {
    net: Arc<Net>,
    topology: Arc<Topology>,
    publish: watch::Sender<Arc<Conditions>>,
    meters: Arc<Meters>,
    replicas: AtomicU32,
}

/// Read once: a law is tried on many worlds.
static SHOP: LazyLock<Topology> = LazyLock::new(Topology::shop);

/// A fast wire that only takes its time.
fn plain(link: &mut LinkSpec) {
    link.latency = ms(10);
    link.jitter = Duration::ZERO;
    link.loss = 0.0;
    link.megabits_per_second = 10_000.0;
}

impl World {
    fn memory() -> World {
        World::new(Wire::memory(), plain)
    }

    fn new(wire: Wire, link: impl Fn(&mut LinkSpec)) -> World {
        let mut topology = SHOP.clone();
        topology.links.iter_mut().for_each(link);
        let topology = Arc::new(topology);
        let (publish, conditions) = watch::channel(Arc::default());
        let meters = Arc::<Meters>::default();
        World {
            net: Net::new(
                wire,
                Clock::starting_at(BORN),
                7,
                Arc::clone(&topology),
                conditions,
                Arc::clone(&meters),
            ),
            topology,
            publish,
            meters,
            replicas: AtomicU32::new(0),
        }
    }

    /// Another one, which the directory knows.
    async fn replica(&self, service: &str) -> Replica {
        let spec = &self.topology.services[service];
        let listener = self.net.listen().await.unwrap();
        let member = Member {
            service: service.to_owned(),
            replica: self.replicas.fetch_add(1, Ordering::Relaxed),
            environment: spec.environment.clone(),
            zone: None,
            version: spec.version.clone(),
            address: listener.local_addr(),
            tls: spec.tls,
            protocol: spec.protocol,
        };
        let handler = Arc::new(Answers::default());
        let stop = CancellationToken::new();
        let answers = Arc::clone(&handler);
        let server = self
            .net
            .serve(listener, member.clone(), answers, &stop)
            .unwrap();
        Replica {
            id: self.net.directory().register(member.clone()),
            member,
            server,
            handler,
            stop,
        }
    }

    fn client(&self, environment: &str) -> Client {
        self.net.client(environment, BTreeMap::new(), environment)
    }

    /// These changes are on from now, and no others.
    fn on(&self, changes: impl IntoIterator<Item = (Target, Change)>) -> Vec<Arc<Touch>> {
        let active: Vec<_> = (0..)
            .zip(changes)
            .map(|(id, (target, change))| Active {
                id,
                target,
                change,
                touch: Arc::default(),
            })
            .collect();
        let touches = active.iter().map(|on| Arc::clone(&on.touch)).collect();
        self.publish.send_replace(Arc::new(Conditions(active)));
        touches
    }
}

struct Replica {
    id: MemberId,
    member: Member,
    server: Server,
    handler: Arc<Answers>,
    stop: CancellationToken,
}

/// Does what the last two parts of the path say; otherwise sends back what it was sent.
#[derive(Default)]
struct Answers {
    requests: AtomicU64,
}

impl Handler for Answers {
    fn handle(self: Arc<Self>, request: Request, _: SocketAddr) -> BoxFuture<'static, Reply> {
        Box::pin(async move {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let mut reply = Reply {
                status: 200,
                grpc_status: None,
                body: request.body,
            };
            let mut parts = request.path.rsplit('/');
            if let (Some(Ok(number)), Some(what)) = (parts.next().map(str::parse), parts.next()) {
                match what {
                    "wait" => tokio::time::sleep(ms(number)).await,
                    "bytes" => reply.body = pattern(number),
                    "status" => reply.status = u16::try_from(number).unwrap(),
                    "code" => reply.grpc_status = Some(u8::try_from(number).unwrap()),
                    _ => {}
                }
            }
            reply
        })
    }
}

/// So many bytes that are not all the same.
fn pattern(length: u64) -> Bytes {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

fn get(path: &str) -> Request {
    Request {
        method: Method::GET,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

fn post(path: &str, body: impl Into<Bytes>) -> Request {
    Request {
        method: Method::POST,
        body: body.into(),
        ..get(path)
    }
}

async fn call(
    client: &Client,
    service: &str,
    request: Request,
    timeout: Duration,
) -> (Result<Reply, CallError>, Duration) {
    let start = tokio::time::Instant::now();
    let result = client.call(service, request, timeout).await;
    (result, start.elapsed())
}

fn target(service: Option<&str>, environment: Option<&str>) -> Target {
    Target {
        service: service.map(str::to_owned),
        environment: environment.map(str::to_owned),
        ..Target::default()
    }
}

/// A wire as it is, to start from.
fn link(to: &str) -> LinkChange {
    LinkChange {
        to: to.to_owned(),
        ..LinkChange::default()
    }
}

#[derive(Clone, Default)]
struct LinkChange {
    to: String,
    latency: Duration,
    loss: f64,
    partition: bool,
    megabits_per_second: Option<f64>,
}

impl LinkChange {
    fn between(self, environment: &str) -> (Target, Change) {
        let change = Change::Link {
            to: self.to,
            latency: self.latency,
            jitter: Duration::ZERO,
            loss: self.loss,
            partition: self.partition,
            megabits_per_second: self.megabits_per_second,
        };
        (target(None, Some(environment)), change)
    }
}
