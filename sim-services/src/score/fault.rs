//! One fault, or one change that is none: what was said about it, how soon and how well.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::figures::{amount, maybe_seconds, rounded, seconds};
use super::heard::{Alarm, Heard, Incident, Update};
use super::rules::Rules;
use super::windows::{Standing, Window, Windows};
use crate::clock::Moment;
use crate::truth::Timeline;

/// How a fault was scored. Whatever its outcome, what was said in its window is counted here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultScore {
    pub id: String,
    pub experiment: String,
    pub kind: String,
    pub description: String,
    /// `ledger in on-prem; cart`.
    pub place: String,
    pub benign: bool,
    pub ramp: bool,
    pub started: Moment,
    /// From here on times are counted: the first effect, or the start when that is not known.
    pub from: Moment,
    pub ended: Moment,
    pub acted: bool,
    pub evidence: String,
    pub affected: u64,
    pub outcome: Outcome,
    /// An anomaly or a page was opened at a symptom in time.
    pub detected: bool,
    /// A page was.
    pub paged: bool,
    #[serde(rename = "detected_after_seconds", with = "maybe_seconds")]
    pub detected_after: Option<Duration>,
    /// The service it was first seen at.
    pub detected_at: Option<String>,
    #[serde(rename = "paged_after_seconds", with = "maybe_seconds")]
    pub paged_after: Option<Duration>,
    /// Opened in its window, at its symptoms; for a benign change, anywhere.
    pub anomalies: u64,
    pub pages: u64,
    /// One is right.
    pub incidents: u64,
    pub root_cause: RootCause,
    /// It grew and broke an objective, so there was something to predict.
    pub foreseeable: bool,
    pub prediction: Option<Prediction>,
    /// Everything said about it was over in time. None when nothing was said, when the run ended
    /// too early to tell, or when there was nothing to recover from.
    pub recovered: Option<bool>,
    /// From its last effect until the last alarm about it was over.
    #[serde(rename = "recovered_after_seconds", with = "maybe_seconds")]
    pub recovered_after: Option<Duration>,
    /// How long before its last effect the last alarm was over, when it was.
    #[serde(rename = "over_early_seconds", with = "maybe_seconds")]
    pub over_early: Option<Duration>,
}

/// In a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Detected,
    Missed,
    /// A benign change that nobody was paged for.
    LeftAlone,
    /// A benign change that somebody was paged for.
    FalsePage,
    /// It was to do something and did nothing; counts neither way.
    DidNotAct,
    /// It began before the time that is judged, or after it; counts neither way.
    NotJudged,
}

impl Outcome {
    /// A fault that happened and could have been detected.
    pub fn is_scored_fault(self) -> bool {
        matches!(self, Outcome::Detected | Outcome::Missed)
    }

    /// A benign change that could have been left alone.
    pub fn is_scored_benign(self) -> bool {
        matches!(self, Outcome::LeftAlone | Outcome::FalsePage)
    }
}

/// What the incident about the fault said last while it could still be acted on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RootCause {
    /// No service is to blame; either end is right.
    pub wire: bool,
    pub incident: Option<String>,
    /// The first three suspects.
    pub suspects: Vec<String>,
    /// Whether the first suspect is between environments, as it should be when `wire`; None
    /// without suspects.
    #[serde(default)]
    pub between: Option<bool>,
    /// Of the first suspect that is right, from 1.
    pub rank: Option<u64>,
    pub right_at_1: bool,
    pub right_at_3: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// From the first risk stated until the objective was broken.
    #[serde(rename = "lead_seconds", with = "seconds")]
    pub lead: Duration,
    /// The lead as a share of the time from the start to the full strength.
    pub share_of_ramp: Option<f64>,
}

pub(super) fn score(
    index: usize,
    windows: &Windows<'_>,
    heard: &Heard<'_>,
    timeline: &Timeline,
    rules: &Rules,
) -> FaultScore {
    let window = &windows.all[index];
    let fault = window.fault;
    let anomalies = about(index, windows, &heard.anomalies);
    let pages = about(index, windows, &heard.pages);
    let in_time = |alarm: &&Alarm<'_>| alarm.opened <= window.in_time;
    let at_symptom = |alarm: &&Alarm<'_>| window.shows_at(alarm.service);
    let first = anomalies
        .iter()
        .chain(&pages)
        .copied()
        .filter(at_symptom)
        .filter(in_time)
        .min_by_key(|alarm| alarm.opened);
    let first_page = pages.iter().copied().filter(at_symptom).find(in_time);
    let (recovered, recovered_after, over_early) =
        recovery(window, anomalies.iter().chain(&pages), timeline, rules);
    FaultScore {
        id: fault.id.clone(),
        experiment: fault.experiment.clone(),
        kind: fault.kind.clone(),
        description: fault.description.clone(),
        place: place(window),
        benign: fault.benign,
        ramp: fault.ramp,
        started: fault.started,
        from: window.from,
        ended: fault.ended,
        acted: fault.acted.yes,
        evidence: fault.acted.evidence.clone(),
        affected: fault.affected,
        outcome: match window.standing {
            Standing::Idle => Outcome::DidNotAct,
            Standing::NotJudged => Outcome::NotJudged,
            Standing::Benign if pages.is_empty() => Outcome::LeftAlone,
            Standing::Benign => Outcome::FalsePage,
            Standing::Real if first.is_some() => Outcome::Detected,
            Standing::Real => Outcome::Missed,
        },
        detected: first.is_some(),
        paged: first_page.is_some(),
        detected_after: first.map(|alarm| alarm.opened.since(window.from)),
        detected_at: first.map(|alarm| alarm.service.to_owned()),
        paged_after: first_page.map(|alarm| alarm.opened.since(window.from)),
        anomalies: amount(anomalies.len()),
        pages: amount(pages.len()),
        incidents: incidents_opened(index, windows, heard),
        root_cause: root_cause(index, windows, heard),
        foreseeable: fault.ramp && fault.breached.is_some(),
        prediction: prediction(index, windows, heard),
        recovered,
        recovered_after,
        over_early,
    }
}

