//! Isolation Forest on sub-sequences.
//!
//! F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation forest", ICDM 2008: the anomalous is isolated by
//! few random splits. With their parameters: 100 trees of 256 samples.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Windows;

const TREES: usize = 100;
const SAMPLES: usize = 256;

enum Node {
    Leaf {
        /// Expected further depth of what ended here together.
        rest: f64,
    },
    Split {
        column: usize,
        below: f64,
        children: [usize; 2],
    },
}

/// One score a row; the higher, the easier to isolate.
pub fn scores(values: &[f64], length: usize, seed: u64) -> Vec<f64> {
    let windows = Windows::new(values, length);
    let rows: Vec<&[f64]> = windows.iter().collect();
    if rows.is_empty() {
        return vec![0.0; values.len()];
    }
    let mut random = StdRng::seed_from_u64(seed);
    let samples = SAMPLES.min(rows.len());
    let deepest = (samples as f64).log2().ceil() as usize;
    let mut depths = vec![0.0; rows.len()];
    for _ in 0..TREES {
        let mut chosen: Vec<usize> = (0..rows.len()).collect();
        for at in 0..samples {
            let other = random.random_range(at..chosen.len());
            chosen.swap(at, other);
        }
        chosen.truncate(samples);
        let mut tree = Vec::new();
        grow(&mut tree, &rows, chosen, deepest, &mut random);
        for (depth, row) in depths.iter_mut().zip(&rows) {
            *depth += depth_of(&tree, row);
        }
    }
    let usual = TREES as f64 * unsuccessful_search(samples);
    let scores: Vec<f64> = depths
        .iter()
        .map(|depth| 2f64.powf(-depth / usual))
        .collect();
    windows.spread(&scores, values.len())
}

fn grow(
    tree: &mut Vec<Node>,
    rows: &[&[f64]],
    chosen: Vec<usize>,
    depth_left: usize,
    random: &mut StdRng,
) -> usize {
    let at = tree.len();
    tree.push(Node::Leaf {
        rest: unsuccessful_search(chosen.len()),
    });
    if depth_left == 0 || chosen.len() < 2 {
        return at;
    }
    let column = random.random_range(0..rows[0].len());
    let of_column = || chosen.iter().map(|row| rows[*row][column]);
    let lowest = of_column().fold(f64::INFINITY, f64::min);
    let highest = of_column().fold(f64::NEG_INFINITY, f64::max);
    if highest.partial_cmp(&lowest) != Some(std::cmp::Ordering::Greater) {
        return at;
    }
    let below = random.random_range(lowest..highest);
    let (left, right) = chosen
        .into_iter()
        .partition(|row| rows[*row][column] <= below);
    let children = [left, right].map(|part| grow(tree, rows, part, depth_left - 1, random));
    tree[at] = Node::Split {
        column,
        below,
        children,
    };
    at
}

fn depth_of(tree: &[Node], row: &[f64]) -> f64 {
    let (mut at, mut depth) = (0, 0.0);
    loop {
        match &tree[at] {
            Node::Leaf { rest } => return depth + rest,
            Node::Split {
                column,
                below,
                children,
            } => {
                at = children[usize::from(row[*column] > *below)];
                depth += 1.0;
            }
        }
    }
}

/// Mean depth of an unsuccessful search in a binary search tree of so many.
fn unsuccessful_search(count: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_9;
    match count {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = count as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_unlike_the_rest_is_isolated_first_and_the_seed_decides_all() {
        let values: Vec<f64> = (0..600)
            .map(|i| {
                if (300..310).contains(&i) {
                    5.0
                } else {
                    (f64::from(i) * 0.7).sin()
                }
            })
            .collect();
        let found = scores(&values, 8, 1);
        let highest = (0..600)
            .max_by(|a, b| found[*a].total_cmp(&found[*b]))
            .unwrap();
        assert!((295..315).contains(&highest), "{highest}");
        assert_eq!(found, scores(&values, 8, 1));
    }
}
