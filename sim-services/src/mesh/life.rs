//! The life of one replica: it is started, restarted after it was killed, taken down and brought
//! back, replaced by another version, and ended.
//!
//! One task per replica. After each event it compares what should be with what is and starts or
//! ends processes; it never waits for one thing while another could happen.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::futures::Notified;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fanout::Watched;
use super::grounds::Grounds;
use super::maintenance::Rounds;
use super::naming;
use super::orders::{BackOff, DRAIN, Orders, START, mark, orders};
use super::process::{Process, Start};
use super::state::{Entry, Phase};
use crate::net::MemberId;
use crate::random::Dice;
use crate::service::Ended;
use crate::telemetry::Identity;

/// One replica's place in its service.
pub(super) struct Slot {
    pub(super) grounds: Arc<Grounds>,
    pub(super) service: String,
    pub(super) replica: u32,
    /// Before its first process takes requests.
    pub(super) cold_start: Duration,
    /// It is not needed any more: finish and go.
    pub(super) leave: CancellationToken,
    /// Told when it takes requests for the first time.
    pub(super) up: Option<oneshot::Sender<()>>,
}

struct Life {
    slot: Slot,
    dice: Dice,
    names: Dice,
    watched: Watched,
    /// The topology's version.
    base: String,
    restarts: u32,
    back_off: BackOff,
    current: Option<Process>,
    /// When there is no process: when there will be, and the line on the board until then.
    pending: Option<Pending>,
    /// What callers still know of a process that a change has taken down: they are refused.
    ghost: Option<MemberId>,
    replacement: Replacement,
    /// Old processes that finish what they have begun.
    draining: JoinSet<()>,
}

struct Pending {
    /// None while a change keeps it down.
    at: Option<Instant>,
    identity: Arc<Identity>,
    /// The one before was killed for want of memory.
    killed: bool,
    _entry: Entry,
}

/// Another process takes over: of another version, or on a patched host.
enum Replacement {
    None,
    /// Another replica of the service is being replaced.
    Waiting(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
    Starting {
        successor: Box<Process>,
        ready: Instant,
        _turn: OwnedSemaphorePermit,
    },
}

/// What happened.
enum Event {
    Stop,
    Leave,
    Changed,
    Due,
    Ended(Ended),
    Turn(Option<OwnedSemaphorePermit>),
    Ready,
}

/// Until the platform stops or the replica is told to leave.
///
/// # Errors
///
/// When nothing can be listened on.
pub(super) async fn live(slot: Slot) -> anyhow::Result<()> {
    let label = format!("mesh/{}/{}", slot.service, slot.replica);
    let mut life = Life {
        dice: Dice::new(slot.grounds.seed, &label),
        // Whoever comes back after a pause has the name that it had, whatever happens to it now.
        names: Dice::new(0, &label),
        watched: slot.grounds.fanout.subscribe(),
        base: slot.grounds.topology.services[&slot.service]
            .version
            .clone(),
        restarts: 0,
        back_off: BackOff::default(),
        current: None,
        pending: None,
        ghost: None,
        replacement: Replacement::None,
        draining: JoinSet::new(),
        slot,
    };
    life.pend(Some(life.slot.cold_start), Phase::Starting, false);
    life.run().await
}

impl Life {
    async fn run(&mut self) -> anyhow::Result<()> {
        let rounds = Arc::clone(self.rounds());
        loop {
            let maintenance = rounds.next();
            self.reconcile().await;
            match self.event(maintenance).await {
                Event::Stop => {
                    self.end().await;
                    return Ok(());
                }
                Event::Leave => {
                    self.drain_current();
                    self.end().await;
                    return Ok(());
                }
                Event::Changed => {}
                Event::Due => self.start().await?,
                Event::Ended(Ended::OutOfMemory) => self.was_killed().await,
                // It ends by itself only when it is told to.
                Event::Ended(Ended::Stopped) => {}
                Event::Turn(turn) => self.replace(turn).await?,
                Event::Ready => self.take_over(),
            }
        }
    }

    async fn event(&mut self, maintenance: Notified<'_>) -> Event {
        let due = self.pending.as_ref().and_then(|pending| pending.at);
        tokio::select! {
            biased;
            () = self.slot.grounds.stop.cancelled() => Event::Stop,
            () = self.slot.leave.cancelled() => Event::Leave,
            // Whoever changes conditions lives as long as the platform.
            Ok(()) = self.watched.changed() => Event::Changed,
            () = maintenance => Event::Changed,
            () = at(due) => Event::Due,
            ended = ended(&mut self.current) => Event::Ended(ended),
            event = progress(&mut self.replacement) => event,
        }
    }

    /// Makes of what is what should be, as far as that can be done at once.
    async fn reconcile(&mut self) {
        let conditions = Arc::clone(&self.watched.borrow_and_update());
        for process in [self.current.as_ref(), self.successor()]
            .into_iter()
            .flatten()
        {
            process.follow(&orders(&conditions, process.identity(), &self.base));
        }
        let orders = self.orders();
        if !orders.down.is_empty() {
            self.take_down(&orders).await;
            return;
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.at.is_none())
        {
            // It was down and may come back.
            self.pend(Some(Duration::ZERO), Phase::Starting, false);
        }
        let Some(current) = &self.current else { return };
        let wanted = orders
            .version
            .as_ref()
            .map_or(&self.base, |(version, _)| version);
        let patched = current.round() == self.rounds().number();
        let as_wanted = current.identity().version == *wanted && patched;
        let misled = self
            .successor()
            .is_some_and(|successor| successor.identity().version != *wanted);
        if as_wanted || misled {
            self.call_off().await;
        }
        if !as_wanted && matches!(self.replacement, Replacement::None) {
            let turns = Arc::clone(&self.slot.grounds.turns[&self.slot.service]);
            let turn = async move { turns.acquire_owned().await.ok() };
            self.replacement = Replacement::Waiting(turn.boxed());
        }
    }

