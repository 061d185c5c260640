//! What is next for an experiment. Pure: from what is written and what is the case to what is to be
//! written and the one thing to be done.
//!
//! From any phase, a resource that is being deleted comes to a state with no fault on.

use crds::chaos_experiment::{Acted, Phase};
use crds::{ChaosExperiment, ChaosExperimentStatus, Length};
use jiff::{SignedDuration, Timestamp};
use monitor_api::Incident;

use super::verdict::{Truth, judge};
use crate::conditions::{Answer, Conditions, whole_second};
use crate::schedule::Recurring;

pub(crate) const FINALIZER: &str = "crosswatch.dev/chaos";

/// While a fault is on, it is looked at this often: what it must not break is broken quickly.
const LOOK: SignedDuration = SignedDuration::from_secs(1);
/// When something is missing, such as a platform.
const LATER: SignedDuration = SignedDuration::from_secs(10);
/// A fault whose limits cannot be watched for so long, because the monitor is away, is ended.
const BLIND: SignedDuration = SignedDuration::from_secs(30);
/// What the platform knows of the end comes a little after it.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// What is the case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) platform: Platform,
    /// How the run with this resource's number stands there.
    pub(crate) standing: Standing,
    /// Those that are open, and those of this run.
    pub(crate) incidents: Option<Vec<Incident>>,
    /// Of the service that `abort` names.
    pub(crate) error_ratio: Option<f64>,
    /// Why the monitor did not say.
    pub(crate) monitor_away: Option<String>,
}

/// Who takes experiments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Platform {
    #[default]
    NoneThere,
    /// Its admin API.
    At(String),
    /// It was not asked, as nothing depends on it.
    NotLookedFor,
    /// Whether there is one could not be found out.
    Unknown(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Standing {
    /// It has no number yet.
    #[default]
    None,
    On,
    Over(Box<Truth>),
    /// The platform does not know it: it was started anew.
    Forgotten,
    Unreachable(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// So that nothing is left on when the resource goes.
    Hold,
    Start,
    Stop,
    /// Nothing is on: the resource may go.
    LetGo,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) status: ChaosExperimentStatus,
    pub(crate) action: Option<Action>,
    /// When to look again, if nothing happens before.
    pub(crate) after: Option<SignedDuration>,
}

/// What came of starting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    Number(i64),
    /// The platform says what is wrong with it.
    Refused(String),
}

pub(crate) fn step(experiment: &ChaosExperiment, observed: &Observed, now: Timestamp) -> Step {
    let mut status = experiment.status.clone().unwrap_or_default();
    status.observed_generation = experiment.metadata.generation;
    if experiment.metadata.deletion_timestamp.is_some() {
        return leave(experiment, status, observed, now);
    }
    let (mut status, action, after) = match status.phase {
        Phase::Pending => pending(experiment, status, observed, now),
        Phase::Running => running(experiment, status, observed, now),
        Phase::Recovering => recovering(experiment, status, observed, now),
        Phase::Completed | Phase::Aborted | Phase::Failed => over(experiment, status, now),
    };
    conditions(&mut status, experiment, now);
    Step {
        status,
        action,
        after,
    }
}

type Next = (
    ChaosExperimentStatus,
    Option<Action>,
    Option<SignedDuration>,
);

fn pending(
    experiment: &ChaosExperiment,
    mut status: ChaosExperimentStatus,
    observed: &Observed,
    now: Timestamp,
) -> Next {
    let spec = &experiment.spec;
    if status.run == 0 {
        status.run = 1;
    }
    if spec.suspend {
        return said(
            status,
            Phase::Pending,
            "suspended: spec.suspend is true",
            None,
        );
    }
    let due = match due(experiment, &status, now) {
        Ok(due) => due,
        Err(why) => return said(status, Phase::Failed, &why, None),
    };
    if let Some(due) = due {
        status.due = Some(due.to_string());
        if due > now {
            let message = format!("due at {due}");
            return said(
                status,
                Phase::Pending,
                &message,
                Some(due.duration_since(now)),
            );
        }
    }
    match &observed.platform {
        Platform::At(_) => {}
        Platform::NoneThere | Platform::NotLookedFor => {
            let message = "no Service has the label crosswatch.dev/chaos-admin=true: there is no \
                           platform that takes experiments";
            return said(status, Phase::Pending, message, Some(LATER));
        }
        Platform::Unknown(why) => {
            let message = format!("whether there is a platform is not known: {why}");
            return said(status, Phase::Pending, &message, Some(LATER));
        }
    }
    let action = if is_held(experiment) {
        Action::Start
    } else {
        Action::Hold
    };
    status.message = Some("starting".to_owned());
    (status, Some(action), Some(LOOK))
}

