//! One Api: its numbers, its models, its open anomalies.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, ApiKey, ApiState, ApiView, CallSource, Measure, Objective, Score, Subject, Time,
    Tuning, Watching,
};
use monitor_detect::{Detector, Kinship, Minute, Phase, Progress, Reading, Sample, Verdict};
use serde::{Deserialize, Serialize};

use crate::bucket::CallBucket;
use crate::config::EngineConfig;
use crate::contract::Contract;
use crate::contrast::contributions;
use crate::dimensions::{Dimensions, Selection};
use crate::episode::{Change, Episode, Open, Origin};
use crate::models::{ApiModels, Experiences, KIN_RULE};
use crate::objectives::{self, Ledger};
use crate::peers::Closed;
use crate::rollup::{Rollups, Step};
use crate::source::SourceChoice;
use crate::vitals::Pulse;
use crate::window::CallWindow;

/// The view shows what happened in this many seconds before the watermark.
pub(crate) const VIEW_SECS: i64 = 60;
/// Histograms usually come once a minute or more often; four of them smooth the steps.
const METRIC_SPAN_SECS: u32 = 240;
/// Clocks change on the quarter of an hour.
const ZONE_SECS: i64 = 900;
pub(crate) const PAUSED: &str = "paused: neither judged nor learned from";
pub(crate) const NOT_JUDGED: &str = "; this signal is not judged any more";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApiTrack {
    pub(crate) key: Arc<ApiKey>,
    first_seen: i64,
    last_seen: i64,
    calls_total: u64,
    errors_total: u64,
    source: SourceChoice,
    pub(crate) rollups: Rollups,
    window: CallWindow,
    /// What the calls of normal times were like.
    usual: Dimensions,
    models: ApiModels,
    latency: Episode,
    errors: Episode,
    traffic: Episode,
    drift: Episode,
    error_drift: Episode,
    throttled: Episode,
    unauthorised: Episode,
    client_errors: Episode,
    contract: Contract,
    /// An anomaly of one of these is open. Kept, because it is asked every second of every Api.
    any_open: bool,
    /// `None` once there is a verdict.
    learning: Option<Progress>,
    learned_from: u64,
    /// How it is wanted to be watched; given anew after a restart.
    #[serde(skip)]
    own: Option<Arc<Watching>>,
    /// Its route is no Api any more, or goes by another name, because a person said so.
    #[serde(skip)]
    retired: bool,
    /// The last second was neither judged nor learned from.
    rested: bool,
    held: bool,
    ledgers: Vec<Ledger>,
    /// Calls of the last second that was judged.
    #[serde(skip)]
    pub(crate) counted: u64,
    /// The window that was judged in it.
    #[serde(skip)]
    pub(crate) closed: Option<Box<Closed>>,
}

impl ApiTrack {
    pub(crate) fn new(key: Arc<ApiKey>, second: i64, config: &EngineConfig) -> ApiTrack {
        ApiTrack {
            key,
            first_seen: second,
            last_seen: second,
            calls_total: 0,
            errors_total: 0,
            source: SourceChoice::default(),
            rollups: Rollups::default(),
            window: CallWindow::default(),
            usual: Dimensions::default(),
            models: ApiModels::new(config),
            latency: Episode::default(),
            errors: Episode::default(),
            traffic: Episode::default(),
            drift: Episode::default(),
            error_drift: Episode::default(),
            throttled: Episode::default(),
            unauthorised: Episode::default(),
            client_errors: Episode::default(),
            contract: Contract::new(config),
            any_open: false,
            learning: Some(nothing_learned(config)),
            learned_from: 0,
            own: None,
            retired: false,
            rested: false,
            held: false,
            ledgers: Vec::new(),
            counted: 0,
            closed: None,
        }
    }

    /// Whether others may begin with what it has learned.
    pub(crate) fn can_teach(&self, config: &EngineConfig) -> bool {
        self.is_foreseeable() && !self.any_open && self.learned_from >= config.learn_calls
    }

