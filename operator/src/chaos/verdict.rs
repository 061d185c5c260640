//! The monitor, judged: what it made of a fault against what it ought to have made of it.
//!
//! What an experiment does not say follows from what the platform knows to be the truth: where a
//! fault shows, who is to blame, whether anything is wrong at all.

use crds::chaos_experiment::{Cause, Expectations, Verdict, VerdictResult};
use jiff::{SignedDuration, Timestamp};
use monitor_api::Incident;

/// An incident that opens so soon before a fault has begun is of the fault: clocks differ.
const CLOCKS: SignedDuration = SignedDuration::from_secs(2);

/// What the fault really did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
    /// The first request, connection or line that was affected.
    pub(crate) first_affected: Option<Timestamp>,
    pub(crate) acted: bool,
    pub(crate) evidence: String,
    pub(crate) benign: bool,
    pub(crate) cause: Cause,
    pub(crate) symptoms: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) time_to_detect: Option<SignedDuration>,
    pub(crate) incident: Option<String>,
}

/// `incidents` are all that may be of it; which are is decided here.
pub(crate) fn judge(expect: &Expectations, truth: &Truth, incidents: &[Incident]) -> Judgement {
    let opened = |it: &Incident| it.opened.parse::<Timestamp>().ok();
    let from = truth.started.checked_sub(CLOCKS).unwrap_or(truth.started);
    let symptoms = match expect.symptoms.is_empty() {
        true => &truth.symptoms,
        false => &expect.symptoms,
    };
    let shows = |it: &Incident| {
        let mut services = it.services.iter();
        symptoms.is_empty() || services.any(|it| symptoms.contains(&it.service))
    };
    let mut own: Vec<(Timestamp, &Incident)> = incidents
        .iter()
        .filter(|it| it.merged_into.is_none() && shows(it))
        .filter_map(|it| Some((opened(it).filter(|at| *at >= from)?, it)))
        .collect();
    own.sort_by_key(|(at, it)| (*at, &it.id));
    let first = own.first().copied();
    let begun = truth.first_affected.unwrap_or(truth.started);
    let took = first.map(|(at, _)| at.duration_since(begun).max(SignedDuration::ZERO));
    let mut judgement = Judgement {
        verdict: Verdict {
            result: VerdictResult::Passed,
            reasons: Vec::new(),
        },
        time_to_detect: took,
        incident: first.map(|(_, it)| it.id.clone()),
    };
    let may_page = expect.may_page.unwrap_or(!truth.benign);
    if !truth.acted && may_page {
        judgement.verdict.result = VerdictResult::Inconclusive;
        let why = format!("the fault did not do what it was to do: {}", truth.evidence);
        judgement.verdict.reasons.push(why);
        return judgement;
    }
    let mut say = |well: bool, reason: String| {
        if !well {
            judgement.verdict.result = VerdictResult::Failed;
        }
        judgement.verdict.reasons.push(reason);
    };
    let Some(((_, incident), took)) = first.zip(took) else {
        match may_page {
            true => say(false, "no incident was opened".to_owned()),
            false => say(
                true,
                "no incident was opened, and nothing was wrong".to_owned(),
            ),
        }
        return judgement;
    };
    if !may_page {
        let why = format!(
            "incident {} was opened though nothing was wrong",
            incident.id
        );
        say(false, why);
        return judgement;
    }
    let seconds = took.as_secs_f64();
    match expect.detected_within {
        Some(within) => {
            let well = seconds <= within.0.as_secs_f64();
            say(
                well,
                format!("detected after {seconds:.1} s, expected within {within}"),
            );
        }
        None => say(true, format!("detected after {seconds:.1} s")),
    }
    let cause = expect.root_cause.as_ref().unwrap_or(&truth.cause);
    if let Some((well, reason)) = blame(cause, incident) {
        say(well, reason);
    }
    judgement
}

/// Whether the right one is the first suspect; none when nobody is to blame.
fn blame(cause: &Cause, incident: &Incident) -> Option<(bool, String)> {
    let right: Vec<&str> = (cause.service.iter().chain(&cause.also))
        .map(String::as_str)
        .collect();
    if right.is_empty() {
        return None;
    }
    let expected = right.join(" or ");
    let Some(suspect) = incident.suspects.first() else {
        return Some((
            false,
            format!("nobody was suspected, {expected} is the root cause"),
        ));
    };
    let workload = &suspect.workload;
    let service = right.contains(&&*workload.service);
    // Either end of a wire is right, wherever it is.
    let place = cause.environment.as_ref().filter(|_| cause.also.is_empty());
    let place = place.is_none_or(|place| *place == workload.environment);
    Some((
        service && place,
        format!(
            "{} was suspected, {expected} is the root cause",
            workload.name
        ),
    ))
}
