//! Takes what comes into the second it belongs to, or counts why it has no place.

use monitor_core::{CallSource, Observation, Time, Workload};

use super::Engine;
use super::routing::api_place;
use crate::config::Clock;
use crate::numbers::{NumberBook, NumberKey};

/// What services ask of others is watched for this many to a service, on average.
const DEPENDENCIES: usize = 4;

impl Engine {
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
                written_ahead,
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
                    *written_ahead,
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

    pub(super) fn is_from_the_future(&self, time: Time) -> bool {
        self.config.clock == Clock::Wall
            && self
                .state
                .now
                .is_some_and(|now| time > now + self.config.max_future)
    }

    pub(super) fn is_late(&self, time: Time) -> bool {
        self.earliest_second()
            .is_some_and(|limit| time.as_secs() < limit)
    }

    /// Earlier ones have been judged.
    pub(super) fn earliest_second(&self) -> Option<i64> {
        match self.config.clock {
            Clock::Wall => self.state.watermark,
            Clock::Event => self
                .state
                .newest
                .map(|newest| (newest - self.config.lateness).as_secs())
                .max(self.state.next),
        }
    }
}
