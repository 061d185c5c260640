//! From what is known of a `MonitoredApi` to its status.
//!
//! Pure: the same knowledge gives the same status, whoever asks and how often. What cannot be known
//! now, because the monitor is away, stays as it was and is said to be so.

use crds::MonitoredApiStatus;
use crds::monitored_api::{Binding, BindingCondition, IncidentStatus, PodCounts, RouteStatus};
use jiff::{SignedDuration, Timestamp};
use monitor_api::{ApiState, WorkloadView};

use crate::conditions::{Answer, Conditions};
use crate::gather::Gathered;
use crate::monitor::{Monitor, Reach};
use crate::numbers;

/// Lines that stopped for so long do not flow any more.
const LOGS_STOPPED: SignedDuration = SignedDuration::from_mins(10);
/// From here on the baseline is said to be ready, below there to be so no longer: an API that is
/// new among many takes nothing back.
const BASELINE_READY: f64 = 0.9;
const BASELINE_LOST: f64 = 0.5;
/// More of its lines than this in no known format: the format is not known.
const UNPARSED: f64 = 0.5;
const ROUTES: usize = 5;
const INCIDENTS: usize = 8;

/// What the monitor makes of the settings that a resource asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// The revision of the wish that holds the resource's settings; none when it asks for nothing
    /// but the usual.
    pub(crate) revision: Option<&'a str>,
    /// Another resource asks for the same service and comes first.
    pub(crate) yields_to: Option<&'a str>,
}

pub(crate) fn status(
    known: &Gathered<'_>,
    monitor: &Monitor,
    asked: Asked<'_>,
    now: Timestamp,
) -> MonitoredApiStatus {
    let api = known.api;
    let old = api.status.clone().unwrap_or_default();
    let generation = api.metadata.generation;
    let binding = binding(known, monitor, asked, generation);
    let mut status = MonitoredApiStatus {
        observed_generation: generation,
        service: known.services.first().cloned(),
        environment: environment(known).or(old.environment.clone()),
        environment_source: environment_source(known).or(old.environment_source.clone()),
        environments: known.environments.clone(),
        pods: Some(PodCounts {
            total: count(known.pods.len()),
            ready: count(known.pods.iter().filter(|pod| pod.ready).count()),
        }),
        ..MonitoredApiStatus::default()
    };
    // Views outlast the monitor's absence; a start without them falls back on what is written.
    if known.views.is_empty() && monitor.reach != Reach::Answers {
        keep_seen(&mut status, &old);
    } else {
        put_seen(&mut status, known);
    }
    if api.spec.paused {
        status.state = Some(ApiState::Paused.as_str().to_owned());
        status.reason = Some("spec.paused is true".to_owned());
    }
    let mut conditions = Conditions::new(&old.conditions, generation, now);
    tell(&mut conditions, known, monitor, &binding, now);
    status.conditions = conditions.all();
    status.bindings = vec![Binding {
        name: monitor.address.clone(),
        conditions: vec![binding],
    }];
    if status.reason.is_none() {
        let flowing = crate::conditions::find(&status.conditions, "LogsFlowing");
        status.reason = flowing.map(|condition| condition.message.clone());
    }
    status
}

fn environment(known: &Gathered<'_>) -> Option<String> {
    if let Some(only) = &known.api.spec.environment {
        return Some(only.clone());
    }
    // Where pods are; what telemetry alone says counts where no pod is known.
    let with_pods = known.environments.iter().filter(|it| it.pods.is_some());
    let names: Vec<&str> = match with_pods.map(|it| &*it.name).collect::<Vec<_>>() {
        names if names.is_empty() => known.environments.iter().map(|it| &*it.name).collect(),
        names => names,
    };
    (!names.is_empty()).then(|| names.join(","))
}

fn environment_source(known: &Gathered<'_>) -> Option<String> {
    if known.api.spec.environment.is_some() {
        return Some("spec.environment".to_owned());
    }
    let mut sources = known.environments.iter().filter_map(|it| it.source.clone());
    let first = sources.next()?;
    let same = sources.all(|source| source == first);
    Some(if same {
        first
    } else {
        "several; see environments".to_owned()
    })
}

