//! A keeper with an API server and a monitor, all in a time of their own: hours pass in seconds, and
//! everything that the keeper asks for is on record.
//!
//! The API server here is the keeper's view of one: writes take effect, are answered and come back
//! on a watch, each after a delay and in either order; in trouble they are refused, or take effect
//! unheard while watches are silent and list anew afterwards.

use std::collections::{BTreeMap, VecDeque};

use crds::MonitoredApi;
use jiff::{SignedDuration, Timestamp};
use monitor_api::{ApiState, ConfigurationOutcome, WorkloadView, Workloads};
use operator_meta::facts::{OwnerFacts, PodFacts};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::{Input, Keeper, KeeperSettings, Polled, later};
use crate::effect::{Done, Effect, Failure, Reason, Written};
use crate::key::Key;
use crate::monitor::MonitorEvent;
use crate::record::{PodRecord, WorkloadRecord};
use crate::table::Seen;
use crate::watch::watched;
use crate::world::{ClusterEvent, Watched};

pub(super) const SOURCE: &str = "kubernetes";
const BEGIN: &str = "2026-11-21T18:00:00Z";
/// The deciding task comes round this often at least.
const ROUND: SignedDuration = SignedDuration::from_secs(1);
/// How often the monitor is asked for everything, and how often when it is away.
const ASKED_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// How often it may want to be asked again at the same moment.
const SPINS: u32 = 8;

/// What the API server does to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// Nothing happens: 429 with `Retry-After`, or 500.
    Refuses,
    /// It happens, and the answer is lost.
    Deaf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Apply,
    Status,
    Delete,
    Event,
    Other,
}

pub(super) struct Play {
    pub(super) now: Timestamp,
    pub(super) keeper: Keeper,
    pub(super) apis: BTreeMap<Key, MonitoredApi>,
    /// All that it would have cost: what was asked for, when.
    pub(super) asked: Vec<(Timestamp, Asked)>,
    pub(super) wishes: usize,
    pub(super) trouble: Trouble,
    /// Whether the API server knows less of statuses than the operator says.
    pub(super) cuts: bool,
    /// Whether it answers.
    pub(super) monitor_there: bool,
    in_force: Option<String>,
    services: usize,
    version: u64,
    random: StdRng,
    /// What is on its way to the keeper.
    coming: BTreeMap<(Timestamp, u64), Input>,
    sent: u64,
    monitor_next: Timestamp,
    /// Numbers that no two answers have in common.
    turn: u32,
}

impl Play {
    /// A cluster in which so many Deployments of one pod run, all of them sending log lines.
    pub(super) fn new(workloads: usize) -> Play {
        let now: Timestamp = BEGIN.parse().unwrap();
        let settings = KeeperSettings {
            cluster: operator_meta::facts::ClusterFacts::default(),
            mode: operator_meta::decision::Mode::OptOut,
            identity: operator_meta::identity::IdentityOptions {
                well_known_labels: true,
            },
            monitor: "http://monitor".to_owned(),
            source: SOURCE.to_owned(),
            namespace: "crosswatch".to_owned(),
            watched: watched(false),
            scopes: 1,
            seed: 7,
        };
        let mut play = Play {
            now,
            keeper: Keeper::new(settings, now),
            apis: BTreeMap::new(),
            asked: Vec::new(),
            wishes: 0,
            trouble: Trouble::None,
            cuts: false,
            monitor_there: true,
            in_force: None,
            services: workloads,
            version: 1,
            random: StdRng::seed_from_u64(11),
            coming: BTreeMap::new(),
            sent: 0,
            monitor_next: now,
            turn: 0,
        };
        play.keeper.handle(Input::Leading(true), now);
        for kind in watched(false) {
            play.list(kind);
        }
        play
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, length: SignedDuration) {
        let end = later(self.now, length);
        let mut round = later(self.now, ROUND);
        let mut spins = 0;
        loop {
            while let Some(first) = self.coming.first_entry() {
                if first.key().0 > self.now {
                    break;
                }
                let input = first.remove();
                self.keeper.handle(input, self.now);
            }
            if self.monitor_next <= self.now {
                self.monitor_answers();
            }
            let polled = self.keeper.poll(self.now);
            self.act(polled);
            let wake = self.keeper.next_at();
            // A turn may ask for another one of the same moment; for ever would be a hot loop.
            let at_once = wake.is_some_and(|at| at <= self.now);
            spins = if at_once { spins + 1 } else { 0 };
            assert!(
                spins < SPINS,
                "it wants to be asked again at once, for ever"
            );
            if self.now >= end {
                return;
            }
            if round <= self.now {
                round = later(self.now, ROUND);
            }
            let coming = self.coming.keys().next().map(|(at, _)| *at);
            let next = [
                coming,
                wake,
                Some(self.monitor_next),
                Some(round),
                Some(end),
            ];
            let next = next.into_iter().flatten().min().unwrap_or(end);
            self.now = next.max(self.now);
        }
    }