    /// Begins with what others have learned.
    pub(crate) fn borrow(&mut self, kin: Kinship, teachers: &[&ApiTrack]) {
        let models: Vec<&ApiModels> = teachers.iter().map(|track| &track.models).collect();
        self.models.borrow(kin, &models);
        self.learning = Some(Progress {
            seconds: 0,
            of_seconds: KIN_RULE.seconds,
            calls: 0,
            of_calls: KIN_RULE.calls,
        });
    }

    /// Watches as `own` wants from the next second on; what was learned stays.
    pub(crate) fn configure(&mut self, own: Option<&Arc<Watching>>, config: &EngineConfig) {
        self.own = own.cloned();
        self.retired = own.is_some_and(|own| is_retired(&self.key, own));
        let before = std::mem::take(&mut self.ledgers);
        self.ledgers = objectives::ledgers(before, self.own.as_deref(), &self.key);
        self.models.tune(self.own.as_deref(), config);
        self.contract.tune(self.own.as_deref(), config);
    }

    /// Whether what comes now teaches nothing.
    pub(crate) fn hold(&mut self, hold: bool) {
        if self.held != hold {
            self.held = hold;
            self.models.hold(hold);
            self.contract.hold(hold);
        }
    }

    /// Whether its response times are known to head for a limit, or to be beyond one: then they are not
    /// what is usual.
    pub(crate) fn grows_slower(&mut self, grows: bool) {
        self.models.latency.grows(grows);
    }

    /// Whether what it does now says anything of what it will do.
    pub(crate) fn is_foreseeable(&self) -> bool {
        self.learning.is_none() && !self.rested && !self.held && !self.retired
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired
    }

    /// The objectives that are about it, each with what was counted.
    pub(crate) fn objectives(&self) -> impl Iterator<Item = (&Objective, &Ledger)> {
        let own = self.own.as_deref();
        self.ledgers.iter().filter_map(move |ledger| {
            let mut objectives = own?.objectives.iter();
            let objective = objectives.find(|objective| ledger.is_of(objective))?;
            Some((objective, ledger))
        })
    }

    /// How near to an alarm its detectors came in normal times.
    pub(crate) fn experience(&self) -> Experiences {
        self.models.experience()
    }

    /// Shares its budget of false alarms anew between its detectors, by what those of `all` Apis have
    /// seen.
    pub(crate) fn share(&mut self, all: &Experiences, config: &EngineConfig) {
        self.models.share(all, self.own.as_deref(), config);
    }