fn put_seen(status: &mut MonitoredApiStatus, known: &Gathered<'_>) {
    let views = &known.views;
    let Some(worst) = worst(views) else {
        return;
    };
    status.state = Some(worst.state.as_str().to_owned());
    status.reason = Some(worst.reason.clone());
    let score = views.iter().map(|view| view.score).fold(0.0, f64::max);
    status.score = Some(numbers::score(score));
    let apis: u64 = views.iter().map(|view| view.apis).sum();
    if apis > 0 {
        status.baseline = Some(numbers::share(learned(views)));
        let calls: f64 = views.iter().map(|view| view.calls_per_second).sum();
        let errors = views.iter().map(|it| it.error_ratio * it.calls_per_second);
        let errors: f64 = errors.sum();
        let ratio = if calls > 0.0 { errors / calls } else { 0.0 };
        status.rate = Some(numbers::rate(calls));
        status.error_percent = Some(numbers::percent(ratio));
        let slowest = views.iter().filter_map(|view| view.latency_p99_seconds);
        status.p99 = slowest.reduce(f64::max).map(numbers::duration);
    }
    let most = views.iter().max_by_key(|view| view.logs_total);
    status.log_format = most.and_then(|view| view.log_format.clone());
    let firsts = views.iter().filter_map(|view| view.first_log.as_deref());
    status.first_log = firsts.min().map(numbers::second);
    let lasts = views.iter().filter_map(|view| view.last_log.as_deref());
    status.last_log = lasts.max().map(numbers::second);
    status.routes = routes(views);
    let mut incidents: Vec<IncidentStatus> = Vec::new();
    for incident in views.iter().flat_map(|view| &view.incidents) {
        match incidents.iter_mut().find(|it| it.id == incident.id) {
            Some(it) => it.root_cause |= incident.root_cause,
            None => incidents.push(IncidentStatus {
                id: incident.id.clone(),
                root_cause: incident.root_cause,
                summary: incident.summary.clone(),
                opened_at: numbers::second(&incident.opened_at),
            }),
        }
    }
    incidents.truncate(INCIDENTS);
    status.incidents = incidents;
}

fn keep_seen(status: &mut MonitoredApiStatus, old: &MonitoredApiStatus) {
    status.state.clone_from(&old.state);
    status.reason.clone_from(&old.reason);
    status.score.clone_from(&old.score);
    status.baseline.clone_from(&old.baseline);
    status.rate.clone_from(&old.rate);
    status.error_percent.clone_from(&old.error_percent);
    status.p99.clone_from(&old.p99);
    status.log_format.clone_from(&old.log_format);
    status.first_log.clone_from(&old.first_log);
    status.last_log.clone_from(&old.last_log);
    status.routes.clone_from(&old.routes);
    status.incidents.clone_from(&old.incidents);
}

/// How bad a state is to find.
fn rank(state: ApiState) -> u8 {
    match state {
        ApiState::Anomalous => 5,
        ApiState::AtRisk => 4,
        ApiState::Silent => 3,
        ApiState::Learning => 2,
        ApiState::Ok => 1,
        ApiState::Paused => 0,
    }
}

fn worst<'a>(views: &[&'a WorkloadView]) -> Option<&'a WorkloadView> {
    let key = |view: &WorkloadView| (rank(view.state), view.score);
    let mut views = views.iter().copied();
    let first = views.next()?;
    Some(views.fold(
        first,
        |worst, view| {
            if key(view) > key(worst) { view } else { worst }
        },
    ))
}

/// Over all of its APIs.
fn learned(views: &[&WorkloadView]) -> f64 {
    let apis: u64 = views.iter().map(|view| view.apis).sum();
    let learned: f64 = views
        .iter()
        .map(|view| view.learned_ratio * view.apis as f64)
        .sum();
    if apis == 0 {
        0.0
    } else {
        learned / apis as f64
    }
}

