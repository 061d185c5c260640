//! Wiring: settings to tasks, and their end.
//!
//! ```text
//! files ── Follower (blocking pool) ──┐
//!                                     ├─ Parcel, bounded ─► Deliverer ─► monitor
//! pods/log streams (--from-api) ──────┘                        └─ spool, positions
//! API server ─► Index ─► watch<Snapshot> ─► KnownPods
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::Client;
use operator_meta::decision::Mode;
use operator_meta::identity::IdentityOptions;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::AgentArgs;
use crate::clock;
use crate::cluster::pods::{KnownPods, PodsOptions};
use crate::cluster::{self, Snapshot};
use crate::deliver::link::Link;
use crate::deliver::send::Sender;
use crate::deliver::spool::Spool;
use crate::deliver::{Deliverer, Parcel};
use crate::follow::positions::Positions;
use crate::follow::wake::{Happened, Wake};
use crate::follow::{Follower, Round};
use crate::from_api::budget::Budget;
use crate::from_api::{self, Streaming};
use crate::metrics::Metrics;
use crate::otlp;
use crate::serve;

/// Requests between reading and delivering: one is sent while the next is made.
const PARCELS: usize = 2;
/// Lines that come shortly after each other travel together.
const BATCH_DELAY: Duration = Duration::from_millis(200);
/// Notifications may be lost; whatever happens, files are looked at this often.
const RESCAN_EVERY: Duration = Duration::from_secs(5);
/// Where there are no notifications.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// A started agent.
#[derive(Debug)]
pub struct Running {
    /// Of `/metrics`, when it listens.
    pub address: Option<SocketAddr>,
    pub registry: prometheus::Registry,
    tasks: JoinSet<anyhow::Result<&'static str>>,
    stop: CancellationToken,
}

/// Runs until `stop` is cancelled, then sends or keeps what was read.
///
/// # Errors
///
/// Settings that cannot work, and a part that ended by itself.
pub async fn run(args: AgentArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let mut running = start(args, client).await?;
    let failed = tokio::select! {
        () = stop.cancelled() => None,
        error = running.failed() => Some(error),
    };
    let stopped = running.stop().await;
    failed.map_or(stopped, Err)
}

/// From `KUBECONFIG`, or the pod's own service account.
async fn client() -> anyhow::Result<Client> {
    Client::try_default().await.context(
        "finding the Kubernetes API, by KUBECONFIG or the pod's service account; without a \
         cluster, use --no-cluster",
    )
}

