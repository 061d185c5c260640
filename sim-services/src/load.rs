//! The clients of the platform: journeys that begin whether or not the platform keeps up.
//!
//! Open loop: arrivals are a Poisson process ([`arrivals`]) over the shape of the week
//! ([`shape`]), and do not wait for answers. What a client asks for is decided in `journey`, what
//! it then waited is kept in `recorder`; here they are driven. Calls the entry service through the
//! [`Caller`] it is given, and knows nothing of what is behind it.

pub mod arrivals;
mod ask;
mod client;
mod journey;
mod plan;
mod recorder;
pub mod shape;
mod summary;
mod surge;

use std::panic;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use self::arrivals::Arrivals;
use self::journey::{Journey, Outcome};
use self::plan::Plan;
use self::recorder::Recorder;
use self::shape::Shape;
pub use self::summary::{Latency, RouteSummary, Summary};
use self::surge::Surge;
use crate::change::Conditions;
use crate::clock::{Clock, Moment};
use crate::meter::Meters;
use crate::net::Caller;
use crate::random::Dice;
use crate::topology::Topology;

/// Journeys under way at once. At 2,000 arrivals a second and 8 s of patience a platform that
/// answers nothing holds 16,000; beyond three times that, more of the same teach nothing.
const MOST_JOURNEYS: usize = 50_000;

/// How much load, on average over the week.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// That begin in a second.
    Journeys(f64),
    /// In a second, as long as nothing fails: people who meet an error leave.
    Requests(f64),
}

/// All clients of a platform. [`run`](Load::run) it once.
pub struct Load {
    plan: Arc<Plan>,
    shape: Shape,
    journeys_per_second: f64,
    most_journeys: usize,
    caller: Arc<dyn Caller>,
    clock: Clock,
    seed: u64,
    conditions: watch::Receiver<Arc<Conditions>>,
    recorder: Recorder,
}

impl Load {
    /// Of the topology's rate and shape; its calendar starts at the clock's now.
    pub fn new(
        topology: Arc<Topology>,
        caller: Arc<dyn Caller>,
        clock: Clock,
        seed: u64,
        conditions: watch::Receiver<Arc<Conditions>>,
        meters: Arc<Meters>,
    ) -> Load {
        let plan = Plan::new(&topology);
        Load {
            shape: Shape::new(&topology.load, clock.now()),
            journeys_per_second: topology.load.journeys_per_second,
            most_journeys: MOST_JOURNEYS,
            recorder: Recorder::new(&plan.routes, meters, clock.now()),
            plan: Arc::new(plan),
            caller,
            clock,
            seed,
            conditions,
        }
    }

    /// Instead of the topology's.
    #[must_use]
    pub fn with_rate(mut self, rate: Rate) -> Load {
        self.journeys_per_second = match rate {
            Rate::Journeys(per_second) => per_second,
            Rate::Requests(per_second) => per_second / self.plan.mean_requests(),
        };
        self
    }

    /// The same at all hours, instead of the topology's shape.
    #[must_use]
    pub fn constant(mut self) -> Load {
        self.shape = Shape::constant();
        self
    }

    /// With at most so many journeys under way; those that would be more are shed, and counted.
    #[must_use]
    pub fn with_most_journeys(mut self, most: usize) -> Load {
        self.most_journeys = most;
        self
    }

    /// What happened since the start, or since [`restart_summary`](Self::restart_summary).
    pub fn summary(&self) -> Summary {
        self.recorder.summary(self.clock.now())
    }

    /// Leaves out of further summaries what happened so far, such as a warm-up.
    pub fn restart_summary(&self) {
        self.recorder.restart(self.clock.now());
    }