    fn rounds(&self) -> &Arc<Rounds> {
        let grounds = &self.slot.grounds;
        let environment = &grounds.topology.services[&self.slot.service].environment;
        &grounds.maintenance[environment]
    }

    /// For the process that is there, or the one that will be.
    fn orders(&self) -> Orders {
        let conditions = self.watched.borrow();
        let identity = self
            .current
            .as_ref()
            .map(Process::identity)
            .or_else(|| self.pending.as_ref().map(|pending| &pending.identity));
        identity.map_or_else(Orders::default, |identity| {
            orders(&conditions, identity, &self.base)
        })
    }

    fn successor(&self) -> Option<&Process> {
        match &self.replacement {
            Replacement::Starting { successor, .. } => Some(successor),
            Replacement::None | Replacement::Waiting(_) => None,
        }
    }

    /// Nothing is replaced any more.
    async fn call_off(&mut self) {
        if let Replacement::Starting { successor, .. } =
            std::mem::replace(&mut self.replacement, Replacement::None)
        {
            successor.kill().await;
        }
    }

    async fn take_down(&mut self, orders: &Orders) {
        self.call_off().await;
        if let Some(current) = self.current.take() {
            mark(&orders.down, self.slot.grounds.clock.now());
            self.ghost = current.vanish().await;
        }
        if self
            .pending
            .as_ref()
            .is_none_or(|pending| pending.at.is_some())
        {
            self.pend(None, Phase::Down, false);
        }
    }

    async fn was_killed(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        current.kill().await;
        self.restarts += 1;
        let wait = self.back_off.after_kill(self.slot.grounds.clock.now());
        self.pend(Some(wait), Phase::BackingOff, true);
    }

    /// A process is to start after `wait`, or when it may again.
    fn pend(&mut self, wait: Option<Duration>, phase: Phase, killed: bool) {
        let killed = killed || self.pending.take().is_some_and(|pending| pending.killed);
        let identity = self.identity();
        self.pending = Some(Pending {
            at: wait.map(|wait| Instant::now() + wait),
            killed,
            _entry: self
                .slot
                .grounds
                .board
                .post(&identity, phase, self.restarts),
            identity,
        });
    }

    /// Of the next process.
    fn identity(&mut self) -> Arc<Identity> {
        let slot = &self.slot;
        let mut named = |version: &str| {
            let topology = &slot.grounds.topology;
            naming::identity(
                topology,
                &slot.service,
                slot.replica,
                version,
                &mut self.names,
            )
        };
        let base = named(&self.base);
        let version = orders(&self.watched.borrow(), &base, &self.base).version;
        Arc::new(match version {
            Some((version, _)) => named(&version),
            None => base,
        })
    }

    /// What was pending begins, and takes requests.
    async fn start(&mut self) -> anyhow::Result<()> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let mut process = self.process(pending.identity, pending.killed).await?;
        self.lay_ghost();
        process.register();
        self.current = Some(process);
        if let Some(up) = self.slot.up.take() {
            // Whoever does not wait any more need not know.
            up.send(()).unwrap_or_default();
        }
        Ok(())
    }

    async fn process(&mut self, identity: Arc<Identity>, killed: bool) -> anyhow::Result<Process> {
        let start = Start {
            orders: orders(&self.watched.borrow(), &identity, &self.base),
            identity,
            restarts: self.restarts,
            killed,
            seed: self.dice.between(0, u64::MAX),
            round: self.rounds().number(),
            listener: None,
        };
        Process::start(&self.slot.grounds, start).await
    }

    /// It is its turn: the successor starts beside the one that is there.
    async fn replace(&mut self, turn: Option<OwnedSemaphorePermit>) -> anyhow::Result<()> {
        self.replacement = Replacement::None;
        let identity = self.identity();
        let round = self.rounds().number();
        let still = self.current.as_ref().is_some_and(|current| {
            current.identity().version != identity.version || current.round() != round
        });
        if let Some(turn) = turn
            && still
        {
            if let Some((_, touch)) = self.orders().version {
                touch.mark(self.slot.grounds.clock.now());
            }
            self.replacement = Replacement::Starting {
                successor: Box::new(self.process(identity, false).await?),
                ready: Instant::now() + START,
                _turn: turn,
            };
        }
        Ok(())
    }

    fn take_over(&mut self) {
        if let Replacement::Starting { mut successor, .. } =
            std::mem::replace(&mut self.replacement, Replacement::None)
        {
            successor.register();
            if let Some((_, touch)) = self.orders().version {
                touch.mark(self.slot.grounds.clock.now());
            }
            self.drain_current();
            self.pending = None;
            self.current = Some(*successor);
        }
    }

    fn drain_current(&mut self) {
        while self.draining.try_join_next().is_some() {}
        if let Some(current) = self.current.take() {
            self.draining.spawn(current.drain(DRAIN));
        }
    }

    fn lay_ghost(&mut self) {
        if let Some(member) = self.ghost.take() {
            self.slot.grounds.net.directory().remove(member);
        }
    }

    async fn end(&mut self) {
        self.lay_ghost();
        self.call_off().await;
        if let Some(current) = self.current.take() {
            current.kill().await;
        }
        while self.draining.join_next().await.is_some() {}
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

async fn progress(replacement: &mut Replacement) -> Event {
    match replacement {
        Replacement::None => std::future::pending().await,
        Replacement::Waiting(turn) => Event::Turn(turn.await),
        Replacement::Starting { ready, .. } => {
            sleep_until(*ready).await;
            Event::Ready
        }
    }
}
