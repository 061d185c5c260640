//! How likely journeys of a type fail in the next five minutes, from what is ahead of what they pass.
//!
//! Said once a minute of each type that does well: from the chances that its hops' Apis fail
//! ([`Foresight::ahead`](crate::risk::Foresight::ahead)), each weighed by the share of journeys
//! that pass it, as if they failed independently (a noisy or: Pearl, "Probabilistic Reasoning in
//! Intelligent Systems", 1988, section 4.3.2). What fails already, and did not make the journeys fail, is
//! another matter than what will. Journeys are late long before an Api is at its limit, so what comes before
//! that counts too: fewer journeys that satisfy (Apdex falls before anything is late) and where that leads to, an
//! entry that becomes slower, and what fills up. One regression for all types turns that into a chance and learns from what came.
//! A type fails when in the last minute so many more of its journeys fail or are late than usually. It is all
//! held to, in a ledger of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use monitor_core::{ApiKey, JourneyTypeId, JourneyTypeView, ScoredFailures};
use monitor_diagnose::TypeHops;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::risk::{Ahead, FAILURE_HORIZON_SECS, Learner, MANY_WAIT};

/// A type fails when so many more of its journeys fail or are late than usually …
const FAILS: f64 = 0.05;
/// … and so many more than chance has it, in standard deviations, of so many at least.
const BEYOND: f64 = 3.0;
const FEWEST: f64 = 10.0;
/// So many times as far as that, a type is as near to failing as it can be.
const FARTHEST: f64 = 4.0;
/// Types that chances are said of.
const MOST: usize = 1_000;
/// How full it has to be, from where an Api feels it (0) to full (1), for journeys to be as likely late as at
/// the full.
const FULL_ENOUGH: f64 = 0.6;
/// Always; that some hop fails that does not yet, as far as nothing fills up (hops that wait for that have their
/// chances from it); the share that pass one that does; how far the type is on the way to failing, and how far the
/// entry's response time is to its limit; the fullest of what its hops need; how far beyond failing it will be if
/// it goes on as in the last two minutes.
const SIGNS: usize = 7;
/// Rounded from a fit to eight runs of the simulated platform.
const GUESS: [f64; SIGNS] = [-4.0, 3.1, -1.6, 0.6, 16.0, 5.6, 1.4];
/// From so far on a type is likelier to fail the further it will be, but no further than so much more.
const ON_ITS_WAY: f64 = 2.0;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct JourneyRisks {
    learner: Learner,
    types: BTreeMap<JourneyTypeId, Watch>,
    ledger: Ledger,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Watch {
    /// As last said; 1 while it fails.
    chance: f64,
    /// How far it was on the way to failing a minute ago and two.
    before: [f64; 2],
    waiting: VecDeque<Said>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    until: i64,
    chance: f64,
    signs: [f64; SIGNS],
}

impl JourneyRisks {
    /// Looks at all types at the end of a minute. O(types · hops).
    pub(crate) fn step(
        &mut self,
        end: i64,
        types: &[TypeHops],
        ahead: &FxHashMap<Arc<ApiKey>, Ahead>,
    ) {
        let mut before = std::mem::take(&mut self.types);
        for known in types.iter().take(MOST) {
            let mut watch = before.remove(&known.kind).unwrap_or_default();
            let way = way(known);
            if is_failing(known) {
                for said in watch.waiting.drain(..) {
                    // Of what was said longest ago it may have come too late.
                    self.learn(&said, said.until >= end);
                }
                watch.chance = 1.0;
            } else {
                while watch.waiting.front().is_some_and(|said| said.until <= end) {
                    if let Some(said) = watch.waiting.pop_front() {
                        self.learn(&said, false);
                    }
                }
                let signs = signs(known, watch.before, ahead);
                watch.chance = self.learner.chance(&GUESS, &signs);
                // Without journeys nothing could come.
                if known.experience.now.journeys >= FEWEST {
                    watch.waiting.push_back(Said {
                        until: end.saturating_add(i64::from(FAILURE_HORIZON_SECS)),
                        chance: watch.chance,
                        signs,
                    });
                }
            }
            watch.before = [way, watch.before[0]];
            self.types.insert(known.kind, watch);
        }
    }

    fn learn(&mut self, said: &Said, came: bool) {
        self.ledger.failure(said.chance, came);
        self.learner.learn_of_bunches(&GUESS, &said.signs, came);
    }

    /// Says of each type in the view how likely it fails.
    pub(crate) fn mark(&self, types: &mut [JourneyTypeView]) {
        for kind in types {
            kind.failure_chance = self.types.get(&kind.id).map(|watch| watch.chance);
        }
    }

    /// How chances have done.
    pub(crate) fn record(&self) -> ScoredFailures {
        self.ledger.track_record().failures
    }
}

fn is_failing(known: &TypeHops) -> bool {
    let (now, usual) = (&known.experience.now, &known.experience.usual);
    let noise = (usual.hurt.max(0.005) * (1.0 - usual.hurt) / now.journeys.max(1.0)).sqrt();
    now.journeys >= FEWEST && now.hurt - usual.hurt > FAILS + BEYOND * noise
}

/// How far it is on the way to failing, 1 where it would if more of that were hurt and not only unsatisfied.
fn way(known: &TypeHops) -> f64 {
    let (now, usual) = (&known.experience.now, &known.experience.usual);
    if now.journeys < FEWEST {
        return 0.0;
    }
    let worse = (now.hurt - usual.hurt).max(usual.apdex - now.apdex);
    (worse / FAILS).clamp(0.0, FARTHEST)
}

/// `before` is how far it was a minute ago and two.
fn signs(
    known: &TypeHops,
    before: [f64; 2],
    ahead: &FxHashMap<Arc<ApiKey>, Ahead>,
) -> [f64; SIGNS] {
    let of = |api| ahead.get(api).copied().unwrap_or_default();
    let (mut none, mut failing, mut filling) = (1.0, 0.0_f64, 0.0_f64);
    for (api, share) in &known.hops {
        let hop = of(api);
        // What so few pass makes few late.
        let weight = (share / MANY_WAIT).min(1.0);
        if hop.is_failing {
            failing = failing.max(*share);
        } else {
            none *= 1.0 - hop.chance * share;
        }
        filling = filling.max(hop.filling * weight);
    }
    let entry = of(&known.entry);
    let way = way(known);
    let rise = (way - before[1]) / 2.0;
    let heading = way + rise * f64::from(FAILURE_HORIZON_SECS / 60);
    let heading = (heading - ON_ITS_WAY).clamp(0.0, ON_ITS_WAY);
    let filling = (filling / FULL_ENOUGH).min(1.0);
    let will_fail = (1.0 - none) * (1.0 - filling);
    [1.0, will_fail, failing, way, entry.way, filling, heading]
}

#[cfg(test)]
mod tests {
    use monitor_core::{Experience, Fare, Name, ServiceKey};

    use super::*;

    fn api(name: &str) -> Arc<ApiKey> {
        Arc::new(ApiKey {
            environment: Name::from("here"),
            service: ServiceKey::new("", name),
            method: "GET".into(),
            route: "/".into(),
        })
    }

    fn buying(hurt: f64) -> TypeHops {
        let fare = |hurt| Fare {
            journeys: 600.0,
            failed: 0.0,
            hurt,
            apdex: 1.0 - hurt,
        };
        TypeHops {
            kind: JourneyTypeId(1),
            entry: api("edge"),
            experience: Experience {
                satisfied: 0.1,
                stated: false,
                late: 0.2,
                now: fare(hurt),
                usual: fare(0.01),
            },
            hops: vec![(api("edge"), 1.0), (api("stock"), 0.5)],
        }
    }

    fn likely(chance: f64) -> Ahead {
        Ahead {
            chance,
            ..Ahead::default()
        }
    }

    fn signs_of(hops: &[(&str, Ahead)]) -> [f64; SIGNS] {
        let ahead = hops.iter().map(|(name, ahead)| (api(name), *ahead));
        signs(&buying(0.01), [0.0; 2], &ahead.collect())
    }

    #[test]
    fn what_few_pass_makes_failing_less_likely() {
        let at_rest = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(signs_of(&[]), at_rest);
        assert_eq!(signs_of(&[("elsewhere", likely(0.9))]), at_rest);
        assert_eq!(signs_of(&[("stock", likely(0.8))])[1], 0.4);
        let both = signs_of(&[("stock", likely(0.8)), ("edge", likely(0.5))]);
        assert!((both[1] - 0.7).abs() < 1e-12, "{both:?}");
    }

    #[test]
    fn what_fails_already_is_another_matter_than_what_will() {
        let failing = Ahead {
            is_failing: true,
            ..likely(1.0)
        };
        let signs = signs_of(&[("stock", failing)]);
        assert_eq!(signs[1..3], [0.0, 0.5]);
        assert_eq!(signs_of(&[("edge", failing)])[1..3], [0.0, 1.0]);
    }

    #[test]
    fn what_fills_up_is_not_counted_twice() {
        let filling = |filling| Ahead {
            filling,
            ..likely(0.8)
        };
        let half = signs_of(&[("edge", filling(0.5 * FULL_ENOUGH))]);
        assert!(
            (half[1] - 0.4).abs() < 1e-9 && (half[5] - 0.5).abs() < 1e-9,
            "{half:?}"
        );
        let full = signs_of(&[("edge", filling(0.9))]);
        assert_eq!((full[1], full[5]), (0.0, 1.0));
    }

    #[test]
    fn what_is_slower_is_on_the_way_before_anybody_is_late() {
        let mut known = buying(0.01);
        known.experience.now.apdex -= 0.1;
        let of = |known: &TypeHops, before| signs(known, before, &FxHashMap::default());
        assert!((of(&known, [2.0; 2])[3] - 2.0).abs() < 1e-9);
        known.experience.now.journeys = 9.0;
        assert_eq!(of(&known, [0.0; 2])[3], 0.0);
    }

    #[test]
    fn where_it_leads_to_is_told_from_two_minutes() {
        let known = buying(0.06);
        let heading = |before| signs(&known, before, &FxHashMap::default())[6];
        // Where it has been as far for two minutes it stays.
        assert_eq!(heading([1.0; 2]), 0.0);
        // By a fourth more in each minute it will be at two and a quarter.
        assert!((heading([0.75, 0.5]) - 0.25).abs() < 1e-9);
        assert!((heading([0.0, 0.0]) - 1.5).abs() < 1e-9);
    }

    /// In every hour it fails for two minutes, after an Api's chance was high for five.
    #[test]
    fn chances_are_learned_and_better_than_the_base_rate() {
        let mut risks = JourneyRisks::default();
        let mut view = Vec::new();
        for minute in 0..3_000_i64 {
            let (warned, failing) = (
                (50..55).contains(&(minute % 60)),
                (55..57).contains(&(minute % 60)),
            );
            let known = buying(if failing { 0.4 } else { 0.01 });
            let chance = if warned { 0.9 } else { 0.01 };
            let ahead = FxHashMap::from_iter([(api("edge"), likely(chance))]);
            risks.step(minute * 60, &[known], &ahead);
            view.push(risks.types[&JourneyTypeId(1)].chance);
        }
        let (at_first, late, at_rest) = (view[52], view[2_992], view[2_960]);
        assert!(
            at_first < 0.4 && late > 0.5 && at_rest < 0.05,
            "{at_first} {late} {at_rest}"
        );
        assert_eq!(view[2_995], 1.0);
        let record = risks.record();
        assert!(record.failed > 100 && record.judged > 2_500, "{record:?}");
        let (brier, base) = (record.brier.unwrap(), record.base_brier.unwrap());
        assert!(brier < base / 2.0, "{brier} {base}");
    }
}
