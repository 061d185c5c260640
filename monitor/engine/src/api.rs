//! One Api: its numbers, its models, its open anomalies.

use std::sync::Arc;

use monitor_core::{ApiKey, ApiState, ApiView, CallSource, Score, SignalView, Time};
use serde::{Deserialize, Serialize};

use crate::bucket::CallBucket;
use crate::rollup::Rollups;
use crate::source::SourceChoice;

/// The view shows what happened in this many seconds before the watermark.
pub(crate) const VIEW_SECS: i64 = 60;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApiTrack {
    pub(crate) key: Arc<ApiKey>,
    first_seen: i64,
    last_seen: i64,
    calls_total: u64,
    errors_total: u64,
    source: SourceChoice,
    pub(crate) rollups: Rollups,
}

impl ApiTrack {
    pub(crate) fn new(key: Arc<ApiKey>, second: i64) -> ApiTrack {
        ApiTrack {
            key,
            first_seen: second,
            last_seen: second,
            calls_total: 0,
            errors_total: 0,
            source: SourceChoice::default(),
            rollups: Rollups::default(),
        }
    }

    /// Judges one second; `buckets` is empty when nothing came.
    pub(crate) fn step(&mut self, second: i64, buckets: &[(CallSource, Box<CallBucket>)]) {
        if buckets.is_empty() {
            return;
        }
        let calls: Vec<(CallSource, u64)> = buckets
            .iter()
            .map(|(source, bucket)| (*source, bucket.calls))
            .collect();
        self.source.see(second, &calls, true);
        let chosen = self.source.chosen();
        if let Some((_, bucket)) = buckets.iter().find(|(source, _)| *source == chosen) {
            self.calls_total += bucket.calls;
            self.errors_total += bucket.server_errors;
            self.last_seen = second;
            self.rollups.add(second, bucket);
        }
    }

    /// Nothing is known of the time until `second`.
    pub(crate) fn skip_to(&mut self, _second: i64) {}

    pub(crate) fn view(&self, watermark: i64) -> ApiView {
        let minute = self.rollups.between(watermark - VIEW_SECS, watermark);
        let calls = minute.calls as f64;
        ApiView {
            key: self.key.clone(),
            state: ApiState::Learning,
            reason: "learning".to_owned(),
            score: Score::NORMAL,
            source: self.source.chosen(),
            rate: calls / VIEW_SECS as f64,
            error_ratio: if minute.calls > 0 {
                minute.errors as f64 / calls
            } else {
                0.0
            },
            p50: minute.latencies.quantile(0.5),
            p95: minute.latencies.quantile(0.95),
            p99: minute.latencies.quantile(0.99),
            rate_signal: SignalView::default(),
            error_signal: SignalView::default(),
            latency_signal: SignalView::default(),
            calls_total: self.calls_total,
            errors_total: self.errors_total,
            first_seen: Time::from_secs(self.first_seen),
            last_seen: Time::from_secs(self.last_seen),
        }
    }
}
