//! A stretch of time as the requests that services served in it, put together from spans and lines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_core::{Name, SpanId, Time, TraceId};

/// Spans and lines kept of a scene; what is beyond is counted.
const MOST: usize = 2_000_000;
/// Steps told apart within one execution.
const MOST_STEPS: usize = 512;

/// A span, as much of it as matters here.
#[derive(Clone, Debug)]
pub struct SpanSeen {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub service: Name,
    pub operation: Name,
    pub start: Time,
    pub duration: Duration,
}

/// A log line written while a span was open.
#[derive(Clone, Debug)]
pub struct LineSeen {
    pub trace: TraceId,
    pub span: Option<SpanId>,
    pub service: Name,
    /// What was said, the same for all lines that say it: a place in the code, or a template.
    pub what: Name,
    /// At ERROR or above.
    pub error: bool,
}

/// Something that a service did while it served a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Asked another service.
    Called { service: Name, operation: Name },
    /// A span of its own.
    Did(Name),
    /// A log line.
    Said { what: Name, error: bool },
}

/// One request in one service: from the span that another service, or nobody, is the parent of,
/// to all that the service did on its behalf.
#[derive(Clone, Debug)]
pub struct Execution {
    pub service: Name,
    pub operation: Name,
    /// The place of the execution that asked for it, always before its own.
    pub caller: Option<usize>,
    /// Ascending, each once.
    pub steps: Vec<Step>,
    /// Its duration without the stretches in which it waited for other services.
    pub own: Duration,
    /// What its caller waited beyond its duration; `None` without a span of the caller's own.
    pub way: Option<Duration>,
}

/// All executions of a stretch of time; callers come before those they called.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub executions: Vec<Execution>,
    /// Services of which there are lines at all: of the others, silence says nothing.
    pub heard: BTreeSet<Name>,
    /// Spans and lines that were too many, and lines without a span.
    pub left_out: u64,
}

/// Collects spans and lines in any order; duplicates of a span are taken once.
#[derive(Debug, Default)]
pub struct SceneBuilder {
    spans: Vec<SpanSeen>,
    places: BTreeMap<(TraceId, SpanId), usize>,
    lines: Vec<LineSeen>,
    left_out: u64,
}

impl SceneBuilder {
    pub fn span(&mut self, span: SpanSeen) {
        if self.spans.len() >= MOST {
            self.left_out += 1;
        } else if let std::collections::btree_map::Entry::Vacant(vacant) =
            self.places.entry((span.trace, span.id))
        {
            vacant.insert(self.spans.len());
            self.spans.push(span);
        }
    }

    pub fn line(&mut self, line: LineSeen) {
        if self.lines.len() >= MOST {
            self.left_out += 1;
        } else {
            self.lines.push(line);
        }
    }

    /// Linear in spans and lines but for their sorting.
    pub fn finish(self) -> Scene {
        let SceneBuilder {
            mut spans,
            mut places,
            lines,
            mut left_out,
        } = self;
        // Sums of fractions depend on their order; it is the ids', not that of arrival.
        spans.sort_by_key(|span| (span.trace, span.id));
        for (now, place) in places.values_mut().enumerate() {
            *place = now;
        }
        let parents: Vec<Option<usize>> = spans
            .iter()
            .map(|span| places.get(&(span.trace, span.parent?)).copied())
            .collect();
        let served =
            |at: usize| parents[at].is_none_or(|parent| spans[parent].service != spans[at].service);
        let homes = homes(&parents, &served);
        let order = callers_first(&parents, &homes);

        let mut number = vec![usize::MAX; spans.len()];
        let mut executions: Vec<Execution> = Vec::with_capacity(order.len());
        let mut steps: Vec<BTreeSet<Step>> = vec![BTreeSet::new(); order.len()];
        let mut waits: Vec<Vec<(Time, Time)>> = vec![Vec::new(); order.len()];
        for (place, at) in order.iter().copied().enumerate() {
            number[at] = place;
            let span = &spans[at];
            let mut way = None;
            // Callers come first, so what does not is of a loop of ids.
            let caller = parents[at]
                .map(|parent| (parent, number[homes[parent]]))
                .filter(|(_, caller)| *caller < place);
            if let Some((parent, caller)) = caller {
                let asked = &spans[parent];
                let mut stretch = (span.start, span.start + span.duration);
                // The caller's own span of the call includes the way there and back.
                if homes[parent] != parent {
                    way = Some(asked.duration.saturating_sub(span.duration));
                    stretch = (
                        stretch.0.min(asked.start),
                        stretch.1.max(asked.start + asked.duration),
                    );
                }
                waits[caller].push(stretch);
                add(
                    &mut steps[caller],
                    Step::Called {
                        service: span.service.clone(),
                        operation: span.operation.clone(),
                    },
                    &mut left_out,
                );
            }
            executions.push(Execution {
                service: span.service.clone(),
                operation: span.operation.clone(),
                caller: caller.map(|(_, caller)| caller),
                steps: Vec::new(),
                own: span.duration,
                way,
            });
        }
        for (at, span) in spans.iter().enumerate() {
            if homes[at] != at && number[homes[at]] != usize::MAX {
                let did = Step::Did(span.operation.clone());
                add(&mut steps[number[homes[at]]], did, &mut left_out);
            }
        }
        let alone = alone(&spans, &order);
        let mut heard = BTreeSet::new();
        for line in lines {
            let home = line
                .span
                .and_then(|span| places.get(&(line.trace, span)))
                .filter(|at| spans[**at].service == line.service)
                .map(|at| homes[*at])
                .or_else(|| {
                    let only = alone.get(&(line.trace, line.service.clone()));
                    only.copied().flatten()
                });
            let Some(place) = home.map(|home| number[home]).filter(|n| *n != usize::MAX) else {
                left_out += 1;
                continue;
            };
            let said = Step::Said {
                what: line.what,
                error: line.error,
            };
            add(&mut steps[place], said, &mut left_out);
            heard.insert(line.service);
        }
        for (place, execution) in executions.iter_mut().enumerate() {
            execution.steps = std::mem::take(&mut steps[place]).into_iter().collect();
            let span = &spans[order[place]];
            let waited = covered(
                std::mem::take(&mut waits[place]),
                span.start,
                span.start + span.duration,
            );
            execution.own = span.duration.saturating_sub(waited);
        }
        Scene {
            executions,
            heard,
            left_out,
        }
    }
}

