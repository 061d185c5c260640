//! Many trees, and how isolated rows of normal times are among them.

use serde::{Deserialize, Serialize};

use super::random::Chance;
use super::row::{FEATURES, QUANTITIES, Row, tells_of};
use super::tree::{SAMPLE, Tree, usual_depth};

const TREES: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Forest {
    trees: Vec<Tree>,
    /// Scores of the rows it was grown from, each by the trees that did not see it, ascending.
    scores: Vec<f32>,
    /// What part of normal rows' isolation comes from each quantity.
    usual_shares: [f32; QUANTITIES],
}

impl Forest {
    /// Grows a forest, and has each row scored by the trees that it is no part of. O(rows · trees ·
    /// depth), some ten milliseconds at the most.
    pub(super) fn grow(rows: &[Row], chance: &mut Chance) -> Forest {
        let mut sums = vec![(0.0_f32, 0_u16); rows.len()];
        let mut trees = Vec::with_capacity(TREES);
        let mut places: Vec<usize> = (0..rows.len()).collect();
        let sample = SAMPLE.min(rows.len());
        for _ in 0..TREES {
            for at in 0..sample {
                let other = at + chance.below(rows.len() - at);
                places.swap(at, other);
            }
            let mut chosen: Vec<Row> = places[..sample].iter().map(|at| rows[*at]).collect();
            let tree = Tree::grow(&mut chosen, chance);
            for at in &places[sample..] {
                sums[*at].0 += tree.depth(&rows[*at]);
                sums[*at].1 += 1;
            }
            trees.push(tree);
        }
        let mut scores: Vec<f32> = sums
            .iter()
            .filter(|(_, trees)| *trees > 0)
            .map(|(depth, trees)| score(*depth / f32::from(*trees)))
            .collect();
        scores.sort_by(f32::total_cmp);
        let mut forest = Forest {
            trees,
            scores,
            usual_shares: [0.0; QUANTITIES],
        };
        let step = (rows.len() / 256).max(1);
        let shares: Vec<_> = (rows.iter().step_by(step))
            .map(|row| forest.shares_of(row))
            .collect();
        forest.usual_shares = std::array::from_fn(|at| {
            shares.iter().map(|share| share[at]).sum::<f32>() / shares.len().max(1) as f32
        });
        forest
    }

    /// 0 to 1: how isolated a row is; half is what chance has it. O(trees · depth).
    pub(super) fn score(&self, row: &Row) -> f64 {
        let depth: f32 = self.trees.iter().map(|tree| tree.depth(row)).sum();
        f64::from(score(depth / self.trees.len().max(1) as f32))
    }

    /// How likely a row of normal times is as isolated as this: a conformal p-value, its rank among rows
    /// that were scored as it was, by trees that had not seen them (V. Vovk, A. Gammerman and G. Shafer,
    /// "Algorithmic learning in a random world", 2005; R. Laxhammar and G. Falkman, "Conformal prediction
    /// for distribution-independent anomaly detection in streaming vessel data", 2010). It is never less
    /// than what so many rows can tell. O(log rows).
    pub(super) fn p(&self, found: f64) -> f64 {
        let rows = self.scores.len();
        let below = self
            .scores
            .partition_point(|score| f64::from(*score) < found);
        (rows - below + 1) as f64 / (rows + 1) as f64
    }

    pub(super) fn quantile(&self, q: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
        #[expect(clippy::cast_sign_loss, reason = "q is no less than 0")]
        let at = (q * self.scores.len() as f64) as usize;
        let found = self.scores.get(at.min(self.scores.len().saturating_sub(1)));
        found.copied().map_or(0.5, f64::from)
    }

    /// What part of a row's isolation each quantity makes. O(trees · depth).
    pub(super) fn shares_of(&self, row: &Row) -> [f32; QUANTITIES] {
        let mut gains = [0.0; FEATURES];
        for tree in &self.trees {
            tree.explain(row, &mut gains);
        }
        let mut shares = [0.0; QUANTITIES];
        for (feature, gain) in gains.into_iter().enumerate() {
            for (share, part) in shares.iter_mut().zip(tells_of(feature)) {
                *share += gain.max(0.0) * part;
            }
        }
        let all: f32 = shares.iter().sum();
        shares.map(|share| if all > 0.0 { share / all } else { 0.0 })
    }

    pub(super) fn usual_shares(&self) -> [f32; QUANTITIES] {
        self.usual_shares
    }
}

fn score(depth: f32) -> f32 {
    (-depth / usual_depth(SAMPLE)).exp2()
}
