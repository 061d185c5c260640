//! One service in one environment, as its logs show it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, ApiState, Contribution, Measure, Name, Score, ServiceKey, ServiceView, Subject,
    TemplateId, Time, Watching,
};
use monitor_detect::{Detector, RatioDetector, RatioKind, Reading, Sample, TrafficDetector};
use serde::{Deserialize, Serialize};

use crate::api::{NOT_JUDGED, PAUSED, VIEW_SECS};
use crate::bucket::{LogBucket, TemplateCount};
use crate::clocks::ServiceClock;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::fills::Fills;
use crate::log_format::Formats;
use crate::models;
use crate::vitals::Pulse;
use crate::warnings::Warnings;
use crate::window::LogWindow;

/// The detector of how many records a service writes.
const LOG_RATE: &str = "log-rate";
/// Templates watched of one service; the rest are counted in its totals only.
const MAX_WATCHED: usize = 128;
/// A template with this share of the error records, and more than usual, is named as the reason.
const NAMED_SHARE: f64 = 0.3;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceTrack {
    pub(crate) service: ServiceKey,
    pub(crate) environment: Name,
    first_seen: i64,
    last_seen: i64,
    logs_total: u64,
    log_errors_total: u64,
    /// Second, records, errors.
    recent: VecDeque<(i64, u64, u64)>,
    window: LogWindow,
    model: RatioDetector,
    errors: Episode,
    watched: BTreeMap<TemplateId, Watched>,
    formats: Formats,
    rate_model: TrafficDetector,
    rate: Episode,
    pub(crate) clock: ServiceClock,
    pub(crate) warnings: Warnings,
    pub(crate) fills: Fills,
    /// Seconds with records, and records, that windows have judged.
    judged_secs: u32,
    judged: u64,
    /// How it is wanted to be watched; given anew after a restart.
    #[serde(skip)]
    own: Option<Arc<Watching>>,
    /// The last second was neither judged nor learned from.
    rested: bool,
    held: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    model: RatioDetector,
    episode: Episode,
    records: u64,
    errors: u64,
}

impl ServiceTrack {
    pub(crate) fn new(
        service: ServiceKey,
        environment: Name,
        second: i64,
        config: &EngineConfig,
    ) -> ServiceTrack {
        ServiceTrack {
            service,
            environment,
            first_seen: second,
            last_seen: second,
            logs_total: 0,
            log_errors_total: 0,
            recent: VecDeque::new(),
            window: LogWindow::default(),
            model: models::log_errors(config),
            errors: Episode::default(),
            watched: BTreeMap::new(),
            formats: Formats::new(config),
            rate_model: models::log_rate(config),
            rate: Episode::default(),
            clock: ServiceClock::new(config),
            warnings: Warnings::default(),
            fills: Fills::default(),
            judged_secs: 0,
            judged: 0,
            own: None,
            rested: false,
            held: false,
        }
    }

    /// Watches as `own` wants from the next second on; what was learned stays.
    pub(crate) fn configure(&mut self, own: Option<&Arc<Watching>>, config: &EngineConfig) {
        self.own = own.cloned();
        let own = self.own.as_deref();
        models::tune_logs(&mut self.model, own, config, false);
        self.formats.tune(own, config);
        self.clock.tune(own, config);
        models::tune_log_rate(&mut self.rate_model, own, config);
        for watched in self.watched.values_mut() {
            models::tune_logs(&mut watched.model, own, config, true);
        }
    }

