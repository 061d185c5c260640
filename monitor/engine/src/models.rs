//! The detectors of one Api with their settings.

use monitor_detect::{
    DriftDetector, ErrorDriftDetector, Experience, Kinship, LatencyDetector, LearningRule,
    PerCallDetector, RatioDetector, RatioKind, Sensitivity, TrafficDetector,
};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use crate::window::CallWindow;
use monitor_core::{Sense, Time, Tuning, Watching};
use monitor_detect::{DetectionDirection, Detector, Options, Reading};

/// Response time, failures, the drift of both, traffic and three kinds of refusals share an Api's budget of
/// false alarms.
const API_DETECTORS: u32 = 8;
/// A dependency has a budget of its own for its three.
const DEPENDENCY_DETECTORS: u32 = 3;
/// Failures and retries make a service write more than usual; a flood is more than that.
const LOG_FLOOD: f64 = 4.0;
/// Slowness and failures of replicas, versions and environments: half of one budget for all six.
const PEER_PARTS: u32 = 12;
/// New statuses and sizes of answers are rare news, each on top of an Api's budget.
const CONTRACT_PARTS: u32 = 16;
/// Unusual combinations are shown and page nobody.
const COMBINATION_PARTS: u32 = 8;
/// Steps that are missing, repeated and out of order share an eighth of a budget.
const STEP_PARTS: u32 = 24;
/// A service's error ratio and its templates have one budget more; the templates share half.
const TEMPLATES: u32 = 64;

