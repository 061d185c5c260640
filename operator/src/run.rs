//! The operator as a running thing: tasks, channels between them, and how they end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use monitor_api::{Change, Configuration};
use operator_meta::decision::Mode;
use operator_meta::facts::ClusterFacts;
use operator_meta::identity::IdentityOptions;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::{Onboard, Settings};
use crate::chaos;
use crate::effect::{Done, Effect, Task, Told};
use crate::injected::find::{self, Finding};
use crate::keeper::{Input, Keeper, KeeperSettings, Polled};
use crate::lease::{self, Election};
use crate::link::{self, Link};
use crate::metrics::Metrics;
use crate::perform::perform;
use crate::publish;
use crate::serve::{self, Health};
use crate::table::Scope;
use crate::watch::{self as watches, watched};

/// Events of watches and answers that wait; who sends more waits too.
const INPUTS: usize = 1_024;
/// Taken in before anything is decided again: a burst is one thing to think about.
const AT_A_TIME: usize = 512;
/// Events for people that wait to be published; more are dropped and counted.
const TOLD: usize = 1_024;
/// Changes that wait for the monitor: an hour of a busy cluster.
const CHANGES: usize = 8_192;
/// The deciding task comes round this often, whatever happens.
const ROUND: Duration = Duration::from_secs(1);

/// The only source of the time of day.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A running operator. Stopping it gives the lease back.
#[derive(Debug)]
pub struct Running {
    /// Where metrics and health are served.
    pub http: SocketAddr,
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: CancellationToken,
    election: CancellationToken,
}

impl Running {
    /// Waits until a part ends, which none should.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} ended by itself"),
            Some(Ok((name, Err(error)))) => error.context(format!("{name} failed")),
            Some(Err(error)) => anyhow::Error::new(error).context("a part of the operator failed"),
            None => anyhow::anyhow!("the operator has no parts"),
        }
    }

    /// Ends all parts where they are, as a crash would: for tests of what comes after one.
    pub fn abort(mut self) {
        self.tasks.abort_all();
    }

    /// Ends all parts: first what writes, then the lease is given back.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let rest = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::warn!(name, %error, "ended with an error");
                }
            }
        };
        self.election.cancel();
        rest.await;
    }
}

/// Starts everything.
///
/// # Errors
///
/// When the address for metrics cannot be listened on.
pub async fn start(settings: Settings, client: Client, clock: Clock) -> anyhow::Result<Running> {
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {} (--listen)", settings.listen))?;
    let http = listener.local_addr()?;
    let metrics = Metrics::new().context("metrics cannot be registered")?;
    let health = Arc::new(Health::new());
    let stop = CancellationToken::new();
    let election = CancellationToken::new();
    let mut tasks = JoinSet::new();

    let (inputs, received) = mpsc::channel(INPUTS);
    let namespaced = !settings.namespaces.is_empty();
    let scopes: Vec<Scope> = match namespaced {
        true => settings.namespaces.iter().cloned().map(Some).collect(),
        false => vec![None],
    };
    for kind in watched(namespaced) {
        for scope in &scopes {
            let watch = watches::run(
                client.clone(),
                kind,
                scope.clone(),
                inputs.clone(),
                metrics.clone(),
                stop.clone(),
            );
            tasks.spawn(named("a watch", watch));
        }
    }

    let finding = Finding {
        inputs: inputs.clone(),
        metrics: metrics.clone(),
        scopes: scopes.clone(),
        every: settings.injected_every,
    };
    let finding = find::run(client.clone(), finding, stop.clone());
    tasks.spawn(named("other tools' faults", finding));

    let (leads, leading) = watch::channel(false);
    let holding = lease::run(
        Election {
            client: client.clone(),
            namespace: settings.own_namespace.clone(),
            name: settings.lease.clone(),
            me: settings.identity.clone(),
            times: settings.lease_times,
        },
        {
            let clock = Arc::clone(&clock);
            move || clock()
        },
        leads,
        election.clone(),
    );
    tasks.spawn(named("the election", holding));

    let source = source(&settings);
    let token = settings.monitor_token.as_deref();
    let link = Link {
        client: monitor_api::Client::new(&settings.monitor_url, token)?,
        source: source.clone(),
        inputs: inputs.clone(),
        metrics: metrics.clone(),
        stop: stop.clone(),
        numbers_every: settings.numbers_every,
        away_after: settings.away_after,
        seed: settings.seed,
    };
    let (says, in_force) = watch::channel(None);
    let (puts, put) = watch::channel(None);
    let (wishes, wish) = watch::channel(None);
    let (changes, passed) = mpsc::channel(CHANGES);
    tasks.spawn(named("the question", link::listen(link.clone(), says, put)));
    tasks.spawn(named(
        "the wish",
        link::tell(link.clone(), wish, in_force, puts),
    ));
    tasks.spawn(named("the changes", link::post(link, passed)));

    let reporter = Reporter {
        controller: "crosswatch-operator".to_owned(),
        instance: Some(settings.identity.clone()),
    };
    let recorder = Recorder::new(client.clone(), reporter);
    let (told, telling) = mpsc::channel(TOLD);
    let publishing = publish::run(recorder, telling, metrics.clone(), stop.clone());
    tasks.spawn(named("the events", publishing));

    let context = chaos::Context {
        client: client.clone(),
        monitor: monitor_api::Client::new(&settings.monitor_url, token)?,
        http: reqwest::Client::new(),
        namespaces: settings.namespaces.clone(),
        leading: leading.clone(),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        found: Arc::default(),
    };
    for scope in scopes.clone() {
        let looking = chaos::run(context.clone(), scope, stop.clone());
        tasks.spawn(named("the experiments", looking));
    }

    let keeper = Keeper::new(
        KeeperSettings {
            cluster: ClusterFacts {
                name: settings.cluster_name.clone(),
                uid: None,
            },
            mode: match settings.onboard {
                Onboard::OptOut => Mode::OptOut,
                Onboard::OptIn => Mode::OptIn,
            },
            identity: IdentityOptions {
                well_known_labels: settings.well_known_labels,
            },
            monitor: settings.monitor_url.clone(),
            source,
            namespace: settings.own_namespace.clone(),
            watched: watched(namespaced),
            scopes: scopes.len(),
            seed: settings.seed,
        },
        clock(),
    );
    let deciding = Deciding {
        keeper,
        client,
        clock,
        metrics: metrics.clone(),
        health: Arc::clone(&health),
        wishes,
        changes,
        told,
        stop: stop.clone(),
    };
    tasks.spawn(named("the deciding task", deciding.run(received, leading)));
    let serving = serve::run(listener, health, metrics, stop.clone());
    tasks.spawn(async move { ("the server of metrics", serving.await.map_err(Into::into)) });
    Ok(Running {
        http,
        tasks,
        stop,
        election,
    })
}

