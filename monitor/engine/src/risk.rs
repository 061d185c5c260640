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
mod filling;
mod learner;
mod omens;
mod signals;
mod watch;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monitor_core::{
    ApiFuture, ApiKey, ApiState, ApiView, Name, Risk, RiskId, ServiceKey, SignalKey, Subject, Time,
};
use monitor_diagnose::Journeys;
use serde::{Deserialize, Serialize};

use self::budget::Budgets;
use self::failures::{Failures, Precursors, Statement};
use self::filling::Fillings;
use self::signals::{Signals, Widths};
use self::watch::ApiWatch;
use crate::api::ApiTrack;
use crate::dependency::DependencyTrack;
use crate::ledger::Ledger;
use crate::service::ServiceTrack;

pub(crate) use self::failures::FAILURE_HORIZON_SECS;
pub(crate) use self::learner::Learner;

/// Ended risks that the view still shows.
const ENDED_KEPT: usize = 100;
/// Seconds between two looks at the trends.
const LOOK_SECS: i64 = 10;
const MINUTE_SECS: i64 = 60;
/// What so many of an Api's calls wait for can take its 95th percentile beyond a limit.
pub(crate) const MANY_WAIT: f64 = 0.05;

/// What is known of an Api's next minutes, for those that wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ahead {
    /// Of failing; 1 when it does.
    pub(crate) chance: f64,
    pub(crate) is_failing: bool,
    /// How far its response time is from usual (0) to its limit (1).
    pub(crate) way: f64,
    /// How full something of its service will be, from where that is felt (0) on.
    pub(crate) filling: f64,
}

/// The worst of what an Api depends on, as it was a minute ago.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Below {
    chance: f64,
    omen: Option<f64>,
    filling: f64,
}

/// What it looks at.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    pub(crate) apis: &'a [ApiTrack],
    pub(crate) services: &'a [ServiceTrack],
    pub(crate) dependencies: &'a [DependencyTrack],
    pub(crate) journeys: &'a Journeys,
}

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
    widths: Widths,
    budgets: Budgets,
    fillings: Fillings,
    /// How likely a stated trend arrives, learned from those that ended.
    arrivals: Learner,
    failures: Failures,
    /// In the order of the engine's Apis, since the last minute.
    #[serde(skip)]
    ahead: Vec<Ahead>,
    ledger: Ledger,
    /// The latest last.
    ended: VecDeque<Risk>,
}

