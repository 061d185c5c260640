//! The heart of the operator: what is known, what is to be looked at, what is to be done.
//!
//! Sans IO: watches, the monitor, the lease and the outcomes of writes come in as [`Input`]s, what
//! is to be done goes out of [`Keeper::poll`], and time is an argument. One task owns it. Every step
//! is safe to repeat and assumes nothing of why it is taken: an operator that dies anywhere and one
//! that starts anew come to the same.

#[cfg(test)]
mod long;
mod marks;
#[cfg(test)]
mod play;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crds::{MonitoredApi, MonitoredApiStatus};
use jiff::{SignedDuration, Timestamp};
use monitor_api::{Change, Configuration};
use operator_meta::decision::Mode;
use operator_meta::facts::ClusterFacts;
use operator_meta::identity::IdentityOptions;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::effect::{Done, Effect, Failure, Reason, Task, Told, Written};
use crate::gather::{Identified, identify};
use crate::key::{Key, WorkloadKey};
use crate::monitor::{Monitor, MonitorEvent, ServiceKey};
use crate::notice::{Memory, Notice};
use crate::pace::{Lane, Pace};
use crate::policy::{SecretRead, Secrets};
use crate::queue::Queue;
use crate::record::PodRecord;
use crate::wish::Wish;
use crate::world::{ClusterEvent, Watched, World};

/// So many writes are under way at once: a burst of a thousand is through within seconds, and the
/// API server's own fairness does the rest.
const AT_ONCE: usize = 16;
/// The wish is made anew at most this often: many changes at once are one wish.
const WISH_APART: SignedDuration = SignedDuration::from_millis(500);
/// Secrets are not watched, so that nobody has to allow that: they are read again now and then.
const SECRETS_APART: SignedDuration = SignedDuration::from_mins(5);
/// One that is awaited is looked for more often.
const SECRET_AWAITED: SignedDuration = SignedDuration::from_secs(30);
/// What was written is looked at again after this when the watch has not shown it.
const AWAITED: SignedDuration = SignedDuration::from_secs(5);
/// Changes that wait to be taken out; more are dropped and counted.
const CHANGES: usize = 4_096;

/// An operator that takes over tells of changes no older than this: longer than a lease lasts. The
/// monitor knows by their ids those that it was told of already.
const CHANGES_KEPT: SignedDuration = SignedDuration::from_secs(60);

/// What does not change while it runs.
#[derive(Clone, Debug)]
pub struct KeeperSettings {
    pub cluster: ClusterFacts,
    pub mode: Mode,
    pub identity: IdentityOptions,
    /// The monitor's address, for people.
    pub monitor: String,
    /// The name under which this operator puts its wish.
    pub source: String,
    /// Where the operator runs: policies and windows there may name any namespace.
    pub namespace: String,
    /// What is watched; before all of it has been seen once nothing is done.
    pub watched: Vec<Watched>,
    /// How many watches there are of each: one of the whole cluster, or one for each namespace.
    pub scopes: usize,
    /// Of retries' jitter.
    pub seed: u64,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large ones are most of those that come"
)]
pub enum Input {
    Cluster(ClusterEvent),
    Monitor(MonitorEvent),
    /// Whether this operator is the one that acts.
    Leading(bool),
    Done(Done),
}

/// What is to be done now.
#[derive(Debug, Default)]
pub struct Polled {
    pub effects: Vec<(Task, Effect)>,
    pub told: Vec<Told>,
    /// A new wish for the monitor.
    pub wish: Option<Arc<Configuration>>,
    pub changes: Vec<Change>,
}

/// For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub queued: usize,
    pub running: usize,
    pub monitored: usize,
    pub ready: usize,
    pub pods: usize,
    pub changes_dropped: u64,
}

#[derive(Debug)]
pub struct Keeper {
    settings: KeeperSettings,
    world: World,
    monitor: Monitor,
    leading: bool,
    /// Whether everything was marked once the first lists were complete.
    begun: bool,
    queue: Queue<Task>,
    pace: Pace,
    /// Resources whose turn it is, and for what.
    released: BTreeMap<Key, Lane>,
    /// Names that are being given.
    claims: BTreeMap<Key, WorkloadKey>,
    /// Workloads whose resource was written and not seen yet, and until when that is believed.
    awaited: BTreeMap<WorkloadKey, Timestamp>,
    identified: BTreeMap<Key, Identified>,
    /// Resources by what they were last found to be called.
    called: BTreeMap<ServiceKey, BTreeSet<Key>>,
    calls: BTreeMap<Key, Vec<ServiceKey>>,
    /// Statuses on their way to the API server.
    meant: BTreeMap<Key, Box<MonitoredApiStatus>>,
    /// Statuses that were not stored as they were meant, as by definitions that are older than this
    /// operator: what was meant, and the version that it became.
    cut: BTreeMap<Key, (Option<String>, Box<MonitoredApiStatus>)>,
    /// To be told when the status that says so is written.
    untold: BTreeMap<Key, Vec<Notice>>,
    told: Vec<Told>,
    memory: Memory,
    wish: Wish,
    wish_dirty: bool,
    wish_made: Option<Timestamp>,
    /// The revision that was last given out.
    wish_given: Option<String>,
    secrets: Secrets,
    changes: VecDeque<(Timestamp, Change)>,
    changes_dropped: u64,
    ready: BTreeSet<Key>,
    random: StdRng,
}