    fn is_paused(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.paused)
    }

    fn is_off(&self, signal: impl Fn(&Watching) -> &Tuning) -> bool {
        self.own.as_ref().is_some_and(|own| signal(own).is_off())
    }

    /// Judges one second; `buckets` is empty when nothing came.
    pub(crate) fn step(
        &mut self,
        second: i64,
        buckets: &[(CallSource, Box<CallBucket>)],
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        let told = changes.len();
        self.judge(second, buckets, config, changes);
        if changes.len() > told {
            let is_open = |episode: &Episode| episode.open.is_some();
            let any_open = self.every_episode().any(is_open);
            self.any_open = any_open;
        }
    }

    fn judge(
        &mut self,
        second: i64,
        buckets: &[(CallSource, Box<CallBucket>)],
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        if !buckets.is_empty() {
            self.choose_source(second, buckets, config);
        }
        let chosen = self.source.chosen();
        let bucket = buckets
            .iter()
            .find(|(source, bucket)| *source == chosen && bucket.calls > 0)
            .map(|(_, bucket)| &**bucket);
        self.counted = bucket.map_or(0, |bucket| bucket.calls);
        if let Some(bucket) = bucket {
            self.calls_total += bucket.calls;
            self.errors_total += bucket.server_errors;
            self.last_seen = second;
            self.rollups.add(second, bucket);
            for ledger in &mut self.ledgers {
                ledger.count(second, bucket);
            }
        }
        if self.is_paused() || self.retired {
            self.rest(second, changes);
            return;
        }
        if std::mem::take(&mut self.rested) {
            self.skip_to(second);
        }
        if let Some(bucket) = bucket {
            self.window.add(second, bucket);
        }
        let models = &self.models;
        let presses = |window: &CallWindow| bucket.is_some() && models.is_pressing(window);
        if let Some(window) = self.window.take_complete(second, presses) {
            self.judge_window(window, config, changes);
        }
        if !config.zones.is_empty() && (second % ZONE_SECS == 0 || second == self.first_seen) {
            let now = Time::from_secs(second);
            let offset = config.zones.utc_offset_secs(&self.key.environment, now);
            self.models.set_utc_offset(offset);
        }
        if self.calls_total > 0 {
            self.judge_traffic(second, bucket, changes);
        }
        if self.any_open {
            self.expire(second, changes);
        }
    }

    /// A second that is counted, but neither judged nor learned from.
    fn rest(&mut self, second: i64, changes: &mut Vec<Change>) {
        if !std::mem::replace(&mut self.rested, true) {
            let now = Time::from_secs(second);
            for episode in self.episodes() {
                changes.extend(episode.dismiss(now, "; it is not watched any more"));
            }
        }
        self.window = CallWindow::default();
    }

    /// Nothing is known of the time until `second`.
    pub(crate) fn skip_to(&mut self, second: i64) {
        let time = Time::from_secs(second);
        self.window = CallWindow::default();
        self.models.skip_to(time);
        self.contract.skip_to(time);
    }

    /// Judges what has been gathered, at the end of a recording.
    pub(crate) fn finish(&mut self, config: &EngineConfig, changes: &mut Vec<Change>) {
        if let Some(window) = self.window.take() {
            self.judge_window(window, config, changes);
        }
    }

    fn choose_source(
        &mut self,
        second: i64,
        buckets: &[(CallSource, Box<CallBucket>)],
        config: &EngineConfig,
    ) {
        let calls: Vec<(CallSource, u64)> = buckets
            .iter()
            .map(|(source, bucket)| (*source, bucket.calls))
            .collect();
        if self.source.see(second, &calls, self.learning.is_some()) {
            self.models = ApiModels::new(config);
            self.models.tune(self.own.as_deref(), config);
            self.models.hold(self.held);
            self.window = CallWindow::default();
            self.usual.clear();
            self.contract.forget(self.own.as_deref(), config);
            self.learning = Some(nothing_learned(config));
        }
        if self.source.chosen() == CallSource::Metric {
            self.models.traffic.set_shortest_span(METRIC_SPAN_SECS);
        }
    }

    fn judge_window(
        &mut self,
        window: CallWindow,
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        let subject = Subject::Api(self.key.clone());
        let sample = |reading| window.sample(reading);
        let errors_off = self.is_off(|own| &own.error_ratio);
        let latency_off = self.is_off(|own| &own.latency);
        let usual = &self.usual;
        let mut normal = true;
        let failures = sample(Reading::Share {
            part: window.errors,
            whole: window.calls,
        });
        if let Some(verdict) = self.models.errors.judge(&failures) {
            match verdict.phase {
                Phase::Anomalous { .. } => self.models.error_drift.disturbed(),
                Phase::Shifted => self.models.error_drift.rebase(),
                _ => {}
            }
            self.learning = match verdict.phase {
                Phase::Learning(progress) => Some(progress),
                _ if verdict.guarded => self.learning,
                _ => None,
            };
            self.learned_from = verdict.learned_from;
            normal &= !verdict.outside && !verdict.phase.is_anomalous();
            let origin = origin(&subject, Measure::ErrorRatio, self.models.errors.name());
            changes.extend(if errors_off {
                self.errors.dismiss(window.end(), NOT_JUDGED)
            } else {
                self.errors.follow(&verdict, origin, |_| {
                    contributions(&window.dimensions, usual, Selection::Errors)
                })
            });
        }
        if let Some(verdict) = self.models.error_drift.judge(&failures) {
            let origin = origin(
                &subject,
                Measure::ErrorRatio,
                self.models.error_drift.name(),
            );
            changes.extend(if errors_off {
                self.error_drift.dismiss(window.end(), NOT_JUDGED)
            } else {
                self.error_drift.follow(&verdict, origin, |_| Vec::new())
            });
        }
        let mix = [
            (
                window.throttled,
                Measure::ThrottledRatio,
                &mut self.models.throttled,
                &mut self.throttled,
            ),
            (
                window.unauthorised,
                Measure::UnauthorisedRatio,
                &mut self.models.unauthorised,
                &mut self.unauthorised,
            ),
            (
                window.client_errors,
                Measure::ClientErrorRatio,
                &mut self.models.client_errors,
                &mut self.client_errors,
            ),
        ];
        for (part, measure, model, episode) in mix {
            let share = sample(Reading::Share {
                part,
                whole: window.calls,
            });
            if let Some(verdict) = model.judge(&share) {
                normal &= !verdict.outside && !verdict.phase.is_anomalous();
                let origin = origin(&subject, measure, model.name());
                changes.extend(if errors_off {
                    episode.dismiss(window.end(), NOT_JUDGED)
                } else {
                    episode.follow(&verdict, origin, |_| Vec::new())
                });
            }
        }
        let own = (self.own.as_deref(), errors_off);
        changes.extend(self.contract.judge(&window, &subject, own, config));
        let durations = sample(Reading::Durations(&window.latencies));
        let drifted = self.models.drift.judge(&durations);
        if self.models.latency.expects_slower(window.start()) {
            self.models.drift.disturbed();
        }
        if let Some(verdict) = self.models.latency.judge(&durations) {
            match verdict.phase {
                Phase::Anomalous { .. } => self.models.drift.disturbed(),
                Phase::Shifted => self.models.drift.rebase(),
                _ => {}
            }
            normal &= !verdict.outside && !verdict.phase.is_anomalous();
            let origin = origin(&subject, Measure::Latency, self.models.latency.name());
            let slow = |verdict: &Verdict| {
                let limit = if verdict.statistic == "p50" {
                    verdict.typical
                } else {
                    verdict.band.upper
                };
                contributions(&window.dimensions, usual, Selection::SlowerThan(limit))
            };
            changes.extend(if latency_off {
                self.latency.dismiss(window.end(), NOT_JUDGED)
            } else {
                self.latency.follow(&verdict, origin, slow)
            });
        }
        if let Some(verdict) = drifted {
            let origin = origin(&subject, Measure::Latency, self.models.drift.name());
            changes.extend(if latency_off {
                self.drift.dismiss(window.end(), NOT_JUDGED)
            } else {
                self.drift.follow(&verdict, origin, |_| Vec::new())
            });
        }
        if normal && !self.held {
            self.usual.learn(&window.dimensions);
        }
        self.closed = Some(Box::new(Closed {
            start: window.start(),
            dimensions: window.dimensions,
        }));
    }

    /// The minute that began then, for whoever looks at its numbers together.
    pub(crate) fn combinable_minute(&self, start: i64) -> Option<Minute> {
        if self.learning.is_some() || self.rested || self.retired || self.is_uncombined() {
            return None;
        }
        let start = Time::from_secs(start);
        let point = self.rollups.latest(Step::Minute)?;
        (point.start == start).then(|| Minute {
            start,
            span: Duration::from_secs(60),
            calls: point.calls,
            errors: point.errors,
            p50: point.p50,
            p95: point.p95,
            usual_rate: self.models.traffic.usual(start),
            usual_time: self.models.latency.usual(start).map(|[median, _]| median),
        })
    }

    /// One of the signals that combinations are of is not to be judged.
    pub(crate) fn is_uncombined(&self) -> bool {
        self.is_paused()
            || self.is_off(|own| &own.latency)
            || self.is_off(|own| &own.traffic)
            || self.is_off(|own| &own.error_ratio)
    }

    /// An anomaly of one of its signals is open.
    pub(crate) fn has_open(&self) -> bool {
        self.any_open
    }

    /// Since when nobody calls it, if that is told as an anomaly.
    pub(crate) fn silent_since(&self) -> Option<i64> {
        let open = self.traffic.open.as_ref()?;
        let silent = open.anomaly.explanation.actual == 0.0 && self.counted == 0;
        silent.then(|| self.last_seen.saturating_add(1))
    }

    /// Says of its silence what was found out, once.
    pub(crate) fn remark_silence(&mut self, remark: &str) -> Option<Change> {
        self.traffic.remark(remark)
    }

    /// Calls of the whole minutes in `from..to`, of the last two hours at most.
    pub(crate) fn calls_between(&self, from: i64, to: i64) -> u64 {
        let minutes = self.rollups.newest(Step::Minute);
        let minutes = minutes.skip_while(|minute| minute.start.as_secs() >= to);
        let within = minutes.take_while(|minute| minute.start.as_secs() >= from);
        within.map(|minute| minute.calls).sum()
    }

    pub(crate) fn first_seen(&self) -> i64 {
        self.first_seen
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    fn judge_traffic(
        &mut self,
        second: i64,
        bucket: Option<&CallBucket>,
        changes: &mut Vec<Change>,
    ) {
        if self.source.others_go_on() {
            // The Api is called; only the evidence that we count stays away.
            self.models.traffic.skip_to(Time::from_secs(second + 1));
            return;
        }
        let sample = Sample {
            start: Time::from_secs(second),
            span: Duration::from_secs(1),
            active_secs: u32::from(bucket.is_some()),
            reading: Reading::Count(bucket.map_or(0, |bucket| bucket.calls)),
        };
        if let Some(verdict) = self.models.traffic.judge(&sample) {
            let subject = Subject::Api(self.key.clone());
            let origin = origin(&subject, Measure::Rate, self.models.traffic.name());
            changes.extend(if self.is_off(|own| &own.traffic) {
                self.traffic.dismiss(Time::from_secs(second), NOT_JUDGED)
            } else {
                self.traffic.follow(&verdict, origin, |_| Vec::new())
            });
        }
    }

    fn expire(&mut self, second: i64, changes: &mut Vec<Change>) {
        let now = Time::from_secs(second);
        for episode in self.episodes() {
            // The silence of an Api does not end by itself.
            let rate = |open: &Open| open.anomaly.signal.measure == Measure::Rate;
            if episode.open.as_ref().is_some_and(|open| !rate(open)) {
                changes.extend(episode.expire(now));
            }
        }
    }

    fn episodes(&mut self) -> impl Iterator<Item = &mut Episode> {
        [
            &mut self.errors,
            &mut self.latency,
            &mut self.traffic,
            &mut self.throttled,
            &mut self.unauthorised,
            &mut self.client_errors,
            &mut self.drift,
            &mut self.error_drift,
        ]
        .into_iter()
        .chain(self.contract.episodes())
    }

    /// What its calls say of how its service is.
    pub(crate) fn pulse(&self) -> Pulse {
        Pulse {
            judged: self.learning.is_none() && !self.rested,
            // Of what is not watched nothing is concluded, least of all from its silence.
            events: if self.rested { 0 } else { self.calls_total },
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            complains: false,
            unreadable: false,
        }
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.every_episode()
            .filter_map(|episode| episode.open.as_ref().map(|open| &open.anomaly))
    }

    /// Its signals with the detectors that judge them.
    pub(crate) fn parts(&self) -> Vec<(Measure, &'static str, &Episode)> {
        let models = &self.models;
        let mut parts = vec![
            (Measure::ErrorRatio, models.errors.name(), &self.errors),
            (Measure::Latency, models.latency.name(), &self.latency),
            (Measure::Rate, models.traffic.name(), &self.traffic),
            (
                Measure::ThrottledRatio,
                models.throttled.name(),
                &self.throttled,
            ),
            (
                Measure::UnauthorisedRatio,
                models.unauthorised.name(),
                &self.unauthorised,
            ),
            (
                Measure::ClientErrorRatio,
                models.client_errors.name(),
                &self.client_errors,
            ),
            (Measure::Latency, models.drift.name(), &self.drift),
            (
                Measure::ErrorRatio,
                models.error_drift.name(),
                &self.error_drift,
            ),
        ];
        parts.extend(self.contract.parts());
        parts
    }

    fn every_episode(&self) -> impl Iterator<Item = &Episode> {
        [
            &self.errors,
            &self.latency,
            &self.traffic,
            &self.throttled,
            &self.unauthorised,
            &self.client_errors,
            &self.drift,
            &self.error_drift,
        ]
        .into_iter()
        .chain(self.contract.parts().map(|(.., episode)| episode))
    }

    pub(crate) fn view(&self, watermark: i64) -> ApiView {
        let minute = self.rollups.between(watermark - VIEW_SECS, watermark);
        let calls = minute.calls as f64;
        let (state, reason) = self.state();
        let score = self
            .every_episode()
            .map(|episode| episode.seen.score.get())
            .fold(0.0, f64::max);
        ApiView {
            key: self.key.clone(),
            state,
            reason,
            score: Score::new(score),
            source: self.source.chosen(),
            rate: calls / VIEW_SECS as f64,
            error_ratio: if minute.calls > 0 {
                minute.errors as f64 / calls
            } else {
                0.0
            },
            p50: minute.latencies.quantile(0.5),
            p95: minute.latencies.quantile(0.95),
            p99: minute.latencies.quantile(0.99),
            rate_signal: self.traffic.seen,
            error_signal: self.errors.seen,
            latency_signal: self.latency.seen,
            calls_total: self.calls_total,
            errors_total: self.errors_total,
            first_seen: Time::from_secs(self.first_seen),
            last_seen: Time::from_secs(self.last_seen),
        }
    }

    fn state(&self) -> (ApiState, String) {
        if self.is_paused() {
            return (ApiState::Paused, PAUSED.to_owned());
        }
        let mut open: Vec<&Anomaly> = self.open_anomalies().collect();
        open.sort_by(|a, b| b.score.get().total_cmp(&a.score.get()));
        if let Some(worst) = open.first() {
            let silent = self
                .traffic
                .open
                .as_ref()
                .is_some_and(|open| open.anomaly.explanation.actual == 0.0);
            let state = if silent {
                ApiState::Silent
            } else {
                ApiState::Anomalous
            };
            return (state, worst.explanation.why.clone());
        }
        match self.learning {
            Some(progress) => {
                let so_far = Progress {
                    seconds: progress.seconds + self.window.active_secs,
                    calls: progress.calls + self.window.calls,
                    ..progress
                };
                (ApiState::Learning, so_far.to_string())
            }
            None => (
                ApiState::Ok,
                format!("ok: as learned from {} calls", self.learned_from),
            ),
        }
    }
}

/// Excluded, or a template of a person's covers it under another name.
fn is_retired(key: &ApiKey, own: &Watching) -> bool {
    if !key.route.starts_with('/') {
        return false;
    }
    let method = Some(&*key.method).filter(|method| !method.is_empty());
    own.excludes(&key.route)
        || own
            .route(method, &key.route)
            .is_some_and(|route| *route != key.route)
}

fn origin<'a>(subject: &'a Subject, measure: Measure, detector: &'static str) -> Origin<'a> {
    Origin {
        subject,
        measure,
        detector,
        scale: 1.0,
        peers: None,
    }
}

fn nothing_learned(config: &EngineConfig) -> Progress {
    Progress {
        seconds: 0,
        of_seconds: config.learn_seconds,
        calls: 0,
        of_calls: config.learn_calls,
    }
}
