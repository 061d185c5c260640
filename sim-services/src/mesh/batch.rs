//! The nightly work of an environment: statements beside the requests, at a time of day.
//!
//! Run by the first replica of the service that it concerns, as by its host's cron.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::windows;
use crate::clock::{Clock, Moment};
use crate::random::Dice;
use crate::service::Replica;
use crate::telemetry::voice::Voice;
use crate::telemetry::{Ids, LogEvent, Message};
use crate::topology::{BatchSpec, Level};

/// Statements at once; when they take so long that there would be more, the batch falls behind.
const AT_ONCE: usize = 32;

pub(super) struct Batch {
    pub(super) spec: BatchSpec,
    pub(super) replica: Arc<Replica>,
    pub(super) voice: Voice,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
}

impl Batch {
    /// Every night until `stop`. One that is under way when this begins is taken up.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let (begins, ends) = windows::next(&self.spec.window, self.clock.now());
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep_until(self.clock.instant(begins)) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.night(ends) => {}
            }
        }
    }

    async fn night(&mut self, ends: Moment) {
        self.say(format!("nightly batch on {} started", self.spec.store));
        let mut under_way = JoinSet::new();
        let (mut done, mut failed) = (0_u64, 0_u64);
        let mut settle = |result| match result {
            Ok(Ok(())) => done += 1,
            // One that panicked has failed as well.
            Ok(Err(_)) | Err(_) => failed += 1,
        };
        loop {
            sleep(self.dice.gap(self.spec.per_second)).await;
            if self.clock.now() >= ends {
                break;
            }
            while let Some(result) = under_way.try_join_next() {
                settle(result);
            }
            if under_way.len() >= AT_ONCE
                && let Some(result) = under_way.join_next().await
            {
                settle(result);
            }
            let (replica, store) = (Arc::clone(&self.replica), self.spec.store.clone());
            under_way.spawn(async move { replica.batch(&store).await });
        }
        while let Some(result) = under_way.join_next().await {
            settle(result);
        }
        let store = &self.spec.store;
        self.say(format!(
            "nightly batch on {store} finished: {done} statements, {failed} failed"
        ));
    }

    fn say(&self, text: String) {
        self.voice.log(LogEvent::Message(Message {
            ids: Ids::default(),
            level: Level::Info,
            logger: "NightlyBatch",
            text,
            fields: Vec::new(),
            error: None,
        }));
    }
}
