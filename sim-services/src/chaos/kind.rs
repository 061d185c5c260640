//! Every kind of fault, with its parameters and what they are when they are not given.
//!
//! Kinds that are variants of one another are one kind with a parameter (how a latency is shaped)
//! or with a narrower target (one route, one replica, one client, one tenant).

pub mod limits;
pub mod needs;
pub mod parts;
mod usual;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::random::{Dist, length, maybe_length};
use crate::topology::Dialect;

/// What goes wrong, or only looks as if. Ratios are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    content = "parameters",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// Requests hold their worker for longer.
    Latency {
        /// On average.
        #[serde(default = "usual::ms::<100>", with = "length")]
        added: Duration,
        #[serde(default)]
        shape: Shape,
    },
    /// The same, growing so slowly that it can be foreseen.
    SlowRamp {
        /// At the end of the ramp.
        #[serde(default = "usual::ms::<400>", with = "length")]
        added: Duration,
    },
    ErrorBurst {
        #[serde(default = "usual::half")]
        ratio: f64,
        #[serde(default = "usual::internal_error")]
        status: u16,
        #[serde(default = "usual::illegal_state")]
        error: String,
    },
    /// Of the one route, replica, client or tenant that the target names.
    PartialFailure {
        #[serde(default = "usual::most")]
        ratio: f64,
        #[serde(default = "usual::internal_error")]
        status: u16,
        #[serde(default = "usual::illegal_argument")]
        error: String,
    },
    DependencyDown {},
    DatabaseSlow {
        #[serde(default)]
        store: Option<String>,
        #[serde(default = "usual::six")]
        factor: f64,
    },
    /// Somebody else takes every lock, again and again.
    LockContention {
        #[serde(default)]
        store: Option<String>,
        #[serde(default = "usual::lock_held")]
        held: Dist,
    },
    /// Connections that were never given back.
    PoolExhaustion {
        #[serde(default)]
        store: Option<String>,
        /// Of the pool's connections.
        #[serde(default)]
        left: u32,
    },
    /// The target fails partly, and its callers try again at once and often.
    RetryStorm {
        #[serde(default = "usual::half")]
        ratio: f64,
        /// Including the first.
        #[serde(default = "usual::five")]
        attempts: u32,
    },
    CacheFailure {
        #[serde(default)]
        cache: Option<String>,
    },
    /// All entries expire together, again and again, and the store behind them is as slow as a
    /// cold one.
    CacheStampede {
        #[serde(default)]
        cache: Option<String>,
        #[serde(default = "usual::secs::<5>", with = "length")]
        every: Duration,
        /// Of the store that is asked on a miss, if there is one.
        #[serde(default = "usual::four")]
        factor: f64,
    },
    /// Work takes longer; waiting for others does not.
    CpuContention {
        #[serde(default = "usual::six")]
        factor: f64,
    },
    /// Until the replica is killed.
    MemoryLeak {
        /// Per replica.
        #[serde(default = "usual::two")]
        mb_per_second: f64,
    },
    /// A new version that is slower and throws something new.
    BadDeployment {
        #[serde(default)]
        version: Option<String>,
        #[serde(default = "usual::ms::<60>", with = "length")]
        added: Duration,
        #[serde(default = "usual::fifth")]
        ratio: f64,
        #[serde(default = "usual::null_pointer")]
        error: String,
    },
    /// Either a call's timeout or the number of workers.
    ConfigurationChange {
        /// Whose calls; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callee: Option<String>,
        #[serde(
            default,
            with = "maybe_length",
            skip_serializing_if = "Option::is_none"
        )]
        timeout: Option<Duration>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workers: Option<u32>,
    },
    TrafficSurge {
        #[serde(default = "usual::eight")]
        factor: f64,
        /// A class of them; all when empty.
        #[serde(default)]
        clients: String,
    },
    TrafficDrop {
        #[serde(default = "usual::fifth")]
        factor: f64,
        #[serde(default)]
        clients: String,
    },
    /// It works, but nothing is heard of it.
    ServiceSilent {},
    ConsumerStopped {},
    LinkLatency {
        /// The other end; all others when empty.
        #[serde(default)]
        to: String,
        /// One way.
        #[serde(default = "usual::ms::<120>", with = "length")]
        latency: Duration,
        #[serde(default = "usual::ms::<20>", with = "length")]
        jitter: Duration,
    },
    LinkLoss {
        #[serde(default)]
        to: String,
        #[serde(default = "usual::tenth")]
        loss: f64,
    },
    Partition {
        #[serde(default)]
        to: String,
    },
    /// The service's name cannot be resolved.
    DnsFailure {
        #[serde(default = "usual::all")]
        ratio: f64,
    },
    CertificateExpiry {},
    ClockSkew {
        /// Negative when the clock falls behind.
        #[serde(default = "usual::a_minute_and_a_half")]
        millis: i64,
    },
    RateLimiting {
        #[serde(default = "usual::half")]
        ratio: f64,
    },
    AuthenticationFailure {
        #[serde(default = "usual::half")]
        ratio: f64,
        /// 401 or 403.
        #[serde(default = "usual::unauthorised")]
        status: u16,
    },
    LogFlood {
        /// Per replica.
        #[serde(default = "usual::many")]
        lines_per_second: f64,
    },
    LogFormatChange {
        #[serde(default)]
        dialect: Option<Dialect>,
    },
    /// A new version with nothing wrong.
    BenignDeployment {
        #[serde(default)]
        version: Option<String>,
    },
    /// Known work at the store of an environment's nightly batch.
    PlannedBatch {
        #[serde(default = "usual::a_little")]
        factor: f64,
        #[serde(default = "usual::two")]
        lines_per_second: f64,
    },
    /// More customers than usual, which the platform carries.
    MarketingPeak {
        #[serde(default = "usual::peak")]
        factor: f64,
    },
}

