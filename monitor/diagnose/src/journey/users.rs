//! What users have of journeys that pass some services: for whoever says what an incident costs.

use std::collections::BTreeSet;
use std::sync::Arc;

use monitor_core::{ApiKey, Experience, JourneyTypeId, Name, Node, Time, Workload};

use super::Journeys;
use super::kinds::Kind;
use super::names::Names;

/// Of its journeys, so many at least pass a service before trouble there is the type's.
const PASSES: f64 = 0.02;

/// A type whose journeys pass some services.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed {
    pub kind: JourneyTypeId,
    pub name: Name,
    pub entry: Arc<ApiKey>,
    /// Since the time that was asked for, at most over the last minute.
    pub experience: Experience,
    /// Journeys a second, over the same time.
    pub rate: f64,
    /// Of all time: journeys, and those that failed or were late.
    pub ever: (u64, u64),
    /// The same up to the time that was asked for, as far as is remembered.
    pub before: (u64, u64),
}

/// A type, and what its journeys pass: for whoever says how likely they fail.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeHops {
    pub kind: JourneyTypeId,
    pub entry: Arc<ApiKey>,
    pub experience: Experience,
    /// Each with the share of all journeys that passed it.
    pub hops: Vec<(Arc<ApiKey>, f64)>,
}

impl Journeys {
    /// All types of which it is known what is usual, in order of ids. O(types · hops).
    pub fn types_with_hops(&self) -> Vec<TypeHops> {
        let api = |op: u32| self.names.find(op)?.api.clone();
        let mut found: Vec<TypeHops> = self
            .types()
            .iter()
            .filter_map(|kind| {
                #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
                let share = |n: u64| (n as f64 / kind.total.max(1) as f64).min(1.0);
                Some(TypeHops {
                    kind: kind.id,
                    entry: api(kind.entry)?,
                    experience: kind.fares.experience(self.second, i64::MIN)?,
                    hops: (kind.passed.iter())
                        .filter_map(|(op, n)| Some((api(*op)?, share(*n))))
                        .collect(),
                })
            })
            .collect();
        found.sort_by_key(|known| known.kind);
        found
    }

    /// Lets what is old enough become usual, but of types that pass one of `held`. `stated` is the
    /// response time that an objective allows an Api. O(types) every ten seconds, otherwise O(1).
    pub fn age(
        &mut self,
        now: Time,
        held: &BTreeSet<Workload>,
        stated: &dyn Fn(&ApiKey) -> Option<f64>,
    ) {
        let now = now.as_secs();
        if now.rem_euclid(10) != 0 {
            return;
        }
        let names = &self.names;
        let held = places(names, held);
        for kind in &mut self.kinds.kinds {
            let is_held = !held.is_empty() && passes(kind, names, &held);
            let entry = names.find(kind.entry).and_then(|op| op.api.as_deref());
            kind.age(now, is_held, entry.and_then(stated));
        }
    }

    /// The types of which a part worth mention passes one of these, as users have them since
    /// `began`; in order of ids. O(types).
    pub fn exposed(&self, to: &BTreeSet<Workload>, began: Time) -> Vec<Exposed> {
        let to = places(&self.names, to);
        let mut found: Vec<Exposed> = self
            .types()
            .iter()
            .filter(|kind| passes(kind, &self.names, &to))
            .filter_map(|kind| {
                let entry = self.names.find(kind.entry)?.api.clone()?;
                Some(Exposed {
                    kind: kind.id,
                    name: self.name_of(kind, &entry),
                    experience: kind.fares.experience(self.second, began.as_secs())?,
                    rate: kind.fares.rate(self.second, began.as_secs()),
                    ever: kind.fares.ever(),
                    before: kind.fares.until(began.as_secs()),
                    entry,
                })
            })
            .collect();
        found.sort_by_key(|exposed| exposed.kind);
        found
    }
}

/// Their numbers.
fn places(names: &Names, workloads: &BTreeSet<Workload>) -> BTreeSet<u32> {
    if workloads.is_empty() {
        return BTreeSet::new();
    }
    (0..)
        .zip(names.nodes())
        .filter(
            |(_, node)| matches!(node, Node::Workload(workload) if workloads.contains(workload)),
        )
        .map(|(place, _)| place)
        .collect()
}

fn passes(kind: &Kind, names: &Names, places: &BTreeSet<u32>) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let enough = |n: u64| n as f64 >= PASSES * kind.total as f64;
    (kind.passed.iter())
        .any(|(op, n)| enough(*n) && names.find(*op).is_some_and(|op| places.contains(&op.node)))
}
