//! The wires between environments: connections that cross one are relayed with its delay.
//!
//! A connection within one environment does not pass here. One that crosses pays a round trip
//! before it is open, as TCP's handshake does, and then every chunk is held back by a
//! [pump](super::pump).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{duplex, split};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::pump::pump;
use super::quality::Quality;
use super::tasks::Tasks;
use super::wire::{PIPE_BYTES, Stream, Wire};
use crate::change::Conditions;
use crate::clock::Clock;
use crate::meter::{LinkMeter, Meters, count, count_by};
use crate::random::Dice;
use crate::topology::Topology;

/// The wire from one environment to another; the way back is another one.
#[derive(Debug)]
pub(super) struct Direction {
    from: String,
    to: String,
    pub(super) clock: Clock,
    pub(super) meter: Arc<LinkMeter>,
    base: Quality,
    changed: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    conditions: watch::Receiver<Arc<Conditions>>,
    quality: Arc<Quality>,
    dice: Dice,
    /// When the wire has sent all that it was given.
    free: Instant,
}

impl Direction {
    /// As it is now.
    pub(super) fn quality(&self) -> Arc<Quality> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(self.refreshed(&mut state))
    }

    fn refreshed<'a>(&self, state: &'a mut State) -> &'a Arc<Quality> {
        if state.conditions.has_changed().unwrap_or(false) {
            let conditions = Arc::clone(&state.conditions.borrow_and_update());
            state.quality = Arc::new(self.base.under(&conditions, &self.from, &self.to));
        }
        &state.quality
    }

    /// When so many bytes that are sent now will arrive, and by which quality. All connections
    /// share the bandwidth.
    pub(super) fn arrival(&self, bytes: usize) -> (Instant, Arc<Quality>) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let quality = Arc::clone(self.refreshed(&mut state));
        state.free = state.free.max(now) + quality.sending(bytes);
        let (crossing, lost) = quality.crossing(bytes, &mut state.dice);
        let arrival = state.free + crossing;
        drop(state);
        count_by(&self.meter.lost, lost);
        self.mark(&quality);
        (arrival, quality)
    }

    pub(super) fn count_arrived(&self, bytes: usize, sent: Instant) {
        count(&self.meter.chunks);
        count_by(&self.meter.bytes, bytes as u64);
        let delay = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
        count_by(&self.meter.delay_ns, delay);
    }

    /// The changes that are on have affected something that crosses.
    pub(super) fn mark(&self, quality: &Quality) {
        if !quality.touches.is_empty() {
            let now = self.clock.now();
            for touch in &quality.touches {
                touch.mark(now);
            }
        }
    }

    /// Told when the quality may be another; ask for this before looking at the quality.
    ///
    /// Who waits first is told first. Receivers of a `watch` channel are woken in an order of
    /// chance, which would make of one seed many runs.
    pub(super) fn changed(&self) -> Pin<Box<Notified<'_>>> {
        let mut changed = Box::pin(self.changed.notified());
        changed.as_mut().enable();
        changed
    }

    /// A packet without payload goes across; takes as long as a partition lasts.
    async fn packet(&self) {
        sleep_until(self.clock.early(self.arrival(0).0)).await;
        let mut blocked = false;
        loop {
            let changed = self.changed();
            if !self.quality().partition {
                return;
            }
            if !std::mem::replace(&mut blocked, true) {
                count(&self.meter.blocked);
            }
            changed.await;
        }
    }
}

/// Every direction between two environments of a topology.
#[derive(Debug)]
pub(super) struct Links {
    directions: BTreeMap<String, BTreeMap<String, Arc<Direction>>>,
    changed: Arc<Notify>,
}

impl Links {
    pub(super) fn new(
        topology: &Topology,
        seed: u64,
        clock: Clock,
        conditions: &watch::Receiver<Arc<Conditions>>,
        meters: &Meters,
    ) -> Links {
        let changed = Arc::new(Notify::new());
        let direction = |from: &String, to: &String| {
            let spec = topology
                .links
                .iter()
                .find(|link| link.between.contains(from) && link.between.contains(to));
            let base = Quality::of(spec);
            let mut seen = conditions.clone();
            let quality = Arc::new(base.under(&seen.borrow_and_update(), from, to));
            Arc::new(Direction {
                clock,
                meter: meters.link(from, to),
                base,
                changed: Arc::clone(&changed),
                state: Mutex::new(State {
                    conditions: seen,
                    quality,
                    dice: Dice::new(seed, &format!("net/link/{from}/{to}")),
                    free: Instant::now(),
                }),
                from: from.clone(),
                to: to.clone(),
            })
        };
        let names = || topology.environments.keys();
        let directions = names()
            .map(|from| {
                let others = names().filter(|to| *to != from);
                let directions = others.map(|to| (to.clone(), direction(from, to))).collect();
                (from.clone(), directions)
            })
            .collect();
        Links {
            directions,
            changed,
        }
    }

    /// Tells all who wait, in order, when [`follow`](Links::follow) saw the conditions change.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Tells all who wait when the conditions change, as long as they do.
    pub(super) fn follow(
        &self,
        mut conditions: watch::Receiver<Arc<Conditions>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let changed = Arc::clone(&self.changed);
        async move {
            while conditions.changed().await.is_ok() {
                changed.notify_waiters();
            }
        }
    }

    /// There and back; none within an environment, or when one is not of the topology.
    fn between(&self, from: &str, to: &str) -> Option<(&Arc<Direction>, &Arc<Direction>)> {
        let direction = |from, to| self.directions.get(from)?.get(to);
        Some((direction(from, to)?, direction(to, from)?))
    }

    /// A connection from one environment to an address in another.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens there, after the time that it takes to know.
    pub(super) async fn connect(
        &self,
        wire: &Wire,
        tasks: &Tasks,
        from: &str,
        to: &str,
        address: SocketAddr,
    ) -> io::Result<Stream> {
        let Some((there, back)) = self.between(from, to) else {
            return wire.connect(address).await;
        };
        there.packet().await;
        let far = wire.connect(address).await;
        back.packet().await;
        let far = far?;
        count(&there.meter.connections);
        let (near, ours) = duplex(PIPE_BYTES);
        let (there, back) = (Arc::clone(there), Arc::clone(back));
        tasks.spawn(async move {
            let (from_caller, to_caller) = split(ours);
            let (from_callee, to_callee) = split(far);
            tokio::join!(
                pump(&there, from_caller, to_callee),
                pump(&back, from_callee, to_caller),
            );
        });
        Ok(Stream::Memory(near))
    }
}
