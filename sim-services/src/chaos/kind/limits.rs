//! Which values of parameters can be.

use std::time::Duration;

use super::Fault;
use crate::chaos::estimate::mean_of_dist;

impl Fault {
    /// `(parameter, what is wrong with it)`.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Found::default();
        match self {
            Fault::Latency { added, .. } | Fault::SlowRamp { added } => {
                found.positive("added", *added);
            }
            Fault::ErrorBurst { ratio, status, .. }
            | Fault::PartialFailure { ratio, status, .. } => {
                found.ratio("ratio", *ratio);
                found.failure(*status);
            }
            Fault::DatabaseSlow { factor, .. }
            | Fault::CpuContention { factor }
            | Fault::PlannedBatch { factor, .. }
            | Fault::TrafficSurge { factor, .. }
            | Fault::MarketingPeak { factor } => found.more("factor", *factor),
            Fault::LockContention { held, .. } => found.positive("held", mean_of_dist(held)),
            Fault::RetryStorm { ratio, attempts } => {
                found.ratio("ratio", *ratio);
                found.unless(*attempts > 1, "attempts", "must be 2 or more");
            }
            Fault::CacheStampede { every, factor, .. } => {
                found.unless(
                    *every >= Duration::from_secs(1),
                    "every",
                    "must be 1s or more",
                );
                found.unless(*factor >= 1.0, "factor", "must be 1 or more");
            }
            Fault::MemoryLeak { mb_per_second } => {
                found.unless(*mb_per_second > 0.0, "mbPerSecond", "must be more than 0");
            }
            Fault::BadDeployment { ratio, .. } => {
                found.unless((0.0..=1.0).contains(ratio), "ratio", "must be from 0 to 1");
            }
            Fault::ConfigurationChange {
                timeout, workers, ..
            } => {
                found.unless(
                    timeout.is_some() != workers.is_some(),
                    "timeout",
                    "give either `timeout` (of calls, with `callee` or of all) or `workers`",
                );
                found.unless(*workers != Some(0), "workers", "must be 1 or more");
                found.unless(
                    *timeout != Some(Duration::ZERO),
                    "timeout",
                    "must be more than 0s",
                );
            }
            Fault::TrafficDrop { factor, .. } => {
                found.unless(
                    (0.0..1.0).contains(factor),
                    "factor",
                    "must be at least 0 and less than 1",
                );
            }
            Fault::LinkLatency { latency, .. } => found.positive("latency", *latency),
            Fault::LinkLoss { loss, .. } => {
                found.unless(
                    *loss > 0.0 && *loss < 1.0,
                    "loss",
                    "must be more than 0 and less than 1; for 1 there is `partition`",
                );
            }
            Fault::DnsFailure { ratio } | Fault::RateLimiting { ratio } => {
                found.ratio("ratio", *ratio);
            }
            Fault::ClockSkew { millis } => {
                found.unless(*millis != 0, "millis", "must not be 0");
            }
            Fault::AuthenticationFailure { ratio, status } => {
                found.ratio("ratio", *ratio);
                found.unless([401, 403].contains(status), "status", "must be 401 or 403");
            }
            Fault::LogFlood { lines_per_second } => {
                found.unless(
                    *lines_per_second > 0.0,
                    "linesPerSecond",
                    "must be more than 0",
                );
            }
            Fault::DependencyDown {}
            | Fault::PoolExhaustion { .. }
            | Fault::CacheFailure { .. }
            | Fault::ServiceSilent {}
            | Fault::ConsumerStopped {}
            | Fault::Partition { .. }
            | Fault::CertificateExpiry {}
            | Fault::LogFormatChange { .. }
            | Fault::BenignDeployment { .. } => {}
        }
        found.0
    }
}

#[derive(Default)]
struct Found(Vec<(&'static str, String)>);

impl Found {
    fn unless(&mut self, fine: bool, parameter: &'static str, what: &str) {
        if !fine {
            self.0.push((parameter, what.to_owned()));
        }
    }

    fn ratio(&mut self, parameter: &'static str, value: f64) {
        self.unless(
            value > 0.0 && value <= 1.0,
            parameter,
            "must be more than 0 and at most 1",
        );
    }

    fn more(&mut self, parameter: &'static str, value: f64) {
        self.unless(
            value > 1.0 && value.is_finite(),
            parameter,
            "must be more than 1",
        );
    }

    fn positive(&mut self, parameter: &'static str, value: Duration) {
        self.unless(!value.is_zero(), parameter, "must be more than 0s");
    }

    fn failure(&mut self, status: u16) {
        self.unless(
            (400..600).contains(&status),
            "status",
            "must be one of HTTP's from 400 to 599",
        );
    }
}
