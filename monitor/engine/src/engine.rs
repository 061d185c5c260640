//! Observations and time in, effects out.

mod intake;
mod routing;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Alert, Anomaly, AnomalyId, ApiKey, Change as Deed, EngineCounts, Environment, Incident, Name,
    Risk, ServiceKey, Settings, Time, View, Window, Workload,
};
use monitor_detect::Discoveries;
use monitor_diagnose::{AlertBook, AlertConfig, AlertCounts, IncidentBook, Journeys, Topology};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::api::ApiTrack;
use crate::bucket::Second;
use crate::clocks::PendingAstray;
use crate::combinations::CombinationBook;
use crate::config::{Clock, EngineConfig};
use crate::dependency::DependencyTrack;
use crate::feedback::FeedbackBook;
use crate::flows::FlowBook;
use crate::journey_risk::JourneyRisks;
use crate::journey_steps::{Context as StepContext, StepBook};
use crate::levels::PendingLevels;
use crate::numbers::{Context, NumberBook};
use crate::peers::PeerBook;
use crate::places::Places;
use crate::risk::{Foresight, RiskChange, Watched};
use crate::rollup::{SeriesPoint, Step};
use crate::service::ServiceTrack;

/// How often each Api's budget of false alarms is shared anew between its detectors.
const SHARE_SECS: i64 = 300;

/// What has to happen in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    AnomalyOpened(Anomaly),
    /// It got worse, or better understood.
    AnomalyUpdated(Anomaly),
    AnomalyClosed(Anomaly),
    /// Something is foreseen. Pages nobody.
    RiskOpened(Risk),
    /// It is expected at another time than was told.
    RiskUpdated(Risk),
    /// It came, was averted, or did not come.
    RiskClosed(Risk),
    IncidentOpened(Incident),
    /// Other services are in it, or others are suspected first.
    IncidentUpdated(Incident),
    /// It is over, or has become a part of an older one.
    IncidentClosed(Incident),
    /// An alert began to fire or was resolved: tell everybody.
    Alert(Alert),
    /// Tell again what was told before, because the receivers' protocol asks for it. Follows the
    /// ticks' `now`, not event time; a replay has no use for it.
    Resend(Alert),
}

#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) settings: Arc<Settings>,
    pub(crate) state: State,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The latest tick's `now`.
    now: Option<Time>,
    /// Seconds before this one are complete: judged, or known to be empty so far.
    pub(crate) watermark: Option<i64>,
    /// The first second that is not judged yet.
    next: Option<i64>,
    /// The newest event time seen.
    newest: Option<Time>,
    /// Mean distance between seconds in which anything arrived.
    mean_gap_secs: f64,
    pub(crate) counts: EngineCounts,
    api_places: Places<Arc<ApiKey>>,
    service_places: Places<(ServiceKey, Name)>,
    dependency_places: Places<(ServiceKey, Name, Name)>,
    pending: BTreeMap<i64, Second>,
    /// Who was seen to call whom, by the second from which on it is known.
    pending_edges: BTreeMap<i64, BTreeSet<(Workload, Workload)>>,
    levels: PendingLevels,
    astray: PendingAstray,
    topology: Topology,
    flows: FlowBook,
    pub(crate) journeys: Journeys,
    pub(crate) incidents: IncidentBook,
    pub(crate) apis: Vec<ApiTrack>,
    /// Of these, without the shared ones.
    own_apis: usize,
    pub(crate) services: Vec<ServiceTrack>,
    pub(crate) dependencies: Vec<DependencyTrack>,
    pub(crate) peers: PeerBook,
    pub(crate) numbers: NumberBook,
    pub(crate) combinations: CombinationBook,
    pub(crate) steps: StepBook,
    pub(crate) book: AlertBook,
    pub(crate) feedback: FeedbackBook,
    /// The latest last.
    pub(crate) closed: VecDeque<Anomaly>,
    pub(crate) foresight: Foresight,
    pub(crate) journey_risks: JourneyRisks,
    discoveries: Discoveries,
    /// The open anomalies that are worth telling.
    pub(crate) told: BTreeSet<AnomalyId>,
}

impl Engine {
    pub fn new(config: EngineConfig) -> Engine {
        Engine {
            config,
            settings: Arc::default(),
            state: State {
                mean_gap_secs: 1.0,
                ..State::default()
            },
        }
    }