    /// Whether what comes now teaches nothing.
    pub(crate) fn hold(&mut self, hold: bool) {
        if self.held != hold {
            self.held = hold;
            self.model.hold(hold);
            self.formats.hold(hold);
            self.clock.hold(hold);
            self.rate_model.hold(hold);
            for watched in self.watched.values_mut() {
                watched.model.hold(hold);
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.paused)
    }

    /// Judges one second; `None` when nothing came.
    pub(crate) fn step(
        &mut self,
        second: i64,
        bucket: Option<&LogBucket>,
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        if let Some(bucket) = bucket {
            self.last_seen = second;
            self.logs_total += bucket.records;
            self.log_errors_total += bucket.errors;
            while self
                .recent
                .front()
                .is_some_and(|oldest| oldest.0 <= second - VIEW_SECS)
            {
                self.recent.pop_front();
            }
            self.recent
                .push_back((second, bucket.records, bucket.errors));
            self.warnings.add(second, bucket);
            self.fills.add(second, bucket);
        }
        if self.is_paused() {
            self.rest(second, changes);
            return;
        }
        if std::mem::take(&mut self.rested) {
            self.skip_to(second);
        }
        if let Some(bucket) = bucket {
            self.window.add(second, bucket);
        }
        let (model, formats) = (&self.model, &self.formats);
        let presses = |window: &LogWindow| {
            bucket.is_some()
                && (model.is_pressing(&window.sample(window.sum.errors))
                    || formats.is_pressing(window))
        };
        if let Some(window) = self.window.take_complete(second, presses) {
            self.judge(&window, config, changes);
        }
        changes.extend(self.judge_clock(second, bucket));
        if self.clock.is_unreadable(second) {
            // What does not come in time may have been written all the same.
            self.rate_model
                .skip_to(Time::from_secs(second.saturating_add(1)));
        } else if self.logs_total > 0 {
            self.judge_rate(second, bucket, changes);
        }
        let now = Time::from_secs(second);
        let others = [self.formats.episode_mut(), &mut self.clock.episode];
        for episode in [&mut self.errors].into_iter().chain(others) {
            if episode.open.is_some() {
                changes.extend(episode.expire(now));
            }
        }
        if bucket.is_none() {
            for watched in self.watched.values_mut() {
                if watched.episode.open.is_some() {
                    changes.extend(watched.episode.expire(now));
                }
            }
        }
    }

    fn judge_clock(&mut self, second: i64, bucket: Option<&LogBucket>) -> Option<Change> {
        let records =
            bucket.map_or_else(Default::default, |bucket| (bucket.records, bucket.mistimed));
        let off = self.own.as_ref().is_some_and(|own| own.logs.is_off());
        let (service, environment) = (&self.service, &self.environment);
        let subject = || Subject::Service {
            service: service.clone(),
            environment: environment.clone(),
        };
        self.clock.step(second, records, subject, off)
    }

    fn judge_rate(&mut self, second: i64, bucket: Option<&LogBucket>, changes: &mut Vec<Change>) {
        let sample = Sample {
            start: Time::from_secs(second),
            span: Duration::from_secs(1),
            active_secs: u32::from(bucket.is_some()),
            reading: Reading::Count(bucket.map_or(0, |bucket| bucket.records)),
        };
        let Some(verdict) = self.rate_model.judge(&sample) else {
            return;
        };
        let subject = self.subject();
        let origin = Origin {
            subject: &subject,
            measure: Measure::LogRate,
            detector: LOG_RATE,
            scale: 1.0,
            peers: None,
        };
        let off = self.own.as_ref().is_some_and(|own| own.logs.is_off());
        changes.extend(if off {
            self.rate.dismiss(Time::from_secs(second), NOT_JUDGED)
        } else {
            self.rate.follow(&verdict, origin, |_| Vec::new())
        });
    }

    /// A second that is counted, but neither judged nor learned from.
    fn rest(&mut self, second: i64, changes: &mut Vec<Change>) {
        if !std::mem::replace(&mut self.rested, true) {
            let now = Time::from_secs(second);
            let episodes = self
                .watched
                .values_mut()
                .map(|watched| &mut watched.episode);
            let own = [
                &mut self.errors,
                self.formats.episode_mut(),
                &mut self.clock.episode,
                &mut self.rate,
            ];
            for episode in own.into_iter().chain(episodes) {
                changes.extend(episode.dismiss(now, "; it is not watched any more"));
            }
        }
        self.window = LogWindow::default();
    }

    /// Nothing is known of the time until `second`.
    pub(crate) fn skip_to(&mut self, second: i64) {
        let time = Time::from_secs(second);
        self.window = LogWindow::default();
        self.model.skip_to(time);
        self.formats.skip_to(time);
        self.clock.skip_to(time);
        self.rate_model.skip_to(time);
        for watched in self.watched.values_mut() {
            watched.model.skip_to(time);
        }
    }

    pub(crate) fn finish(&mut self, config: &EngineConfig, changes: &mut Vec<Change>) {
        if let Some(window) = self.window.take() {
            self.judge(&window, config, changes);
        }
    }

    fn judge(&mut self, window: &LogWindow, config: &EngineConfig, changes: &mut Vec<Change>) {
        let subject = self.subject();
        let off = self.own.as_ref().is_some_and(|own| own.logs.is_off());
        let sample = |part| window.sample(part);
        if let Some(verdict) = self.model.judge(&sample(window.sum.errors)) {
            let origin = Origin {
                subject: &subject,
                measure: Measure::LogErrorRatio,
                detector: self.model.name(),
                scale: 1.0,
                peers: None,
            };
            let named = self.named(window);
            changes.extend(if off {
                self.errors.dismiss(window.end(), NOT_JUDGED)
            } else {
                self.errors.follow(&verdict, origin, |_| named)
            });
        }
        changes.extend(self.formats.judge(window, &subject, off));
        self.watch_new(window, config);
        let per_second = window.sum.records as f64 / window.span().as_secs_f64().max(1.0);
        for (template, watched) in &mut self.watched {
            let count = window
                .sum
                .templates
                .get(template)
                .copied()
                .unwrap_or_default();
            watched.records += count.records;
            watched.errors += count.errors;
            if let Some(verdict) = watched.model.judge(&sample(count.records)) {
                let origin = Origin {
                    subject: &subject,
                    measure: Measure::TemplateRate(*template),
                    detector: watched.model.name(),
                    scale: per_second,
                    peers: None,
                };
                changes.extend(if off {
                    watched.episode.dismiss(window.end(), NOT_JUDGED)
                } else {
                    watched.episode.follow(&verdict, origin, |_| Vec::new())
                });
            }
        }
        if !self.held {
            self.judged_secs = self.judged_secs.saturating_add(window.active_secs);
            self.judged = self.judged.saturating_add(window.sum.records);
        }
    }

    /// Begins to watch the window's templates that were not seen before. Once the service is
    /// known, an error message that was never seen is judged at once; any other new message is
    /// learned first.
    fn watch_new(&mut self, window: &LogWindow, config: &EngineConfig) {
        let known = self.judged_secs >= config.learn_seconds && self.judged >= config.learn_calls;
        for (template, count) in &window.sum.templates {
            if self.watched.contains_key(template) {
                continue;
            }
            let error = count.errors > 0;
            if self.watched.len() >= MAX_WATCHED && !(error && self.make_room()) {
                continue;
            }
            let mut model = if known && error {
                models::template(config, RatioKind::NewTemplate)
                    .never_seen(self.judged, self.judged_secs)
            } else if known {
                models::template(config, RatioKind::Template)
            } else {
                models::template(config, RatioKind::Template)
                    .never_seen(self.judged, self.judged_secs)
            };
            if self.own.is_some() {
                models::tune_logs(&mut model, self.own.as_deref(), config, true);
            }
            model.hold(self.held);
            self.watched.insert(
                *template,
                Watched {
                    model,
                    episode: Episode::default(),
                    records: 0,
                    errors: 0,
                },
            );
        }
    }

    /// Forgets the template with the fewest records that has no anomaly open.
    fn make_room(&mut self) -> bool {
        let rarest = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.episode.open.is_none())
            .min_by_key(|(template, watched)| (watched.records, **template))
            .map(|(template, _)| *template);
        rarest.is_some_and(|template| self.watched.remove(&template).is_some())
    }

