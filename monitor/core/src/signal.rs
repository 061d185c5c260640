//! Time series: what is measured, of whom, and the observations that feed it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ApiKey, Call, HistogramPoint, Name, Outcome, ServiceKey, Severity, TemplateId, Time, Workload,
};
use std::sync::Arc;
use std::time::Duration;

/// Whose series it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    Api(Arc<ApiKey>),
    Service {
        service: ServiceKey,
        environment: Name,
    },
}

impl Subject {
    pub fn service(&self) -> &ServiceKey {
        match self {
            Subject::Api(api) => &api.service,
            Subject::Service { service, .. } => service,
        }
    }

    pub fn environment(&self) -> &Name {
        match self {
            Subject::Api(api) => &api.environment,
            Subject::Service { environment, .. } => environment,
        }
    }

    pub fn workload(&self) -> Workload {
        Workload {
            service: self.service().clone(),
            environment: self.environment().clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Api(api) => api.fmt(f),
            Subject::Service {
                service,
                environment,
            } => write!(f, "{service} @ {environment}"),
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Measure {
    /// Calls a second.
    Rate,
    /// Share of calls that are server errors, 0 to 1.
    ErrorRatio,
    /// Response time in seconds.
    Latency,
    /// Share of log records at ERROR or above, 0 to 1.
    LogErrorRatio,
    /// Records a second of one log template.
    TemplateRate(TemplateId),
}

impl Measure {
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Rate => "rate",
            Measure::ErrorRatio => "error_ratio",
            Measure::Latency => "latency",
            Measure::LogErrorRatio => "log_error_ratio",
            Measure::TemplateRate(_) => "template_rate",
        }
    }

    /// The unit as people write it, for texts: `calls/s`, `s`; empty for ratios.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::Rate => "calls/s",
            Measure::Latency => "s",
            Measure::ErrorRatio | Measure::LogErrorRatio => "",
            Measure::TemplateRate(_) => "records/s",
        }
    }
}

/// One time series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignalKey {
    pub subject: Subject,
    pub measure: Measure,
}

impl fmt::Display for SignalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.measure.as_str(), self.subject)
    }
}

/// What the pipeline tells the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    Call(Call),
    /// One log record of a service.
    Log {
        service: ServiceKey,
        environment: Name,
        time: Time,
        severity: Option<Severity>,
        template: Option<TemplateId>,
    },
    /// Many calls at once, as a histogram.
    Histogram {
        api: Arc<ApiKey>,
        point: HistogramPoint,
        failed: bool,
    },
    /// One calls the other. Told now and then, not for each call.
    Edge {
        caller: Workload,
        callee: Workload,
        at: Time,
    },
    /// One end of one call between two.
    Hop(Hop),
}

/// A call between two workloads as the span of one of its ends has it. Both ends together tell
/// waiting from working, and the wire from who is behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    pub caller: Workload,
    pub callee: Peer,
    pub side: Side,
    /// When it ended, by the clock of whoever tells of it.
    pub at: Time,
    pub took: Duration,
    pub outcome: Outcome,
}

/// Whom a call was made to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peer {
    Workload(Workload),
    /// A database, queue or third party that sends nothing itself, by the name its callers give it.
    Outside(Name),
}

/// Who tells of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    Caller,
    Callee,
}

impl Observation {
    /// The event time that decides its bucket.
    pub fn time(&self) -> Time {
        match self {
            Observation::Call(call) => call.end,
            Observation::Log { time, .. } => *time,
            Observation::Histogram { point, .. } => point.end,
            Observation::Edge { at, .. } => *at,
            Observation::Hop(hop) => hop.at,
        }
    }
}