    /// Judges every second that is complete at `now`: the wall clock live, the newest event time
    /// in a replay. What comes out does not depend on how often it is called; only
    /// [`Effect::Resend`] does.
    ///
    /// A second in which nothing at all arrived is judged when the next observation shows whether
    /// it was quiet or we were blind.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        self.state.now = self.state.now.max(Some(now));
        let limit = (now - self.config.lateness).as_secs();
        self.state.watermark = self.state.watermark.max(Some(limit));
        let mut effects = Vec::new();
        self.judge_before(limit, &mut effects);
        if self.config.clock == Clock::Wall {
            // A recording's journeys go by their own time, so that ticks decide nothing.
            self.state.journeys.pass(now);
        }
        let resent = self.state.book.resend(now, &self.alert_config());
        effects.extend(resent.into_iter().map(Effect::Resend));
        effects
    }

    /// Judges all that remains, at the end of a recording.
    pub fn finish(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.state.journeys.finish();
        if let Some(newest) = self.state.newest {
            let limit = newest.as_secs().saturating_add(1);
            self.state.watermark = self.state.watermark.max(Some(limit));
            self.judge_before(limit, &mut effects);
            let mut changes = Vec::new();
            for api in &mut self.state.apis {
                api.finish(&self.config, &mut changes);
            }
            for service in &mut self.state.services {
                service.finish(&self.config, &mut changes);
            }
            let context = Context {
                settings: &self.settings,
                config: &self.config,
                untaught: &|_, _| false,
            };
            self.state.numbers.finish(&context, &mut changes);
            self.settle(limit, changes, &mut effects);
        }
        effects
    }

    /// Watches as is wanted from the next second on. O(Apis).
    pub fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
        self.state.book.configure(Arc::clone(settings));
        self.state.journeys.configure(&settings.journeys);
        for api in &mut self.state.apis {
            let own = settings.of(&api.key.service, &api.key.environment);
            api.configure(own, &self.config);
        }
        for service in &mut self.state.services {
            let own = settings.of(&service.service, &service.environment);
            service.configure(own, &self.config);
        }
        for dependency in &mut self.state.dependencies {
            let own = settings.of(&dependency.service, &dependency.environment);
            dependency.configure(own, &self.config);
        }
        self.state.numbers.configure(settings, &self.config);
    }

    /// Something was done to the platform. Whether it is new.
    pub fn note(&mut self, change: Deed) -> bool {
        self.state.incidents.note(change)
    }

    /// What is known of an environment beyond its name, for alerts' labels and the view.
    pub fn describe_environment(&mut self, environment: Environment) {
        self.state.book.describe_environment(environment);
    }

    /// When alerts have to be told again, and until when a receiver may believe them.
    pub fn alert_config(&self) -> AlertConfig {
        AlertConfig {
            pending_for: self.config.pending_for,
            settle_for: self.config.settle_for,
            keep_firing_for: self.config.keep_firing_for,
            resend_every: self.config.resend_every,
            resend_resolved_for: self.config.resend_resolved_for,
        }
    }

    pub fn alert_counts(&self) -> AlertCounts {
        self.state.book.counts()
    }

    /// The state of everything watched. O(Apis log Apis).
    pub fn view(&self) -> View {
        crate::view::view(&self.state, &self.config)
    }

    /// The recent past of an Api in steps of 10 s, a minute or an hour; empty when unknown.
    pub fn series(&self, api: &ApiKey, step: Step) -> Vec<SeriesPoint> {
        self.state
            .apis
            .iter()
            .find(|track| *track.key == *api)
            .map(|track| track.rollups.series(step))
            .unwrap_or_default()
    }

    /// Everything learned and pending, as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        crate::snapshot::encode(&self.state)
    }

    /// Goes on exactly where [`Engine::snapshot`] was taken. The settings are not in it:
    /// [`Engine::configure`] comes next where there are any.
    pub fn restore(config: EngineConfig, bytes: &[u8]) -> Result<Engine, RestoreError> {
        let mut state: State = crate::snapshot::decode(bytes)?;
        state.api_places.reindex();
        state.service_places.reindex();
        state.dependency_places.reindex();
        state.incidents.reindex();
        state.flows.reindex();
        state.journeys.reindex();
        Ok(Engine {
            config,
            settings: Arc::default(),
            state,
        })
    }

    fn judge_before(&mut self, limit: i64, effects: &mut Vec<Effect>) {
        while let Some(first) = self.state.pending.first_entry() {
            let second = *first.key();
            if second >= limit {
                break;
            }
            let bucket = first.remove();
            self.pass_quiet_seconds(second, effects);
            self.judge(second, bucket, effects);
            self.state.next = Some(second.saturating_add(1));
        }
    }

    /// Between the last judged second and this one nothing arrived from anyone. A short stretch
    /// was quiet; one much longer than usual means that we were blind, and takes no time to pass.
    fn pass_quiet_seconds(&mut self, second: i64, effects: &mut Vec<Effect>) {
        let Some(next) = self.state.next else {
            return;
        };
        let quiet = second.saturating_sub(next);
        let longest = blind_after_secs(self.state.mean_gap_secs, self.config.blind_after);
        if quiet <= longest {
            for silent in next..second {
                self.judge(silent, Second::default(), effects);
            }
            #[expect(clippy::cast_precision_loss, reason = "at most a minute")]
            let gap = (quiet + 1) as f64;
            self.state.mean_gap_secs += (gap - self.state.mean_gap_secs) / 30.0;
        } else {
            for api in &mut self.state.apis {
                api.skip_to(second);
            }
            for service in &mut self.state.services {
                service.skip_to(second);
            }
            for dependency in &mut self.state.dependencies {
                dependency.skip_to(second);
            }
            self.state.peers.skip();
            let blind = Duration::from_secs(quiet.unsigned_abs());
            self.state.book.skip(blind);
            self.state.incidents.skip(blind);
            self.state.topology.skip(blind);
            self.state.flows.skip(quiet);
        }
    }

    fn judge(&mut self, second: i64, bucket: Second, effects: &mut Vec<Effect>) {
        let mut calls = self
            .route_calls(second, bucket.calls)
            .into_iter()
            .peekable();
        let mut logs = self.route_logs(second, bucket.logs).into_iter().peekable();
        let held = self.state.incidents.members();
        self.state.flows.step(second, &bucket.flows, &held);
        self.read_levels(second);
        self.read_clocks(second);
        let settings = &self.settings;
        let stated = |api: &ApiKey| crate::objectives::response_time(settings, api);
        (self.state.journeys).age(Time::from_secs(second), &held, &stated);
        let mut asked = self
            .route_dependencies(bucket.dependencies)
            .into_iter()
            .peekable();
        let mut changes = Vec::new();
        let at = Time::from_secs(second);
        let untaught: Vec<&Window> = self
            .settings
            .maintenance
            .iter()
            .filter(|window| window.exclude_learning && window.is_open(at))
            .collect();
        let real = self.state.feedback.confirmed();
        let is_untaught = |service: &ServiceKey, environment: &Name| {
            untaught
                .iter()
                .any(|window| window.select.holds(service, environment))
                || real.iter().any(|subject| {
                    subject.service() == service && subject.environment() == environment
                })
        };
        if second % SHARE_SECS == 0 {
            let all = self.state.apis.iter().map(ApiTrack::experience).sum();
            for api in &mut self.state.apis {
                api.share(&all, &self.config);
            }
        }
        let services = &self.state.services;
        let unreadable: FxHashSet<(&ServiceKey, &Name)> = services
            .iter()
            .filter(|service| service.clock.is_unreadable(second))
            .map(|service| (&service.service, &service.environment))
            .collect();
        for (at, api) in (0u32..).zip(&mut self.state.apis) {
            let buckets = calls.next_if(|(track, _)| *track == at);
            let buckets = buckets.as_ref().map(|(_, buckets)| buckets.as_slice());
            let whose = (&api.key.service, &api.key.environment);
            if buckets.is_none() && !unreadable.is_empty() && unreadable.contains(&whose) {
                // Its calls are not missing: their times are wrong.
                api.skip_to(second.saturating_add(1));
                continue;
            }
            api.hold(is_untaught(&api.key.service, &api.key.environment));
            api.step(
                second,
                buckets.unwrap_or_default(),
                &self.config,
                &mut changes,
            );
            if let Some(closed) = api.closed.take() {
                let who = (at as usize, &*api.key, api.first_seen());
                self.state.peers.see(who, &closed, api.is_held());
            }
        }
        crate::vanished::tell(second, &mut self.state.apis, &mut changes);
        let (settings, config) = (&self.settings, &self.config);
        self.state
            .peers
            .step(second, settings, config, &mut changes);
        let (combinations, apis) = (&mut self.state.combinations, &self.state.apis);
        combinations.step(second, apis, settings, config, &mut changes);
        let context = StepContext {
            settings,
            config,
            untaught: &is_untaught,
        };
        let (steps, journeys) = (&mut self.state.steps, &mut self.state.journeys);
        steps.step(second, journeys, &context, &mut changes);
        for (at, service) in (0u32..).zip(&mut self.state.services) {
            let bucket = logs.next_if(|(track, _)| *track == at);
            let bucket = bucket.as_ref().map(|(_, bucket)| &**bucket);
            service.hold(is_untaught(&service.service, &service.environment));
            service.step(second, bucket, &self.config, &mut changes);
        }
        let context = Context {
            settings: &self.settings,
            config: &self.config,
            untaught: &is_untaught,
        };
        let numbers = &mut self.state.numbers;
        self.state.counts.numbers_refused +=
            numbers.step(second, bucket.numbers, &context, &mut changes);
        let state = &mut self.state;
        let served = served(&state.apis, state.dependencies.is_empty());
        for (at, dependency) in (0u32..).zip(&mut state.dependencies) {
            let bucket = asked.next_if(|(track, _)| *track == at);
            let bucket = bucket.as_ref().map(|(_, bucket)| &**bucket);
            let (service, environment) = (&dependency.service, &dependency.environment);
            let served = served.get(&(service, environment)).copied();
            let hold = is_untaught(service, environment);
            dependency.hold(hold);
            dependency.step(second, bucket, served.unwrap_or_default(), &mut changes);
        }
        self.foresee(second, effects);
        self.settle(second.saturating_add(1), changes, effects);
    }

    /// Hands services what their gauges said up to the end of the second.
    fn read_levels(&mut self, second: i64) {
        for (at, services) in self.state.levels.take_before(second.saturating_add(1)) {
            for (key, readings) in services {
                let places = &mut self.state.service_places;
                let place = places.place(&key, self.config.max_services, || key.clone());
                let Some(track) = place.map(|place| self.track_service(place, second)) else {
                    self.state.counts.overflowed += readings.len() as u64;
                    continue;
                };
                let fills = &mut self.state.services[track as usize].fills;
                for ((instance, what), share) in readings {
                    let is_read = fills.read(at, &instance, &what, share);
                    self.state.counts.levels_refused += u64::from(!is_read);
                }
            }
        }
    }

    /// Tells services which of their records came astray up to the end of the second.
    fn read_clocks(&mut self, second: i64) {
        let state = &mut self.state;
        for (place, astray) in state.astray.take_before(second.saturating_add(1)) {
            if let Some(track) = state.service_places.track(place) {
                let service = &mut state.services[track as usize];
                service.clock.came_astray(second, astray);
            }
        }
    }

    /// Tells of what will be.
    fn foresee(&mut self, second: i64, effects: &mut Vec<Effect>) {
        let State {
            foresight,
            journey_risks,
            journeys,
            apis,
            services,
            dependencies,
            ..
        } = &mut self.state;
        let watched = Watched {
            apis,
            services,
            dependencies,
            journeys,
        };
        let Some(changes) = foresight.step(second, &watched, self.config.max_forecast) else {
            return;
        };
        for (api, grows) in apis.iter_mut().zip(foresight.grow_slower()) {
            api.grows_slower(grows);
        }
        let end = second.saturating_add(1);
        if end.rem_euclid(60) == 0 {
            let apis = apis.iter().map(|api| Arc::clone(&api.key));
            let ahead = apis.zip(foresight.ahead()).collect();
            journey_risks.step(end, &journeys.types_with_hops(), &ahead);
        }
        effects.extend(changes.into_iter().map(|change| match change {
            RiskChange::Opened(risk) => Effect::RiskOpened(risk),
            RiskChange::Updated(risk) => Effect::RiskUpdated(risk),
            RiskChange::Closed(risk) => Effect::RiskClosed(risk),
        }));
    }
}

/// Why a snapshot cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the bytes are not a snapshot of the engine")]
    NotASnapshot,
    #[error("the snapshot is of version {found}, this is version {expected}")]
    Version { found: u16, expected: u16 },
    #[error("the snapshot is damaged")]
    Damaged(#[source] postcard::Error),
}

/// Ten times the usual distance between seconds with data, but never less than 10 s (a collector
/// that restarts) nor more than the configured end.
fn blind_after_secs(mean_gap_secs: f64, longest: Duration) -> i64 {
    let longest = i64::try_from(longest.as_secs()).unwrap_or(i64::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mean of gaps that are at most a minute"
    )]
    let usual = (mean_gap_secs * 10.0) as i64;
    usual.max(10).min(longest)
}

/// How many calls each service with dependencies served in the second just judged.
fn served(apis: &[ApiTrack], nobody_asks: bool) -> FxHashMap<(&ServiceKey, &Name), u64> {
    let mut served = FxHashMap::default();
    if !nobody_asks {
        for api in apis.iter().filter(|api| api.counted > 0) {
            let key = (&api.key.service, &api.key.environment);
            *served.entry(key).or_default() += api.counted;
        }
    }
    served
}