    /// How many of a kind it asked for since then.
    pub(super) fn count(&self, kind: Asked, since: Timestamp) -> usize {
        let after = self.asked.iter().rev();
        let after = after.take_while(|(at, _)| *at >= since);
        after.filter(|(_, asked)| *asked == kind).count()
    }

    /// A new list of everything that the operator makes, as after a watch that expired.
    pub(super) fn list_monitored_again(&mut self) {
        self.list(Watched::Monitored);
    }

    fn soon(&mut self, milliseconds: i64, input: Input) {
        let wait = self.random.random_range(1..=milliseconds);
        let at = later(self.now, SignedDuration::from_millis(wait));
        self.send(at, input);
    }

    fn send(&mut self, at: Timestamp, input: Input) {
        self.sent += 1;
        self.coming.insert((at, self.sent), input);
    }

    fn list(&mut self, kind: Watched) {
        let names: Vec<String> = (0..self.services).map(|n| format!("w{n}")).collect();
        let events: Vec<ClusterEvent> = match kind {
            Watched::Pods => listed(names.iter().map(|it| pod(it)), ClusterEvent::Pod),
            Watched::Workloads(workload) => {
                let deployments = workload == operator_meta::owner::WorkloadKind::Deployment;
                let rows = names
                    .iter()
                    .filter(|_| deployments)
                    .map(|it| deployment(it));
                listed(rows, move |seen| ClusterEvent::Workload(workload, seen))
            }
            Watched::Monitored => {
                let apis: Vec<_> = self.apis.values().cloned().map(Box::new).collect();
                listed(apis.into_iter(), ClusterEvent::Monitored)
            }
            Watched::Nodes => listed([].into_iter(), ClusterEvent::Node),
            Watched::Namespaces => listed([].into_iter(), ClusterEvent::Namespace),
            Watched::ConfigMaps => listed([].into_iter(), ClusterEvent::ConfigMap),
            Watched::Policies => listed([].into_iter(), ClusterEvent::Policy),
            Watched::Windows => listed([].into_iter(), ClusterEvent::Window),
        };
        for event in events {
            self.send(self.now, Input::Cluster(event));
        }
    }

