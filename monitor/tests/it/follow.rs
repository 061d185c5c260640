//! Files that grow, move, shrink and vanish; time is what the test says it is.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor::follow::{self, FollowCounters, Follower};
use monitor_core::{Batch, Payload, Time};
use monitor_serve::{Clock, Intake, Refused};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A folder, a follower of files in it, and everything that was delivered.
struct Bench {
    folder: TempDir,
    patterns: Vec<String>,
    follower: Follower,
    now: Time,
    delivered: Vec<String>,
}

impl Bench {
    fn new(patterns: &[&str]) -> Bench {
        let folder = TempDir::new().unwrap();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| format!("{}/{pattern}", folder.path().display()))
            .collect();
        let follower = open(&patterns, folder.path());
        Bench {
            folder,
            patterns,
            follower,
            now: Time::from_secs(1_795_255_500),
            delivered: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    /// Polls until there is nothing more, and acknowledges everything.
    fn poll(&mut self) {
        while let Some(round) = self.follower.poll(self.now) {
            self.delivered.extend(texts(&round.batch));
            let more = round.more;
            self.follower.commit(round).unwrap();
            if !more {
                break;
            }
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.poll();
    }

    /// As after a crash: only what was committed is remembered.
    fn restart(&mut self) {
        self.follower = open(&self.patterns, self.folder.path());
    }

    /// Everything delivered since the last call, once time has completed what was pending.
    fn settled(&mut self) -> Vec<String> {
        self.poll();
        self.wait(2);
        self.wait(6);
        std::mem::take(&mut self.delivered)
    }
}

fn open(patterns: &[String], folder: &Path) -> Follower {
    let counters = FollowCounters::register(&prometheus::Registry::new()).unwrap();
    Follower::open(patterns, folder.join("positions.json"), counters).unwrap()
}

fn texts(batch: &Batch) -> Vec<String> {
    batch
        .items
        .iter()
        .map(|item| match &item.payload {
            Payload::Log(log) => log.text.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn lines_come_as_they_are_written() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("a.log", "INFO one\nINFO tw");
    bench.poll();
    bench.append("a.log", "o\r\n\nERROR three\n\tat x.Y\n");
    bench.poll();
    // The last record may go on, until a second has passed.
    assert_eq!(bench.delivered, ["INFO one", "INFO two"]);
    bench.wait(1);
    assert_eq!(bench.delivered[2..], ["ERROR three\n\tat x.Y"]);
    // A line without an end is given up after a while.
    bench.append("a.log", "INFO four");
    bench.wait(1);
    assert_eq!(bench.delivered.len(), 3);
    assert_eq!(bench.settled()[3..], ["INFO four"]);
}

#[test]
fn files_and_folders_that_appear_later_are_found() {
    let mut bench = Bench::new(&["*/logs/*.log"]);
    assert!(bench.settled().is_empty());
    bench.append("pay/logs/app.log", "INFO new\n");
    bench.append("pay/logs/app.log.gz", "packed");
    bench.append("pay/app.log", "INFO elsewhere\n");
    bench.wait(1);
    assert_eq!(bench.settled(), ["INFO new"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_its_successor_from_the_beginning() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "INFO 1\nINFO 2\n");
    bench.poll();
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    // The writer has not noticed yet.
    bench.append("app.log.1", "INFO 3\n");
    bench.append("app.log", "INFO 4\n");
    bench.wait(1);
    bench.append("app.log.1", "INFO 5\n");
    let mut all = bench.settled();
    all.sort();
    assert_eq!(all, ["INFO 1", "INFO 2", "INFO 3", "INFO 4", "INFO 5"]);
}

#[test]
fn a_file_under_two_names_is_one_file() {
    let mut bench = Bench::new(&["app.log*", "links/*"]);
    bench.append("app.log", "INFO 1\n");
    fs::create_dir(bench.path("links")).unwrap();
    std::os::unix::fs::symlink(bench.path("app.log"), bench.path("links/x")).unwrap();
    assert_eq!(bench.settled(), ["INFO 1"]);
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log", "INFO 2\n");
    assert_eq!(bench.settled(), ["INFO 2"]);
}

#[test]
fn a_truncated_file_is_read_anew() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "INFO before, and long enough to be cut\n");
    assert_eq!(bench.settled().len(), 1);
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("app.log"))
        .unwrap();
    file.set_len(0).unwrap();
    bench.append("app.log", "INFO after\n");
    assert_eq!(bench.settled(), ["INFO after"]);
    // Cut and outgrown between two looks: the beginning tells.
    file.set_len(0).unwrap();
    bench.append("app.log", "INFO again, and longer than it has ever been\n");
    assert_eq!(
        bench.settled(),
        ["INFO again, and longer than it has ever been"]
    );
}

#[test]
fn a_writer_that_does_not_notice_leaves_a_hole() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "INFO before\n");
    assert_eq!(bench.settled(), ["INFO before"]);
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("app.log"))
        .unwrap();
    file.set_len(0).unwrap();
    file.write_at(b"INFO behind the hole\n", 3 << 20).unwrap();
    assert_eq!(bench.settled(), ["INFO behind the hole"]);
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "INFO 1\n");
    bench.poll();
    bench.append("app.log", "INFO 2");
    fs::remove_file(bench.path("app.log")).unwrap();
    assert_eq!(bench.settled(), ["INFO 1", "INFO 2"]);
    bench.wait(20);
    let saved = fs::read_to_string(bench.path("positions.json")).unwrap();
    assert_eq!(saved, r#"{"version":1,"files":[]}"#);
}

