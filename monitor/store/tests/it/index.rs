//! Partitions, commits, retention and recovery of the index.

use std::time::Duration;

use monitor_core::{Record, SearchRequest};
use monitor_store::{Index, IndexConfig, IndexError};
use tempfile::tempdir;

use crate::records::{DAY, at, record};

pub(crate) fn numbered(records: Vec<Record>) -> Vec<(u32, Record)> {
    (0..).zip(records).collect()
}

fn texts(index: &Index, query: &str) -> Vec<String> {
    let request = SearchRequest {
        query: query.to_owned(),
        newest_first: false,
        limit: 10_000,
        ..SearchRequest::default()
    };
    let page = index.search().search(&request).unwrap();
    assert_eq!(page.total as usize, page.hits.len());
    page.hits.into_iter().map(|hit| hit.text).collect()
}

#[test]
fn a_commit_makes_records_searchable_and_survives_reopening() {
    let dir = tempdir().unwrap();
    let (mut index, recovery) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    assert_eq!(recovery.records, 0);
    assert_eq!(index.resume_from(), 1);
    let records = numbered(vec![
        record(at(2), "10:00:02 | order 17 for user42 placed", true),
        record(at(1), "10:00:01 | order 18 for user43 placed", true),
        record(at(3), "free text, héllo", false),
    ]);
    let added = index.add(1, &records).unwrap();
    assert_eq!((added.indexed, added.skipped), (3, 0));
    assert_eq!(texts(&index, ""), Vec::<String>::new());
    index.commit().unwrap();
    let all = [
        "10:00:01 | order 18 for user43 placed",
        "10:00:02 | order 17 for user42 placed",
        "free text, héllo",
    ];
    assert_eq!(texts(&index, ""), all);
    assert_eq!(texts(&index, "user42"), [all[1]]);
    assert_eq!(texts(&index, "Placed"), [all[0], all[1]]);
    assert_eq!(texts(&index, "\"18 for\" -HÉLLO"), [all[0]]);
    index.close().unwrap();

    let (mut index, recovery) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    assert_eq!((recovery.records, index.resume_from()), (3, 2));
    assert_eq!(texts(&index, ""), all);
    let again = index.add(1, &records).unwrap();
    assert_eq!((again.indexed, again.skipped), (0, 3));
    index.commit().unwrap();
    assert_eq!(texts(&index, ""), all);
}

#[test]
fn batches_are_taken_in_order_without_gaps() {
    let dir = tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    let gap = index.add(2, &[]).unwrap_err();
    assert!(matches!(
        gap,
        IndexError::Gap {
            expected: 1,
            got: 2
        }
    ));
    index.skip_to(7);
    index.add(7, &[]).unwrap();
    index.commit().unwrap();
    assert_eq!(index.resume_from(), 8);
}

#[test]
fn only_one_process_has_the_index() {
    let dir = tempdir().unwrap();
    let (_index, _) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    let second = Index::open(dir.path(), IndexConfig::default()).unwrap_err();
    assert!(matches!(second, IndexError::Locked { .. }));
}

fn five_days(config: IndexConfig) -> (tempfile::TempDir, Index) {
    let dir = tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), config).unwrap();
    // Days out of order, two of them in each batch, fewer writers than days.
    for (seq, days) in [[0, 4], [3, 1], [2, 0], [1, 4], [3, 2]].iter().enumerate() {
        let records = numbered(
            days.iter()
                .map(|day| record(at(day * DAY), &format!("day {day} batch {seq}"), true))
                .collect(),
        );
        index.add(seq as u64 + 1, &records).unwrap();
    }
    index.commit().unwrap();
    (dir, index)
}

#[test]
fn late_data_finds_its_partition_with_few_writers() {
    let (_dir, index) = five_days(IndexConfig {
        max_writers: 2,
        ..IndexConfig::default()
    });
    assert_eq!(texts(&index, "day").len(), 10);
    assert_eq!(
        texts(&index, "\"day 3\""),
        ["day 3 batch 1", "day 3 batch 4"]
    );
}

#[test]
fn retention_by_age_deletes_whole_partitions() {
    let (dir, mut index) = five_days(IndexConfig {
        retention_age: Some(Duration::from_secs(2 * DAY as u64)),
        ..IndexConfig::default()
    });
    let done = index.maintain(at(4 * DAY + 1)).unwrap();
    assert_eq!(done.deleted.len(), 2);
    assert_eq!(texts(&index, "day").len(), 6);
    drop(index);
    let (index, recovery) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    assert_eq!((recovery.partitions, texts(&index, "").len()), (3, 6));
}

#[test]
fn retention_by_size_deletes_the_oldest_and_keeps_the_newest() {
    let (_dir, mut index) = five_days(IndexConfig {
        retention_bytes: Some(1),
        ..IndexConfig::default()
    });
    let done = index.maintain(at(0)).unwrap();
    assert_eq!(done.deleted.len(), 4);
    assert!(done.deleted_bytes > 0);
    assert_eq!(texts(&index, ""), ["day 4 batch 0", "day 4 batch 3"]);
}

#[test]
fn a_damaged_partition_is_set_aside_and_the_rest_goes_on() {
    let (dir, index) = five_days(IndexConfig::default());
    drop(index);
    let partitions = dir.path().join("partitions");
    let mut names: Vec<_> = std::fs::read_dir(&partitions)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    std::fs::write(names[1].join("meta.json"), "not json").unwrap();
    std::fs::write(names[2].join("dictionary"), "").unwrap();
    let (index, recovery) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    assert_eq!(recovery.set_aside.len(), 2);
    let (path, reason) = &recovery.set_aside[1];
    assert!(path.starts_with(dir.path().join("set-aside")), "{path:?}");
    assert!(
        reason.contains("0 entries") || reason.contains("1 entries"),
        "{reason}"
    );
    assert_eq!(texts(&index, "").len(), 6);
}