    /// The templates that the window's error records are of, when that is unusual.
    fn named(&self, window: &LogWindow) -> Vec<Contribution> {
        if window.sum.errors < 3 || self.judged == 0 {
            return Vec::new();
        }
        let mut errors: Vec<(&TemplateId, &TemplateCount)> = window.sum.templates.iter().collect();
        errors.sort_by_key(|(template, count)| (std::cmp::Reverse(count.errors), **template));
        errors
            .into_iter()
            .take(2)
            .map(|(template, count)| Contribution {
                dimension: "template".into(),
                value: template.to_string().into(),
                share: count.errors as f64 / window.sum.errors as f64,
                usual_share: self.watched.get(template).map_or(0.0, |watched| {
                    watched.errors as f64 / self.log_errors_total.max(1) as f64
                }),
            })
            .filter(|contribution| {
                contribution.share >= NAMED_SHARE && contribution.share > contribution.usual_share
            })
            .collect()
    }

    fn subject(&self) -> Subject {
        Subject::Service {
            service: self.service.clone(),
            environment: self.environment.clone(),
        }
    }

    /// Whether a message of this template was ever an error: only those page.
    pub(crate) fn is_error_template(&self, template: TemplateId) -> bool {
        self.watched
            .get(&template)
            .is_some_and(|watched| watched.errors > 0)
    }

