//! A full disk: refused cleanly, nothing half-taken, and it goes on by itself.
//!
//! A limit on file sizes (RLIMIT_FSIZE) plays the full disk, in a process of its own: every write
//! beyond it fails with EFBIG, as with ENOSPC on a full device. The shell makes the signal that
//! comes with it ignored.

use std::process::Command;

use monitor_core::SearchRequest;
use monitor_store::{Index, IndexConfig, Wal, WalConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::tempdir;

use crate::index::numbered;
use crate::records::{at, batch, record};

const CHILD: &str = "STORE_DISK_FULL";

fn in_child(test: &str) {
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(String::from_utf8_lossy(&done.stdout).contains("went on"));
}

fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|wanted| wanted == test)
}

fn limit(bytes: Option<u64>) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    let current = bytes.or(maximum);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

#[test]
fn the_log_refuses_and_goes_on() {
    const NAME: &str = "disk_full::the_log_refuses_and_goes_on";
    if !is_child(NAME) {
        return in_child(NAME);
    }
    let dir = tempdir().unwrap();
    let (mut wal, _) = Wal::open(dir.path(), WalConfig::default()).unwrap();
    let line = "no room for this line ".repeat(4);
    for room in [0, 1, 20, 100, 150, 300] {
        let before = wal.next_seq();
        let size = wal.bytes();
        limit(Some(size + room));
        let mut taken = 0;
        let refused = loop {
            // Two batches a group: either both are taken or none.
            let group = wal
                .append(&batch(&[&line, &line]))
                .and_then(|_| wal.append(&batch(&["second"])))
                .and_then(|_| wal.sync());
            match group {
                Ok(()) => taken += 2,
                Err(error) => break error,
            }
        };
        assert!(refused.is_disk_full(), "{refused:?}");
        assert_eq!(wal.next_seq(), before + taken);
        assert_eq!(wal.read_from(1).count() as u64, before + taken - 1);
        limit(None);
        wal.append(&batch(&["there is room again"])).unwrap();
        wal.sync().unwrap();
    }
    let expected = wal.next_seq() - 1;
    drop(wal);
    let (wal, recovery) = Wal::open(dir.path(), WalConfig::default()).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.next), (0, expected + 1));
    assert_eq!(
        wal.read_from(1).filter(Result::is_ok).count() as u64,
        expected
    );
    println!("went on");
}

#[test]
fn the_index_rolls_back_and_is_fed_again() {
    const NAME: &str = "disk_full::the_index_rolls_back_and_is_fed_again";
    if !is_child(NAME) {
        return in_child(NAME);
    }
    let dir = tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    let lines = |seq: u64| {
        numbered(
            (0..40)
                .map(|item| {
                    let text = format!("batch {seq} item {item} of some words");
                    record(at(item * 9000), &text, true)
                })
                .collect(),
        )
    };
    let count = |index: &Index| {
        let page = index.search().search(&SearchRequest::default()).unwrap();
        page.total
    };
    index.add(1, &lines(1)).unwrap();
    index.commit().unwrap();
    let mut failures = 0;
    // From no room at all to enough for some of a commit's files.
    for room in [0, 10, 100, 200, 300, 500, 800, 1200, 2000, 4000] {
        let before = count(&index);
        let next = index.resume_from();
        limit(Some(room));
        let failed = index
            .add(next, &lines(next))
            .map(|_| ())
            .and_then(|()| index.commit());
        limit(None);
        if let Err(error) = failed {
            assert!(error.is_disk_full(), "{error:?}");
            failures += 1;
            assert_eq!(index.resume_from(), next);
            // Fed again as after a restart.
            index.add(next, &lines(next)).unwrap();
            index.commit().unwrap();
        }
        assert_eq!(index.resume_from(), next + 1);
        assert_eq!(count(&index), before + 40);
    }
    assert!(failures >= 5, "only {failures} of the limits were felt");
    let (records, batches) = (count(&index), index.resume_from() - 1);
    assert_eq!(records, batches * 40);
    index.close().unwrap();
    let (index, recovery) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    assert_eq!(recovery.set_aside, []);
    assert_eq!(count(&index), records);
    println!("went on");
}