/// When this run is to start; none for at once.
fn due(
    experiment: &ChaosExperiment,
    status: &ChaosExperimentStatus,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    if let Some(known) = status.due.as_ref().and_then(|due| due.parse().ok()) {
        return Ok(Some(known));
    }
    let Some(schedule) = &experiment.spec.schedule else {
        return Ok(None);
    };
    if let Some(at) = &schedule.at {
        let at = at.parse::<Timestamp>();
        return at
            .map(Some)
            .map_err(|_| "spec.schedule.at is no time such as 2026-11-21T18:00:00Z".to_owned());
    }
    let Some(cron) = &schedule.cron else {
        return Ok(None);
    };
    // What was due while a run lasted is left out.
    let recurring = Recurring::parse(cron, &schedule.time_zone)?;
    let next = recurring.after(now);
    next.map(Some)
        .ok_or_else(|| format!("`{cron}` never comes again"))
}

/// What came of [`Action::Start`].
pub(crate) fn started(
    mut status: ChaosExperimentStatus,
    outcome: Started,
    now: Timestamp,
) -> ChaosExperimentStatus {
    match outcome {
        Started::Number(number) => {
            status.phase = Phase::Running;
            status.number = Some(number);
            status.started_at = Some(whole_second(now).to_string());
            status.message = Some("the fault is on".to_owned());
        }
        Started::Refused(why) => {
            status.phase = Phase::Failed;
            status.message = Some(format!("the platform refused it: {why}"));
        }
    }
    status
}

fn running(
    experiment: &ChaosExperiment,
    mut status: ChaosExperimentStatus,
    observed: &Observed,
    now: Timestamp,
) -> Next {
    match &observed.standing {
        Standing::Over(truth) => {
            status.ended_at = Some(whole_second(truth.ended).to_string());
            status.started_at = Some(whole_second(truth.started).to_string());
            status.acted = Some(Acted {
                observed: truth.acted,
                evidence: truth.evidence.clone(),
            });
            detect(&mut status, experiment, truth, observed);
            let message = "the fault is over; what follows of it is waited for";
            said(status, Phase::Recovering, message, Some(LOOK))
        }
        Standing::On => {
            if experiment.spec.suspend {
                status.message = Some("aborted: spec.suspend is true".to_owned());
                return (status, Some(Action::Stop), Some(LOOK));
            }
            if let Some(why) = crossed(experiment, &status, observed, now) {
                status.message = Some(format!("aborted: {why}"));
                return (status, Some(Action::Stop), Some(LOOK));
            }
            said(status, Phase::Running, "the fault is on", Some(LOOK))
        }
        Standing::None | Standing::Forgotten => {
            let message = "the platform does not know it any more: it was started anew meanwhile";
            said(status, Phase::Failed, message, None)
        }
        Standing::Unreachable(why) => {
            let longest = length(experiment.spec.duration).saturating_add(SLACK);
            let since = time(&status.started_at).map(|at| now.duration_since(at));
            if since.is_some_and(|since| since > longest) {
                let message = format!("the platform could not be asked until the end: {why}");
                return said(status, Phase::Failed, &message, None);
            }
            let message = format!("the platform cannot be asked: {why}");
            said(status, Phase::Running, &message, Some(LOOK))
        }
    }
}

