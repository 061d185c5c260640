//! What others want of this monitor, as it is in force: understood, merged, ready to be asked.
//!
//! Made from the wire's words by `monitor-serve`; the pipeline, the engine and whoever sends alerts
//! ask it. Immutable: another wish is another value.

mod pattern;
mod select;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use pattern::{PathPattern, RouteTemplate};
pub use select::{AlertRoute, Receiver, ReceiverKind, Select, Window};

use crate::{JourneyWish, Name, ServiceKey};

/// Everything in force. Asking costs a look-up or two; an empty one costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// By service, and by environment where only one is meant; that one has all that holds there.
    workloads: BTreeMap<ServiceKey, BTreeMap<Option<Name>, Arc<Watching>>>,
    pub maintenance: Vec<Window>,
    pub routes: Vec<AlertRoute>,
    /// Of what is said of the same type, the later holds.
    pub journeys: Vec<JourneyWish>,
}

impl Settings {
    /// `workloads` in order of what is said first: where two speak of the same, the later one wins
    /// in what it says, and what is said of one environment wins over what is said of all.
    pub fn new(
        workloads: impl IntoIterator<Item = (ServiceKey, Option<Name>, Watching)>,
        maintenance: Vec<Window>,
        routes: Vec<AlertRoute>,
    ) -> Settings {
        let mut said: BTreeMap<ServiceKey, BTreeMap<Option<Name>, Watching>> = BTreeMap::new();
        for (service, environment, watching) in workloads {
            let place = said.entry(service).or_default();
            match place.get_mut(&environment) {
                Some(before) => before.overrule(watching),
                None => {
                    place.insert(environment, watching);
                }
            }
        }
        let workloads = said
            .into_iter()
            .map(|(service, mut places)| {
                if let Some(everywhere) = places.get(&None).cloned() {
                    for (environment, watching) in &mut places {
                        if environment.is_some() {
                            let own = std::mem::replace(watching, everywhere.clone());
                            watching.overrule(own);
                        }
                    }
                }
                let places = places
                    .into_iter()
                    .map(|(place, own)| (place, Arc::new(own)));
                (service, places.collect())
            })
            .collect();
        Settings {
            workloads,
            maintenance,
            routes,
            journeys: Vec::new(),
        }
    }

    /// Also with what is said of types of journeys.
    #[must_use]
    pub fn with_journeys(self, journeys: Vec<JourneyWish>) -> Settings {
        Settings { journeys, ..self }
    }

    /// What is wanted of a service in an environment.
    pub fn of(&self, service: &ServiceKey, environment: &Name) -> Option<&Arc<Watching>> {
        if self.workloads.is_empty() {
            return None;
        }
        let places = self.workloads.get(service)?;
        places
            .get(&Some(Name::clone(environment)))
            .or_else(|| places.get(&None))
    }

    /// All that is said of workloads, in order; `None` for all environments that are not named.
    pub fn workloads(&self) -> impl Iterator<Item = (&ServiceKey, Option<&Name>, &Arc<Watching>)> {
        self.workloads.iter().flat_map(|(service, places)| {
            places
                .iter()
                .map(move |(environment, own)| (service, environment.as_ref(), own))
        })
    }
}

/// How one workload is watched. What is not said is left to the monitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watching {
    /// Neither judged nor learned from.
    pub paused: bool,
    pub false_alarms_per_week: Option<f64>,
    pub latency: Tuning,
    pub error_ratio: Tuning,
    pub traffic: Tuning,
    pub logs: Tuning,
    /// Tried in order, before the templates that are found.
    pub routes: Vec<RouteTemplate>,
    /// Paths that are no Apis.
    pub exclude_paths: Vec<PathPattern>,
    /// The layout to try first.
    pub log_format: Option<Name>,
    pub objectives: Vec<Objective>,
    pub metrics: Vec<FieldMetric>,
    pub probes: Vec<Probe>,
    pub owner: Option<Name>,
    pub runbook_url: Option<Name>,
    pub criticality: Option<Name>,
}

impl Watching {
    /// How much the service counts beside others: each level twice the one below, and 1 when
    /// nobody said how critical it is, as for `medium`.
    pub fn weight(&self) -> f64 {
        match self.criticality.as_deref() {
            Some("critical") => 4.0,
            Some("high") => 2.0,
            Some("low") => 0.5,
            _ => 1.0,
        }
    }

