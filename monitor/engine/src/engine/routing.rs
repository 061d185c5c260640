//! Hands what came in a second to the tracks of its Apis, services and dependencies.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_core::{ApiKey, CallSource};

use super::Engine;
use crate::api::ApiTrack;
use crate::config::EngineConfig;
use crate::dependency::{DependencyBucket, DependencyTrack};
use crate::kin::Kin;
use crate::places::Places;
use crate::service::ServiceTrack;

/// The route of the Apis that found no place of their own.
const OTHER: &str = "~other";

impl Engine {
    /// The track of a service's place, a new one where it has none.
    pub(super) fn track_service(&mut self, place: u32, second: i64) -> u32 {
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

    /// Sends each bucket to its Api's track; new Apis get theirs in order of keys.
    pub(super) fn route_calls(
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

    pub(super) fn route_logs(
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

    pub(super) fn route_dependencies(
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

/// The place of an Api, or of its service's `~other` when the table is full. Twice the number of
/// tracks may be named, so that who gets the last track is decided by key; services without end
/// end here.
pub(super) fn api_place(
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
