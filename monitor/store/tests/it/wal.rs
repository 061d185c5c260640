//! The write-ahead log: what was synced is read again, whatever happens to its end.

use std::fs;
use std::path::{Path, PathBuf};

use monitor_core::Batch;
use monitor_store::{Seq, Wal, WalConfig, WalError};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::records::batch;

fn open(dir: &Path) -> Wal {
    Wal::open(dir, WalConfig::default()).unwrap().0
}

fn read(wal: &Wal, from: Seq) -> Vec<(Seq, Batch)> {
    wal.read_from(from).map(Result::unwrap).collect()
}

fn numbered_batch(number: u64) -> Batch {
    // Some compress, some do not.
    let long = "repeated ".repeat((number % 5) as usize * 40);
    batch(&[&format!("line {number}"), &long])
}

fn fill(wal: &mut Wal, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        assert_eq!(wal.append(&numbered_batch(number)).unwrap(), number);
        wal.sync().unwrap();
    }
}

fn expected(numbers: std::ops::RangeInclusive<u64>) -> Vec<(Seq, Batch)> {
    numbers
        .map(|number| (number, numbered_batch(number)))
        .collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
        .collect();
    found.sort();
    found
}

const SMALL: WalConfig = WalConfig {
    segment_bytes: 1000,
    max_bytes: 1 << 20,
};

#[test]
fn what_was_synced_is_read_again() {
    let dir = tempdir().unwrap();
    let mut wal = open(dir.path());
    fill(&mut wal, 1..=20);
    wal.append(&numbered_batch(21)).unwrap();
    assert_eq!(
        read(&wal, 5),
        expected(5..=20),
        "not yet synced is not yet there"
    );
    drop(wal);
    let mut wal = open(dir.path());
    assert_eq!(read(&wal, 1), expected(1..=20));
    fill(&mut wal, 21..=22);
    assert_eq!(read(&wal, 19), expected(19..=22));
}

#[test]
fn released_segments_are_gone_and_numbers_go_on() {
    let dir = tempdir().unwrap();
    let (mut wal, _) = Wal::open(dir.path(), SMALL).unwrap();
    fill(&mut wal, 1..=40);
    let before = segments(dir.path()).len();
    assert!(before > 3);
    let freed = wal.release(20).unwrap();
    assert!(freed > 0);
    assert!(segments(dir.path()).len() < before);
    assert!(wal.first_seq() <= 20);
    assert_eq!(read(&wal, 20), expected(20..=40));
    let lost = wal.read_from(1).next().unwrap().unwrap_err();
    assert!(matches!(lost, WalError::Lost { first: 1, .. }), "{lost:?}");
    wal.release(Seq::MAX).unwrap();
    drop(wal);
    let (wal, recovery) = Wal::open(dir.path(), SMALL).unwrap();
    assert_eq!(recovery.next, 41);
    assert_eq!(wal.next_seq(), 41);
}

#[test]
fn a_full_log_refuses_and_takes_again_once_released() {
    let dir = tempdir().unwrap();
    let config = WalConfig {
        segment_bytes: 500,
        max_bytes: 2000,
    };
    let (mut wal, _) = Wal::open(dir.path(), config).unwrap();
    let mut taken = 0;
    let refused = loop {
        match wal.append(&numbered_batch(taken + 1)) {
            Ok(seq) => taken = seq,
            Err(error) => break error,
        }
        wal.sync().unwrap();
    };
    assert!(refused.is_disk_full() && matches!(refused, WalError::Full { .. }));
    assert_eq!(read(&wal, 1), expected(1..=taken));
    wal.release(taken + 1).unwrap();
    fill(&mut wal, taken + 1..=taken + 1);
}

#[test]
fn a_number_the_index_knows_is_not_given_again() {
    let dir = tempdir().unwrap();
    let mut wal = open(dir.path());
    wal.advance_to(100).unwrap();
    assert_eq!(wal.append(&numbered_batch(1)).unwrap(), 100);
    wal.sync().unwrap();
    drop(wal);
    assert_eq!(read(&open(dir.path()), 100), [(100, numbered_batch(1))]);
}

#[test]
fn only_one_process_has_the_log() {
    let dir = tempdir().unwrap();
    let _wal = open(dir.path());
    let second = Wal::open(dir.path(), WalConfig::default()).unwrap_err();
    assert!(matches!(second, WalError::Locked { .. }));
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_what_was_torn() {
    let dir = tempdir().unwrap();
    let mut ends = vec![0];
    let mut wal = open(dir.path());
    let path = segments(dir.path()).remove(0);
    for number in 1..=6 {
        fill(&mut wal, number..=number);
        ends.push(fs::metadata(&path).unwrap().len() as usize);
    }
    drop(wal);
    let whole = fs::read(&path).unwrap();
    assert_eq!(ends[6], whole.len());
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut wal, recovery) = Wal::open(dir.path(), WalConfig::default()).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        assert_eq!(recovery.next, kept + 1, "cut at {cut}");
        assert_eq!(recovery.cut_bytes as usize, cut - ends[kept as usize]);
        assert_eq!(recovery.lost, []);
        fill(&mut wal, kept + 1..=kept + 1);
        assert_eq!(read(&wal, 1), expected(1..=kept + 1), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One flipped byte loses one batch at most, and says so; with acknowledged batches behind it,
    /// it is never taken for a torn tail.
    #[test]
    fn damage_loses_one_batch_and_is_reported(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let dir = tempdir().unwrap();
        let mut wal = open(dir.path());
        fill(&mut wal, 1..=5);
        drop(wal);
        let path = segments(dir.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let (mut wal, recovery) = Wal::open(dir.path(), WalConfig::default()).unwrap();
        let damaged = match recovery.lost[..] {
            [(first, last)] => {
                prop_assert_eq!(first, last);
                prop_assert_eq!(recovery.cut_bytes, 0);
                first
            }
            _ => {
                // Nothing after the last one proves that it had been acknowledged.
                prop_assert_eq!(recovery.next, 5);
                prop_assert!(recovery.cut_bytes > 0);
                5
            }
        };
        let next = wal.next_seq();
        fill(&mut wal, next..=6);
        let mut found = Vec::new();
        let mut lost = Vec::new();
        for entry in wal.read_from(1) {
            match entry {
                Ok(entry) => found.push(entry),
                Err(WalError::Lost { first, last, .. }) => lost.push((first, last)),
                Err(other) => panic!("{other:?}"),
            }
        }
        let mut wanted = expected(1..=6);
        if damaged < 5 {
            wanted.remove(damaged as usize - 1);
            prop_assert_eq!(lost, [(damaged, damaged)]);
        } else {
            prop_assert_eq!(lost, []);
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn any_bytes_at_all_can_be_opened(garbage in prop::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("00000000000000000001.wal"), &garbage).unwrap();
        let mut wal = open(dir.path());
        fill(&mut wal, 1..=1);
        prop_assert_eq!(read(&wal, 1), expected(1..=1));
    }
}
