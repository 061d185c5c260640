//! Runs the controllers: follows everything, wakes whom it concerns, performs what they decide.
//!
//! One task owns the picture of the cluster, the queue and all controllers: calls to the API are
//! in memory and take microseconds, so that one core is enough, nothing is locked, and a run is the
//! same each time. Who decides gets the picture and the time; only this file writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::follow::{News, Sources};
use super::plan::{Action, Plan, Said};
use super::queue::{Key, Queue};
use super::record::Recorder;
use super::resources::{self, CRDS};
use super::world::{Change, Reference, World};
use crate::client::{Client, Cluster, DeleteOptions, Propagation};
use crate::object;
use crate::status::Status;

/// One controller: whom a change concerns, and what to do about it. Neither does IO.
pub(crate) trait Controller: Send {
    /// As Events name their source, without `-controller`.
    fn name(&self) -> &'static str;

    /// `wake` takes resource, namespace and name of what is to be looked at.
    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str));

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan;
}

/// What a controller decides from.
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) now: Timestamp,
    /// Why the last action on this key was refused, if it was.
    pub(crate) refusal: Option<&'a str>,
    /// For what must be known for certain rather than as last seen. Reads only.
    pub(crate) client: &'a Client,
}

/// Writes that the controllers made, by verb and resource (`create pods`).
pub type Tally = BTreeMap<String, u64>;

/// Keys looked at before news is taken in again: enough to gather several changes of one object,
/// few enough to act on a fresh picture.
const BATCH: usize = 32;

/// News taken in at a time, so that stopping is noticed in between.
const NEWS: usize = 4_096;

/// A look at the clock at least so often: it may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

pub(crate) struct Manager {
    client: Client,
    cluster: Cluster,
    controllers: Vec<Box<dyn Controller>>,
    world: World,
    queue: Queue,
    recorder: Recorder,
    refusals: HashMap<Key, String>,
    tally: Tally,
}