    /// Takes over what the other one says; of lists, the whole list.
    fn overrule(&mut self, other: Watching) {
        fn option<T>(mine: &mut Option<T>, other: Option<T>) {
            if other.is_some() {
                *mine = other;
            }
        }
        fn list<T>(mine: &mut Vec<T>, other: Vec<T>) {
            if !other.is_empty() {
                *mine = other;
            }
        }
        self.paused |= other.paused;
        option(&mut self.false_alarms_per_week, other.false_alarms_per_week);
        self.latency.overrule(&other.latency);
        self.error_ratio.overrule(&other.error_ratio);
        self.traffic.overrule(&other.traffic);
        self.logs.overrule(&other.logs);
        list(&mut self.routes, other.routes);
        list(&mut self.exclude_paths, other.exclude_paths);
        option(&mut self.log_format, other.log_format);
        list(&mut self.objectives, other.objectives);
        list(&mut self.metrics, other.metrics);
        list(&mut self.probes, other.probes);
        option(&mut self.owner, other.owner);
        option(&mut self.runbook_url, other.runbook_url);
        option(&mut self.criticality, other.criticality);
    }

    /// Whether requests of this path are none of an Api's.
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude_paths
            .iter()
            .any(|pattern| pattern.matches(path))
    }

    /// The first template of a person's that a request fits.
    pub fn route(&self, method: Option<&str>, path: &str) -> Option<&Name> {
        self.routes
            .iter()
            .find(|template| template.matches(method, path))
            .map(|template| &template.route)
    }
}

/// How one signal is judged, in vmanomaly's words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tuning {
    pub enabled: Option<bool>,
    /// Values outside are anomalous whatever was learned.
    pub data_range: Option<(f64, f64)>,
    pub direction: Option<Sense>,
    pub min_dev_from_expected: Option<f64>,
    pub min_rel_dev_from_expected: Option<f64>,
}

/// Which deviations are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    Both,
    Above,
    Below,
}

impl Tuning {
    pub fn is_off(&self) -> bool {
        self.enabled == Some(false)
    }

    fn overrule(&mut self, other: &Tuning) {
        self.enabled = other.enabled.or(self.enabled);
        self.data_range = other.data_range.or(self.data_range);
        self.direction = other.direction.or(self.direction);
        self.min_dev_from_expected = other.min_dev_from_expected.or(self.min_dev_from_expected);
        self.min_rel_dev_from_expected = other
            .min_rel_dev_from_expected
            .or(self.min_rel_dev_from_expected);
    }
}

/// What share of the calls must be good.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    pub name: Name,
    /// 0 to 1, both excluded.
    pub ratio: f64,
    /// Slower calls are bad.
    pub latency_threshold: Option<f64>,
    pub window: Duration,
    /// All of the service's routes when absent.
    pub route: Option<RouteTemplate>,
}

/// A number out of a record's field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMetric {
    pub name: Name,
    pub field: Name,
    pub unit: Option<Name>,
}

/// A request that the monitor makes itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    pub name: Name,
    pub url: Name,
    pub method: Name,
    pub interval: Duration,
    pub timeout: Duration,
    /// Empty: anything below 400.
    pub expect_status: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ones_overrule_and_one_environment_overrules_all() {
        let orders = || ServiceKey::new("shop", "orders");
        let owned = |owner: &str| Watching {
            owner: Some(owner.into()),
            ..Watching::default()
        };
        let settings = Settings::new(
            [
                (orders(), Some("cloud-a".into()), owned("a")),
                (
                    orders(),
                    None,
                    Watching {
                        criticality: Some("high".into()),
                        ..owned("first")
                    },
                ),
                (orders(), None, owned("second")),
            ],
            Vec::new(),
            Vec::new(),
        );
        let said = |environment: &str| {
            let own = settings.of(&orders(), &environment.into()).unwrap();
            let text = |name: &Option<Name>| name.clone().unwrap().to_string();
            (text(&own.owner), text(&own.criticality))
        };
        assert_eq!(said("cloud-a"), ("a".to_owned(), "high".to_owned()));
        assert_eq!(said("cloud-b"), ("second".to_owned(), "high".to_owned()));
        let other = ServiceKey::new("shop", "cart");
        assert!(settings.of(&other, &"cloud-a".into()).is_none());
    }
}
