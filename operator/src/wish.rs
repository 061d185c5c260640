//! From the resources to the whole wish that the monitor is told.
//!
//! What a `MonitoredApi` says comes first, then what annotations around its pods say. A workload of
//! which nothing is asked but the usual is not in the wish at all: a thousand of them cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crds::MonitoredApi;
use crds::monitored_api::{MonitoredApiSpec, Objective as SpecObjective};
use monitor_api::{
    Configuration, Detection, FieldMetric, Maintenance, Objective, Probe, Route, WorkloadSettings,
};
use operator_meta::hints::Hints;

use crate::gather::service_key;
use crate::key::Key;
use crate::monitor::ServiceKey;

/// Over which an objective of an annotation is kept: four weeks.
const HINTED_WINDOW_SECONDS: u64 = 28 * 86_400;

/// What is put to the monitor, and whose each part is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wish {
    pub(crate) configuration: Configuration,
    /// Resources whose settings are in it.
    pub(crate) asking: BTreeSet<Key>,
    /// Resources that another one comes before, and that one's name.
    pub(crate) yielding: BTreeMap<Key, String>,
}

/// One resource with what it is called and what annotations say.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) key: &'a Key,
    pub(crate) api: &'a MonitoredApi,
    pub(crate) services: Vec<ServiceKey>,
    pub(crate) hints: Option<Hints>,
}

/// The whole wish. Its revision follows from its content, so that the same is never put twice.
pub(crate) fn wish(
    mut asking: Vec<Asking<'_>>,
    maintenance: Vec<Maintenance>,
    routing: Vec<Route>,
) -> Wish {
    // The oldest of two that ask for the same comes first, whatever it is called.
    asking.sort_by_key(|it| (it.api.metadata.creation_timestamp.clone(), it.key));
    let mut wish = Wish::default();
    let mut taken: BTreeMap<(ServiceKey, Option<String>), &Key> = BTreeMap::new();
    for it in &asking {
        for service in &it.services {
            let settings = settings(&it.api.spec, it.hints.as_ref(), service);
            if settings == named(service, settings.environment.clone()) {
                continue;
            }
            let place = (service.clone(), settings.environment.clone());
            match taken.get(&place) {
                Some(first) if *first != it.key => {
                    wish.yielding.insert(it.key.clone(), first.to_string());
                }
                _ => {
                    taken.insert(place, it.key);
                    wish.asking.insert(it.key.clone());
                    wish.configuration.workloads.push(settings);
                }
            }
        }
    }
    let name = |it: &WorkloadSettings| {
        (
            it.namespace.clone(),
            it.service.clone(),
            it.environment.clone(),
        )
    };
    wish.configuration.workloads.sort_by_key(name);
    wish.configuration.maintenance = maintenance;
    wish.configuration.routing = routing;
    wish.configuration.revision = revision(&wish.configuration);
    wish
}

