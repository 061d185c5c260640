//! The whole run: how many, how soon, how often in vain; and the same by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fault::{FaultScore, Outcome, Prediction};
use super::figures::{Rate, Ratio, Spread, amount, f1, mean, median};
use super::heard::{Alarm, Heard};
use super::windows::{Standing, Windows};
use crate::clock::Moment;
use crate::truth::Timeline;

/// Of all faults that acted and were judged, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Everything that was injected.
    pub injected: u64,
    /// Faults that acted: those that could have been detected.
    pub acted: u64,
    pub did_not_act: u64,
    pub not_judged: u64,
    pub benign: u64,
    pub detected: Ratio,
    pub paged: Ratio,
    pub speed: Speed,
    pub root_cause: RootCauses,
    /// On average over detected faults.
    pub incidents_per_detected: Option<f64>,
    pub pages_per_detected: Option<f64>,
    /// Detected faults with exactly one incident.
    pub one_incident: Ratio,
    /// Of detected faults of which it can be told.
    pub recovered_in_time: Ratio,
    pub recovered_after: Spread,
    /// Detected faults of which all alarms were over while the fault was still on.
    pub over_early: Ratio,
    pub predictions: Predictions,
    pub pages: Alarms,
    pub anomalies: Alarms,
    /// Of the precision of pages and the share of faults paged for.
    pub f1_pages: Option<f64>,
    /// Of the precision of anomalies and the share of faults detected.
    pub f1_anomalies: Option<f64>,
    /// Benign changes that somebody was paged for.
    pub benign_paged: Ratio,
}

/// From the first effect, over those that were detected (or paged for): what was missed is not in
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Faults that set in at full strength.
    pub detect_abrupt: Spread,
    /// Faults that grow; there, late is no shame.
    pub detect_ramp: Spread,
    pub page_abrupt: Spread,
    pub page_ramp: Spread,
}

/// How often the suspect named first, or one of the first three, was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RootCauses {
    pub at_1_of_detected: Ratio,
    pub at_3_of_detected: Ratio,
    /// Here, a fault that was missed counts as not explained.
    pub at_1_of_acted: Ratio,
    pub at_3_of_acted: Ratio,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Of faults that grew and broke an objective.
    pub predicted: Ratio,
    pub lead: Spread,
    /// The median lead as a share of the ramp.
    pub median_share_of_ramp: Option<f64>,
    /// Risks stated, once each …
    pub risks: u64,
    /// … and those of them that were about no fault.
    pub false_risks: u64,
}

/// Pages, or anomalies: how many were about a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    /// All that were opened in the judged time: right, false and neither.
    pub opened: u64,
    /// At a symptom of a fault that acted, in its window.
    pub right: u64,
    /// The rest …
    #[serde(rename = "false")]
    pub wrong: u64,
    /// … of which on benign changes, …
    pub on_benign: u64,
    /// … while a fault was on, but not where it showed, …
    pub elsewhere: u64,
    /// … and when nothing was on at all.
    pub out_of_nothing: u64,
    /// About faults that did not act or were not judged: neither right nor false.
    pub neither: u64,
    /// Right, of right and false.
    pub precision: Ratio,
    pub false_per_api_day: Rate,
}

/// Somebody was paged for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseAlarm {
    pub id: String,
    pub at: Moment,
    pub service: String,
    pub environment: String,
    pub summary: String,
    pub why: WhyFalse,
    /// The fault or change that was on.
    pub fault: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyFalse {
    OnBenign,
    Elsewhere,
    OutOfNothing,
}

/// Of one kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindScore {
    pub injected: u64,
    /// Faults that acted.
    pub acted: u64,
    pub detected: u64,
    pub paged: u64,
    pub right_at_1: u64,
    pub right_at_3: u64,
    pub predicted: u64,
    pub detect: Spread,
    /// On average over detected faults.
    pub incidents_per_detected: Option<f64>,
    pub benign: u64,
    /// Benign changes that somebody was paged for.
    pub benign_paged: u64,
}

/// What an alarm was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Neither,
    False(WhyFalse),
}