impl Foresight {
    /// Looks ahead at the end of `second`, when it is time to: `None` when it is not. O(1) for an Api at
    /// rest, some microseconds for one that is above its usual.
    pub(crate) fn step(
        &mut self,
        second: i64,
        seen: &Watched<'_>,
        max_forecast: usize,
    ) -> Option<Vec<RiskChange>> {
        let apis = seen.apis;
        let end = second.saturating_add(1);
        if end.rem_euclid(LOOK_SECS) != 0 {
            return None;
        }
        let minute = end.rem_euclid(MINUTE_SECS) == 0;
        let mut changes = Vec::new();
        self.apis.resize_with(apis.len(), ApiWatch::default);
        let mut failed: BTreeSet<(&ServiceKey, &Name)> = BTreeSet::new();
        for (watch, api) in self.apis.iter_mut().zip(apis) {
            let crossed = watch.look(end, api, &mut self.arrivals, &mut self.ledger, &mut changes);
            if crossed {
                self.failures.came(watch.pending(), end, &mut self.ledger);
                failed.insert((&api.key.service, &api.key.environment));
            }
        }
        self.fillings
            .step(end, seen.services, &failed, &mut self.ledger, &mut changes);
        if minute {
            self.foresee_failures(end, seen);
            self.signals
                .resize_with(apis.len().min(max_forecast), Signals::default);
            for (signals, api) in self.signals.iter_mut().zip(apis) {
                signals.step(end, api, &mut self.widths, &mut self.ledger);
            }
            self.widths.end_minute();
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
        Some(changes)
    }

    /// How likely each Api fails in the next minutes.
    fn foresee_failures(&mut self, end: i64, seen: &Watched<'_>) {
        let services: BTreeMap<(&ServiceKey, &Name), &ServiceTrack> = seen
            .services
            .iter()
            .map(|service| ((&service.service, &service.environment), service))
            .collect();
        let mut growing: BTreeMap<(&ServiceKey, &Name), usize> = BTreeMap::new();
        // The worst of each service's Apis a minute ago, wherever it runs: callers know a name only.
        let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
        for (watch, api) in self.apis.iter().zip(seen.apis) {
            if watch.open().is_some() {
                *growing
                    .entry((&api.key.service, &api.key.environment))
                    .or_default() += 1;
            }
            let worst = worst.entry(&api.key.service.name).or_default();
            *worst = worst.max(watch.chance());
        }
        let mut omens: BTreeMap<&str, f64> = BTreeMap::new();
        for service in seen.services {
            if let Some((_, share)) = self.failures.omen(service.warnings.news(end)) {
                let omen = omens.entry(&service.service.name).or_default();
                *omen = omen.max(share);
            }
        }
        // Of services, by place, and the worst wherever it runs.
        let mut fillings: BTreeMap<(&ServiceKey, &Name), f64> = BTreeMap::new();
        let mut fullest: BTreeMap<&str, f64> = BTreeMap::new();
        for service in seen.services {
            let level = filling::level_ahead(service.fills.next(end).as_ref(), end);
            if level > 0.0 {
                fillings.insert((&service.service, &service.environment), level);
                let worst = fullest.entry(&service.service.name).or_default();
                *worst = worst.max(level);
            }
        }
        let mut below: BTreeMap<(&ServiceKey, &Name), Below> = BTreeMap::new();
        for asked in seen.dependencies {
            let below = below
                .entry((&asked.service, &asked.environment))
                .or_default();
            let chance = worst.get(&*asked.callee).copied().unwrap_or_default();
            below.chance = below.chance.max(chance);
            if let Some(share) = omens.get(&*asked.callee) {
                below.omen = Some(below.omen.unwrap_or_default().max(*share));
            }
            let filling = fullest.get(&*asked.callee).copied().unwrap_or_default();
            below.filling = below.filling.max(filling);
        }
        let waited = self.waited(seen, &omens, &fillings);
        self.ahead.clear();
        for (watch, api) in self.apis.iter_mut().zip(seen.apis) {
            let place = (&api.key.service, &api.key.environment);
            let service = services.get(&place);
            let own = usize::from(watch.open().is_some());
            // What it waits for itself, where that is known, and not all that its service calls.
            let below = waited
                .get(&*api.key)
                .or_else(|| below.get(&place))
                .copied()
                .unwrap_or_default();
            let position = watch.position(api);
            let filling = fillings.get(&place).copied().unwrap_or_default();
            let statement = position.map(|position| Statement {
                precursors: Precursors {
                    arrives: position.arrives,
                    way: position.way,
                    rising: position.rising,
                    heading: position.heading,
                    failing_calls: position.errors,
                    anomalous: api.open_anomalies().next().is_some(),
                    complaints: service
                        .is_some_and(|service| service.open_anomalies().next().is_some()),
                    sibling: growing.get(&place).is_some_and(|growing| *growing > own),
                    due: watch.due(end),
                    below: below.chance,
                    filling,
                    filling_below: below.filling,
                },
                omen: service.and_then(|service| self.failures.omen(service.warnings.news(end))),
                omen_below: below.omen,
            });
            let waiting = watch.pending();
            self.failures.not_come(waiting, end, &mut self.ledger);
            let chance = match statement {
                Some(statement) => Some(self.failures.say(waiting, end, &statement)),
                None => {
                    waiting.clear();
                    None
                }
            };
            watch.said(chance);
            self.ahead.push(Ahead {
                chance: watch.chance(),
                is_failing: watch.is_failing(),
                way: position.map_or(0.0, |position| position.way.clamp(0.0, 1.0)),
                filling,
            });
        }
    }

    /// Of each Api that is known from journeys, the worst of what it waits for.
    fn waited<'a>(
        &self,
        seen: &Watched<'a>,
        omens: &BTreeMap<&str, f64>,
        fillings: &BTreeMap<(&ServiceKey, &Name), f64>,
    ) -> BTreeMap<&'a ApiKey, Below> {
        let chances: BTreeMap<&ApiKey, f64> = seen
            .apis
            .iter()
            .zip(&self.apis)
            .map(|(api, watch)| (&*api.key, watch.chance()))
            .collect();
        let worst = |hops: &[(&ApiKey, f64)]| {
            let mut worst = Below::default();
            for (hop, share) in hops {
                // What so few wait for does not make the Api's percentiles fail.
                let weight = (share / MANY_WAIT).min(1.0);
                let chance = chances.get(hop).copied().unwrap_or_default();
                worst.chance = worst.chance.max(chance * weight);
                let filling = fillings.get(&(&hop.service, &hop.environment));
                worst.filling = (worst.filling).max(filling.copied().unwrap_or_default() * weight);
                if let Some(omen) = omens.get(&*hop.service.name).filter(|_| weight >= 1.0) {
                    worst.omen = Some(worst.omen.unwrap_or_default().max(*omen));
                }
            }
            worst
        };
        let waits = seen.journeys.waits();
        waits.map(|(api, hops)| (api, worst(&hops))).collect()
    }

    /// What is known of each Api's next minutes, in the order of the engine's Apis.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = Ahead> {
        self.ahead.iter().copied()
    }

    /// Whether each Api's response times head for a limit or are beyond one, in the order of the engine's
    /// Apis.
    pub(crate) fn grow_slower(&self) -> impl Iterator<Item = bool> {
        self.apis.iter().map(ApiWatch::grows_slower)
    }

    /// What is open, by Api.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Risk> {
        self.apis
            .iter()
            .filter_map(ApiWatch::open)
            .chain(self.budgets.open())
            .chain(self.fillings.open())
    }

    /// For the view: open ones, the soonest first, then those that ended, the latest first.
    pub(crate) fn risks(&self) -> Vec<Risk> {
        let mut open: Vec<Risk> = self.open().cloned().collect();
        open.sort_by_key(|a| (a.expected, a.id));
        open.extend(self.ended.iter().rev().cloned());
        open
    }

    /// What is expected of the Api with this number.
    pub(crate) fn future(&self, at: usize, api: &ApiTrack) -> ApiFuture {
        let watch = self.apis.get(at).filter(|_| api.is_foreseeable());
        let signals = self.signals.get(at).filter(|_| api.is_foreseeable());
        ApiFuture {
            failure_chance: watch.map(ApiWatch::chance),
            signals: signals.map_or_else(Vec::new, |signals| signals.future(&self.widths)),
        }
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
