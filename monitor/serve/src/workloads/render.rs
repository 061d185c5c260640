//! A view's Apis, logs and incidents, put together by workload in the words of the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_api as wire;
use monitor_api::{IncidentRef, RouteView, WorkloadView};
use monitor_core::{
    ApiState, ApiView, Incident, LogsView, Name, ProbeView, Score, ServiceKey, ServiceView, Time,
    View,
};

use crate::query::apis::by_trouble;
use crate::query::words::{api_id, finite, or_zero, state};

/// Routes shown of a workload.
const ROUTES: usize = 5;
/// Logs that stay away for longer than this have stopped flowing.
const FLOWING: Duration = Duration::from_secs(300);

type Key<'a> = (&'a str, &'a str, &'a str);

/// A workload, and what of it is compared but not shown.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its logs came lately.
    pub(super) flowing: bool,
    pub(super) view: WorkloadView,
}

#[derive(Debug, Default)]
struct Parts<'a> {
    apis: Vec<&'a ApiView>,
    service: Option<&'a ServiceView>,
    logs: Option<&'a LogsView>,
    incidents: Vec<IncidentRef>,
    probes: Vec<wire::ProbeView>,
}

/// In order of namespace, service and environment; `changed` is left empty.
pub(super) fn workloads(view: &View) -> Vec<Seen> {
    let mut parts: BTreeMap<Key<'_>, Parts<'_>> = BTreeMap::new();
    for api in &view.apis {
        let key = key(&api.key.service, &api.key.environment);
        parts.entry(key).or_default().apis.push(api);
    }
    for service in &view.services {
        let key = key(&service.service, &service.environment);
        parts.entry(key).or_default().service = Some(service);
    }
    for logs in &view.logs {
        let key = key(&logs.service, &logs.environment);
        parts.entry(key).or_default().logs = Some(logs);
    }
    for incident in view.incidents.iter().filter(|found| found.ended.is_none()) {
        for workload in &incident.services {
            if let Some(parts) = parts.get_mut(&key(&workload.service, &workload.environment)) {
                let root_cause = incident.root_cause();
                let is_root_cause = root_cause.is_some_and(|cause| cause.workload == *workload);
                parts.incidents.push(reference(incident, is_root_cause));
            }
        }
    }
    for asked in view.probes.iter() {
        let (namespace, name) = (&*asked.service.namespace, &*asked.service.name);
        let everywhere = parts
            .range_mut((namespace, name, "")..)
            .take_while(|(key, _)| key.0 == namespace && key.1 == name);
        for (key, parts) in everywhere {
            let environment = asked.environment.as_deref();
            if environment.is_none_or(|wanted| wanted == key.2) {
                parts.probes.push(probe(asked));
            }
        }
    }
    parts
        .into_iter()
        .map(|(key, parts)| parts.seen(key, view.at))
        .collect()
}

impl Parts<'_> {
    fn seen(mut self, (namespace, service, environment): Key<'_>, at: Time) -> Seen {
        self.apis.sort_by(|a, b| by_trouble(a, b));
        let (found, reason, score) = self.state();
        let rate: f64 = self.apis.iter().map(|api| or_zero(api.rate)).sum();
        let errors: f64 = self
            .apis
            .iter()
            .map(|api| or_zero(api.rate) * or_zero(api.error_ratio))
            .sum();
        let p99s = self.apis.iter().filter_map(|api| api.p99.and_then(finite));
        let learned = self
            .apis
            .iter()
            .filter(|api| api.state != ApiState::Learning)
            .count();
        let seen = self.apis.iter().map(|api| api.last_seen);
        let last_seen = seen
            .chain(self.service.map(|service| service.last_seen))
            .chain(self.logs.map(|logs| logs.last))
            .max()
            .unwrap_or_default();
        Seen {
            flowing: self.logs.is_some_and(|logs| logs.last + FLOWING > at),
            view: WorkloadView {
                namespace: namespace.to_owned(),
                service: service.to_owned(),
                environment: environment.to_owned(),
                changed: String::new(),
                state: state(found),
                reason,
                score: score.get(),
                first_log: self.logs.map(|logs| logs.first.to_string()),
                last_log: self.logs.map(|logs| logs.last.to_string()),
                last_seen: last_seen.to_string(),
                logs_total: self.logs.map_or(0, |logs| logs.records),
                log_format: self
                    .logs
                    .and_then(|logs| logs.format.as_ref().map(ToString::to_string)),
                unrecognised_ratio: self
                    .logs
                    .map_or(0.0, |logs| or_zero(logs.unrecognised_ratio)),
                learned_ratio: learned as f64 / self.apis.len().max(1) as f64,
                apis: self.apis.len() as u64,
                calls_per_second: rate,
                error_ratio: if rate > 0.0 { errors / rate } else { 0.0 },
                latency_p99_seconds: p99s.reduce(f64::max),
                routes: self
                    .apis
                    .iter()
                    .take(ROUTES)
                    .map(|api| route(api))
                    .collect(),
                incidents: self.incidents,
                probes: self.probes,
            },
        }
    }

    /// The worst of its Apis; its logs' when they are worse, or when it has none.
    fn state(&self) -> (ApiState, String, Score) {
        let logs = self
            .service
            .map(|service| (service.state, service.reason.clone(), service.score));
        let worst = self.apis.first().map(|api| {
            let score = self
                .apis
                .iter()
                .map(|api| api.score.get())
                .fold(0.0, f64::max);
            (api.state, api.reason.clone(), Score::new(score))
        });
        match (worst, logs) {
            (Some(worst), Some(logs))
                if logs.0 == ApiState::Anomalous && worst.0 != ApiState::Anomalous =>
            {
                logs
            }
            (Some(worst), _) => worst,
            (None, Some(logs)) => logs,
            (None, None) => (
                ApiState::Learning,
                "learning: its first records came just now".to_owned(),
                Score::NORMAL,
            ),
        }
    }
}

fn probe(view: &ProbeView) -> wire::ProbeView {
    wire::ProbeView {
        name: view.name.to_string(),
        ok: view.failure.is_none(),
        failure: view.failure.clone(),
        duration_seconds: view.duration.as_secs_f64(),
        at: view.at.to_string(),
    }
}

fn route(api: &ApiView) -> RouteView {
    RouteView {
        id: api_id(&api.key),
        method: api.key.method.to_string(),
        route: api.key.route.to_string(),
        state: state(api.state),
        score: api.score.get(),
        calls_per_second: or_zero(api.rate),
        error_ratio: or_zero(api.error_ratio),
        latency_p99_seconds: api.p99.and_then(finite),
    }
}

fn key<'a>(service: &'a ServiceKey, environment: &'a Name) -> Key<'a> {
    (&service.namespace, &service.name, environment)
}

fn reference(incident: &Incident, root_cause: bool) -> IncidentRef {
    let summary = match incident.root_cause() {
        Some(cause) => format!("{}: {}", cause.workload, cause.why),
        None => format!(
            "{} services are in trouble together",
            incident.services.len()
        ),
    };
    IncidentRef {
        id: incident.id.to_string(),
        root_cause,
        summary,
        opened_at: incident.opened.to_string(),
    }
}
