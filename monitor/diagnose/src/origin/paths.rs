//! Requests that went a way on which no request of the reference went.
//!
//! The way of an execution is the set of its steps. For each operation of a service, the ways that
//! the reference knows are its habit, rare ones aside. An execution of the window is a detour when
//! it left out or added a step against the nearest way of the habit. It is only held against ways
//! whose errors it has as well: where the reference failed and the window does not, nothing is
//! known of how it should go, and recovering is no fault.
//!
//! How often detours occur when all is well is estimated from the reference by the share of its
//! rare ways, after I. J. Good, "The population frequencies of species and the estimation of
//! population parameters", Biometrika 40, 1953. An operation can be many things at once (one
//! handler for all pages), so the share of detours is also taken among the executions that had a
//! particular step of the habit in common, and the most telling context counts.
//!
//! A detour below another is its explanation, to the degree that the other's operation shows
//! evidence itself: computed from the leaves of the call trees upwards.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::Name;
use rustc_hash::FxHashMap;

use super::odds::more_often;
use super::rank::{Basis, Reason};
use super::scene::{Execution, Scene, Step};

/// The part of its most particular step's executions that a way is rare below.
const RARE: f64 = 0.06;
/// Requests after which a changed mix of them is believed.
const MEMORY: f64 = 2.0;
/// What it is worth that the new step is an error.
const ERROR: f64 = 1.5;
/// Evidence at which a callee's detour explains its caller's by half.
const EXPLAINS: f64 = 4.0;
/// Callers are explained by what they called, that by what it called, and so on this often.
const ROUNDS: usize = 8;
/// Ways of an operation that are told apart, the most frequent ones.
const MOST_WAYS: usize = 256;

/// A set of steps by their numbers, ascending.
pub(super) type Way = Vec<u32>;
pub(super) type Operation = (Name, Name);

/// Both scenes with steps as numbers.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    pub steps: Vec<&'a Step>,
    pub before: Vec<Way>,
    pub now: Vec<Way>,
    pub reference: &'a Scene,
    pub window: &'a Scene,
}

impl<'a> Ways<'a> {
    /// Lines count for services that both scenes heard.
    pub(super) fn new(reference: &'a Scene, window: &'a Scene) -> Ways<'a> {
        let steps: BTreeSet<&Step> = reference
            .executions
            .iter()
            .chain(&window.executions)
            .flat_map(|execution| &execution.steps)
            .collect();
        let steps: Vec<&Step> = steps.into_iter().collect();
        // Steps of an execution ascend, and so do their numbers.
        let of = |scene: &Scene| -> Vec<Way> {
            let way = |execution: &Execution| -> Way {
                let both = reference.heard.contains(&execution.service)
                    && window.heard.contains(&execution.service);
                execution
                    .steps
                    .iter()
                    .filter(|step| both || !matches!(step, Step::Said { .. }))
                    .filter_map(|step| steps.binary_search(&step).ok())
                    .filter_map(|place| u32::try_from(place).ok())
                    .collect()
            };
            scene.executions.iter().map(way).collect()
        };
        let (before, now) = (of(reference), of(window));
        Ways {
            steps,
            before,
            now,
            reference,
            window,
        }
    }

    pub(super) fn is_error(&self, step: u32) -> bool {
        matches!(self.steps[step as usize], Step::Said { error: true, .. })
    }

    pub(super) fn errors<'w>(&'w self, way: &'w [u32]) -> impl Iterator<Item = u32> + 'w {
        way.iter().copied().filter(|step| self.is_error(*step))
    }
}

pub(super) fn by_operation(scene: &Scene) -> BTreeMap<Operation, Vec<usize>> {
    let mut operations: BTreeMap<Operation, Vec<usize>> = BTreeMap::new();
    for (place, execution) in scene.executions.iter().enumerate() {
        operations
            .entry((execution.service.clone(), execution.operation.clone()))
            .or_default()
            .push(place);
    }
    operations
}

/// What the reference knows of an operation.
struct Habit {
    /// With how many executions went it; rare ones left out.
    ways: Vec<(Way, u64)>,
    /// By step, and of all at `ALL`: executions that had it, and of these those on a rare way.
    had: FxHashMap<u32, (f64, f64)>,
}

/// The context that all executions share.
const ALL: u32 = u32::MAX;

impl Habit {
    fn new(ways: &Ways<'_>, places: &[usize]) -> Habit {
        let mut counts: BTreeMap<&Way, u64> = BTreeMap::new();
        for place in places {
            *counts.entry(&ways.before[*place]).or_default() += 1;
        }
        let mut had: FxHashMap<u32, (f64, f64)> = FxHashMap::default();
        for (way, count) in &counts {
            for step in way.iter().copied().chain([ALL]) {
                had.entry(step).or_default().0 += *count as f64;
            }
        }
        let mut kept = Vec::new();
        for (way, count) in counts {
            let share = count as f64;
            let particular = way
                .iter()
                .map(|step| had[step].0)
                .fold(places.len() as f64, f64::min);
            let rare = count == 1 || share <= RARE * particular;
            if rare {
                for step in way.iter().copied().chain([ALL]) {
                    had.entry(step).or_default().1 += share;
                }
            }
            if !rare || share > RARE * places.len() as f64 && count > 1 {
                kept.push((way.clone(), count));
            }
        }
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(MOST_WAYS);
        Habit { ways: kept, had }
    }

