//! How bad an anomaly is for those who call the Api, and what its alert is called.

use monitor_core::{AlertSeverity, Anomaly, Direction, Measure, Subject};

/// This share of failing calls is an outage to somebody.
const CRITICAL_FAILURES: f64 = 0.25;
/// So many times the typical response time is an outage to anyone with a timeout.
const CRITICAL_SLOWNESS: f64 = 5.0;

pub(crate) fn severity(anomaly: &Anomaly) -> AlertSeverity {
    if odd_one_out(anomaly).is_some() {
        // The others do the work.
        return AlertSeverity::Warning;
    }
    let actual = anomaly.explanation.actual;
    let critical = match anomaly.signal.measure {
        Measure::ErrorRatio => actual >= CRITICAL_FAILURES,
        Measure::Latency => actual >= CRITICAL_SLOWNESS * anomaly.explanation.typical,
        Measure::Rate => actual == 0.0,
        Measure::LogErrorRatio
        | Measure::TemplateRate(_)
        | Measure::ThrottledRatio
        | Measure::UnauthorisedRatio
        | Measure::ClientErrorRatio
        | Measure::LogFormatRatio
        | Measure::NewStatusRatio
        | Measure::NewSizeRatio
        | Measure::LogRate
        | Measure::CallsPerCall
        | Measure::Saturation
        | Measure::Number
        | Measure::Combination
        | Measure::MistimedRatio
        | Measure::JourneySteps(_) => false,
    };
    if critical {
        AlertSeverity::Critical
    } else {
        AlertSeverity::Warning
    }
}

/// The alert of one that differs from its peers.
fn odd_one_out(anomaly: &Anomaly) -> Option<&'static str> {
    match &*anomaly.detector {
        "odd-replica" => Some("ServiceReplicaOdd"),
        "odd-version" => Some("ServiceVersionOdd"),
        "odd-environment" => Some("ApiEnvironmentOdd"),
        _ => None,
    }
}

pub(crate) fn alert_name(anomaly: &Anomaly) -> &'static str {
    if let Some(odd) = odd_one_out(anomaly) {
        return odd;
    }
    if let Subject::Dependency { .. } = anomaly.signal.subject {
        return match anomaly.signal.measure {
            Measure::Latency => "DependencyLatencyHigh",
            Measure::CallsPerCall => "DependencyCallsHigh",
            _ => "DependencyErrorsHigh",
        };
    }
    match anomaly.signal.measure {
        Measure::ErrorRatio => "ApiErrorsHigh",
        Measure::Latency => "ApiLatencyHigh",
        Measure::Rate if anomaly.direction == Direction::Above => "ApiTrafficHigh",
        Measure::Rate => "ApiTrafficLow",
        Measure::ThrottledRatio => "ApiThrottlingHigh",
        Measure::UnauthorisedRatio => "ApiUnauthorisedHigh",
        Measure::ClientErrorRatio => "ApiClientErrorsHigh",
        Measure::LogFormatRatio => "ServiceLogFormatChanged",
        Measure::NewStatusRatio | Measure::NewSizeRatio => "ApiContractChanged",
        Measure::CallsPerCall => "DependencyCallsHigh",
        Measure::LogRate if anomaly.direction == Direction::Above => "ServiceLogFlood",
        Measure::LogRate => "ServiceLogsMissing",
        Measure::LogErrorRatio => "ServiceLogErrorsHigh",
        Measure::TemplateRate(_) => "ServiceLogMessageUnusual",
        Measure::Saturation => "ServiceSaturationHigh",
        Measure::Number => "ServiceNumberUnusual",
        Measure::Combination => "ApiCombinationUnusual",
        Measure::MistimedRatio => "ServiceClockWrong",
        Measure::JourneySteps(_) => "JourneyStepsChanged",
    }
}
