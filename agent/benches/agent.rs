//! What a core of the agent does: reading, parsing, encoding and compressing, beside plain reading of
//! the same files in the same run.
//!
//! `cargo bench -p agent`. The memory that the largest run took is printed at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use agent::follow::{Attribution, Follower, PodFolder, Pods};
use agent::metrics::Metrics;
use agent::otlp::{Origin, encode};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use monitor_core::Time;

fn main() {
    divan::main();
    if let Some(peak) = peak_kilobytes() {
        #[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
        {
            println!("largest resident size: {} MB", peak / 1_024);
        }
    }
}

/// Containers, and lines of each.
const SHAPES: [(usize, usize); 2] = [(1, 200_000), (1_000, 200)];

struct Logs {
    _folder: tempfile::TempDir,
    root: PathBuf,
    files: Vec<PathBuf>,
    bytes: usize,
    lines: usize,
}

/// Written once for all benchmarks; access lines of about 200 bytes, as the CRI format has them.
fn logs(shape: usize) -> &'static Logs {
    static LOGS: [OnceLock<Logs>; 2] = [OnceLock::new(), OnceLock::new()];
    LOGS[shape].get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (containers, lines) = SHAPES[shape];
        let mut files = Vec::new();
        let mut bytes = 0;
        for container in 0..containers {
            let pod = folder
                .path()
                .join(format!("shop_cart-{container}_uid-{container}/web"));
            fs::create_dir_all(&pod).expect("a folder");
            let mut text = Vec::new();
            for line in 0..lines {
                writeln!(
                    text,
                    "2026-11-21T18:00:{:02}.{:09}Z stdout F 10.1.{}.{} - - \"GET /api/v1/orders/{} \
                     HTTP/1.1\" 200 {} \"-\" \"okhttp/4.12\" request_id={:016x} duration_ms={}.{}",
                    line / 10_000 % 60,
                    line * 7_919 % 1_000_000_000,
                    line % 256,
                    line / 7 % 256,
                    line * 31,
                    line % 5_000,
                    line.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                    line % 900,
                    line % 1_000,
                )
                .expect("memory");
            }
            bytes += text.len();
            let file = pod.join("0.log");
            fs::write(&file, text).expect("a log");
            files.push(file);
        }
        Logs {
            root: folder.path().to_owned(),
            _folder: folder,
            files,
            bytes,
            lines: containers * lines,
        }
    })
}

struct Everyone(Arc<Origin>);

impl Pods for Everyone {
    fn about(&mut self, _: &PodFolder, _: &str, _: u32, _: Time, _: Time) -> Attribution {
        Attribution::Read(Arc::clone(&self.0))
    }
}

fn everyone() -> Everyone {
    let attributes = (0..20).map(|n| (format!("k8s.attribute.{n}"), format!("a value of {n}")));
    Everyone(Arc::new(Origin {
        attributes: attributes.collect(),
        by_path_alone: false,
    }))
}

/// What the machine allows: the same files through one buffer.
#[divan::bench(args = [0, 1])]
fn plain_reading(bencher: Bencher<'_, '_>, shape: usize) {
    let logs = logs(shape);
    bencher
        .counter(BytesCount::new(logs.bytes))
        .counter(ItemsCount::new(logs.lines))
        .bench_local(|| {
            let mut lines = 0;
            for file in &logs.files {
                let bytes = fs::read(file).expect("a log");
                lines += bytes.iter().filter(|byte| **byte == b'\n').count();
            }
            assert_eq!(lines, logs.lines);
        });
}

#[divan::bench(args = [0, 1])]
fn reading_and_parsing(bencher: Bencher<'_, '_>, shape: usize) {
    run(bencher, shape, |_| 0);
}

#[divan::bench(args = [0, 1])]
fn everything_up_to_the_request(bencher: Bencher<'_, '_>, shape: usize) {
    run(bencher, shape, |round| {
        encode(round.groups, Time::from_secs(1), false).body.len()
    });
}

fn run(
    bencher: Bencher<'_, '_>,
    shape: usize,
    each: impl Fn(agent::follow::Round) -> usize + Sync,
) {
    let logs = logs(shape);
    bencher
        .counter(BytesCount::new(logs.bytes))
        .counter(ItemsCount::new(logs.lines))
        .bench_local(|| {
            let metrics = Metrics::register(&prometheus::Registry::new()).expect("new");
            let mut follower = Follower::new(logs.root.clone(), BTreeMap::new(), None, metrics);
            let mut pods = everyone();
            let now = Time::from_secs(1_795_284_000);
            follower.scan(now);
            let mut records = 0;
            let mut bytes = 0;
            loop {
                let round = follower.poll(now, &mut pods);
                records += round.records();
                let more = round.more;
                bytes += each(round);
                if !more {
                    break;
                }
            }
            assert_eq!(records, logs.lines);
            bytes
        });
}

/// Of this process, from `/proc/self/status`.
fn peak_kilobytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
