//! The link to the monitor: asks what it sees, tells it the wish, passes changes on.
//!
//! Three tasks, each with one request under way at most, and pauses that grow while the monitor
//! does not answer: an absence of any length costs a request in half a minute, and ends without
//! anybody's help.

use std::sync::Arc;
use std::time::Duration;

use monitor_api::{Change, Client, ClientError, Configuration, Workloads, WorkloadsQuery};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::keeper::Input;
use crate::metrics::Metrics;
use crate::monitor::MonitorEvent;
use crate::perform::chain;

/// The monitor answers a question that waits for news after this long at the latest.
const WAIT: Duration = Duration::from_secs(25);
/// And any other within this.
const ANSWER: Duration = Duration::from_secs(10);
/// News that come in a row are asked for no more often than this.
const BREATH: Duration = Duration::from_millis(100);
/// The wish is put again after this, when the monitor has another one though it took ours: somebody
/// else puts one under the same name.
const CONTESTED: Duration = Duration::from_secs(30);
/// In one request.
const CHANGES_AT_ONCE: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the three tasks share.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    /// The name under which the wish is put.
    pub(crate) source: String,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) numbers_every: Duration,
    pub(crate) away_after: Duration,
    pub(crate) seed: u64,
}

/// What the monitor said last about our wish, to a question begun at this time.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    asked: Instant,
    revision: Option<String>,
}

/// What it took last.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    done: Instant,
    revision: String,
}

/// Pauses between attempts, each twice as long as the one before.
#[derive(Debug)]
struct Pauses {
    next: Duration,
    random: StdRng,
}