/// With the index of the fault that it is about, or that was on.
pub(super) fn verdict(alarm: &Alarm<'_>, windows: &Windows<'_>) -> (Verdict, Option<usize>) {
    let Some(belongs) = windows.of(alarm.opened, &[alarm.service]) else {
        return (Verdict::False(WhyFalse::OutOfNothing), None);
    };
    let verdict = match (windows.all[belongs.to].standing, belongs.at_symptom) {
        (Standing::Real, true) => Verdict::Right,
        (Standing::Idle | Standing::NotJudged, true) => Verdict::Neither,
        (Standing::Benign, _) => Verdict::False(WhyFalse::OnBenign),
        (Standing::Idle, false) => return (Verdict::False(WhyFalse::OutOfNothing), None),
        (Standing::Real | Standing::NotJudged, false) => Verdict::False(WhyFalse::Elsewhere),
    };
    (verdict, Some(belongs.to))
}

pub(super) fn totals(
    timeline: &Timeline,
    windows: &Windows<'_>,
    heard: &Heard<'_>,
    faults: &[FaultScore],
) -> (Totals, Vec<FalseAlarm>) {
    let acted: Vec<&FaultScore> = faults
        .iter()
        .filter(|fault| fault.outcome.is_scored_fault())
        .collect();
    let detected: Vec<&FaultScore> = acted
        .iter()
        .copied()
        .filter(|fault| fault.detected)
        .collect();
    let with = |outcome| {
        amount(
            faults
                .iter()
                .filter(|fault| fault.outcome == outcome)
                .count(),
        )
    };
    let detected_ratio = Ratio::of(&acted, |fault| fault.detected);
    let paged_ratio = Ratio::of(&acted, |fault| fault.paged);
    let pages = alarms(&heard.pages, windows, timeline);
    let anomalies = alarms(&heard.anomalies, windows, timeline);
    let totals = Totals {
        injected: amount(faults.len()),
        acted: amount(acted.len()),
        did_not_act: with(Outcome::DidNotAct),
        not_judged: with(Outcome::NotJudged),
        benign: with(Outcome::LeftAlone) + with(Outcome::FalsePage),
        detected: detected_ratio,
        paged: paged_ratio,
        speed: speed(&acted),
        root_cause: RootCauses {
            at_1_of_detected: Ratio::of(&detected, |fault| fault.root_cause.right_at_1),
            at_3_of_detected: Ratio::of(&detected, |fault| fault.root_cause.right_at_3),
            at_1_of_acted: Ratio::of(&acted, |fault| fault.root_cause.right_at_1),
            at_3_of_acted: Ratio::of(&acted, |fault| fault.root_cause.right_at_3),
        },
        incidents_per_detected: mean(detected.iter().map(|fault| fault.incidents)),
        pages_per_detected: mean(detected.iter().map(|fault| fault.pages)),
        one_incident: Ratio::of(&detected, |fault| fault.incidents == 1),
        recovered_in_time: Ratio::of(
            detected.iter().filter_map(|fault| fault.recovered),
            |&recovered| recovered,
        ),
        recovered_after: Spread::new(detected.iter().filter_map(|fault| fault.recovered_after)),
        over_early: Ratio::of(&detected, |fault| fault.over_early.is_some()),
        predictions: predictions(&acted, windows, heard),
        f1_pages: f1(pages.precision, paged_ratio),
        f1_anomalies: f1(anomalies.precision, detected_ratio),
        pages,
        anomalies,
        benign_paged: Ratio::of(
            faults
                .iter()
                .filter(|fault| fault.outcome.is_scored_benign()),
            |fault| fault.outcome == Outcome::FalsePage,
        ),
    };
    (totals, false_alarms(&heard.pages, windows))
}

fn speed(acted: &[&FaultScore]) -> Speed {
    let of = |ramp| acted.iter().filter(move |fault| fault.ramp == ramp);
    Speed {
        detect_abrupt: Spread::new(of(false).filter_map(|fault| fault.detected_after)),
        detect_ramp: Spread::new(of(true).filter_map(|fault| fault.detected_after)),
        page_abrupt: Spread::new(of(false).filter_map(|fault| fault.paged_after)),
        page_ramp: Spread::new(of(true).filter_map(|fault| fault.paged_after)),
    }
}

