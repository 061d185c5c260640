//! Numbers out of log fields that people want watched: each a signal of its own.
//!
//! Nothing is known of such a number but its past, so each is judged by the model that knows nothing
//! else ([`StreamDetector`], which the public benchmarks score), by the mean of every minute in which
//! it came. A minute without it is neither judged nor learned: a field that stays away says nothing.
//! Means need no other number of the platform, so time in which nothing arrived from anyone passes
//! here like any other.
//!
//! What is unusual is shown, and pages nobody: that someone wants a number watched does not make it
//! a reason to wake anyone.
//!
//! A learned model takes 23 KiB. At most `max_numbers` are kept, as they come, in order of their keys
//! within a second; the values of others are counted as refused.

mod sum;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, Measure, Name, NumberSeen, ServiceKey, Settings, Subject, Time, Watching,
};
use monitor_detect::{Detector, Reading, Sample, StreamDetector, Verdict};
use serde::{Deserialize, Serialize};

pub(crate) use sum::Sum;

use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;

const MINUTE: i64 = 60;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NumberKey {
    service: ServiceKey,
    environment: Name,
    name: Name,
    unit: Option<Name>,
}

impl NumberKey {
    pub(crate) fn of(seen: &NumberSeen) -> NumberKey {
        NumberKey {
            service: seen.service.clone(),
            environment: seen.environment.clone(),
            name: seen.name.clone(),
            unit: seen.unit.clone(),
        }
    }

    fn subject(&self) -> Subject {
        Subject::Number {
            service: self.service.clone(),
            environment: self.environment.clone(),
            name: self.name.clone(),
            unit: self.unit.clone(),
        }
    }

    fn is_wanted(&self, own: &Watching) -> bool {
        let mut metrics = own.metrics.iter();
        metrics.any(|metric| metric.name == self.name && metric.unit == self.unit)
    }
}

