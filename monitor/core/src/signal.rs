//! Time series: what is measured, of whom, and the observations that feed it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ApiKey, Call, CallEnd, HistogramPoint, Hop, JourneyTypeId, Name, ServiceKey, Severity,
    TemplateId, Time, Workload,
};
use std::sync::Arc;

/// Whose series it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    Api(Arc<ApiKey>),
    Service {
        service: ServiceKey,
        environment: Name,
    },
    /// What a service asks of somebody else, as its own spans and logs tell it.
    Dependency {
        service: ServiceKey,
        environment: Name,
        /// As its caller names it: another service, a database.
        callee: Name,
    },
    /// A number out of a service's log fields that people want watched. In another unit it is
    /// another number.
    Number {
        service: ServiceKey,
        environment: Name,
        /// As people call it.
        name: Name,
        unit: Option<Name>,
    },
}

impl Subject {
    pub fn service(&self) -> &ServiceKey {
        match self {
            Subject::Api(api) => &api.service,
            Subject::Service { service, .. }
            | Subject::Dependency { service, .. }
            | Subject::Number { service, .. } => service,
        }
    }

    pub fn environment(&self) -> &Name {
        match self {
            Subject::Api(api) => &api.environment,
            Subject::Service { environment, .. }
            | Subject::Dependency { environment, .. }
            | Subject::Number { environment, .. } => environment,
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
            Subject::Dependency {
                service,
                environment,
                callee,
            } => write!(f, "{service} @ {environment} → {callee}"),
            Subject::Number {
                service,
                environment,
                name,
                unit,
            } => {
                write!(f, "{service} @ {environment} {name}")?;
                match unit {
                    Some(unit) => write!(f, " ({unit})"),
                    None => Ok(()),
                }
            }
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
    /// Share of calls refused as too many, 0 to 1.
    ThrottledRatio,
    /// Share of calls refused for want of valid credentials or rights, 0 to 1.
    UnauthorisedRatio,
    /// Share of calls that are other mistakes of their callers, 0 to 1.
    ClientErrorRatio,
    /// Share of log records in a format that the service does not usually write, 0 to 1.
    LogFormatRatio,
    /// Share of calls that end in a status which the Api did not use before, 0 to 1.
    NewStatusRatio,
    /// Share of answers that are of a size which the Api did not use before, 0 to 1.
    NewSizeRatio,
    /// Calls made to a dependency for each call served.
    CallsPerCall,
    /// Log records a second.
    LogRate,
    /// How full something is, by the service's gauges or its own warnings, 0 to 1.
    Saturation,
    /// What the subject's number is, in the subject's unit.
    Number,
    /// How far a minute's rate, response times and failures stand apart together, 0 to 1; half is
    /// what chance has it.
    Combination,
    /// Share of log records that bear another time than the one at which they came, all astray by the
    /// same amount, 0 to 1.
    MistimedRatio,
    /// Share of this type's journeys in which a step is not as it usually is, 0 to 1.
    JourneySteps(JourneyTypeId),
}

impl Measure {
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Rate => "rate",
            Measure::ErrorRatio => "error_ratio",
            Measure::Latency => "latency",
            Measure::LogErrorRatio => "log_error_ratio",
            Measure::TemplateRate(_) => "template_rate",
            Measure::ThrottledRatio => "throttled_ratio",
            Measure::UnauthorisedRatio => "unauthorised_ratio",
            Measure::ClientErrorRatio => "client_error_ratio",
            Measure::LogFormatRatio => "log_format_ratio",
            Measure::NewStatusRatio => "new_status_ratio",
            Measure::NewSizeRatio => "new_size_ratio",
            Measure::CallsPerCall => "calls_per_call",
            Measure::LogRate => "log_rate",
            Measure::Saturation => "saturation",
            Measure::Number => "number",
            Measure::Combination => "combination",
            Measure::JourneySteps(_) => "journey_step_ratio",
            Measure::MistimedRatio => "mistimed_ratio",
        }
    }

    /// The unit as people write it, for texts: `calls/s`, `s`; empty for ratios, and for numbers,
    /// whose unit is their subject's.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::Rate => "calls/s",
            Measure::Latency => "s",
            Measure::ErrorRatio
            | Measure::LogErrorRatio
            | Measure::ThrottledRatio
            | Measure::UnauthorisedRatio
            | Measure::ClientErrorRatio
            | Measure::LogFormatRatio
            | Measure::NewStatusRatio
            | Measure::NewSizeRatio
            | Measure::Saturation
            | Measure::Number
            | Measure::Combination
            | Measure::MistimedRatio
            | Measure::JourneySteps(_) => "",
            Measure::CallsPerCall => "calls/call",
            Measure::TemplateRate(_) | Measure::LogRate => "records/s",
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
        /// The name of its format; `None` when it was not recognised.
        format: Option<Name>,
        /// How full it warns that something is, 0 to 1.
        fill: Option<f32>,
        /// By how many seconds the time that it wrote is ahead of `time`, which somebody else knew better.
        written_ahead: Option<i32>,
    },
    /// One finished request of a service to somebody else, as it saw it.
    Dependency {
        service: ServiceKey,
        environment: Name,
        callee: Name,
        end: Time,
        duration: Option<Duration>,
        failed: bool,
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
    /// Where a request was.
    Hop(Box<Hop>),
    /// One end of one call between two.
    CallEnd(Box<CallEnd>),
    /// How full something of one replica of a service is.
    Level {
        service: ServiceKey,
        environment: Name,
        instance: Name,
        /// The metric's name, and what tells its series apart.
        what: Name,
        at: Time,
        /// Of what there is, 0 to 1.
        share: f32,
    },
    /// A number out of a log field that people want watched.
    Number(Box<NumberSeen>),
}

/// One value of a [`Subject::Number`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberSeen {
    pub service: ServiceKey,
    pub environment: Name,
    pub name: Name,
    pub unit: Option<Name>,
    pub time: Time,
    /// Finite.
    pub value: f64,
}

impl Observation {
    /// The event time that decides its bucket.
    pub fn time(&self) -> Time {
        match self {
            Observation::Call(call) => call.end,
            Observation::Log { time, .. } => *time,
            Observation::Dependency { end, .. } => *end,
            Observation::Histogram { point, .. } => point.end,
            Observation::Edge { at, .. } => *at,
            Observation::Hop(hop) => hop.end(),
            Observation::CallEnd(end) => end.at,
            Observation::Level { at, .. } => *at,
            Observation::Number(number) => number.time,
        }
    }
}