impl Manager {
    pub(crate) fn new(cluster: Cluster, controllers: Vec<Box<dyn Controller>>) -> Manager {
        Manager {
            client: cluster.client("system:kube-controller-manager"),
            cluster,
            controllers,
            world: World::default(),
            queue: Queue::default(),
            recorder: Recorder::default(),
            refusals: HashMap::new(),
            tally: Tally::new(),
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) -> Tally {
        let mut sources = Sources::default();
        // Everything is known before anything is decided: a ReplicaSet whose pods have not been
        // seen yet would get them twice.
        for (resource, ..) in resources::FOLLOWED {
            self.follow(&mut sources, resource);
        }
        self.follow_defined(&mut sources);
        while !stop.is_cancelled() {
            self.take_news(&mut sources);
            if self.work() {
                // Others on this thread get their turn.
                tokio::task::yield_now().await;
                continue;
            }
            let sleep = self.sleep();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(news) = sources.next() => self.hear(&mut sources, news),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.tally
    }

    fn follow(&mut self, sources: &mut Sources, resource: &str) {
        if let Some(listed) = sources.follow(&self.client, resource) {
            self.world.begin(resource);
            self.listed(resource, listed);
        }
    }

    /// Custom resources too own and are owned.
    fn follow_defined(&mut self, sources: &mut Sources) {
        let defined: Vec<String> = self
            .world
            .all(CRDS)
            .map(|definition| resources::defined_by(definition))
            .collect();
        for resource in defined {
            self.follow(sources, &resource);
        }
    }

    fn sleep(&self) -> Duration {
        let until = |due: Timestamp| {
            let left = due.duration_since(self.cluster.now());
            Duration::try_from(left).unwrap_or_default()
        };
        let due = self.queue.next_due().map(until);
        // Timers are exact to a millisecond only.
        due.map_or(LONGEST_SLEEP, |due| due.min(LONGEST_SLEEP)) + Duration::from_millis(1)
    }

    fn take_news(&mut self, sources: &mut Sources) {
        for _ in 0..NEWS {
            let Some(Some(news)) = sources.next().now_or_never() else {
                return;
            };
            self.hear(sources, news);
        }
    }

    fn hear(&mut self, sources: &mut Sources, news: News) {
        let may_define = match news {
            News::Listed(resource, objects) => {
                self.listed(&resource, objects);
                *resource == *CRDS
            }
            News::Changed(resource, object) => {
                self.changed(&resource, &object);
                *resource == *CRDS
            }
            News::Gone(resource, object) => {
                self.gone(&resource, &object, false);
                false
            }
            News::Unserved(resource) => {
                self.listed(&resource, Vec::new());
                false
            }
        };
        if may_define {
            self.follow_defined(sources);
        }
    }

    fn listed(&mut self, resource: &str, objects: Vec<Arc<Value>>) {
        for absent in self.world.absent_from(resource, &objects) {
            self.gone(resource, &absent, false);
        }
        for object in objects {
            self.changed(resource, &object);
        }
    }

    fn changed(&mut self, resource: &str, object: &Arc<Value>) {
        if let Some(old) = self.world.put(resource, object) {
            self.wake(resource, old.as_ref(), Some(object));
        }
    }

    fn gone(&mut self, resource: &str, object: &Value, early: bool) {
        if let Some(old) = self.world.remove(resource, object, early) {
            self.wake(resource, Some(&old), None);
        }
    }

    fn wake(&mut self, resource: &str, old: Option<&Arc<Value>>, new: Option<&Arc<Value>>) {
        let change = Change { resource, old, new };
        for (at, controller) in self.controllers.iter_mut().enumerate() {
            controller.wake(&change, &self.world, &mut |resource, namespace, name| {
                self.queue.wake(Key {
                    controller: at,
                    resource: resource.to_owned(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                });
            });
        }
    }

    /// Looks at some of what waits. Whether there was anything.
    fn work(&mut self) -> bool {
        let mut worked = false;
        for _ in 0..BATCH {
            let Some(key) = self.queue.next(self.cluster.now()) else {
                break;
            };
            worked = true;
            self.look_at(key);
        }
        worked
    }

    fn look_at(&mut self, key: Key) {
        let now = self.cluster.now();
        let view = View {
            world: &self.world,
            now,
            refusal: self.refusals.get(&key).map(String::as_str),
            client: &self.client,
        };
        let Some(controller) = self.controllers.get_mut(key.controller) else {
            return;
        };
        let source = controller.name();
        let plan = controller.plan(&key, &view);
        if let Some(again) = plan.again {
            let again = jiff::SignedDuration::try_from(again).unwrap_or(jiff::SignedDuration::MAX);
            if let Ok(at) = now.checked_add(again) {
                self.queue.wake_at(key.clone(), at);
            }
        }
        for action in plan.actions {
            if let Err(status) = self.perform(source, action, now) {
                self.refused(key, source, &status, now);
                return;
            }
        }
        self.refusals.remove(&key);
        self.queue.succeeded(&key);
    }

    fn refused(&mut self, key: Key, source: &str, status: &Status, now: Timestamp) {
        if status.message.contains("is being terminated") {
            // Nothing is made in a namespace that goes; its owner goes too.
            return;
        }
        let wait = self.queue.failed(key.clone(), now);
        // A conflict means that the picture was old; the next look has a newer one.
        if status.code != 409 {
            tracing::warn!(
                controller = source,
                resource = key.resource,
                namespace = key.namespace,
                name = key.name,
                wait_ms = wait.as_millis(),
                "refused: {status}"
            );
            self.refusals.insert(key, status.message.clone());
        }
    }

    fn perform(&mut self, source: &str, action: Action, now: Timestamp) -> Result<(), Status> {
        match action {
            Action::Create {
                resource,
                object,
                said,
            } => {
                self.count("create", resource);
                let done = self.client.create(resource, object);
                self.settle(source, resource, done, said, now)
            }
            Action::Update {
                resource,
                subresource,
                object,
                said,
            } => {
                self.count("update", &resource);
                let done = self
                    .client
                    .update_subresource(&resource, subresource, object);
                self.settle(source, &resource, done, said, now)
            }
            Action::Bind { pod, node } => {
                self.count("bind", "pods");
                let done = self
                    .client
                    .bind(object::namespace(&pod), object::name(&pod), &node);
                let message = format!(
                    "Successfully assigned {}/{} to {node}",
                    object::namespace(&pod),
                    object::name(&pod)
                );
                let said = Said::normal(&pod, "Scheduled", message);
                self.settle(source, "pods", done, Some(said), now)
            }
            Action::Delete {
                target,
                uid,
                propagation,
                grace,
                said,
            } => self.delete(source, &target, uid, propagation, grace, said, now),
            Action::Say(said) => {
                self.say(source, &said, now);
                Ok(())
            }
        }
    }

    /// Takes the answer into the picture, and says what there is to say.
    fn settle(
        &mut self,
        source: &str,
        resource: &str,
        done: Result<Arc<Value>, Status>,
        said: Option<Said>,
        now: Timestamp,
    ) -> Result<(), Status> {
        match done {
            Ok(object) => {
                self.changed(resource, &object);
                if let Some(mut said) = said {
                    said.message = said.message.replace("{name}", object::name(&object));
                    self.say(source, &said, now);
                }
                Ok(())
            }
            Err(status) => {
                let refused = said.as_ref().and_then(|said| Some((said, said.refused?)));
                if let Some((said, (reason, sentence))) = refused.filter(|_| status.code != 409) {
                    let message = format!("{sentence}: {status}");
                    self.say(source, &Said::warning(&said.about, reason, message), now);
                }
                Err(status)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one action, taken apart"
    )]
    fn delete(
        &mut self,
        source: &str,
        target: &Reference,
        uid: String,
        propagation: Option<Propagation>,
        grace: Option<u64>,
        said: Option<Said>,
        now: Timestamp,
    ) -> Result<(), Status> {
        self.count("delete", &target.resource);
        let options = DeleteOptions {
            propagation,
            grace_period_seconds: grace,
            uid: Some(uid),
            ..DeleteOptions::default()
        };
        let Reference {
            resource,
            namespace,
            name,
        } = target;
        match self.client.delete(resource, namespace, name, &options) {
            Ok(object) if object::is_being_deleted(&object) => self.changed(resource, &object),
            Ok(object) => self.gone(resource, &object, true),
            // Gone, or another of the same name: what was to be deleted is no more.
            Err(status) if matches!(status.code, 404 | 409) => return Ok(()),
            Err(status) => return Err(status),
        }
        if let Some(said) = said {
            self.say(source, &said, now);
        }
        Ok(())
    }

    fn say(&mut self, source: &str, said: &Said, now: Timestamp) {
        self.count("record", "events");
        if let Err(status) = self.recorder.record(&self.client, source, said, now) {
            // Events are for people; what they tell about is done all the same.
            tracing::debug!(reason = said.reason, "event was not recorded: {status}");
        }
    }

    fn count(&mut self, verb: &str, resource: &str) {
        *self.tally.entry(format!("{verb} {resource}")).or_default() += 1;
    }
}
