//! Minutes of Apis in which values that are each usual come together as they never do.
//!
//! At the end of each minute every Api's numbers go to the one forest that all share
//! ([`IsolationForest`]). While something else is known to be wrong with an Api nothing is concluded
//! from its combinations: the detectors of single signals have told.

use std::collections::BTreeSet;

use monitor_core::{Anomaly, Contribution, Measure, Name, Settings, Subject, Time};
use monitor_detect::{Attitude, Isolated, IsolationForest, MinuteHabit, Quantity};
use serde::{Deserialize, Serialize};

use crate::api::{ApiTrack, NOT_JUDGED};
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;

const DETECTOR: &str = "isolation-forest";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CombinationBook {
    forest: IsolationForest,
    /// By the number of the Api's track; those that never had enough calls in a minute have none.
    apis: Vec<Option<Box<Watched>>>,
    /// Of these, those with an open anomaly.
    open: BTreeSet<u32>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Watched {
    habit: MinuteHabit,
    episode: Episode,
}

impl CombinationBook {
    /// Judges the minute that ends with `second`, if one does. O(Apis).
    pub(crate) fn step(
        &mut self,
        second: i64,
        apis: &[ApiTrack],
        settings: &Settings,
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        let end = second.saturating_add(1);
        if end.rem_euclid(60) != 0 {
            return;
        }
        self.apis.resize_with(apis.len(), || None);
        for ((at, api), place) in (0u32..).zip(apis).zip(&mut self.apis) {
            let minute = api.combinable_minute(end - 60);
            let Some(minute) = minute else {
                if let Some(known) = place
                    && api.is_uncombined()
                {
                    changes.extend(known.episode.dismiss(Time::from_secs(end), NOT_JUDGED));
                }
                continue;
            };
            let own = settings.of(&api.key.service, &api.key.environment);
            let attitude = Attitude {
                disturbed: api.has_open(),
                held: api.is_held(),
                sensitivity: models::combination_budget(own.map(|own| &**own), config),
                shift_after: config.shift_after,
            };
            let known = place.get_or_insert_with(Box::default);
            let Some(told) = self.forest.judge(&mut known.habit, &minute, attitude) else {
                continue;
            };
            changes.extend(follow(api, &mut known.episode, &told));
            if known.episode.open.is_some() {
                self.open.insert(at);
            }
        }
        self.forest.end_minute(Time::from_secs(end));
        let known = &mut self.apis;
        self.open.retain(|at| {
            let Some(Some(known)) = known.get_mut(*at as usize) else {
                return false;
            };
            changes.extend(known.episode.expire(Time::from_secs(end)));
            known.episode.open.is_some()
        });
    }

    /// What the Api with this number has learned of its combinations.
    pub(crate) fn part(&self, api: usize) -> Option<(Measure, &'static str, &Episode)> {
        let known = self.apis.get(api)?.as_ref()?;
        Some((Measure::Combination, DETECTOR, &known.episode))
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.open.iter().filter_map(|at| {
            let known = self.apis.get(*at as usize)?.as_ref()?;
            known.episode.open.as_ref().map(|open| &open.anomaly)
        })
    }
}

fn follow(api: &ApiTrack, episode: &mut Episode, told: &Isolated) -> Option<Change> {
    let subject = Subject::Api(api.key.clone());
    let origin = Origin {
        subject: &subject,
        measure: Measure::Combination,
        detector: DETECTOR,
        scale: 1.0,
        peers: None,
    };
    episode.follow(&told.verdict, origin, |_| {
        told.quantities.iter().map(contribution).collect()
    })
}

/// `response time`, `1.9× usual`.
fn contribution(quantity: &Quantity) -> Contribution {
    let value = if quantity.name == "failures" {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        format!(
            "{} (usually {})",
            percent(quantity.actual),
            percent(quantity.usual)
        )
    } else {
        format!("{:.2}× usual", quantity.actual / quantity.usual)
    };
    Contribution {
        dimension: Name::from(quantity.name),
        value: value.into(),
        share: quantity.share,
        usual_share: quantity.usual_share,
    }
}
