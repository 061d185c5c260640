//! The life of a replica that is a process of its own.
//!
//! One task. After each event it compares what should be with what is. Versions take over from each
//! other within the process, on the same listening socket, so that no caller is refused; replicas
//! of a service take turns by their numbers, as nobody is there to give turns.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::follower::{Follower, Heard};
use super::super::health::Health;
use super::Exit;
use crate::mesh::grounds::Grounds;
use crate::mesh::orders::{DRAIN, Orders, START, mark, orders};
use crate::mesh::process::{Process, Start};
use crate::net::Listener;
use crate::service::Ended;
use crate::telemetry::Identity;
use crate::topology::Level;

/// After a port was found taken: whoever had it may be about to go.
const AGAIN: Duration = Duration::from_millis(200);
/// Who speaks of the control in the replica's log.
const LOGGER: &str = "ConfigClient";

pub(super) struct Life {
    grounds: Arc<Grounds>,
    service: String,
    pod: String,
    listen: SocketAddr,
    /// Of its chance.
    seed: u64,
    /// None without a control.
    heard: Option<watch::Receiver<Heard>>,
    health: watch::Sender<Health>,
    /// Whoever runs at the time listens on a copy of it.
    socket: Option<std::net::TcpListener>,
    current: Option<Process>,
    /// Old versions that finish what they have begun.
    draining: JoinSet<()>,
    /// When it is its turn to run another version.
    turn: Option<Instant>,
    started: u64,
    /// Whether its log says that the control is there.
    said: bool,
}

impl Life {
    pub(super) fn new(
        grounds: &Arc<Grounds>,
        service: String,
        pod: String,
        listen: SocketAddr,
        seed: u64,
        follower: Option<&Follower>,
        health: watch::Sender<Health>,
    ) -> Life {
        Life {
            grounds: Arc::clone(grounds),
            service,
            pod,
            listen,
            seed,
            heard: follower.map(Follower::heard),
            health,
            socket: None,
            current: None,
            draining: JoinSet::new(),
            turn: None,
            started: 0,
            said: false,
        }
    }

    /// Until `stop` or the end of its memory.
    pub(super) async fn run(
        mut self,
        patience: Duration,
        linger: Duration,
        stop: &CancellationToken,
    ) -> anyhow::Result<Exit> {
        let exit = stop
            .run_until_cancelled(async {
                self.wait_for_control(patience).await;
                self.live().await
            })
            .await;
        match exit {
            None => {
                self.leave(linger).await;
                Ok(Exit::Stopped)
            }
            Some(outcome) => {
                if let Some(current) = self.current.take() {
                    current.kill().await;
                }
                self.draining.shutdown().await;
                outcome.map(|()| Exit::OutOfMemory)
            }
        }
    }

    async fn wait_for_control(&mut self, patience: Duration) {
        if let Some(heard) = &mut self.heard {
            let connected = timeout(patience, heard.wait_for(|heard| heard.connected)).await;
            self.said = matches!(connected, Ok(Ok(_)));
        }
    }

    /// Returns when the memory is full.
    async fn live(&mut self) -> anyhow::Result<()> {
        self.reconcile().await?;
        if self.heard.is_some() && !self.said {
            self.say(
                Level::Warn,
                "no configuration service answers; serving with defaults".to_owned(),
            );
        }
        loop {
            tokio::select! {
                biased;
                ended = ended(&mut self.current) => match ended {
                    Ended::OutOfMemory => return Ok(()),
                    // It ends by itself only when it is told to.
                    Ended::Stopped => {}
                },
                () = changed(&mut self.heard) => {}
                () = at(self.turn) => {}
            }
            self.reconcile().await?;
            self.tell_of_control();
        }
    }

    fn tell_of_control(&mut self) {
        let connected = self.heard().connected;
        if connected == self.said {
            return;
        }
        self.said = connected;
        if connected {
            self.say(
                Level::Info,
                "following the configuration service".to_owned(),
            );
        } else {
            let what = "the configuration service is gone; back to defaults if it stays away";
            self.say(Level::Warn, what.to_owned());
        }
    }

    fn say(&self, level: Level, text: String) {
        if let Some(current) = &self.current {
            current.say(level, LOGGER, text);
        }
    }

    fn heard(&self) -> Heard {
        let heard = self.heard.as_ref();
        heard
            .map(|heard| heard.borrow().clone())
            .unwrap_or_default()
    }

