//! The detectors of one Api with their settings.

use monitor_detect::{
    DriftDetector, LatencyDetector, LearningRule, RatioDetector, RatioKind, Sensitivity,
    TrafficDetector,
};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use monitor_core::{Sense, Tuning, Watching};
use monitor_detect::{DetectionDirection, Detector, Options};

/// Response time, its drift, failures and traffic share an Api's budget of false alarms.
const API_DETECTORS: u32 = 4;
/// A service's error ratio and its templates have one budget more; the templates share half.
const TEMPLATES: u32 = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApiModels {
    pub(crate) latency: LatencyDetector,
    pub(crate) errors: RatioDetector,
    pub(crate) traffic: TrafficDetector,
    pub(crate) drift: DriftDetector,
}

impl ApiModels {
    pub(crate) fn new(config: &EngineConfig) -> ApiModels {
        let rule = rule(config);
        let whole = Sensitivity::per_week(config.false_alarms_per_api_week);
        let (budget, interest) = (whole.shared_by(API_DETECTORS), whole.interest());
        ApiModels {
            latency: LatencyDetector::new(
                LatencyDetector::default_options().interested(interest),
                rule,
                budget,
                config.shift_after,
            ),
            errors: RatioDetector::new(
                RatioKind::Errors,
                RatioDetector::default_options().interested(interest),
                rule,
                budget,
                config.shift_after,
            ),
            drift: DriftDetector::new(
                LatencyDetector::default_options().interested(interest),
                budget,
                config.shift_after,
            ),
            traffic: TrafficDetector::new(
                TrafficDetector::default_options().interested(interest),
                rule,
                budget,
                config.shift_after,
            ),
        }
    }
}

impl ApiModels {
    /// As `own` wants it; what it does not say is as usual.
    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        let whole = budget(own, config);
        let budget = whole.shared_by(API_DETECTORS);
        let options = |usual: Options, tuning: Option<&Tuning>| {
            let usual = usual.interested(whole.interest());
            match tuning {
                Some(tuning) => tuned(usual, tuning),
                None => usual,
            }
        };
        self.latency.tune(
            options(
                LatencyDetector::default_options(),
                own.map(|own| &own.latency),
            ),
            budget,
        );
        self.errors.tune(
            options(
                RatioDetector::default_options(),
                own.map(|own| &own.error_ratio),
            ),
            budget,
        );
        self.drift.tune(
            options(
                LatencyDetector::default_options(),
                own.map(|own| &own.latency),
            ),
            budget,
        );
        self.traffic.tune(
            options(
                TrafficDetector::default_options(),
                own.map(|own| &own.traffic),
            ),
            budget,
        );
    }

    /// Shares the budget anew by what each detector can use of it.
    pub(crate) fn share(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        let mut detectors: [&mut dyn Detector; API_DETECTORS as usize] = [
            &mut self.latency,
            &mut self.errors,
            &mut self.traffic,
            &mut self.drift,
        ];
        let most: Vec<f64> = detectors
            .iter()
            .map(|detector| detector.most_alarms_per_week())
            .collect();
        let shares = budget(own, config).shared_by_need(&most);
        for (detector, share) in detectors.iter_mut().zip(shares) {
            detector.grant(share);
        }
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.latency.hold(hold);
        self.errors.hold(hold);
        self.traffic.hold(hold);
        self.drift.hold(hold);
    }
}

/// A service's error ratio, or one of its templates, as `own` wants it.
pub(crate) fn tune_logs(
    model: &mut RatioDetector,
    own: Option<&Watching>,
    config: &EngineConfig,
    template: bool,
) {
    let usual = RatioDetector::default_options();
    let options = own.map_or(usual, |own| tuned(usual, &own.logs));
    let parts = if template { 2 * TEMPLATES } else { 2 };
    model.tune(options, budget(own, config).shared_by(parts));
}

fn budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    let wanted = own.and_then(|own| own.false_alarms_per_week);
    Sensitivity::per_week(wanted.unwrap_or(config.false_alarms_per_api_week))
}

fn tuned(usual: Options, tuning: &Tuning) -> Options {
    Options {
        data_range: tuning.data_range.unwrap_or(usual.data_range),
        detection_direction: match tuning.direction {
            Some(Sense::Both) => DetectionDirection::Both,
            Some(Sense::Above) => DetectionDirection::AboveExpected,
            Some(Sense::Below) => DetectionDirection::BelowExpected,
            None => usual.detection_direction,
        },
        min_dev_from_expected: tuning
            .min_dev_from_expected
            .unwrap_or(usual.min_dev_from_expected),
        min_rel_dev_from_expected: tuning
            .min_rel_dev_from_expected
            .unwrap_or(usual.min_rel_dev_from_expected),
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
