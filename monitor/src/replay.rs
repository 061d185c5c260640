//! `crosswatch replay`: recorded logs and traces through the same pipeline and engine as live ones.
//!
//! Time is the records' own. What is read, in which order, and in which batches depends on the
//! input alone, so the anomalies are the same bytes at any speed and after any interruption.

mod checkpoint;
mod faults;
mod files;
mod input;
mod nezha;
mod otlp;
mod report;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use monitor_core::{Batch, Payload, SearchRequest, Time};
use monitor_engine::{Effect, EngineConfig};
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};
use monitor_store::Index;
use serde::{Deserialize, Serialize};

use self::checkpoint::Checkpoint;
use self::report::Collector;
use crate::heart::Heart;

pub use self::faults::{Cause, FaultReport, judge_recording};
pub use self::report::Report;

/// Chunks between two checkpoints: a few seconds of work.
const CHECKPOINT_EVERY: u64 = 50;
/// Rejections kept with their text; all are counted.
const KEPT_REJECTIONS: usize = 20;

/// Replay recorded logs and traces as if they were arriving now, and report what was unusual.
///
/// Files may be plain, `.gz` or `.zst`; folders are walked; `.tar`, `.tar.gz` and `.tar.zst` are
/// unpacked. Every log format that the monitor recognises is recognised here, and so are the files
/// that the OpenTelemetry Collector's file exporter writes: OTLP in JSON, a request a line. A folder in the layout
/// of the Nezha data sets (logs, spans, and the faults that were injected) is read as such, and each
/// fault is looked for.
///
/// The records are kept in --data, where `crosswatch search --data` finds them. Interrupt it, and
/// the same command goes on where it was.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Files, folders or archives.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// `max`, or how many times faster than it was recorded: 1 is real time.
    #[arg(long, default_value = "max", value_name = "max|N", value_parser = parse_speed)]
    pub speed: Speed,

    /// Only records at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub from: Option<Time>,

    /// Only records before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Time>,

    /// Where to keep the records and the anomalies.
    #[arg(long, default_value = "crosswatch-replay", value_name = "FOLDER")]
    pub data: PathBuf,

    /// Throw away what an earlier replay left in --data, finished or not.
    #[arg(long)]
    pub fresh: bool,

    /// The service that plain log files belong to, where neither their names nor lines say it.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,

    /// How far out of order records may be, in seconds.
    #[arg(long, default_value_t = 150, value_name = "SECONDS")]
    pub lateness_seconds: u64,

    /// False alarms that are acceptable, for each Api and week.
    #[arg(long, default_value_t = 0.1, value_name = "NUMBER")]
    pub false_alarms_per_week: f64,

    /// Stop after this many chunks of records, as an interruption would. For tests.
    #[arg(long, hide = true)]
    pub stop_after: Option<u64>,
}

/// How fast recorded time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Max,
    Times(f64),
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok(Speed::Times(times)),
        _ => Err("expected `max`, or a number above 0 such as 1 (real time) or 60".to_owned()),
    }
}

/// A batch, and where it came from.
#[derive(Debug)]
struct Chunk {
    batch: Batch,
    /// How much of the input has been read, in the adapter's unit of progress.
    done: u64,
}

/// What was read from the input.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ReadCounts {
    /// Lines of plain files; several may make one record.
    lines: u64,
    log_rows: u64,
    span_rows: u64,
    /// Of log text, before anything is done to it.
    log_bytes: u64,
    rejected: u64,
    /// The first of them: where and why.
    rejections: Vec<String>,
    /// Files beside a recording that are no part of it.
    passed_over: Vec<String>,
}

impl ReadCounts {
    fn reject(&mut self, path: &Path, line: u64, reason: impl std::fmt::Display) {
        self.reject_many(path, line, 1, reason);
    }

    fn reject_many(&mut self, path: &Path, line: u64, rows: u64, reason: impl std::fmt::Display) {
        self.rejected += rows;
        if self.rejections.len() < KEPT_REJECTIONS {
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy();
            self.rejections
                .push(format!("{name}, line {line}: {reason}"));
        }
    }
}

