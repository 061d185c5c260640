//! Observations and time in, effects out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Alert, Anomaly, AnomalyId, ApiKey, CallSource, Change as Deed, EngineCounts, Environment,
    Incident, Measure, Name, Observation, Risk, ServiceKey, Settings, Subject, Time, View, Window,
    Workload,
};
use monitor_detect::Discoveries;
use monitor_diagnose::{
    AlertBook, AlertConfig, AlertCounts, Budgets, Cause, IncidentBook, IncidentChange, Journeys,
    Seen, Topology,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::api::ApiTrack;
use crate::bucket::Second;
use crate::clocks::PendingAstray;
use crate::combinations::{self, CombinationBook};
use crate::config::{Clock, EngineConfig};
use crate::dependency::{DependencyBucket, DependencyTrack};
use crate::episode::Change;
use crate::feedback::FeedbackBook;
use crate::flows::FlowBook;
use crate::journey_risk::JourneyRisks;
use crate::kin::Kin;
use crate::levels::PendingLevels;
use crate::numbers::{Context, NumberBook, NumberKey};
use crate::peers::PeerBook;
use crate::places::Places;
use crate::risk::{Foresight, RiskChange, Watched};
use crate::rollup::{SeriesPoint, Step};
use crate::service::ServiceTrack;

/// The route of the Apis that found no place of their own.
const OTHER: &str = "~other";
/// What services ask of others is watched for this many to a service, on average.
const DEPENDENCIES: usize = 4;
/// Changes told with an alert.
const TOLD_CHANGES: usize = 5;
/// How often each Api's budget of false alarms is shared anew between its detectors.
const SHARE_SECS: i64 = 300;
/// Closed anomalies that the view still shows.
const CLOSED_KEPT: usize = 200;

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

    /// Takes one observation into its second's bucket. O(log n) in the seconds and Apis pending.
    pub fn observe(&mut self, observation: &Observation) {
        if let Observation::Edge { caller, callee, at } = observation {
            self.observe_edge(caller, callee, *at);
            return;
        }
        if let Observation::Level { at, .. } = observation {
            if self.is_from_the_future(*at) {
                self.state.counts.future += 1;
            } else {
                let earliest = self.earliest_second().unwrap_or(i64::MIN);
                self.state.counts.levels += 1;
                self.state.counts.levels_refused += self.state.levels.add(observation, earliest);
            }
            return;
        }
        if let Observation::Hop(hop) = observation {
            if !self.is_from_the_future(hop.end()) {
                self.state.journeys.see(hop);
            }
            return;
        }
        self.state.counts.observations += 1;
        let time = observation.time();
        if self.is_from_the_future(time) {
            self.state.counts.future += 1;
            self.came_astray(observation);
            return;
        }
        if self.is_late(time) {
            self.state.counts.late += 1;
            self.came_astray(observation);
            return;
        }
        self.state.newest = self.state.newest.max(Some(time));
        let second = self.state.pending.entry(time.as_secs()).or_default();
        match observation {
            Observation::Call(call) => {
                let Some(place) = api_place(&mut self.state.api_places, &self.config, &call.api)
                else {
                    self.state.counts.overflowed += 1;
                    return;
                };
                let bucket = second.calls.entry((place, call.source)).or_default();
                // A probe's calls show that the Api exists and nothing of what its users see.
                if !call.synthetic && call.source != CallSource::Probe {
                    bucket.add(call);
                    self.state.flows.call(call, &mut second.flows);
                }
            }
            Observation::Histogram { api, point, failed } => {
                let Some(place) = api_place(&mut self.state.api_places, &self.config, api) else {
                    self.state.counts.overflowed += 1;
                    return;
                };
                second
                    .calls
                    .entry((place, CallSource::Metric))
                    .or_default()
                    .add_histogram(point, *failed);
            }
            Observation::Log {
                service,
                environment,
                severity,
                template,
                format,
                fill,
                ..
            } => {
                let key = (service.clone(), environment.clone());
                let Some(place) =
                    self.state
                        .service_places
                        .place(&key, self.config.max_services, || key.clone())
                else {
                    self.state.counts.overflowed += 1;
                    return;
                };
                second.logs.entry(place).or_default().add(
                    *severity,
                    *template,
                    format.as_ref(),
                    *fill,
                );
            }
            Observation::Dependency {
                service,
                environment,
                callee,
                duration,
                failed,
                ..
            } => {
                let key = (service.clone(), environment.clone(), callee.clone());
                let limit = self.config.max_services.saturating_mul(DEPENDENCIES);
                let places = &mut self.state.dependency_places;
                let Some(place) = places.place(&key, limit, || key.clone()) else {
                    self.state.counts.overflowed += 1;
                    return;
                };
                let bucket = second.dependencies.entry(place).or_default();
                bucket.add(*duration, *failed);
            }
            Observation::CallEnd(end) => self.state.flows.end(end, &mut second.flows),
            Observation::Number(seen) => {
                let key = NumberKey::of(seen);
                if NumberBook::admits(&key, &second.numbers, self.config.max_numbers) {
                    second.numbers.entry(key).or_default().add(seen.value);
                } else {
                    self.state.counts.numbers_refused += 1;
                }
            }
            Observation::Edge { .. } | Observation::Hop(_) | Observation::Level { .. } => {}
        }
    }

    /// Remembers a record that cannot be judged, of a service that is known: its clock may be wrong. In a
    /// recording nobody knows when it came.
    fn came_astray(&mut self, observation: &Observation) {
        if let Observation::Log {
            service,
            environment,
            time,
            ..
        } = observation
            && self.config.clock == Clock::Wall
            && let Some(now) = self.state.now
            && let Some(place) =
                (self.state.service_places).known(&(service.clone(), environment.clone()))
        {
            self.state.astray.add(place, *time, now);
        }
    }

    /// Late ones are as good as any: who called whom a minute ago still does. They are no sign of
    /// life either, so they make no second that would have to be judged.
    fn observe_edge(&mut self, caller: &Workload, callee: &Workload, at: Time) {
        self.state.counts.edges += 1;
        if self.is_from_the_future(at) {
            self.state.counts.future += 1;
            return;
        }
        let earliest = self.earliest_second().unwrap_or(i64::MIN);
        self.state
            .pending_edges
            .entry(at.as_secs().max(earliest))
            .or_default()
            .insert((caller.clone(), callee.clone()));
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
                api.finish(&mut changes);
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

    fn is_from_the_future(&self, time: Time) -> bool {
        self.config.clock == Clock::Wall
            && self
                .state
                .now
                .is_some_and(|now| time > now + self.config.max_future)
    }

    fn is_late(&self, time: Time) -> bool {
        self.earliest_second()
            .is_some_and(|limit| time.as_secs() < limit)
    }

    /// Earlier ones have been judged.
    fn earliest_second(&self) -> Option<i64> {
        match self.config.clock {
            Clock::Wall => self.state.watermark,
            Clock::Event => self
                .state
                .newest
                .map(|newest| (newest - self.config.lateness).as_secs())
                .max(self.state.next),
        }
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
        let (settings, config) = (&self.settings, &self.config);
        self.state
            .peers
            .step(second, settings, config, &mut changes);
        let (combinations, apis) = (&mut self.state.combinations, &self.state.apis);
        combinations.step(second, apis, settings, config, &mut changes);
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

    /// The track of a service's place, a new one where it has none.
    fn track_service(&mut self, place: u32, second: i64) -> u32 {
        let state = &mut self.state;
        if let Some(track) = state.service_places.track(place) {
            return track;
        }
        let (service, environment) = state.service_places.key(place).clone();
        let track = u32::try_from(state.services.len()).unwrap_or(u32::MAX);
        let own = self.settings.of(&service, &environment).cloned();
        let mut new = ServiceTrack::new(service, environment, second, &self.config);
        if own.is_some() {
            new.configure(own.as_ref(), &self.config);
        }
        state.services.push(new);
        state.service_places.set_track(place, track);
        track
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
        let changes = foresight.step(second, &watched, self.config.max_forecast);
        let end = second.saturating_add(1);
        if end.rem_euclid(60) == 0 {
            let apis = apis.iter().map(|api| Arc::clone(&api.key));
            let chances = apis.zip(foresight.chances()).collect();
            journey_risks.step(end, &journeys.types_with_hops(), &chances);
        }
        effects.extend(changes.into_iter().map(|change| match change {
            RiskChange::Opened(risk) => Effect::RiskOpened(risk),
            RiskChange::Updated(risk) => Effect::RiskUpdated(risk),
            RiskChange::Closed(risk) => Effect::RiskClosed(risk),
        }));
    }

    /// Tells of what changed, and lets the alerts grow older.
    fn settle(&mut self, end: i64, changes: Vec<Change>, effects: &mut Vec<Effect>) {
        let now = Time::from_secs(end);
        let book = &mut self.state.feedback;
        for change in book.admit(changes, &self.config.without, now) {
            let (Change::Opened(anomaly) | Change::Updated(anomaly) | Change::Closed(anomaly)) =
                &change;
            let over = matches!(change, Change::Closed(_));
            if self.is_told(anomaly, over, now) {
                self.state.book.record(anomaly, now);
                self.state.incidents.record(anomaly, now);
            }
            effects.push(match change {
                Change::Opened(anomaly) => {
                    self.state.counts.anomalies_opened += 1;
                    Effect::AnomalyOpened(anomaly)
                }
                Change::Updated(anomaly) => Effect::AnomalyUpdated(anomaly),
                Change::Closed(anomaly) => {
                    if self.state.closed.len() >= CLOSED_KEPT {
                        self.state.closed.pop_front();
                    }
                    self.state.closed.push_back(anomaly.clone());
                    Effect::AnomalyClosed(anomaly)
                }
            });
        }
        self.diagnose(end, effects);
        let changed = self.state.book.advance(now, &self.alert_config());
        effects.extend(changed.into_iter().map(Effect::Alert));
    }

    /// Puts together what belongs together, and says where it may come from.
    fn diagnose(&mut self, end: i64, effects: &mut Vec<Effect>) {
        let now = Time::from_secs(end);
        self.learn_edges(end);
        let config = self.alert_config();
        let state = &mut self.state;
        if !state.incidents.is_due(now) {
            return;
        }
        let concerned = state.incidents.concerned(&state.topology);
        let vitals = crate::vitals::of(concerned, &state.apis, &state.services, end, &self.config);
        let flows = &state.flows;
        let look =
            |concerned: &BTreeSet<Workload>, since: Time| flows.compare(concerned, since, end);
        let changes = state
            .incidents
            .advance_with(now, &config, &state.topology, &vitals, &look);
        let (apis, settings) = (&state.apis, &self.settings);
        let budgets = Budgets {
            since: &|concerned, began| {
                crate::objectives::spent_since(apis, settings, concerned, began, end)
            },
            weight: &|workload| crate::objectives::weight(settings, workload),
        };
        (state.incidents).weigh(now, &config, &changes, &state.journeys, &budgets);
        state.counts.incidents_opened += changes
            .iter()
            .filter(|change| matches!(change, IncidentChange::Opened(_)))
            .count() as u64;
        (state.counts.impact_forecasts, state.counts.impact_inside) =
            state.incidents.impact_forecasts();
        let merged = changes.iter().filter_map(|change| match change {
            IncidentChange::Closed(incident) => Some((incident.id, incident.merged_into?)),
            _ => None,
        });
        state.book.follow(state.incidents.lasting(), merged);
        let by_workload = state.incidents.by_workload();
        state.book.attribute(|service, environment| {
            let workload = Workload {
                service: service.clone(),
                environment: environment.clone(),
            };
            let incident = by_workload.get(&workload)?;
            let root_cause = incident.root_cause();
            let rank = incident
                .suspects
                .iter()
                .position(|suspect| suspect.workload == workload);
            Some(Cause {
                incident: incident.id,
                rank: rank.map_or(u32::MAX, |rank| u32::try_from(rank).unwrap_or(u32::MAX)),
                root_cause: root_cause.map(|cause| match incident.scope.as_str() {
                    "" => format!("{}: {}", cause.name(), cause.why),
                    scope => format!("{}: {} ({scope})", cause.name(), cause.why),
                }),
                impact: incident.impact.as_ref().map(ToString::to_string),
                changes: changes_text(&incident.changes),
            })
        });
        effects.extend(changes.into_iter().map(|change| match change {
            IncidentChange::Opened(incident) => Effect::IncidentOpened(incident),
            IncidentChange::Updated(incident) => Effect::IncidentUpdated(incident),
            IncidentChange::Closed(incident) => Effect::IncidentClosed(incident),
        }));
    }

    /// Takes over the edges that were seen before the end of the second.
    fn learn_edges(&mut self, end: i64) {
        let state = &mut self.state;
        while let Some(first) = state.pending_edges.first_entry() {
            if *first.key() >= end {
                break;
            }
            let at = Time::from_secs(*first.key());
            for (caller, callee) in first.remove() {
                match state.topology.see(&caller, &callee, at) {
                    Seen::New => state.incidents.topology_changed(),
                    Seen::Again => {}
                    Seen::Refused => state.counts.edges_refused += 1,
                }
            }
        }
        state.topology.forget(Time::from_secs(end));
    }

    /// Whether it pages and is likely enough to be true among as many Apis as there are.
    fn is_told(&mut self, anomaly: &Anomaly, over: bool, now: Time) -> bool {
        if over {
            return self.state.told.remove(&anomaly.id);
        }
        if self.state.told.contains(&anomaly.id) {
            return true;
        }
        let (apis, budget) = (self.state.apis.len(), self.config.false_alarms_per_api_week);
        let told = self.pages(anomaly)
            && self
                .state
                .discoveries
                .admits((anomaly.id.0, anomaly.score), now, apis, budget);
        if told {
            self.state.told.insert(anomaly.id);
        }
        told
    }

    /// A message that is no error may become frequent without waking anyone. Nor does what a
    /// service's own calls meet: those who wait for the service feel it, or nobody does.
    pub(crate) fn pages(&self, anomaly: &Anomaly) -> bool {
        if anomaly.detector.starts_with("odd-") || &*anomaly.detector == combinations::DETECTOR {
            // Who differs from its peers is shown and named, and so is what is unusual only together;
            // the Api's own detectors wake people.
            return false;
        }
        if matches!(anomaly.signal.subject, Subject::Number { .. }) {
            // That someone wants a number watched does not make it a reason to wake anyone.
            return false;
        }
        if matches!(anomaly.signal.subject, Subject::Dependency { .. }) {
            return anomaly.signal.measure == Measure::CallsPerCall;
        }
        let Measure::TemplateRate(template) = anomaly.signal.measure else {
            return true;
        };
        self.state.services.iter().any(|service| {
            service.service == *anomaly.signal.subject.service()
                && service.environment == *anomaly.signal.subject.environment()
                && service.is_error_template(template)
        })
    }

    /// Sends each bucket to its Api's track; new Apis get theirs in order of keys.
    fn route_calls(
        &mut self,
        second: i64,
        calls: BTreeMap<(u32, CallSource), Box<crate::bucket::CallBucket>>,
    ) -> BTreeMap<u32, Vec<(CallSource, Box<crate::bucket::CallBucket>)>> {
        let state = &mut self.state;
        let mut new: Vec<u32> = calls
            .keys()
            .map(|(place, _)| *place)
            .filter(|place| state.api_places.track(*place).is_none())
            .collect();
        new.dedup();
        new.sort_by(|a, b| state.api_places.key(*a).cmp(state.api_places.key(*b)));
        let keys = new.iter().map(|place| state.api_places.key(*place));
        let kin = Kin::of(keys, &state.apis, &self.config);
        for place in new {
            let key = state.api_places.key(place).clone();
            let (key, home) = if is_other(&key) || state.own_apis < self.config.max_apis {
                (key, Some(place))
            } else {
                let other = other_api(&key);
                let home = api_place(&mut state.api_places, &self.config, &other);
                (other, home)
            };
            // Without a home there are more services than we watch; their calls are dropped below.
            let Some(home) = home else {
                continue;
            };
            let track = state.api_places.track(home).unwrap_or_else(|| {
                state.own_apis += usize::from(!is_other(&key));
                let own = self.settings.of(&key.service, &key.environment).cloned();
                let teachers = kin.teachers(&key).filter(|_| !is_other(&key));
                let mut track = ApiTrack::new(Arc::clone(&key), second, &self.config);
                if let Some((kinship, teachers)) = teachers {
                    let teachers = teachers.iter().map(|at| &state.apis[*at as usize]);
                    track.borrow(kinship, &teachers.collect::<Vec<_>>());
                }
                if own.is_some() {
                    track.configure(own.as_ref(), &self.config);
                }
                state.apis.push(track);
                u32::try_from(state.apis.len() - 1).unwrap_or(u32::MAX)
            });
            state.api_places.set_track(home, track);
            state.api_places.set_track(place, track);
        }
        let mut routed: BTreeMap<u32, Vec<(CallSource, Box<crate::bucket::CallBucket>)>> =
            BTreeMap::new();
        for ((place, source), bucket) in calls {
            let Some(track) = state.api_places.track(place) else {
                state.counts.overflowed += bucket.calls;
                continue;
            };
            if is_other(&state.apis[track as usize].key) {
                state.counts.overflowed += bucket.calls;
            }
            let sources = routed.entry(track).or_default();
            match sources.iter_mut().find(|(known, _)| *known == source) {
                Some((_, sum)) => sum.merge(&bucket),
                None => sources.push((source, bucket)),
            }
        }
        routed
    }

    fn route_logs(
        &mut self,
        second: i64,
        logs: BTreeMap<u32, Box<crate::bucket::LogBucket>>,
    ) -> BTreeMap<u32, Box<crate::bucket::LogBucket>> {
        let state = &mut self.state;
        let mut new: Vec<u32> = logs
            .keys()
            .copied()
            .filter(|place| state.service_places.track(*place).is_none())
            .collect();
        new.sort_by(|a, b| {
            state
                .service_places
                .key(*a)
                .cmp(state.service_places.key(*b))
        });
        for place in new {
            self.track_service(place, second);
        }
        let places = &self.state.service_places;
        logs.into_iter()
            .filter_map(|(place, bucket)| Some((places.track(place)?, bucket)))
            .collect()
    }

    fn route_dependencies(
        &mut self,
        asked: BTreeMap<u32, Box<DependencyBucket>>,
    ) -> BTreeMap<u32, Box<DependencyBucket>> {
        let state = &mut self.state;
        let places = &mut state.dependency_places;
        let mut new: Vec<u32> = asked
            .keys()
            .copied()
            .filter(|place| places.track(*place).is_none())
            .collect();
        new.sort_by(|a, b| places.key(*a).cmp(places.key(*b)));
        for place in new {
            let key = places.key(place).clone();
            let own = self.settings.of(&key.0, &key.1).cloned();
            let mut track = DependencyTrack::new(key, &self.config);
            if own.is_some() {
                track.configure(own.as_ref(), &self.config);
            }
            let number = u32::try_from(state.dependencies.len()).unwrap_or(u32::MAX);
            state.dependencies.push(track);
            places.set_track(place, number);
        }
        asked
            .into_iter()
            .filter_map(|(place, bucket)| Some((places.track(place)?, bucket)))
            .collect()
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

/// The place of an Api, or of its service's `~other` when the table is full. Twice the number of
/// tracks may be named, so that who gets the last track is decided by key; services without end
/// end here.
fn api_place(
    places: &mut Places<Arc<ApiKey>>,
    config: &EngineConfig,
    api: &Arc<ApiKey>,
) -> Option<u32> {
    let named = config.max_apis.saturating_mul(2);
    places
        .place::<ApiKey>(api, named, || api.clone())
        .or_else(|| {
            let other = other_api(api);
            places.place::<ApiKey>(&other, named.saturating_add(config.max_services), || {
                other.clone()
            })
        })
}

/// One line for each.
fn changes_text(changes: &[Deed]) -> Option<String> {
    let lines: Vec<String> = changes
        .iter()
        .take(TOLD_CHANGES)
        .map(|change| format!("{} {change} ({})", change.at, change.source))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
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

fn is_other(api: &ApiKey) -> bool {
    api.method.is_empty() && &*api.route == OTHER
}

fn other_api(api: &ApiKey) -> Arc<ApiKey> {
    Arc::new(ApiKey {
        environment: api.environment.clone(),
        service: api.service.clone(),
        method: "".into(),
        route: OTHER.into(),
    })
}
