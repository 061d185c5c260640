//! The monitor as it is known here: what it sees of workloads, and what of our wish it took.

use std::collections::BTreeMap;

use monitor_api::{ConfigurationOutcome, WorkloadView, Workloads};

/// What the link to the monitor says.
#[derive(Clone, Debug)]
pub enum MonitorEvent {
    /// An answer to a question for workloads.
    Seen(Workloads),
    /// The outcome of putting our wish.
    Told(ConfigurationOutcome),
    /// It has not answered for a while; why, in a sentence.
    Away(String),
}

/// Whether it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nobody has asked yet.
    #[default]
    NotAsked,
    Answers,
    Away(String),
}

/// `(service.namespace, service.name)`
pub(crate) type ServiceKey = (String, String);

#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// For people: where it is.
    pub(crate) address: String,
    pub(crate) reach: Reach,
    /// By service, then by environment.
    views: BTreeMap<ServiceKey, BTreeMap<String, WorkloadView>>,
    /// The revision of our wish that it has.
    pub(crate) in_force: Option<String>,
    /// Of that revision: what it did not take, by part and name.
    refusals: BTreeMap<(String, String), Refused>,
    /// Of which revision the refusals are.
    refused_of: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// False: in force but for what the reason says.
    pub(crate) whole: bool,
}

/// What an answer changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Services of which something is different.
    pub(crate) services: Vec<ServiceKey>,
    /// It is there again or away now, or has another revision: concerns all.
    pub(crate) standing: bool,
}

impl Monitor {
    pub(crate) fn new(address: &str) -> Monitor {
        Monitor {
            address: address.to_owned(),
            ..Monitor::default()
        }
    }

    pub(crate) fn views(
        &self,
        service: &ServiceKey,
    ) -> impl Iterator<Item = &WorkloadView> + use<'_> {
        self.views
            .get(service)
            .into_iter()
            .flat_map(|it| it.values())
    }

    /// Of a revision that is not in force nothing is known.
    pub(crate) fn refusal(&self, part: &str, name: &str) -> Option<&Refused> {
        if self.in_force.as_deref() != Some(&*self.refused_of) {
            return None;
        }
        self.refusals.get(&(part.to_owned(), name.to_owned()))
    }

    pub(crate) fn handle(&mut self, source: &str, event: MonitorEvent) -> Moved {
        match event {
            MonitorEvent::Away(why) => {
                let moved = !matches!(self.reach, Reach::Away(_));
                self.reach = Reach::Away(why);
                Moved {
                    services: Vec::new(),
                    standing: moved,
                }
            }
            MonitorEvent::Told(outcome) => {
                let refusals = outcome.refused.into_iter().map(|refusal| {
                    let refused = Refused {
                        reason: refusal.reason,
                        whole: refusal.whole,
                    };
                    ((refusal.part, refusal.name), refused)
                });
                self.refusals = refusals.collect();
                self.refused_of.clone_from(&outcome.revision);
                self.in_force = Some(outcome.revision);
                self.reach = Reach::Answers;
                Moved {
                    services: Vec::new(),
                    standing: true,
                }
            }
            MonitorEvent::Seen(answer) => self.see(source, answer),
        }
    }

    fn see(&mut self, source: &str, answer: Workloads) -> Moved {
        let in_force = answer.configurations.get(source).cloned();
        let standing = self.reach != Reach::Answers || in_force != self.in_force;
        self.reach = Reach::Answers;
        self.in_force = in_force;
        let mut services = Vec::new();
        let mut before = match answer.complete {
            true => std::mem::take(&mut self.views),
            false => BTreeMap::new(),
        };
        for view in answer.items {
            let service = (view.namespace.clone(), view.service.clone());
            let environment = view.environment.clone();
            let known = self.views.entry(service.clone()).or_default();
            let earlier = before
                .get_mut(&service)
                .and_then(|it| it.remove(&environment));
            let earlier = earlier.or_else(|| known.remove(&environment));
            if earlier.as_ref() != Some(&view) && services.last() != Some(&service) {
                services.push(service);
            }
            known.insert(environment, view);
        }
        let lost = before.into_iter().filter(|(_, views)| !views.is_empty());
        services.extend(lost.map(|(service, _)| service));
        Moved { services, standing }
    }
}
