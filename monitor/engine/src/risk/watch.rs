//! One Api: how far it is from its limits, whether it grows towards one, and the risk it has open.

mod lines;
mod scan;

use std::collections::VecDeque;

use monitor_core::{Limit, Measure, Name, Risk, RiskOutcome, SignalKey, Subject, Time};
use monitor_detect::forecast::trend::Arrival;
use serde::{Deserialize, Serialize};

use self::lines::{Lines, Recent};
use self::scan::Candidate;
use super::failures::{HORIZON_SECS, Waiting};
use super::learner::Learner;
use super::{MINUTE_SECS, RiskChange, after, risk_id, words};
use crate::api::ApiTrack;
use crate::ledger::Ledger;

/// Looks at which a trend has to be seen, one after another, before anything is said.
const LOOKS: u8 = 2;
/// What is likelier than not is said.
const SAID_FROM: f64 = 0.5;
/// Looks without a trend after which a risk is over.
const CALM_LOOKS: u8 = 6;
/// Part of the way to its limit from which an Api is looked at for a trend.
const ABOVE_USUAL: f64 = 0.06;
/// What fails has recovered below this share of its limit …
const RECOVERED: f64 = 0.8;
/// … at so many looks.
const RECOVERED_LOOKS: u8 = 6;
/// What has failed for so long is the usual.
const NEW_USUAL_SECS: u64 = 21_600;
/// Of a stated trend: always, the part of the way that is done, how far it is continued for each time
/// that it was seen, and how clear it is.
const ARRIVAL_GUESS: [f64; 4] = [0.0, 2.0, -0.5, 0.6];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ApiWatch {
    lines: Lines,
    /// At the last look.
    position: Option<Position>,
    /// How far it was on its way a minute ago and two.
    before: [f64; 2],
    seen: u8,
    calm: u8,
    /// Since when it has been beyond a limit.
    failing: Option<Time>,
    recovered: u8,
    open: Option<Box<Open>>,
    waiting: VecDeque<Waiting>,
    /// Of failing within the horizon, as last said.
    chance: f64,
}

/// Where an Api is between usual and its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The chance that a trend is beyond the limit when failures are foreseen for.
    pub(super) arrives: f64,
    /// 0 as usual, 1 at the limit: response time, share of failing calls.
    pub(super) way: f64,
    pub(super) errors: f64,
    /// How much further the response time is than a minute ago.
    pub(super) rising: f64,
    /// How far it will be when failures are foreseen for, if it goes on as in the last two minutes.
    pub(super) heading: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    risk: Risk,
    /// What its probability was said from.
    signs: [f64; 4],
    /// It is held to have come by then.
    until: Time,
    told: Time,
}

impl ApiWatch {
    pub(super) fn open(&self) -> Option<&Risk> {
        self.open.as_ref().map(|open| &open.risk)
    }

    pub(super) fn pending(&mut self) -> &mut VecDeque<Waiting> {
        &mut self.waiting
    }

