//! Starts a monitor and stops it: opens, recovers, wires threads and tasks, listens.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use monitor_core::{IngestView, ProbeView, View};
use monitor_engine::EngineConfig;
use monitor_ingest::redact::{RedactConfig, Redactor, Rule};
use monitor_serve::{Clock, Intake, Ports};
use monitor_store::{Index, IndexConfig, Seq, Wal, WalConfig, WalError};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::configuration::Keeper;
use crate::deeds::ToWorker;
use crate::heart::Heart;
use crate::indexer::{self, INDEX_QUEUE, IndexWork, Indexer};
use crate::intake::{self, Gate, Logged, WORKER_QUEUE};
use crate::metrics::Metrics;
use crate::models::ToModels;
use crate::notify;
use crate::probes::{self, Surroundings};
use crate::servers::Servers;
use crate::worker::{Outlets, Work, Worker};

/// Live events a slow browser may be behind before it misses some.
const LIVE_EVENTS: usize = 4_096;
/// How long open connections may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Batches understood again after a start before their records are committed: the index keeps them
/// in memory until then, and the log may be long when a snapshot was lost.
const COMMIT_EVERY: u64 = 64;
/// Alerts between the worker and the notifier.
const ALERTS: usize = 1_024;

/// A monitor at work. Dropping it without [`Running::stop`] leaves the stopping to the process'
/// end, from which a restart recovers.
#[derive(Debug)]
pub struct Running {
    pub http: SocketAddr,
    pub otlp_grpc: SocketAddr,
    pub otlp_http: SocketAddr,
    pub view: watch::Receiver<Arc<View>>,
    pub live: broadcast::Sender<monitor_serve::LiveEvent>,
    pub search: monitor_core::SharedSearch,
    pub recovered: Recovered,
    gate: Gate,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    threads: Vec<(&'static str, JoinHandle<anyhow::Result<()>>)>,
    work: std::sync::mpsc::SyncSender<Work>,
    notifier: tokio::task::JoinHandle<()>,
    /// Held for as long as the folder is ours.
    _lock: File,
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Batches acknowledged before, that had to be understood again.
    pub batches: u64,
    /// Bytes at the end of the write-ahead log that were never acknowledged.
    pub torn_bytes: u64,
    pub with_snapshot: bool,
}

/// Opens the data, goes on where it was left, and starts to listen.
pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    // Addresses first: a taken port is the commonest mistake, and nothing is touched yet.
    let http = bind("the page and the API", "http-listen", settings.http).await?;
    let otlp_grpc = bind("OTLP over gRPC", "otlp-grpc-listen", settings.otlp_grpc).await?;
    let otlp_http = bind("OTLP over HTTP", "otlp-http-listen", settings.otlp_http).await?;
    let addresses = (
        http.local_addr()?,
        otlp_grpc.local_addr()?,
        otlp_http.local_addr()?,
    );

    let mut destinations = settings.destinations.clone();
    if !settings.external_url_given {
        destinations.external_url = format!("http://{}", addresses.0);
    }
    let rules = settings
        .redact
        .iter()
        .map(|pattern| Rule {
            kind: "custom".to_owned(),
            pattern: pattern.clone(),
        })
        .collect();
    let redactor = Redactor::new(RedactConfig {
        rules,
        ..RedactConfig::default()
    })
    .context("--redact")?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;

    let (gate, waiting) = Gate::new(redactor);
    let (view_in, view) = watch::channel(Arc::new(View::default()));
    let (ingest_in, ingest) = watch::channel(Arc::new(IngestView::default()));
    let (workloads_in, workloads) = watch::channel(Arc::default());
    let (live, _) = broadcast::channel(LIVE_EVENTS);
    let (probes_in, probes) = watch::channel(Arc::default());
    let (alerts_in, alerts) = mpsc::channel(ALERTS);
    let (index_in, index_work) = sync_channel(INDEX_QUEUE);
    let (releases_in, releases) = sync_channel(4);

    let opening = Opening {
        folder: settings.data.clone(),
        index: IndexConfig {
            retention_age: Some(settings.retention),
            retention_bytes: Some(settings.retention_bytes),
            ..IndexConfig::default()
        },
        engine: engine_config(&settings),
        clock: Arc::clone(&clock),
        redactions: gate.redactions(),
        probes,
        outlets: Outlets {
            index: index_in,
            view: view_in,
            ingest: ingest_in,
            live: live.clone(),
            alerts: alerts_in,
            metrics: metrics.clone(),
        },
        releases: releases_in,
        index_work,
    };
    let opened = tokio::task::spawn_blocking(move || opening.open())
        .await
        .context("opening the data ended early")??;
    let Opened {
        lock,
        keeper,
        wal,
        worker,
        index_thread,
        search,
        recovered,
    } = opened;

