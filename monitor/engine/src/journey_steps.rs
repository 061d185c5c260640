//! Whether journeys still have the steps that they usually have: none missing, none repeated, in order.
//!
//! `diagnose` says of each journey in which way its steps are not as usual; here the share of such
//! journeys is held against the share that is usual of its type. An anomaly is told of the type's entry and
//! names the step that most of them have it with. Journeys are judged a while after they ended, so that when
//! anyone asks changes nothing.
//!
//! What was lost on the way to us is not missing. `diagnose` leaves out journeys in which it shows that a span was
//! lost. Where both the call and what served it were lost, nothing shows: when a share d of all spans is
//! lost, 2d(1−d) of the journeys are without one of a step's two spans and d² are without both, so
//! with u unclear and w whole ones at least u²/4w may be without both. Four times as many, for losses that come in
//! bursts, are not counted as missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, ApiKey, Contribution, JourneyTypeId, Measure, Name, ServiceKey, Settings, Subject,
    Time,
};
use monitor_detect::{Detector, Phase, RatioDetector, RatioKind, Reading, Sample};
use monitor_diagnose::{Journeys, StepCounts};
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;

/// How often journeys are taken, and how long after they ended.
const EVERY_SECS: i64 = 10;
const SETTLED: Duration = Duration::from_secs(20);
/// Enough to judge: so many journeys, or some in a minute, or whatever came in ten.
const MANY: u64 = 50;
const SOME: u64 = 10;
const MINUTE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(600);
/// As `diagnose` tells of them.
const WAYS: [RatioKind; 3] = [
    RatioKind::MissingStep,
    RatioKind::RepeatedStep,
    RatioKind::StepOrder,
];
/// Steps that are told apart while journeys are gathered.
const STEPS: usize = 64;

/// At most as many as there are types of journeys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StepBook {
    types: BTreeMap<JourneyTypeId, Watched>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    entry: Arc<ApiKey>,
    models: [RatioDetector; 3],
    episodes: [Episode; 3],
    gathered: Gathered,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Gathered {
    start: Option<Time>,
    end: Time,
    active_secs: u32,
    unclear: u64,
    ways: [Way; 3],
}

/// Journeys that are odd in one way, of so many, and the steps that they are odd by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Way {
    odd: u64,
    of: u64,
    steps: BTreeMap<(Arc<ApiKey>, Option<Arc<ApiKey>>), u64>,
}

/// What judging depends on besides the journeys.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) config: &'a EngineConfig,
    pub(crate) untaught: &'a dyn Fn(&ServiceKey, &Name) -> bool,
}

impl StepBook {
    /// Judges the journeys that ended a while ago. Every ten seconds, O(types).
    pub(crate) fn step(
        &mut self,
        second: i64,
        journeys: &mut Journeys,
        context: &Context<'_>,
        changes: &mut Vec<Change>,
    ) {
        if second.rem_euclid(EVERY_SECS) != 0 {
            return;
        }
        let now = Time::from_secs(second);
        for counts in journeys.take_steps(now - SETTLED) {
            let watched = self
                .types
                .entry(counts.kind)
                .or_insert_with(|| Watched::new(&counts.entry, context.config));
            watched.gathered.add(&counts);
            if watched.gathered.is_complete() && watched.judge(&counts, context, changes) {
                watched.models = models_of(context.config);
                journeys.learn_steps_afresh(counts.kind);
            }
        }
        for watched in self.types.values_mut() {
            for episode in &mut watched.episodes {
                changes.extend(episode.expire(now));
            }
        }
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        (self.types.values().flat_map(|watched| &watched.episodes))
            .filter_map(|episode| Some(&episode.open.as_ref()?.anomaly))
    }
}

fn models_of(config: &EngineConfig) -> [RatioDetector; 3] {
    WAYS.map(|kind| models::journey_steps(kind, config))
}

impl Watched {
    fn new(entry: &Arc<ApiKey>, config: &EngineConfig) -> Watched {
        Watched {
            entry: Arc::clone(entry),
            models: models_of(config),
            episodes: Default::default(),
            gathered: Gathered::default(),
        }
    }

    /// Whether what is unusual has lasted for so long that it is the new normal.
    fn judge(
        &mut self,
        counts: &StepCounts,
        context: &Context<'_>,
        changes: &mut Vec<Change>,
    ) -> bool {
        let gathered = std::mem::take(&mut self.gathered);
        let Some(start) = gathered.start else {
            return false;
        };
        let (service, environment) = (&self.entry.service, &self.entry.environment);
        let own = (context.settings.of(service, environment)).map(|own| &**own);
        let budget = models::step_budget(own, context.config);
        let off = own.is_some_and(|own| own.paused || own.error_ratio.is_off());
        let held = (context.untaught)(service, environment);
        let subject = Subject::Api(Arc::clone(&self.entry));
        let mut shifted = false;
        let ways = self.models.iter_mut().zip(&mut self.episodes);
        for ((model, episode), way) in ways.zip(&gathered.ways) {
            model.grant(budget);
            model.hold(held);
            let part = if model.name() == MISSING {
                way.odd.saturating_sub(lost(gathered.unclear, way.of))
            } else {
                way.odd
            };
            let sample = Sample {
                start,
                span: gathered.end.since(start),
                active_secs: gathered.active_secs,
                reading: Reading::Share {
                    part,
                    whole: way.of,
                },
            };
            let Some(verdict) = model.judge(&sample) else {
                continue;
            };
            shifted |= verdict.phase == Phase::Shifted;
            if off {
                changes.extend(episode.dismiss(gathered.end, NOT_JUDGED));
                continue;
            }
            let origin = Origin {
                subject: &subject,
                measure: Measure::JourneySteps(counts.kind),
                detector: model.name(),
                scale: 1.0,
                peers: None,
            };
            changes.extend(episode.follow(&verdict, origin, |_| {
                way.worst(&counts.name).into_iter().collect()
            }));
        }
        shifted
    }
}

