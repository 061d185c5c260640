//! What share of an Api's calls was good, for the objectives that people set.
//!
//! An error budget is what an objective leaves to spend: at 99.9 % one call of a thousand may be bad.
//! The burn rate is how many times faster than evenly it is spent (Beyer, Murphy, Rensin, Kawahara,
//! Thorne: "The Site Reliability Workbook", chapter 5). Known and shown here; nobody is told of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use monitor_core::{
    ApiKey, BudgetImpact, Name, Objective, ObjectiveView, ServiceKey, Settings, Time, Watching,
    Workload,
};
use serde::{Deserialize, Serialize};

use crate::api::ApiTrack;
use crate::bucket::CallBucket;

const MINUTE_SECS: i64 = 60;
const HOUR_SECS: i64 = 3_600;
/// The fast burn rate is of this.
const MINUTES: i64 = 60;
/// The slow one is of this.
const SLOW_HOURS: i64 = 6;

/// The calls of one Api that count for one objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    objective: Name,
    threshold: Option<f64>,
    window_secs: i64,
    /// Each with its number since the epoch; the latest last.
    minutes: VecDeque<(i64, Calls)>,
    hours: VecDeque<(i64, Calls)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calls {
    all: u64,
    bad: u64,
}

impl Calls {
    fn add(&mut self, other: Calls) {
        self.all = self.all.saturating_add(other.all);
        self.bad = self.bad.saturating_add(other.bad);
    }

    /// How much faster than evenly the budget is spent; `None` without calls.
    fn burn_rate(self, ratio: f64) -> Option<f64> {
        (self.all > 0).then(|| self.bad as f64 / self.all as f64 / (1.0 - ratio))
    }
}

impl Ledger {
    fn new(objective: &Objective) -> Ledger {
        Ledger {
            objective: Name::clone(&objective.name),
            threshold: objective.latency_threshold,
            window_secs: i64::try_from(objective.window.as_secs()).unwrap_or(i64::MAX),
            minutes: VecDeque::new(),
            hours: VecDeque::new(),
        }
    }

    /// Counts the same calls as bad, over whatever window.
    pub(crate) fn is_of(&self, objective: &Objective) -> bool {
        self.objective == objective.name && self.threshold == objective.latency_threshold
    }

    /// Slow calls are counted within the sketch's 1 %.
    pub(crate) fn count(&mut self, second: i64, bucket: &CallBucket) {
        let slow = self.threshold.map_or(0, |limit| {
            let slow = bucket.latencies.count_above(limit);
            slow.saturating_sub(bucket.failed_latencies.count_above(limit))
        });
        let calls = Calls {
            all: bucket.calls,
            bad: bucket.server_errors.saturating_add(slow).min(bucket.calls),
        };
        let hours = self.window_secs.max(SLOW_HOURS * HOUR_SECS) / HOUR_SECS;
        add(
            &mut self.minutes,
            second.div_euclid(MINUTE_SECS),
            calls,
            MINUTES,
        );
        add(&mut self.hours, second.div_euclid(HOUR_SECS), calls, hours);
    }
}

fn add(slots: &mut VecDeque<(i64, Calls)>, number: i64, calls: Calls, most: i64) {
    match slots.back_mut() {
        Some((last, sum)) if *last >= number => sum.add(calls),
        _ => slots.push_back((number, calls)),
    }
    while slots.front().is_some_and(|first| first.0 <= number - most) {
        slots.pop_front();
    }
}

/// The sum of the slots that begin less than `seconds` before `now`.
fn sum(slots: &VecDeque<(i64, Calls)>, slot_secs: i64, now: i64, seconds: i64) -> Calls {
    let mut total = Calls::default();
    for (number, calls) in slots.iter().rev() {
        if now - number * slot_secs >= seconds {
            break;
        }
        total.add(*calls);
    }
    total
}

/// The ledgers of an Api whose workload has these objectives; what was counted before stays.
pub(crate) fn ledgers(before: Vec<Ledger>, own: Option<&Watching>, key: &ApiKey) -> Vec<Ledger> {
    let Some(own) = own.filter(|own| !own.objectives.is_empty()) else {
        return Vec::new();
    };
    let method = Some(&*key.method).filter(|method| !method.is_empty());
    let concerned = own.objectives.iter().filter(|objective| {
        let route = objective.route.as_ref();
        route.is_none_or(|route| route.matches(method, &key.route))
    });
    concerned
        .map(|objective| {
            let fresh = Ledger::new(objective);
            match before.iter().find(|known| known.is_of(objective)) {
                Some(known) => Ledger {
                    window_secs: fresh.window_secs,
                    ..known.clone()
                },
                None => fresh,
            }
        })
        .collect()
}

