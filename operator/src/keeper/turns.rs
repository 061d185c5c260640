//! What is done about one thing when its turn comes: at most one effect.

use std::sync::Arc;

use jiff::Timestamp;
use monitor_api::{Configuration, Maintenance, Route};

use super::{Keeper, WISH_APART, later};
use crate::conditions::holds;
use crate::difference::{Difference, difference};
use crate::effect::{Effect, Task};
use crate::gather::Gathered;
use crate::key::{Key, WorkloadKey};
use crate::maintenance;
use crate::monitor::ServiceKey;
use crate::notice::notices;
use crate::onboard::{self, Plan};
use crate::pace::Lane;
use crate::policy;
use crate::status::{Asked, status};
use crate::wish::{self, Asking, wish};

impl Keeper {
    pub(super) fn turn(&mut self, task: &Task, now: Timestamp) -> Option<Effect> {
        match task {
            Task::Workload(workload) => self.workload_turn(workload, now),
            Task::Monitored(key) => self.monitored_turn(key, now),
            Task::Policy(key) => self.policy_turn(key, now),
            Task::Window(key) => self.window_turn(key, now),
            Task::Secret(key) => self.secret_turn(key),
        }
    }

    fn workload_turn(&mut self, workload: &WorkloadKey, now: Timestamp) -> Option<Effect> {
        if let Some(until) = self.awaited.get(workload) {
            if *until > now {
                return None;
            }
            self.awaited.remove(workload);
            self.claims.retain(|_, by| by != workload);
        }
        let plan = onboard::plan(&self.world, &self.claims, workload, self.settings.mode);
        tracing::debug!(%workload, %plan, "planned");
        match plan {
            Plan::Nothing(_) => None,
            Plan::Apply(desired) => {
                self.claims.insert(desired.key.clone(), workload.clone());
                Some(Effect::Apply(desired))
            }
            Plan::Delete {
                key,
                uid,
                resource_version,
                why,
            } => {
                tracing::info!(%workload, resource = %key, %why, "no longer onboarded");
                Some(Effect::Delete {
                    key,
                    uid,
                    resource_version,
                })
            }
        }
    }

    fn monitored_turn(&mut self, key: &Key, now: Timestamp) -> Option<Effect> {
        let released = self.released.remove(key);
        let api = self.world.monitored.get(key)?;
        if api.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let known = Gathered::new(&self.world, &self.monitor, api, |pod| self.identity_of(pod));
        let services = wish::services(&known.services);
        let asked = Asked {
            revision: self.wish.revision_for(key),
            yields_to: self.wish.yielding.get(key).map(String::as_str),
        };
        let new = status(&known, &self.monitor, asked, now);
        let old = match self.cut.get(key) {
            Some((version, meant)) if *version == api.metadata.resource_version => {
                (**meant).clone()
            }
            _ => api.status.clone().unwrap_or_default(),
        };
        let uid = api.metadata.uid.clone().unwrap_or_default();
        let ready = holds(&new.conditions, "Ready");
        if ready {
            self.ready.insert(key.clone());
        } else {
            self.ready.remove(key);
        }
        self.note_called(key, services);
        let write = match difference(&old, &new) {
            Difference::None => {
                self.pace.forget(key);
                return None;
            }
            // Also when it was the other lane's turn: a monitor that comes and goes hurries no numbers.
            Difference::Numbers if released != Some(Lane::Numbers) => {
                self.pace.ask(key, Lane::Numbers, now);
                false
            }
            // The first status of all is no mere coming or going.
            Difference::Standing if released.is_none() && !old.bindings.is_empty() => {
                self.pace.ask(key, Lane::Standing, now);
                false
            }
            _ => true,
        };
        if !write {
            return None;
        }
        let notices = notices(&old, &new);
        if !notices.is_empty() {
            self.untold.insert(key.clone(), notices);
        }
        self.meant.insert(key.clone(), Box::new(new.clone()));
        Some(Effect::Status {
            key: key.clone(),
            uid,
            status: Box::new(new),
        })
    }

    /// Remembers what a resource is called, so that the monitor's news find it.
    pub(super) fn note_called(&mut self, key: &Key, services: Vec<ServiceKey>) {
        let old = match services.is_empty() {
            true => self.calls.remove(key),
            false => self.calls.insert(key.clone(), services.clone()),
        };
        if old.as_ref() == Some(&services) {
            return;
        }
        for service in old.into_iter().flatten() {
            if let Some(keys) = self.called.get_mut(&service) {
                keys.remove(key);
                if keys.is_empty() {
                    self.called.remove(&service);
                }
            }
        }
        for service in services {
            self.called.entry(service).or_default().insert(key.clone());
        }
        self.wish_dirty = true;
    }