    /// What its logs say of how it is.
    pub(crate) fn pulse(&self, watermark: i64, config: &EngineConfig) -> Pulse {
        let (records, errors) = self.last_minute(watermark);
        let usual = self.log_errors_total as f64 / self.logs_total.max(1) as f64;
        Pulse {
            judged: self.judged_secs >= config.learn_seconds && self.judged >= config.learn_calls,
            // Of what is not watched nothing is concluded, least of all from its silence.
            events: if self.rested { 0 } else { self.logs_total },
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            complains: errors >= 3 && errors as f64 >= 2.0 * usual * records as f64,
            unreadable: self.clock.is_unreadable(watermark),
        }
    }

    fn last_minute(&self, watermark: i64) -> (u64, u64) {
        self.recent
            .iter()
            .filter(|(second, ..)| (watermark - VIEW_SECS..watermark).contains(second))
            .fold((0, 0), |sum, (_, records, errors)| {
                (sum.0 + records, sum.1 + errors)
            })
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        let formats = self.formats.episode();
        [&self.errors, formats, &self.clock.episode, &self.rate]
            .into_iter()
            .chain(self.watched.values().map(|watched| &watched.episode))
            .filter_map(|episode| episode.open.as_ref().map(|open| &open.anomaly))
    }

    /// Its error ratio and its templates, with the detectors that judge them.
    pub(crate) fn parts(&self) -> Vec<(Measure, &'static str, &Episode)> {
        let errors = (Measure::LogErrorRatio, self.model.name(), &self.errors);
        let templates = self.watched.iter().map(|(template, watched)| {
            let measure = Measure::TemplateRate(*template);
            (measure, watched.model.name(), &watched.episode)
        });
        std::iter::once(errors).chain(templates).collect()
    }

    pub(crate) fn view(&self, watermark: i64, config: &EngineConfig) -> ServiceView {
        let (records, errors) = self.last_minute(watermark);
        let (state, reason, score) = self.state(config);
        ServiceView {
            service: self.service.clone(),
            environment: self.environment.clone(),
            log_rate: records as f64 / VIEW_SECS as f64,
            log_error_ratio: if records > 0 {
                errors as f64 / records as f64
            } else {
                0.0
            },
            logs_total: self.logs_total,
            log_errors_total: self.log_errors_total,
            templates: self.watched.len() as u64,
            last_seen: Time::from_secs(self.last_seen),
            state,
            reason,
            score,
        }
    }

    /// Only what pages counts: a message that is no error may become frequent.
    fn state(&self, config: &EngineConfig) -> (ApiState, String, Score) {
        if self.is_paused() {
            return (ApiState::Paused, PAUSED.to_owned(), Score::NORMAL);
        }
        let worst = [&self.errors, self.formats.episode(), &self.rate]
            .into_iter()
            .chain(
                self.watched
                    .values()
                    .filter(|watched| watched.errors > 0)
                    .map(|watched| &watched.episode),
            )
            .filter_map(|episode| Some((episode.seen.score, episode.open.as_ref()?)))
            .max_by(|(a, _), (b, _)| a.get().total_cmp(&b.get()));
        if let Some((score, open)) = worst {
            let why = open.anomaly.explanation.why.clone();
            return (ApiState::Anomalous, why, score);
        }
        let learning = if self.judged_secs < config.learn_seconds {
            Some(format!(
                "learning: {} of {} seconds with records",
                self.judged_secs, config.learn_seconds
            ))
        } else if self.judged < config.learn_calls {
            Some(format!(
                "learning: {} of {} records",
                self.judged, config.learn_calls
            ))
        } else {
            None
        };
        match learning {
            Some(progress) => (ApiState::Learning, progress, Score::NORMAL),
            None => (
                ApiState::Ok,
                format!("ok: as learned from {} records", self.judged),
                self.errors.seen.score,
            ),
        }
    }
}