    /// Until `stop`; then clients hang up in the middle of what they ask.
    ///
    /// # Panics
    ///
    /// When the caller does.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut conditions = self.conditions.clone();
        let (mut published, mut news) = (true, false);
        let mut streams = self.streams(&conditions.borrow_and_update());
        let mut under_way = JoinSet::new();
        loop {
            // All that are due: the timer has steps of a millisecond, and a busy machine is late.
            let now = self.clock.now();
            while let Some(next) = first(&mut streams).filter(|next| next.due() <= Some(now)) {
                self.arrive(next, &mut under_way);
            }
            // After what was due before it.
            if std::mem::take(&mut news) {
                self.adapt(&mut streams, &conditions.borrow_and_update(), now);
            }
            let wait = first(&mut streams).and_then(|next| next.due());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = conditions.changed(), if published => {
                    published = changed.is_ok();
                    news = published;
                }
                Some(ended) = under_way.join_next() => finished(ended),
                () = at(&self.clock, wait) => {}
            }
        }
        under_way.shutdown().await;
    }

    fn streams(&self, conditions: &Conditions) -> Vec<Stream> {
        let now = self.clock.now();
        let stream = |(class, of): (usize, &plan::Class)| {
            let dice = Dice::new(self.seed, &format!("load/arrivals/{}", of.spec.name));
            let per_second = self.journeys_per_second * of.share;
            Stream {
                class,
                arrivals: Arrivals::new(dice, self.shape, per_second, now),
                surge: Surge::default(),
                begun: 0,
            }
        };
        let mut streams: Vec<Stream> = self.plan.classes.iter().enumerate().map(stream).collect();
        self.adapt(&mut streams, conditions, now);
        streams
    }

    fn adapt(&self, streams: &mut [Stream], conditions: &Conditions, now: Moment) {
        for stream in streams {
            stream.surge = Surge::of(&self.plan.classes[stream.class], conditions);
            stream.arrivals.adapt(now, stream.surge.factor);
        }
    }

    fn arrive(self: &Arc<Self>, stream: &mut Stream, under_way: &mut JoinSet<()>) {
        let Some(arrival) = stream.arrivals.take() else {
            return;
        };
        stream.surge.mark(arrival.at);
        if !arrival.comes {
            return;
        }
        // Those that are over make room before anyone is shed.
        while let Some(ended) = under_way.try_join_next() {
            finished(ended);
        }
        if under_way.len() >= self.most_journeys {
            self.recorder.shed();
            return;
        }
        stream.begun += 1;
        self.recorder.journey();
        let class = &self.plan.classes[stream.class].spec.name;
        let dice = Dice::new(self.seed, &format!("load/{class}/{}", stream.begun));
        if let Some(journey) = Journey::begin(Arc::clone(&self.plan), stream.class, dice) {
            under_way.spawn(Arc::clone(self).travel(journey, arrival.at));
        }
    }

    async fn travel(self: Arc<Self>, mut journey: Journey, arrived: Moment) {
        let mut intended = arrived;
        loop {
            let request = journey.request();
            let sent = (self.recorder).sent(journey.route(), intended, self.clock.now());
            let result = (self.caller)
                .call(&self.plan.entry, request, self.plan.timeout)
                .await;
            let now = self.clock.now();
            let outcome = Outcome::of(&result);
            self.recorder.over(sent, outcome, now);
            let Some(wait) = journey.went(outcome) else {
                return;
            };
            intended = now + wait;
            if !wait.is_zero() {
                sleep_until(self.clock.instant(intended)).await;
            }
        }
    }
}

/// One class of clients as it arrives.
struct Stream {
    class: usize,
    arrivals: Arrivals,
    surge: Surge,
    /// Journeys so far.
    begun: u64,
}

impl Stream {
    fn due(&self) -> Option<Moment> {
        self.arrivals.next().map(|next| next.at)
    }
}

/// Whose turn it is; the earlier class when two are due at once.
fn first(streams: &mut [Stream]) -> Option<&mut Stream> {
    streams
        .iter_mut()
        .filter(|stream| stream.due().is_some())
        .min_by_key(|stream| stream.due())
}

/// Never when there is no moment.
async fn at(clock: &Clock, moment: Option<Moment>) {
    match moment {
        Some(moment) => sleep_until(clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}

/// A journey that panicked is a mistake in the platform, and no load to go on with.
fn finished(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(reason) = error.try_into_panic()
    {
        panic::resume_unwind(reason);
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load")
            .field("journeys_per_second", &self.journeys_per_second)
            .field("shape", &self.shape)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
