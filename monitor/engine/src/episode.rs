//! Turns a detector's verdicts into anomalies that open, change and close.

use std::time::Duration;

use monitor_core::{
    Anomaly, Band, Contribution, Direction, Explanation, Measure, SignalKey, SignalView, Subject,
    Time,
};
use monitor_detect::{Phase, Verdict};
use monitor_diagnose::{Facts, NumberName, Peers, anomaly_id, why};
use serde::{Deserialize, Serialize};

use crate::lineage::Lineage;

/// An open anomaly is reported again when its score or deviation has grown by this factor.
const WORTH_TELLING: f64 = 1.5;
/// An anomaly of which nothing was heard for so long is over as far as anyone can tell.
const STALE: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Opened(Anomaly),
    Updated(Anomaly),
    Closed(Anomaly),
}

/// One detector's view of one signal, and the anomaly it has open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) seen: SignalView,
    /// Boxed: nearly all signals have none.
    pub(crate) open: Option<Box<Open>>,
    pub(crate) lineage: Lineage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) anomaly: Anomaly,
    last_outside: Time,
    last_heard: Time,
    /// What was found out about it later, for the end of its sentence.
    remark: Option<Box<str>>,
    told_score: f64,
    told_deviation: f64,
}

/// Whose verdict it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) measure: Measure,
    pub(crate) detector: &'static str,
    /// From the verdict's unit to the signal's: a template's share of records to records a second.
    pub(crate) scale: f64,
    /// Whom it was held against, if not its own past.
    pub(crate) peers: Option<Peers<'a>>,
}

impl Episode {
    pub(crate) fn follow(
        &mut self,
        verdict: &Verdict,
        origin: Origin<'_>,
        contributions: impl FnOnce(&Verdict) -> Vec<Contribution>,
    ) -> Option<Change> {
        self.lineage.see(verdict);
        let learning = matches!(verdict.phase, Phase::Learning(_));
        self.seen = SignalView {
            actual: Some(verdict.actual * origin.scale),
            typical: (!learning).then_some(verdict.typical * origin.scale),
            band: (!learning).then_some(scaled(verdict.band, origin.scale)),
            score: verdict.score,
        };
        let Phase::Anomalous { since } = verdict.phase else {
            let shifted = verdict.phase == Phase::Shifted;
            return self.close(|open| {
                if shifted {
                    open.anomaly
                        .explanation
                        .why
                        .push_str("; it has stayed so for long and is the new normal");
                }
                if shifted {
                    verdict.end
                } else {
                    open.last_outside
                }
            });
        };
        let Some(open) = &mut self.open else {
            // What nobody has heard of for long and is as usual now is on its way out.
            if !verdict.outside {
                return None;
            }
            let explanation = explain(verdict, since, origin, contributions(verdict));
            let signal = SignalKey {
                subject: origin.subject.clone(),
                measure: origin.measure,
            };
            let anomaly = Anomaly {
                id: anomaly_id(&signal, origin.detector, since),
                signal,
                detector: origin.detector.into(),
                direction: verdict.direction,
                start: since,
                detected: verdict.end,
                end: None,
                score: verdict.score,
                explanation,
            };
            self.open = Some(Box::new(Open {
                anomaly: anomaly.clone(),
                last_outside: verdict.end,
                last_heard: verdict.end,
                remark: None,
                told_score: verdict.score.get(),
                told_deviation: deviation(verdict),
            }));
            return Some(Change::Opened(anomaly));
        };
        open.last_heard = verdict.end;
        if !verdict.outside {
            return None;
        }
        open.last_outside = verdict.end;
        let worse_score = verdict.score.get() > open.anomaly.score.get();
        if worse_score {
            open.anomaly.score = verdict.score;
        }
        let deviates_more = deviation(verdict) > open.told_deviation * WORTH_TELLING;
        let scores_more = verdict.score.get() > open.told_score * WORTH_TELLING;
        if !deviates_more && !scores_more {
            return None;
        }
        open.told_score = open.told_score.max(verdict.score.get());
        let silent_longer = verdict.actual == 0.0 && is_rate(origin.measure);
        if deviation(verdict) >= open.told_deviation || silent_longer {
            open.told_deviation = deviation(verdict);
            open.anomaly.explanation =
                explain(verdict, open.anomaly.start, origin, contributions(verdict));
            if let Some(remark) = &open.remark {
                open.anomaly.explanation.why.push_str(remark);
            }
        }
        Some(Change::Updated(open.anomaly.clone()))
    }