async fn named(
    name: &'static str,
    task: impl Future<Output = ()>,
) -> (&'static str, anyhow::Result<()>) {
    task.await;
    (name, Ok(()))
}

/// Several clusters may share a monitor: each has a wish of its own.
fn source(settings: &Settings) -> String {
    match &settings.cluster_name {
        Some(name) => format!("kubernetes-{name}"),
        None => "kubernetes".to_owned(),
    }
}

/// The task that owns what is known.
struct Deciding {
    keeper: Keeper,
    client: Client,
    clock: Clock,
    metrics: Metrics,
    health: Arc<Health>,
    wishes: watch::Sender<Option<Arc<Configuration>>>,
    changes: mpsc::Sender<Change>,
    told: mpsc::Sender<Told>,
    stop: CancellationToken,
}

type Writes = JoinSet<(Done, f64)>;

impl Deciding {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut leading: watch::Receiver<bool>) {
        let mut writes: Writes = JoinSet::new();
        let mut taken = Vec::with_capacity(AT_A_TIME);
        let mut dropped = 0;
        loop {
            let now = (self.clock)();
            let polled = self.keeper.poll(now);
            self.act(polled, &mut writes);
            let counts = self.keeper.counts();
            self.metrics.counts(counts, self.keeper.is_synced());
            let lost = counts.changes_dropped - dropped;
            self.metrics.dropped("changes", "full", lost);
            dropped = counts.changes_dropped;
            self.health.came_round(self.keeper.is_synced());

            let wake = self.keeper.next_at().map(|at| at.duration_since(now));
            let wake = wake.and_then(|wait| Duration::try_from(wait).ok());
            let wake = Instant::now() + wake.unwrap_or(ROUND).min(ROUND);
            tokio::select! {
                // Losing the lease comes before everything else.
                biased;
                () = self.stop.cancelled() => break,
                changed = leading.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let leads = *leading.borrow_and_update();
                    self.metrics.leading(leads);
                    if !leads {
                        self.wishes.send_replace(None);
                    }
                    self.keeper.handle(Input::Leading(leads), (self.clock)());
                }
                Some(done) = writes.join_next(), if !writes.is_empty() => {
                    self.finished(done);
                    while let Some(done) = writes.try_join_next() {
                        self.finished(done);
                    }
                }
                received = inputs.recv_many(&mut taken, AT_A_TIME) => {
                    if received == 0 {
                        break;
                    }
                    let now = (self.clock)();
                    for input in taken.drain(..) {
                        self.keeper.handle(input, now);
                    }
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        // What is under way is finished, so that its outcome is not in doubt.
        while writes.join_next().await.is_some() {}
    }

    fn act(&mut self, polled: Polled, writes: &mut Writes) {
        for (task, effect) in polled.effects {
            writes.spawn(write(self.client.clone(), task, effect));
        }
        if let Some(wish) = polled.wish {
            self.wishes.send_replace(Some(wish));
        }
        for change in polled.changes {
            tracing::info!(id = change.id, summary = change.summary, "change");
            if self.changes.try_send(change).is_err() {
                self.metrics.dropped("changes", "full", 1);
            }
        }
        for told in polled.told {
            let notice = &told.notice;
            tracing::info!(about = %told.key, reason = notice.reason, note = notice.note, "event");
            if self.told.try_send(told).is_err() {
                self.metrics.dropped("events", "full", 1);
            }
        }
    }

    fn finished(&mut self, done: Result<(Done, f64), tokio::task::JoinError>) {
        // A write does nothing that can panic, and nobody aborts one.
        let Ok((done, seconds)) = done else {
            tracing::error!("a write ended without an outcome");
            return;
        };
        let failed = done.outcome.as_ref().err();
        if let Some(failure) = failed {
            let (reason, why) = (failure.reason, &failure.message);
            tracing::warn!(task = ?done.task, ?reason, why, "a write came to nothing");
        }
        self.metrics
            .done(&done.task, seconds, failed.map(|it| it.reason));
        self.keeper.handle(Input::Done(done), (self.clock)());
    }
}

async fn write(client: Client, task: Task, effect: Effect) -> (Done, f64) {
    let begun = Instant::now();
    let outcome = perform(&client, effect).await;
    (Done { task, outcome }, begun.elapsed().as_secs_f64())
}