impl Pauses {
    fn new(seed: u64) -> Pauses {
        Pauses {
            next: FIRST_PAUSE,
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(0.75 + 0.5 * self.random.random::<f64>())
    }
}

/// Asks what the monitor sees, for ever.
pub(crate) async fn listen(
    link: Link,
    in_force: watch::Sender<Option<InForce>>,
    put: watch::Receiver<Option<Put>>,
) {
    let mut pauses = Pauses::new(link.seed ^ 1);
    let mut cursor: Option<String> = None;
    let mut whole_at = Instant::now();
    let mut silent_since: Option<Instant> = None;
    loop {
        let asked = Instant::now();
        let whole = cursor.is_none() || asked >= whole_at;
        let left = whole_at.saturating_duration_since(asked).min(WAIT);
        let query = WorkloadsQuery {
            after: cursor.clone().filter(|_| !whole),
            wait_seconds: (!whole).then(|| left.as_secs().max(1)),
            ..WorkloadsQuery::default()
        };
        let patience = if whole { ANSWER } else { left + ANSWER };
        let answer = tokio::select! {
            () = link.stop.cancelled() => return,
            answer = within(patience, link.client.workloads(&query)) => answer,
        };
        match answer {
            Ok(answer) => {
                link.metrics.monitor("workloads", true);
                pauses.reset();
                if silent_since.take().is_some() {
                    tracing::info!("the monitor answers again");
                }
                if whole {
                    whole_at = Instant::now() + link.numbers_every;
                }
                cursor = Some(answer.cursor.clone());
                let answer = with_last_put(answer, &link.source, asked, &put);
                let revision = answer.configurations.get(&link.source).cloned();
                in_force.send_replace(Some(InForce { asked, revision }));
                let event = MonitorEvent::Seen(answer);
                if link.inputs.send(Input::Monitor(event)).await.is_err() {
                    return;
                }
                if pause(&link.stop, BREATH).await {
                    return;
                }
            }
            Err(why) => {
                link.metrics.monitor("workloads", false);
                // Everything again when it is back, whatever happened to it.
                cursor = None;
                let since = *silent_since.get_or_insert_with(|| {
                    tracing::warn!(%why, "the monitor does not answer; asking on");
                    asked
                });
                if since.elapsed() >= link.away_after {
                    let event = Input::Monitor(MonitorEvent::Away(why));
                    if link.inputs.send(event).await.is_err() {
                        return;
                    }
                }
                let soon = link.away_after.saturating_sub(since.elapsed());
                let next = pauses.next();
                // Not being there is noticed on time, however long the pauses have become.
                let next = if soon.is_zero() { next } else { next.min(soon) };
                if pause(&link.stop, next).await {
                    return;
                }
            }
        }
    }
}

/// An answer to a question from before the last put knows nothing of it.
fn with_last_put(
    mut answer: Workloads,
    source: &str,
    asked: Instant,
    put: &watch::Receiver<Option<Put>>,
) -> Workloads {
    if let Some(put) = put.borrow().as_ref().filter(|put| put.done >= asked) {
        let revision = put.revision.clone();
        answer.configurations.insert(source.to_owned(), revision);
    }
    answer
}

/// Puts the wish whenever the monitor has another one.
pub(crate) async fn tell(
    link: Link,
    mut wish: watch::Receiver<Option<Arc<Configuration>>>,
    mut in_force: watch::Receiver<Option<InForce>>,
    put: watch::Sender<Option<Put>>,
) {
    let mut pauses = Pauses::new(link.seed ^ 2);
    loop {
        let wanted = wish.borrow_and_update().clone();
        let has = in_force.borrow_and_update().clone();
        let last = put.borrow().clone();
        let step = match (&wanted, &has) {
            (Some(wanted), Some(has)) => step(&wanted.revision, has, last.as_ref()),
            _ => Step::Wait(None),
        };
        match (step, wanted) {
            (Step::Put, Some(wanted)) => {
                let attempt = link.client.put_configuration(&link.source, &wanted);
                let outcome = tokio::select! {
                    () = link.stop.cancelled() => return,
                    outcome = within(ANSWER, attempt) => outcome,
                };
                link.metrics.monitor("configuration", outcome.is_ok());
                match outcome {
                    Ok(outcome) => {
                        pauses.reset();
                        for refusal in &outcome.refused {
                            tracing::warn!(
                                part = refusal.part,
                                name = refusal.name,
                                reason = refusal.reason,
                                "the monitor refused a setting"
                            );
                        }
                        put.send_replace(Some(Put {
                            done: Instant::now(),
                            revision: wanted.revision.clone(),
                        }));
                        let event = Input::Monitor(MonitorEvent::Told(outcome));
                        if link.inputs.send(event).await.is_err() {
                            return;
                        }
                    }
                    Err(why) => {
                        tracing::debug!(%why, "the wish could not be put");
                        if pause(&link.stop, pauses.next()).await {
                            return;
                        }
                    }
                }
            }
            (step, _) => {
                let until = match step {
                    Step::Wait(until) => until,
                    Step::Put => None,
                };
                tokio::select! {
                    () = link.stop.cancelled() => return,
                    changed = wish.changed() => if changed.is_err() { return },
                    changed = in_force.changed() => if changed.is_err() { return },
                    () = until_or_never(until) => {}
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Put,
    /// For news, and no longer than until then.
    Wait(Option<Instant>),
}

fn step(wanted: &str, has: &InForce, last: Option<&Put>) -> Step {
    if has.revision.as_deref() == Some(wanted) {
        return Step::Wait(None);
    }
    match last {
        Some(last) if last.revision == wanted => {
            if last.done >= has.asked {
                // What it said is older than what it took.
                return Step::Wait(None);
            }
            let again = last.done + CONTESTED;
            // A monitor that started anew without its settings gets them at once.
            if has.revision.is_none() || Instant::now() >= again {
                Step::Put
            } else {
                Step::Wait(Some(again))
            }
        }
        _ => Step::Put,
    }
}

/// Passes changes on, in batches, in their order; they wait while the monitor is away.
pub(crate) async fn post(link: Link, mut changes: mpsc::Receiver<Change>) {
    let mut pauses = Pauses::new(link.seed ^ 3);
    let mut batch: Vec<Change> = Vec::new();
    loop {
        if batch.is_empty() {
            let received = tokio::select! {
                () = link.stop.cancelled() => return,
                received = changes.recv_many(&mut batch, CHANGES_AT_ONCE) => received,
            };
            if received == 0 {
                return;
            }
        }
        let outcome = tokio::select! {
            () = link.stop.cancelled() => return,
            outcome = within(ANSWER, link.client.post_changes(&batch)) => outcome,
        };
        link.metrics.monitor("changes", outcome.is_ok());
        match outcome {
            Ok(outcome) => {
                pauses.reset();
                for refusal in &outcome.refused {
                    let reason = &refusal.reason;
                    tracing::warn!(id = refusal.id, reason, "the monitor refused a change");
                }
                let refused = outcome.refused.len() as u64;
                link.metrics.dropped("changes", "refused", refused);
                batch.clear();
            }
            Err(why) => {
                tracing::debug!(%why, "changes wait for the monitor");
                if pause(&link.stop, pauses.next()).await {
                    return;
                }
            }
        }
    }
}

async fn within<T>(
    longest: Duration,
    asking: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, String> {
    match timeout(longest, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!(
            "the monitor did not answer within {} s",
            longest.as_secs()
        )),
    }
}

/// True when it is time to stop.
async fn pause(stop: &CancellationToken, length: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = sleep(length) => false,
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