/// The alarms that count for a fault. A benign change has no symptoms that would excuse them.
fn about<'h, 'a>(
    index: usize,
    windows: &Windows<'_>,
    alarms: &'h [Alarm<'a>],
) -> Vec<&'h Alarm<'a>> {
    let anywhere = windows.all[index].standing == Standing::Benign;
    alarms
        .iter()
        .filter(|alarm| {
            windows
                .about(index, alarm.opened, &[alarm.service])
                .is_some_and(|belongs| belongs.at_symptom || anywhere)
        })
        .collect()
}

fn place(window: &Window<'_>) -> String {
    let targets: Vec<String> = window
        .fault
        .targets
        .iter()
        .map(ToString::to_string)
        .collect();
    if targets.is_empty() {
        "everything".to_owned()
    } else {
        targets.join("; ")
    }
}

/// Distinct ids; one that is opened again is no other incident.
fn incidents_opened(index: usize, windows: &Windows<'_>, heard: &Heard<'_>) -> u64 {
    let ids: BTreeSet<&str> = heard
        .incidents
        .iter()
        .filter(|incident| {
            incident.updates.first().is_some_and(|update| {
                update.at == incident.opened && is_about(index, windows, update)
            })
        })
        .map(|incident| incident.id)
        .collect();
    amount(ids.len())
}

fn is_about(index: usize, windows: &Windows<'_>, update: &Update<'_>) -> bool {
    windows
        .about(index, update.at, &update.services)
        .is_some_and(|belongs| belongs.at_symptom)
}

fn root_cause(index: usize, windows: &Windows<'_>, heard: &Heard<'_>) -> RootCause {
    let window = &windows.all[index];
    let wire = window.fault.cause.service.is_none();
    let last = |incident: &'_ Incident<'_>| {
        incident
            .updates
            .iter()
            .rposition(|update| update.at <= window.in_time && is_about(index, windows, update))
    };
    // The largest incident is the one that people would look at first.
    let largest = heard
        .incidents
        .iter()
        .filter_map(|incident| last(incident).map(|last| (incident, &incident.updates[last])))
        .max_by_key(|(incident, update)| {
            let symptoms = update
                .services
                .iter()
                .filter(|service| window.shows_at(service))
                .collect::<BTreeSet<_>>()
                .len();
            let has_cause = window.has_cause(&update.services);
            (has_cause, symptoms, std::cmp::Reverse(incident.opened))
        });
    let Some((incident, update)) = largest else {
        return RootCause {
            wire,
            ..RootCause::default()
        };
    };
    let rank = update
        .suspects
        .iter()
        .position(|suspect| window.is_right(suspect))
        .map(|place| amount(place) + 1);
    RootCause {
        wire,
        incident: Some(incident.id.to_owned()),
        suspects: update
            .suspects
            .iter()
            .take(3)
            .map(|suspect| suspect.service.clone())
            .collect(),
        between: update.suspects.first().map(|suspect| suspect.between),
        rank,
        right_at_1: rank == Some(1),
        right_at_3: rank.is_some_and(|rank| rank <= 3),
    }
}

/// A risk that was stated when the fault had begun and had not yet broken anything.
fn prediction(index: usize, windows: &Windows<'_>, heard: &Heard<'_>) -> Option<Prediction> {
    let fault = windows.all[index].fault;
    let breached = fault.breached.filter(|_| fault.ramp)?;
    let risk = heard.risks.iter().find(|risk| {
        risk.at < breached
            && windows
                .of_risk(risk.at, risk.service)
                .is_some_and(|belongs| belongs.to == index && belongs.at_symptom)
    })?;
    let lead = breached.since(risk.at);
    let ramp = fault.full.since(fault.started);
    let share = lead.as_secs_f64() / ramp.as_secs_f64();
    Some(Prediction {
        lead,
        share_of_ramp: (!ramp.is_zero()).then(|| rounded(share.min(1.0))),
    })
}

/// Whether and when all was over again, and how much too early.
fn recovery<'h, 'a: 'h>(
    window: &Window<'_>,
    alarms: impl Iterator<Item = &'h &'h Alarm<'a>>,
    timeline: &Timeline,
    rules: &Rules,
) -> (Option<bool>, Option<Duration>, Option<Duration>) {
    let fault = window.fault;
    if window.standing != Standing::Real {
        return (None, None, None);
    }
    let last_effect = fault
        .last_affected
        .map_or(fault.ended, |last| last.max(fault.ended));
    let deadline = last_effect + rules.recovery;
    let mut last_over = None;
    for alarm in alarms {
        match alarm.over {
            Some(over) => last_over = last_over.max(Some(over)),
            None => return ((timeline.ended > deadline).then_some(false), None, None),
        }
    }
    let Some(last_over) = last_over else {
        return (None, None, None);
    };
    let early = last_effect.since(last_over);
    (
        Some(last_over <= deadline),
        Some(last_over.since(last_effect)),
        (!early.is_zero()).then_some(early),
    )
}
