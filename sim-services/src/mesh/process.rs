//! One process of a replica: what it is made of, and the ways in which it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::consumer::Consumer;
use super::grounds::Grounds;
use super::orders::Orders;
use super::state::{Busy, Entry, Phase};
use crate::broker::{Broker, BrokerParts};
use crate::change::Touch;
use crate::net::{Caller, Handler, Listener, Member, MemberId, Server};
use crate::random::Dice;
use crate::service::{Ended, Replica, ReplicaParts};
use crate::telemetry::voice::Voice;
use crate::telemetry::{Gauge, Identity, Ids, LogEvent, Message, Span};
use crate::topology::{EnvironmentKind, Level, ServiceSpec, Step};
use crate::truth::Passages;

/// What a process is told when it starts.
pub(super) struct Start {
    pub(super) identity: Arc<Identity>,
    pub(super) orders: Orders,
    pub(super) restarts: u32,
    /// The one before was killed for want of memory.
    pub(super) killed: bool,
    /// Of its chance: two processes of a replica must not throw the same ids.
    pub(super) seed: u64,
    /// Maintenance windows before it.
    pub(super) round: u64,
    /// Instead of anywhere free.
    pub(super) listener: Option<Listener>,
}

pub(super) struct Process {
    grounds: Arc<Grounds>,
    identity: Arc<Identity>,
    seed: u64,
    round: u64,
    voice: Voice,
    replica: Arc<Replica>,
    broker: Option<Arc<Broker>>,
    member: Member,
    listed: Option<MemberId>,
    server: Server,
    /// Ends [`Replica::run`].
    stop: CancellationToken,
    running: JoinSet<Ended>,
    /// Ends what it does beside requests: taking messages, batches.
    stop_beside: CancellationToken,
    beside: JoinSet<()>,
    /// Ends the batch.
    batch: Option<CancellationToken>,
    paused: watch::Sender<Vec<Arc<Touch>>>,
    entry: Entry,
}

impl Process {
    /// It listens and serves, but nobody knows of it yet.
    ///
    /// # Errors
    ///
    /// When nothing can be listened on.
    pub(super) async fn start(grounds: &Arc<Grounds>, start: Start) -> anyhow::Result<Process> {
        let Start {
            identity,
            orders,
            restarts,
            killed,
            seed,
            round,
            listener,
        } = start;
        let topology = &grounds.topology;
        let spec = &topology.services[&identity.service];
        let environment = &topology.environments[&spec.environment];
        let meter = grounds.meters.replica(&identity.service, identity.replica);
        let voice = Voice::new(
            Arc::clone(&identity),
            &spec.log,
            &spec.tracing,
            grounds.clock,
            environment.clock_offset_ms,
            Arc::clone(&meter),
            grounds.collectors[&spec.environment].clone(),
        );
        voice.follow(&orders.changes);
        let label = format!("{}/{seed:x}", identity.instance);
        let client = grounds
            .net
            .client(&spec.environment, connections(spec), &label);
        let caller: Arc<dyn Caller> = Arc::new(client);
        let replica = Replica::new(ReplicaParts {
            topology: Arc::clone(topology),
            identity: Arc::clone(&identity),
            caller: Arc::clone(&caller),
            voice: Arc::new(voice.clone()),
            meter: Arc::clone(&meter),
            stores: Arc::clone(&grounds.stores[&identity.service]),
            clock: grounds.clock,
            seed,
            conditions: grounds.fanout.subscribe(),
        });
        let broker = grounds.queues.get(&identity.service).map(|queues| {
            Broker::new(BrokerParts {
                queues: Arc::clone(queues),
                voice: voice.clone(),
                clock: grounds.clock,
                meter,
                dice: Dice::new(seed, "broker"),
                other: Arc::clone(&replica) as Arc<dyn Handler>,
            })
        });
        let handler: Arc<dyn Handler> = match &broker {
            Some(broker) => Arc::clone(broker) as Arc<dyn Handler>,
            None => Arc::clone(&replica) as Arc<dyn Handler>,
        };
        let listener = match listener {
            Some(listener) => listener,
            None => grounds.net.listen().await.context("cannot listen")?,
        };
        let address = listener.local_addr();
        let member = Member {
            service: identity.service.clone(),
            replica: identity.replica,
            environment: spec.environment.clone(),
            zone: identity.zone.clone(),
            version: identity.version.clone(),
            address,
            tls: spec.tls,
            protocol: spec.protocol,
        };
        let never = CancellationToken::new();
        let server = (grounds.net)
            .serve(listener, member.clone(), handler, &never)
            .with_context(|| format!("cannot serve {}", identity.service))?;
        let entry = grounds.board.post(&identity, Phase::Starting, restarts);
        entry.process(Arc::clone(&replica) as Arc<dyn Busy>, address);
        let mut process = Process {
            grounds: Arc::clone(grounds),
            identity,
            seed,
            round,
            voice,
            replica,
            broker,
            member,
            listed: None,
            server,
            stop: CancellationToken::new(),
            running: JoinSet::new(),
            stop_beside: CancellationToken::new(),
            beside: JoinSet::new(),
            batch: None,
            paused: watch::channel(Vec::new()).0,
            entry,
        };
        if killed {
            process.tell_of_kill(restarts);
        }
        process.follow(&orders);
        let run = Arc::clone(&process.replica).run(process.stop.clone());
        process.running.spawn(run);
        process.consume(spec, &caller);
        process.lead(process.identity.replica == 0);
        Ok(process)
    }

