//! Error budgets that are spent too fast: when they are gone.
//!
//! Said when both a long and a short time agree, so that it is neither old news nor a moment's: the
//! multi-window burn rates of Beyer, Murphy, Rensin, Kawahara, Thorne, "The Site Reliability Workbook",
//! chapter 5.

use std::collections::BTreeMap;

use monitor_core::{
    Limit, Measure, Name, ObjectiveView, Risk, RiskOutcome, ServiceKey, SignalKey, Subject, Time,
};
use serde::{Deserialize, Serialize};

use super::{RiskChange, after, risk_id, words};
use crate::api::ApiTrack;
use crate::ledger::Ledger;

/// Spent within an hour at this rate, and still within the last five minutes …
const FAST: f64 = 14.4;
/// … or over six hours at this one, and still within the last half hour.
const SLOW: f64 = 6.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Budgets {
    open: BTreeMap<(ServiceKey, Name, Name), Risk>,
}

impl Budgets {
    pub(super) fn open(&self) -> impl Iterator<Item = &Risk> {
        self.open.values()
    }

    pub(super) fn step(
        &mut self,
        end: i64,
        apis: &[ApiTrack],
        ledger: &mut Ledger,
        changes: &mut Vec<RiskChange>,
    ) {
        if self.open.is_empty() && apis.iter().all(|api| api.objectives().next().is_none()) {
            return;
        }
        let now = Time::from_secs(end);
        let watched = apis.iter().filter(|api| !api.is_retired());
        let mut before = std::mem::take(&mut self.open);
        for objective in crate::objectives::view(watched, end) {
            let key = (
                objective.service.clone(),
                Name::clone(&objective.environment),
                Name::clone(&objective.name),
            );
            let known = before.remove(&key);
            let spent = left_of_window(&objective).is_some_and(|left| left <= 0.0);
            let burn = spending(&objective).filter(|_| !spent);
            match (known, burn) {
                (Some(risk), Some((burn, left))) => {
                    self.open.insert(key, told(risk, now, burn, left));
                }
                (Some(risk), None) => {
                    let outcome = if spent {
                        RiskOutcome::Came
                    } else {
                        RiskOutcome::Averted
                    };
                    close(risk, outcome, now, ledger, changes);
                }
                (None, Some((burn, left))) => {
                    let risk = told(stated(&objective, now), now, burn, left);
                    let risk = Risk {
                        first_expected: risk.expected,
                        ..risk
                    };
                    ledger.stated();
                    changes.push(RiskChange::Opened(risk.clone()));
                    self.open.insert(key, risk);
                }
                (None, None) => {}
            }
        }
        // Objectives that are gone.
        for (_, risk) in before {
            changes.push(RiskChange::Closed(Risk {
                ended: Some(now),
                updated: now,
                ..risk
            }));
        }
    }
}

/// The rate at which it is spent too fast, and the seconds until nothing is left; `None` when it is
/// not, or lasts for the objective's window.
fn spending(objective: &ObjectiveView) -> Option<(f64, f64)> {
    let both = |long: Option<f64>, short: Option<f64>, limit: f64| {
        let (long, short) = (long?, short?);
        (long > limit && short > limit).then_some(long.min(short))
    };
    let burn = both(objective.burn_1h, objective.burn_5m, FAST)
        .or_else(|| both(objective.burn_6h, objective.burn_30m, SLOW))?;
    let window = objective.window.as_secs_f64();
    let left = left_of_window(objective)?.max(0.0) * window / burn;
    (left < window).then_some((burn, left))
}

/// What is left of the whole window's budget, were calls to come as they have so far: of a window that
/// has only begun, most.
fn left_of_window(objective: &ObjectiveView) -> Option<f64> {
    let window = objective.window.as_secs_f64();
    (window > 0.0).then_some(())?;
    let spent_of_seen = 1.0 - objective.budget_remaining?;
    Some(1.0 - spent_of_seen * objective.seen.as_secs_f64() / window)
}

fn stated(objective: &ObjectiveView, now: Time) -> Risk {
    let signal = SignalKey {
        subject: Subject::Service {
            service: objective.service.clone(),
            environment: Name::clone(&objective.environment),
        },
        measure: match objective.latency_threshold {
            Some(_) => Measure::Latency,
            None => Measure::ErrorRatio,
        },
    };
    Risk {
        id: risk_id(&signal, &objective.name, now),
        signal,
        statistic: Name::from("budget"),
        limit: Limit {
            value: 1.0,
            objective: Some(Name::clone(&objective.name)),
        },
        typical: 1.0,
        actual: 0.0,
        growth_per_hour: 0.0,
        stated: now,
        updated: now,
        expected: now,
        earliest: now,
        latest: None,
        probability: 0.5,
        first_expected: now,
        first_probability: 0.5,
        ended: None,
        outcome: None,
        why: String::new(),
    }
}

/// The same risk, as things are now.
fn told(risk: Risk, now: Time, burn: f64, left: f64) -> Risk {
    let expected = after(now, left);
    Risk {
        actual: burn,
        updated: now,
        expected,
        // How fast it is spent changes by factors.
        earliest: after(now, left / 2.0),
        latest: Some(after(now, left * 3.0)),
        why: format!(
            "the error budget is spent {burn:.1} times faster than evenly; at this rate nothing is left \
             in {}, at {expected}",
            words::length(left)
        ),
        ..risk
    }
}

fn close(
    risk: Risk,
    outcome: RiskOutcome,
    now: Time,
    ledger: &mut Ledger,
    changes: &mut Vec<RiskChange>,
) {
    ledger.ended(&risk, outcome, now);
    changes.push(RiskChange::Closed(Risk {
        ended: Some(now),
        updated: now,
        outcome: Some(outcome),
        ..risk
    }));
}