impl Keeper {
    pub fn new(settings: KeeperSettings, now: Timestamp) -> Keeper {
        Keeper {
            world: World::new(settings.cluster.clone()),
            monitor: Monitor::new(&settings.monitor),
            leading: false,
            begun: false,
            queue: Queue::default(),
            pace: Pace::new(now),
            released: BTreeMap::new(),
            claims: BTreeMap::new(),
            awaited: BTreeMap::new(),
            identified: BTreeMap::new(),
            called: BTreeMap::new(),
            calls: BTreeMap::new(),
            meant: BTreeMap::new(),
            cut: BTreeMap::new(),
            untold: BTreeMap::new(),
            told: Vec::new(),
            memory: Memory::default(),
            wish: Wish::default(),
            wish_dirty: true,
            wish_made: None,
            wish_given: None,
            secrets: Secrets::new(),
            changes: VecDeque::new(),
            changes_dropped: 0,
            ready: BTreeSet::new(),
            random: StdRng::seed_from_u64(settings.seed),
            settings,
        }
    }

    /// Takes note of something. Cheap; what follows from it is looked at by [`Keeper::poll`].
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Cluster(event) => self.mark_cluster(event, now),
            Input::Monitor(event) => {
                let complete = matches!(&event, MonitorEvent::Seen(answer) if answer.complete);
                let moved = self.monitor.handle(&self.settings.source, event);
                // Also what did not move: time alone ends the flow of logs.
                if moved.standing || complete {
                    self.mark_all_monitored();
                    self.mark_policies_and_windows();
                }
                for service in &moved.services {
                    let keys = self.called.get(service).into_iter().flatten();
                    keys.for_each(|key| self.queue.push(Task::Monitored(key.clone())));
                }
            }
            Input::Leading(leading) => {
                self.leading = leading;
                self.wish_given = None;
                self.untold.clear();
                if leading {
                    self.mark_everything();
                }
            }
            Input::Done(done) => self.finish(done, now),
        }
    }

    /// What is to be done now. Asks for nothing that is under way already.
    pub fn poll(&mut self, now: Timestamp) -> Polled {
        let mut polled = Polled::default();
        if !self.is_synced() {
            return polled;
        }
        if !self.begun {
            self.begun = true;
            self.mark_everything();
            self.mark_faults(now);
        }
        if !self.leading {
            // The one that leads tells of them. Should it be gone, this one tells of the last again.
            let old = |at: Timestamp| later(at, CHANGES_KEPT) < now;
            while self.changes.front().is_some_and(|(at, _)| old(*at)) {
                self.changes.pop_front();
            }
            return polled;
        }
        self.queue.wake(now);
        for (key, lane) in self.pace.release(now) {
            self.queue.push(Task::Monitored(key.clone()));
            self.released.insert(key, lane);
        }
        polled.wish = self.make_wish(now);
        while self.queue.running() < AT_ONCE {
            let Some(task) = self.queue.pop() else {
                break;
            };
            match self.turn(&task, now) {
                Some(effect) => {
                    self.queue.start(task.clone());
                    polled.effects.push((task, effect));
                }
                None => self.queue.finish(&task),
            }
        }
        // Statuses speak of what services are called, which the wish is made of.
        if self.wish_dirty {
            polled.wish = self.make_wish(now).or(polled.wish);
        }
        polled.told = std::mem::take(&mut self.told);
        polled.changes = self.changes.drain(..).map(|(_, change)| change).collect();
        polled
    }

    /// When [`Keeper::poll`] has something to do though nothing comes in.
    pub fn next_at(&self) -> Option<Timestamp> {
        if !self.leading {
            return None;
        }
        let made = self.wish_made.filter(|_| self.wish_dirty);
        let wish = made.and_then(|made| made.checked_add(WISH_APART).ok());
        let pace = self.pace.next_at();
        [wish, pace, self.queue.next_at()]
            .into_iter()
            .flatten()
            .min()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            queued: self.queue.depth(),
            running: self.queue.running(),
            monitored: self.world.monitored.len(),
            ready: self.ready.len(),
            pods: self.world.pods.len(),
            changes_dropped: self.changes_dropped,
        }
    }

    /// Whether first lists of everything have arrived.
    pub fn is_synced(&self) -> bool {
        let KeeperSettings {
            watched, scopes, ..
        } = &self.settings;
        self.world.is_complete(watched, *scopes)
    }

    fn finish(&mut self, done: Done, now: Timestamp) {
        let Done { task, outcome } = done;
        if let Task::Workload(workload) = &task
            && !matches!(outcome, Ok(Written::Monitored(_)))
        {
            self.claims.retain(|_, by| by != workload);
        }
        match outcome {
            Ok(written) => {
                self.queue.finish(&task);
                self.written(&task, written, now);
            }
            Err(failure) => self.failed(&task, &failure, now),
        }
    }

    fn written(&mut self, task: &Task, written: Written, now: Timestamp) {
        match (task, written) {
            (Task::Workload(workload), Written::Monitored(api)) => {
                if self.world.has_seen(&api) {
                    self.claims.retain(|_, by| by != workload);
                    self.queue.push(task.clone());
                    return;
                }
                // The watch says when it is there. An answer that is slower than the watch would
                // bring back what is deleted already.
                let until = later(now, AWAITED);
                self.awaited.insert(workload.clone(), until);
                self.queue.push_at(task.clone(), until);
            }
            (Task::Monitored(key), Written::Monitored(api)) => {
                self.pace.wrote(key, now);
                self.note_cut(key, &api);
                if let Some(notices) = self.untold.remove(key) {
                    let uid = api.metadata.uid.clone().unwrap_or_default();
                    for notice in notices {
                        if self.memory.is_news(&uid, &notice, now) {
                            self.told.push(Told {
                                key: key.clone(),
                                uid: uid.clone(),
                                notice,
                            });
                        }
                    }
                }
                if let Some(shift) = self.world.put_monitored(*api) {
                    self.mark_monitored(shift);
                }
            }
            (Task::Secret(key), Written::Secret(read)) => {
                let wait = match read {
                    SecretRead::Entries(_) => SECRETS_APART,
                    _ => SECRET_AWAITED,
                };
                self.queue.push_at(task.clone(), later(now, wait));
                self.keep_secret(key.clone(), read);
            }
            _ => {}
        }
    }

    fn failed(&mut self, task: &Task, failure: &Failure, now: Timestamp) {
        if let Task::Monitored(key) = task {
            self.untold.remove(key);
            self.meant.remove(key);
        }
        // Gone is no failure: if it is there again, the watch says so.
        if failure.reason == Reason::Gone && !matches!(task, Task::Workload(_)) {
            self.queue.finish(task);
            return;
        }
        let jitter = self.random.random::<f64>();
        self.queue.fail(task, now, failure.retry_after, jitter);
    }

    /// Writing again what was cut would change nothing, for ever.
    fn note_cut(&mut self, key: &Key, api: &MonitoredApi) {
        let Some(meant) = self.meant.remove(key) else {
            return;
        };
        if api.status.as_ref() == Some(&*meant) {
            self.cut.remove(key);
            return;
        }
        if self.cut.is_empty() {
            tracing::warn!(
                resource = %key,
                "the API server did not store a status as it was written; are the definitions of \
                 another version? `crosswatch crds | kubectl apply -f -` brings them up to date"
            );
        }
        let version = api.metadata.resource_version.clone();
        self.cut.insert(key.clone(), (version, meant));
    }

    fn keep_secret(&mut self, key: Key, read: SecretRead) {
        if self.secrets.get(&key) == Some(&read) {
            return;
        }
        let naming = self.world.policies.iter();
        let naming = naming.filter(|(_, policy)| crate::policy::secrets(policy).contains(&key));
        let naming: Vec<Key> = naming.map(|(key, _)| key.clone()).collect();
        naming
            .into_iter()
            .for_each(|key| self.queue.push(Task::Policy(key)));
        self.secrets.insert(key, read);
        self.wish_dirty = true;
    }

    fn identified(&mut self, pod: &Key) -> Option<&Identified> {
        if !self.identified.contains_key(pod) {
            let record = self.world.pods.get(pod)?;
            let found = identify(&self.world, record, &self.settings.identity);
            self.identified.insert(pod.clone(), found);
        }
        self.identified.get(pod)
    }

    /// What `identified` has, without keeping what it has not.
    fn identity_of(&self, pod: &PodRecord) -> Identified {
        let key = Key::new(&pod.facts.namespace, &pod.facts.name);
        let known = self.identified.get(&key).cloned();
        known.unwrap_or_else(|| identify(&self.world, pod, &self.settings.identity))
    }

    fn note_change(&mut self, change: Change, now: Timestamp) {
        if self.changes.len() >= CHANGES {
            self.changes.pop_front();
            self.changes_dropped += u64::from(self.leading);
        }
        self.changes.push_back((now, change));
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