/// Ended before the input did; the same command goes on from here.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; the same command goes on where it was")]
pub struct Interrupted;

/// Replays, and returns the report. `interrupt` is looked at between batches. Blocks.
pub fn run(args: &ReplayArgs, interrupt: &AtomicBool, progress: bool) -> anyhow::Result<Report> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        bail!("--from {from} is not before --to {to}: no record could be in between");
    }
    let data = Data::open(args)?;
    let input = input::open(&args.paths, &args.data.join("input"))?;
    let recording = match input.roots.as_slice() {
        [root] => nezha::Recording::open(root)?,
        _ => None,
    };
    let config = EngineConfig {
        lateness: Duration::from_secs(args.lateness_seconds),
        false_alarms_per_api_week: args.false_alarms_per_week,
        ..EngineConfig::replay()
    };
    let length = match &recording {
        Some(recording) => recording.minutes() as u64,
        None => total_bytes(&input.files),
    };
    let bar = bar(length, recording.is_some(), progress);
    let mut replay = Replay::new(args, data, config, bar)?;
    let mut counts = ReadCounts {
        passed_over: input.passed_over.clone(),
        ..ReadCounts::default()
    };
    // The adapters count what they read; each chunk is taken with the counts so far behind it.
    match &recording {
        Some(recording) => {
            recording.read(&mut counts, |chunk| replay.take(chunk, interrupt))?;
        }
        None => {
            files::read(
                &input.files,
                args.service.as_deref(),
                &mut counts,
                |chunk| replay.take(chunk, interrupt),
            )?;
        }
    }
    let mut report = replay.finish(counts)?;
    if let Some(recording) = &recording {
        let mut judge = faults::Judge::new(recording)?;
        let asked_for = |fault: &&faults::Fault| {
            let start = fault.window.start;
            args.from.is_none_or(|from| start >= from) && args.to.is_none_or(|to| start < to)
        };
        let faults = recording.faults.iter().filter(asked_for);
        let judged: Result<_, _> = faults.map(|fault| judge.judge(fault)).collect();
        report.judged(judged?);
    }
    Ok(report)
}

/// The folder that a replay keeps its results in.
struct Data {
    folder: PathBuf,
    checkpoint: Option<Checkpoint>,
}

impl Data {
    fn open(args: &ReplayArgs) -> anyhow::Result<Data> {
        let folder = args.data.clone();
        let identity = checkpoint::identity(args)?;
        if folder.exists() {
            let ours = folder.join(checkpoint::FILE).is_file();
            let empty = fs::read_dir(&folder)
                .with_context(|| format!("cannot use `{}`", folder.display()))?
                .next()
                .is_none();
            if !ours && !empty {
                bail!(
                    "`{}` holds something that is not a replay's: name another folder with --data",
                    folder.display()
                );
            }
            let found = Checkpoint::read(&folder);
            match found {
                Some(found) if found.identity == identity && !found.finished && !args.fresh => {
                    return Ok(Data {
                        folder,
                        checkpoint: Some(found),
                    });
                }
                _ => fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot empty `{}`", folder.display()))?,
            }
        }
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        let begun = Checkpoint {
            identity,
            ..Checkpoint::default()
        };
        begun.write(&folder)?;
        Ok(Data {
            folder,
            checkpoint: None,
        })
    }
}

struct Replay<'a> {
    args: &'a ReplayArgs,
    folder: PathBuf,
    identity: String,
    heart: Heart,
    index: Index,
    redactor: Redactor,
    anomalies: fs::File,
    anomaly_bytes: u64,
    collector: Collector,
    /// Chunks seen, and of these how many an earlier run has done.
    chunks: u64,
    resumed: u64,
    /// The newest event time so far: what a replay has for a clock.
    newest: Time,
    pace: Option<Pace>,
    bar: ProgressBar,
}