#[test]
fn what_was_acknowledged_is_not_read_again() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "INFO 1\nINFO 2\n");
    assert_eq!(bench.settled(), ["INFO 1", "INFO 2"]);
    bench.append("app.log", "INFO 3\n");
    bench.restart();
    assert_eq!(bench.settled(), ["INFO 3"]);
    // Read, but never acknowledged: it comes again.
    bench.append("app.log", "INFO 4\nINFO 5\n");
    bench.wait(1);
    bench.delivered.clear();
    bench.append("app.log", "INFO 6\nINFO 7\n");
    let lost = bench.follower.poll(bench.now).unwrap();
    assert_eq!(texts(&lost.batch), ["INFO 5", "INFO 6"]);
    bench.restart();
    assert_eq!(bench.settled(), ["INFO 5", "INFO 6", "INFO 7"]);
    // Another file took its inode's place.
    fs::write(
        bench.path("app.log"),
        "WARN other\nWARN content\nWARN altogether, and longer\n",
    )
    .unwrap();
    bench.restart();
    assert_eq!(bench.settled().len(), 3);
}

#[test]
fn kubernetes_pieces_are_joined_and_outputs_kept_apart() {
    let mut bench = Bench::new(&["pods/*/*/*.log"]);
    let name = "pods/shop_cart-7d4b9c6f5-x2x9k_0a1b/web/0.log";
    let line = |output: &str, tag: &str, text: &str| {
        format!("2026-11-21T10:05:00.25Z {output} {tag} {text}\n")
    };
    bench.append(name, line("stdout", "P", "INFO a long "));
    bench.append(name, line("stderr", "F", "ERROR failed"));
    bench.append(name, line("stdout", "F", "line"));
    bench.append(name, line("stderr", "F", "\tat x.Y"));
    bench.append(name, line("stdout", "F", "INFO next"));
    let round = bench.follower.poll(bench.now).unwrap();
    assert_eq!(texts(&round.batch), ["INFO a long line"]);
    let source = &round.batch.sources[0];
    assert_eq!(source.resource.service.to_string(), "shop/cart");
    assert_eq!(&*source.resource.instance, "cart-7d4b9c6f5-x2x9k");
    assert_eq!(&*source.stream, "web/stdout");
    let Payload::Log(log) = &round.batch.items[0].payload else {
        panic!("a log");
    };
    assert_eq!(log.time.unwrap().to_string(), "2026-11-21T10:05:00.25Z");
    bench.follower.commit(round).unwrap();
    // Standard error still waits, at a place before what standard output is done with.
    bench.restart();
    let mut rest = bench.settled();
    rest.sort();
    assert_eq!(rest, ["ERROR failed\n\tat x.Y", "INFO next"]);
}

