//! A task for each container's stream, and one that makes requests of what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use monitor_core::Time;
use monitor_ingest::container::Output;
use monitor_ingest::decoded::MAX_TEXT_BYTES;
use monitor_ingest::lines::LineSplitter;
use operator_meta::facts::Phase;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::cursor::{Cursor, Seen};
use crate::clock;
use crate::cluster::Snapshot;
use crate::cluster::pods::KnownPods;
use crate::deliver::Parcel;
use crate::follow::{Attribution, FileId, PodFolder, Pods as _};
use crate::metrics::Metrics;
use crate::otlp::{Entry, Group, encode};

/// Streams at a time; each is a connection of the API server to the kubelet.
const MAX_STREAMS: usize = 250;
/// Lines that wait to be put into a request; streams wait behind it.
const WAITING_LINES: usize = 1_024;
/// Of one request.
const REQUEST_LINES: usize = 4_096;
const REQUEST_DELAY: Duration = Duration::from_millis(200);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A container, by its pod's uid and its name.
type StreamKey = (String, String);

/// What streaming needs.
#[derive(Debug)]
pub struct Streaming {
    pub pods: KnownPods,
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    pub parcels: mpsc::Sender<Parcel>,
    pub budget: Arc<Budget>,
    /// Lines written before are not asked for, where nothing is known of an earlier run.
    pub since: Time,
    pub seen: BTreeMap<String, Seen>,
    pub record_ids: bool,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

/// A line, and how far its stream is with it.
struct Line {
    key: StreamKey,
    folder: Arc<PodFolder>,
    time: Time,
    text: String,
    seen: Option<Seen>,
}

/// Runs until stopped.
///
/// # Errors
///
/// When deliveries have ended.
pub async fn run(client: Client, mut streaming: Streaming) -> anyhow::Result<()> {
    let (lines, mut read) = mpsc::channel(WAITING_LINES);
    let mut tasks: JoinSet<StreamKey> = JoinSet::new();
    let mut running = BTreeSet::new();
    let mut finished: BTreeSet<StreamKey> = BTreeSet::new();
    let stop = streaming.stop.clone();
    let mut snapshots = streaming.snapshots.clone();
    let mut look = true;
    loop {
        if look {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            finished.retain(|(uid, _)| snapshot.pods.contains_key(uid));
            for (key, wanted) in streaming.wanted(&snapshot) {
                let new = !running.contains(&key) && !finished.contains(&key);
                if new && running.len() < MAX_STREAMS {
                    running.insert(key.clone());
                    let seen = streaming.seen.get(&name(&key)).copied();
                    let stream = Stream {
                        client: client.clone(),
                        key,
                        folder: wanted,
                        snapshots: streaming.snapshots.clone(),
                        budget: Arc::clone(&streaming.budget),
                        since: streaming.since,
                        metrics: streaming.metrics.clone(),
                        lines: lines.clone(),
                    };
                    let stop = stop.clone();
                    tasks.spawn(async move {
                        let key = stream.key.clone();
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = stream.run(seen) => {}
                        }
                        key
                    });
                } else if new {
                    streaming.metrics.skip_files("too_many_containers");
                }
            }
            look = false;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = snapshots.changed() => {
                look = changed.is_ok();
                if !look {
                    break;
                }
            }
            Some(ended) = tasks.join_next() => {
                if let Ok(key) = ended {
                    running.remove(&key);
                    finished.insert(key);
                }
            }
            Some(first) = read.recv() => {
                let mut gathered = vec![first];
                gather(&mut read, &mut gathered).await;
                let parcel = streaming.parcel(gathered);
                if streaming.parcels.send(parcel).await.is_err() {
                    anyhow::bail!("deliveries have ended");
                }
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    let mut rest = Vec::new();
    while let Ok(line) = read.try_recv() {
        rest.push(line);
    }
    if !rest.is_empty() {
        let parcel = streaming.parcel(rest);
        // When deliveries have ended, so has their need for more.
        _ = streaming.parcels.send(parcel).await;
    }
    Ok(())
}

/// What comes within a moment travels together.
async fn gather(read: &mut mpsc::Receiver<Line>, gathered: &mut Vec<Line>) {
    let until = Instant::now() + REQUEST_DELAY;
    while gathered.len() < REQUEST_LINES
        && let Ok(Some(line)) = tokio::time::timeout_at(until, read.recv()).await
    {
        gathered.push(line);
    }
}

fn name((uid, container): &StreamKey) -> String {
    format!("{uid}/{container}")
}

impl Streaming {
    /// Containers whose logs are to be read and can be.
    fn wanted(&mut self, snapshot: &Snapshot) -> Vec<(StreamKey, Arc<PodFolder>)> {
        let now = clock::now();
        let mut wanted = Vec::new();
        for (uid, context) in &snapshot.pods {
            let pod = &context.pod;
            let folder = Arc::new(PodFolder {
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                uid: uid.clone(),
            });
            // Without an id it has not run, and the API server would only say so.
            for container in pod.containers.iter().filter(|it| !it.id.is_empty()) {
                let about = self.pods.about(&folder, &container.name, 0, now, now);
                if matches!(about, Attribution::Read(_)) {
                    let key = (uid.clone(), container.name.clone());
                    wanted.push((key, Arc::clone(&folder)));
                }
            }
        }
        wanted
    }

    fn parcel(&mut self, lines: Vec<Line>) -> Parcel {
        let now = clock::now();
        let mut groups: BTreeMap<StreamKey, Group> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for line in lines {
            seen.insert(name(&line.key), line.seen);
            let about = self.pods.about(&line.folder, &line.key.1, 0, now, now);
            let Attribution::Read(origin) = about else {
                continue;
            };
            // Where a line is in the stream: its time, there is nothing else.
            let file = FileId {
                device: 0,
                inode: u64::from(crc32c::crc32c(name(&line.key).as_bytes())),
            };
            let entry = Entry {
                time: Some(line.time),
                output: Output::Stdout,
                text: line.text,
                file,
                offset: u64::try_from(line.time.as_nanos()).unwrap_or(0),
            };
            let group = groups.entry(line.key).or_insert_with(|| Group {
                origin,
                records: Vec::new(),
            });
            group.records.push(entry);
        }
        let groups: Vec<Group> = groups.into_values().collect();
        let records: usize = groups.iter().map(|it| it.records.len()).sum();
        self.metrics.read_records.inc_by(records as u64);
        let seen = seen.into_iter();
        Parcel {
            request: encode(groups, now, self.record_ids),
            progress: Vec::new(),
            seen: seen.filter_map(|(key, seen)| Some((key, seen?))).collect(),
        }
    }
}

/// One container's stream.
struct Stream {
    client: Client,
    key: StreamKey,
    folder: Arc<PodFolder>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    budget: Arc<Budget>,
    since: Time,
    metrics: Metrics,
    lines: mpsc::Sender<Line>,
}

impl Stream {
    /// Reads until the pod has finished or is gone.
    async fn run(&self, mut seen: Option<Seen>) {
        let mut wait = FIRST_WAIT;
        loop {
            let over = self.is_over();
            let before = seen;
            match self.read(&mut seen).await {
                Ok(()) if over => return,
                Ok(()) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => return,
                Err(error) => {
                    self.metrics.cluster_failures.inc();
                    let (namespace, pod) = (&self.folder.namespace, &self.folder.pod);
                    tracing::debug!(%error, namespace, pod, "a log cannot be streamed");
                }
            }
            // A container that says nothing is asked less and less often.
            wait = match seen == before {
                true => (wait * 2).min(LONGEST_WAIT),
                false => FIRST_WAIT,
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// What is there now is all that will ever be there.
    fn is_over(&self) -> bool {
        let snapshot = self.snapshots.borrow();
        let phase = snapshot.pods.get(&self.key.0).map(|it| it.pod.phase);
        matches!(phase, None | Some(Phase::Succeeded | Phase::Failed))
    }

    async fn read(&self, seen: &mut Option<Seen>) -> Result<(), kube::Error> {
        let mut cursor = Cursor::new(*seen);
        let since = cursor.since().unwrap_or(self.since);
        let since = jiff::Timestamp::from_nanosecond(i128::from(since.as_nanos()));
        let params = LogParams {
            container: Some(self.key.1.clone()),
            follow: true,
            timestamps: true,
            since_time: since.ok(),
            ..LogParams::default()
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.folder.namespace);
        let stream = pods.log_stream(&self.folder.pod, &params).await?;
        let mut stream = std::pin::pin!(stream);
        let mut splitter = LineSplitter::new(0, MAX_TEXT_BYTES);
        while self.next(stream.as_mut(), &mut splitter, &mut cursor).await {
            *seen = cursor.seen();
        }
        Ok(())
    }

    /// Reads one chunk; `false` at the end.
    async fn next(
        &self,
        mut stream: std::pin::Pin<&mut impl AsyncBufRead>,
        splitter: &mut LineSplitter,
        cursor: &mut Cursor,
    ) -> bool {
        let chunk = match stream.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            // A broken stream is resumed like one that ended.
            _ => return false,
        };
        let bytes = chunk.len();
        let mut found = Vec::new();
        splitter.push(chunk, |line| found.push(line.text));
        stream.consume_unpin(bytes);
        self.metrics.api_bytes.inc_by(bytes as u64);
        for line in found {
            let Some((time, text)) = line.split_once(' ') else {
                continue;
            };
            let Ok(time) = time.parse::<Time>() else {
                self.metrics.repair("not_of_the_runtime");
                continue;
            };
            if !cursor.take(time) || text.is_empty() {
                continue;
            }
            let line = Line {
                key: self.key.clone(),
                folder: Arc::clone(&self.folder),
                time,
                text: text.to_owned(),
                seen: cursor.seen(),
            };
            if self.lines.send(line).await.is_err() {
                return false;
            }
        }
        let wait = self.budget.take(bytes, Instant::now());
        if !wait.is_zero() {
            self.metrics.api_budget_waits.inc();
            tokio::time::sleep(wait).await;
        }
        true
    }
}