impl<'a> Replay<'a> {
    fn new(
        args: &'a ReplayArgs,
        data: Data,
        config: EngineConfig,
        bar: ProgressBar,
    ) -> anyhow::Result<Replay<'a>> {
        let Data { folder, checkpoint } = data;
        let identity = checkpoint::identity(args)?;
        let resumed = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.chunks);
        let (index, _) = Index::open(&folder.join("index"), crate::archive::archive_config())
            .context("cannot open the log index")?;
        let path = folder.join(ANOMALIES);
        let mut anomalies = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        let (heart, collector, newest, anomaly_bytes) = match checkpoint {
            Some(checkpoint) if resumed > 0 => (
                Heart::restore(config, &checkpoint.heart)?,
                checkpoint.collector,
                checkpoint.newest,
                checkpoint.anomaly_bytes,
            ),
            _ => (Heart::new(config), Collector::default(), Time::MIN, 0),
        };
        // What came after the checkpoint is found again.
        anomalies.set_len(anomaly_bytes)?;
        std::io::Seek::seek(&mut anomalies, std::io::SeekFrom::Start(anomaly_bytes))?;
        let pace = match args.speed {
            Speed::Max => None,
            Speed::Times(times) => Some(Pace { times, start: None }),
        };
        Ok(Replay {
            args,
            folder,
            identity,
            heart,
            index,
            redactor: Redactor::new(RedactConfig::default())?,
            anomalies,
            anomaly_bytes,
            collector,
            chunks: 0,
            resumed,
            newest,
            pace,
            bar,
        })
    }

    fn take(&mut self, mut chunk: Chunk, interrupt: &AtomicBool) -> anyhow::Result<()> {
        self.bar.set_position(chunk.done);
        self.chunks += 1;
        // The index counts batches from 1.
        let seq = self.chunks;
        if seq <= self.resumed {
            return Ok(());
        }
        self.keep_asked_for(&mut chunk.batch);
        if let Some(newest) = chunk
            .batch
            .items
            .iter()
            .filter_map(|item| time_of(&item.payload))
            .max()
        {
            self.newest = self.newest.max(newest);
            if let Some(pace) = &mut self.pace {
                pace.wait_until(newest);
            }
        }
        chunk.batch.received = self.newest;
        let mut redactions = RedactionCounts::default();
        self.redactor
            .redact_batch(&mut chunk.batch, &mut redactions);
        self.collector.redactions.add(&redactions);
        let (records, observations) = self.heart.take(chunk.batch);
        self.collector.after(&records, &observations);
        self.index
            .add(seq, &records)
            .context("cannot write the log index")?;
        let effects = self.heart.tick(self.newest);
        self.write(&effects)?;

        let stop = interrupt.load(Ordering::Relaxed)
            || self
                .args
                .stop_after
                .is_some_and(|chunks| self.chunks >= self.resumed + chunks);
        if stop || self.chunks.is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoint(false)?;
        }
        if stop {
            self.bar.abandon();
            return Err(Interrupted.into());
        }
        Ok(())
    }

    /// Removes the items outside of --from and --to.
    fn keep_asked_for(&self, batch: &mut Batch) {
        let (from, to) = (self.args.from, self.args.to);
        if from.is_none() && to.is_none() {
            return;
        }
        batch.items.retain(|item| {
            time_of(&item.payload).is_some_and(|time| {
                from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
            })
        });
    }

    fn write(&mut self, effects: &[Effect]) -> anyhow::Result<()> {
        let mut text = String::new();
        for effect in effects {
            if let Some(line) = self.collector.effect(effect) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        self.anomaly_bytes += text.len() as u64;
        self.anomalies
            .write_all(text.as_bytes())
            .context("cannot write the anomalies")
    }

    fn checkpoint(&mut self, finished: bool) -> anyhow::Result<()> {
        self.index
            .commit()
            .context("cannot make the records searchable")?;
        self.anomalies.sync_data()?;
        let checkpoint = Checkpoint {
            identity: self.identity.clone(),
            finished,
            chunks: self.chunks,
            newest: self.newest,
            anomaly_bytes: self.anomaly_bytes,
            heart: self.heart.snapshot()?,
            collector: self.collector.clone(),
        };
        checkpoint.write(&self.folder)
    }

    /// All that there were, at the end, because an incident keeps changing.
    fn write_incidents(&self) -> anyhow::Result<()> {
        let path = self.folder.join(INCIDENTS);
        let mut text = String::new();
        for incident in self.collector.incidents() {
            text.push_str(&serde_json::to_string(incident)?);
            text.push('\n');
        }
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn finish(mut self, counts: ReadCounts) -> anyhow::Result<Report> {
        let effects = self.heart.finish();
        self.write(&effects)?;
        self.checkpoint(true)?;
        self.write_incidents()?;
        self.bar.finish_and_clear();
        let search = self.index.search();
        let count = |query: &str| {
            let request = SearchRequest {
                query: query.to_owned(),
                limit: 0,
                ..SearchRequest::default()
            };
            search.search(&request).map(|page| page.total)
        };
        let searchable = report::Searchable {
            logs: count("kind:log")?,
            spans: count("kind:span")?,
        };
        Ok(self.collector.report(
            &counts,
            searchable,
            &self.heart.ingest_view(),
            self.heart.view().counts,
            &self.folder,
        ))
    }
}

/// What had been learned when the replay of this folder ended, or was interrupted.
pub(crate) fn learned(folder: &Path) -> anyhow::Result<Heart> {
    let checkpoint = Checkpoint::read(folder).context("another version wrote it")?;
    if checkpoint.chunks == 0 {
        bail!("the replay was interrupted before it had learned anything");
    }
    Ok(Heart::as_it_was(&checkpoint.heart)?)
}

/// The anomalies as lines of JSON, in the order in which they were found.
pub const ANOMALIES: &str = "anomalies.jsonl";
/// The incidents as they were in the end, in the order in which they began.
pub const INCIDENTS: &str = "incidents.jsonl";

/// Makes recorded time pass at a rate.
struct Pace {
    times: f64,
    start: Option<(Time, std::time::Instant)>,
}

impl Pace {
    #[expect(clippy::disallowed_methods, reason = "paces a replay; decides nothing")]
    fn wait_until(&mut self, time: Time) {
        let (recorded, real) = *self
            .start
            .get_or_insert_with(|| (time, std::time::Instant::now()));
        let due = time.since(recorded).div_f64(self.times);
        if let Some(left) = due.checked_sub(real.elapsed()) {
            std::thread::sleep(left);
        }
    }
}

fn time_of(payload: &Payload) -> Option<Time> {
    match payload {
        Payload::Log(log) => log.time,
        Payload::Span(span) => Some(span.start),
        Payload::Histogram(point) => Some(point.end),
        Payload::Level(point) => Some(point.at),
    }
}

fn total_bytes(files: &[PathBuf]) -> u64 {
    files
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}

fn bar(length: u64, minutes: bool, shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let unit = if minutes {
        "{pos}/{len} minutes"
    } else {
        "{bytes}/{total_bytes}"
    };
    let template = format!("{{bar:40}} {unit}  {{elapsed}} (about {{eta}} left)");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The log records of recordings, all of them in memory, in the batches that a replay would take: for
/// benchmarks.
pub fn log_batches(paths: &[PathBuf]) -> anyhow::Result<Vec<Batch>> {
    let scratch = tempfile::tempdir().context("cannot create a temporary folder")?;
    let input = input::open(paths, scratch.path())?;
    let recording = match input.roots.as_slice() {
        [root] => nezha::Recording::open(root)?,
        _ => None,
    };
    let (mut counts, mut batches) = (ReadCounts::default(), Vec::new());
    let mut keep = |mut chunk: Chunk| {
        chunk
            .batch
            .items
            .retain(|item| matches!(item.payload, Payload::Log(_)));
        batches.push(chunk.batch);
        Ok(())
    };
    match &recording {
        Some(recording) => recording.read(&mut counts, &mut keep)?,
        None => files::read(&input.files, None, &mut counts, &mut keep)?,
    }
    Ok(batches)
}

/// A flag that Ctrl-C sets.
pub fn interrupt_flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}
