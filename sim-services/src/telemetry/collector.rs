//! One per environment, as an OpenTelemetry Collector's agent would be: takes what the replicas
//! say and delivers it in batches.
//!
//! Voices put lines and spans into a bounded queue and never wait: when it is full, they are lost
//! and counted. While a delivery is under way, the next batch is gathered.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::sink::Sink;
use super::{Gauge, Identity, Line, Span};
use crate::clock::Clock;
use crate::truth::Passages;

/// How long something waits for company.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// A batch is delivered at once when it has so many lines and spans; none has more.
pub const FULL: usize = 4_096;

/// How long what is left may take after the stop; the rest is dropped and counted.
pub const GRACE: Duration = Duration::from_secs(10);

/// What a voice hands over.
#[derive(Debug)]
pub(crate) struct Item {
    identity: Arc<Identity>,
    clock_offset: i64,
    what: What,
}

#[derive(Debug)]
enum What {
    Line(Line),
    Span(Span),
    Gauge(Gauge),
}

/// Where voices speak into.
#[derive(Clone, Debug)]
pub struct Handle {
    queue: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
    passages: Option<Arc<Passages>>,
}

impl Handle {
    pub(crate) fn line(&self, identity: &Arc<Identity>, clock_offset: i64, line: Line) {
        self.put(identity, clock_offset, What::Line(line));
    }

    pub(crate) fn span(&self, identity: &Arc<Identity>, clock_offset: i64, span: Span) {
        self.put(identity, clock_offset, What::Span(span));
    }

    pub(crate) fn gauge(&self, identity: &Arc<Identity>, clock_offset: i64, gauge: Gauge) {
        self.put(identity, clock_offset, What::Gauge(gauge));
    }

    fn put(&self, identity: &Arc<Identity>, clock_offset: i64, what: What) {
        let identity = Arc::clone(identity);
        let item = Item {
            identity,
            clock_offset,
            what,
        };
        if self.queue.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where it is written down what each request really passed, if anyone wants to know.
    pub(crate) fn passages(&self) -> Option<&Arc<Passages>> {
        self.passages.as_ref()
    }

    /// Lines, spans and readings that were lost because the queue was full, or the collector had stopped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

pub struct Collector {
    environment: String,
    sink: Arc<dyn Sink>,
    clock: Clock,
    queue: mpsc::Receiver<Item>,
    handle: Handle,
    patience: Duration,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Collector {
    /// `capacity`: how many lines and spans wait at most, beside a batch of [`FULL`].
    pub fn new(
        environment: impl Into<String>,
        sink: Arc<dyn Sink>,
        clock: Clock,
        capacity: usize,
    ) -> Collector {
        let (sender, queue) = mpsc::channel(capacity.max(1));
        let passages = sink.passages();
        Collector {
            environment: environment.into(),
            sink,
            clock,
            queue,
            handle: Handle {
                queue: sender,
                dropped: Arc::default(),
                passages,
            },
            patience: PATIENCE,
        }
    }

    /// Instead of [`PATIENCE`].
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Collector {
        self.patience = patience;
        self
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Until `stop`; then what was said before is still delivered, for [`GRACE`] at most. Voices
    /// may outlive it: what they say afterwards counts as dropped.
    pub async fn run(self, stop: CancellationToken) {
        let Collector {
            environment,
            sink,
            clock,
            mut queue,
            handle,
            patience,
        } = self;
        let mut batch = Batch::default();
        let mut taken = Vec::with_capacity(FULL);
        // When the batch must go, though it is not full.
        let mut due: Option<Instant> = None;
        let mut delivery: Option<BoxFuture<'_, ()>> = None;
        let mut under_way = 0;
        loop {
            let room = FULL - batch.len();
            let is_due = due.is_some() && delivery.is_none();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = finished(&mut delivery) => {
                    delivery = None;
                    under_way = 0;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if is_due => {
                    under_way = batch.len();
                    delivery = Some(sink.deliver(batch.take()));
                    due = None;
                }
                _ = queue.recv_many(&mut taken, room), if room > 0 => {
                    batch.extend(taken.drain(..));
                    due = due.or_else(|| Some(Instant::now() + patience));
                }
            }
            if batch.len() >= FULL && delivery.is_none() {
                under_way = batch.len();
                delivery = Some(sink.deliver(batch.take()));
                due = None;
            }
        }
        queue.close();
        let rest = async {
            if let Some(last) = delivery {
                last.await;
                under_way = 0;
            }
            while queue.recv_many(&mut taken, FULL - batch.len()).await > 0 || batch.len() > 0 {
                batch.extend(taken.drain(..));
                under_way = batch.len();
                sink.deliver(batch.take()).await;
                under_way = 0;
            }
        };
        if timeout(GRACE, rest).await.is_err() {
            let lost = under_way + batch.len() + queue.len();
            handle.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        }
        let dropped = handle.dropped();
        if dropped > 0 {
            tracing::warn!(environment, dropped, at = %clock.now(), "telemetry was dropped");
        }
    }
}

/// When the delivery is; never when there is none.
async fn finished(delivery: &mut Option<BoxFuture<'_, ()>>) {
    match delivery {
        Some(delivery) => delivery.await,
        None => std::future::pending().await,
    }
}