    /// Adds what was found out about an open anomaly, once.
    pub(crate) fn remark(&mut self, remark: &str) -> Option<Change> {
        let open = self.open.as_mut().filter(|open| open.remark.is_none())?;
        open.anomaly.explanation.why.push_str(remark);
        open.remark = Some(remark.into());
        Some(Change::Updated(open.anomaly.clone()))
    }

    /// Ends what nobody has heard of for long: the calls that could show it to be over stay away.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Change> {
        let heard = self.open.as_ref()?.last_heard;
        if now.since(heard) < STALE {
            return None;
        }
        self.seen = SignalView::default();
        self.close(|open| open.last_outside)
    }

    /// Ends it because nobody wants to hear of it any more.
    pub(crate) fn dismiss(&mut self, now: Time, why: &str) -> Option<Change> {
        self.seen = SignalView::default();
        self.close(|open| {
            open.anomaly.explanation.why.push_str(why);
            now
        })
    }

    fn close(&mut self, end: impl FnOnce(&mut Open) -> Time) -> Option<Change> {
        let mut open = self.open.take()?;
        open.anomaly.end = Some(end(&mut open));
        Some(Change::Closed(open.anomaly))
    }
}

fn explain(
    verdict: &Verdict,
    since: Time,
    origin: Origin<'_>,
    contributions: Vec<Contribution>,
) -> Explanation {
    let silent = verdict.actual == 0.0 && is_rate(origin.measure);
    let start = if silent { since } else { verdict.start };
    let facts = Facts {
        measure: origin.measure,
        statistic: verdict.statistic,
        detector: origin.detector,
        direction: verdict.direction,
        typical: verdict.typical,
        actual: verdict.actual,
        band: verdict.band,
        observations: verdict.observations,
        learned_from: verdict.learned_from,
        span: verdict.end.since(start),
        contributions: &contributions,
        learning: verdict.guarded,
        peers: origin.peers,
        number: match origin.subject {
            Subject::Number { name, unit, .. } => Some(NumberName {
                name,
                unit: unit.as_deref(),
            }),
            _ => None,
        },
    };
    let why = why(&facts);
    Explanation {
        typical: verdict.typical * origin.scale,
        actual: verdict.actual * origin.scale,
        band: scaled(verdict.band, origin.scale),
        observations: verdict.observations,
        learned_from: verdict.learned_from,
        contributions,
        why,
    }
}

fn scaled(band: Band, scale: f64) -> Band {
    Band {
        lower: band.lower * scale,
        upper: band.upper * scale,
    }
}

fn is_rate(measure: Measure) -> bool {
    matches!(measure, Measure::Rate | Measure::LogRate)
}

/// How far outside the band, as a factor where there is something to divide by.
fn deviation(verdict: &Verdict) -> f64 {
    match verdict.direction {
        Direction::Above if verdict.typical > 0.0 => verdict.actual / verdict.typical,
        Direction::Above => verdict.actual,
        Direction::Below => verdict.typical / verdict.actual.max(verdict.typical / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use monitor_core::{Direction, Score};

    use super::*;

    fn verdict(second: i64, outside: bool) -> Verdict {
        Verdict {
            score: Score::new(if outside { 2.0 } else { 0.1 }),
            outside,
            phase: Phase::Anomalous {
                since: Time::from_secs(10),
            },
            guarded: false,
            start: Time::from_secs(second),
            end: Time::from_secs(second + 600),
            statistic: "p50",
            direction: Direction::Above,
            typical: 0.1,
            actual: if outside { 0.5 } else { 0.1 },
            band: Band {
                lower: 0.05,
                upper: 0.2,
            },
            observations: 100,
            learned_from: 1_000,
        }
    }

    #[test]
    fn what_was_given_up_is_an_anomaly_again_only_when_it_is_outside() {
        let subject = Subject::Service {
            service: monitor_core::ServiceKey::new("shop", "orders"),
            environment: "on-prem".into(),
        };
        let origin = Origin {
            subject: &subject,
            measure: Measure::Latency,
            detector: "latency-drift",
            scale: 1.0,
            peers: None,
        };
        let mut episode = Episode::default();
        let follow = |episode: &mut Episode, second, outside| {
            episode.follow(&verdict(second, outside), origin, |_| Vec::new())
        };
        assert!(matches!(
            follow(&mut episode, 0, true),
            Some(Change::Opened(_))
        ));
        let later = Time::from_secs(600) + STALE;
        assert!(matches!(episode.expire(later), Some(Change::Closed(_))));
        assert_eq!(follow(&mut episode, 3_000, false), None);
        assert!(matches!(
            follow(&mut episode, 3_600, true),
            Some(Change::Opened(_))
        ));
    }
}
