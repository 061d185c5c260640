//! The worker thread: what is safe on disk becomes records, signals, anomalies and alerts.
//!
//! Owns the [`Heart`]. Hands records to the index thread and publishes what people look at. Blocks
//! when the index is behind, which fills the queue behind it, which refuses senders: nothing is
//! dropped on the way.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use monitor_core::{Alert, Change, IngestView, Observation, ProbeView, Settings, Time, View};
use monitor_engine::Effect;
use monitor_serve::{Clock, LiveEvent};
use monitor_store::Seq;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::clock::is_due;
use crate::heart::Heart;
use crate::indexer::{IndexWork, Uncommitted};
use crate::intake::{Logged, Redactions};
use crate::metrics::Metrics;

/// How long nothing may come before the clock, and not a batch, says what time it is.
const IDLE: Duration = Duration::from_millis(250);
/// How often new records are made searchable. A commit takes some tens of milliseconds, and a record
/// is to be found within a second.
const COMMIT: Duration = Duration::from_millis(400);
/// How often the views are renewed: faster than people read, slower than it costs anything.
const PUBLISH: Duration = Duration::from_millis(1_000);
/// A workload that is heard for the first time is shown sooner: someone waits for that.
const PUBLISH_NEWS: Duration = Duration::from_millis(100);
/// Templates and streams change slowly and their list is long.
const PUBLISH_INGEST: Duration = Duration::from_secs(5);
/// How often the learned state is saved. A restart replays what came since from the log.
const SNAPSHOT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) enum Work {
    Batch(Box<Logged>),
    /// Something was done to the platform; says of each change whether it is new.
    Note {
        changes: Vec<Change>,
        told: oneshot::Sender<Vec<bool>>,
    },
    /// Someone looks after the models.
    Ask(Question),
    /// Save what is learned and end.
    Stop,
}

/// Asked of the heart between two batches: its answer goes its own way, what has to be told is
/// returned. To be quick, for nothing else is done meanwhile.
pub(crate) struct Question(pub(crate) Box<Answering>);

type Answering = dyn FnOnce(&mut Heart) -> Vec<Effect> + Send;

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// Where the worker's results go.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) index: SyncSender<IndexWork>,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) ingest: watch::Sender<Arc<IngestView>>,
    pub(crate) live: broadcast::Sender<LiveEvent>,
    pub(crate) alerts: mpsc::Sender<Alert>,
    pub(crate) metrics: Metrics,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) heart: Heart,
    pub(crate) outlets: Outlets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redactions: Redactions,
    /// What others want, as it is in force.
    pub(crate) settings: watch::Receiver<Arc<Settings>>,
    /// What came of the last probes.
    pub(crate) probes: watch::Receiver<Arc<Vec<ProbeView>>>,
    /// The newest batch the heart has taken.
    pub(crate) newest: Option<Seq>,
}

impl Worker {
    /// Runs until told to stop, or until all senders are gone. Returns early when the index thread
    /// has ended.
    pub(crate) fn run(mut self, work: &Receiver<Work>) {
        let start = self.clock.now();
        let (mut committed, mut saved) = (start, start);
        let (mut published, mut listed) = (Time::MIN, Time::MIN);
        let mut news = false;
        loop {
            let (stop, idle) = match work.recv_timeout(IDLE) {
                Ok(Work::Batch(logged)) => match self.batch(*logged) {
                    Ok(()) => (false, false),
                    Err(IndexGone) => return,
                },
                Ok(Work::Note { changes, told }) => {
                    let new = changes.into_iter().map(|change| self.heart.note(change));
                    // Whoever asked may have left.
                    let _gone = told.send(new.collect());
                    news = true;
                    (false, false)
                }
                Ok(Work::Ask(Question(ask))) => {
                    let effects = ask(&mut self.heart);
                    let effects = self.heart.worded(effects);
                    self.perform(effects);
                    news = true;
                    (false, false)
                }
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => (true, true),
                Err(RecvTimeoutError::Timeout) => (false, true),
            };
            if self.settings.has_changed().unwrap_or(false) {
                self.configure();
                news = true;
            }
            let now = self.clock.now();
            if idle {
                // Only now: with batches waiting, their own arrival tells the time, so that a
                // worker that is behind does not find them late.
                let effects = self.heart.tick(now);
                self.perform(effects);
            }
            if stop || is_due(now, committed, COMMIT) {
                committed = now;
                if self.outlets.index.send(IndexWork::Commit { now }).is_err() {
                    return;
                }
            }
            news |= self.heart.take_news();
            let pause = if news { PUBLISH_NEWS } else { PUBLISH };
            if stop || is_due(now, published, pause) {
                published = now;
                news = false;
                self.publish();
            }
            if stop || is_due(now, listed, PUBLISH_INGEST) {
                listed = now;
                let mut view = self.heart.ingest_view();
                view.redactions = self.redactions.counts();
                self.outlets.ingest.send_replace(Arc::new(view));
            }
            if stop || is_due(now, saved, SNAPSHOT) {
                saved = now;
                if self.save().is_err() {
                    return;
                }
            }
            if stop {
                return;
            }
        }
    }

