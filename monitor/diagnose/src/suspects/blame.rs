//! How much of what is bad each place brought in itself, from what both ends of calls say.
//!
//! A service that waits is slow, and one whose calls fail fails, but neither brings anything in: its
//! own time is as it was, and every failure of its is one of a call it made. What is left is local:
//! seconds a second that a service spends longer itself, calls a second that fail in it, calls that
//! its callers lose on the way to it. Added up, one number for each place says how much of all the
//! trouble began there. Compare the "self time" of flame graphs, and the causal edges of Sage (Gan et
//! al., ASPLOS 2021) and MicroRank (Yu et al., WWW 2021), which separate own from inherited latency
//! likewise.
//!
//! O(E · A) in the edges of the surroundings and those of them that are affected.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{Callee, Name, Workload};

use crate::flow::{EdgeFlow, Flows, Level, NodeFlow};

/// A failed call is as bad as a second of waiting.
const FAILURE: f64 = 1.0;
/// Less than this a second, failed or waited, is nothing to blame anyone for.
const LEAST: f64 = 0.02;
/// An edge of fewer calls tells nothing.
const FEWEST_CALLS: f64 = 3.0;
/// Of an edge's calls, so many lost are many.
const MANY: f64 = 0.05;
/// Of the edges of a callee or between two environments, weighted by calls: so many are all.
const NEARLY_ALL: f64 = 0.7;
/// A rate that differs by this factor from the usual is another load.
const OTHER_LOAD: f64 = 1.4;
/// A call more or less than usual is as bad as so many seconds of waiting.
const OTHER_CALL: f64 = 0.2;
/// How deep slowness is followed down.
const DEEPEST: usize = 16;

/// Where trouble can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot<'a> {
    At(&'a Workload),
    /// Between two environments, in order.
    Between(&'a Name, &'a Name),
    /// All wires of one environment.
    Of(&'a Name),
}

/// What one place brought in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Blame<'a> {
    /// Seconds a second.
    pub(super) delay: f64,
    /// Calls a second.
    pub(super) failures: f64,
    /// Of all that is bad, 0 to 1.
    pub(super) share: f64,
    pub(super) own: Option<NodeFlow>,
    /// Calls a second that were lost on the way, with who made them.
    pub(super) lost: f64,
    pub(super) losers: BTreeSet<&'a Workload>,
    /// Calls a second that it gave up on, though their callees answered as usual.
    pub(super) given_up: Option<(&'a Workload, f64)>,
    /// How much longer calls took on the way, the longest …
    pub(super) wire: Option<Level>,
    /// … and until they were answered, of a callee that says nothing itself.
    pub(super) answers: Option<Level>,
    /// Edges of it that were affected.
    pub(super) edges: usize,
    /// It is called by clients more or less than usual, and all else follows.
    pub(super) load: Option<Level>,
    /// An edge of it, for naming an end of a wire.
    pub(super) end: Option<&'a Workload>,
}

pub(super) type Blames<'a> = BTreeMap<Spot<'a>, Blame<'a>>;

/// Of everything in `flows`. Empty when nothing bad shows in them.
pub(super) fn blames<'a>(flows: &'a Flows) -> Blames<'a> {
    let view = Sight::of(flows);
    let mut blames: Blames<'a> = BTreeMap::new();
    view.nodes(&mut blames);
    view.edges(&mut blames);
    join_links(&mut blames);
    view.load(&mut blames);
    let total: f64 = blames
        .values()
        .map(|blame| blame.delay + FAILURE * blame.failures)
        .sum();
    blames.retain(|_, blame| {
        blame.share = if total > 0.0 {
            (blame.delay + FAILURE * blame.failures) / total
        } else {
            0.0
        };
        blame.share > 0.0
    });
    if total < LEAST {
        blames.clear();
    }
    blames
}