/// Of its own calls, an Api that borrows from others has to show so many before there is a verdict:
/// one window of a sparse one.
pub(crate) const KIN_RULE: LearningRule = LearningRule {
    seconds: 5,
    calls: 8,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApiModels {
    pub(crate) latency: LatencyDetector,
    pub(crate) errors: RatioDetector,
    pub(crate) traffic: TrafficDetector,
    pub(crate) drift: DriftDetector,
    pub(crate) error_drift: ErrorDriftDetector,
    pub(crate) throttled: RatioDetector,
    pub(crate) unauthorised: RatioDetector,
    pub(crate) client_errors: RatioDetector,
}

/// What each of an Api's detectors has seen, or those of many Apis together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Experiences([Experience; API_DETECTORS as usize]);

impl std::iter::Sum for Experiences {
    fn sum<I: Iterator<Item = Experiences>>(all: I) -> Experiences {
        all.fold(Experiences::default(), |sum, one| {
            Experiences(std::array::from_fn(|at| {
                [sum.0[at], one.0[at]].into_iter().sum()
            }))
        })
    }
}

impl ApiModels {
    pub(crate) fn new(config: &EngineConfig) -> ApiModels {
        let rule = rule(config);
        let whole = Sensitivity::per_week(config.false_alarms_per_api_week);
        let budget = single(whole).shared_by(API_DETECTORS);
        let ratio = |kind| {
            RatioDetector::new(
                kind,
                RatioDetector::default_options().permitted(whole),
                rule,
                budget,
                config.shift_after,
            )
        };
        ApiModels {
            latency: LatencyDetector::new(
                LatencyDetector::default_options().permitted(whole),
                rule,
                budget,
                config.shift_after,
            ),
            drift: DriftDetector::new(
                LatencyDetector::default_options().permitted(whole),
                budget,
                config.shift_after,
            ),
            error_drift: ErrorDriftDetector::new(
                RatioDetector::default_options().permitted(whole),
                budget,
                config.shift_after,
            ),
            errors: ratio(RatioKind::Errors),
            throttled: ratio(RatioKind::Throttled),
            unauthorised: ratio(RatioKind::Unauthorised),
            client_errors: ratio(RatioKind::ClientErrors),
            traffic: TrafficDetector::new(
                TrafficDetector::default_options().permitted(whole),
                rule,
                budget,
                config.shift_after,
            ),
        }
    }
}

impl ApiModels {
    /// Begins with what others have learned: of the same Api elsewhere all that does not depend on the
    /// place, of other routes only what routes of a service have in common.
    pub(crate) fn borrow(&mut self, kin: Kinship, others: &[&ApiModels]) {
        let of = |what: fn(&ApiModels) -> &RatioDetector| -> Vec<&RatioDetector> {
            others.iter().map(|models| what(models)).collect()
        };
        self.errors
            .borrow(&of(|models| &models.errors), kin, KIN_RULE);
        let latencies: Vec<&LatencyDetector> =
            others.iter().map(|models| &models.latency).collect();
        self.latency.borrow(&latencies, KIN_RULE);
        if kin == Kinship::Same {
            let throttled = of(|models| &models.throttled);
            self.throttled.borrow(&throttled, kin, KIN_RULE);
            let unauthorised = of(|models| &models.unauthorised);
            self.unauthorised.borrow(&unauthorised, kin, KIN_RULE);
            let client_errors = of(|models| &models.client_errors);
            self.client_errors.borrow(&client_errors, kin, KIN_RULE);
        }
    }

    /// As `own` wants it; what it does not say is as usual.
    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        let whole = budget(own, config);
        let budget = single(whole).shared_by(API_DETECTORS);
        let options = |usual: Options, tuning: Option<&Tuning>| {
            let usual = usual.permitted(whole);
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
        self.drift.tune(
            options(
                LatencyDetector::default_options(),
                own.map(|own| &own.latency),
            ),
            budget,
        );
        let ratios: [&mut dyn Detector; 5] = [
            &mut self.errors,
            &mut self.error_drift,
            &mut self.throttled,
            &mut self.unauthorised,
            &mut self.client_errors,
        ];
        for model in ratios {
            model.tune(
                options(
                    RatioDetector::default_options(),
                    own.map(|own| &own.error_ratio),
                ),
                budget,
            );
        }
        self.traffic.tune(
            options(
                TrafficDetector::default_options(),
                own.map(|own| &own.traffic),
            ),
            budget,
        );
    }

    fn detectors(&self) -> [&dyn Detector; API_DETECTORS as usize] {
        [
            &self.latency,
            &self.errors,
            &self.traffic,
            &self.drift,
            &self.error_drift,
            &self.throttled,
            &self.unauthorised,
            &self.client_errors,
        ]
    }

    /// How near to an alarm each detector came in normal times.
    pub(crate) fn experience(&self) -> Experiences {
        Experiences(self.detectors().map(Detector::experience))
    }

    /// Shares the budget anew by what each detector can use of it, as far as it and those of `all` Apis
    /// have seen.
    pub(crate) fn share(
        &mut self,
        all: &Experiences,
        own: Option<&Watching>,
        config: &EngineConfig,
    ) {
        let most: Vec<f64> = (self.detectors().into_iter().zip(all.0))
            .map(|(detector, all)| {
                detector.most_alarms_per_week(all.without(detector.experience()))
            })
            .collect();
        let shares = single(budget(own, config)).shared_by_need(&most);
        let detectors: [&mut dyn Detector; API_DETECTORS as usize] = [
            &mut self.latency,
            &mut self.errors,
            &mut self.traffic,
            &mut self.drift,
            &mut self.error_drift,
            &mut self.throttled,
            &mut self.unauthorised,
            &mut self.client_errors,
        ];
        for (detector, share) in detectors.into_iter().zip(shares) {
            detector.grant(share);
        }
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.latency.hold(hold);
        self.errors.hold(hold);
        self.traffic.hold(hold);
        self.drift.hold(hold);
        self.error_drift.hold(hold);
        self.throttled.hold(hold);
        self.unauthorised.hold(hold);
        self.client_errors.hold(hold);
    }

    /// Local time is so many seconds ahead of UTC.
    pub(crate) fn set_utc_offset(&mut self, secs: i32) {
        self.latency.set_utc_offset(secs);
        self.traffic.set_utc_offset(secs);
    }

    /// Nothing is known of the time until `time`.
    pub(crate) fn skip_to(&mut self, time: Time) {
        self.latency.skip_to(time);
        self.errors.skip_to(time);
        self.traffic.skip_to(time);
        self.throttled.skip_to(time);
        self.unauthorised.skip_to(time);
        self.client_errors.skip_to(time);
        self.drift.skip_to(time);
        self.error_drift.skip_to(time);
    }

    /// Whether one of those that judge windows need not wait for the rest of this one.
    pub(crate) fn is_pressing(&self, window: &CallWindow) -> bool {
        let share = |part| {
            window.sample(Reading::Share {
                part,
                whole: window.calls,
            })
        };
        self.errors.is_pressing(&share(window.errors))
            || self.throttled.is_pressing(&share(window.throttled))
            || self.unauthorised.is_pressing(&share(window.unauthorised))
            || self
                .latency
                .is_pressing(&window.sample(Reading::Durations(&window.latencies)))
    }
}

pub(crate) fn dependency_use(config: &EngineConfig) -> PerCallDetector {
    PerCallDetector::new(
        PerCallDetector::default_options(),
        rule(config),
        dependency_budget(None, config),
        config.shift_after,
    )
}

pub(crate) fn dependency_errors(config: &EngineConfig) -> RatioDetector {
    RatioDetector::new(
        RatioKind::DependencyErrors,
        RatioDetector::default_options(),
        rule(config),
        dependency_budget(None, config),
        config.shift_after,
    )
}

pub(crate) fn dependency_latency(config: &EngineConfig) -> LatencyDetector {
    LatencyDetector::new(
        LatencyDetector::default_options(),
        rule(config),
        dependency_budget(None, config),
        config.shift_after,
    )
}

/// What a person says of a service's calls holds for those that it makes.
pub(crate) fn tune_dependency(
    calls: &mut PerCallDetector,
    errors: &mut RatioDetector,
    latency: &mut LatencyDetector,
    own: Option<&Watching>,
    config: &EngineConfig,
) {
    let budget = dependency_budget(own, config);
    calls.tune(PerCallDetector::default_options(), budget);
    let usual = RatioDetector::default_options();
    let options = own.map_or(usual, |own| tuned(usual, &own.error_ratio));
    errors.tune(options, budget);
    let usual = LatencyDetector::default_options();
    let options = own.map_or(usual, |own| tuned(usual, &own.latency));
    latency.tune(options, budget);
}

fn dependency_budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    budget(own, config).shared_by(DEPENDENCY_DETECTORS)
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

/// Replicas and versions of a service, and environments of an Api, share a budget with each kind.
pub(crate) fn peer_budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    budget(own, config).shared_by(PEER_PARTS)
}