/// What came of [`Action::Stop`].
pub(crate) fn stopped(
    mut status: ChaosExperimentStatus,
    truth: Option<&Truth>,
    now: Timestamp,
) -> ChaosExperimentStatus {
    status.phase = Phase::Aborted;
    let ended = truth.map_or(now, |truth| truth.ended);
    status.ended_at = Some(whole_second(ended).to_string());
    status.acted = truth.map(|truth| Acted {
        observed: truth.acted,
        evidence: truth.evidence.clone(),
    });
    status
}

/// Which limit is crossed.
fn crossed(
    experiment: &ChaosExperiment,
    status: &ChaosExperimentStatus,
    observed: &Observed,
    now: Timestamp,
) -> Option<String> {
    let abort = experiment.spec.abort.as_ref()?;
    if let Some(why) = &observed.monitor_away {
        let since = time(&status.started_at)?;
        let blind = now.duration_since(since) > BLIND;
        return blind.then(|| format!("its limits cannot be watched: {why}"));
    }
    let open = observed.incidents.iter().flatten().filter(|it| it.open);
    let touched: Vec<_> = open.flat_map(|it| &it.services).collect();
    let distinct = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    let services = touched
        .iter()
        .map(|it| format!("{}/{}", it.namespace, it.service));
    let services = distinct(services.collect());
    let environments = distinct(touched.iter().map(|it| it.environment.clone()).collect());
    let over = |count: usize, most: Option<i32>| {
        most.is_some_and(|most| usize::try_from(most).is_ok_and(|most| count > most))
    };
    if over(services.len(), abort.max_services) {
        let names = services.join(", ");
        return Some(format!(
            "{} services are in incidents: {names}",
            services.len()
        ));
    }
    if over(environments.len(), abort.max_environments) {
        let names = environments.join(", ");
        return Some(format!(
            "{} environments are in incidents: {names}",
            environments.len()
        ));
    }
    let (most, ratio) = (abort.max_error_ratio?, observed.error_ratio?);
    (ratio > most).then(|| {
        let percent = crate::numbers::percent(ratio);
        format!("{percent}% of the calls of {} fail", abort.service)
    })
}

fn recovering(
    experiment: &ChaosExperiment,
    mut status: ChaosExperimentStatus,
    observed: &Observed,
    now: Timestamp,
) -> Next {
    let ended = time(&status.ended_at).unwrap_or(now);
    let until = ended.saturating_add(length(experiment.spec.recovery));
    let until = until.unwrap_or(Timestamp::MAX);
    let Standing::Over(truth) = &observed.standing else {
        // Without the truth nothing can be judged; it is asked for as long as there is hope.
        if now < until.saturating_add(SLACK).unwrap_or(Timestamp::MAX) {
            let message = "the platform cannot be asked what the fault really did";
            return said(status, Phase::Recovering, message, Some(LOOK));
        }
        let message = "what the fault really did could not be found out";
        return said(status, Phase::Failed, message, None);
    };
    detect(&mut status, experiment, truth, observed);
    if now < until {
        let message = format!("the fault is over; judged at {}", whole_second(until));
        let left = until.duration_since(now).min(LATER);
        return said(status, Phase::Recovering, &message, Some(left));
    }
    match (&observed.incidents, &observed.monitor_away) {
        (Some(incidents), None) => {
            let judgement = judge(&experiment.spec.expect, truth, incidents);
            let message = judgement.verdict.reasons.join("; ");
            status.time_to_detect = judgement.time_to_detect.map(seconds);
            status.incident = judgement.incident;
            status.verdict = Some(judgement.verdict);
            said(
                status,
                Phase::Completed,
                &message,
                Some(SignedDuration::ZERO),
            )
        }
        _ => said(
            status,
            Phase::Recovering,
            "it is judged when the monitor answers",
            Some(LATER),
        ),
    }
}

/// What is known already is shown before the verdict.
fn detect(
    status: &mut ChaosExperimentStatus,
    experiment: &ChaosExperiment,
    truth: &Truth,
    observed: &Observed,
) {
    if let Some(incidents) = &observed.incidents {
        let judgement = judge(&experiment.spec.expect, truth, incidents);
        status.time_to_detect = judgement.time_to_detect.map(seconds);
        status.incident = judgement.incident;
    }
}

