//! What is gathered from the matching documents of a partition.

use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::Time;
use rustc_hash::FxHashMap;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::ColumnValues;
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use crate::schema::{BATCH_NAME, ITEM_NAME, TIME_NAME};

/// The first `keep` matches by time and record id, and the number of all.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) keep: usize,
    pub(super) newest_first: bool,
}

/// What orders hits: smaller comes first. Complemented for the newest first.
pub(super) type Order = (i64, u64, u64);

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) count: u64,
    /// In order.
    pub(super) kept: Vec<(Order, DocAddress)>,
}

pub(super) struct PageSegment {
    segment: SegmentOrdinal,
    keep: usize,
    flip: bool,
    count: u64,
    time: Arc<dyn ColumnValues<i64>>,
    batch: Arc<dyn ColumnValues<u64>>,
    item: Arc<dyn ColumnValues<u64>>,
    /// The last of those kept is on top.
    kept: BinaryHeap<(Order, DocAddress)>,
}

impl Collector for Page {
    type Fruit = Counted;
    type Child = PageSegment;

    fn for_segment(
        &self,
        segment: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<PageSegment> {
        let columns = reader.fast_fields();
        Ok(PageSegment {
            segment,
            keep: self.keep,
            flip: self.newest_first,
            count: 0,
            time: columns.column_first_or_default(TIME_NAME)?,
            batch: columns.column_first_or_default(BATCH_NAME)?,
            item: columns.column_first_or_default(ITEM_NAME)?,
            kept: BinaryHeap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Counted>) -> tantivy::Result<Counted> {
        let mut all = Counted::default();
        for segment in segments {
            all.count += segment.count;
            all.kept.extend(segment.kept);
        }
        all.kept.sort_unstable();
        all.kept.truncate(self.keep);
        Ok(all)
    }
}

impl SegmentCollector for PageSegment {
    type Fruit = Counted;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.count += 1;
        if self.keep == 0 {
            return;
        }
        let flip_time = |time: i64| if self.flip { !time } else { time };
        let time = flip_time(self.time.get_val(doc));
        let full = self.kept.len() >= self.keep;
        if full && self.kept.peek().is_some_and(|(last, _)| time > last.0) {
            return;
        }
        let (batch, item) = (self.batch.get_val(doc), self.item.get_val(doc));
        let order = if self.flip {
            (time, !batch, !item)
        } else {
            (time, batch, item)
        };
        self.kept.push((order, DocAddress::new(self.segment, doc)));
        if full {
            self.kept.pop();
        }
    }

    fn harvest(self) -> Counted {
        Counted {
            count: self.count,
            kept: self.kept.into_vec(),
        }
    }
}

/// Matches by interval of time.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) step: Duration,
}

pub(super) struct HistogramSegment {
    step: Duration,
    time: Arc<dyn ColumnValues<i64>>,
    counts: BTreeMap<Time, u64>,
    /// Neighbours mostly fall into the same interval.
    current: Option<(Time, u64)>,
}

impl Collector for Histogram {
    type Fruit = BTreeMap<Time, u64>;
    type Child = HistogramSegment;

    fn for_segment(
        &self,
        _: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<HistogramSegment> {
        Ok(HistogramSegment {
            step: self.step,
            time: reader.fast_fields().column_first_or_default(TIME_NAME)?,
            counts: BTreeMap::new(),
            current: None,
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all = BTreeMap::new();
        for (start, count) in segments.into_iter().flatten() {
            *all.entry(start).or_default() += count;
        }
        Ok(all)
    }
}

impl HistogramSegment {
    fn settle(&mut self) {
        if let Some((start, count)) = self.current.take() {
            *self.counts.entry(start).or_default() += count;
        }
    }
}

impl SegmentCollector for HistogramSegment {
    type Fruit = BTreeMap<Time, u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        let start = Time::from_nanos(self.time.get_val(doc)).floor(self.step);
        match &mut self.current {
            Some((current, count)) if *current == start => *count += 1,
            _ => {
                self.settle();
                self.current = Some((start, 1));
            }
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        self.settle();
        self.counts
    }
}

/// Matches by the value of a column of numbers.
#[derive(Debug)]
pub(super) struct NumberCounts {
    pub(super) column: &'static str,
}

pub(super) struct NumberCountsSegment {
    column: Arc<dyn ColumnValues<u64>>,
    counts: FxHashMap<u64, u64>,
}

impl Collector for NumberCounts {
    type Fruit = BTreeMap<u64, u64>;
    type Child = NumberCountsSegment;

    fn for_segment(
        &self,
        _: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<NumberCountsSegment> {
        Ok(NumberCountsSegment {
            column: reader.fast_fields().column_first_or_default(self.column)?,
            counts: FxHashMap::default(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all = BTreeMap::new();
        for (number, count) in segments.into_iter().flatten() {
            *all.entry(number).or_default() += count;
        }
        Ok(all)
    }
}

impl SegmentCollector for NumberCountsSegment {
    type Fruit = BTreeMap<u64, u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        *self.counts.entry(self.column.get_val(doc)).or_default() += 1;
    }

    fn harvest(self) -> Self::Fruit {
        self.counts.into_iter().collect()
    }
}
