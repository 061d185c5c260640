//! One service in one environment, as its logs show it.

use std::collections::VecDeque;

use monitor_core::{Name, ServiceKey, ServiceView, Time};
use serde::{Deserialize, Serialize};

use crate::api::VIEW_SECS;
use crate::bucket::LogBucket;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceTrack {
    pub(crate) service: ServiceKey,
    pub(crate) environment: Name,
    last_seen: i64,
    logs_total: u64,
    log_errors_total: u64,
    /// Second, records, errors.
    recent: VecDeque<(i64, u64, u64)>,
}

impl ServiceTrack {
    pub(crate) fn new(service: ServiceKey, environment: Name, second: i64) -> ServiceTrack {
        ServiceTrack {
            service,
            environment,
            last_seen: second,
            logs_total: 0,
            log_errors_total: 0,
            recent: VecDeque::new(),
        }
    }

    /// Judges one second; `None` when nothing came.
    pub(crate) fn step(&mut self, second: i64, bucket: Option<&LogBucket>) {
        let Some(bucket) = bucket else {
            return;
        };
        self.last_seen = second;
        self.logs_total += bucket.records;
        self.log_errors_total += bucket.errors;
        while self
            .recent
            .front()
            .is_some_and(|oldest| oldest.0 <= second - VIEW_SECS)
        {
            self.recent.pop_front();
        }
        self.recent
            .push_back((second, bucket.records, bucket.errors));
    }

    /// Nothing is known of the time until `second`.
    pub(crate) fn skip_to(&mut self, _second: i64) {}

    pub(crate) fn view(&self, watermark: i64) -> ServiceView {
        let (records, errors) = self
            .recent
            .iter()
            .filter(|(second, ..)| *second >= watermark - VIEW_SECS)
            .fold((0, 0), |sum, (_, records, errors)| {
                (sum.0 + records, sum.1 + errors)
            });
        ServiceView {
            service: self.service.clone(),
            environment: self.environment.clone(),
            log_rate: records as f64 / VIEW_SECS as f64,
            log_error_ratio: if records > 0 {
                errors as f64 / records as f64
            } else {
                0.0
            },
            logs_total: self.logs_total,
            log_errors_total: self.log_errors_total,
            templates: 0,
            last_seen: Time::from_secs(self.last_seen),
        }
    }
}