    /// Whether it is the one replica of its service that runs its environment's batch, if the
    /// service has one.
    pub(super) fn lead(&mut self, leads: bool) {
        if !leads {
            if let Some(batch) = self.batch.take() {
                batch.cancel();
            }
            return;
        }
        let topology = &self.grounds.topology;
        let spec = topology.environments[&self.identity.environment]
            .batch
            .as_ref()
            .filter(|batch| batch.service == self.identity.service);
        if let Some(spec) = spec
            && self.batch.is_none()
        {
            let stop = self.stop_beside.child_token();
            let batch = Batch {
                spec: spec.clone(),
                replica: Arc::clone(&self.replica),
                voice: self.voice.clone(),
                clock: self.grounds.clock,
                dice: Dice::new(self.seed, "batch"),
            };
            self.beside.spawn(batch.run(stop.clone()));
            self.batch = Some(stop);
        }
    }

    /// A line that is about no request.
    pub(super) fn say(&self, level: Level, logger: &'static str, text: String) {
        self.voice.log(LogEvent::Message(Message {
            ids: Ids::default(),
            level,
            logger,
            text,
            fields: Vec::new(),
            error: None,
        }));
    }

    fn consume(&mut self, spec: &ServiceSpec, caller: &Arc<dyn Caller>) {
        for (queue, consumer) in &spec.consumes {
            let consumer = Consumer {
                replica: Arc::clone(&self.replica),
                caller: Arc::clone(caller),
                voice: self.voice.clone(),
                clock: self.grounds.clock,
                queue: queue.clone(),
                broker: self.grounds.topology.queues[queue].broker.clone(),
                concurrency: consumer.concurrency,
                paused: self.paused.subscribe(),
            };
            self.beside.spawn(consumer.run(self.stop_beside.clone()));
        }
    }

    pub(super) fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Maintenance windows before it was started.
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// From now on it is called.
    pub(super) fn register(&mut self) {
        self.listed = Some(self.grounds.net.directory().register(self.member.clone()));
        self.entry.phase(Phase::Running);
    }

    pub(super) fn follow(&self, orders: &Orders) {
        self.voice.follow(&orders.changes);
        if let Some(broker) = &self.broker {
            broker.follow(&orders.changes);
        }
        self.paused.send_replace(orders.paused.clone());
    }

    /// Never when it does not end by itself.
    ///
    /// # Panics
    ///
    /// When what it runs did.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.running.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ended::Stopped,
            },
            None => std::future::pending().await,
        }
    }

    /// At once; callers lose their connections and find others.
    pub(super) async fn kill(mut self) {
        self.unregister();
        self.perish().await;
    }

    /// At once, but callers still know it, and are refused.
    pub(super) async fn vanish(mut self) -> Option<MemberId> {
        let listed = self.listed.take();
        self.perish().await;
        listed
    }

    /// In order: nobody calls it any more, and what it has begun it may finish within `patience`.
    pub(super) async fn drain(mut self, patience: Duration) {
        self.unregister();
        self.entry.phase(Phase::Draining);
        self.stop_beside.cancel();
        let finish = async {
            tokio::join!(self.server.drain(patience), async {
                while self.beside.join_next().await.is_some() {}
            });
        };
        // Whether in time or not, what is left ends now.
        tokio::time::timeout(patience, finish)
            .await
            .unwrap_or_default();
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
        self.perish().await;
    }

    fn unregister(&mut self) {
        if let Some(listed) = self.listed.take() {
            self.grounds.net.directory().remove(listed);
        }
    }

    async fn perish(&mut self) {
        self.running.shutdown().await;
        self.beside.shutdown().await;
        tokio::join!(self.replica.abort(), self.server.stop());
    }

    /// As whoever looks after processes would log it.
    fn tell_of_kill(&self, restarts: u32) {
        let text = match self.identity.kind {
            EnvironmentKind::Cloud => format!(
                "previous container of {} terminated: reason OOMKilled, exit code 137, \
                 restart count {restarts}",
                self.identity.service
            ),
            EnvironmentKind::OnPrem | EnvironmentKind::Edge => format!(
                "{}: main process was killed by the OOM killer (signal 9), \
                 started again, restart counter is at {restarts}",
                self.identity.service
            ),
        };
        self.say(Level::Warn, "supervisor", text);
    }
}

/// Of a replica to each service that it calls: the most that any of its calls asks for.
fn connections(spec: &ServiceSpec) -> BTreeMap<String, u32> {
    fn note(steps: &[Step], connections: &mut BTreeMap<String, u32>) {
        for step in steps {
            match step {
                Step::Call(call) => {
                    let most = connections.entry(call.service.clone()).or_default();
                    *most = call.connections.max(*most);
                }
                Step::Parallel(steps) => note(steps, connections),
                Step::Cached(cached) => note(&cached.miss, connections),
                Step::Work(_) | Step::Query(_) | Step::Publish(_) => {}
            }
        }
    }
    let mut connections = BTreeMap::new();
    for route in spec.routes.values() {
        note(&route.steps, &mut connections);
    }
    for consumer in spec.consumes.values() {
        note(&consumer.steps, &mut connections);
    }
    connections
}

impl Busy for Replica {
    fn busy(&self) -> u32 {
        Replica::busy(self)
    }

    fn workers(&self) -> u32 {
        Replica::workers(self)
    }

    fn waiting(&self) -> u32 {
        Replica::waiting(self)
    }
}

/// Services speak through their environment's collector.
impl crate::service::Voice for Voice {
    fn log(&self, event: LogEvent) {
        Voice::log(self, event);
    }

    fn span(&self, span: Span) {
        Voice::span(self, span);
    }

    fn gauge(&self, gauge: Gauge) {
        Voice::gauge(self, gauge);
    }

    fn wants(&self, level: Level) -> bool {
        Voice::wants(self, level)
    }

    fn passages(&self) -> Option<&Arc<Passages>> {
        Voice::passages(self)
    }
}