    /// Of failing within the horizon, as last said; what fails already does so for certain.
    pub(super) fn chance(&self) -> f64 {
        if self.is_failing() { 1.0 } else { self.chance }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Its response times head for a limit, or are beyond one.
    pub(super) fn grows_slower(&self) -> bool {
        let slower = |risk: &Risk| risk.signal.measure == Measure::Latency;
        self.is_failing() || self.open().is_some_and(slower)
    }

    pub(super) fn said(&mut self, chance: Option<f64>) {
        self.chance = chance.unwrap_or_default();
    }

    /// How near the time is when its risk is expected to come: 1 at `end`, ½ a horizon later.
    pub(super) fn due(&self, end: i64) -> f64 {
        let horizon = HORIZON_SECS as f64;
        self.open().map_or(0.0, |risk| {
            let left = risk.expected.since(Time::from_secs(end)).as_secs_f64();
            horizon / (horizon + left)
        })
    }

    /// `None` where nothing can be said: it is not judged, has hardly any calls, or fails already.
    pub(super) fn position(&self, api: &ApiTrack) -> Option<Position> {
        (api.is_foreseeable() && self.failing.is_none()).then_some(self.position)?
    }

    /// Looks at what has come until `end`. Whether it crossed a limit just now.
    pub(super) fn look(
        &mut self,
        end: i64,
        api: &ApiTrack,
        arrivals: &mut Learner,
        ledger: &mut Ledger,
        changes: &mut Vec<RiskChange>,
    ) -> bool {
        let now = Time::from_secs(end);
        if !api.is_foreseeable() {
            // Nothing will come that it could be held against.
            if let Some(open) = self.open.take() {
                changes.push(RiskChange::Closed(ended(open.risk, None, now)));
            }
            *self = ApiWatch::default();
            return false;
        }
        let minute = end.rem_euclid(MINUTE_SECS) == 0;
        if self.lines.is_empty() || (minute && self.is_as_usual(now, api)) {
            self.lines.renew(api);
        }
        let Some(recent) = Recent::of(&api.rollups, end) else {
            self.position = None;
            self.expire(now, arrivals, ledger, changes);
            return false;
        };
        if self.is_still_failing(&recent) {
            return false;
        }
        if self.lines.are_crossed(&recent) {
            self.failing = Some(now);
            self.recovered = 0;
            self.position = None;
            match self.open.take() {
                Some(open) => settle(*open, RiskOutcome::Came, now, arrivals, ledger, changes),
                None => ledger.missed(),
            }
            return true;
        }
        self.lines.learn_noise(&recent);
        let (way, errors) = self.lines.way(&recent);
        let found = (way.max(errors) > ABOVE_USUAL)
            .then(|| scan::scan(&self.lines, &api.rollups, end))
            .flatten();
        self.position = Some(Position {
            arrives: found.as_ref().map_or(0.0, |found| {
                found
                    .trend
                    .chance_above(found.line.limit, HORIZON_SECS as f64)
            }),
            way,
            errors,
            rising: way - self.before[0],
            heading: way + (way - self.before[1]) / 2.0 * (HORIZON_SECS / MINUTE_SECS) as f64,
        });
        if minute {
            self.before = [way, self.before[0]];
        }
        match found {
            Some(found) => self.follow(&found, &recent, now, api, arrivals, ledger, changes),
            None => {
                self.seen = 0;
                self.calm = self.calm.saturating_add(1);
                if self.calm >= CALM_LOOKS
                    && let Some(open) = self.open.take()
                {
                    settle(*open, RiskOutcome::Averted, now, arrivals, ledger, changes);
                }
            }
        }
        self.expire(now, arrivals, ledger, changes);
        false
    }

    /// What is there may be learned as usual. A limit that moved along with what grows towards it would
    /// never be reached.
    fn is_as_usual(&self, now: Time, api: &ApiTrack) -> bool {
        match self.failing {
            Some(since) => now.since(since).as_secs() >= NEW_USUAL_SECS,
            None => self.open.is_none() && api.open_anomalies().next().is_none(),
        }
    }

    /// Hysteresis: what crosses its limit to and fro fails once.
    fn is_still_failing(&mut self, recent: &Recent) -> bool {
        if self.failing.is_none() {
            return false;
        }
        if self.lines.are_below(recent, RECOVERED) {
            self.recovered += 1;
        } else {
            self.recovered = 0;
        }
        if self.recovered >= RECOVERED_LOOKS {
            self.failing = None;
        }
        self.failing.is_some()
    }

    /// There is a trend: says so when it has been there at the last look too, or says what has changed.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of one look; a struct would only rename them"
    )]
    fn follow(
        &mut self,
        found: &Candidate,
        recent: &Recent,
        now: Time,
        api: &ApiTrack,
        arrivals: &Learner,
        ledger: &mut Ledger,
        changes: &mut Vec<RiskChange>,
    ) {
        self.seen = self.seen.saturating_add(1);
        self.calm = 0;
        let line = &found.line;
        let actual = recent.value(line.statistic);
        let signs = [
            1.0,
            line.way(actual).clamp(0.0, 1.0),
            found.arrival.expected / found.trend.span,
            (found.trend.slope / found.trend.slope_error.max(1e-12))
                .clamp(1.0, 50.0)
                .ln(),
        ];
        let probability = arrivals.chance(&ARRIVAL_GUESS, &signs);
        let latest = believed_latest(found);
        if let Some(open) = &mut self.open {
            if open.risk.signal.measure != line.statistic.measure() {
                return;
            }
            let risk = &mut open.risk;
            risk.updated = now;
            risk.actual = actual;
            risk.growth_per_hour = found.trend.slope * 3_600.0;
            risk.probability = probability;
            let Arrival {
                expected, earliest, ..
            } = found.arrival;
            risk.expected = after(now, expected);
            risk.earliest = after(now, earliest);
            risk.latest = Some(after(now, latest));
            risk.why = words::why(risk, line.statistic.name(), found.trend.span);
            open.until = open.until.max(after(now, latest));
            let moved = risk
                .expected
                .since(open.told)
                .max(open.told.since(risk.expected));
            if moved.as_secs_f64() > 0.3 * expected.max(30.0) {
                open.told = risk.expected;
                changes.push(RiskChange::Updated(risk.clone()));
            }
            return;
        }
        if self.seen < LOOKS || probability < SAID_FROM {
            return;
        }
        let signal = SignalKey {
            subject: Subject::Api(api.key.clone()),
            measure: line.statistic.measure(),
        };
        let expected = after(now, found.arrival.expected);
        let mut risk = Risk {
            id: risk_id(&signal, line.statistic.name(), now),
            signal,
            statistic: Name::from(line.statistic.name()),
            limit: Limit {
                value: line.limit,
                objective: line.objective.clone(),
            },
            typical: line.typical,
            actual,
            growth_per_hour: found.trend.slope * 3_600.0,
            stated: now,
            updated: now,
            expected,
            earliest: after(now, found.arrival.earliest),
            latest: Some(after(now, latest)),
            probability,
            first_expected: expected,
            first_probability: probability,
            ended: None,
            outcome: None,
            why: String::new(),
        };
        risk.why = words::why(&risk, line.statistic.name(), found.trend.span);
        ledger.stated();
        changes.push(RiskChange::Opened(risk.clone()));
        self.open = Some(Box::new(Open {
            risk,
            signs,
            until: after(now, latest),
            told: expected,
        }));
    }

    fn expire(
        &mut self,
        now: Time,
        arrivals: &mut Learner,
        ledger: &mut Ledger,
        changes: &mut Vec<RiskChange>,
    ) {
        if self.open.as_ref().is_some_and(|open| now > open.until)
            && let Some(open) = self.open.take()
        {
            settle(*open, RiskOutcome::NotCome, now, arrivals, ledger, changes);
        }
    }
}

/// In seconds from now. A trend is not believed without end.
fn believed_latest(found: &Candidate) -> f64 {
    let longest = found.trend.believed_for().max(2.0 * found.arrival.expected);
    found.arrival.latest.min(longest).max(30.0)
}

/// Scores a risk and learns from it.
fn settle(
    open: Open,
    outcome: RiskOutcome,
    now: Time,
    arrivals: &mut Learner,
    ledger: &mut Ledger,
    changes: &mut Vec<RiskChange>,
) {
    ledger.ended(&open.risk, outcome, now);
    arrivals.learn(&ARRIVAL_GUESS, &open.signs, outcome == RiskOutcome::Came);
    changes.push(RiskChange::Closed(ended(open.risk, Some(outcome), now)));
}

fn ended(mut risk: Risk, outcome: Option<RiskOutcome>, now: Time) -> Risk {
    risk.ended = Some(now);
    risk.updated = now;
    risk.outcome = outcome;
    risk
}