/// The next run of a schedule.
fn over(experiment: &ChaosExperiment, mut status: ChaosExperimentStatus, now: Timestamp) -> Next {
    let schedule = experiment.spec.schedule.as_ref();
    let cron = schedule.and_then(|it| it.cron.as_ref().map(|cron| (cron, &it.time_zone)));
    let Some((cron, zone)) = cron.filter(|_| !experiment.spec.suspend) else {
        let action = is_held(experiment).then_some(Action::LetGo);
        return (status, action, None);
    };
    let next = Recurring::parse(cron, zone)
        .ok()
        .and_then(|it| it.after(now));
    let Some(next) = next else {
        return (status, None, None);
    };
    // The verdict stays to be read until the next run begins.
    let wait = next.duration_since(now);
    if status.due.as_deref() != Some(&next.to_string()) && wait > LOOK {
        return (status, None, Some(wait - LOOK));
    }
    status = ChaosExperimentStatus {
        run: status.run + 1,
        due: Some(next.to_string()),
        observed_generation: status.observed_generation,
        conditions: status.conditions,
        ..ChaosExperimentStatus::default()
    };
    let message = format!("due at {next}");
    said(status, Phase::Pending, &message, Some(wait))
}

fn leave(
    experiment: &ChaosExperiment,
    status: ChaosExperimentStatus,
    observed: &Observed,
    now: Timestamp,
) -> Step {
    let go = |action| Step {
        status: status.clone(),
        action: Some(action),
        after: Some(LOOK),
    };
    if !is_held(experiment) {
        return Step {
            status,
            action: None,
            after: None,
        };
    }
    match &observed.standing {
        Standing::On => go(Action::Stop),
        Standing::None | Standing::Over(_) | Standing::Forgotten => go(Action::LetGo),
        // It ends by itself; until then the platform may come back and be told to end it.
        Standing::Unreachable(_) => {
            let longest = length(experiment.spec.duration).saturating_add(SLACK);
            let since = time(&status.started_at).map(|at| now.duration_since(at));
            let gone = observed.platform == Platform::NoneThere;
            if gone || since.is_none_or(|since| since > longest) {
                return go(Action::LetGo);
            }
            Step {
                status,
                action: None,
                after: Some(LOOK),
            }
        }
    }
}

pub(crate) fn is_held(experiment: &ChaosExperiment) -> bool {
    let finalizers = experiment.metadata.finalizers.iter().flatten();
    finalizers.into_iter().any(|it| it == FINALIZER)
}

/// What is written for `kubectl wait --for=condition=Ready` and kstatus.
pub(crate) fn conditions(
    status: &mut ChaosExperimentStatus,
    experiment: &ChaosExperiment,
    now: Timestamp,
) {
    let old = std::mem::take(&mut status.conditions);
    let mut conditions = Conditions::new(&old, experiment.metadata.generation, now);
    let message = status.message.clone().unwrap_or_default();
    let phase = status.phase;
    let done = Answer::from(phase == Phase::Completed);
    conditions.say("Ready", done, phase.as_str(), message.clone());
    let stalled = matches!(phase, Phase::Failed | Phase::Aborted);
    if stalled {
        conditions.say("Stalled", Answer::True, phase.as_str(), message);
    }
    status.conditions = conditions.all();
}

fn said(
    mut status: ChaosExperimentStatus,
    phase: Phase,
    message: &str,
    after: Option<SignedDuration>,
) -> Next {
    status.phase = phase;
    status.message = Some(message.to_owned());
    (status, None, after)
}

fn time(text: &Option<String>) -> Option<Timestamp> {
    text.as_ref()?.parse().ok()
}

fn length(length: Length) -> SignedDuration {
    SignedDuration::try_from(length.0).unwrap_or(SignedDuration::MAX)
}

fn seconds(length: SignedDuration) -> String {
    format!("{:.1}s", length.as_secs_f64())
}
