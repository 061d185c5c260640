//! How services are, beyond what is anomalous about them: for whoever looks for a cause.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{Name, ServiceKey, Time, Workload};
use monitor_diagnose::Vitals;
use rustc_hash::FxHashMap;

use crate::api::ApiTrack;
use crate::config::EngineConfig;
use crate::service::ServiceTrack;

/// A service is not silent before nothing came for so long …
const SHORTEST_SILENCE_SECS: i64 = 10;
/// … and before so many calls should have come by its usual rate: a Poisson process misses that many
/// once in 22,000 times.
const MISSED: f64 = 10.0;

/// What one of a service's Apis, or its logs, say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// There is a verdict on it.
    pub(crate) judged: bool,
    /// Calls or records since it is known.
    pub(crate) events: u64,
    pub(crate) first_seen: i64,
    pub(crate) last_seen: i64,
    /// It logs clearly more errors than usual.
    pub(crate) complains: bool,
    /// Its records bear wrong times, so its silence says nothing.
    pub(crate) unreadable: bool,
}

/// All pulses of one service of one kind.
#[derive(Clone, Copy, Debug)]
struct Sum {
    events: u64,
    first_seen: i64,
    last_seen: i64,
}

impl Sum {
    fn add(sum: &mut Option<Sum>, pulse: Pulse) {
        if pulse.events == 0 {
            return;
        }
        let sum = sum.get_or_insert(Sum {
            events: 0,
            first_seen: pulse.first_seen,
            last_seen: pulse.last_seen,
        });
        sum.events += pulse.events;
        sum.first_seen = sum.first_seen.min(pulse.first_seen);
        sum.last_seen = sum.last_seen.max(pulse.last_seen);
    }

    fn silent_since(self, end: i64) -> Option<Time> {
        let since = self.last_seen.saturating_add(1);
        let quiet = end.saturating_sub(since);
        let known = since.saturating_sub(self.first_seen).max(1);
        let missed = self.events as f64 / known as f64 * quiet as f64;
        (quiet >= SHORTEST_SILENCE_SECS && missed >= MISSED).then(|| Time::from_secs(since))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    calls: Option<Sum>,
    logs: Option<Sum>,
    judged: bool,
    complains: bool,
    unreadable: bool,
}

/// Of each of `concerned`, as of the end of a second. One pass over all that is watched.
pub(crate) fn of(
    concerned: BTreeSet<Workload>,
    apis: &[ApiTrack],
    services: &[ServiceTrack],
    end: i64,
    config: &EngineConfig,
) -> BTreeMap<Workload, Vitals> {
    let mut known: FxHashMap<(&ServiceKey, &Name), Known> = concerned
        .iter()
        .map(|workload| ((&workload.service, &workload.environment), Known::default()))
        .collect();
    for api in apis {
        if let Some(known) = known.get_mut(&(&api.key.service, &api.key.environment)) {
            let pulse = api.pulse();
            Sum::add(&mut known.calls, pulse);
            known.judged |= pulse.judged;
        }
    }
    for service in services {
        if let Some(known) = known.get_mut(&(&service.service, &service.environment)) {
            let pulse = service.pulse(end, config);
            Sum::add(&mut known.logs, pulse);
            known.judged |= pulse.judged;
            known.complains |= pulse.complains;
            known.unreadable |= pulse.unreadable;
        }
    }
    concerned
        .iter()
        .map(|workload| {
            let known = known
                .get(&(&workload.service, &workload.environment))
                .copied()
                .unwrap_or_default();
            // A service that hangs may still write logs; where calls are known, they decide.
            let silent_since = known
                .calls
                .or(known.logs)
                .filter(|_| !known.unreadable)
                .and_then(|sum| sum.silent_since(end));
            let vitals = Vitals {
                judged: known.judged,
                silent_since,
                complains: known.complains,
            };
            (workload.clone(), vitals)
        })
        .collect()
}
