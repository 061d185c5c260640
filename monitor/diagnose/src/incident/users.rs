//! What open incidents are to users: journeys hurt, Apdex, error budgets.
//!
//! The engine asks for it after [`IncidentBook::advance_with`], for incidents whose impact was looked
//! at just then. Also learns from incidents that are over how long incidents last.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{
    BudgetImpact, Coverage, JourneyImpact, JourneyTypeId, Time, UserImpact, Workload,
};
use serde::{Deserialize, Serialize};

use super::{IncidentBook, IncidentChange};
use crate::alert_book::AlertConfig;
use crate::journey::{Exposed, Journeys};

/// Types named of one incident.
const MOST_TYPES: usize = 20;
/// Budgets named of one incident.
const MOST_BUDGETS: usize = 20;
/// A type is hurt when so many more of its journeys fail or are late than usually …
const HURT: f64 = 0.02;
/// … and so many more than chance has it, in standard deviations, and so many journeys at least.
const BEYOND: f64 = 3.0;
const FEWEST: f64 = 3.0;

/// Journeys of each type up to an incident's beginning, and those of them that were hurt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    kinds: BTreeMap<JourneyTypeId, (u64, u64)>,
}

/// What is spent of the error budgets of these workloads since then, and how much a workload counts.
#[expect(missing_debug_implementations, reason = "two functions")]
pub struct Budgets<'a> {
    pub since: &'a dyn Fn(&BTreeSet<Workload>, Time) -> Vec<BudgetImpact>,
    pub weight: &'a dyn Fn(&Workload) -> f64,
}

impl IncidentBook {
    /// How forecasts of impact have done, by horizon.
    pub fn impact_record(&self) -> Vec<Coverage> {
        self.ledger.coverage()
    }

    /// `changes` are those of the latest advance at `now`. O(types) for each incident looked at.
    pub fn weigh(
        &mut self,
        now: Time,
        config: &AlertConfig,
        changes: &[IncidentChange],
        journeys: &Journeys,
        budgets: &Budgets<'_>,
    ) {
        for change in changes {
            if let IncidentChange::Closed(incident) = change {
                // It was quiet for a while before that was said.
                let quiet = match incident.merged_into {
                    Some(_) => 0.0,
                    None => config.keep_firing_for.as_secs_f64(),
                };
                let lasted = now.since(incident.began).as_secs_f64() - quiet;
                self.ledger.lasted(lasted, incident.merged_into.is_none());
            }
        }
        let cases = &self.cases;
        self.before.retain(|id, _| cases.contains_key(id));
        for (id, case) in &mut self.cases {
            if case.assessed != Some(now) {
                continue;
            }
            let members: BTreeSet<Workload> = case
                .signs
                .values()
                .map(|sign| sign.workload.clone())
                .collect();
            let Some(told) = &mut case.told else { continue };
            let Some(impact) = &mut told.impact else {
                continue;
            };
            let exposed = journeys.exposed(&members, told.began);
            let before = self.before.entry(*id).or_default();
            impact.users = users(&exposed, before, members, told.began, budgets);
        }
    }
}