/// One edge between workloads, and what is bad on the way.
#[derive(Clone, Copy, Debug)]
struct Way<'a> {
    caller: &'a Workload,
    callee: &'a Workload,
    flow: &'a EdgeFlow,
    /// Calls a second that failed though the callee did not fail them.
    lost: f64,
    /// Of these, those that the callee never saw.
    unseen: f64,
    /// Of these, those that were answered, though the callee does not say so: something in front of
    /// it answers for it.
    refused: f64,
    /// Seconds a call that it takes longer between the ends, or at a callee that says nothing.
    slower: f64,
    /// The callee says nothing of any call.
    mute: bool,
}

impl<'a> Way<'a> {
    fn crossing(&self) -> Option<(&'a Name, &'a Name)> {
        let (one, other) = (&self.caller.environment, &self.callee.environment);
        (one != other).then(|| (one.min(other), one.max(other)))
    }

    fn is_lossy(&self) -> bool {
        self.lost > MANY * self.flow.rate.now.max(self.flow.rate.usual * 0.2)
    }

    fn is_slower(&self) -> bool {
        self.slower > 0.0
    }

    fn weight(&self) -> f64 {
        self.flow.rate.now
    }
}

#[derive(Debug)]
struct Sight<'a> {
    flows: &'a Flows,
    ways: Vec<Way<'a>>,
    /// Calls a second that were not made because those before had failed (an open breaker).
    unmade: BTreeMap<&'a Workload, f64>,
}