    /// The nearest way whose errors `way` has as well; of equally near ones the most frequent.
    fn nearest(&self, ways: &Ways<'_>, way: &[u32]) -> Option<&Way> {
        self.ways
            .iter()
            .filter(|(known, _)| {
                ways.errors(known)
                    .all(|error| way.binary_search(&error).is_ok())
            })
            .map(|(known, _)| known)
            .min_by_key(|known| apart(known, way))
    }
}

/// How many steps only one of the two has.
fn apart(a: &[u32], b: &[u32]) -> usize {
    let common = a
        .iter()
        .filter(|step| b.binary_search(step).is_ok())
        .count();
    a.len() + b.len() - 2 * common
}

/// An execution that did not go as usual.
#[derive(Clone, Debug)]
struct Detour {
    left_out: Way,
    added: Way,
    /// Whether an error is among what was added.
    failed: bool,
}

/// An operation of the window and how its executions went.
struct Judged {
    operation: Operation,
    /// Those that the habit says something of.
    places: Vec<usize>,
    habit: Habit,
    evidence: f64,
    told: Option<Told>,
}

/// What the evidence rests on.
#[derive(Clone, Copy, Debug)]
struct Told {
    context: u32,
    detours: f64,
    executions: f64,
    before: f64,
}

/// For each service the strongest evidence of its operations; and for each execution of the window
/// to what degree a detour below it explains its own.
pub(super) fn judge(ways: &Ways<'_>) -> (BTreeMap<Name, Reason>, Vec<f64>) {
    let known = by_operation(ways.reference);
    let mut detours: Vec<Option<Detour>> = vec![None; ways.now.len()];
    let mut of: Vec<usize> = vec![usize::MAX; ways.now.len()];
    let mut all: Vec<Judged> = Vec::new();
    let mut unknown: Vec<(Operation, Vec<usize>)> = Vec::new();
    for (operation, places) in by_operation(ways.window) {
        let Some(before) = known.get(&operation) else {
            unknown.push((operation, places));
            continue;
        };
        let habit = Habit::new(ways, before);
        let mut nearest: BTreeMap<&Way, Option<Option<Detour>>> = BTreeMap::new();
        let mut judged = Vec::new();
        for place in places {
            let way = &ways.now[place];
            let found = nearest.entry(way).or_insert_with(|| {
                habit
                    .nearest(ways, way)
                    .map(|known| detour(ways, known, way))
            });
            if let Some(found) = found {
                detours[place].clone_from(found);
                of[place] = all.len();
                judged.push(place);
            }
        }
        all.push(Judged {
            operation,
            places: judged,
            habit,
            evidence: 0.0,
            told: None,
        });
    }
    let mut explained = vec![0.0; ways.now.len()];
    for _ in 0..ROUNDS {
        explained = explain(ways.window, &detours, &of, &all);
        let mut settled = true;
        for judged in &mut all {
            let (evidence, told) = weigh(judged, &detours, &explained, ways);
            settled &= evidence.to_bits() == judged.evidence.to_bits();
            (judged.evidence, judged.told) = (evidence, told);
        }
        if settled {
            break;
        }
    }
    let mut reasons: BTreeMap<Name, Reason> = BTreeMap::new();
    let mut keep = |service: &Name, reason: Reason| {
        let best = reasons
            .entry(service.clone())
            .or_insert_with(|| reason.clone());
        if reason.nats > best.nats {
            *best = reason;
        }
    };
    for judged in &all {
        if let Some(told) = judged.told {
            let why = sentence(ways, judged, told, &detours);
            let reason = Reason::new(Basis::Way, judged.evidence, why);
            keep(&judged.operation.0, reason);
        }
    }
    for (operation, places) in unknown {
        if let Some(reason) = failing(ways, &operation, &places, &explained) {
            keep(&operation.0, reason);
        }
    }
    (reasons, explained)
}

fn detour(ways: &Ways<'_>, known: &[u32], way: &[u32]) -> Option<Detour> {
    let only = |a: &[u32], b: &[u32]| -> Way {
        a.iter()
            .copied()
            .filter(|step| b.binary_search(step).is_err())
            .collect()
    };
    let (left_out, added) = (only(known, way), only(way, known));
    let failed = added.iter().any(|step| ways.is_error(*step));
    (!left_out.is_empty() || !added.is_empty()).then_some(Detour {
        left_out,
        added,
        failed,
    })
}