fn users(
    exposed: &[Exposed],
    before: &mut Before,
    mut concerned: BTreeSet<Workload>,
    began: Time,
    budgets: &Budgets<'_>,
) -> Option<UserImpact> {
    let mut journeys: Vec<(f64, JourneyImpact)> = Vec::new();
    // Weights, and Apdex times weight.
    let (mut now, mut usually) = ((0.0, 0.0), (0.0, 0.0));
    let mut so_far_of_all = 0.0;
    for kind in exposed {
        let entry = Workload {
            service: kind.entry.service.clone(),
            environment: kind.entry.environment.clone(),
        };
        let weight = (budgets.weight)(&entry);
        let (fare, usual) = (&kind.experience.now, &kind.experience.usual);
        for (sum, fare) in [(&mut now, fare), (&mut usually, usual)] {
            sum.0 += weight * fare.journeys;
            sum.1 += weight * fare.journeys * fare.apdex;
        }
        let (ended, hurt) = *before.kinds.entry(kind.kind).or_insert(kind.before);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (ended, hurt) = (
            kind.ever.0.saturating_sub(ended) as f64,
            kind.ever.1.saturating_sub(hurt) as f64,
        );
        // Types that only vary as they always do would add up to something.
        let more = hurt - usual.hurt * ended;
        let chance = (usual.hurt * (1.0 - usual.hurt) * ended).sqrt();
        let so_far = if more > FEWEST + BEYOND * chance {
            more
        } else {
            0.0
        };
        so_far_of_all += so_far;
        let noise = (usual.hurt.max(0.005) * (1.0 - usual.hurt) / fare.journeys.max(1.0)).sqrt();
        let worse = fare.hurt - usual.hurt;
        let is_hurt = worse > HURT + BEYOND * noise && worse * fare.journeys >= FEWEST;
        if !is_hurt && so_far == 0.0 {
            continue;
        }
        concerned.insert(entry);
        journeys.push((
            weight * fare.journeys * worse,
            JourneyImpact {
                kind: kind.kind,
                name: kind.name.clone(),
                rate: rounded(kind.rate),
                hurt: rounded(fare.hurt),
                usually: rounded(usual.hurt),
                apdex: rounded(fare.apdex),
                apdex_usually: rounded(usual.apdex),
                so_far: so_far.round(),
            },
        ));
    }
    journeys.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.kind.cmp(&b.1.kind)));
    journeys.truncate(MOST_TYPES);
    let mut spent = (budgets.since)(&concerned, began);
    spent.sort_by(|a, b| (b.spent * b.weight).total_cmp(&(a.spent * a.weight)));
    spent.truncate(MOST_BUDGETS);
    (!exposed.is_empty() || !spent.is_empty()).then(|| UserImpact {
        journeys_so_far: so_far_of_all.round(),
        apdex: (now.0 > 0.0).then(|| rounded(now.1 / now.0)),
        apdex_usually: (usually.0 > 0.0).then(|| rounded(usually.1 / usually.0)),
        journeys: journeys.into_iter().map(|(_, journey)| journey).collect(),
        budgets: spent,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;
    use monitor_core::{ApiKey, Experience, Fare, Name, ServiceKey};

    use super::*;

    fn exposed(number: u64, hurt: f64, ever: (u64, u64)) -> Exposed {
        let fare = |journeys, hurt, apdex| Fare {
            journeys,
            failed: hurt,
            hurt,
            apdex,
        };
        Exposed {
            kind: JourneyTypeId(number),
            name: Name::from(format!("POST /{number}")),
            entry: Arc::new(ApiKey {
                environment: "here".into(),
                service: ServiceKey::new("shop", "edge"),
                method: "POST".into(),
                route: format!("/{number}").into(),
            }),
            experience: Experience {
                satisfied: 0.1,
                stated: false,
                late: 0.2,
                now: fare(600.0, hurt, 0.96 * (1.0 - hurt)),
                usual: fare(20_000.0, 0.01, 0.95),
            },
            rate: 10.0,
            ever,
            before: (10_000, 100),
        }
    }

    fn said(exposed: &[Exposed], before: &mut Before) -> UserImpact {
        let budgets = Budgets {
            since: &|concerned, _| {
                let budget = |workload: &Workload| BudgetImpact {
                    service: workload.service.clone(),
                    environment: workload.environment.clone(),
                    objective: "availability".into(),
                    weight: 1.0,
                    spent: 0.25,
                    left: 0.5,
                    gone: Some(Time::from_secs(1_772_540_000)),
                };
                concerned.iter().map(budget).collect()
            },
            weight: &|_| 1.0,
        };
        let began = Time::from_secs(1_772_532_000);
        users(exposed, before, BTreeSet::new(), began, &budgets).unwrap()
    }

    #[test]
    fn what_is_hurt_is_said_and_counted_from_the_beginning() {
        let mut before = Before::default();
        let kinds = [
            exposed(1, 0.35, (10_600, 310)),
            exposed(2, 0.012, (10_600, 107)),
        ];
        let first = said(&kinds, &mut before);
        expect!["; 204 journeys hurt so far; POST /1: 35 % fail or are late, 1 % usually; Apdex 0.79, 0.95 usually; 25.0 % of the error budget `availability` of shop/edge spent, all gone at 2026-03-03T12:13:20Z at this rate"]
            .assert_eq(&first.to_string());
        assert_eq!(first.journeys.len(), 1, "{first:?}");
        // Later more is known to have been hurt, also when little of what began it is remembered.
        let later = Exposed {
            before: (10_500, 300),
            ..exposed(1, 0.02, (11_200, 400))
        };
        let more = said(&[later], &mut before);
        assert_eq!(
            (more.journeys_so_far, more.journeys[0].so_far),
            (288.0, 288.0)
        );
    }

    #[test]
    fn what_varies_as_it_always_does_is_not_hurt() {
        let calm = said(&[exposed(2, 0.012, (10_600, 107))], &mut Before::default());
        assert_eq!((calm.journeys_so_far, calm.journeys.len()), (0.0, 0));
        assert_eq!(calm.budgets, []);
    }
}