fn routes(views: &[&WorkloadView]) -> Vec<RouteStatus> {
    let several = views.len() > 1;
    let mut routes: Vec<_> = views
        .iter()
        .flat_map(|view| view.routes.iter().map(move |route| (view, route)))
        .collect();
    routes.sort_by(|(_, a), (_, b)| {
        let key = |it: &monitor_api::RouteView| rank(it.state);
        let names = || (&a.route, &a.method).cmp(&(&b.route, &b.method));
        (key(b).cmp(&key(a)))
            .then(b.score.total_cmp(&a.score))
            .then_with(names)
    });
    let routes = routes.into_iter().take(ROUTES);
    routes
        .map(|(view, route)| RouteStatus {
            route: format!("{} {}", route.method, route.route)
                .trim()
                .to_owned(),
            environment: several.then(|| view.environment.clone()),
            state: route.state.as_str().to_owned(),
            score: numbers::score(route.score),
            rate: numbers::rate(route.calls_per_second),
            error_percent: numbers::percent(route.error_ratio),
            p99: route.latency_p99_seconds.map(numbers::duration),
        })
        .collect()
}

/// Whether the monitor has what the resource asks for.
fn binding(
    known: &Gathered<'_>,
    monitor: &Monitor,
    asked: Asked<'_>,
    generation: Option<i64>,
) -> BindingCondition {
    let say = |status: Answer, reason: &str, message: String| BindingCondition {
        type_: "Accepted".to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: generation,
    };
    match &monitor.reach {
        Reach::NotAsked => {
            let message = "the monitor has not been asked yet".to_owned();
            return say(Answer::Unknown, "NotAskedYet", message);
        }
        Reach::Away(why) => {
            return say(Answer::Unknown, "MonitorUnreachable", why.clone());
        }
        Reach::Answers => {}
    }
    if let Some(other) = asked.yields_to {
        let message = format!(
            "{other} sets the same service and is older; merge the two, or delete this one"
        );
        return say(Answer::False, "Duplicate", message);
    }
    let Some(revision) = asked.revision else {
        let message = "watched with the monitor's own settings".to_owned();
        return say(Answer::True, "UsualSettings", message);
    };
    if monitor.in_force.as_deref() != Some(revision) {
        let message = "its settings are on their way to the monitor".to_owned();
        return say(Answer::Unknown, "NotYetInForce", message);
    }
    let refused = known.services.iter().find_map(|service| {
        monitor.refusal(
            "workloads",
            &format!("{}/{}", service.namespace, service.name),
        )
    });
    match refused {
        Some(refused) if refused.whole => {
            say(Answer::False, "SettingsRefused", refused.reason.clone())
        }
        Some(refused) => say(Answer::True, "PartlyInForce", refused.reason.clone()),
        None => say(
            Answer::True,
            "InForce",
            "its settings are in force".to_owned(),
        ),
    }
}

fn tell(
    conditions: &mut Conditions<'_>,
    known: &Gathered<'_>,
    monitor: &Monitor,
    binding: &BindingCondition,
    now: Timestamp,
) {
    let pods = known.pods.len();
    ready(conditions, known, binding);
    if pods > 0 {
        let ready = known.pods.iter().filter(|pod| pod.ready).count();
        let counted = format!("{}, {ready} ready", plural(pods, "pod"));
        conditions.say("Discovered", Answer::True, "PodsFound", counted);
    } else {
        let of = match &known.api.spec.workload_ref {
            Some(workload) => format!("{} {} has no pods", workload.kind, workload.name),
            None => "no pod has the labels of spec.selector".to_owned(),
        };
        conditions.say("Discovered", Answer::False, "NoPods", of);
    }

    if known.views.is_empty() && monitor.reach != Reach::Answers {
        for type_ in [
            "LogsFlowing",
            "Parsed",
            "BaselineReady",
            "Anomalous",
            "AtRisk",
            "Silent",
        ] {
            if conditions.was(type_).is_some() {
                conditions.keep(type_);
            } else {
                let (reason, message) = (&*binding.reason, binding.message.clone());
                conditions.say(type_, Answer::Unknown, reason, message);
            }
        }
        return;
    }
    logs(conditions, known, now);
    verdicts(conditions, known);
}