const MISSING: &str = "journey-step-missing";

/// Of so many whole journeys, how many may be without a step because all that told of it was lost.
fn lost(unclear: u64, whole: u64) -> u64 {
    let both = u128::from(unclear)
        .pow(2)
        .div_ceil(u128::from(whole.max(1)));
    u64::try_from(both).unwrap_or(u64::MAX)
}

impl Gathered {
    fn add(&mut self, counts: &StepCounts) {
        self.start.get_or_insert(counts.start);
        self.end = counts.start + counts.span;
        let secs = u32::try_from(counts.span.as_secs()).unwrap_or(u32::MAX);
        self.active_secs = self.active_secs.saturating_add(secs);
        self.unclear += counts.unclear;
        for (way, trouble) in self.ways.iter_mut().zip(&counts.troubles) {
            way.odd += trouble.journeys;
            way.of += trouble.of;
            let Some((step, journeys, before)) = &trouble.step else {
                continue;
            };
            let key = (Arc::clone(step), before.clone());
            if way.steps.len() < STEPS || way.steps.contains_key(&key) {
                *way.steps.entry(key).or_default() += journeys;
            }
        }
    }

    fn is_complete(&self) -> bool {
        let Some(start) = self.start else {
            return false;
        };
        let journeys = self.ways.iter().map(|way| way.of).min().unwrap_or(0);
        let span = self.end.since(start);
        journeys >= MANY || (journeys >= SOME && span >= MINUTE) || span >= LONGEST
    }
}

impl Way {
    /// What most have it with: the type's name, and the step with its service.
    fn worst(&self, name: &Name) -> Option<Contribution> {
        let ((step, before), journeys) =
            (self.steps.iter()).max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))?;
        let of = |api: &ApiKey| format!("{} of {}", api.operation(), api.service.name);
        let value = match before {
            Some(before) => format!("{} before {}", of(step), of(before)),
            None => of(step),
        };
        Some(Contribution {
            dimension: name.clone(),
            value: value.into(),
            share: (*journeys as f64 / self.odd.max(1) as f64).min(1.0),
            usual_share: 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use monitor_diagnose::StepTrouble;
    use proptest::prelude::*;

    use super::*;

    /// A type's journeys for so many days, a window each 20 s, of which each is odd in each way by a chance of its own.
    /// How many anomalies opened.
    fn opened(per_week: f64, days: u64, seed: u64) -> usize {
        let config = EngineConfig {
            false_alarms_per_api_week: per_week,
            ..EngineConfig::default()
        };
        let settings = Settings::default();
        let context = Context {
            settings: &settings,
            config: &config,
            untaught: &|_, _| false,
        };
        let entry = Arc::new(ApiKey {
            environment: "cloud".into(),
            service: ServiceKey::new("shop", "web"),
            method: "GET".into(),
            route: "/buy".into(),
        });
        let mut watched = Watched::new(&entry, &config);
        let mut state = seed;
        let mut unit = move || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut changes = Vec::new();
        for window in 0..i64::try_from(days * 4_320).expect("few days") {
            let troubles = [0.03, 0.01, 0.002].map(|chance| {
                let chance = chance * (0.5 + unit());
                StepTrouble {
                    journeys: (0..60).map(|_| u64::from(unit() < chance)).sum(),
                    of: 60,
                    step: None,
                }
            });
            let counts = StepCounts {
                kind: JourneyTypeId(1),
                name: "GET /buy".into(),
                entry: Arc::clone(&entry),
                start: Time::from_secs(20 * window),
                span: Duration::from_secs(20),
                unclear: 0,
                troubles,
            };
            watched.gathered.add(&counts);
            assert!(!watched.judge(&counts, &context, &mut changes));
        }
        let is_new = |change: &&Change| matches!(change, Change::Opened(_));
        changes.iter().filter(is_new).count()
    }

    #[test]
    fn a_normal_course_gives_no_more_false_alarms_than_are_permitted() {
        // Of a week's hundred an eighth: 12.5, and 0.0125 at the usual sensitivity.
        let many: usize = (0..4).map(|seed| opened(100.0, 2, seed)).sum();
        assert!(many <= 21, "{many} where 14 are permitted");
        assert_eq!(opened(0.1, 4, 9), 0);
    }

    proptest! {
        /// Whatever share of the spans is lost, each by itself: nothing looks as if it were missing.
        #[test]
        fn spans_that_are_lost_are_no_missing_steps(
            calls in 100_u64..100_000,
            share in 0.0_f64..0.63,
        ) {
            let of = |share: f64| (calls as f64 * share) as u64;
            let both = of(share * share);
            let unclear = of(2.0 * share * (1.0 - share));
            let whole = calls.saturating_sub(unclear);
            prop_assert!(both <= lost(unclear, whole) + 1, "{both} {unclear} {whole}");
        }

        #[test]
        fn few_unclear_journeys_hide_nothing(whole in 1_000_u64..100_000) {
            prop_assert!(lost(whole / 50, whole) <= whole / 2_000 + 1);
        }
    }
}