/// For each execution, to what degree a detour below it explains its own; 0 to 1.
fn explain(window: &Scene, detours: &[Option<Detour>], of: &[usize], all: &[Judged]) -> Vec<f64> {
    let mut explained = vec![0.0f64; detours.len()];
    // Callers come first, so backwards all that an execution called is known before it.
    for place in (0..detours.len()).rev() {
        let execution = &window.executions[place];
        let Some(caller) = execution.caller else {
            continue;
        };
        let mut share = explained[place];
        if detours[place].is_some() && window.executions[caller].service != execution.service {
            let evidence = all[of[place]].evidence;
            share = share.max(1.0 / (1.0 + (EXPLAINS - evidence).exp()));
        }
        explained[caller] = explained[caller].max(share);
    }
    explained
}

/// The evidence of an operation in its most telling context.
fn weigh(
    judged: &Judged,
    detours: &[Option<Detour>],
    explained: &[f64],
    ways: &Ways<'_>,
) -> (f64, Option<Told>) {
    // Unexplained detours, executions, and of the detours those that failed; by context.
    let mut counts: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
    for place in &judged.places {
        let (own, failed) = match &detours[*place] {
            Some(detour) => (1.0 - explained[*place], detour.failed),
            None => (0.0, false),
        };
        for step in ways.now[*place].iter().copied().chain([ALL]) {
            if judged.habit.had.contains_key(&step) {
                let count = counts.entry(step).or_default();
                count.0 += own;
                count.1 += 1.0;
                count.2 += if failed { own } else { 0.0 };
            }
        }
    }
    let mut best = (0.0, None);
    for (context, (own, executions, failed)) in counts {
        if own <= 0.0 {
            continue;
        }
        let (had, rare) = judged.habit.had[&context];
        let mut evidence = more_often(own, executions, (rare + 0.5) / (had + 1.0), MEMORY);
        if evidence > 0.0 {
            evidence += ERROR * failed / own;
        }
        if evidence > best.0 {
            let told = Told {
                context,
                detours: own,
                executions,
                before: had,
            };
            best = (evidence, Some(told));
        }
    }
    best
}

/// An operation that the reference does not know, but that says errors: a hint, no more.
fn failing(
    ways: &Ways<'_>,
    operation: &Operation,
    places: &[usize],
    explained: &[f64],
) -> Option<Reason> {
    let failed = |place: &&usize| ways.errors(&ways.now[**place]).next().is_some();
    let own: f64 = places
        .iter()
        .filter(failed)
        .map(|place| 1.0 - explained[*place])
        .sum();
    (own > 0.0).then(|| {
        let why = format!(
            "{} of {} requests to `{}`, which the reference has none of, logged errors",
            places.iter().filter(failed).count(),
            places.len(),
            operation.1
        );
        Reason::new(Basis::Way, ERROR * own / places.len() as f64, why)
    })
}

fn sentence(ways: &Ways<'_>, judged: &Judged, told: Told, detours: &[Option<Detour>]) -> String {
    let mut left_out: BTreeMap<u32, u64> = BTreeMap::new();
    let mut added: BTreeMap<u32, u64> = BTreeMap::new();
    for place in &judged.places {
        let in_context = told.context == ALL || ways.now[*place].contains(&told.context);
        if let Some(detour) = detours[*place].as_ref().filter(|_| in_context) {
            let count = |steps: &Way, into: &mut BTreeMap<u32, u64>| {
                steps
                    .iter()
                    .for_each(|step| *into.entry(*step).or_default() += 1);
            };
            count(&detour.left_out, &mut left_out);
            count(&detour.added, &mut added);
        }
    }
    let most = |steps: &BTreeMap<u32, u64>| {
        let errors_first = |step: &u32| u64::from(ways.is_error(*step));
        steps
            .iter()
            .max_by_key(|(step, count)| (**count, errors_first(step), std::cmp::Reverse(**step)))
            .map(|(step, _)| *step)
    };
    let mut why = format!(
        "{:.0} of {:.0} requests to `{}`",
        told.detours.ceil(),
        told.executions,
        judged.operation.1
    );
    if told.context != ALL {
        why.push_str(&format!(
            " that {}",
            words(ways.steps[told.context as usize], false)
        ));
    }
    let parts: Vec<String> = [(most(&left_out), true), (most(&added), false)]
        .into_iter()
        .filter_map(|(step, missing)| Some(words(ways.steps[step? as usize], missing)))
        .collect();
    why.push_str(&format!(
        " {}, as none of {:.0} did before",
        parts.join(" and "),
        told.before
    ));
    why
}

fn words(step: &Step, missing: bool) -> String {
    match step {
        Step::Called { service, operation } if missing => {
            format!("did not call `{operation}` of {service}")
        }
        Step::Called { service, operation } => format!("called `{operation}` of {service}"),
        Step::Did(name) if missing => format!("did no `{name}`"),
        Step::Did(name) => format!("did `{name}`"),
        Step::Said { what, .. } if missing => format!("did not log `{what}`"),
        Step::Said { what, error: true } => format!("logged the error `{what}`"),
        Step::Said { what, error: false } => format!("logged `{what}`"),
    }
}

#[cfg(test)]
mod tests;