fn add(steps: &mut BTreeSet<Step>, step: Step, left_out: &mut u64) {
    if steps.len() < MOST_STEPS {
        steps.insert(step);
    } else if !steps.contains(&step) {
        *left_out += 1;
    }
}

/// For each span the served span that it belongs to, itself when it is one.
fn homes(parents: &[Option<usize>], served: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut homes = vec![usize::MAX; parents.len()];
    for start in 0..parents.len() {
        let mut path = Vec::new();
        let mut at = start;
        let home = loop {
            if homes[at] != usize::MAX {
                break homes[at];
            }
            if served(at) {
                break at;
            }
            // Marks the way, so that a loop of ids ends where it began, as a home of its own.
            homes[at] = at;
            path.push(at);
            match parents[at] {
                Some(parent) => at = parent,
                None => break at,
            }
        };
        for at in path {
            homes[at] = home;
        }
        if homes[start] == usize::MAX {
            homes[start] = home;
        }
    }
    homes
}

/// The served spans in an order in which callers precede those they called; loops come last, in
/// which somebody has no caller.
fn callers_first(parents: &[Option<usize>], homes: &[usize]) -> Vec<usize> {
    let mut called: Vec<Vec<usize>> = vec![Vec::new(); homes.len()];
    let mut order = Vec::new();
    let is_home = |at: &usize| homes[*at] == *at;
    for at in (0..homes.len()).filter(is_home) {
        match parents[at].map(|parent| homes[parent]) {
            Some(caller) if caller != at => called[caller].push(at),
            _ => order.push(at),
        }
    }
    let mut taken: Vec<bool> = vec![false; homes.len()];
    for at in &order {
        taken[*at] = true;
    }
    let mut next = 0;
    let mut rest = (0..homes.len()).filter(is_home);
    loop {
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for callee in std::mem::take(&mut called[at]) {
                if !std::mem::replace(&mut taken[callee], true) {
                    order.push(callee);
                }
            }
        }
        match rest.find(|at| !taken[*at]) {
            Some(at) => {
                taken[at] = true;
                order.push(at);
            }
            None => return order,
        }
    }
}

/// For lines that do not say their span: the execution of a trace in a service, when it is one.
fn alone(spans: &[SpanSeen], order: &[usize]) -> BTreeMap<(TraceId, Name), Option<usize>> {
    let mut alone = BTreeMap::new();
    for at in order {
        let span = &spans[*at];
        alone
            .entry((span.trace, span.service.clone()))
            .and_modify(|only| *only = None)
            .or_insert(Some(*at));
    }
    alone
}

/// How much of `from`..`to` the stretches cover together.
fn covered(mut stretches: Vec<(Time, Time)>, from: Time, to: Time) -> Duration {
    stretches.sort();
    let mut reached = from;
    let mut total = Duration::ZERO;
    for (start, end) in stretches {
        let (start, end) = (start.max(reached), end.min(to));
        if end > start {
            total += end.since(start);
            reached = end;
        }
    }
    total
}

#[cfg(test)]
mod tests;