/// A number that people want watched has a budget of its own.
pub(crate) fn number_budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    budget(own, config)
}

/// Steps of journeys that are missing, repeated or out of order.
pub(crate) fn journey_steps(kind: RatioKind, config: &EngineConfig) -> RatioDetector {
    RatioDetector::new(
        kind,
        RatioDetector::default_options(),
        rule(config),
        step_budget(None, config),
        config.shift_after,
    )
}

pub(crate) fn step_budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    budget(own, config).shared_by(STEP_PARTS)
}

/// What an Api's single signals have of its budget: the rest is for their combinations.
fn single(whole: Sensitivity) -> Sensitivity {
    whole.without_one_of(COMBINATION_PARTS)
}

/// Combinations of an Api's signals have a part of its budget.
pub(crate) fn combination_budget(own: Option<&Watching>, config: &EngineConfig) -> Sensitivity {
    budget(own, config).shared_by(COMBINATION_PARTS)
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
        ..usual
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

/// How many records a service writes.
pub(crate) fn log_rate(config: &EngineConfig) -> TrafficDetector {
    TrafficDetector::new(
        TrafficDetector::log_options(),
        rule(config),
        Sensitivity::per_week(config.false_alarms_per_api_week).shared_by(2),
        config.shift_after,
    )
    .surging_from(LOG_FLOOD)
}

pub(crate) fn tune_log_rate(
    model: &mut TrafficDetector,
    own: Option<&Watching>,
    config: &EngineConfig,
) {
    model.tune(
        TrafficDetector::log_options(),
        budget(own, config).shared_by(2),
    );
}

/// Records in a format that a service has not been seen to write.
pub(crate) fn log_format(config: &EngineConfig) -> RatioDetector {
    let (options, budget) = log_format_wishes(None, config);
    RatioDetector::new(
        RatioKind::LogFormat,
        options,
        rule(config),
        budget,
        config.shift_after,
    )
}

/// An exception's stack now and then is no new format; a fifth of all records is.
pub(crate) fn log_format_wishes(
    own: Option<&Watching>,
    config: &EngineConfig,
) -> (Options, Sensitivity) {
    let usual = a_fifth_at_least();
    let options = own.map_or(usual, |own| tuned(usual, &own.logs));
    (options, budget(own, config).shared_by(2))
}

/// Records that bear another time than that at which they came.
pub(crate) fn mistimed(config: &EngineConfig) -> RatioDetector {
    RatioDetector::new(
        RatioKind::Mistimed,
        mistimed_options(),
        rule(config),
        Sensitivity::per_week(config.false_alarms_per_api_week).shared_by(2),
        config.shift_after,
    )
}

pub(crate) fn tune_mistimed(
    model: &mut RatioDetector,
    own: Option<&Watching>,
    config: &EngineConfig,
) {
    let usual = mistimed_options();
    let options = own.map_or(usual, |own| tuned(usual, &own.logs));
    model.tune(options, budget(own, config).shared_by(2));
}

/// One of two replicas may have a wrong clock; a few stragglers are no clock.
fn mistimed_options() -> Options {
    Options {
        min_dev_from_expected: 0.3,
        ..RatioDetector::default_options()
    }
}

/// Answers such as an Api has not been seen to give: another status, another size.
pub(crate) fn contract(kind: RatioKind, config: &EngineConfig) -> RatioDetector {
    let (options, budget) = contract_wishes(None, config);
    RatioDetector::new(kind, options, rule(config), budget, config.shift_after)
}

/// A caller's odd request now and then is no new contract; a fifth of all calls is.
pub(crate) fn contract_wishes(
    own: Option<&Watching>,
    config: &EngineConfig,
) -> (Options, Sensitivity) {
    let usual = a_fifth_at_least();
    let options = own.map_or(usual, |own| tuned(usual, &own.error_ratio));
    (options, budget(own, config).shared_by(CONTRACT_PARTS))
}

fn a_fifth_at_least() -> Options {
    Options {
        min_dev_from_expected: 0.2,
        ..RatioDetector::default_options()
    }
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
