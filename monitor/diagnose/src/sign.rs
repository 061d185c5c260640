//! What is kept of an anomaly to tell what it belongs to and where it comes from.

use std::time::Duration;

use monitor_core::{Anomaly, AnomalyId, Direction, Measure, Name, Time, Workload};
use serde::{Deserialize, Serialize};

/// A dimension's value with this share of what is anomalous, and at most that share of the usual,
/// is where the trouble is.
const NEARLY_ALL: f64 = 0.8;
const NOT_USUALLY: f64 = 0.5;

/// What is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Slow,
    Failing,
    /// Its own error logs.
    Complaining,
    /// Called less than expected, or more.
    Load,
    /// Not called at all.
    Silent,
    /// Its records bear wrong times.
    Mistimed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sign {
    pub(crate) id: AnomalyId,
    pub(crate) workload: Workload,
    pub(crate) kind: Kind,
    pub(crate) start: Time,
    /// 0.5 to 1: how unusual.
    pub(crate) strength: f64,
    /// The version or instance that nearly all of it is of.
    pub(crate) confined_to: Option<(Name, Name)>,
    /// When we learned that it is over.
    pub(crate) closed: Option<Time>,
}

impl Sign {
    pub(crate) fn of(anomaly: &Anomaly, now: Time) -> Sign {
        let kind = match anomaly.signal.measure {
            Measure::Latency => Kind::Slow,
            Measure::ErrorRatio
            | Measure::ThrottledRatio
            | Measure::UnauthorisedRatio
            | Measure::ClientErrorRatio
            | Measure::NewStatusRatio => Kind::Failing,
            Measure::LogErrorRatio
            | Measure::TemplateRate(_)
            | Measure::LogFormatRatio
            | Measure::NewSizeRatio => Kind::Complaining,
            Measure::LogRate if anomaly.direction == Direction::Above => Kind::Complaining,
            Measure::MistimedRatio => Kind::Mistimed,
            Measure::Rate | Measure::LogRate
                if anomaly.direction == Direction::Below && anomaly.explanation.actual == 0.0 =>
            {
                Kind::Silent
            }
            Measure::Rate
            | Measure::LogRate
            | Measure::CallsPerCall
            | Measure::Saturation
            | Measure::Number
            | Measure::Combination
            | Measure::JourneySteps(_) => Kind::Load,
        };
        let confined_to = anomaly
            .explanation
            .contributions
            .iter()
            .find(|part| {
                matches!(&*part.dimension, "version" | "instance")
                    && part.share >= NEARLY_ALL
                    && part.usual_share <= NOT_USUALLY
            })
            .map(|part| (part.dimension.clone(), part.value.clone()));
        Sign {
            id: anomaly.id,
            workload: anomaly.signal.subject.workload(),
            kind,
            start: anomaly.start,
            strength: anomaly.score.percent() / 100.0,
            confined_to,
            closed: anomaly.end.map(|_| now),
        }
    }

    /// Nobody is hurt by it: other numbers of calls, other messages, wrong times.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(self.kind, Kind::Load | Kind::Complaining | Kind::Mistimed)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Until when another anomaly still belongs to the same trouble.
    pub(crate) fn lasts_until(&self, keep: Duration) -> Time {
        self.closed.map_or(Time::MAX, |closed| closed + keep)
    }
}
