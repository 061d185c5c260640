//! How fast log lines become records, signals and search results, beside plain tantivy.
//!
//! `cargo bench -p crosswatch-cli --bench pipeline` takes the lines of the simulated shop;
//! `CROSSWATCH_BENCH_LOGS=PATH` takes the log lines of whatever `crosswatch replay PATH` reads.
//! The figures are what one core pays: CPU time of the whole process, all threads together, and
//! bytes of log text. Each stage runs three times, in turns, and the best is kept, because
//! whatever else the machine does can only slow it. Plain tantivy in the same run is the baseline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use monitor::heart::Heart;
use monitor_core::{Batch, Origin, Payload, Record, Time};
use monitor_engine::EngineConfig;
use monitor_ingest::otlp::{Encoding, decode_logs_bytes};
use monitor_ingest::pipeline::Pipeline;
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};
use monitor_store::{Index, IndexConfig, Wal, WalConfig};
use prost::Message;
use sim_services::clock::{Clock, Moment};
use sim_services::load::Load;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{Mesh, MeshConfig};
use sim_services::net::Wire;
use sim_services::telemetry::sink::Function;
use sim_services::topology::Topology;
use tantivy::schema::{IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::{IndexWriter, TantivyDocument};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 3;
/// Of the shop's traffic, in its own time: about 40 MB, in batches of some fifteen records.
const GENERATED: Duration = Duration::from_secs(600);

struct Data {
    batches: Vec<Batch>,
    records: u64,
    bytes: u64,
}

type Stage = (&'static str, fn(&Data));

const STAGES: [Stage; 8] = [
    ("serde_json alone, each line as a JSON string", json),
    ("plain tantivy, text indexed and stored", plain_tantivy),
    ("redact", redact),
    ("write ahead, with fsync", write_ahead),
    ("parse: formats, templates, routes, Calls", parse),
    ("parse and judge: the same with the engine", judge),
    ("index (with parse)", index),
    (
        "whole pipeline: redact, write ahead, parse, judge, index",
        whole,
    ),
];

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() {
    let data = data();
    println!(
        "{} log records, {:.1} MB of text",
        data.records,
        data.bytes as f64 / 1e6
    );
    let mut best = [f64::INFINITY; STAGES.len()];
    for _ in 0..ROUNDS {
        for (seconds, (_, run)) in best.iter_mut().zip(STAGES) {
            let before = cpu_seconds();
            run(&data);
            *seconds = seconds.min(cpu_seconds() - before);
        }
    }
    let tantivy = best[1];
    println!(
        "{:60} {:>9} {:>12} {:>14}",
        "per core", "MB/s", "records/s", "plain tantivy"
    );
    for ((name, _), seconds) in STAGES.iter().zip(best) {
        println!(
            "{name:60} {:>9.1} {:>12.0} {:>13.2}x",
            data.bytes as f64 / seconds / 1e6,
            data.records as f64 / seconds,
            tantivy / seconds
        );
    }
}

fn data() -> Data {
    let batches = match std::env::var_os("CROSSWATCH_BENCH_LOGS") {
        Some(path) => {
            monitor::replay::log_batches(&[PathBuf::from(path)]).expect("readable log files")
        }
        None => generated(),
    };
    let texts = || {
        batches
            .iter()
            .flat_map(|batch| &batch.items)
            .filter_map(text)
    };
    let (records, bytes) = (
        texts().count() as u64,
        texts().map(|text| text.len() as u64).sum(),
    );
    Data {
        batches,
        records,
        bytes,
    }
}

/// What the shop's collectors would send of its logs, in virtual time.
fn generated() -> Vec<Batch> {
    let (give, take) = std::sync::mpsc::channel();
    let date = Moment::from_secs(1_772_532_000);
    run_virtual(date, |clock: Clock| async move {
        let topology = Arc::new(Topology::shop());
        let sink = Function::new(move |exports| {
            let request = sim_services::telemetry::otlp::logs(&exports).encode_to_vec();
            // The receiver is read when the platform has ended.
            drop(give.send((clock.now(), request)));
        });
        let config = MeshConfig {
            topology: Arc::clone(&topology),
            wire: Wire::memory(),
            clock,
            seed: 1,
            sink: Arc::new(sink),
        };
        let mesh = Mesh::start(config).await.expect("the shop starts");
        let (conditions, meters) = (mesh.follow(), Arc::clone(mesh.meters()));
        let load = Load::new(topology, mesh.clients(), clock, 1, conditions, meters);
        let stop = CancellationToken::new();
        let clients = tokio::spawn(Arc::new(load).run(stop.clone()));
        tokio::time::sleep(GENERATED).await;
        stop.cancel();
        clients.await.expect("clients that end when told");
        mesh.stop().await;
    })
    .expect("a runtime");
    take.into_iter()
        .map(|(at, request)| {
            let now = Time::from_nanos(at.0);
            decode_logs_bytes(&request, Encoding::Protobuf, Origin::OtlpHttp, now)
                .expect("what a collector sends")
                .batch
        })
        .collect()
}

fn text(item: &monitor_core::Item) -> Option<&str> {
    match &item.payload {
        Payload::Log(log) => Some(&log.text),
        Payload::Span(_) | Payload::Histogram(_) | Payload::Level(_) => None,
    }
}

fn json(data: &Data) {
    for item in data.batches.iter().flat_map(|batch| &batch.items) {
        let text = serde_json::to_string(text(item).unwrap_or_default()).expect("a string");
        let back: String = serde_json::from_str(&text).expect("what was just written");
        std::hint::black_box(back);
    }
}

fn redactor() -> Redactor {
    Redactor::new(RedactConfig::default()).expect("the built-in rules compile")
}

fn redact(data: &Data) {
    let (redactor, mut counts) = (redactor(), RedactionCounts::default());
    for batch in &data.batches {
        let mut batch = batch.clone();
        redactor.redact_batch(&mut batch, &mut counts);
        std::hint::black_box(batch);
    }
}

fn write_ahead(data: &Data) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut wal, _) = Wal::open(folder.path(), WalConfig::default()).expect("an empty folder");
    for batch in &data.batches {
        wal.append(batch).expect("appending");
        wal.sync().expect("syncing");
    }
}