/// All that are watched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NumberBook {
    tracks: BTreeMap<NumberKey, NumberTrack>,
    /// Nobody wants some of these any more: they go with the next second.
    leaving: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct NumberTrack {
    begun: Option<Minute>,
    detector: StreamDetector,
    episode: Episode,
    #[serde(skip)]
    own: Option<Arc<Watching>>,
    wanted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Minute {
    number: i64,
    /// Seconds of it in which values came.
    active_secs: u32,
    sum: Sum,
}

impl NumberBook {
    /// Watches as is wanted from the next second on, and then forgets what nobody wants any more.
    pub(crate) fn configure(&mut self, settings: &Settings, config: &EngineConfig) {
        self.leaving = false;
        for (key, track) in &mut self.tracks {
            let own = settings.of(&key.service, &key.environment);
            track.configure(own, config);
            track.wanted = own.is_some_and(|own| key.is_wanted(own));
            self.leaving |= !track.wanted;
        }
    }

    /// Whether a value of this number could be kept until its second is judged, which then has so
    /// many numbers.
    pub(crate) fn admits(key: &NumberKey, pending: &BTreeMap<NumberKey, Sum>, most: usize) -> bool {
        pending.len() < most.saturating_mul(2) || pending.contains_key(key)
    }

    /// Takes the values of a second, and judges the minutes that are over with it. Returns how many
    /// values found no place.
    pub(crate) fn step(
        &mut self,
        second: i64,
        values: BTreeMap<NumberKey, Sum>,
        context: &Context<'_>,
        changes: &mut Vec<Change>,
    ) -> u64 {
        if std::mem::take(&mut self.leaving) {
            let now = Time::from_secs(second);
            self.tracks.retain(|_, track| {
                if !track.wanted {
                    let why = "; nobody wants it watched any more";
                    changes.extend(track.episode.dismiss(now, why));
                }
                track.wanted
            });
        }
        let mut refused = 0;
        for (key, sum) in values {
            if !self.tracks.contains_key(&key) && self.tracks.len() >= context.config.max_numbers {
                refused += sum.count;
                continue;
            }
            let own = context.settings.of(&key.service, &key.environment);
            let track = self
                .tracks
                .entry(key.clone())
                .or_insert_with(|| NumberTrack::new(own, context.config));
            track.add(&key, second, &sum, context, changes);
        }
        let over = (second + 1).rem_euclid(MINUTE) == 0;
        if over {
            for (key, track) in &mut self.tracks {
                track.pass(key, second + 1, context, changes);
            }
        }
        refused
    }

    /// Judges what has been gathered, at the end of a recording.
    pub(crate) fn finish(&mut self, context: &Context<'_>, changes: &mut Vec<Change>) {
        for (key, track) in &mut self.tracks {
            track.close(key, context, changes);
        }
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        let episodes = self.tracks.values().map(|track| &track.episode);
        episodes.filter_map(|episode| episode.open.as_ref().map(|open| &open.anomaly))
    }

    /// Each with the detector that judges it.
    pub(crate) fn parts(
        &self,
    ) -> impl Iterator<Item = (Subject, (Measure, &'static str, &Episode))> {
        self.tracks.iter().map(|(key, track)| {
            let part = (Measure::Number, track.detector.name(), &track.episode);
            (key.subject(), part)
        })
    }
}

/// What a second is judged by.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) config: &'a EngineConfig,
    /// Of whom nothing is learned now.
    pub(crate) untaught: &'a dyn Fn(&ServiceKey, &Name) -> bool,
}

impl NumberTrack {
    fn new(own: Option<&Arc<Watching>>, config: &EngineConfig) -> NumberTrack {
        NumberTrack {
            begun: None,
            detector: StreamDetector::new(models::number_budget(own.map(|own| &**own), config)),
            episode: Episode::default(),
            own: own.cloned(),
            wanted: true,
        }
    }

    fn configure(&mut self, own: Option<&Arc<Watching>>, config: &EngineConfig) {
        self.own = own.cloned();
        let budget = models::number_budget(self.own.as_deref(), config);
        self.detector.grant(budget);
    }

    fn is_paused(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.paused)
    }

    fn add(
        &mut self,
        key: &NumberKey,
        second: i64,
        sum: &Sum,
        context: &Context<'_>,
        changes: &mut Vec<Change>,
    ) {
        let number = second.div_euclid(MINUTE);
        if let Some(begun) = self.begun.as_ref().filter(|begun| begun.number != number) {
            // Its last second was one of those that passed unseen.
            let end = (begun.number + 1) * MINUTE;
            self.pass(key, end, context, changes);
        }
        let begun = self.begun.get_or_insert_with(|| Minute {
            number,
            ..Minute::default()
        });
        begun.active_secs += 1;
        begun.sum.merge(sum);
    }

    /// The minute is over, which ended at `end`.
    fn pass(
        &mut self,
        key: &NumberKey,
        end: i64,
        context: &Context<'_>,
        changes: &mut Vec<Change>,
    ) {
        self.close(key, context, changes);
        let now = Time::from_secs(end);
        changes.extend(if self.is_paused() {
            self.episode.dismiss(now, "; it is not watched any more")
        } else {
            self.episode.expire(now)
        });
    }

    fn close(&mut self, key: &NumberKey, context: &Context<'_>, changes: &mut Vec<Change>) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        if self.is_paused() {
            return;
        }
        let Some(mean) = begun.sum.mean() else {
            return;
        };
        let untaught = (context.untaught)(&key.service, &key.environment);
        self.detector.hold(untaught);
        let sample = Sample {
            start: Time::from_secs(begun.number * MINUTE),
            span: Duration::from_secs(MINUTE.unsigned_abs()),
            active_secs: begun.active_secs,
            reading: Reading::Gauge(mean),
        };
        let Some(verdict) = self.detector.judge(&sample) else {
            return;
        };
        let verdict = Verdict {
            observations: begun.sum.count,
            ..verdict
        };
        let subject = key.subject();
        let origin = Origin {
            subject: &subject,
            measure: Measure::Number,
            detector: self.detector.name(),
            scale: 1.0,
            peers: None,
        };
        changes.extend(self.episode.follow(&verdict, origin, |_| Vec::new()));
    }
}
