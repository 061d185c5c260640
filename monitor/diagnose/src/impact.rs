//! Whom an incident hurts, and what is to be expected of the next minute.
//!
//! Clients meet a platform at the services that no other calls: the share of their calls that fail
//! or are refused is the impact. For the next minute an incident may be over at any moment, go on as
//! it is, or go on growing as it lately did, so the interval reaches from the usual to that, widened
//! by what so many calls leave to chance (Wilson, JASA 22, 1927, with a quarter of the calls, as
//! failures come in clusters), and by as much as past intervals fell short of what came (conformalized
//! quantile regression: Romano, Patterson and Candès, NeurIPS 2019). What was forecast is compared
//! with what came, incident or no. What is later than that is in [`outlook`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use monitor_core::{Coverage, Forecast, Impact, Name, Stretches, Time, Workload};
use serde::{Deserialize, Serialize};

use crate::flow::{Flows, NodeFlow};
use crate::incident::Look;
use crate::survival::Survival;

mod outlook;

use outlook::Outlooks;

/// How far ahead is looked, and how far back for how it is.
const AHEAD_SECS: u32 = 60;
const AHEAD: Duration = Duration::from_secs(AHEAD_SECS as u64);
const BACK: Duration = Duration::from_secs(30);
/// Under which forecasts are in the ledger.
const MEASURE: &str = "impact";
/// Forecasts that wait for what comes; more are not made.
const MOST_PENDING: usize = 256;
/// Of a normal distribution, 90 % are within so many standard deviations.
const Z: f64 = 1.645;
/// Failures come in clusters: so many calls are one to chance.
const CLUSTER: f64 = 4.0;
/// Of intervals, so many are to hold what comes.
const HOLDS: f64 = 0.9;
/// Forecasts that the next are widened by.
const REMEMBERED: usize = 200;
/// How far forecasts fall short, until it is known.
const ASSUMED: [f64; 5] = [0.0, 0.0, 0.01, 0.02, 0.05];
/// An incident's first seconds tell too little of what it will be like.
const FEWEST_SECONDS: Duration = Duration::from_secs(10);
/// Entries named of one incident.
const MOST_ENTRIES: usize = 64;

/// Forecasts that wait, and how those that came were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImpactLedger {
    pending: VecDeque<Pending>,
    pub(crate) scored: u64,
    pub(crate) inside: u64,
    stretches: Stretches,
    /// By how much each of the latest fell short of what came, before it was widened; the oldest
    /// first.
    short: VecDeque<f64>,
    survival: Survival,
    outlooks: Outlooks,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    due: Time,
    entries: BTreeSet<Workload>,
    /// As it was told.
    forecast: Forecast,
    /// Before it was widened.
    low: f64,
    high: f64,
}