fn parse(data: &Data) {
    let mut pipeline = Pipeline::new();
    for batch in &data.batches {
        std::hint::black_box(pipeline.process(batch.clone()));
    }
}

fn judge(data: &Data) {
    let mut heart = Heart::new(EngineConfig::replay());
    for batch in &data.batches {
        let received = batch.received;
        std::hint::black_box(heart.take(batch.clone()));
        std::hint::black_box(heart.tick(received));
    }
}

/// One partition for all: recorded data may be spread over years.
fn open_index(folder: &std::path::Path) -> Index {
    let config = IndexConfig {
        partition: Duration::from_secs(365 * 24 * 3_600),
        ..IndexConfig::default()
    };
    Index::open(folder, config).expect("an empty folder").0
}

fn index(data: &Data) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut pipeline, mut index) = (Pipeline::new(), open_index(folder.path()));
    for (seq, batch) in (1..).zip(&data.batches) {
        let records: Vec<(u32, Record)> = pipeline.process(batch.clone()).records;
        index.add(seq, &records).expect("adding");
    }
    index.close().expect("committing");
}

fn whole(data: &Data) {
    let (log, indexed) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (mut wal, _) = Wal::open(log.path(), WalConfig::default()).expect("an empty folder");
    let (redactor, mut counts) = (redactor(), RedactionCounts::default());
    let mut heart = Heart::new(EngineConfig::replay());
    let mut index = open_index(indexed.path());
    for batch in &data.batches {
        let mut batch = batch.clone();
        redactor.redact_batch(&mut batch, &mut counts);
        let seq = wal.append(&batch).expect("appending");
        wal.sync().expect("syncing");
        let received = batch.received;
        let (records, _) = heart.take(batch);
        std::hint::black_box(heart.tick(received));
        index.add(seq, &records).expect("adding");
    }
    index.close().expect("committing");
}

fn plain_tantivy(data: &Data) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::Basic);
    let options = TextOptions::default().set_indexing_options(indexing) | STORED;
    let field = schema.add_text_field("text", options);
    let index =
        tantivy::Index::create_in_dir(folder.path(), schema.build()).expect("an empty folder");
    let mut writer: IndexWriter = index
        .writer_with_num_threads(1, 64 << 20)
        .expect("a new writer");
    for text in data
        .batches
        .iter()
        .flat_map(|batch| &batch.items)
        .filter_map(text)
    {
        let mut document = TantivyDocument::new();
        document.add_text(field, text);
        writer.add_document(document).expect("adding a document");
    }
    writer.commit().expect("committing");
    writer.wait_merging_threads().expect("merging");
}

/// User and system time of all threads, ended ones included; Linux counts in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a Linux system");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}