fn revision(configuration: &Configuration) -> String {
    let text = serde_json::to_string(configuration).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Settings that ask for nothing.
fn named(service: &ServiceKey, environment: Option<String>) -> WorkloadSettings {
    WorkloadSettings {
        namespace: service.0.clone(),
        service: service.1.clone(),
        environment,
        ..WorkloadSettings::default()
    }
}

fn settings(
    spec: &MonitoredApiSpec,
    hints: Option<&Hints>,
    service: &ServiceKey,
) -> WorkloadSettings {
    let hint = |get: fn(&Hints) -> Option<String>| hints.and_then(get);
    let detection = spec.detection.signals.iter().map(|signal| {
        let range = signal
            .data_range
            .as_deref()
            .and_then(|it| it.try_into().ok());
        let detection = Detection {
            enabled: (!signal.enabled).then_some(false),
            data_range: range,
            detection_direction: signal.detection_direction.map(|it| it.as_str().to_owned()),
            min_dev_from_expected: signal.min_dev_from_expected,
            min_rel_dev_from_expected: signal.min_rel_dev_from_expected,
        };
        (signal.name.clone(), detection)
    });
    let mut exclude_paths = spec.exclude_paths.clone();
    if exclude_paths.is_empty() {
        let hinted = hints.and_then(|it| it.exclude_paths.as_ref());
        exclude_paths.extend(hinted.iter().flat_map(|it| it.value.iter().cloned()));
    }
    let metrics = spec.metrics.iter().map(|metric| FieldMetric {
        name: metric.name.clone(),
        field: metric.field.clone(),
        unit: metric.unit.clone(),
    });
    let probes = spec.probes.iter().map(|probe| Probe {
        name: probe.name.clone(),
        url: probe.url.clone(),
        method: probe.method.clone(),
        interval_seconds: probe.interval.0.as_secs().max(1),
        timeout_seconds: probe.timeout.0.as_secs().max(1),
        expect_status: probe.expect_status.clone(),
    });
    let ownership = &spec.ownership;
    WorkloadSettings {
        paused: spec.paused,
        false_alarms_per_week: spec.detection.false_alarms_per_week,
        detection: detection.collect(),
        routes: spec.routes.iter().map(|it| it.template.clone()).collect(),
        exclude_paths,
        log_format: (spec.log_format.as_ref().map(|it| it.name.clone()))
            .or_else(|| hint(|it| Some(it.log_format.as_ref()?.value.clone()))),
        objectives: objectives(spec, hints),
        metrics: metrics.collect(),
        probes: probes.collect(),
        owner: (ownership.owner.clone())
            .or_else(|| hint(|it| Some(it.owner.as_ref()?.value.clone()))),
        runbook_url: (ownership.runbook_url.clone())
            .or_else(|| hint(|it| Some(it.runbook_url.as_ref()?.value.clone()))),
        criticality: (ownership.criticality.map(|it| it.as_str().to_owned()))
            .or_else(|| hint(|it| Some(it.criticality.as_ref()?.value.to_string()))),
        ..named(service, spec.environment.clone())
    }
}

fn objectives(spec: &MonitoredApiSpec, hints: Option<&Hints>) -> Vec<Objective> {
    if !spec.objectives.is_empty() {
        return spec.objectives.iter().filter_map(objective).collect();
    }
    let mut objectives = Vec::new();
    if let Some(latency) = hints.and_then(|it| it.slo_latency.as_ref()) {
        objectives.push(Objective {
            name: "latency".to_owned(),
            objective_ratio: latency.value.quantile,
            latency_threshold_seconds: Some(latency.value.threshold.as_secs_f64()),
            window_seconds: HINTED_WINDOW_SECONDS,
            route: None,
        });
    }
    if let Some(availability) = hints.and_then(|it| it.slo_availability.as_ref()) {
        objectives.push(Objective {
            name: "availability".to_owned(),
            objective_ratio: availability.value,
            latency_threshold_seconds: None,
            window_seconds: HINTED_WINDOW_SECONDS,
            route: None,
        });
    }
    objectives
}

fn objective(objective: &SpecObjective) -> Option<Objective> {
    let (ratio, threshold) = match (&objective.latency, &objective.availability) {
        (Some(latency), _) => (latency.quantile, Some(latency.threshold.0.as_secs_f64())),
        (None, Some(availability)) => (availability.target, None),
        // The schema lets none without both through.
        (None, None) => return None,
    };
    Some(Objective {
        name: objective.name.clone(),
        objective_ratio: ratio,
        latency_threshold_seconds: threshold,
        window_seconds: objective.window.0.as_secs(),
        route: objective.route.clone(),
    })
}

impl Wish {
    /// The revision that holds the settings of this resource; none when it asks for nothing.
    pub(crate) fn revision_for(&self, key: &Key) -> Option<&str> {
        self.asking
            .contains(key)
            .then_some(&*self.configuration.revision)
    }
}

/// Of a resource, by what it is called.
pub(crate) fn services(services: &[crds::monitored_api::ServiceStatus]) -> Vec<ServiceKey> {
    services.iter().map(service_key).collect()
}
