//! A small platform without wires: replicas that call each other directly.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::{HeaderMap, Method};
use sim_services::change::{Active, Change, Conditions, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::meter::{Meters, ReplicaCounts};
use sim_services::net::{CallError, Caller, Handler, Reply, Request};
use sim_services::service::{Replica, ReplicaParts, Stores, Voice};
use sim_services::telemetry::{Gauge, Identity, LogEvent, Span};
use sim_services::topology::{Level, Topology};
use tokio::sync::watch;

pub(super) const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)), 40_000);

/// Everything one test has.
pub(super) struct World {
    pub(super) topology: Arc<Topology>,
    pub(super) clock: Clock,
    pub(super) meters: Meters,
    pub(super) voice: Arc<Recorder>,
    pub(super) stores: BTreeMap<String, Arc<Stores>>,
    conditions: watch::Sender<Arc<Conditions>>,
}

/// Environments and load around some services.
pub(super) fn topology(services: &str) -> Arc<Topology> {
    let yaml = format!(
        "
name: test
entry: front
environments: {{ here: {{ kind: on-prem }} }}
links: []
queues: {{ jobs: {{ broker: front, capacity: 10 }} }}
services:
{services}
clients:
  - {{ name: partners, weight: 1, count: 4, tenants: [acme, globex], user_agent: sdk, quota_per_second: 10 }}
journeys:
  - {{ name: all, weight: 1, steps: [] }}
load: {{ journeys_per_second: 1, ids: 100, timeout: 1s }}
"
    );
    Arc::new(Topology::parse(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")))
}

impl World {
    pub(super) fn new(services: &str) -> World {
        let topology = topology(services);
        let stores = topology
            .services
            .keys()
            .map(|name| (name.clone(), Stores::new(&topology, 1)))
            .collect();
        World {
            topology,
            clock: Clock::starting_at(Moment::from_secs(1_700_000_000)),
            meters: Meters::default(),
            voice: Arc::new(Recorder::new(Level::Info)),
            stores,
            conditions: watch::Sender::new(Arc::default()),
        }
    }

    /// One that says nothing, for what is only counted.
    pub(super) fn silent(services: &str) -> World {
        World {
            voice: Arc::new(Recorder::mute()),
            ..World::new(services)
        }
    }

    pub(super) fn replica(
        &self,
        service: &str,
        number: u32,
        caller: Arc<dyn Caller>,
    ) -> Arc<Replica> {
        let spec = &self.topology.services[service];
        let identity = Identity {
            service: service.to_owned(),
            namespace: spec.namespace.clone(),
            version: spec.version.clone(),
            instance: format!("{service}-{number}"),
            replica: number,
            environment: spec.environment.clone(),
            kind: self.topology.environments[&spec.environment].kind,
            provider: None,
            region: None,
            zone: None,
            cluster: None,
            site: None,
        };
        let voice: Arc<dyn Voice> = self.voice.clone();
        Replica::new(ReplicaParts {
            topology: Arc::clone(&self.topology),
            identity: Arc::new(identity),
            caller,
            voice,
            meter: self.meters.replica(service, number),
            stores: Arc::clone(&self.stores[service]),
            clock: self.clock,
            seed: 1,
            conditions: self.conditions.subscribe(),
        })
    }

    /// One that calls nobody.
    pub(super) fn alone(&self, service: &str) -> Arc<Replica> {
        self.replica(service, 0, Arc::new(Nobody))
    }

    /// One replica of every service; calls go to whom they are meant for.
    pub(super) fn all(&self) -> BTreeMap<String, Arc<Replica>> {
        let wires = Arc::new(Wires::default());
        let replicas: BTreeMap<String, Arc<Replica>> = self
            .topology
            .services
            .keys()
            .map(|name| (name.clone(), self.replica(name, 0, wires.clone())))
            .collect();
        *wires.0.lock().unwrap() = replicas.clone();
        replicas
    }

    /// From now on only these are on.
    pub(super) fn set(&self, changes: impl IntoIterator<Item = Active>) {
        self.conditions
            .send_replace(Arc::new(Conditions(changes.into_iter().collect())));
    }

    pub(super) fn counts(&self, service: &str) -> ReplicaCounts {
        self.meters.read().service(service)
    }
}

pub(super) fn on(id: u64, change: Change) -> Active {
    Active {
        id,
        target: Target::default(),
        change,
        touch: Arc::new(Touch::default()),
    }
}

pub(super) fn get(path: &str) -> Request {
    Request {
        method: Method::GET,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

/// As `client`, who belongs to `tenant`.
pub(super) fn get_as(path: &str, client: &'static str, tenant: &'static str) -> Request {
    let mut request = get(path);
    let headers = &mut request.headers;
    headers.insert("x-client-id", client.parse().unwrap());
    headers.insert("x-tenant", tenant.parse().unwrap());
    request
}

pub(super) fn grpc(route: &str) -> Request {
    Request {
        method: Method::POST,
        ..get(&format!("/{route}"))
    }
}

pub(super) async fn ask(replica: &Arc<Replica>, request: Request) -> Reply {
    Arc::clone(replica).handle(request, PEER).await
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Keeps what was said.
pub(super) struct Recorder {
    level: Option<Level>,
    pub(super) events: Mutex<Vec<LogEvent>>,
    pub(super) spans: Mutex<Vec<Span>>,
    pub(super) gauges: Mutex<Vec<Gauge>>,
}

impl Recorder {
    pub(super) fn new(level: Level) -> Recorder {
        Recorder {
            level: Some(level),
            events: Mutex::default(),
            spans: Mutex::default(),
            gauges: Mutex::default(),
        }
    }

    fn mute() -> Recorder {
        Recorder {
            level: None,
            ..Recorder::new(Level::Error)
        }
    }

    /// The texts of messages of this level.
    pub(super) fn texts(&self, level: Level) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let text = |event: &LogEvent| match event {
            LogEvent::Message(message) if message.level == level => Some(message.text.clone()),
            _ => None,
        };
        events.iter().filter_map(text).collect()
    }
}

impl Voice for Recorder {
    fn log(&self, event: LogEvent) {
        self.events.lock().unwrap().push(event);
    }

    fn span(&self, span: Span) {
        if self.level.is_some() {
            self.spans.lock().unwrap().push(span);
        }
    }

    fn gauge(&self, gauge: Gauge) {
        self.gauges.lock().unwrap().push(gauge);
    }

    fn wants(&self, level: Level) -> bool {
        self.level.is_some_and(|least| level >= least)
    }
}

/// Replicas by their service's name.
#[derive(Default)]
pub(super) struct Wires(Mutex<BTreeMap<String, Arc<Replica>>>);

impl Caller for Wires {
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        let replica = Arc::clone(&self.0.lock().unwrap()[service]);
        async move {
            tokio::time::timeout(timeout, replica.handle(request, PEER))
                .await
                .map_err(|_| CallError::Timeout(timeout))
        }
        .boxed()
    }
}

/// Nobody is there.
pub(super) struct Nobody;

impl Caller for Nobody {
    fn call<'a>(
        &'a self,
        _: &'a str,
        _: Request,
        _: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        std::future::ready(Err(CallError::Refused(PEER))).boxed()
    }
}

/// Answers as a function says, and keeps what it was asked.
pub(super) struct Scripted<F> {
    script: F,
    pub(super) asked: Mutex<Vec<(String, Request)>>,
}

impl<F> Scripted<F>
where
    F: Fn(&Request) -> BoxFuture<'static, Result<Reply, CallError>> + Send + Sync + 'static,
{
    pub(super) fn new(script: F) -> Arc<Scripted<F>> {
        Arc::new(Scripted {
            script,
            asked: Mutex::default(),
        })
    }
}

impl<F> Caller for Scripted<F>
where
    F: Fn(&Request) -> BoxFuture<'static, Result<Reply, CallError>> + Send + Sync + 'static,
{
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        _: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        let answer = (self.script)(&request);
        let mut asked = self.asked.lock().unwrap();
        asked.push((service.to_owned(), request));
        answer
    }
}

pub(super) fn status(status: u16) -> BoxFuture<'static, Result<Reply, CallError>> {
    std::future::ready(Ok(Reply {
        status,
        grpc_status: None,
        body: Bytes::new(),
    }))
    .boxed()
}