#[test]
fn docker_containers_are_named_by_their_description() {
    let mut bench = Bench::new(&["containers/*/*-json.log"]);
    let id = "ab".repeat(32);
    bench.append(
        &format!("containers/{id}/config.v2.json"),
        r#"{"Name":"/shop-cart-1","Config":{"Image":"shop/cart:1","Labels":{
            "com.docker.compose.service":"cart","com.docker.compose.project":"shop"}}}"#,
    );
    bench.append(
        &format!("containers/{id}/{id}-json.log"),
        r#"{"log":"INFO hello\n","stream":"stdout","time":"2026-11-21T10:05:00Z"}
{"log":"INFO bye\n","stream":"stdout","time":"2026-11-21T10:05:00Z"}
"#,
    );
    let round = bench.follower.poll(bench.now).unwrap();
    let source = &round.batch.sources[0];
    assert_eq!(source.resource.service.to_string(), "shop/cart");
    assert_eq!(&*source.stream, "stdout");
    assert_eq!(texts(&round.batch), ["INFO hello"]);
}

#[test]
fn a_noisy_file_does_not_starve_the_others() {
    let mut bench = Bench::new(&["*.log"]);
    let noise = "INFO noise\n".repeat(1 << 20);
    for noisy in 0..20 {
        bench.append(&format!("noisy-{noisy:02}.log"), &noise);
    }
    bench.append("quiet.log", "INFO quiet\nINFO end\n");
    let mut rounds = 0;
    loop {
        let round = bench.follower.poll(bench.now).unwrap();
        let bytes: usize = texts(&round.batch).iter().map(String::len).sum();
        assert!(bytes <= 3 << 20, "a round of {bytes} bytes");
        rounds += 1;
        if texts(&round.batch).contains(&"INFO quiet".to_owned()) {
            break;
        }
        bench.follower.commit(round).unwrap();
    }
    assert!(rounds <= 2, "{rounds} rounds until the quiet file was read");
}

#[test]
fn a_line_of_ten_megabytes_is_cut() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("a.log", vec![b'x'; 10 << 20]);
    bench.append("a.log", "\nINFO next\n");
    let all = bench.settled();
    assert_eq!(all.len(), 2);
    assert!(all[0].len() < (1 << 20) + 100 && all[0].ends_with(" bytes cut]"));
    assert_eq!(all[1], "INFO next");
}

#[test]
fn a_damaged_state_file_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("positions.json");
    fs::write(&state, "{").unwrap();
    let counters = FollowCounters::register(&prometheus::Registry::new()).unwrap();
    let error = Follower::open(&[], state, counters).unwrap_err();
    assert!(error.to_string().contains("positions.json"), "{error}");
}

#[derive(Debug)]
struct Ticking(Mutex<Time>);

impl Clock for Ticking {
    /// Each look is a second later.
    fn now(&self) -> Time {
        let mut now = self.0.lock().unwrap();
        *now = *now + Duration::from_secs(1);
        *now
    }
}

/// Refuses a few times, then takes everything; stops the follower when it has all.
#[derive(Debug)]
struct Reluctant {
    refusals: Mutex<u32>,
    taken: Mutex<Vec<String>>,
    wanted: usize,
    stop: CancellationToken,
}

impl Intake for Reluctant {
    fn submit(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                let retry_after = Duration::from_secs(1);
                return Err(Refused::Full { retry_after });
            }
            let mut taken = self.taken.lock().unwrap();
            taken.extend(texts(&batch));
            if taken.len() >= self.wanted {
                self.stop.cancel();
            }
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_waits_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let mut file = File::create(folder.path().join("a.log")).unwrap();
    for line in 0..1_000 {
        writeln!(file, "INFO line {line}").unwrap();
    }
    let stop = CancellationToken::new();
    let intake = Arc::new(Reluctant {
        refusals: Mutex::new(3),
        taken: Mutex::default(),
        wanted: 1_000,
        stop: stop.clone(),
    });
    let registry = prometheus::Registry::new();
    follow::run(
        vec![format!("{}/*.log", folder.path().display())],
        folder.path().join("positions.json"),
        intake.clone(),
        Arc::new(Ticking(Mutex::new(Time::from_secs(1_795_255_500)))),
        registry.clone(),
        stop,
    )
    .await
    .unwrap();
    let expected: Vec<String> = (0..1_000).map(|line| format!("INFO line {line}")).collect();
    assert_eq!(*intake.taken.lock().unwrap(), expected);
    let waits = registry
        .gather()
        .iter()
        .find(|family| family.name() == "crosswatch_follow_waits_total")
        .unwrap()
        .get_metric()[0]
        .get_counter()
        .get_value();
    assert_eq!(waits, 3.0);
}

