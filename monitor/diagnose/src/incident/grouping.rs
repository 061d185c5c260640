//! Which cases belong together, by where and when their anomalies are.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{ServiceKey, Time, Workload};

use crate::sign::{Kind, Sign};
use crate::suspects::Vitals;
use crate::topology::Topology;

/// Anomalies that begin within this belong to one trouble, even if one is over before the other.
pub(super) const BEGIN_TOGETHER: Duration = Duration::from_secs(90);

/// Disjoint sets of cases (union-find with path halving; Tarjan, J. ACM 1975).
#[derive(Debug)]
pub(super) struct Groups {
    parent: Vec<usize>,
}

/// When something was unusual, and of which case.
#[derive(Clone, Copy, Debug)]
struct Spell {
    start: Time,
    until: Time,
    /// `until` is later by as long as it may be continued.
    closed: Option<Time>,
    case: usize,
    /// [`Sign::is_harmless`].
    harmless: bool,
}

impl Spell {
    /// What hurts nobody and has lasted for a while is not why something else breaks now; and what
    /// hurts nobody and begins when the other is over does not continue it.
    fn belongs_to(&self, other: &Spell) -> bool {
        let overlap = self.start <= other.until && other.start <= self.until;
        let (older, younger) = if self.start <= other.start {
            (self, other)
        } else {
            (other, self)
        };
        let after = older.closed.is_some_and(|closed| closed < younger.start);
        let continues = !(older.harmless || (younger.harmless && after));
        (overlap && continues) || self.apart(other) <= BEGIN_TOGETHER
    }

    fn apart(&self, other: &Spell) -> Duration {
        let after = self.start.since(other.start);
        after.max(other.start.since(self.start))
    }
}

impl Groups {
    /// Of `cases` cases, whose numbers come with their signs. `keep` is how long what is over may
    /// still be continued.
    pub(super) fn of<'a>(
        cases: usize,
        signs: impl Iterator<Item = (usize, &'a Sign)>,
        keep: Duration,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
    ) -> Groups {
        let mut groups = Groups {
            parent: (0..cases).collect(),
        };
        let mut spells: BTreeMap<&Workload, Vec<Spell>> = BTreeMap::new();
        let mut alike: BTreeMap<(&ServiceKey, Kind), Vec<Spell>> = BTreeMap::new();
        for (case, sign) in signs {
            let spell = Spell {
                start: sign.start,
                until: sign.lasts_until(keep),
                closed: sign.closed,
                case,
                harmless: sign.is_harmless(),
            };
            spells.entry(&sign.workload).or_default().push(spell);
            alike
                .entry((&sign.workload.service, sign.kind))
                .or_default()
                .push(spell);
        }
        // A service that has the same trouble in several environments at once has it everywhere
        // for one reason.
        for spells in alike.values() {
            groups.join_begun_together(spells);
        }
        for (workload, own) in &spells {
            groups.join_related(own, own);
            for callee in topology.callees(workload) {
                if let Some(theirs) = spells.get(callee) {
                    groups.join_related(own, theirs);
                    continue;
                }
                // A healthy service in between separates; one that nothing is known of does not. It
                // may pass trouble on, or be the trouble that its callers share.
                let healthy = |vitals: &Vitals| {
                    vitals.judged && vitals.silent_since.is_none() && !vitals.complains
                };
                if !vitals.get(callee).is_some_and(healthy) {
                    let beyond = topology.callees(callee).chain(topology.callers(callee));
                    for other in beyond.filter(|other| other != workload) {
                        if let Some(theirs) = spells.get(other) {
                            groups.join_related(own, theirs);
                        }
                    }
                }
            }
        }
        groups
    }

    /// Those of more than one case, in order.
    pub(super) fn into_groups(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for case in 0..self.parent.len() {
            groups.entry(self.root(case)).or_default().push(case);
        }
        groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect()
    }

    fn join_related(&mut self, some: &[Spell], others: &[Spell]) {
        for one in some {
            for other in others {
                if self.root(one.case) != self.root(other.case) && one.belongs_to(other) {
                    self.join(one.case, other.case);
                }
            }
        }
    }

    fn join_begun_together(&mut self, spells: &[Spell]) {
        for (place, one) in spells.iter().enumerate() {
            for other in &spells[place + 1..] {
                if one.apart(other) <= BEGIN_TOGETHER {
                    self.join(one.case, other.case);
                }
            }
        }
    }

    fn root(&mut self, mut case: usize) -> usize {
        while self.parent[case] != case {
            self.parent[case] = self.parent[self.parent[case]];
            case = self.parent[case];
        }
        case
    }

    /// The smaller number leads, so that the order of joining decides nothing.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }
}
