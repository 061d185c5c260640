//! The target's loss, handed down to those whose loss explains it.

use super::habit::Kind;
use super::{Node, Tuning};

/// Calls deep that a loss is followed; what goes round in circles ends here.
const DEEPEST: usize = 32;
/// Parts of the whole below this are not followed.
const TRIFLE: f64 = 1e-4;
/// Of what a node has to answer for itself, the part of callees that were never called before.
const NEWCOMERS: f64 = 0.25;
/// ... if these cost at least this part of it.
const NOTABLE: f64 = 0.5;
/// ... and of callees that fell silent: calls that never arrive are seen by their caller alone.
const SILENT: f64 = 0.6;

/// Where the target's loss comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flow {
    /// Each node's own part; they add up to 1, or are all 0.
    pub(super) own: Vec<f64>,
    /// Of a node's own loss, what its callees account for, 0 to 1.
    pub(super) explained: Vec<f64>,
    /// Who handed the largest part to it.
    pub(super) by: Vec<Option<usize>>,
}

/// `None` where the target is not measured.
pub(super) fn down(nodes: &[Node<'_>], target: usize, tuning: &Tuning) -> Option<Flow> {
    if !nodes.get(target)?.excess.is_measured() {
        return None;
    }
    let mut flow = Flow {
        own: vec![0.0; nodes.len()],
        explained: vec![0.0; nodes.len()],
        by: vec![None; nodes.len()],
    };
    let mut largest = vec![0.0; nodes.len()];
    let mut parts: Vec<Option<Parts>> = vec![None; nodes.len()];
    let mut walk = Walk {
        seen: vec![usize::MAX; nodes.len()],
        starved: vec![false; nodes.len()],
    };
    for node in nodes.iter().filter(|node| node.excess.kind == Kind::Silent) {
        for callee in node.callees.iter() {
            if let Some(starved) = walk.starved.get_mut(*callee) {
                *starved = true;
            }
        }
    }
    // By position, so that the order of additions, and so the last bit, is always the same.
    let mut front: Vec<(usize, f64)> = vec![(target, 1.0)];
    let mut next = vec![0.0; nodes.len()];
    for depth in 0..=DEEPEST {
        let mut reached: Vec<usize> = Vec::new();
        for (node, share) in front {
            let parts = parts[node].get_or_insert_with(|| walk.parts(nodes, node, tuning));
            flow.explained[node] = parts.explained;
            if depth == DEEPEST {
                flow.own[node] += share;
                continue;
            }
            for (answerable, part) in &parts.kept {
                let given = share * part;
                flow.own[*answerable] += given;
                if *answerable != node && given > largest[*answerable] {
                    largest[*answerable] = given;
                    flow.by[*answerable] = Some(node);
                }
            }
            for (callee, part) in &parts.handed {
                let handed = share * part;
                if handed <= TRIFLE {
                    flow.own[node] += handed;
                    continue;
                }
                if next[*callee] == 0.0 {
                    reached.push(*callee);
                }
                next[*callee] += handed;
                if handed > largest[*callee] {
                    largest[*callee] = handed;
                    flow.by[*callee] = Some(node);
                }
            }
        }
        reached.sort_unstable();
        front = reached
            .into_iter()
            .map(|node| (node, std::mem::take(&mut next[node])))
            .collect();
    }
    let whole: f64 = flow.own.iter().sum();
    if whole > 0.0 {
        flow.own.iter_mut().for_each(|own| *own /= whole);
    }
    Some(flow)
}

/// How a node's part is divided; all parts add up to 1, or to 0 where it loses nothing.
#[derive(Clone, Debug)]
struct Parts {
    /// To be answered by the node itself, and by callees that cannot be measured.
    kept: Vec<(usize, f64)>,
    handed: Vec<(usize, f64)>,
    explained: f64,
}

/// Nodes looked through on the way to measured ones.
struct Walk {
    /// For whom a node was last met.
    seen: Vec<usize>,
    /// Called by one that fell silent, which explains its own silence.
    starved: Vec<bool>,
}

impl Walk {
    fn parts(&mut self, nodes: &[Node<'_>], node: usize, tuning: &Tuning) -> Parts {
        let excess = &nodes[node].excess;
        let (mut handed, mut newcomers, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        self.seen[node] = node;
        let mut ahead: Vec<usize> = nodes[node].callees.to_vec();
        while let Some(callee) = ahead.pop() {
            let Some(other) = nodes.get(callee) else {
                continue;
            };
            if std::mem::replace(&mut self.seen[callee], node) == node {
                continue;
            }
            match other.excess.kind {
                Kind::Measured => {
                    let counted = other.excess.lost - tuning.noise * other.excess.usual;
                    if counted > 0.0 {
                        handed.push((callee, counted));
                    }
                }
                Kind::Newcomer => newcomers.push(callee),
                Kind::Silent if self.starved[callee] => {}
                Kind::Silent => silent.push(callee),
                Kind::Unknown => ahead.extend(other.callees.iter().copied()),
            }
        }
        handed.sort_unstable_by_key(|(callee, _)| *callee);
        let below: f64 = handed.iter().map(|(_, counted)| counted).sum();
        let own = (excess.lost - below - tuning.noise * excess.usual).max(0.0);
        newcomers.retain(|callee| nodes[*callee].excess.lost >= NOTABLE * own);
        let whole = below + own;
        if whole <= 0.0 {
            return Parts {
                kept: Vec::new(),
                handed: Vec::new(),
                explained: 0.0,
            };
        }
        handed.iter_mut().for_each(|(_, counted)| *counted /= whole);
        Parts {
            kept: kept(node, own / whole, &newcomers, &silent),
            handed,
            explained: if excess.lost > 0.0 {
                (below / excess.lost).min(1.0)
            } else {
                1.0
            },
        }
    }
}

fn kept(node: usize, own: f64, newcomers: &[usize], silent: &[usize]) -> Vec<(usize, f64)> {
    let mut kept = Vec::new();
    let mut left = own;
    for (group, part) in [(silent, SILENT), (newcomers, NEWCOMERS)] {
        if own > 0.0 && !group.is_empty() {
            let given = own * part;
            left -= given;
            kept.extend(
                group
                    .iter()
                    .map(|other| (*other, given / group.len() as f64)),
            );
        }
    }
    kept.push((node, left));
    kept.sort_unstable_by_key(|(node, _)| *node);
    kept
}