    fn policy_turn(&mut self, key: &Key, now: Timestamp) -> Option<Effect> {
        let policy = self.world.policies.get(key)?;
        let routing = policy::routing(policy, &self.settings.namespace, &self.secrets);
        let revision = &self.wish.configuration.revision;
        let status = policy::status(policy, &routing, &self.monitor, revision, now);
        if policy.status.as_ref() == Some(&status) || policy.metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some(Effect::PolicyStatus {
            key: key.clone(),
            uid: policy.metadata.uid.clone().unwrap_or_default(),
            status: Box::new(status),
        })
    }

    fn window_turn(&mut self, key: &Key, now: Timestamp) -> Option<Effect> {
        let window = self.world.windows.get(key)?;
        let opened = maintenance::open(window, &self.settings.namespace, self.apis(), now);
        let revision = &self.wish.configuration.revision;
        let status = maintenance::status(window, &opened, &self.monitor, revision, now);
        let unchanged = window.status.as_ref() == Some(&status);
        let leaving = window.metadata.deletion_timestamp.is_some();
        let uid = window.metadata.uid.clone().unwrap_or_default();
        if let Some(turn) = maintenance::next_turn(&opened, now) {
            self.queue.push_at(Task::Window(key.clone()), turn);
        }
        let told = self.wish.configuration.maintenance.iter();
        let told = told.filter(|it| it.name.starts_with(&format!("{key}@")));
        if !opened.maintenance.iter().eq(told) {
            self.wish_dirty = true;
        }
        if unchanged || leaving {
            return None;
        }
        Some(Effect::WindowStatus {
            key: key.clone(),
            uid,
            status: Box::new(status),
        })
    }

    /// Only what a policy still names is read, and forgotten with the last of them.
    fn secret_turn(&mut self, key: &Key) -> Option<Effect> {
        let mut policies = self.world.policies.values();
        if policies.any(|policy| policy::secrets(policy).contains(key)) {
            return Some(Effect::ReadSecret(key.clone()));
        }
        self.secrets.remove(key);
        None
    }

    fn apis(&self) -> impl Iterator<Item = (&crds::MonitoredApi, Vec<ServiceKey>)> {
        self.world.monitored.iter().map(|(key, api)| {
            let called = self.calls.get(key).cloned().unwrap_or_default();
            (&**api, called)
        })
    }

    /// Makes the wish when something in it may be different and the last is some time ago.
    pub(super) fn make_wish(&mut self, now: Timestamp) -> Option<Arc<Configuration>> {
        let soon = self
            .wish_made
            .is_some_and(|made| later(made, WISH_APART) > now);
        if self.wish_dirty && !soon {
            self.wish_dirty = false;
            self.wish_made = Some(now);
            let wish = self.whole_wish(now);
            if wish != self.wish {
                self.wish = wish;
                self.mark_all_monitored();
                self.mark_policies_and_windows();
            }
        }
        self.wish_made?;
        let revision = &self.wish.configuration.revision;
        if self.wish_given.as_ref() == Some(revision) {
            return None;
        }
        self.wish_given = Some(revision.clone());
        Some(Arc::new(self.wish.configuration.clone()))
    }

    fn whole_wish(&self, now: Timestamp) -> wish::Wish {
        let asking = self.world.monitored.iter();
        let asking = asking.filter(|(_, api)| api.metadata.deletion_timestamp.is_none());
        let asking = asking.map(|(key, api)| {
            let known = Gathered::new(&self.world, &self.monitor, api, |it| self.identity_of(it));
            Asking {
                key,
                api,
                services: wish::services(&known.services),
                hints: known.hints(&self.world),
            }
        });
        let windows = self.world.windows.values();
        let maintenance: Vec<Maintenance> = windows
            .filter(|it| it.metadata.deletion_timestamp.is_none())
            .flat_map(|it| {
                maintenance::open(it, &self.settings.namespace, self.apis(), now).maintenance
            })
            .collect();
        let policies = self.world.policies.values();
        let routing: Vec<Route> = policies
            .filter(|it| it.metadata.deletion_timestamp.is_none())
            .flat_map(|it| policy::routing(it, &self.settings.namespace, &self.secrets).routes)
            .collect();
        wish(asking.collect(), maintenance, routing)
    }
}