/// Of the objectives of these workloads: what was spent since `began`, what is left, and when nothing
/// will be. Of what began over an hour ago, the whole hour counts.
pub(crate) fn spent_since(
    apis: &[ApiTrack],
    settings: &Settings,
    concerned: &BTreeSet<Workload>,
    began: Time,
    now: i64,
) -> Vec<BudgetImpact> {
    let workload = |api: &ApiTrack| Workload {
        service: api.key.service.clone(),
        environment: Name::clone(&api.key.environment),
    };
    let watched = || {
        let with = apis.iter().filter(|api| !api.is_retired());
        with.filter(|api| api.objectives().next().is_some() && concerned.contains(&workload(api)))
    };
    let lasted = now.saturating_sub(began.as_secs()).max(0);
    let mut bad: BTreeMap<(&ServiceKey, &Name, &Name), u64> = BTreeMap::new();
    for api in watched() {
        for (_, ledger) in api.objectives() {
            let since = if lasted <= MINUTES * MINUTE_SECS {
                sum(&ledger.minutes, MINUTE_SECS, now, lasted + MINUTE_SECS)
            } else {
                sum(&ledger.hours, HOUR_SECS, now, lasted + HOUR_SECS)
            };
            let key = (&api.key.service, &api.key.environment, &ledger.objective);
            *bad.entry(key).or_default() += since.bad;
        }
    }
    let states = view(watched(), now).into_iter();
    states
        .filter_map(|state| {
            let window = state.window.as_secs_f64();
            let seen = state.seen.as_secs_f64().max(1.0);
            let bad = bad.get(&(&state.service, &state.environment, &state.name))?;
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let (calls, bad) = (state.calls as f64, *bad as f64);
            // Were calls to come as they have so far.
            let allowed = calls * window / seen * (1.0 - state.ratio);
            (allowed > 0.0 && window > 0.0).then_some(())?;
            let left = 1.0 - (1.0 - state.budget_remaining?) * seen / window;
            let burn = state.burn_5m.unwrap_or_default();
            let secs = left.max(0.0) * window / burn;
            let weight = weight(
                settings,
                &Workload {
                    service: state.service.clone(),
                    environment: Name::clone(&state.environment),
                },
            );
            Some(BudgetImpact {
                service: state.service,
                environment: state.environment,
                objective: state.name,
                weight,
                spent: (bad / allowed * 1e6).round() / 1e6,
                left: (left * 1e6).round() / 1e6,
                gone: (secs.is_finite() && secs < window)
                    .then(|| Time::from_secs(now) + std::time::Duration::from_secs_f64(secs)),
            })
        })
        .collect()
}

/// How much a workload counts beside others.
pub(crate) fn weight(settings: &Settings, workload: &Workload) -> f64 {
    let own = settings.of(&workload.service, &workload.environment);
    own.map_or(1.0, |own| own.weight())
}

/// The response time that an objective allows an Api, in seconds; the shortest of several.
pub(crate) fn response_time(settings: &Settings, api: &ApiKey) -> Option<f64> {
    let own = settings.of(&api.service, &api.environment)?;
    let method = Some(&*api.method).filter(|method| !method.is_empty());
    let concerned = own.objectives.iter().filter(|objective| {
        let route = objective.route.as_ref();
        route.is_none_or(|route| route.matches(method, &api.route))
    });
    concerned
        .filter_map(|objective| objective.latency_threshold)
        .min_by(f64::total_cmp)
}

/// Each objective of each workload, summed over the Apis that it is about.
pub(crate) fn view<'a>(apis: impl Iterator<Item = &'a ApiTrack>, now: i64) -> Vec<ObjectiveView> {
    /// Of several spans; since when calls are known; whose they are.
    type Sums = ([Calls; 5], Option<i64>, Vec<Arc<ApiKey>>);
    let mut sums: BTreeMap<(&ServiceKey, &Name, &Name), (&Objective, Sums)> = BTreeMap::new();
    for api in apis {
        for (objective, ledger) in api.objectives() {
            let key = (&api.key.service, &api.key.environment, &ledger.objective);
            let (_, (calls, since, keys)) = sums
                .entry(key)
                .or_insert_with(|| (objective, Sums::default()));
            let (minutes, hours) = (&ledger.minutes, &ledger.hours);
            let spans = [
                sum(hours, HOUR_SECS, now, ledger.window_secs),
                sum(minutes, MINUTE_SECS, now, 5 * MINUTE_SECS),
                sum(minutes, MINUTE_SECS, now, 30 * MINUTE_SECS),
                sum(minutes, MINUTE_SECS, now, HOUR_SECS),
                sum(hours, HOUR_SECS, now, SLOW_HOURS * HOUR_SECS),
            ];
            for (total, span) in calls.iter_mut().zip(spans) {
                total.add(span);
            }
            let first = ledger.hours.front().map(|first| first.0 * HOUR_SECS);
            *since = match (*since, first) {
                (Some(known), Some(first)) => Some(known.min(first)),
                (known, first) => known.or(first),
            };
            keys.push(Arc::clone(&api.key));
        }
    }
    sums.into_iter()
        .map(|((service, environment, name), (objective, sums))| {
            let ([whole, five, thirty, hour, hours], since, apis) = sums;
            let seen = since.map_or(0, |since| now.saturating_sub(since));
            ObjectiveView {
                service: service.clone(),
                environment: Name::clone(environment),
                name: Name::clone(name),
                ratio: objective.ratio,
                latency_threshold: objective.latency_threshold,
                window: objective.window,
                seen: std::time::Duration::from_secs(seen.max(0).unsigned_abs())
                    .min(objective.window),
                calls: whole.all,
                bad: whole.bad,
                budget_remaining: whole.burn_rate(objective.ratio).map(|spent| 1.0 - spent),
                burn_5m: five.burn_rate(objective.ratio),
                burn_30m: thirty.burn_rate(objective.ratio),
                burn_1h: hour.burn_rate(objective.ratio),
                burn_6h: hours.burn_rate(objective.ratio),
                apis,
            }
        })
        .collect()
}