impl<'a> Sight<'a> {
    fn of(flows: &'a Flows) -> Sight<'a> {
        let mut ways = Vec::new();
        let mut unmade: BTreeMap<&Workload, f64> = BTreeMap::new();
        for ((caller, peer), flow) in &flows.edges {
            let Callee::Workload(callee) = peer else {
                continue;
            };
            if flow.calls < FEWEST_CALLS {
                continue;
            }
            let failing = flow.bad.now - flow.bad.usual > MANY;
            let missing = if failing {
                let asked = flows
                    .nodes
                    .get(caller)
                    .map_or(1.0, |node| node.rate.ratio().min(1.0));
                (flow.rate.usual * asked - flow.rate.now).max(0.0)
            } else {
                0.0
            };
            if missing > 0.0 {
                *unmade.entry(caller).or_default() += missing;
            }
            let seen = flow.rate.now * (1.0 - flow.unserved.now);
            let theirs = flow.served_bad.now * seen;
            let usual_seen = flow.rate.usual * (1.0 - flow.unserved.usual);
            let usually = flow.bad.usual * flow.rate.usual - flow.served_bad.usual * usual_seen;
            let failed = flow.bad.now * flow.rate.now;
            let mut lost = (failed - theirs - usually.max(0.0)).max(0.0);
            if lost < MANY * flow.rate.now || lost < LEAST {
                lost = 0.0;
            }
            let mut unseen =
                ((flow.unserved.now - flow.unserved.usual).max(0.0) * flow.rate.now).min(lost);
            let refused = (flow.refused.now * flow.rate.now - theirs).clamp(0.0, lost);
            // An open breaker stands for the calls that it spares; whose fault they would have
            // been, those that were made tell.
            let shown = if failed > 0.0 { missing / failed } else { 0.0 };
            unseen += unseen * shown;
            lost += lost * shown;
            // Where calls are lost the ends' times are of different calls.
            let mute = flow.unserved.usual > 0.5;
            let comparable = flow.unserved.now - flow.unserved.usual < MANY
                && flow.unserved.now < 0.5
                && flow.wire.now > 0.0;
            let slower = if mute {
                flow.took.rise()
            } else if comparable {
                flow.wire.rise()
            } else {
                0.0
            };
            ways.push(Way {
                caller,
                callee,
                flow,
                lost,
                unseen,
                refused,
                slower,
                mute,
            });
        }
        Sight {
            flows,
            ways,
            unmade,
        }
    }

    fn nodes(&self, blames: &mut Blames<'a>) {
        for (workload, node) in &self.flows.nodes {
            if node.calls < FEWEST_CALLS {
                continue;
            }
            let delay = node.own.rise() * node.rate.now;
            let unmade = self.unmade.get(workload).copied().unwrap_or_default();
            let mut failures = (node.own_bad.now - node.own_bad.usual - unmade).max(0.0);
            if failures < LEAST || failures < 0.01 * node.rate.now {
                failures = 0.0;
            }
            if delay + failures <= 0.0 {
                continue;
            }
            let blame = blames.entry(Spot::At(workload)).or_default();
            blame.delay += delay;
            blame.failures += failures;
            blame.own = Some(*node);
        }
    }

    fn edges(&self, blames: &mut Blames<'a>) {
        for way in &self.ways {
            if way.is_slower() {
                let spot = self.slow_spot(way);
                let blame = blames.entry(spot).or_default();
                blame.delay += way.slower * way.flow.rate.now;
                blame.edges += 1;
                blame.end.get_or_insert(way.callee);
                let (longest, level) = if way.mute {
                    (&mut blame.answers, way.flow.took)
                } else {
                    (&mut blame.wire, way.flow.wire)
                };
                if longest.is_none_or(|known| known.rise() < level.rise()) {
                    *longest = Some(level);
                }
            }
            if way.is_lossy() {
                let (spot, given_up) = self.lossy_spot(way);
                let blame = blames.entry(spot).or_default();
                blame.failures += way.lost;
                if given_up {
                    blame.given_up = Some((way.callee, way.lost));
                } else {
                    blame.lost += way.lost;
                    blame.losers.insert(way.caller);
                    blame.edges += 1;
                    blame.end.get_or_insert(way.callee);
                }
            }
        }
    }

    /// Of those that `select` finds, the share that `is`, by calls; `None` without any.
    fn share(
        &self,
        select: impl Fn(&Way<'a>) -> bool,
        is: impl Fn(&Way<'a>) -> bool,
    ) -> Option<f64> {
        let (mut all, mut those) = (0.0, 0.0);
        for way in self.ways.iter().filter(|way| select(way)) {
            all += way.weight();
            if is(way) {
                those += way.weight();
            }
        }
        (all > 0.0).then(|| those / all)
    }

    /// Whether what is wrong on this way is wrong on all ways between its environments, and not
    /// with its callee: `None` when there is no telling.
    fn is_link(&self, way: &Way<'a>, is: impl Fn(&Way<'a>) -> bool + Copy) -> Option<bool> {
        let pair = way.crossing()?;
        let same_callee = |other: &Way<'a>| other.callee == way.callee;
        let elsewhere = self.share(
            |other| same_callee(other) && other.crossing() != Some(pair),
            is,
        );
        let others = self.share(
            |other| !same_callee(other) && other.crossing() == Some(pair),
            is,
        );
        match (others, elsewhere) {
            (Some(others), _) if others >= NEARLY_ALL => Some(true),
            // Others get through, also between these two.
            (Some(others), Some(_)) if others < 1.0 - NEARLY_ALL => Some(false),
            (_, Some(elsewhere)) if elsewhere >= 1.0 - NEARLY_ALL => Some(false),
            (Some(others), None) => Some(others >= 1.0 - NEARLY_ALL),
            (_, Some(_)) => Some(true),
            (None, None) => None,
        }
    }

    fn slow_spot(&self, way: &Way<'a>) -> Spot<'a> {
        let link = self.is_link(way, Way::is_slower);
        if link == Some(true) {
            return between(way);
        }
        let working = self
            .flows
            .nodes
            .get(way.callee)
            .is_some_and(|node| node.own.rise() > 0.0);
        if link.is_none() && way.crossing().is_some() && !working && !way.mute {
            return between(way);
        }
        // A caller all whose calls are slower on the way, while those of others are not, is slow
        // to send or to take the answer.
        let of_caller = self.share(
            |other| other.caller == way.caller && other.callee != way.callee,
            Way::is_slower,
        );
        let of_callee = self.share(
            |other| other.callee == way.callee && other.caller != way.caller,
            Way::is_slower,
        );
        if of_caller.is_some_and(|share| share >= NEARLY_ALL)
            && of_callee.is_none_or(|share| share < 1.0 - NEARLY_ALL)
        {
            return Spot::At(way.caller);
        }
        Spot::At(way.callee)
    }

    /// And whether it is a caller that gives up on what works.
    fn lossy_spot(&self, way: &Way<'a>) -> (Spot<'a>, bool) {
        if self.is_link(way, Way::is_lossy) == Some(true) {
            return (between(way), false);
        }
        let late = way.flow.served.rise() > 0.0;
        if late {
            return (Spot::At(self.slow_root(way.callee)), false);
        }
        let unseen = way.unseen >= 0.5 * way.lost;
        if way.refused >= 0.5 * way.lost {
            return (Spot::At(way.callee), false);
        }
        let others = self.share(
            |other| other.callee == way.callee && other.caller != way.caller,
            Way::is_lossy,
        );
        match others {
            // Others reach it.
            Some(share) if share < 1.0 - NEARLY_ALL => (Spot::At(way.caller), true),
            Some(_) => (Spot::At(way.callee), false),
            // It sends no spans, but by its logs it serves as many as ever.
            None if way.mute && self.serves_as_usual(way.callee) => (Spot::At(way.caller), true),
            None if unseen || way.mute => (Spot::At(way.callee), false),
            None => (Spot::At(way.caller), true),
        }
    }

    fn serves_as_usual(&self, workload: &Workload) -> bool {
        self.flows.nodes.get(workload).is_some_and(|node| {
            node.calls >= FEWEST_CALLS
                && node.rate.usual > 0.0
                && node.rate.ratio() >= NEARLY_ALL
                && node.bad.now - node.bad.usual < MANY
                && node.own.rise() <= 0.0
        })
    }

    /// Who makes this one slow: itself, or whom it waits for.
    fn slow_root(&self, start: &'a Workload) -> &'a Workload {
        let mut at = start;
        let mut been: BTreeSet<&Workload> = BTreeSet::new();
        while been.len() < DEEPEST && been.insert(at) {
            let node = self.flows.nodes.get(at);
            let own = node.map_or(0.0, |node| node.own.rise() * node.rate.now);
            let worst = self
                .ways
                .iter()
                .filter(|way| way.caller == at)
                .map(|way| (way.flow.took.rise() * way.flow.rate.now, way.callee))
                .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
            match worst {
                Some((waits, callee)) if waits > own => at = callee,
                _ => break,
            }
        }
        at
    }

    /// Those whom only clients call, and who are called by other numbers of them.
    fn load(&self, blames: &mut Blames<'a>) {
        let called: BTreeSet<&Workload> = self
            .flows
            .edges
            .keys()
            .filter_map(|(_, peer)| match peer {
                Callee::Workload(callee) => Some(callee),
                Callee::Outside(_) => None,
            })
            .collect();
        for (workload, node) in &self.flows.nodes {
            let is_entry =
                !called.contains(workload) && self.ways.iter().any(|way| way.caller == workload);
            let ratio = node.rate.ratio();
            let differs = (node.rate.now - node.rate.usual).abs() > 3.0 * node.rate.spread;
            if !is_entry || !differs || (1.0 / OTHER_LOAD..OTHER_LOAD).contains(&ratio) {
                continue;
            }
            // Clients whose calls fail come less often: that is no cause.
            if ratio < 1.0 && node.bad.now - node.bad.usual > MANY {
                continue;
            }
            let mut moved = OTHER_CALL * (node.rate.now - node.rate.usual).abs();
            if ratio >= OTHER_LOAD {
                // Who is slow only because so many come is not where it began.
                for (spot, blame) in blames.iter_mut() {
                    let Spot::At(other) = spot else { continue };
                    let busier = self
                        .flows
                        .nodes
                        .get(*other)
                        .is_some_and(|node| node.rate.ratio() >= 1.0 + 0.5 * (ratio - 1.0));
                    if busier && *other != workload {
                        moved += blame.delay;
                        blame.delay = 0.0;
                    }
                }
            }
            let blame = blames.entry(Spot::At(workload)).or_default();
            blame.delay += moved;
            blame.load = Some(node.rate);
        }
    }
}

fn between<'a>(way: &Way<'a>) -> Spot<'a> {
    match way.crossing() {
        Some((one, other)) => Spot::Between(one, other),
        None => Spot::At(way.callee),
    }
}

/// Two wires or more that have one end in common, and only that: it is the end.
fn join_links(blames: &mut Blames<'_>) {
    let links: Vec<(&Name, &Name)> = blames
        .keys()
        .filter_map(|spot| match spot {
            Spot::Between(one, other) => Some((*one, *other)),
            _ => None,
        })
        .collect();
    let Some((one, other)) = links.first() else {
        return;
    };
    let common = [*one, *other].into_iter().find(|name| {
        links.len() > 1 && links.iter().all(|link| link.0 == *name || link.1 == *name)
    });
    let Some(name) = common else { return };
    let mut sum = Blame::default();
    for (one, other) in links {
        if let Some(blame) = blames.remove(&Spot::Between(one, other)) {
            sum.delay += blame.delay;
            sum.failures += blame.failures;
            sum.lost += blame.lost;
            sum.losers.extend(blame.losers);
            sum.edges += blame.edges;
            sum.wire = sum.wire.or(blame.wire);
            sum.answers = sum.answers.or(blame.answers);
            sum.end = sum.end.or(blame.end);
        }
    }
    blames.insert(Spot::Of(name), sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::ServiceKey;

    fn workload(name: &str) -> Workload {
        let (service, environment) = name.split_once('@').unwrap_or((name, "cloud-a"));
        Workload {
            service: ServiceKey::new("shop", service),
            environment: environment.into(),
        }
    }

    fn level(usual: f64, now: f64) -> Level {
        Level {
            usual,
            now,
            spread: usual * 0.05,
        }
    }

    /// Ten calls a second everywhere, 10 ms of own time, 2 ms on the wire.
    fn platform(edges: &[(&str, &str)]) -> Flows {
        let mut flows = Flows::default();
        for (caller, callee) in edges {
            for name in [caller, callee] {
                flows.nodes.insert(
                    workload(name),
                    NodeFlow {
                        calls: 300.0,
                        rate: level(10.0, 10.0),
                        own: level(0.01, 0.01),
                        ..NodeFlow::default()
                    },
                );
            }
            flows.edges.insert(
                (workload(caller), Callee::Workload(workload(callee))),
                EdgeFlow {
                    calls: 300.0,
                    rate: level(10.0, 10.0),
                    took: level(0.012, 0.012),
                    served: level(0.01, 0.01),
                    wire: level(0.002, 0.002),
                    ..EdgeFlow::default()
                },
            );
        }
        flows
    }

    fn edge<'a>(flows: &'a mut Flows, caller: &str, callee: &str) -> &'a mut EdgeFlow {
        let key = (workload(caller), Callee::Workload(workload(callee)));
        flows.edges.get_mut(&key).unwrap()
    }

    fn node<'a>(flows: &'a mut Flows, name: &str) -> &'a mut NodeFlow {
        flows.nodes.get_mut(&workload(name)).unwrap()
    }

    /// The worst first.
    fn told(flows: &Flows) -> String {
        let blames = blames(flows);
        let mut all: Vec<_> = blames.iter().collect();
        all.sort_by(|a, b| b.1.share.total_cmp(&a.1.share));
        let name = |spot: &Spot<'_>| match spot {
            Spot::At(workload) => workload.service.name.to_string(),
            Spot::Between(one, other) => format!("{one}-{other}"),
            Spot::Of(name) => name.to_string(),
        };
        let lines: Vec<String> = all
            .iter()
            .map(|(spot, blame)| format!("{} {:.2}", name(spot), blame.share))
            .collect();
        lines.join(", ")
    }

    const SHOP: [(&str, &str); 4] = [
        ("edge", "checkout"),
        ("checkout", "payments@cloud-b"),
        ("payments@cloud-b", "ledger@on-prem"),
        ("statements@cloud-b", "ledger@on-prem"),
    ];

    #[test]
    fn who_waits_is_not_to_blame() {
        let mut flows = platform(&SHOP);
        node(&mut flows, "ledger@on-prem").own = level(0.01, 0.2);
        for (caller, callee) in SHOP {
            let edge = edge(&mut flows, caller, callee);
            (edge.took, edge.served) = (level(0.012, 0.202), level(0.01, 0.2));
        }
        assert_eq!(told(&flows), "ledger 1.00");
    }

    #[test]
    fn nothing_is_to_blame_when_nothing_is_bad() {
        assert_eq!(told(&platform(&SHOP)), "");
    }

    #[test]
    fn a_failure_that_is_passed_on_began_where_it_was_made() {
        let mut flows = platform(&SHOP);
        node(&mut flows, "ledger@on-prem").own_bad = level(0.0, 5.0);
        for (caller, callee) in SHOP {
            let edge = edge(&mut flows, caller, callee);
            (edge.bad, edge.served_bad) = (level(0.0, 0.5), level(0.0, 0.5));
        }
        assert_eq!(told(&flows), "ledger 1.00");
    }

    #[test]
    fn whom_nobody_reaches_is_to_blame() {
        let mut flows = platform(&SHOP);
        for caller in ["payments@cloud-b", "statements@cloud-b"] {
            let edge = edge(&mut flows, caller, "ledger@on-prem");
            (edge.bad, edge.unserved) = (level(0.0, 1.0), level(0.0, 1.0));
        }
        flows.edges.insert(
            (
                workload("billing@on-prem"),
                Callee::Workload(workload("ledger@on-prem")),
            ),
            EdgeFlow {
                calls: 300.0,
                rate: level(10.0, 10.0),
                bad: level(0.0, 1.0),
                unserved: level(0.0, 1.0),
                ..EdgeFlow::default()
            },
        );
        assert_eq!(told(&flows), "ledger 1.00");
    }

    #[test]
    fn a_cut_between_two_environments_is_no_services_fault() {
        let mut flows = platform(&[
            ("payments@cloud-b", "ledger@on-prem"),
            ("search@cloud-b", "archive@on-prem"),
            ("billing@on-prem", "ledger@on-prem"),
            ("edge", "search@cloud-b"),
        ]);
        for (caller, callee) in [
            ("payments@cloud-b", "ledger@on-prem"),
            ("search@cloud-b", "archive@on-prem"),
        ] {
            let edge = edge(&mut flows, caller, callee);
            (edge.bad, edge.unserved) = (level(0.0, 1.0), level(0.0, 1.0));
        }
        assert_eq!(told(&flows), "cloud-b-on-prem 1.00");
    }

    #[test]
    fn a_slow_wire_is_known_by_what_neither_end_accounts_for() {
        let mut flows = platform(&[
            ("payments@cloud-b", "ledger@on-prem"),
            ("search@cloud-b", "archive@on-prem"),
            ("billing@on-prem", "ledger@on-prem"),
        ]);
        for (caller, callee) in [
            ("payments@cloud-b", "ledger@on-prem"),
            ("search@cloud-b", "archive@on-prem"),
        ] {
            edge(&mut flows, caller, callee).wire = level(0.002, 0.25);
        }
        assert_eq!(told(&flows), "cloud-b-on-prem 1.00");
    }

    #[test]
    fn a_full_accept_queue_is_its_services_and_no_wire() {
        let mut flows = platform(&[
            ("payments@cloud-b", "ledger@on-prem"),
            ("search@cloud-b", "archive@on-prem"),
            ("billing@on-prem", "ledger@on-prem"),
        ]);
        for caller in ["payments@cloud-b", "billing@on-prem"] {
            edge(&mut flows, caller, "ledger@on-prem").wire = level(0.002, 0.25);
        }
        assert_eq!(told(&flows), "ledger 1.00");
    }

    #[test]
    fn who_gives_up_too_early_is_to_blame_and_not_whom_others_reach() {
        let mut flows = platform(&SHOP);
        edge(&mut flows, "payments@cloud-b", "ledger@on-prem").bad = level(0.0, 0.8);
        assert_eq!(told(&flows), "payments 1.00");
    }

    #[test]
    fn a_callee_that_says_nothing_is_to_blame_for_what_its_only_caller_loses() {
        let mut flows = platform(&SHOP);
        let silent = |flow: &mut EdgeFlow| {
            flow.served = Level::default();
            flow.wire = Level::default();
            flow.unserved = level(1.0, 1.0);
        };
        let to_core = ("ledger@on-prem", "core@on-prem");
        flows.edges.extend(platform(&[to_core]).edges);
        let failing = edge(&mut flows, to_core.0, to_core.1);
        silent(failing);
        failing.bad = level(0.0, 1.0);
        assert_eq!(told(&flows), "core 1.00");

        // Unless its logs say that it serves: then its caller does not wait for it.
        let mut serving = flows.clone();
        serving.nodes.extend(platform(&[to_core]).nodes);
        assert_eq!(told(&serving), "ledger 1.00");
        node(&mut serving, to_core.1).rate = level(10.0, 0.0);
        assert_eq!(told(&serving), "core 1.00");

        let mut flows = platform(&SHOP);
        flows.edges.extend(platform(&[to_core]).edges);
        let slow = edge(&mut flows, to_core.0, to_core.1);
        silent(slow);
        slow.took = level(0.012, 0.4);
        assert_eq!(told(&flows), "core 1.00");
        // There is nothing between two ends of which one says nothing.
        let core = workload("core@on-prem");
        let blame = &blames(&flows)[&Spot::At(&core)];
        assert_eq!((blame.wire, blame.answers), (None, Some(level(0.012, 0.4))));
    }

    #[test]
    fn who_is_answered_badly_does_not_give_up() {
        let mut flows = platform(&SHOP);
        let refused = edge(&mut flows, "payments@cloud-b", "ledger@on-prem");
        (refused.bad, refused.refused) = (level(0.0, 0.8), level(0.0, 0.8));
        assert_eq!(told(&flows), "ledger 1.00");
    }

    #[test]
    fn who_alone_loses_calls_is_to_blame_although_they_cross() {
        let mut flows = platform(&[
            ("orders@cloud-a", "stock@on-prem"),
            ("shipping@cloud-b", "stock@on-prem"),
            ("checkout@cloud-a", "payments@on-prem"),
        ]);
        edge(&mut flows, "orders@cloud-a", "stock@on-prem").bad = level(0.0, 0.9);
        assert_eq!(told(&flows), "orders 1.00");
    }

    #[test]
    fn who_is_slow_because_so_many_come_is_not_where_it_began() {
        let mut flows = platform(&SHOP);
        for name in ["edge", "checkout", "payments@cloud-b", "ledger@on-prem"] {
            node(&mut flows, name).rate = level(10.0, 60.0);
        }
        node(&mut flows, "payments@cloud-b").own = level(0.01, 0.3);
        assert_eq!(told(&flows), "edge 1.00");
    }

    #[test]
    fn an_open_breaker_blames_whom_it_spares() {
        let mut flows = platform(&SHOP);
        node(&mut flows, "checkout").own_bad = level(0.0, 8.0);
        let edge = edge(&mut flows, "checkout", "payments@cloud-b");
        edge.rate = level(10.0, 2.0);
        (edge.bad, edge.unserved) = (level(0.0, 1.0), level(0.0, 1.0));
        assert_eq!(told(&flows), "payments 1.00");
    }
}
