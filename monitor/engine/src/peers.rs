//! Replicas, versions and environments that do the same work, held against each other.
//!
//! Fed with what each Api's closed windows hold of their calls' instances and versions: these are
//! compared route by route and summed up by service, so all of a service's calls speak of one replica.
//! Of environments, each Api's calls as a whole are compared with the same Api's elsewhere. A group
//! costs nothing but its name until there are two in it.

mod group;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use monitor_core::{
    Anomaly, ApiKey, Contribution, Measure, Name, ServiceKey, Settings, Subject, Time,
};
use monitor_detect::{Joining, PeerVerdict};
use monitor_diagnose::Peers;
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::dimensions::{Dimensions, INSTANCE, VERSION};
use crate::episode::{Change, Episode, Origin};
use crate::models;
use group::Group;

/// Whose work it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Replicas(ServiceKey, Name),
    Versions(ServiceKey, Name),
    /// An Api wherever it is: its service, method and route.
    Places(ServiceKey, Name, Name),
}

/// An Api's window that was judged.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) start: Time,
    pub(crate) dimensions: Dimensions,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PeerBook {
    places: BTreeMap<Key, u32>,
    groups: Vec<(Key, Group)>,
    /// By the number of the Api's track: its groups of replicas, versions and environments.
    of_api: Vec<Option<[u32; 3]>>,
    /// Groups with calls that are not judged yet, or something open.
    busy: BTreeSet<u32>,
}

impl PeerBook {
    /// Takes in what an Api's window holds, first seen in that second. While `held`, it teaches nothing.
    pub(crate) fn see(
        &mut self,
        (track, key, first_seen): (usize, &ApiKey, i64),
        closed: &Closed,
        held: bool,
    ) {
        let groups = self.groups_of(track, key, first_seen);
        let members = [INSTANCE, VERSION].map(|dimension| closed.dimensions.peers(dimension));
        for (at, members) in groups.iter().zip(&members) {
            if let Some((_, group)) = self.groups.get_mut(*at as usize)
                && group.see_members(members, closed, held)
            {
                self.busy.insert(*at);
            }
        }
        if let Some((_, group)) = self.groups.get_mut(groups[2] as usize) {
            let whole = (key.environment.clone(), closed.dimensions.total());
            if group.see_whole(whole, closed, held) {
                self.busy.insert(groups[2]);
            }
        }
    }

    /// Judges the groups of which enough is known.
    pub(crate) fn step(
        &mut self,
        second: i64,
        settings: &Settings,
        config: &EngineConfig,
        changes: &mut Vec<Change>,
    ) {
        let now = Time::from_secs(second.saturating_add(1));
        let mut idle = Vec::new();
        for at in &self.busy {
            let Some((key, group)) = self.groups.get_mut(*at as usize) else {
                continue;
            };
            let own = match key {
                Key::Replicas(service, environment) | Key::Versions(service, environment) => {
                    settings.of(service, environment)
                }
                Key::Places(..) => None,
            };
            let joining = key.joining();
            let sensitivity = models::peer_budget(own.map(|own| &**own), config);
            if let Some(judged) = group.judge(now, joining, sensitivity, config.shift_after) {
                let latency_off = own.is_some_and(|own| own.latency.is_off());
                let errors_off = own.is_some_and(|own| own.error_ratio.is_off());
                tell(key, group, &judged, [latency_off, errors_off], changes);
            }
            for episode in group.episodes() {
                if episode.open.is_some() {
                    changes.extend(episode.expire(now));
                }
            }
            if group.is_idle() {
                idle.push(*at);
            }
        }
        for at in idle {
            self.busy.remove(&at);
        }
    }

    /// Nothing is known of some time.
    pub(crate) fn skip(&mut self) {
        for (_, group) in &mut self.groups {
            group.skip();
        }
    }

    pub(crate) fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.busy
            .iter()
            .filter_map(|at| self.groups.get(*at as usize))
            .flat_map(|(_, group)| group.open_anomalies())
    }

    fn groups_of(&mut self, track: usize, key: &ApiKey, first_seen: i64) -> [u32; 3] {
        if let Some(Some(known)) = self.of_api.get(track) {
            return *known;
        }
        let service = &key.service;
        let found = [
            Key::Replicas(service.clone(), key.environment.clone()),
            Key::Versions(service.clone(), key.environment.clone()),
            Key::Places(service.clone(), key.method.clone(), key.route.clone()),
        ]
        .map(|key| self.group(key, first_seen));
        if self.of_api.len() <= track {
            self.of_api.resize(track + 1, None);
        }
        self.of_api[track] = Some(found);
        found
    }

    fn group(&mut self, key: Key, first_seen: i64) -> u32 {
        if let Some(known) = self.places.get(&key) {
            return *known;
        }
        let place = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups
            .push((key.clone(), Group::new(Time::from_secs(first_seen))));
        self.places.insert(key, place);
        place
    }
}

fn tell(
    key: &Key,
    group: &mut Group,
    judged: &[Option<PeerVerdict>; 2],
    off: [bool; 2],
    changes: &mut Vec<Change>,
) {
    let measures = [Measure::Latency, Measure::ErrorRatio];
    let sides = judged.iter().zip(measures).zip(off);
    for (((told, measure), off), episode) in sides.zip(group.episodes()) {
        let Some(told) = told else {
            continue;
        };
        changes.extend(if off {
            episode.dismiss(told.verdict.end, NOT_JUDGED)
        } else {
            follow(key, episode, told, measure)
        });
    }
}

fn follow(
    key: &Key,
    episode: &mut Episode,
    told: &PeerVerdict,
    measure: Measure,
) -> Option<Change> {
    let origin = Origin {
        subject: &key.subject(&told.member),
        measure,
        detector: key.detector(),
        scale: 1.0,
        peers: Some(Peers {
            kind: key.kind(),
            name: &told.member,
            others: told.others,
            against: told.against,
        }),
    };
    let named = Contribution {
        dimension: key.dimension().into(),
        value: told.member.clone(),
        share: told.share,
        usual_share: told.usual_share,
    };
    episode.follow(&told.verdict, origin, |_| vec![named])
}

impl Key {
    /// Whom an anomaly of this member is told of.
    fn subject(&self, member: &Name) -> Subject {
        match self {
            Key::Replicas(service, environment) | Key::Versions(service, environment) => {
                Subject::Service {
                    service: service.clone(),
                    environment: environment.clone(),
                }
            }
            Key::Places(service, method, route) => Subject::Api(Arc::new(ApiKey {
                environment: member.clone(),
                service: service.clone(),
                method: method.clone(),
                route: route.clone(),
            })),
        }
    }

    fn joining(&self) -> Joining {
        match self {
            Key::Replicas(..) | Key::Versions(..) => Joining::AsEqual,
            Key::Places(..) => Joining::AfterLearning,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Key::Replicas(..) => "replica",
            Key::Versions(..) => "version",
            Key::Places(..) => "environment",
        }
    }

    fn dimension(&self) -> &'static str {
        match self {
            Key::Replicas(..) => "instance",
            Key::Versions(..) => "version",
            Key::Places(..) => "environment",
        }
    }

    fn detector(&self) -> &'static str {
        match self {
            Key::Replicas(..) => "odd-replica",
            Key::Versions(..) => "odd-version",
            Key::Places(..) => "odd-environment",
        }
    }
}
