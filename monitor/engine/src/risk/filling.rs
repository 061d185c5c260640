//! Services of which something fills up: when it is full.
//!
//! Said from the second warning on, or as soon as a gauge shows it, when it is likelier than not; held against what comes: it is
//! full, or the service fails before.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{Limit, Measure, Name, Risk, RiskOutcome, ServiceKey, SignalKey, Subject, Time};
use serde::{Deserialize, Serialize};

use super::failures::HORIZON_SECS;
use super::learner::Learner;
use super::{RiskChange, after, risk_id, words};
use crate::fills::Filling;
use crate::ledger::Ledger;
use crate::service::ServiceTrack;

/// What is likelier than not is said.
const SAID_FROM: f64 = 0.5;
/// Of this share on, it is full.
const FULL: f64 = 0.99;
/// Below this share nobody feels that something fills up: work and waiting grow as what is used to what is
/// left, and that is twice as much from here on.
const FELT_FROM: f64 = 0.65;
/// What a first guess is made from: always, how full it is, and how many readings there are.
const GUESS: [f64; 3] = [-0.5, 1.5, 0.5];

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fillings {
    open: BTreeMap<(ServiceKey, Name), Open>,
    arrivals: Learner,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    risk: Risk,
    signs: [f64; 3],
    /// It is held to have come by then.
    until: Time,
    told: Time,
}

impl Fillings {
    pub(super) fn open(&self) -> impl Iterator<Item = &Risk> {
        self.open.values().map(|open| &open.risk)
    }

    /// `failed` are services of which an Api has just crossed its limit.
    pub(super) fn step(
        &mut self,
        end: i64,
        services: &[ServiceTrack],
        failed: &BTreeSet<(&ServiceKey, &Name)>,
        ledger: &mut Ledger,
        changes: &mut Vec<RiskChange>,
    ) {
        let now = Time::from_secs(end);
        let mut settle = |open: Open, outcome, arrivals: &mut Learner, ledger: &mut Ledger| {
            ledger.ended(&open.risk, outcome, now);
            arrivals.learn(&GUESS, &open.signs, outcome == RiskOutcome::Came);
            changes.push(RiskChange::Closed(Risk {
                ended: Some(now),
                updated: now,
                outcome: Some(outcome),
                ..open.risk
            }));
        };
        let mut told = Vec::new();
        for service in services {
            let filling = service.fills.next(end);
            let place = (&service.service, &service.environment);
            // Most services warn of nothing that fills up.
            let known = if self.open.is_empty() {
                None
            } else {
                let key = (service.service.clone(), Name::clone(&service.environment));
                self.open.remove(&key)
            };
            if let Some(open) = known {
                let full = (filling.as_ref()).is_some_and(|filling| filling.latest >= FULL);
                let outcome = if full || failed.contains(&place) {
                    Some(RiskOutcome::Came)
                } else if now > open.until {
                    Some(RiskOutcome::NotCome)
                } else {
                    filling.is_none().then_some(RiskOutcome::Averted)
                };
                match (outcome, filling) {
                    (None, Some(filling)) => {
                        let mut open = open;
                        if open.follow(&filling, now, &self.arrivals) {
                            told.push(RiskChange::Updated(open.risk.clone()));
                        }
                        let key = (service.service.clone(), Name::clone(&service.environment));
                        self.open.insert(key, open);
                    }
                    (outcome, _) => {
                        let outcome = outcome.unwrap_or(RiskOutcome::Averted);
                        settle(open, outcome, &mut self.arrivals, ledger);
                    }
                }
                continue;
            }
            let new = filling.and_then(|filling| self.stated(service, &filling, now));
            if let Some(open) = new.filter(|_| !failed.contains(&place)) {
                ledger.stated();
                told.push(RiskChange::Opened(open.risk.clone()));
                let key = (service.service.clone(), Name::clone(&service.environment));
                self.open.insert(key, open);
            }
        }
        changes.extend(told);
    }

    fn stated(&self, service: &ServiceTrack, filling: &Filling, now: Time) -> Option<Open> {
        if filling.latest >= FULL || !is_believed(filling) || overdue(filling, now) {
            return None;
        }
        let signs = signs(filling);
        let probability = self.arrivals.chance(&GUESS, &signs);
        if probability < SAID_FROM {
            return None;
        }
        let signal = SignalKey {
            subject: Subject::Service {
                service: service.service.clone(),
                environment: Name::clone(&service.environment),
            },
            measure: Measure::Saturation,
        };
        let name = filling.source.to_string();
        let mut open = Open {
            risk: Risk {
                id: risk_id(&signal, &name, now),
                signal,
                statistic: Name::from("fill"),
                limit: Limit {
                    value: 1.0,
                    objective: None,
                },
                typical: filling.first,
                actual: filling.latest,
                growth_per_hour: 0.0,
                stated: now,
                updated: now,
                expected: now,
                earliest: now,
                latest: None,
                probability,
                first_expected: now,
                first_probability: probability,
                ended: None,
                outcome: None,
                why: String::new(),
            },
            signs,
            until: now,
            told: now,
        };
        open.follow(filling, now, &self.arrivals);
        open.risk.first_expected = open.risk.expected;
        open.told = open.risk.expected;
        Some(open)
    }
}

impl Open {
    /// Whether it is worth telling.
    fn follow(&mut self, filling: &Filling, now: Time, arrivals: &Learner) -> bool {
        let read = Time::from_secs(filling.at);
        let risk = &mut self.risk;
        risk.updated = now;
        // Another series may have become the one that is full first.
        risk.typical = filling.first;
        risk.actual = filling.latest;
        risk.growth_per_hour = filling.slope * 3_600.0;
        risk.probability = arrivals.chance(&GUESS, &signs(filling));
        risk.expected = after(read, filling.full_in).max(now);
        risk.earliest = after(read, filling.earliest).max(now);
        // A line through two readings may be far off.
        let latest = filling.last.min(2.0 * filling.full_in).max(60.0);
        risk.latest = Some(after(read, latest).max(now));
        self.until = after(read, 2.0 * filling.full_in + 60.0);
        risk.why = words::filling(risk, &filling.source, (filling.at - filling.since) as f64);
        let moved = risk
            .expected
            .since(self.told)
            .max(self.told.since(risk.expected));
        let is_news = moved.as_secs_f64() > 0.3 * filling.full_in.max(30.0);
        if is_news {
            self.told = risk.expected;
        }
        is_news
    }
}

fn signs(filling: &Filling) -> [f64; 3] {
    [1.0, filling.latest, ((filling.readings - 1) as f64).ln()]
}

fn is_believed(filling: &Filling) -> bool {
    filling.full_in <= filling.believed_for
}

fn overdue(filling: &Filling, now: Time) -> bool {
    now > after(Time::from_secs(filling.at), 2.0 * filling.full_in + 60.0)
}

/// As a sign for the chance of failure: how full it will be at the horizon if it goes on so, 0 at two
/// thirds and 1 when full. What fills up is felt before it is full, and at a level of its own rather than
/// some time before: a collector works harder, a pool makes wait.
pub(super) fn level_ahead(filling: Option<&Filling>, end: i64) -> f64 {
    let Some(filling) = filling else {
        return 0.0;
    };
    let since_read = (end - filling.at) as f64;
    if since_read > 1.5 * filling.full_in + 30.0 {
        // It should have been full, and nobody has read of it since.
        return 0.0;
    }
    let level = filling.latest + filling.slope * (since_read + HORIZON_SECS as f64);
    ((level - FELT_FROM) / (1.0 - FELT_FROM)).clamp(0.0, 1.0)
}