    let keeper = Arc::new(keeper);
    let (work, work_out) = sync_channel(WORKER_QUEUE);
    let mut threads = vec![("index", index_thread)];
    threads.push((
        "worker",
        thread("worker", move || {
            worker.run(&work_out);
            Ok(())
        })?,
    ));
    let space = intake::Space {
        folder: settings.data.clone(),
        min_free: settings.min_free_bytes,
    };
    let (to_worker, intake_metrics) = (work.clone(), metrics.clone());
    threads.push((
        "write-ahead log",
        thread("wal", move || {
            intake::run(wal, waiting, &to_worker, &releases, &space, &intake_metrics);
            Ok(())
        })?,
    ));

    let notifier = tokio::spawn(notify::run(
        destinations,
        keeper.settings(),
        alerts,
        engine_config(&settings).resend_every,
        Arc::clone(&clock),
        metrics.clone(),
    ));
    let (ready_in, ready) = watch::channel(Ok(()));
    let stop = CancellationToken::new();
    let ports = Ports {
        clock: Arc::clone(&clock),
        intake: Arc::new(gate.clone()),
        changes: Arc::new(ToWorker(work.clone())),
        configurations: keeper.clone(),
        models: Arc::new(ToModels::new(
            work.clone(),
            Arc::clone(&search),
            Arc::clone(&clock),
        )),
        search: Arc::clone(&search),
        view: view.clone(),
        ingest,
        workloads,
        live: live.clone(),
        ready,
        registry: registry.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let clock = Arc::clone(&clock);
        let follow = monitor_serve::workloads::follow(
            view.clone(),
            keeper.revisions(),
            workloads_in,
            clock,
            stop.clone(),
        );
        async move {
            follow.await;
            Ok(())
        }
    });
    let servers = Servers::new(&ports, &settings.tokens, addresses, &stop)?;
    tasks.spawn(serve(
        "the page and the API",
        http,
        servers.http,
        stop.clone(),
    ));
    tasks.spawn(serve(
        "OTLP over gRPC",
        otlp_grpc,
        servers.otlp_grpc,
        stop.clone(),
    ));
    tasks.spawn(serve(
        "OTLP over HTTP",
        otlp_http,
        servers.otlp_http,
        stop.clone(),
    ));
    tasks.spawn(probes::run(
        keeper.settings(),
        probes_in,
        Surroundings {
            intake: Arc::new(gate.clone()),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        },
        stop.clone(),
    ));
    if !settings.follow.is_empty() {
        let intake: Arc<dyn Intake> = Arc::new(gate.clone());
        tasks.spawn(crate::follow::run(
            settings.follow.clone(),
            settings.data.join("follow.state"),
            intake,
            Arc::clone(&clock),
            registry.clone(),
            stop.clone(),
        ));
    }
    tasks.spawn({
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            let _was_ready = ready_in.send_replace(Err("the monitor is stopping".to_owned()));
            Ok(())
        }
    });
    Ok(Running {
        http: addresses.0,
        otlp_grpc: addresses.1,
        otlp_http: addresses.2,
        view,
        live,
        search,
        recovered,
        gate,
        stop,
        tasks,
        threads,
        work,
        notifier,
        _lock: lock,
    })
}

/// How the engine is set for a live monitor.
fn engine_config(settings: &Settings) -> EngineConfig {
    EngineConfig {
        lateness: settings.lateness,
        false_alarms_per_api_week: settings.false_alarms_per_week,
        ..EngineConfig::default()
    }
}

struct Opening {
    folder: PathBuf,
    index: IndexConfig,
    engine: EngineConfig,
    clock: Arc<dyn Clock>,
    redactions: intake::Redactions,
    probes: watch::Receiver<Arc<Vec<ProbeView>>>,
    outlets: Outlets,
    releases: std::sync::mpsc::SyncSender<Seq>,
    index_work: std::sync::mpsc::Receiver<IndexWork>,
}

struct Opened {
    lock: File,
    keeper: Keeper,
    wal: Wal,
    worker: Worker,
    index_thread: JoinHandle<anyhow::Result<()>>,
    search: monitor_core::SharedSearch,
    recovered: Recovered,
}