impl ImpactLedger {
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty() || self.outlooks.is_waiting()
    }

    /// An incident has lasted for so many seconds; it is over, or was swallowed by another.
    pub(crate) fn lasted(&mut self, secs: f64, over: bool) {
        self.survival.learn(secs, over);
    }

    /// Of forecasts of the share of calls that go wrong, how many held what came: by horizon.
    pub(crate) fn coverage(&self) -> Vec<Coverage> {
        let next_minute = Coverage {
            measure: Name::from(MEASURE),
            horizon_secs: AHEAD_SECS,
            scored: self.scored,
            inside: self.inside,
            stretches: self.stretches.count(),
            relative_error: 1.0,
        };
        let mut all = self.outlooks.coverage();
        all.insert(0, next_minute);
        all.retain(|of| of.scored > 0);
        all
    }

    /// Compares what is due with what came.
    pub(crate) fn settle(&mut self, now: Time, look: &Look<'_>) {
        while self
            .pending
            .front()
            .is_some_and(|pending| pending.due <= now)
        {
            let Some(pending) = self.pending.pop_front() else {
                break;
            };
            let flows = look(&pending.entries, now - AHEAD);
            let Some(came) = Suffering::of(&pending.entries, &flows) else {
                continue;
            };
            self.scored += 1;
            self.stretches.came(now, AHEAD_SECS);
            let Forecast { low, high, .. } = pending.forecast;
            let came = came.share();
            self.inside += u64::from((low..=high).contains(&came));
            if self.short.len() >= REMEMBERED {
                self.short.pop_front();
            }
            let outside = (pending.low - came).max(came - pending.high);
            self.short.push_back(outside.max(0.0));
        }
        self.outlooks.settle(now, &|entries, since| {
            Some(Suffering::of(entries, &look(entries, since))?.share())
        });
    }

    /// How much wider than by theory an interval has to be to hold what comes in nine of ten cases.
    /// Until much is known, what is assumed counts among what came.
    fn widening(&self) -> f64 {
        let mut short: Vec<f64> = self.short.iter().copied().collect();
        let assumed = ASSUMED.len().saturating_sub(short.len() / 4);
        short.extend(&ASSUMED[ASSUMED.len() - assumed..]);
        short.sort_by(f64::total_cmp);
        let rank = ((short.len() + 1) as f64 * HOLDS).ceil() as usize;
        short
            .get(rank.min(short.len()).saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    /// What an incident with these surroundings does to clients; a forecast that may be kept.
    pub(crate) fn assess(
        &mut self,
        around: &BTreeSet<Workload>,
        members: &BTreeSet<Workload>,
        began: Time,
        now: Time,
        look: &Look<'_>,
    ) -> Option<Impact> {
        // What was before it began says nothing of it.
        let back = now.since(began).clamp(FEWEST_SECONDS, BACK);
        let lately = look(around, now - back);
        let entries: BTreeSet<Workload> = entries(&lately);
        let is = Suffering::of(&entries, &lately)?;
        let before = look(&entries, now - back * 2);
        let was = Suffering::of(&entries, &before).unwrap_or(is);
        let ends = is.ends(was);
        let forecast = ends.widened(self.widening());
        let age = now.since(began).as_secs_f64();
        let lasts = |more| self.survival.lasts(age, more);
        let later = self.outlooks.say(now, &entries, &ends, lasts);
        if self.pending.len() < MOST_PENDING {
            self.pending.push_back(Pending {
                due: now + AHEAD,
                entries,
                forecast,
                low: ends.low,
                high: ends.high,
            });
        }
        let mut by_environment: BTreeMap<&Name, Suffering> = BTreeMap::new();
        for (workload, node) in &lately.nodes {
            if members.contains(workload) {
                by_environment
                    .entry(&workload.environment)
                    .or_default()
                    .add(node);
            }
        }
        Some(Impact {
            calls_per_second: rounded(is.calls),
            affected: rounded(is.share()),
            usually: rounded(is.usually()),
            by_environment: by_environment
                .into_iter()
                .map(|(name, there)| (name.clone(), rounded(there.share())))
                .collect(),
            next_minute: forecast,
            later,
            users: None,
        })
    }
}

/// Those that no other calls.
fn entries(flows: &Flows) -> BTreeSet<Workload> {
    let called: BTreeSet<&Workload> = flows
        .edges
        .keys()
        .filter_map(|(_, peer)| match peer {
            monitor_core::Callee::Workload(callee) => Some(callee),
            monitor_core::Callee::Outside(_) => None,
        })
        .collect();
    let calling: BTreeSet<&Workload> = flows.edges.keys().map(|(caller, _)| caller).collect();
    flows
        .nodes
        .keys()
        .filter(|workload| !called.contains(workload) && calling.contains(workload))
        .take(MOST_ENTRIES)
        .cloned()
        .collect()
}

/// Shares of calls that may go wrong, as far as chance takes them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ends {
    is: f64,
    usually: f64,
    /// Whatever comes.
    low: f64,
    high: f64,
    /// At most, if it is over.
    over: f64,
    /// At least, if it is not.
    going_on: f64,
}

/// Calls a second, and how many of them go wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Suffering {
    seen: f64,
    calls: f64,
    bad: f64,
    usual_calls: f64,
    usual_bad: f64,
}

