//! What will break, and how such statements have done: risks, chances of failure, forecasts.
//!
//! The engine calls [`Foresight::step`] once a second, after the Apis have been judged. It reads their
//! rollups and open anomalies and changes nothing of theirs. Every ten seconds each Api that is above
//! its usual is looked at for a trend ([`watch`]); every minute each Api gets a chance of failing in
//! the next minutes ([`failures`]) and its signals a forecast ([`signals`]); error budgets are looked
//! at once a minute too ([`budget`]). All that is said is held against what comes, in the
//! [`Ledger`](crate::ledger::Ledger). Nobody is paged for a risk.

mod budget;
mod failures;
mod learner;
mod signals;
mod watch;
mod words;

use std::collections::{BTreeSet, VecDeque};

use monitor_core::{ApiState, ApiView, Name, Risk, RiskId, ServiceKey, SignalKey, Subject, Time};
use serde::{Deserialize, Serialize};

use self::budget::Budgets;
use self::failures::{Failures, Precursors};
use self::learner::Learner;
use self::signals::Signals;
use self::watch::ApiWatch;
use crate::api::ApiTrack;
use crate::ledger::Ledger;
use crate::service::ServiceTrack;

pub(crate) use self::failures::FAILURE_HORIZON_SECS;

/// Ended risks that the view still shows.
const ENDED_KEPT: usize = 100;
/// Seconds between two looks at the trends.
const LOOK_SECS: i64 = 10;
const MINUTE_SECS: i64 = 60;

/// A risk that opened, changed or ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RiskChange {
    Opened(Risk),
    Updated(Risk),
    Closed(Risk),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Foresight {
    /// In the order of the engine's Apis.
    apis: Vec<ApiWatch>,
    signals: Vec<Signals>,
    budgets: Budgets,
    /// How likely a stated trend arrives, learned from those that ended.
    arrivals: Learner,
    failures: Failures,
    ledger: Ledger,
    /// The latest last.
    ended: VecDeque<Risk>,
}

impl Foresight {
    /// Looks ahead at the end of `second`. O(1) for an Api at rest, some microseconds for one that is
    /// above its usual.
    pub(crate) fn step(
        &mut self,
        second: i64,
        apis: &[ApiTrack],
        services: &[ServiceTrack],
        max_forecast: usize,
    ) -> Vec<RiskChange> {
        let end = second.saturating_add(1);
        if end.rem_euclid(LOOK_SECS) != 0 {
            return Vec::new();
        }
        let minute = end.rem_euclid(MINUTE_SECS) == 0;
        let mut changes = Vec::new();
        self.apis.resize_with(apis.len(), ApiWatch::default);
        for (watch, api) in self.apis.iter_mut().zip(apis) {
            let crossed = watch.look(end, api, &mut self.arrivals, &mut self.ledger, &mut changes);
            if crossed {
                self.failures.came(watch.pending(), end, &mut self.ledger);
            }
        }
        if minute {
            self.foresee_failures(end, apis, services);
            self.signals
                .resize_with(apis.len().min(max_forecast), Signals::default);
            for (signals, api) in self.signals.iter_mut().zip(apis) {
                signals.step(end, api, &mut self.ledger);
            }
            self.budgets.step(end, apis, &mut self.ledger, &mut changes);
        }
        for change in &changes {
            if let RiskChange::Closed(risk) = change {
                if self.ended.len() >= ENDED_KEPT {
                    self.ended.pop_front();
                }
                self.ended.push_back(risk.clone());
            }
        }
        changes
    }

    /// How likely each Api fails in the next minutes.
    fn foresee_failures(&mut self, end: i64, apis: &[ApiTrack], services: &[ServiceTrack]) {
        let complaining: BTreeSet<(&ServiceKey, &Name)> = services
            .iter()
            .filter(|service| service.open_anomalies().next().is_some())
            .map(|service| (&service.service, &service.environment))
            .collect();
        let growing: BTreeSet<(&ServiceKey, &Name)> = self
            .apis
            .iter()
            .zip(apis)
            .filter(|(watch, _)| watch.open().is_some())
            .map(|(_, api)| (&api.key.service, &api.key.environment))
            .collect();
        for (watch, api) in self.apis.iter_mut().zip(apis) {
            let place = (&api.key.service, &api.key.environment);
            let precursors = watch.position(api).map(|position| Precursors {
                arrives: position.arrives,
                way: position.way,
                rising: position.rising,
                failing_calls: position.errors,
                anomalous: api.open_anomalies().next().is_some(),
                complaints: complaining.contains(&place),
                sibling: growing.contains(&place),
            });
            let waiting = watch.pending();
            self.failures.not_come(waiting, end, &mut self.ledger);
            match precursors {
                Some(precursors) => self.failures.say(waiting, end, precursors),
                None => waiting.clear(),
            }
        }
    }

    /// What is open, by Api.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Risk> {
        self.apis
            .iter()
            .filter_map(ApiWatch::open)
            .chain(self.budgets.open())
    }

    /// For the view: open ones, the soonest first, then those that ended, the latest first.
    pub(crate) fn risks(&self) -> Vec<Risk> {
        let mut open: Vec<Risk> = self.open().cloned().collect();
        open.sort_by_key(|a| (a.expected, a.id));
        open.extend(self.ended.iter().rev().cloned());
        open
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is well now and at risk is so in the view.
    pub(crate) fn mark(&self, apis: &mut [ApiView]) {
        for risk in self.open() {
            let Subject::Api(key) = &risk.signal.subject else {
                continue;
            };
            let found = apis.iter_mut().find(|api| api.key == *key);
            if let Some(api) = found.filter(|api| api.state == ApiState::Ok) {
                api.state = ApiState::AtRisk;
                api.reason.clone_from(&risk.why);
            }
        }
    }
}

/// FNV-1a over what makes a risk the one that it is.
fn risk_id(signal: &SignalKey, statistic: &str, stated: Time) -> RiskId {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let text = format!("{signal}\n{statistic}\n{}", stated.as_nanos());
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    RiskId(hash)
}

/// Seconds after `now`, as a time; far ones end at the far end.
fn after(now: Time, secs: f64) -> Time {
    now + std::time::Duration::try_from_secs_f64(secs.clamp(0.0, 1e9)).unwrap_or_default()
}