fn ready(conditions: &mut Conditions<'_>, known: &Gathered<'_>, binding: &BindingCondition) {
    let refused = binding.status == Answer::False.as_str();
    if refused {
        let message = binding.message.clone();
        conditions.say("Ready", Answer::False, &binding.reason, message.clone());
        conditions.say("Stalled", Answer::True, &binding.reason, message);
    } else if binding.status == Answer::Unknown.as_str() {
        conditions.say(
            "Ready",
            Answer::False,
            &binding.reason,
            binding.message.clone(),
        );
    } else if known.pods.is_empty() && known.views.is_empty() {
        let message = "nothing to watch: there are no pods";
        conditions.say("Ready", Answer::False, "NoPods", message);
    } else if known.api.spec.paused {
        conditions.say(
            "Ready",
            Answer::True,
            "Paused",
            "not judged: spec.paused is true",
        );
    } else {
        conditions.say(
            "Ready",
            Answer::True,
            &binding.reason,
            binding.message.clone(),
        );
    }
}

fn logs(conditions: &mut Conditions<'_>, known: &Gathered<'_>, now: Timestamp) {
    let views = &known.views;
    let total: u64 = views.iter().map(|view| view.logs_total).sum();
    let last = views
        .iter()
        .filter_map(|view| view.last_log.as_deref())
        .max();
    let last_at = last.and_then(|last| last.parse::<Timestamp>().ok());
    let flowing = views.iter().any(|view| view.first_log.is_some());
    let stopped = last_at.is_some_and(|at| now.duration_since(at) > LOGS_STOPPED);
    let never = || match known.pods.len() {
        0 => "no log line has been seen, and there are no pods".to_owned(),
        n => format!(
            "{} and no log line yet; is the agent on their nodes?",
            plural(n, "pod")
        ),
    };
    match (flowing, stopped) {
        (true, false) => {
            let message = "log lines arrive at the monitor";
            conditions.say("LogsFlowing", Answer::True, "LogsSeen", message);
        }
        (true, true) => {
            let at = last.map(numbers::second).unwrap_or_default();
            let message = format!("the last log line is from {at}");
            conditions.say("LogsFlowing", Answer::False, "LogsStopped", message);
        }
        (false, _) => conditions.say("LogsFlowing", Answer::False, "NoLogsYet", never()),
    }
    if total == 0 {
        conditions.say("Parsed", Answer::Unknown, "NoLogsYet", never());
        return;
    }
    let unparsed = views
        .iter()
        .map(|view| view.unrecognised_ratio * view.logs_total as f64)
        .sum::<f64>()
        / total as f64;
    let most = views.iter().max_by_key(|view| view.logs_total);
    let format = most.and_then(|view| view.log_format.as_deref());
    match format {
        Some(format) if unparsed <= UNPARSED => {
            let message = format!("its lines are {format}");
            conditions.say("Parsed", Answer::True, "FormatKnown", message);
        }
        _ => {
            let message = format!(
                "{}% of its lines have no format that is known; spec.logFormat says which it is",
                numbers::percent(unparsed)
            );
            conditions.say("Parsed", Answer::False, "FormatUnknown", message);
        }
    }
}

fn verdicts(conditions: &mut Conditions<'_>, known: &Gathered<'_>) {
    let views = &known.views;
    let learned = learned(views);
    let was_ready = conditions.was("BaselineReady");
    let was_ready = was_ready.is_some_and(|it| it.status == Answer::True.as_str());
    let limit = if was_ready {
        BASELINE_LOST
    } else {
        BASELINE_READY
    };
    let message = format!(
        "{} of its APIs have learned enough",
        numbers::share(learned)
    );
    let (ready, reason) = match learned >= limit {
        true => (Answer::True, "Learned"),
        false => (Answer::False, "Learning"),
    };
    conditions.say("BaselineReady", ready, reason, message);

    let paused = known.api.spec.paused;
    let in_state = |state| {
        let mut views = views.iter().filter(|view| view.state == state);
        views.next().filter(|_| !paused)
    };
    for (type_, state, yes, no) in [
        (
            "Anomalous",
            ApiState::Anomalous,
            "AnomalyDetected",
            "AsExpected",
        ),
        ("AtRisk", ApiState::AtRisk, "ObjectiveAtRisk", "NoRisk"),
        ("Silent", ApiState::Silent, "NoCalls", "Called"),
    ] {
        match in_state(state) {
            Some(view) => conditions.say(type_, Answer::True, yes, view.reason.clone()),
            None => conditions.say(type_, Answer::False, no, String::new()),
        }
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// `1 pod`, `3 pods`
pub(crate) fn plural(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
