//! The critical path: which step's own time the whole journey waited for.
//!
//! As CRISP (Zhang et al.: "CRISP: Critical Path Analysis of Large-Scale Microservice
//! Architectures", USENIX ATC 2022): from the end of a request backwards, the child that ended last
//! is what was waited for; before its beginning, the child that ended last before that, and so on.
//! What no child explains is the step's own. What happens after the answer (messages taken from a
//! queue) is not on it.

use monitor_core::SpanKind;

use super::tree::Tree;

/// Nanoseconds of each step's own time on the critical path, in the order of `tree.steps`. Of a
/// call, that is the time on the wire: what it waited for and its callee did not work.
/// O(n log n) in the steps.
pub(super) fn own_times(tree: &Tree) -> Vec<i64> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); tree.steps.len()];
    for (place, step) in tree.steps.iter().enumerate().skip(1) {
        if let Some(parent) = step.parent
            && step.part.role != SpanKind::Consumer
            && !step.part.is_mention()
        {
            children[parent].push(place);
        }
    }
    for below in &mut children {
        below.sort_by_key(|child| (-tree.steps[*child].part.end, *child));
    }
    let mut own = vec![0; tree.steps.len()];
    let Some(root) = tree.steps.first() else {
        return own;
    };
    // Each with the stretch of it that was waited for.
    let mut waited = vec![(0, root.part.start, root.part.end)];
    while let Some((step, from, to)) = waited.pop() {
        let mut until = to;
        for child in &children[step] {
            let part = &tree.steps[*child].part;
            // Clocks are not perfect: nothing is before its parent or after it.
            let (start, end) = (part.start.max(from), part.end.min(to));
            if end > until || end <= start {
                continue;
            }
            own[step] += until - end;
            waited.push((*child, start, end));
            until = start;
        }
        own[step] += (until - from).max(0);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::super::tests::part;
    use super::super::tree::Step;
    use super::*;

    /// Role, start, end and parent of each step.
    fn own(steps: &[(SpanKind, i64, i64, Option<usize>)]) -> Vec<i64> {
        let steps = steps
            .iter()
            .map(|(role, start, end, parent)| Step {
                part: part(*role, *start, *end),
                parent: *parent,
            })
            .collect();
        own_times(&Tree {
            steps,
            ..Tree::default()
        })
    }

    #[test]
    fn of_two_calls_at_once_the_longer_is_waited_for() {
        use SpanKind::{Client, Server};
        let times = own(&[
            (Server, 0, 100, None),
            (Client, 10, 90, Some(0)),
            (Client, 10, 40, Some(0)),
            (Server, 20, 80, Some(1)),
        ]);
        assert_eq!(times, [20, 20, 0, 60]);
    }

    #[test]
    fn all_of_the_time_is_somebodys() {
        use SpanKind::{Client, Consumer, Producer, Server};
        let times = own(&[
            (Server, 0, 100, None),
            (Client, 5, 30, Some(0)),
            (Client, 40, 70, Some(0)),
            (Producer, 80, 90, Some(0)),
            // Long after the answer, and before its parent by a wrong clock.
            (Consumer, 500, 900, Some(3)),
            (Server, 35, 60, Some(2)),
        ]);
        assert_eq!(times.iter().sum::<i64>(), 100);
        assert_eq!(times, [35, 25, 10, 10, 0, 20]);
    }
}