impl Opening {
    /// Opens the folder and brings the index and what was learned up to the end of the log. Blocks.
    fn open(self) -> anyhow::Result<Opened> {
        let folder = self.folder;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create the data folder `{}`", folder.display()))?;
        let lock = lock(&folder)?;
        let keeper = Keeper::open(&folder)?;
        let (mut wal, torn) = Wal::open(&folder.join("wal"), WalConfig::default())
            .context("cannot open the write-ahead log")?;
        let (mut index, indexed) =
            Index::open(&folder.join("index"), self.index).context("cannot open the log index")?;
        for (path, reason) in &indexed.set_aside {
            tracing::error!(path = %path.display(), reason, "a damaged part of the index is set aside");
        }
        // A log that was lost must not give out numbers that the index has seen.
        wal.advance_to(index.highest_contained() + 1)?;
        let search = index.search();
        let mut recovered = Recovered {
            torn_bytes: torn.cut_bytes,
            ..Recovered::default()
        };

        let (heart, newest) = match indexer::read_snapshot(&folder) {
            Some((seq, bytes)) => match Heart::restore(self.engine.clone(), &bytes) {
                Ok(heart) => {
                    recovered.with_snapshot = true;
                    (heart, Some(seq))
                }
                Err(error) => {
                    tracing::warn!(error = %error, "learning afresh from the write-ahead log");
                    (Heart::new(self.engine), None)
                }
            },
            None => (Heart::new(self.engine), None),
        };
        // The index is never behind the snapshot, unless a part of it was lost.
        let from = newest.map_or(wal.first_seq(), |seq| seq + 1);
        index.skip_to(from);
        let indexer = Indexer {
            index,
            uncommitted: VecDeque::new(),
            folder: folder.clone(),
            releases: self.releases,
            metrics: self.outlets.metrics.clone(),
        };
        let index_work = self.index_work;
        let index_thread = thread("index", move || {
            indexer.run(&index_work);
            Ok(())
        })?;
        let mut worker = Worker {
            heart,
            outlets: self.outlets,
            clock: self.clock,
            redactions: self.redactions,
            settings: keeper.settings(),
            probes: self.probes,
            newest,
        };
        worker.configure();
        for entry in wal.read_from(from) {
            let (seq, batch) = match entry {
                Ok(entry) => entry,
                Err(WalError::Lost { first, last, path }) => {
                    tracing::error!(
                        first, last, path = %path.display(),
                        "a damaged part of the write-ahead log is passed over"
                    );
                    continue;
                }
                Err(error) => return Err(error).context("cannot read the write-ahead log"),
            };
            recovered.batches += 1;
            worker
                .batch(Logged {
                    seq,
                    batch,
                    memory: None,
                })
                .map_err(|_| anyhow!("the index could not be brought up to date"))?;
            if recovered.batches.is_multiple_of(COMMIT_EVERY) {
                let now = worker.clock.now();
                let commit = indexer::IndexWork::Commit { now };
                // An index that has ended is noticed at the next batch, or by the worker.
                drop(worker.outlets.index.send(commit));
            }
        }
        // Who is told that we are ready may search at once.
        let (done, committed) = sync_channel(1);
        worker
            .outlets
            .index
            .send(IndexWork::Flush { done })
            .ok()
            .and_then(|()| committed.recv().ok())
            .context("the index could not be brought up to date")?;
        worker.publish();
        Ok(Opened {
            lock,
            keeper,
            wal,
            worker,
            index_thread,
            search,
            recovered,
        })
    }
}

impl Running {
    /// The way in for producers in this process.
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(self.gate.clone())
    }

    /// Resolves when a part ended by itself, with its name and error: the monitor must then end.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow!(error).context("a task panicked"),
            Some(Ok(Ok(()))) | None => anyhow!("a part of the monitor ended early"),
        }
    }

    /// Takes no more, finishes what was taken, saves what was learned.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let mut first: Option<anyhow::Error> = None;
        let finishing = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok(Err(error)) = ended {
                    first.get_or_insert(error);
                }
            }
        };
        if tokio::time::timeout(PATIENCE, finishing).await.is_err() {
            // Connections that do not end by themselves; what they sent was answered or not.
            self.tasks.shutdown().await;
        }
        // With the last gate, the log's thread ends; then the worker, then the index.
        drop(self.gate);
        let (work, threads) = (self.work, self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            let mut first: Option<anyhow::Error> = None;
            let mut work = Some(work);
            for (name, handle) in threads.into_iter().rev() {
                if name == "worker"
                    && let Some(work) = work.take()
                {
                    // A worker that has ended already needs no telling.
                    drop(work.send(Work::Stop));
                }
                match handle.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        first.get_or_insert(error.context(format!("the {name} thread failed")));
                    }
                    Err(_) => {
                        first.get_or_insert(anyhow!("the {name} thread panicked"));
                    }
                }
            }
            first
        })
        .await
        .context("waiting for the threads")?;
        self.notifier.await.context("waiting for the notifier")?;
        match first.or(joined) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

async fn bind(what: &str, flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for {what}: choose another with --{flag}")
    })
}

async fn serve(
    what: &'static str,
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .with_context(|| format!("serving {what}"))
}

fn thread(
    name: &str,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    std::thread::Builder::new()
        .name(format!("crosswatch-{name}"))
        .spawn(run)
        .with_context(|| format!("cannot start the {name} thread"))
}

/// One monitor at a time for a folder: two would write over each other.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file =
        File::create(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        anyhow!(
            "the data folder `{}` is in use by another monitor: stop it, or choose another folder \
             with --data-dir",
            folder.display()
        )
    })?;
    Ok(file)
}
