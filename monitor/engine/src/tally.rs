//! How well a model did, by what people answered to its alarms, and which of two did better.

use std::collections::VecDeque;
use std::time::Duration;

use monitor_core::{Alarm, Answer, Feedback, ScoreRange, Tally, Time};
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::engine::{Effect, Engine};
use crate::feedback::same_workload;

/// An alarm this long before the beginning of a trouble, or after its end, is about it.
const MARGIN: Duration = Duration::from_secs(60);
/// Edges of the ranges of scores that are told apart; 1 is where an alarm begins.
const RANGES: [f64; 5] = [1.0, 1.5, 3.0, 10.0, f64::INFINITY];
/// Fewer false alarms count as better when chance would give as few this seldom.
const SIGNIFICANT: f64 = 0.05;

/// The alarms that an engine raised, the latest last, as many as there is room for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarms {
    kept: VecDeque<Alarm>,
    pub(crate) forgotten: u64,
}

impl Alarms {
    /// Takes over what `engine` said, of what would wake someone.
    pub(crate) fn follow(&mut self, effects: &[Effect], engine: &Engine, most: usize) {
        for effect in effects {
            let (Effect::AnomalyOpened(anomaly)
            | Effect::AnomalyUpdated(anomaly)
            | Effect::AnomalyClosed(anomaly)) = effect
            else {
                continue;
            };
            let mut known = self.kept.iter_mut().rev();
            if let Some(alarm) = known.find(|alarm| alarm.id == anomaly.id) {
                alarm.end = anomaly.end;
                alarm.score = alarm.score.max(anomaly.score.get());
            } else if engine.has_told(anomaly.id) {
                if self.kept.len() >= most {
                    self.kept.pop_front();
                    self.forgotten += 1;
                }
                self.kept.push_back(Alarm {
                    id: anomaly.id,
                    signal: anomaly.signal.clone(),
                    detector: anomaly.detector.clone(),
                    start: anomaly.start,
                    detected: anomaly.detected,
                    end: anomaly.end,
                    score: anomaly.score.get(),
                });
            }
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Alarm> {
        self.kept.iter()
    }

    /// Those to which the other list has nothing of the same signal at the same time; the latest
    /// first.
    pub(crate) fn without(&self, other: &Alarms, until: Time) -> Vec<Alarm> {
        let alone = |alarm: &&Alarm| {
            !other.iter().any(|one| {
                one.signal == alarm.signal
                    && overlap((one.start, one.end), (alarm.start, alarm.end), until)
            })
        };
        self.iter().rev().filter(alone).cloned().collect()
    }
}

/// Counts what became of the alarms detected from `from` to before `to`. O(alarms · answers).
pub(crate) fn tally<'a>(
    alarms: impl Iterator<Item = &'a Alarm>,
    answers: &[Feedback],
    (from, to): (Time, Time),
    api_weeks: f64,
) -> Tally {
    let mut tally = Tally {
        api_weeks,
        scores: RANGES
            .windows(2)
            .map(|range| ScoreRange {
                from: range[0],
                to: range[1],
                alarms: 0,
                real: 0,
                unwanted: 0,
            })
            .collect(),
        ..Tally::default()
    };
    let real: Vec<&Feedback> = answers
        .iter()
        .filter(|said| said.answer == Answer::Real && said.start >= from && said.start < to)
        .collect();
    let mut delays: Vec<Option<Duration>> = vec![None; real.len()];
    for alarm in alarms.filter(|alarm| alarm.detected >= from && alarm.detected < to) {
        tally.alarms += 1;
        let mut is_real = false;
        for (said, delay) in real.iter().zip(&mut delays) {
            if same_workload(&said.signal, &alarm.signal)
                && overlap((said.start, said.end), (alarm.start, alarm.end), to)
            {
                is_real = true;
                let took = alarm.detected.since(said.start);
                *delay = Some(delay.map_or(took, |before| before.min(took)));
            }
        }
        let is_unwanted = !is_real
            && answers.iter().any(|said| {
                said.answer != Answer::Real
                    && said.signal == alarm.signal
                    && overlap((said.start, said.end), (alarm.start, alarm.end), to)
            });
        tally.unwanted += u64::from(is_unwanted);
        tally.unanswered += u64::from(!is_real && !is_unwanted);
        let range = tally.scores.iter_mut().rev();
        if let Some(range) = range.into_iter().find(|range| alarm.score >= range.from) {
            range.alarms += 1;
            range.real += u64::from(is_real);
            range.unwanted += u64::from(is_unwanted);
        }
    }
    let mut found: Vec<Duration> = delays.into_iter().flatten().collect();
    found.sort_unstable();
    tally.real = real.len() as u64;
    tally.found = found.len() as u64;
    tally.median_delay = found.get(found.len() / 2).copied();
    tally
}

/// Whether `shadow` is measurably better than `active`: no trouble missed that the other found, and
/// fewer false alarms than chance explains. Given their sum, each false alarm of two equal models
/// falls to either in proportion to what it judged, so the number of one is binomial (the conditional
/// test of two Poisson rates: Przyborowski and Wilenski, Biometrika 31, 1940).
pub(crate) fn weigh(active: &Tally, shadow: &Tally) -> (f64, bool, String) {
    let (mine, theirs) = (shadow.false_alarms(), active.false_alarms());
    let weeks = active.api_weeks + shadow.api_weeks;
    if shadow.api_weeks <= 0.0 || active.api_weeks <= 0.0 {
        return (1.0, false, "it has judged nothing yet".to_owned());
    }
    let p = match Binomial::new(shadow.api_weeks / weeks, mine + theirs) {
        Ok(chance) => chance.cdf(mine),
        Err(_) => 1.0,
    };
    let rates = format!(
        "{mine} false alarms to {theirs}, and {} of {} real troubles found to {}",
        shadow.found, shadow.real, active.found
    );
    let why = if active.real == 0 {
        format!("{rates}: nothing was marked as real, so what it would miss is not known")
    } else if shadow.found < active.found {
        format!("{rates}: it misses what the active one finds")
    } else if mine >= theirs {
        format!("{rates}: no fewer")
    } else if p >= SIGNIFICANT {
        format!(
            "{rates}: chance alone gives as few in {:.0} of 100",
            p * 100.0
        )
    } else {
        return (p, true, format!("{rates}: better, with p = {p:.4}"));
    };
    (p, false, why)
}

fn overlap(a: (Time, Option<Time>), b: (Time, Option<Time>), until: Time) -> bool {
    let end = |span: (Time, Option<Time>)| span.1.unwrap_or(until).max(span.0);
    a.0 <= end(b) + MARGIN && b.0 <= end(a) + MARGIN
}

/// Apis judged for `elapsed`, in Api-weeks.
pub(crate) fn api_weeks(apis: usize, elapsed: Duration) -> f64 {
    const WEEK_SECS: f64 = 7.0 * 86_400.0;
    apis as f64 * elapsed.as_secs_f64() / WEEK_SECS
}

#[cfg(test)]
mod tests;