/// How added latencies are distributed around their mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    #[default]
    Constant,
    /// Uniform from nothing to twice the mean.
    Jitter,
    /// Pareto with shape 1.5: most hardly notice, a few wait for very long.
    HeavyTail,
}

impl Fault {
    /// Names of all kinds, the benign ones last.
    pub const KINDS: [&'static str; 32] = [
        "latency",
        "slow-ramp",
        "error-burst",
        "partial-failure",
        "dependency-down",
        "database-slow",
        "lock-contention",
        "pool-exhaustion",
        "retry-storm",
        "cache-failure",
        "cache-stampede",
        "cpu-contention",
        "memory-leak",
        "bad-deployment",
        "configuration-change",
        "traffic-surge",
        "traffic-drop",
        "service-silent",
        "consumer-stopped",
        "link-latency",
        "link-loss",
        "partition",
        "dns-failure",
        "certificate-expiry",
        "clock-skew",
        "rate-limiting",
        "authentication-failure",
        "log-flood",
        "log-format-change",
        "benign-deployment",
        "planned-batch",
        "marketing-peak",
    ];

    /// The last of [`KINDS`](Fault::KINDS), with which nothing is wrong.
    pub const BENIGN: usize = 3;

    /// The kind with these parameters, the others as usual.
    ///
    /// # Errors
    ///
    /// A sentence: which kinds or parameters there are, or which value cannot be.
    pub fn read(kind: &str, parameters: Value) -> Result<Fault, String> {
        if !Fault::KINDS.contains(&kind) {
            let known = Fault::KINDS.join(", ");
            return Err(format!("there is no fault `{kind}`; there are {known}"));
        }
        serde_json::from_value(json!({ "kind": kind, "parameters": parameters }))
            .map_err(|error| error.to_string())
    }

    /// Its name in files and in the ground truth.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Latency { .. } => "latency",
            Fault::SlowRamp { .. } => "slow-ramp",
            Fault::ErrorBurst { .. } => "error-burst",
            Fault::PartialFailure { .. } => "partial-failure",
            Fault::DependencyDown {} => "dependency-down",
            Fault::DatabaseSlow { .. } => "database-slow",
            Fault::LockContention { .. } => "lock-contention",
            Fault::PoolExhaustion { .. } => "pool-exhaustion",
            Fault::RetryStorm { .. } => "retry-storm",
            Fault::CacheFailure { .. } => "cache-failure",
            Fault::CacheStampede { .. } => "cache-stampede",
            Fault::CpuContention { .. } => "cpu-contention",
            Fault::MemoryLeak { .. } => "memory-leak",
            Fault::BadDeployment { .. } => "bad-deployment",
            Fault::ConfigurationChange { .. } => "configuration-change",
            Fault::TrafficSurge { .. } => "traffic-surge",
            Fault::TrafficDrop { .. } => "traffic-drop",
            Fault::ServiceSilent {} => "service-silent",
            Fault::ConsumerStopped {} => "consumer-stopped",
            Fault::LinkLatency { .. } => "link-latency",
            Fault::LinkLoss { .. } => "link-loss",
            Fault::Partition { .. } => "partition",
            Fault::DnsFailure { .. } => "dns-failure",
            Fault::CertificateExpiry {} => "certificate-expiry",
            Fault::ClockSkew { .. } => "clock-skew",
            Fault::RateLimiting { .. } => "rate-limiting",
            Fault::AuthenticationFailure { .. } => "authentication-failure",
            Fault::LogFlood { .. } => "log-flood",
            Fault::LogFormatChange { .. } => "log-format-change",
            Fault::BenignDeployment { .. } => "benign-deployment",
            Fault::PlannedBatch { .. } => "planned-batch",
            Fault::MarketingPeak { .. } => "marketing-peak",
        }
    }

    /// Nothing is wrong with it.
    pub fn benign(&self) -> bool {
        matches!(
            self,
            Fault::BenignDeployment { .. }
                | Fault::PlannedBatch { .. }
                | Fault::MarketingPeak { .. }
        )
    }

    /// It grows for so long that its end can be foreseen.
    pub fn foreseeable(&self) -> bool {
        matches!(self, Fault::SlowRamp { .. } | Fault::MemoryLeak { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_had_by_its_name_alone() {
        for kind in Fault::KINDS {
            let fault = Fault::read(kind, json!({})).unwrap();
            assert_eq!(fault.kind(), kind);
            let again: Fault =
                serde_json::from_value(serde_json::to_value(&fault).unwrap()).unwrap();
            assert_eq!(again, fault);
        }
        let benign: Vec<_> = Fault::KINDS
            .iter()
            .filter(|kind| Fault::read(kind, json!({})).unwrap().benign())
            .collect();
        let last = &Fault::KINDS[Fault::KINDS.len() - Fault::BENIGN..];
        assert_eq!(benign, last.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_there_is_not_is_answered_with_what_there_is() {
        let wrong = |kind, parameters| Fault::read(kind, parameters).unwrap_err();
        let error = wrong("database-slwo", json!({}));
        assert!(
            error.starts_with("there is no fault `database-slwo`; there are latency, slow-ramp")
        );
        assert_eq!(
            wrong("database-slow", json!({ "factr": 3 })),
            "unknown field `factr`, expected `store` or `factor`"
        );
        assert_eq!(
            wrong("latency", json!({ "added": "soon" })),
            "`soon` is not a length of time; write it as `250ms`, `1.5s` or `2m`"
        );
    }
}