    async fn reconcile(&mut self) -> anyhow::Result<()> {
        while self.draining.try_join_next().is_some() {}
        let heard = match &mut self.heard {
            Some(heard) => heard.borrow_and_update().clone(),
            None => Heard::default(),
        };
        self.grounds.fanout.publish(&heard.conditions);
        let base = self.grounds.topology.services[&self.service]
            .version
            .clone();
        let running = self
            .current
            .as_ref()
            .map(|process| Arc::clone(process.identity()));
        let identity = running.unwrap_or_else(|| self.identity(&base));
        let orders = orders(&heard.conditions, &identity, &base);
        if !orders.down.is_empty() {
            self.take_down(&orders).await;
            return Ok(());
        }
        let wanted = orders
            .version
            .as_ref()
            .map_or(&base, |(version, _)| version);
        let leads = heard.number == Some(0);
        let Some(current) = &mut self.current else {
            self.turn = None;
            let identity = self.identity(wanted);
            return self.begin(identity, orders, leads).await;
        };
        current.follow(&orders);
        current.lead(leads);
        if current.identity().version == *wanted {
            self.turn = None;
            return Ok(());
        }
        let wait = (START + DRAIN) * heard.number.unwrap_or(0).min(60);
        let turn = *self.turn.get_or_insert_with(|| Instant::now() + wait);
        if turn <= Instant::now() {
            self.turn = None;
            let identity = self.identity(wanted);
            if let Some((_, touch)) = &orders.version {
                touch.mark(self.grounds.clock.now());
            }
            self.begin(identity, orders, leads).await?;
        }
        Ok(())
    }

    /// Another process serves; the one before it finishes what it has begun.
    async fn begin(
        &mut self,
        identity: Arc<Identity>,
        orders: Orders,
        leads: bool,
    ) -> anyhow::Result<()> {
        let listener = self.listener().await?;
        self.started += 1;
        let start = Start {
            identity,
            orders,
            restarts: 0,
            killed: false,
            seed: self.seed.wrapping_add(self.started),
            round: 0,
            listener: Some(listener),
        };
        let mut process = Process::start(&self.grounds, start).await?;
        process.lead(leads);
        process.register();
        if let Some(before) = self.current.replace(process) {
            self.draining.spawn(before.drain(DRAIN));
        }
        self.health.send_replace(Health::Serving);
        Ok(())
    }

    async fn listener(&mut self) -> anyhow::Result<Listener> {
        let address = self.listen;
        let why = || format!("cannot listen on {address}");
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(bind(address).await.with_context(why)?),
        };
        // When it may be any port, it is the same one ever after.
        self.listen = socket.local_addr().with_context(why)?;
        let copy = socket.try_clone().with_context(why)?;
        Listener::of(copy).with_context(why)
    }

    /// Nothing listens any more.
    async fn take_down(&mut self, orders: &Orders) {
        self.health.send_replace(Health::Down);
        self.socket = None;
        if let Some(current) = self.current.take() {
            mark(&orders.down, self.grounds.clock.now());
            current.kill().await;
        }
    }

    /// In order: callers are told first, then it finishes what it has begun.
    async fn leave(&mut self, linger: Duration) {
        self.health.send_replace(Health::Draining);
        if let Some(current) = self.current.take() {
            sleep(linger).await;
            self.socket = None;
            current.drain(DRAIN).await;
        }
        while self.draining.join_next().await.is_some() {}
    }

    /// To its parts it is always number 0: see [`Line::conditions`](super::super::words::Line).
    fn identity(&self, version: &str) -> Arc<Identity> {
        let topology = &self.grounds.topology;
        let spec = &topology.services[&self.service];
        let environment = &topology.environments[&spec.environment];
        Arc::new(Identity {
            service: self.service.clone(),
            namespace: spec.namespace.clone(),
            version: version.to_owned(),
            instance: self.pod.clone(),
            replica: 0,
            environment: spec.environment.clone(),
            kind: environment.kind,
            provider: environment.provider.clone(),
            region: environment.region.clone(),
            zone: None,
            cluster: environment.cluster.clone(),
            site: environment.site.clone(),
        })
    }
}

/// Who had the address before may need a moment to let go of it.
async fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let mut attempts = 25;
    loop {
        match tokio::net::TcpListener::bind(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && attempts > 0 => {
                attempts -= 1;
                sleep(AGAIN).await;
            }
            bound => return bound?.into_std(),
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn ended(process: &mut Option<Process>) -> Ended {
    match process {
        Some(process) => process.ended().await,
        None => std::future::pending().await,
    }
}

async fn changed(heard: &mut Option<watch::Receiver<Heard>>) {
    if let Some(heard) = heard
        && heard.changed().await.is_ok()
    {
        return;
    }
    // Nobody will ever say anything: without a control, or when all is about to end.
    std::future::pending().await
}