/// Starts all tasks. `client` is asked only when the settings need a cluster.
///
/// # Errors
///
/// Settings that cannot work.
pub async fn start(
    args: AgentArgs,
    client: impl AsyncFnOnce() -> anyhow::Result<Client>,
) -> anyhow::Result<Running> {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).context("registering metrics")?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();

    let state = |name: &str| args.state.as_ref().map(|folder| folder.join(name));
    if let Some(folder) = &args.state {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the state folder `{}`", folder.display()))?;
    }
    let (positions, known) = Positions::load(state("positions.json"))?;
    let spool = state("spool").map(|folder| Spool::open(folder, args.spool_bytes));
    let spool = spool.transpose()?;
    let sender = Sender::new(&args.monitor, args.token_file.clone())?;

    let cluster_client = match args.no_cluster {
        true => None,
        false => Some(client().await?),
    };
    let snapshots = if let Some(client) = cluster_client.clone() {
        let Some(node) = args.node.clone() else {
            bail!(
                "which node is this? Give --node NAME (a DaemonSet sets NODE_NAME from \
                 spec.nodeName), or --no-cluster"
            );
        };
        let (sender, receiver) = watch::channel(Arc::new(Snapshot::default()));
        let (metrics, stop) = (metrics.clone(), stop.clone());
        let cluster_name = args.cluster_name.clone();
        tasks.spawn(async move {
            cluster::watch::run(client, node, cluster_name, sender, metrics, stop).await;
            Ok("watching the cluster")
        });
        Some(receiver)
    } else {
        None
    };
    let options = PodsOptions {
        mode: if args.opt_in {
            Mode::OptIn
        } else {
            Mode::OptOut
        },
        identity: IdentityOptions {
            well_known_labels: !args.ignore_well_known_labels,
        },
        wait: args.metadata_wait(),
    };
    let pods = KnownPods::new(snapshots.clone(), args.node.clone(), options);

    let (parcels, received) = mpsc::channel(PARCELS);
    let deliverer = Deliverer {
        sender,
        spool,
        metrics: metrics.clone(),
        link: Link::new(tokio::time::Instant::now(), spread(args.node.as_deref())),
        behind_loss: false,
        positions,
    };
    let (unready, not_ready) = watch::channel("reading has not begun yet\n".to_owned());
    let since = ago(args.look_back());
    match (cluster_client.filter(|_| args.from_api), snapshots) {
        (Some(client), Some(snapshots)) => {
            let streaming = Streaming {
                pods,
                snapshots,
                parcels,
                budget: Arc::new(Budget::new(
                    args.api_bytes_per_second,
                    tokio::time::Instant::now(),
                )),
                since,
                seen: deliverer.positions.streams().clone(),
                record_ids: args.record_ids,
                metrics,
                stop: stop.clone(),
            };
            unready.send_replace(String::new());
            tasks.spawn(async move {
                let streamed = from_api::run(client, streaming).await;
                streamed.map(|()| "streaming logs")
            });
        }
        (_, snapshots) => {
            let following = Following {
                follower: Follower::new(
                    args.logs.clone(),
                    deliverer.positions.all().clone(),
                    (!known).then_some(since),
                    metrics.clone(),
                ),
                pods,
                snapshots,
                parcels,
                logs: args.logs.clone(),
                record_ids: args.record_ids,
                metrics,
                unready,
                stop: stop.clone(),
            };
            tasks.spawn(async move { following.run().await.map(|()| "following logs") });
        }
    }
    let stopped = stop.clone();
    tasks.spawn(async move {
        let delivered = deliverer.run(received, stopped).await;
        delivered.map(|()| "delivering")
    });

    let mut address = None;
    if let Some(listen) = args.listen {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("listening on {listen}"))?;
        address = Some(listener.local_addr().context("the address of /metrics")?);
        let serving = serve::serve(listener, registry.clone(), not_ready, stop.clone());
        tasks.spawn(async move {
            serving.await.context("serving /metrics")?;
            Ok("serving /metrics")
        });
    }
    Ok(Running {
        address,
        registry,
        tasks,
        stop,
    })
}

impl Running {
    /// Waits until a part ends by itself, which none should.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Ok(name))) => anyhow::anyhow!("{name} ended by itself"),
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow::Error::new(error).context("a task of the agent"),
            None => std::future::pending().await,
        }
    }

    /// Sends or keeps what was read, saves the positions.
    ///
    /// # Errors
    ///
    /// The first part that did not end well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.context("a task of the agent").and_then(|it| it);
            if let Err(error) = ended
                && outcome.is_ok()
            {
                outcome = Err(error);
            }
        }
        outcome
    }
}

/// Different on each node, the same after each restart.
fn spread(node: Option<&str>) -> f64 {
    let hash = crc32c::crc32c(node.unwrap_or_default().as_bytes());
    f64::from(hash) / f64::from(u32::MAX)
}

fn ago(duration: Duration) -> monitor_core::Time {
    let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    monitor_core::Time::from_nanos(clock::now().as_nanos().saturating_sub(nanos))
}

/// The loop around the follower.
struct Following {
    follower: Follower,
    pods: KnownPods,
    snapshots: Option<watch::Receiver<Arc<Snapshot>>>,
    parcels: mpsc::Sender<Parcel>,
    logs: PathBuf,
    record_ids: bool,
    metrics: Metrics,
    unready: watch::Sender<String>,
    stop: CancellationToken,
}

