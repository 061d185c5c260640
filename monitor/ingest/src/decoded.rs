//! What every decoder answers: the batch, and an account of what did not make it unchanged.
//!
//! Receivers turn the account into their protocol's per-item errors and into counters.

use monitor_core::Batch;

/// A request, decoded. What is in neither `batch` nor `rejected` nor `ignored` never existed.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub batch: Batch,
    pub rejected: Rejections,
    pub repairs: Repairs,
    /// Items understood and not wanted: data points of metrics that we do not use.
    pub ignored: u64,
}

/// Why an item was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// Not the structure that the protocol defines.
    Malformed,
    /// A span without a usable trace or span id.
    InvalidId,
    /// A time before 1971 or after 2200 where a time is indispensable.
    ImpossibleTime,
    EndBeforeStart,
    /// Longer than we take, where cutting it short would destroy it.
    TooLong,
    /// Bucket counts and bounds that contradict each other.
    InvalidHistogram,
    /// Cumulative series are remembered up to a limit.
    TooManySeries,
}

impl RejectReason {
    pub const ALL: [RejectReason; 7] = [
        RejectReason::Malformed,
        RejectReason::InvalidId,
        RejectReason::ImpossibleTime,
        RejectReason::EndBeforeStart,
        RejectReason::TooLong,
        RejectReason::InvalidHistogram,
        RejectReason::TooManySeries,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::InvalidId => "invalid_id",
            RejectReason::ImpossibleTime => "impossible_time",
            RejectReason::EndBeforeStart => "end_before_start",
            RejectReason::TooLong => "too_long",
            RejectReason::InvalidHistogram => "invalid_histogram",
            RejectReason::TooManySeries => "too_many_series",
        }
    }
}

/// One refused item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in the request, from 0: the n-th record, span, data point or line.
    pub position: usize,
    pub reason: RejectReason,
    /// For the person who sent it; bounded in length.
    pub detail: String,
}

impl Rejection {
    pub(crate) fn new(
        position: usize,
        reason: RejectReason,
        detail: impl Into<String>,
    ) -> Rejection {
        Rejection {
            position,
            reason,
            detail: cut(detail.into(), MAX_DETAIL_BYTES),
        }
    }
}

/// Enough for a person to find the mistake; a million equal mistakes are one mistake.
const MAX_KEPT: usize = 10;
const MAX_DETAIL_BYTES: usize = 200;

/// All refusals of a request: the first few in full, all of them counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    kept: Vec<Rejection>,
    counts: [u64; RejectReason::ALL.len()],
}

impl Rejections {
    pub fn push(&mut self, rejection: Rejection) {
        self.counts[rejection.reason as usize] += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(rejection);
        }
    }

    /// The first ten.
    pub fn kept(&self) -> &[Rejection] {
        &self.kept
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Reasons that occurred, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (RejectReason, u64)> {
        RejectReason::ALL
            .into_iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
    }

    /// One text for protocols that have room for one, such as OTLP's partial success.
    pub fn summary(&self, noun: &str) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{} {noun} refused", self.total());
        for (index, (reason, count)) in self.counts().enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            // Writing to a String cannot fail.
            _ = write!(text, "{separator}{count} {}", reason.as_str());
        }
        for rejection in &self.kept {
            _ = write!(text, "; [{}] {}", rejection.position, rejection.detail);
        }
        text
    }
}

/// What was taken although not exactly as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepairReason {
    /// A text above its limit was cut, with a marker at the cut.
    TextCut,
    AttributeCut,
    /// More attributes than we keep on one item.
    AttributesDropped,
    /// An impossible time on a record that can do without.
    TimeIgnored,
    /// An id of the wrong length, or zero, on a record that can do without.
    IdIgnored,
}

impl RepairReason {
    pub const ALL: [RepairReason; 5] = [
        RepairReason::TextCut,
        RepairReason::AttributeCut,
        RepairReason::AttributesDropped,
        RepairReason::TimeIgnored,
        RepairReason::IdIgnored,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            RepairReason::TextCut => "text_cut",
            RepairReason::AttributeCut => "attribute_cut",
            RepairReason::AttributesDropped => "attributes_dropped",
            RepairReason::TimeIgnored => "time_ignored",
            RepairReason::IdIgnored => "id_ignored",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    counts: [u64; RepairReason::ALL.len()],
}

impl Repairs {
    pub fn add(&mut self, reason: RepairReason, count: u64) {
        self.counts[reason as usize] += count;
    }

    pub fn counts(&self) -> impl Iterator<Item = (RepairReason, u64)> {
        RepairReason::ALL
            .into_iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
    }

    pub fn of(&self, reason: RepairReason) -> u64 {
        self.counts[reason as usize]
    }
}

/// The longest text of one record. Longer ones are dumps, which no one searches by their end.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// `text` cut to at most `max` bytes at a character boundary, then marked.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let lost = text.len() - text.floor_char_boundary(max);
        text.truncate(text.len() - lost);
        mark_cut(&mut text, lost as u64);
    }
    text
}

/// The marker that tells a reader that `bytes` are missing here.
pub(crate) fn mark_cut(text: &mut String, bytes: u64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    _ = write!(text, "…[{bytes} bytes cut]");
}
