//! What the root-cause analysis says of one case.

use std::borrow::Cow;
use std::collections::BTreeMap;

use monitor_diagnose::blame::{Blame, Costs, Excess, Habit, Layout, Node, Tuning, Unit, blame};

use super::read::{Case, Corpus, Scenario};
use super::tables::Table;

/// Learned habits of a scenario's nodes, by layout and unit.
#[derive(Debug)]
pub struct Habits<'a> {
    scenario: &'a Scenario,
    normal: &'a Table,
    tuning: Tuning,
    known: BTreeMap<(usize, usize, bool), Vec<Habit>>,
}

impl<'a> Habits<'a> {
    pub fn new(scenario: &'a Scenario, normal: &'a Table, tuning: Tuning) -> Habits<'a> {
        Habits {
            scenario,
            normal,
            tuning,
            known: BTreeMap::new(),
        }
    }

    /// Of all nodes in the graph's order.
    fn of(&mut self, layout: Layout, unit: Unit) -> &[Habit] {
        let key = (layout.before, layout.during, unit == Unit::Seconds);
        self.known.entry(key).or_insert_with(|| {
            let names = self.scenario.graph.names.iter();
            names
                .map(|name| Habit::learn(&self.normal.costs(name, unit), layout, &self.tuning))
                .collect()
        })
    }

    /// The graph with what every node loses; `costs` are those of a node, by position.
    pub fn nodes(
        &mut self,
        costs: impl Fn(usize) -> Costs,
        layout: Layout,
        unit: Unit,
    ) -> Vec<Node<'a>> {
        let (graph, tuning) = (&self.scenario.graph, self.tuning);
        let habits = self.of(layout, unit);
        graph
            .names
            .iter()
            .zip(&graph.callees)
            .zip(habits)
            .enumerate()
            .map(|(at, ((name, callees), habit))| Node {
                name: Cow::Borrowed(name.as_str()),
                callees: Cow::Borrowed(callees.as_slice()),
                excess: Excess::measure(habit, &costs(at), layout, unit, &tuning),
            })
            .collect()
    }

    fn judge(&mut self, case: &Case) -> Blame {
        let layout = self.layout(case);
        let names = &self.scenario.graph.names;
        let costs = |at: usize| case.metrics.costs(&names[at], case.unit);
        let nodes = self.nodes(costs, layout, case.unit);
        blame(&nodes, case.target, case.unit, &self.tuning)
    }

    /// Rows are of the incident whose larger part is after it was seen. Where that is not told or
    /// leaves none, the incident begins where the target most departs from its habit.
    fn layout(&mut self, case: &Case) -> Layout {
        let rows = case.metrics.secs.len();
        let divided = |before: usize| Layout {
            before,
            during: rows - before,
        };
        let half = case.metrics.step() / 2;
        if let Some(seen) = case.seen {
            let before = case
                .metrics
                .secs
                .iter()
                .filter(|at| **at + half < seen)
                .count();
            if before < rows {
                return divided(before);
            }
        }
        let target = &self.scenario.graph.names[case.target];
        let costs = case.metrics.costs(target, case.unit);
        let tuning = self.tuning;
        (0..rows)
            .map(divided)
            .map(|layout| {
                let habit = self.of(layout, case.unit)[case.target];
                let excess = Excess::measure(&habit, &costs, layout, case.unit, &tuning);
                (layout, excess.beyond())
            })
            // The first of equals.
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map_or(divided(0), |(layout, _)| layout)
    }
}

/// Judges every case, in order.
pub fn judge(corpus: &Corpus, tuning: &Tuning) -> Vec<Blame> {
    let mut habits: Vec<Habits<'_>> = corpus
        .scenarios
        .iter()
        .map(|scenario| Habits::new(scenario, &scenario.normal, *tuning))
        .collect();
    corpus
        .cases
        .iter()
        .map(|case| habits[case.scenario].judge(case))
        .collect()
}
