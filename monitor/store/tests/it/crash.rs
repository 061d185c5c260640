//! Kills a process that appends, acknowledges and indexes, at any moment, again and again; then
//! looks for every acknowledged record, and for doubles.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use monitor_core::{Batch, Payload, Record, SearchRequest};
use monitor_store::{Index, IndexConfig, Wal, WalConfig, WalError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::tempdir;

use crate::records::{DAY, at, batch, record};

const KILLS: u64 = 30;
const DIR: &str = "STORE_CRASH_DIR";
const RUN: &str = "STORE_CRASH_RUN";

fn open(dir: &Path) -> (Wal, Index) {
    let wal_config = WalConfig {
        segment_bytes: 8 << 10,
        ..WalConfig::default()
    };
    // Fewer writers than days of data: partitions are opened and closed all the time.
    let index_config = IndexConfig {
        max_writers: 2,
        ..IndexConfig::default()
    };
    let (mut wal, recovery) = Wal::open(&dir.join("wal"), wal_config).unwrap();
    assert_eq!(recovery.lost, []);
    let (mut index, recovery) = Index::open(&dir.join("index"), index_config).unwrap();
    assert!(recovery.set_aside.is_empty(), "{:?}", recovery.set_aside);
    wal.advance_to(index.highest_contained() + 1).unwrap();
    for entry in wal.read_from(index.resume_from()) {
        let (seq, batch) = entry.unwrap();
        index.add(seq, &records(&batch)).unwrap();
    }
    index.commit().unwrap();
    (wal, index)
}

/// A batch's records, over three days by their number; some batches span two.
fn records(batch: &Batch) -> Vec<(u32, Record)> {
    (0..)
        .zip(&batch.items)
        .map(|(item, found)| {
            let Payload::Log(log) = &found.payload else {
                panic!("only logs were written");
            };
            let number: i64 = log.text.rsplit(' ').next().unwrap().parse().unwrap();
            (item, record(at(number / 8 % 3 * DAY), &log.text, true))
        })
        .collect()
}

/// Not a test by itself: the process that [`killed_at_any_moment`] starts and kills.
#[test]
fn child() {
    let (Ok(dir), Ok(run)) = (std::env::var(DIR), std::env::var(RUN)) else {
        return;
    };
    let run: u64 = run.parse().unwrap();
    let mut random = StdRng::seed_from_u64(run);
    let (mut wal, mut index) = open(Path::new(&dir));
    let mut number = run * 1_000_000;
    loop {
        let first = number;
        let mut group = Vec::new();
        for _ in 0..random.random_range(1..4) {
            let texts: Vec<String> = (0..random.random_range(1..5))
                .map(|_| {
                    number += 1;
                    format!("written as number {number}")
                })
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let batch = batch(&texts);
            group.push((wal.append(&batch).unwrap(), batch));
        }
        wal.sync().unwrap();
        println!("ack {} {}", first + 1, number);
        std::io::stdout().flush().unwrap();
        for (seq, batch) in group {
            index.add(seq, &records(&batch)).unwrap();
            if random.random_ratio(1, 4) {
                index.commit().unwrap();
                wal.release(index.resume_from()).unwrap();
            }
        }
    }
}

#[test]
fn killed_at_any_moment() {
    let dir = tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(42);
    let mut acknowledged: Vec<u64> = Vec::new();
    for run in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .env(RUN, run.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some runs are killed while they still recover from the one before.
        for _ in 0..random.random_range(0..8) {
            let acks = lines
                .by_ref()
                .find_map(|line| acknowledgement(&line.unwrap()));
            acknowledged.extend(acks.expect("the child lives until it is killed"));
        }
        for _ in 0..random.random_range(0..3_000_000u32) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last line read and its death was said.
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(acknowledgement(&line).into_iter().flatten());
        }
    }
    assert!(!acknowledged.is_empty());
    let (wal, index) = open(dir.path());
    let lost = wal
        .read_from(index.resume_from())
        .filter(|entry| matches!(entry, Err(WalError::Lost { .. })))
        .count();
    assert_eq!(lost, 0);
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    let mut offset = 0;
    loop {
        let request = SearchRequest {
            limit: 5000,
            offset,
            ..SearchRequest::default()
        };
        let page = index.search().search(&request).unwrap();
        offset += page.hits.len();
        for hit in &page.hits {
            let number = hit.text.rsplit(' ').next().unwrap().parse().unwrap();
            *found.entry(number).or_default() += 1;
        }
        if page.hits.is_empty() {
            break;
        }
    }
    let doubled: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|number| !found.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "acknowledged and missing: {missing:?}");
}

fn acknowledgement(line: &str) -> Option<std::ops::RangeInclusive<u64>> {
    let (first, last) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}
