//! Takes messages from one queue for one replica, over the network, and has them worked on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::orders::mark;
use crate::broker::{Taken, read_taken, take_path};
use crate::change::Touch;
use crate::clock::Clock;
use crate::net::{Caller, Request};
use crate::service::{Message, Replica};
use crate::telemetry::voice::Voice;
use crate::telemetry::{Ids, LogEvent};
use crate::topology::Level;

/// How long an answer may take; the broker itself waits up to a second for messages.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a failure, and between looks while it may not take anything.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages taken at once.
const BATCH: usize = 8;

pub(super) struct Consumer {
    pub(super) replica: Arc<Replica>,
    pub(super) caller: Arc<dyn Caller>,
    pub(super) voice: Voice,
    pub(super) clock: Clock,
    pub(super) queue: String,
    /// The service that holds it.
    pub(super) broker: String,
    /// Messages worked on at once.
    pub(super) concurrency: u32,
    /// Changes that say that nothing is taken; empty on a good day.
    pub(super) paused: watch::Receiver<Vec<Arc<Touch>>>,
}

impl Consumer {
    /// Until `stop`; what was taken is finished.
    pub(super) async fn run(self, stop: CancellationToken) {
        let consumer = Arc::new(self);
        let free = Arc::new(Semaphore::new(consumer.concurrency as usize));
        let mut working = JoinSet::new();
        consumer
            .take_and_hand_over(&free, &mut working, &stop)
            .await;
        while working.join_next().await.is_some() {}
    }

    /// A request for messages that is under way when it is to stop is awaited: what the broker has
    /// given out nobody else will get.
    async fn take_and_hand_over(
        self: &Arc<Self>,
        free: &Arc<Semaphore>,
        working: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) {
        loop {
            // Only as much as can be worked on at once.
            let room = stop.run_until_cancelled(Arc::clone(free).acquire_owned());
            let Some(Ok(first)) = room.await else { return };
            let others = std::iter::from_fn(|| Arc::clone(free).try_acquire_owned().ok());
            let room: Vec<OwnedSemaphorePermit> =
                std::iter::once(first).chain(others).take(BATCH).collect();
            if self.is_paused() {
                sleep(PAUSE).await;
                continue;
            }
            match self.take(room.len()).await {
                Ok(messages) => {
                    while working.try_join_next().is_some() {}
                    for (message, permit) in messages.into_iter().zip(room) {
                        working.spawn(Arc::clone(self).work_on(message, permit));
                    }
                }
                Err(why) => {
                    self.complain(&why);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn is_paused(&self) -> bool {
        let touches = self.paused.borrow();
        mark(&touches, self.clock.now());
        !touches.is_empty()
    }

    async fn take(&self, max: usize) -> Result<Vec<Taken>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("queue-client/2.4"));
        let request = Request {
            method: hyper::Method::POST,
            path: take_path(&self.queue, max),
            headers,
            body: Bytes::new(),
        };
        let reply = self.caller.call(&self.broker, request, PATIENCE).await;
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.status != 200 {
            return Err(format!("status {}", reply.status));
        }
        read_taken(&reply.body).map_err(|error| error.to_string())
    }

    async fn work_on(self: Arc<Self>, taken: Taken, _permit: OwnedSemaphorePermit) {
        let header = |(name, value): (&String, &String)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        let message = Message {
            id: taken.id.to_string(),
            headers: taken.headers.iter().filter_map(header).collect(),
            body: taken.body,
        };
        // The replica has said what failed; at most once means that nobody tries again.
        self.replica
            .consume(&self.queue, message)
            .await
            .unwrap_or_default();
    }

    fn complain(&self, why: &str) {
        if !self.voice.wants(Level::Warn) {
            return;
        }
        let (queue, broker) = (&self.queue, &self.broker);
        self.voice.log(LogEvent::Message(crate::telemetry::Message {
            ids: Ids::default(),
            level: Level::Warn,
            logger: "QueueClient",
            text: format!("cannot take messages of {queue} from {broker}, trying again: {why}"),
            fields: Vec::new(),
            error: None,
        }));
    }
}
