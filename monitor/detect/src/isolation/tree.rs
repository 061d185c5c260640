//! One isolation tree: few random splits away lies what is far from everything else.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::random::Chance;
use super::row::{FEATURES, Row, weight};

/// Rows that a tree is grown from. What is rare is isolated sooner in a small sample, which hides it
/// less (Liu, Ting and Zhou).
pub(super) const SAMPLE: usize = 128;
/// The depth to which chance would isolate any row of the sample; normal rows need not go deeper.
const DEEPEST: u16 = 7;
const LEAF: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    /// [`LEAF`], or what is compared: at most `split` goes to the next node, more to `right`.
    feature: u8,
    split: i8,
    rows: u16,
    right: u16,
}

/// Nodes in the order of a walk that goes left first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// The mean depth at which an unsuccessful search ends in a binary tree of so many rows: what a leaf of
/// several still hides, and what a whole path is measured by.
static DEPTHS: LazyLock<[f32; SAMPLE + 1]> = LazyLock::new(|| {
    let mut depths = [0.0; SAMPLE + 1];
    let mut harmonic = 0.0;
    for (rows, depth) in depths.iter_mut().enumerate().skip(2) {
        let below = (rows - 1) as f32;
        harmonic += 1.0 / below;
        *depth = 2.0 * harmonic - 2.0 * below / rows as f32;
    }
    depths
});

pub(super) fn usual_depth(rows: usize) -> f32 {
    DEPTHS[rows.min(SAMPLE)]
}

impl Tree {
    /// Grows a tree from at most [`SAMPLE`] rows. O(rows · depth).
    pub(super) fn grow(rows: &mut [Row], chance: &mut Chance) -> Tree {
        let mut tree = Tree {
            nodes: Vec::with_capacity(2 * rows.len()),
        };
        tree.branch(rows, 0, chance);
        tree.nodes.shrink_to_fit();
        tree
    }

    fn branch(&mut self, rows: &mut [Row], depth: u16, chance: &mut Chance) {
        let at = self.nodes.len();
        self.nodes.push(Node {
            feature: LEAF,
            split: 0,
            rows: short(rows.len()),
            right: 0,
        });
        if depth >= DEEPEST || rows.len() < 2 {
            return;
        }
        let Some((feature, split)) = cut(rows, chance) else {
            return;
        };
        let mut left = 0;
        for place in 0..rows.len() {
            if rows[place][feature] <= split {
                rows.swap(place, left);
                left += 1;
            }
        }
        let (low, high) = rows.split_at_mut(left);
        self.branch(low, depth + 1, chance);
        let right = short(self.nodes.len());
        self.branch(high, depth + 1, chance);
        let node = &mut self.nodes[at];
        #[expect(clippy::cast_possible_truncation, reason = "there are few features")]
        {
            node.feature = feature as u8;
        }
        node.split = split;
        node.right = right;
    }

    /// How deep a row ends. O(depth).
    pub(super) fn depth(&self, row: &Row) -> f32 {
        let (mut at, mut depth) = (0, 0.0);
        while let Some(node) = self.nodes.get(at) {
            if node.feature == LEAF {
                return depth + usual_depth(usize::from(node.rows));
            }
            depth += 1.0;
            at = node.next(at, row);
        }
        depth
    }

    /// Adds to each feature by how much its splits brought the row nearer to its end than splits
    /// usually do. All together that is the usual depth less the row's, so nothing of why a row is
    /// isolated is left over. O(depth).
    pub(super) fn explain(&self, row: &Row, gains: &mut [f32; FEATURES]) {
        let mut at = 0;
        while let Some(node) = self.nodes.get(at).filter(|node| node.feature != LEAF) {
            let next = node.next(at, row);
            let left = self
                .nodes
                .get(next)
                .map_or(0, |child| usize::from(child.rows));
            gains[usize::from(node.feature)] +=
                usual_depth(usize::from(node.rows)) - 1.0 - usual_depth(left);
            at = next;
        }
    }
}

impl Node {
    fn next(self, at: usize, row: &Row) -> usize {
        if row[usize::from(self.feature)] <= self.split {
            at + 1
        } else {
            usize::from(self.right)
        }
    }
}

/// A feature that is not the same in all rows, chosen by its weight, and a value between its ends.
fn cut(rows: &[Row], chance: &mut Chance) -> Option<(usize, i8)> {
    let mut ends = [(i8::MAX, i8::MIN); FEATURES];
    for row in rows {
        for (end, value) in ends.iter_mut().zip(row) {
            *end = (end.0.min(*value), end.1.max(*value));
        }
    }
    let differing = || (ends.iter().enumerate()).filter(|(_, (low, high))| low < high);
    let all: usize = differing().map(|(feature, _)| weight(feature)).sum();
    let mut chosen = chance.below(all);
    let (feature, (low, high)) = differing().find(|(feature, _)| {
        let found = chosen < weight(*feature);
        chosen = chosen.saturating_sub(weight(*feature));
        found
    })?;
    let width = usize::try_from(i16::from(*high) - i16::from(*low)).ok()?;
    let split = i16::from(*low) + i16::try_from(chance.below(width)).ok()?;
    Some((feature, i8::try_from(split).ok()?))
}

fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(chance: &mut Chance) -> Vec<Row> {
        let mut value = || {
            let sum: f64 = (0..12).map(|_| chance.unit()).sum();
            ((sum - 6.0) * 16.0) as i8
        };
        (0..SAMPLE)
            .map(|_| std::array::from_fn(|_| value()))
            .collect()
    }

    #[test]
    fn what_lies_apart_is_isolated_sooner_and_gains_add_up_to_how_much() {
        let mut chance = Chance::new(1);
        let (mut usual, mut far) = (0.0, 0.0);
        let apart: Row = std::array::from_fn(|at| if at == 3 { 100 } else { 0 });
        for _ in 0..50 {
            let tree = Tree::grow(&mut cloud(&mut chance), &mut chance);
            usual += tree.depth(&[0; FEATURES]) / 50.0;
            far += tree.depth(&apart) / 50.0;
            for row in [apart, [0; FEATURES]] {
                let mut gains = [0.0; FEATURES];
                tree.explain(&row, &mut gains);
                let all: f32 = gains.iter().sum();
                let shallower = usual_depth(SAMPLE) - tree.depth(&row);
                assert!((all - shallower).abs() < 1e-3, "{all} {shallower}");
            }
        }
        assert!(far < usual - 1.5, "{far} {usual}");
    }

    #[test]
    fn rows_that_are_all_the_same_make_one_leaf() {
        let tree = Tree::grow(&mut [[5; FEATURES]; SAMPLE], &mut Chance::new(1));
        assert_eq!(tree.nodes.len(), 1);
        assert_eq!(tree.depth(&[90; FEATURES]), usual_depth(SAMPLE));
    }

    #[test]
    fn the_usual_depth_is_that_of_the_paper() {
        assert_eq!(usual_depth(1), 0.0);
        assert_eq!(usual_depth(2), 1.0);
        // c(n) = 2 H(n − 1) − 2 (n − 1) / n.
        assert!(
            (usual_depth(128) - 8.866).abs() < 0.01,
            "{}",
            usual_depth(128)
        );
    }
}