#[derive(Clone, Debug)]
enum Act {
    Write { file: u8, lines: u8 },
    WriteHalf { file: u8 },
    Rotate { file: u8 },
    Poll,
    Wait,
    CrashBeforeAcknowledgement,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u8..3, 1u8..5).prop_map(|(file, lines)| Act::Write { file, lines }),
        1 => (0u8..3).prop_map(|file| Act::WriteHalf { file }),
        1 => (0u8..3).prop_map(|file| Act::Rotate { file }),
        3 => Just(Act::Poll),
        1 => Just(Act::Wait),
        1 => Just(Act::CrashBeforeAcknowledgement),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever happens, each line is acknowledged once, and in order within its file.
    #[test]
    fn each_line_is_acknowledged_once(acts in prop::collection::vec(act(), 1..40)) {
        let mut bench = Bench::new(&["f*.log*"]);
        let mut written: BTreeMap<u8, u32> = BTreeMap::new();
        let mut half: BTreeMap<u8, bool> = BTreeMap::new();
        let mut rotations = 0;
        let mut delivered = Vec::new();
        let name = |file: u8| format!("f{file}.log");
        for act in acts.into_iter().chain([Act::Restart]) {
            match act {
                Act::Write { file, lines } => {
                    for _ in 0..lines {
                        let number = written.entry(file).or_default();
                        if !half.insert(file, false).unwrap_or(false) {
                            bench.append(&name(file), format!("INFO f{file} line {number}"));
                        }
                        bench.append(&name(file), "\n");
                        *number += 1;
                    }
                }
                Act::WriteHalf { file } => {
                    if !half.insert(file, true).unwrap_or(false) {
                        let number = written.get(&file).copied().unwrap_or(0);
                        bench.append(&name(file), format!("INFO f{file} line {number}"));
                    }
                }
                // A writer ends its line before it lets its file be rotated.
                Act::Rotate { file } if half.get(&file) != Some(&true) => {
                    let path = bench.path(&name(file));
                    if path.exists() {
                        rotations += 1;
                        let to = bench.path(&format!("{}.{rotations}", name(file)));
                        fs::rename(path, to).unwrap();
                    }
                }
                Act::Rotate { .. } => {}
                Act::Poll => bench.poll(),
                // Not so long that a half-written line would be given up.
                Act::Wait => bench.wait(1),
                Act::CrashBeforeAcknowledgement => {
                    drop(bench.follower.poll(bench.now));
                    bench.restart();
                }
                Act::Restart => bench.restart(),
            }
            delivered.append(&mut bench.delivered);
            // Keeps half-written lines from growing old.
            if matches!(act, Act::Wait) {
                for (file, half) in &mut half {
                    if std::mem::take(half) {
                        bench.append(&name(*file), "\n");
                        *written.entry(*file).or_default() += 1;
                    }
                }
            }
        }
        for (file, half) in half {
            if half {
                *written.entry(file).or_default() += 1;
            }
        }
        delivered.append(&mut bench.settled());
        for (file, lines) in written {
            let expected: Vec<String> =
                (0..lines).map(|line| format!("INFO f{file} line {line}")).collect();
            let mut found: Vec<String> = delivered
                .iter()
                .filter(|text| text.starts_with(&format!("INFO f{file} ")))
                .cloned()
                .collect();
            // Rotated files are read side by side.
            found.sort_by_key(|text| text.rsplit(' ').next().unwrap().parse::<u32>().unwrap());
            prop_assert_eq!(found, expected);
        }
    }
}