impl Suffering {
    fn of(entries: &BTreeSet<Workload>, flows: &Flows) -> Option<Suffering> {
        let mut sum = Suffering::default();
        for entry in entries {
            if let Some(node) = flows.nodes.get(entry) {
                sum.add(node);
            }
        }
        (sum.calls > 0.0).then_some(sum)
    }

    fn add(&mut self, node: &NodeFlow) {
        self.seen += node.calls;
        self.calls += node.rate.now;
        self.bad += node.bad.now * node.rate.now;
        self.usual_calls += node.rate.usual;
        self.usual_bad += node.bad.usual * node.rate.usual;
    }

    fn share(&self) -> f64 {
        if self.calls > 0.0 {
            self.bad / self.calls
        } else {
            0.0
        }
    }

    fn usually(&self) -> f64 {
        if self.usual_calls > 0.0 {
            self.usual_bad / self.usual_calls
        } else {
            0.0
        }
    }

    /// `was` is over twice the time.
    fn ends(&self, was: Suffering) -> Ends {
        let (is, usually) = (self.share(), self.usually());
        // Over the first half of that time it was this.
        let earlier = (2.0 * was.share() - is).clamp(0.0, 1.0);
        let growing = (is + (is - earlier).max(0.0)).min(1.0);
        let chance = (self.seen / CLUSTER).max(1.0);
        Ends {
            is,
            usually,
            low: wilson(is.min(usually), chance).0,
            high: wilson(growing.max(usually), chance).1,
            over: wilson(usually, chance).1,
            going_on: wilson(is, chance).0,
        }
    }
}

impl Ends {
    /// Of the next minute.
    fn widened(&self, by: f64) -> Forecast {
        let (low, high) = ((self.low - by).max(0.0), (self.high + by).min(1.0));
        Forecast {
            expected: rounded(self.is),
            low: (low * 1e4).floor() / 1e4,
            high: (high * 1e4).ceil() / 1e4,
        }
    }
}

/// Both ends of the interval of 90 % of a share of `n`.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use monitor_core::{Callee, ServiceKey};

    use super::*;
    use crate::flow::{EdgeFlow, Level};

    fn workload(name: &str) -> Workload {
        Workload {
            service: ServiceKey::new("", name),
            environment: Name::from("here"),
        }
    }

    /// The shop asks the stock; of the shop's hundred calls a second this share fails.
    fn flows(bad: f64) -> Flows {
        let level = |now, usual| Level {
            usual,
            now,
            spread: 0.0,
        };
        let node = NodeFlow {
            calls: 3_000.0,
            rate: level(100.0, 100.0),
            bad: level(bad, 0.0),
            ..NodeFlow::default()
        };
        let asks = (workload("shop"), Callee::Workload(workload("stock")));
        Flows {
            nodes: BTreeMap::from([(workload("shop"), node)]),
            edges: BTreeMap::from([(asks, EdgeFlow::default())]),
        }
    }

    /// The high end of what is said of the next minute after 50 minutes in which nobody was hurt, or
    /// in every fifth of which this share of calls failed.
    fn high_after(hurt: f64) -> f64 {
        let around = BTreeSet::from([workload("shop")]);
        let mut ledger = ImpactLedger::default();
        let mut high = 0.0;
        for minute in 0..50 {
            let now = Time::from_secs(minute * 60);
            let came = if minute % 5 == 4 { hurt } else { 0.0 };
            ledger.settle(now, &|_, _| flows(came));
            let said = ledger.assess(&around, &around, Time::EPOCH, now, &|_, _| flows(0.0));
            high = said.unwrap().next_minute.high;
        }
        assert_eq!(ledger.scored, 49);
        high
    }

    #[test]
    fn who_was_never_wrong_says_no_more_than_chance_may_bring_and_who_was_more() {
        let calm = high_after(0.0);
        assert!(calm < 0.01, "{calm}");
        let burnt = high_after(0.2);
        assert!((0.2..0.25).contains(&burnt), "{burnt}");
    }
}