    /// Takes over what is wanted now.
    pub(crate) fn configure(&mut self) {
        let settings = Arc::clone(&self.settings.borrow_and_update());
        self.heart.configure(&settings);
    }

    /// One batch: judged up to its arrival, then understood, indexed and shown.
    pub(crate) fn batch(&mut self, logged: Logged) -> Result<(), IndexGone> {
        let Logged { seq, batch, memory } = logged;
        let effects = self.heart.tick(batch.received);
        self.perform(effects);
        let (records, observations) = self.heart.take(batch);
        self.newest = Some(seq);
        if self.outlets.live.receiver_count() > 0 {
            for observation in observations {
                if let Observation::Call(call) = observation {
                    // No receiver is left when this fails, which is nobody's loss.
                    drop(self.outlets.live.send(LiveEvent::Call(call)));
                }
            }
        }
        self.outlets
            .metrics
            .records_indexed
            .inc_by(records.len() as u64);
        self.outlets
            .index
            .send(IndexWork::Records(Uncommitted {
                seq,
                records,
                _memory: memory,
            }))
            .map_err(|_| IndexGone)
    }

    /// Shows the state of everything to all who look.
    pub(crate) fn publish(&self) {
        let mut view = self.heart.view();
        view.probes = Arc::clone(&self.probes.borrow());
        self.outlets.view.send_replace(Arc::new(view));
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::AnomalyOpened(anomaly)
                | Effect::AnomalyUpdated(anomaly)
                | Effect::AnomalyClosed(anomaly) => {
                    drop(self.outlets.live.send(LiveEvent::Anomaly(anomaly)));
                }
                Effect::IncidentOpened(incident)
                | Effect::IncidentUpdated(incident)
                | Effect::IncidentClosed(incident) => {
                    drop(self.outlets.live.send(LiveEvent::Incident(incident)));
                }
                Effect::Alert(alert) => {
                    drop(self.outlets.live.send(LiveEvent::Alert(alert.clone())));
                    self.notify(alert);
                }
                Effect::Resend(alert) => self.notify(alert),
                // The view has them.
                Effect::RiskOpened(_) | Effect::RiskUpdated(_) | Effect::RiskClosed(_) => {}
            }
        }
    }

    fn notify(&self, alert: Alert) {
        if self.outlets.alerts.try_send(alert).is_err() {
            self.outlets
                .metrics
                .alerts_dropped
                .with_label_values(&["notifier_behind"])
                .inc();
        }
    }

    /// The index thread writes the snapshot once it has committed all the records before it.
    fn save(&mut self) -> Result<(), IndexGone> {
        let Some(seq) = self.newest else {
            return Ok(());
        };
        match self.heart.snapshot() {
            Ok(bytes) => self
                .outlets
                .index
                .send(IndexWork::Snapshot { seq, bytes })
                .map_err(|_| IndexGone),
            Err(error) => {
                tracing::error!(error = %error, "cannot save what was learned");
                Ok(())
            }
        }
    }
}

/// The index thread has ended; so must the monitor.
#[derive(Debug)]
pub(crate) struct IndexGone;
