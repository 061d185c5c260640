//! What is known of one second before it is judged.
//!
//! Every sum here is of integers and every set bounded by hash, so a bucket does not depend on the
//! order in which its observations arrived.

use std::collections::BTreeMap;

use monitor_core::{
    Call, CallSource, CallStatus, HistogramPoint, Name, Outcome, Severity, Sketch, TemplateId,
};
use serde::{Deserialize, Serialize};

use crate::clocks::Astray;
use crate::dependency::DependencyBucket;
use crate::dimensions::Dimensions;
use crate::flows::FlowBucket;
use crate::numbers::{NumberKey, Sum};
use crate::sizes::Sizes;

/// Templates counted of one service in one second.
const MAX_TEMPLATES: usize = 256;
/// Formats counted of one service in one second.
const MAX_FORMATS: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// By place of the Api (see `places`) and evidence.
    pub(crate) calls: BTreeMap<(u32, CallSource), Box<CallBucket>>,
    pub(crate) logs: BTreeMap<u32, Box<LogBucket>>,
    pub(crate) flows: FlowBucket,
    pub(crate) dependencies: BTreeMap<u32, Box<DependencyBucket>>,
    pub(crate) numbers: BTreeMap<NumberKey, Sum>,
}

/// Calls of one Api, from one kind of evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallBucket {
    pub(crate) calls: u64,
    pub(crate) server_errors: u64,
    pub(crate) client_errors: u64,
    /// Of these, those without valid credentials or rights.
    pub(crate) unauthorised: u64,
    pub(crate) throttled: u64,
    /// Seconds.
    pub(crate) latencies: Sketch,
    /// Of these, those of server errors.
    pub(crate) failed_latencies: Sketch,
    pub(crate) sizes: Sizes,
    pub(crate) dimensions: Dimensions,
}

impl CallBucket {
    pub(crate) fn add(&mut self, call: &Call) {
        self.calls += 1;
        match call.status.outcome() {
            Outcome::Ok => {}
            Outcome::ClientError => {
                self.client_errors += 1;
                self.unauthorised += u64::from(is_unauthorised(call.status));
            }
            Outcome::Throttled => self.throttled += 1,
            Outcome::ServerError => self.server_errors += 1,
        }
        if let Some(duration) = call.duration {
            self.latencies.add(duration.as_secs_f64());
            if call.status.outcome() == Outcome::ServerError {
                self.failed_latencies.add(duration.as_secs_f64());
            }
        }
        self.sizes.add(call);
        self.dimensions.add(call);
    }

    /// A histogram's calls lie somewhere inside their bin; the geometric middle is within a factor
    /// of the bin's root width.
    pub(crate) fn add_histogram(&mut self, point: &HistogramPoint, failed: bool) {
        for (at, &n) in point.counts.iter().enumerate() {
            self.calls = self.calls.saturating_add(n);
            if failed {
                self.server_errors = self.server_errors.saturating_add(n);
            }
            let upper = point.bounds.get(at).copied();
            let lower = at
                .checked_sub(1)
                .and_then(|below| point.bounds.get(below))
                .copied();
            let seconds = match (lower, upper) {
                (Some(lower), Some(upper)) if lower > 0.0 => (lower * upper).sqrt(),
                (_, Some(upper)) => upper / 2.0,
                (Some(lower), None) => lower * 1.5,
                (None, None) => point.sum_seconds / n.max(1) as f64,
            };
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            self.latencies.add_n(seconds, n);
            if failed {
                self.failed_latencies.add_n(seconds, n);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &CallBucket) {
        self.calls = self.calls.saturating_add(other.calls);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
        self.client_errors += other.client_errors;
        self.unauthorised += other.unauthorised;
        self.throttled += other.throttled;
        self.latencies.merge(&other.latencies);
        self.failed_latencies.merge(&other.failed_latencies);
        self.sizes.merge(&other.sizes);
        self.dimensions.merge(&other.dimensions);
    }
}

/// 401 and 403, `PERMISSION_DENIED` and `UNAUTHENTICATED`.
fn is_unauthorised(status: CallStatus) -> bool {
    matches!(
        status,
        CallStatus::Http(401 | 403) | CallStatus::Grpc(7 | 16)
    )
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TemplateCount {
    pub(crate) records: u64,
    /// Of these, at WARN or above.
    pub(crate) warned: u64,
    /// Of these, at ERROR or above.
    pub(crate) errors: u64,
    /// How full the fullest was that it warned of, in ten-thousandths and one more; 0 when of none.
    fullest: u16,
}

impl TemplateCount {
    /// How full the fullest was that it warned of, 0 to 1.
    pub(crate) fn fullest(&self) -> Option<f32> {
        self.fullest
            .checked_sub(1)
            .map(|parts| f32::from(parts) / 10_000.0)
    }
}

/// Log records of one service in one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogBucket {
    pub(crate) records: u64,
    /// At ERROR or above.
    pub(crate) errors: u64,
    /// Those with the smallest ids when there are more than we keep; ids are hashes.
    pub(crate) templates: BTreeMap<TemplateId, TemplateCount>,
    /// Records of each format, the first by name when there are more than we keep; those of none
    /// are under the empty name.
    pub(crate) formats: BTreeMap<Name, u64>,
    /// Those that wrote another time than the one at which they were written.
    pub(crate) mistimed: Astray,
}

impl LogBucket {
    pub(crate) fn add(
        &mut self,
        severity: Option<Severity>,
        template: Option<TemplateId>,
        format: Option<&Name>,
        fill: Option<f32>,
        written_ahead: Option<i32>,
    ) {
        let error = severity.is_some_and(|severity| severity >= Severity::Error);
        self.records += 1;
        self.errors += u64::from(error);
        self.add_format(format.unwrap_or(&Name::default()), 1);
        self.mistimed.see(written_ahead);
        if let Some(template) = template {
            let count = self.templates.entry(template).or_default();
            count.records += 1;
            count.warned += u64::from(severity.is_some_and(|severity| severity >= Severity::Warn));
            count.errors += u64::from(error);
            #[expect(clippy::cast_possible_truncation, reason = "from 1 to 10001")]
            #[expect(clippy::cast_sign_loss, reason = "from 1 to 10001")]
            let parts = fill.map_or(0, |share| (share.clamp(0.0, 1.0) * 10_000.0) as u16 + 1);
            count.fullest = count.fullest.max(parts);
            if self.templates.len() > MAX_TEMPLATES {
                self.templates.pop_last();
            }
        }
    }

    fn add_format(&mut self, format: &Name, records: u64) {
        if let Some(known) = self.formats.get_mut(format) {
            *known += records;
            return;
        }
        self.formats.insert(format.clone(), records);
        if self.formats.len() > MAX_FORMATS {
            self.formats.pop_last();
        }
    }

    pub(crate) fn merge(&mut self, other: &LogBucket) {
        for (format, records) in &other.formats {
            self.add_format(format, *records);
        }
        self.records += other.records;
        self.errors += other.errors;
        self.mistimed.merge(other.mistimed);
        for (template, count) in &other.templates {
            let mine = self.templates.entry(*template).or_default();
            mine.records += count.records;
            mine.warned += count.warned;
            mine.errors += count.errors;
            mine.fullest = mine.fullest.max(count.fullest);
            if self.templates.len() > MAX_TEMPLATES {
                self.templates.pop_last();
            }
        }
    }
}
