//! How a replica hears from its control what is on, and tells it what that did.
//!
//! It reads one long answer, line by line, and asks again when that ends. A replica needs no
//! control: without one it serves as on any day. One that has gone is waited for a while, then all
//! its changes are off, so that no fault outlives who could end it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::words::{Line, Report, Touched};
use crate::change::{Conditions, Touch};

/// The control says something at least every [`super::ALIVE`].
const SILENCE: Duration = Duration::from_secs(10);
/// Between attempts: from the first to the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// For a report.
const PATIENCE: Duration = Duration::from_secs(2);
/// A line is all that is on; a megabyte of that is a mistake.
const LONGEST_LINE: usize = 1 << 20;

/// What a replica knows from its control.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Its number in its service; none as long as nobody has said it.
    pub(super) number: Option<u32>,
    pub(super) conditions: Arc<Conditions>,
    /// Whether the control is there.
    pub(super) connected: bool,
    /// As it was said last; it is said again and again.
    line: Option<Line>,
}

/// One replica's link to its control.
#[derive(Debug)]
pub(super) struct Follower {
    client: Client,
    follow: Url,
    report: Url,
    /// How long changes stay on without anyone who could end them.
    forget: Duration,
    heard: watch::Sender<Heard>,
    ledger: Ledger,
}

/// The touches of all changes whose effects have not been told to the end.
#[derive(Debug, Default)]
struct Ledger(Mutex<BTreeMap<u64, Kept>>);

#[derive(Debug, Default)]
struct Kept {
    touch: Arc<Touch>,
    /// It is off.
    over: bool,
}

impl Follower {
    /// `control` is a base address such as `http://control.mesh:7070`.
    ///
    /// # Errors
    ///
    /// When that is no HTTP address.
    pub(super) fn new(
        control: &Url,
        service: &str,
        pod: &str,
        forget: Duration,
    ) -> anyhow::Result<Follower> {
        let at = |path| control.join(path);
        let mut follow = at("follow")?;
        follow
            .query_pairs_mut()
            .append_pair("service", service)
            .append_pair("pod", pod);
        Ok(Follower {
            client: Client::builder().no_proxy().build()?,
            report: at("report")?,
            follow,
            forget,
            heard: watch::Sender::default(),
            ledger: Ledger::default(),
        })
    }

    pub(super) fn heard(&self) -> watch::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// Follows until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let following = async {
            let [first, longest] = PAUSES;
            let (mut pause, mut forget) = (first, Instant::now());
            loop {
                if self.listen().await {
                    (pause, forget) = (first, Instant::now() + self.forget);
                }
                self.heard
                    .send_if_modified(|heard| std::mem::take(&mut heard.connected));
                if Instant::now() >= forget {
                    self.forget();
                }
                // Wakes to forget in time.
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        };
        // It only ends when it is stopped.
        let _: Option<()> = stop.run_until_cancelled(following).await;
    }

    /// One long answer, to its end. Whether anything was heard.
    async fn listen(&self) -> bool {
        let request = self.client.get(self.follow.clone()).send();
        let Ok(Ok(answer)) = timeout(SILENCE, request).await else {
            return false;
        };
        if !answer.status().is_success() {
            return false;
        }
        let mut chunks = answer.bytes_stream();
        let (mut rest, mut heard) = (Vec::new(), false);
        loop {
            let due = Instant::now() + SILENCE;
            let Ok(Some(Ok(chunk))) = timeout_at(due, chunks.next()).await else {
                return heard;
            };
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                // Of a control of another version that says something else.
                let Ok(line) = serde_json::from_slice::<Line>(&line) else {
                    return heard;
                };
                heard = true;
                self.take(&line);
            }
            if rest.len() > LONGEST_LINE {
                return heard;
            }
        }
    }

    fn take(&self, line: &Line) {
        let conditions = self.ledger.follow(line);
        self.heard.send_if_modified(|heard| {
            let same = heard.connected && heard.line.as_ref() == Some(line);
            if !same {
                *heard = Heard {
                    number: Some(line.number),
                    conditions: Arc::new(conditions),
                    connected: true,
                    line: Some(line.clone()),
                };
            }
            !same
        });
    }

    /// Nobody is there who could end what is on.
    fn forget(&self) {
        self.ledger.all_over();
        self.heard.send_if_modified(|heard| {
            let any = !heard.conditions.0.is_empty();
            if any {
                heard.conditions = Arc::default();
                heard.line = None;
            }
            any
        });
    }

    /// Tells what it did; `of` makes the rest of the report. What was not taken is told again with
    /// the next one.
    pub(super) async fn report(&self, of: impl FnOnce(Vec<Touched>) -> Report) {
        let (touched, over) = self.ledger.read();
        let request = self.client.post(self.report.clone()).json(&of(touched));
        let answer = timeout(PATIENCE, request.send()).await;
        if let Ok(Ok(answer)) = answer
            && answer.status().is_success()
        {
            self.ledger.forget(&over);
        }
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, line: &Line) -> Conditions {
        let mut kept = self.lock();
        for kept in kept.values_mut() {
            kept.over = true;
        }
        line.conditions(|id| {
            let kept = kept.entry(id).or_default();
            kept.over = false;
            Arc::clone(&kept.touch)
        })
    }

    fn all_over(&self) {
        for kept in self.lock().values_mut() {
            kept.over = true;
        }
    }

    /// What each change did, and those of which no more will come.
    fn read(&self) -> (Vec<Touched>, Vec<u64>) {
        let kept = self.lock();
        let touched = kept.iter().filter_map(|(id, kept)| {
            Some(Touched {
                id: *id,
                first: kept.touch.first()?,
                last: kept.touch.last()?,
                count: kept.touch.count(),
            })
        });
        let over = kept.iter().filter(|(_, kept)| kept.over);
        (touched.collect(), over.map(|(id, _)| *id).collect())
    }

    fn forget(&self, ids: &[u64]) {
        self.lock()
            .retain(|id, kept| !(kept.over && ids.contains(id)));
    }
}
