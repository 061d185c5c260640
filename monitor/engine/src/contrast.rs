//! What the bad calls have in common that calls usually do not.

use monitor_core::Contribution;

use crate::dimensions::{DIMENSIONS, Dimensions, Label, Selection};

/// A value is worth naming when it has this share of the bad calls …
const SHARE: f64 = 0.3;
/// … and so much more than its usual share.
const SURPLUS: f64 = 0.2;
const FEWEST: u64 = 3;
const MOST_NAMED: usize = 3;

/// The values that stand out, the most striking first, one for each dimension. Empty when nothing
/// is known of normal times.
pub(crate) fn contributions(
    window: &Dimensions,
    usual: &Dimensions,
    bad: Selection,
) -> Vec<Contribution> {
    let total = window.selected(bad);
    if total < FEWEST || usual.calls() == 0 {
        return Vec::new();
    }
    let mut best: Vec<Option<(f64, &Label, f64)>> = vec![None; DIMENSIONS.len()];
    for (dimension, label, count) in window.shares(bad) {
        let share = count as f64 / total as f64;
        let usual_share = usual.share_of(dimension, label);
        let surplus = share - usual_share;
        if count >= FEWEST
            && share >= SHARE
            && surplus >= SURPLUS
            && best[dimension].is_none_or(|(known, _, _)| surplus > known)
        {
            best[dimension] = Some((surplus, label, share));
        }
    }
    let mut found: Vec<(usize, (f64, &Label, f64))> = best
        .into_iter()
        .enumerate()
        .filter_map(|(dimension, value)| Some((dimension, value?)))
        .collect();
    found.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
    found
        .into_iter()
        .take(MOST_NAMED)
        .map(|(dimension, (surplus, label, share))| Contribution {
            dimension: DIMENSIONS[dimension].into(),
            value: label.name(),
            share,
            usual_share: share - surplus,
        })
        .collect()
}
