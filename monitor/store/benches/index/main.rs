//! How fast records become searchable, and how large they are, beside plain tantivy.
//!
//! `cargo bench -p monitor-store` generates log lines of an invented shop; with
//! `CROSSWATCH_BENCH_LOGS=DIR` the lines of all files under that directory are taken instead.
//! Divan prints wall times; the table before it has what one core pays: CPU time of the whole
//! process, all threads together, and bytes on disk.

mod lines;

use std::path::Path;
use std::sync::OnceLock;

use divan::counter::{BytesCount, ItemsCount};
use monitor_core::{Record, SearchRequest};
use monitor_store::{Index, IndexConfig};
use tantivy::schema::{IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::{IndexWriter, TantivyDocument};

const BATCH: usize = 1000;

fn main() {
    report("tantivy, text indexed and stored", plain_tantivy);
    report("monitor-store, all fields", store);
    divan::main();
}

struct Data {
    batches: Vec<Vec<(u32, Record)>>,
    records: u64,
    bytes: u64,
}

fn data() -> &'static Data {
    static DATA: OnceLock<Data> = OnceLock::new();
    DATA.get_or_init(|| {
        let records = match std::env::var_os("CROSSWATCH_BENCH_LOGS") {
            Some(dir) => lines::recorded(Path::new(&dir)),
            None => lines::generated(300_000),
        };
        let bytes = records.iter().map(|record| record.text.len() as u64).sum();
        Data {
            records: records.len() as u64,
            bytes,
            batches: records
                .chunks(BATCH)
                .map(|chunk| (0..).zip(chunk.iter().cloned()).collect())
                .collect(),
        }
    })
}

#[divan::bench(name = "store", sample_count = 3, sample_size = 1)]
fn bench_store(bencher: divan::Bencher<'_, '_>) {
    bench(bencher, store);
}

#[divan::bench(name = "plain_tantivy", sample_count = 3, sample_size = 1)]
fn bench_tantivy(bencher: divan::Bencher<'_, '_>) {
    bench(bencher, plain_tantivy);
}

/// What the monitor does twice a second: some hundred new records made durable and searchable.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn add_and_commit_500(bencher: divan::Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a directory for the index");
    let (mut index, _) = Index::open(dir.path(), IndexConfig::default()).expect("empty");
    let mut batches = data().batches.iter().cycle();
    bencher.bench_local(|| {
        let batch = batches.next().expect("an endless cycle");
        let half = &batch[..batch.len() / 2];
        index.add(index.resume_from(), half).expect("adding");
        index.commit().expect("committing");
    });
}

/// Over all the data, the first hundred hits and the number of all.
#[divan::bench(
    args = ["", "error", "status:>=500", "\"request handled\"", "order*", "shop -service:stock"],
    sample_count = 5,
    sample_size = 1
)]
fn search(bencher: divan::Bencher<'_, '_>, query: &str) {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory for the index");
        store(dir.path());
        dir
    });
    let (index, _) = Index::open(dir.path(), IndexConfig::default()).expect("it was made");
    let search = index.search();
    let request = SearchRequest {
        query: query.to_owned(),
        ..SearchRequest::default()
    };
    bencher.bench_local(|| search.search(&request).expect("an answer"));
}

fn bench(bencher: divan::Bencher<'_, '_>, run: fn(&Path)) {
    let data = data();
    bencher
        .counter(ItemsCount::new(data.records))
        .counter(BytesCount::new(data.bytes))
        .with_inputs(|| tempfile::tempdir().expect("a directory for the index"))
        .bench_refs(|dir| run(dir.path()));
}

fn store(dir: &Path) {
    let config = IndexConfig {
        // Recorded data may be spread over years; partitions are not what is measured.
        partition: std::time::Duration::from_secs(365 * 24 * 3600),
        ..IndexConfig::default()
    };
    let (mut index, _) = Index::open(dir, config).expect("an empty directory");
    for (seq, batch) in (1..).zip(&data().batches) {
        index.add(seq, batch).expect("adding records");
    }
    index.close().expect("committing");
}

fn plain_tantivy(dir: &Path) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::Basic);
    let options = TextOptions::default().set_indexing_options(indexing) | STORED;
    let text = schema.add_text_field("text", options);
    let index = tantivy::Index::create_in_dir(dir, schema.build()).expect("an empty directory");
    let mut writer: IndexWriter = index
        .writer_with_num_threads(1, 64 << 20)
        .expect("a new writer");
    for (_, record) in data().batches.iter().flatten() {
        let mut document = TantivyDocument::new();
        document.add_text(text, &record.text);
        writer.add_document(document).expect("adding a document");
    }
    writer.commit().expect("committing");
    writer.wait_merging_threads().expect("merging");
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn report(name: &str, run: fn(&Path)) {
    let data = data();
    let dir = tempfile::tempdir().expect("a directory for the index");
    let before = cpu_seconds();
    run(dir.path());
    let seconds = cpu_seconds() - before;
    println!(
        "{name}: {:.1} MB/s, {:.0} records/s per core; {:.3} bytes on disk per byte of text",
        data.bytes as f64 / seconds / 1e6,
        data.records as f64 / seconds,
        disk_bytes(dir.path()) as f64 / data.bytes as f64,
    );
}

fn disk_bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("of a file");
            if metadata.is_dir() {
                disk_bytes(&entry.path())
            } else {
                metadata.len()
            }
        })
        .sum()
}

/// User and system time of this process, from `/proc` (proc_pid_stat(5), in hundredths).
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