impl Following {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut wake = match Wake::open() {
            Ok(wake) => Some(wake),
            Err(error) => {
                tracing::warn!(%error, "no notifications of the system: files are looked at");
                None
            }
        };
        let mut rescans = tokio::time::interval(RESCAN_EVERY);
        rescans.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut polls = tokio::time::interval(POLL_EVERY);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut snapshots = self.snapshots.clone();
        loop {
            let mut scan = false;
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = rescans.tick() => scan = true,
                woken = woken(wake.as_ref()) => woken.context("waiting for notifications")?,
                changed = changed(snapshots.as_mut()) => {
                    if !changed {
                        snapshots = None;
                    }
                    // Only logs that wait for it are concerned, and those are polled below.
                    if !self.follower.is_waiting() {
                        continue;
                    }
                }
                _ = polls.tick() => {
                    let blind = wake.as_ref().is_none_or(Wake::is_exhausted);
                    self.metrics.polling.set(i64::from(blind));
                    if blind {
                        scan = true;
                    } else {
                        self.follower.touch_linked();
                    }
                    if !blind && !self.follower.is_waiting() {
                        continue;
                    }
                }
            }
            let followed;
            (followed, wake) = self.look(wake, scan).await?;
            self = followed;
            if !self.logs.is_dir() {
                let why = format!("`{}` is no folder\n", self.logs.display());
                self.unready.send_replace(why);
            } else {
                self.unready
                    .send_if_modified(|why| !std::mem::take(why).is_empty());
            }
            self = self.forward().await?;
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(BATCH_DELAY) => {}
            }
        }
        // What was written up to now goes with the rest.
        let (followed, _) = self.look(wake, true).await?;
        followed.forward_once().await
    }

    /// Finds out what may be new.
    async fn look(
        mut self,
        mut wake: Option<Wake>,
        scan: bool,
    ) -> anyhow::Result<(Following, Option<Wake>)> {
        blocking(move || {
            let now = clock::now();
            let happened = wake.as_mut().map(Wake::drain).unwrap_or_default();
            let Happened { folders, overflow } = happened;
            let mut scan = scan || overflow;
            for (folder, names_changed) in folders {
                scan |= self.follower.touch(&folder, names_changed, now);
            }
            while scan {
                let folders = self.follower.scan(now);
                // A folder that is watched only now may have been filled in between.
                scan = wake.as_mut().is_some_and(|wake| wake.watch(&folders));
            }
            (self, wake)
        })
        .await
    }

    /// Reads and hands on until nothing is left.
    async fn forward(mut self) -> anyhow::Result<Following> {
        loop {
            let (followed, parcel, more) = self.read().await?;
            self = followed;
            if let Some(parcel) = parcel
                && self.parcels.send(parcel).await.is_err()
            {
                bail!("deliveries have ended");
            }
            if !more || self.stop.is_cancelled() {
                return Ok(self);
            }
        }
    }

    async fn forward_once(self) -> anyhow::Result<()> {
        let (followed, parcel, _) = self.read().await?;
        if let Some(parcel) = parcel {
            // When deliveries have ended, so has their need for more.
            _ = followed.parcels.send(parcel).await;
        }
        Ok(())
    }

    async fn read(mut self) -> anyhow::Result<(Following, Option<Parcel>, bool)> {
        blocking(move || {
            let now = clock::now();
            let round = self.follower.poll(now, &mut self.pods);
            let more = round.more;
            let parcel =
                (!round.is_empty()).then(|| parcel(round, now, self.record_ids, &self.metrics));
            (self, parcel, more)
        })
        .await
    }
}

fn parcel(round: Round, now: monitor_core::Time, record_ids: bool, metrics: &Metrics) -> Parcel {
    let records = round.records() as u64;
    metrics.read_records.inc_by(records);
    let unattributed = round.groups.iter().filter(|it| it.origin.by_path_alone);
    let unattributed: usize = unattributed.map(|it| it.records.len()).sum();
    metrics.unattributed_records.inc_by(unattributed as u64);
    Parcel {
        request: otlp::encode(round.groups, now, record_ids),
        progress: round.progress,
        seen: Vec::new(),
    }
}

async fn woken(wake: Option<&Wake>) -> std::io::Result<()> {
    match wake {
        Some(wake) => wake.wait().await,
        None => std::future::pending().await,
    }
}

/// `false` when nothing will ever change again.
async fn changed(snapshots: Option<&mut watch::Receiver<Arc<Snapshot>>>) -> bool {
    match snapshots {
        Some(snapshots) => snapshots.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Files are read where waiting for a disk disturbs no one.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("following logs")
}
