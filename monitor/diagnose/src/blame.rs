//! Who is to blame for what a node loses: root cause by accounting, along a call graph.
//!
//! For whoever has calls and their cost in buckets (a monitor's series, a benchmark's tables) of every
//! node, from normal days and around an incident, and knows who calls whom. What is unusual is for the
//! detectors to say; here is only asked where it comes from.
//!
//! The idea is that what is lost is conserved. A node whose calls take 0.2 s longer than before, with
//! 100 calls a bucket, loses 20 s a bucket; if it waited for a callee, the callee lost as many. So the
//! loss of the target is handed down to the callees in proportion to what they lose themselves, and
//! what no callee accounts for stays with the node: its own contribution. This is the decomposition by
//! mechanisms of Budhathoki et al. ("Causal structure-based root cause analysis of outliers", ICML 2022)
//! and the regression on parents of Li et al. (CIRCA, KDD 2022) with the coefficient of a synchronous
//! call, one second for one second and one failure for one failure, put in instead of learned: normal
//! days hardly hold the variation that it would have to be learned from, and where callees are shared
//! they hold that of other callers' calls.
//!
//! What counts as a loss is measured against the node itself: with its own best bucket just before,
//! since levels drift over weeks, and with the largest loss in any such window of its normal days,
//! since some nodes are restless. A node of which no normal days are known (nobody called it) is hardly
//! a cause of its own: that it is called at all is its caller's doing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

mod flow;
mod habit;
mod sentence;

pub use habit::{Costs, Excess, Habit, Layout};

/// Suspects told of at most.
const MOST: usize = 10;
/// A suspect this far beyond its normal days is named, however its victim fares.
const ALONE: f64 = 1.25;

/// What a node loses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Unit {
    /// Time of its calls, seconds.
    Seconds,
    /// Failed calls.
    Failures,
}

/// The level of several buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    Median,
    Mean,
}

/// What buckets just before are held against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Before {
    /// The best of them: the last may hold the beginning already.
    Best,
    Mean,
}

/// The few free choices. The ranking hardly depends on them; `crosswatch eval petshop --validate`
/// shows how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    pub level: Level,
    pub before: Before,
    /// Losses below this part of the normal days' largest are noise and explain nothing.
    pub noise: f64,
    /// Failures a bucket that are nothing, whatever normal days say.
    pub few_failures: f64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            level: Level::Median,
            before: Before::Best,
            noise: 0.5,
            few_failures: 0.5,
        }
    }
}

/// One that calls or is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    pub name: Cow<'a, str>,
    /// Positions of those that it calls; itself and positions out of range are passed over.
    pub callees: Cow<'a, [usize]>,
    pub excess: Excess,
}

/// One suspect.
#[derive(Clone, Debug, PartialEq)]
pub struct Blamed {
    /// Position among the nodes.
    pub node: usize,
    /// 0 to 1: its own part of the target's loss, less where it is within its normal days.
    pub score: f64,
    /// 0 to 1: its own part of the target's loss; the parts of all add up to 1.
    pub share: f64,
    /// Its loss as a multiple of the largest in any such window on normal days; of one that cannot be
    /// measured (it fell silent, or is new), that of its caller.
    pub beyond: f64,
    /// Evidence, each a sentence without its full stop.
    pub why: Vec<String>,
}

/// Who is to blame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blame {
    /// The likeliest first, equal ones in order of position; at most ten.
    pub suspects: Vec<Blamed>,
    /// There is a suspect beyond what normal days explain. Without it nothing should be said.
    pub named: bool,
}

/// Ranks all nodes that may have caused what `target` loses.
///
/// Takes time in proportion to the calls among nodes that lose something and are below the target,
/// times the depth of the graph, and memory in proportion to the nodes. A `target` out of range or
/// without measurements gives an empty answer.
pub fn blame(nodes: &[Node<'_>], target: usize, unit: Unit, tuning: &Tuning) -> Blame {
    let Some(flow) = flow::down(nodes, target, tuning) else {
        return Blame::default();
    };
    let of_target = nodes[target].excess.beyond();
    let mut suspects: Vec<Blamed> = flow
        .own
        .iter()
        .enumerate()
        .filter(|(_, share)| **share > 0.0)
        .map(|(node, share)| {
            let answers_for = flow.by[node].filter(|_| !nodes[node].excess.is_measured());
            let beyond = nodes[answers_for.unwrap_or(node)].excess.beyond();
            Blamed {
                node,
                score: (share * strength(beyond, of_target).min(1.0)).clamp(0.0, 1.0),
                share: *share,
                beyond,
                why: Vec::new(),
            }
        })
        .collect();
    suspects.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.node.cmp(&b.node))
    });
    let named = suspects
        .iter()
        .any(|suspect| strength(suspect.beyond, of_target) > 1.0);
    suspects.truncate(MOST);
    for suspect in &mut suspects {
        suspect.why = sentence::why(nodes, target, unit, suspect, &flow);
    }
    Blame { suspects, named }
}

/// Above 1: more than normal days explain, of the suspect alone or of both together.
fn strength(suspect: f64, target: f64) -> f64 {
    (suspect / ALONE).max((suspect * target).sqrt())
}