fn predictions(acted: &[&FaultScore], windows: &Windows<'_>, heard: &Heard<'_>) -> Predictions {
    let foreseeable = || acted.iter().filter(|fault| fault.foreseeable);
    let made = || foreseeable().filter_map(|fault| fault.prediction.as_ref());
    // A risk that is stated again and again about the same is one.
    let (mut about_faults, mut about_nothing) = (BTreeSet::new(), BTreeSet::new());
    for risk in &heard.risks {
        let belongs = windows.of_risk(risk.at, risk.service);
        match belongs.map(|belongs| (windows.all[belongs.to].standing, belongs)) {
            Some((Standing::Benign, _)) | None => {
                about_nothing.insert(risk.id);
            }
            Some((_, belongs)) if belongs.at_symptom => {
                about_faults.insert((risk.id, belongs.to));
            }
            Some(_) => {
                about_nothing.insert(risk.id);
            }
        }
    }
    Predictions {
        predicted: Ratio::of(foreseeable(), |fault| fault.prediction.is_some()),
        lead: Spread::new(made().map(|prediction| prediction.lead)),
        median_share_of_ramp: median(
            made().filter_map(|Prediction { share_of_ramp, .. }| *share_of_ramp),
        ),
        risks: amount(about_faults.len() + about_nothing.len()),
        false_risks: amount(about_nothing.len()),
    }
}

fn alarms(all: &[Alarm<'_>], windows: &Windows<'_>, timeline: &Timeline) -> Alarms {
    let mut sum = Alarms {
        opened: amount(all.len()),
        ..Alarms::default()
    };
    for alarm in all {
        match verdict(alarm, windows).0 {
            Verdict::Right => sum.right += 1,
            Verdict::Neither => sum.neither += 1,
            Verdict::False(why) => {
                sum.wrong += 1;
                match why {
                    WhyFalse::OnBenign => sum.on_benign += 1,
                    WhyFalse::Elsewhere => sum.elsewhere += 1,
                    WhyFalse::OutOfNothing => sum.out_of_nothing += 1,
                }
            }
        }
    }
    sum.precision = Ratio::new(sum.right, sum.right + sum.wrong);
    sum.false_per_api_day = Rate::new(
        sum.wrong,
        amount(timeline.apis.len()),
        timeline.ended.since(timeline.judged_from),
    );
    sum
}

fn false_alarms(pages: &[Alarm<'_>], windows: &Windows<'_>) -> Vec<FalseAlarm> {
    let mut found = Vec::new();
    for page in pages {
        if let (Verdict::False(why), fault) = verdict(page, windows) {
            found.push(FalseAlarm {
                id: page.id.to_owned(),
                at: page.opened,
                service: page.service.to_owned(),
                environment: page.environment.to_owned(),
                summary: page.text.to_owned(),
                why,
                fault: fault.map(|index| windows.all[index].fault.id.clone()),
            });
        }
    }
    found
}

pub(super) fn kinds(faults: &[FaultScore]) -> BTreeMap<String, KindScore> {
    let mut by_kind: BTreeMap<&str, Vec<&FaultScore>> = BTreeMap::new();
    for fault in faults {
        by_kind.entry(&fault.kind).or_default().push(fault);
    }
    by_kind
        .into_iter()
        .map(|(kind, faults)| (kind.to_owned(), kind_score(&faults)))
        .collect()
}

fn kind_score(faults: &[&FaultScore]) -> KindScore {
    let scored = || {
        faults
            .iter()
            .filter(|fault| fault.outcome.is_scored_fault())
    };
    let detected = || scored().filter(|fault| fault.detected);
    let benign = || {
        faults
            .iter()
            .filter(|fault| fault.outcome.is_scored_benign())
    };
    KindScore {
        injected: amount(faults.len()),
        acted: amount(scored().count()),
        detected: amount(detected().count()),
        paged: amount(scored().filter(|fault| fault.paged).count()),
        right_at_1: amount(scored().filter(|fault| fault.root_cause.right_at_1).count()),
        right_at_3: amount(scored().filter(|fault| fault.root_cause.right_at_3).count()),
        predicted: amount(scored().filter(|fault| fault.prediction.is_some()).count()),
        detect: Spread::new(detected().filter_map(|fault| fault.detected_after)),
        incidents_per_detected: mean(detected().map(|fault| fault.incidents)),
        benign: amount(benign().count()),
        benign_paged: amount(
            benign()
                .filter(|fault| fault.outcome == Outcome::FalsePage)
                .count(),
        ),
    }
}