    fn act(&mut self, polled: Polled) {
        for (task, effect) in polled.effects {
            let outcome = self.perform(effect);
            self.soon(40, Input::Done(Done { task, outcome }));
        }
        let events = polled.told.len();
        self.asked
            .extend(std::iter::repeat_n((self.now, Asked::Event), events));
        if let Some(wish) = polled.wish {
            self.wishes += 1;
            if self.monitor_there {
                self.in_force = Some(wish.revision.clone());
                let outcome = ConfigurationOutcome {
                    revision: wish.revision.clone(),
                    ..ConfigurationOutcome::default()
                };
                self.soon(50, Input::Monitor(MonitorEvent::Told(outcome)));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<Written, Failure> {
        let kind = match &effect {
            Effect::Apply(_) => Asked::Apply,
            Effect::Status { .. } => Asked::Status,
            Effect::Delete { .. } => Asked::Delete,
            _ => Asked::Other,
        };
        self.asked.push((self.now, kind));
        if self.trouble == Trouble::Refuses {
            let busy = self.random.random_bool(0.5);
            return Err(Failure {
                reason: if busy {
                    Reason::Busy
                } else {
                    Reason::Unavailable
                },
                message: "trouble".to_owned(),
                retry_after: busy.then_some(SignedDuration::from_secs(1)),
            });
        }
        let written = match effect {
            Effect::Apply(desired) => self.apply(&desired.key, &desired.body()),
            Effect::Status { key, uid, status } => {
                let Some(old) = self
                    .apis
                    .get(&key)
                    .filter(|it| it.metadata.uid == Some(uid))
                else {
                    return Err(conflict());
                };
                let mut api = old.clone();
                let mut status = *status;
                if self.cuts {
                    status.pods = None;
                }
                api.status = Some(status);
                self.store(key, api)
            }
            other => panic!("nothing in this cluster asks for {other:?}"),
        };
        match self.trouble {
            Trouble::Deaf => Err(Failure {
                reason: Reason::Unavailable,
                message: "no answer".to_owned(),
                retry_after: None,
            }),
            _ => Ok(Written::Monitored(Box::new(written))),
        }
    }

    /// Server-side apply, as far as the operator's own fields go.
    fn apply(&mut self, key: &Key, body: &serde_json::Value) -> MonitoredApi {
        let mut api: MonitoredApi = serde_json::from_value(body.clone()).unwrap();
        api.metadata.resource_version = None;
        let old = self.apis.get(key);
        api.metadata.uid = match old {
            Some(old) => old.metadata.uid.clone(),
            None => Some(format!("uid-{}", self.version)),
        };
        api.metadata.generation = Some(1);
        api.metadata.creation_timestamp = match old {
            Some(old) => old.metadata.creation_timestamp.clone(),
            None => Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                self.now,
            )),
        };
        api.status = old.and_then(|it| it.status.clone());
        self.store(key.clone(), api)
    }

    /// What is as it was gets no new version, and no watch speaks of it.
    fn store(&mut self, key: Key, mut api: MonitoredApi) -> MonitoredApi {
        let old = self.apis.get(&key);
        api.metadata.resource_version = old.and_then(|old| old.metadata.resource_version.clone());
        if old == Some(&api) {
            return api;
        }
        self.version += 1;
        api.metadata.resource_version = Some(self.version.to_string());
        self.apis.insert(key, api.clone());
        if self.trouble != Trouble::Deaf {
            let seen = Seen::Applied(Box::new(api.clone()));
            self.soon_in_order(seen);
        }
        api
    }

    /// A watch tells in the order of what happened.
    fn soon_in_order(&mut self, seen: Seen<Box<MonitoredApi>>) {
        let at = later(self.now, SignedDuration::from_millis(20));
        self.send(at, Input::Cluster(ClusterEvent::Monitored(seen)));
    }

    fn monitor_answers(&mut self) {
        self.monitor_next = later(self.now, ASKED_EVERY);
        if !self.monitor_there {
            let away = MonitorEvent::Away("nobody listens there".to_owned());
            return self.soon(50, Input::Monitor(away));
        }
        self.turn += 1;
        let views: Vec<_> = (0..self.services)
            .map(|n| view(&format!("w{n}"), self.turn, self.now))
            .collect();
        let mut answer = Workloads {
            cursor: self.turn.to_string(),
            items: views,
            complete: true,
            ..Workloads::default()
        };
        if let Some(revision) = &self.in_force {
            answer
                .configurations
                .insert(SOURCE.to_owned(), revision.clone());
        }
        self.soon(50, Input::Monitor(MonitorEvent::Seen(answer)));
    }

    /// It comes back as it was. Who asks has one question under way: the last failure comes first.
    pub(super) fn monitor_comes_back(&mut self) {
        self.monitor_there = true;
        self.monitor_next = later(self.now, SignedDuration::from_millis(100));
    }
}

fn conflict() -> Failure {
    Failure {
        reason: Reason::Conflict,
        message: "another object has this name".to_owned(),
        retry_after: None,
    }
}

fn listed<T>(
    rows: impl Iterator<Item = T>,
    event: impl Fn(Seen<T>) -> ClusterEvent,
) -> Vec<ClusterEvent> {
    let mut events = VecDeque::from([event(Seen::Begin(None))]);
    events.extend(rows.map(|row| event(Seen::Initial(row))));
    events.push_back(event(Seen::End(None)));
    events.into()
}

fn pod(workload: &str) -> PodRecord {
    PodRecord {
        facts: PodFacts {
            namespace: "shop".to_owned(),
            name: format!("{workload}-7d4b9c6f5-abcde"),
            uid: format!("pod-{workload}"),
            labels: [("pod-template-hash".to_owned(), "7d4b9c6f5".to_owned())].into(),
            // Something is asked of every tenth, so that there is a wish at all.
            annotations: match workload.ends_with('7') {
                true => [("crosswatch.dev/owner".to_owned(), "team-a".to_owned())].into(),
                false => BTreeMap::new(),
            },
            controller: Some(OwnerFacts {
                api_version: "apps/v1".to_owned(),
                kind: "ReplicaSet".to_owned(),
                name: format!("{workload}-7d4b9c6f5"),
                uid: format!("set-{workload}"),
            }),
            phase: operator_meta::facts::Phase::Running,
            ..PodFacts::default()
        },
        ready: true,
        ..PodRecord::default()
    }
}

fn deployment(name: &str) -> WorkloadRecord {
    let metadata = json!({
        "namespace": "shop", "name": name, "uid": format!("deployment-{name}"), "generation": 1,
    });
    let metadata = serde_json::from_value(metadata).unwrap();
    let kind = operator_meta::owner::WorkloadKind::Deployment;
    WorkloadRecord::of_metadata(kind, &metadata)
}

/// What the monitor sees of it: its numbers are others each time.
fn view(service: &str, turn: u32, now: Timestamp) -> WorkloadView {
    let moved = f64::from(turn % 97);
    WorkloadView {
        namespace: "shop".to_owned(),
        service: service.to_owned(),
        environment: "unknown".to_owned(),
        changed: BEGIN.to_owned(),
        state: ApiState::Ok,
        reason: format!("as expected: {moved} calls a second"),
        score: 0.1 + moved / 200.0,
        first_log: Some(BEGIN.to_owned()),
        last_log: Some(now.to_string()),
        last_seen: now.to_string(),
        logs_total: u64::from(turn) + 1,
        log_format: Some("json".to_owned()),
        unrecognised_ratio: 0.0,
        learned_ratio: 1.0,
        apis: 2,
        calls_per_second: 10.0 + moved,
        error_ratio: moved / 10_000.0,
        latency_p99_seconds: Some(0.1 + moved / 1_000.0),
        routes: Vec::new(),
        incidents: Vec::new(),
        probes: Vec::new(),
    }
}
