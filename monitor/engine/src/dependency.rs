//! What one service asks of one other, as its own spans and logs tell it.
//!
//! Judged by itself: how often it asks for each call that it serves, how often that fails, how long
//! it takes. The last two are of the caller's side of the wire, so a call that crosses environments
//! is held against what it usually takes on its own way.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Anomaly, Measure, Name, ServiceKey, Sketch, Subject, Time, Watching};
use monitor_detect::{
    Detector, LatencyDetector, PerCallDetector, RatioDetector, Reading, Sample, Verdict,
};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;

/// A window is judged after this long with so many calls, …
const SHORTEST_SECS: i64 = 5;
const MANY: u64 = 20;
/// … after a minute with some, …
const MINUTE_SECS: i64 = 60;
const SOME: u64 = 8;
/// … or after ten with whatever there is.
const LONGEST_SECS: i64 = 600;

/// Calls of one service to one other in one second, or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DependencyBucket {
    calls: u64,
    failed: u64,
    latencies: Sketch,
}

impl DependencyBucket {
    pub(crate) fn add(&mut self, duration: Option<Duration>, failed: bool) {
        self.calls += 1;
        self.failed += u64::from(failed);
        if let Some(duration) = duration {
            self.latencies.add(duration.as_secs_f64());
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gathered {
    start: Option<i64>,
    active_secs: u32,
    served: u64,
    sum: DependencyBucket,
}

impl Gathered {
    fn is_complete(&self, end: i64) -> bool {
        let seconds = self.start.map_or(0, |start| end - start);
        let count = self.served.max(self.sum.calls);
        (seconds >= SHORTEST_SECS && count >= MANY)
            || (seconds >= MINUTE_SECS && count >= SOME)
            || seconds >= LONGEST_SECS
    }

    fn sample<'a>(&self, end: i64, reading: Reading<'a>) -> Sample<'a> {
        let start = self.start.unwrap_or(end);
        Sample {
            start: Time::from_secs(start),
            span: Duration::from_secs((end - start).unsigned_abs()),
            active_secs: self.active_secs,
            reading,
        }
    }

    fn per_call(&self) -> Reading<'_> {
        Reading::PerCall {
            made: self.sum.calls,
            served: self.served,
        }
    }

    fn failures(&self) -> Reading<'_> {
        Reading::Share {
            part: self.sum.failed,
            whole: self.sum.calls,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DependencyTrack {
    pub(crate) service: ServiceKey,
    pub(crate) environment: Name,
    pub(crate) callee: Name,
    window: Gathered,
    use_model: PerCallDetector,
    error_model: RatioDetector,
    latency_model: LatencyDetector,
    calls: Episode,
    errors: Episode,
    latency: Episode,
    #[serde(skip)]
    own: Option<Arc<Watching>>,
    rested: bool,
    held: bool,
}

impl DependencyTrack {
    pub(crate) fn new(
        (service, environment, callee): (ServiceKey, Name, Name),
        config: &EngineConfig,
    ) -> DependencyTrack {
        DependencyTrack {
            service,
            environment,
            callee,
            window: Gathered::default(),
            use_model: models::dependency_use(config),
            error_model: models::dependency_errors(config),
            latency_model: models::dependency_latency(config),
            calls: Episode::default(),
            errors: Episode::default(),
            latency: Episode::default(),
            own: None,
            rested: false,
            held: false,
        }
    }

    pub(crate) fn configure(&mut self, own: Option<&Arc<Watching>>, config: &EngineConfig) {
        self.own = own.cloned();
        let own = self.own.as_deref();
        models::tune_dependency(
            &mut self.use_model,
            &mut self.error_model,
            &mut self.latency_model,
            own,
            config,
        );
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        if self.held != hold {
            self.held = hold;
            self.use_model.hold(hold);
            self.error_model.hold(hold);
            self.latency_model.hold(hold);
        }
    }

    /// Judges one second, in which its service served so many calls.
    pub(crate) fn step(
        &mut self,
        second: i64,
        bucket: Option<&DependencyBucket>,
        served: u64,
        changes: &mut Vec<Change>,
    ) {
        if self.own.as_ref().is_some_and(|own| own.paused) {
            if !std::mem::replace(&mut self.rested, true) {
                let now = Time::from_secs(second);
                for episode in [&mut self.calls, &mut self.errors, &mut self.latency] {
                    changes.extend(episode.dismiss(now, "; it is not watched any more"));
                }
            }
            self.window = Gathered::default();
            return;
        }
        if std::mem::take(&mut self.rested) {
            self.skip_to(second);
        }
        if bucket.is_some() || served > 0 {
            self.window.start.get_or_insert(second);
            self.window.active_secs += 1;
            self.window.served += served;
        }
        if let Some(bucket) = bucket {
            self.window.sum.calls += bucket.calls;
            self.window.sum.failed += bucket.failed;
            self.window.sum.latencies.merge(&bucket.latencies);
        }
        let end = second + 1;
        if self.window.is_complete(end) || (bucket.is_some() && self.is_pressing(end)) {
            let window = std::mem::take(&mut self.window);
            self.judge(&window, end, changes);
        }
        let now = Time::from_secs(second);
        for episode in [&mut self.calls, &mut self.errors, &mut self.latency] {
            if episode.open.is_some() {
                changes.extend(episode.expire(now));
            }
        }
    }

    fn is_pressing(&self, end: i64) -> bool {
        let window = &self.window;
        let of = |reading| window.sample(end, reading);
        self.error_model.is_pressing(&of(window.failures()))
            || self.use_model.is_pressing(&of(window.per_call()))
            || self
                .latency_model
                .is_pressing(&of(Reading::Durations(&window.sum.latencies)))
    }

    fn judge(&mut self, window: &Gathered, end: i64, changes: &mut Vec<Change>) {
        let subject = Subject::Dependency {
            service: self.service.clone(),
            environment: self.environment.clone(),
            callee: self.callee.clone(),
        };
        let durations = Reading::Durations(&window.sum.latencies);
        let mut follow = |episode: &mut Episode, verdict: Option<Verdict>, measure, detector| {
            if let Some(verdict) = verdict {
                let origin = Origin {
                    subject: &subject,
                    measure,
                    detector,
                    scale: 1.0,
                    peers: None,
                };
                changes.extend(episode.follow(&verdict, origin, |_| Vec::new()));
            }
        };
        follow(
            &mut self.calls,
            self.use_model.judge(&window.sample(end, window.per_call())),
            Measure::CallsPerCall,
            self.use_model.name(),
        );
        follow(
            &mut self.errors,
            self.error_model
                .judge(&window.sample(end, window.failures())),
            Measure::ErrorRatio,
            self.error_model.name(),
        );
        follow(
            &mut self.latency,
            self.latency_model.judge(&window.sample(end, durations)),
            Measure::Latency,
            "dependency-latency",
        );
    }

    pub(crate) fn skip_to(&mut self, second: i64) {
        let time = Time::from_secs(second);
        self.window = Gathered::default();
        self.use_model.skip_to(time);
        self.error_model.skip_to(time);
        self.latency_model.skip_to(time);
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        [&self.calls, &self.errors, &self.latency]
            .into_iter()
            .filter_map(|episode| episode.open.as_ref().map(|open| &open.anomaly))
    }
}
