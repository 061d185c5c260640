//! The detectors of one Api with their settings.

use monitor_detect::{
    LatencyDetector, LearningRule, RatioDetector, RatioKind, Sensitivity, TrafficDetector,
};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;

/// Response time, failures and traffic share an Api's budget of false alarms.
const API_DETECTORS: u32 = 3;
/// A service's error ratio and its templates have one budget more; the templates share half.
const TEMPLATES: u32 = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApiModels {
    pub(crate) latency: LatencyDetector,
    pub(crate) errors: RatioDetector,
    pub(crate) traffic: TrafficDetector,
}

impl ApiModels {
    pub(crate) fn new(config: &EngineConfig) -> ApiModels {
        let rule = rule(config);
        let budget =
            Sensitivity::per_week(config.false_alarms_per_api_week).shared_by(API_DETECTORS);
        ApiModels {
            latency: LatencyDetector::new(
                LatencyDetector::default_options(),
                rule,
                budget,
                config.shift_after,
            ),
            errors: RatioDetector::new(
                RatioKind::Errors,
                RatioDetector::default_options(),
                rule,
                budget,
                config.shift_after,
            ),
            traffic: TrafficDetector::new(
                TrafficDetector::default_options(),
                rule,
                budget,
                config.shift_after,
            ),
        }
    }
}

pub(crate) fn log_errors(config: &EngineConfig) -> RatioDetector {
    RatioDetector::new(
        RatioKind::LogErrors,
        RatioDetector::default_options(),
        rule(config),
        Sensitivity::per_week(config.false_alarms_per_api_week).shared_by(2),
        config.shift_after,
    )
}

pub(crate) fn template(config: &EngineConfig, kind: RatioKind) -> RatioDetector {
    RatioDetector::new(
        kind,
        RatioDetector::default_options(),
        rule(config),
        Sensitivity::per_week(config.false_alarms_per_api_week).shared_by(2 * TEMPLATES),
        config.shift_after,
    )
}

pub(crate) fn rule(config: &EngineConfig) -> LearningRule {
    LearningRule {
        seconds: config.learn_seconds,
        calls: config.learn_calls,
    }
}
