//! From the hops of one journey to its tree.
//!
//! Ids say most of it. What is left is put where it fits: the same request told by a span and by a
//! log is one; a hop whose parent nobody exported belongs to the call that was made to it, by name
//! and time; what was served without any call that fits is below the shortest request around it.

use monitor_core::{CallSource, SpanKind};
use rustc_hash::FxHashMap;

use super::names::{NONE, Names};
use super::part::Part;

/// Two readings of one request by two clocks of one machine differ by less.
const SAME: i64 = 3_000_000;
/// What corrected clocks of two environments may still be off.
const SLACK: i64 = 3_000_000;
/// The rank of a call to somebody who told nothing, behind whom it may be.
const BEYOND: u8 = 2;
/// How sure one is of the only place that fits.
const ONLY_PLACE: f32 = 0.95;

#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) part: Part,
    /// Into [`Tree::steps`].
    pub(super) parent: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// Parents before their children.
    pub(super) steps: Vec<Step>,
    /// Steps whose parent was named and never came.
    pub(super) missing: u32,
    /// Steps without a parent beside the first.
    pub(super) strays: u32,
    /// Hops that came twice.
    pub(super) repeated: u32,
}

impl Tree {
    /// `ahead`: by how many nanoseconds each environment's clock is, by its number.
    pub(super) fn of(mut parts: Vec<Part>, names: &Names, ahead: &[i64]) -> Tree {
        for part in &mut parts {
            let home = names.home(part.node) as usize;
            let offset = ahead.get(home).copied().unwrap_or(0);
            part.start -= offset;
            part.end -= offset;
        }
        // The longest first among those that begin together, so that parents come before children.
        parts.sort_by_key(|part| {
            (
                part.start,
                -part.length(),
                part.asks(),
                part.source,
                part.id,
                part.op,
            )
        });
        let mut tree = Tree::default();
        let parts = tree.once_each(parts);
        let (mut parents, missing) = parents_by_id(&parts);
        tree.missing = missing;
        let (parts, mut parents) = without_internals(parts, &mut parents);
        tree.steps = parts
            .into_iter()
            .zip(parents.drain(..))
            .map(|(part, parent)| Step { part, parent })
            .collect();
        tree.adopt(names);
        tree.in_order();
        tree
    }

    /// Whether there is anything that was served or asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Drops what says again what another hop says already.
    fn once_each(&mut self, parts: Vec<Part>) -> Vec<Part> {
        let mut seen: FxHashMap<(u64, SpanKind), CallSource> = FxHashMap::default();
        for part in parts.iter().filter(|part| part.id != 0) {
            let best = seen.entry((part.id, part.role)).or_insert(part.source);
            *best = (*best).min(part.source);
        }
        let mut spoken: FxHashMap<(u64, SpanKind), ()> = FxHashMap::default();
        let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
        let mut mentions = Vec::new();
        for part in parts {
            if part.is_mention() {
                mentions.push(part);
                continue;
            }
            if part.id != 0 {
                if seen.get(&(part.id, part.role)) != Some(&part.source) {
                    continue;
                }
                if spoken.insert((part.id, part.role), ()).is_some() {
                    self.repeated += 1;
                    continue;
                }
            }
            kept.push(part);
        }
        // A log without a span's id beside the span of the same request.
        let mut taken = vec![false; kept.len()];
        let told: Vec<bool> = kept
            .iter()
            .map(|log| {
                log.source == CallSource::Log
                    && log.id == 0
                    && kept.iter().zip(&mut taken).any(|(span, taken)| {
                        let same = !*taken
                            && span.source == CallSource::Span
                            && span.role == log.role
                            && span.node == log.node
                            && span.instance == log.instance
                            && (span.length() - log.length()).abs() <= SAME
                            && (span.end - log.end).abs() <= SAME + log.blur();
                        *taken |= same;
                        same
                    })
            })
            .collect();
        let mut told = told.into_iter();
        kept.retain(|_| !told.next().unwrap_or(false));
        for mention in mentions {
            if kept.iter().all(|part| part.node != mention.node) {
                kept.push(mention);
            }
        }
        kept
    }

    /// Finds a place for each step without a parent but the first.
    fn adopt(&mut self, names: &Names) {
        let Some(root) = self.root() else { return };
        let mut has_child = vec![false; self.steps.len()];
        for step in &self.steps {
            if let Some(parent) = step.parent {
                has_child[parent] = true;
            }
        }
        // The shortest first: it has the fewest places where it fits.
        let mut orphans: Vec<usize> = (0..self.steps.len())
            .filter(|step| *step != root && self.steps[*step].parent.is_none())
            .collect();
        orphans.sort_by_key(|step| (self.steps[*step].part.length(), *step));
        for orphan in orphans {
            match self.place_for(orphan, names, &has_child) {
                Some((rank, parent, places)) => {
                    has_child[parent] |= rank != BEYOND;
                    let step = &mut self.steps[orphan];
                    step.parent = Some(parent);
                    #[expect(clippy::cast_precision_loss, reason = "a small number")]
                    let sure = ONLY_PLACE / places as f32;
                    step.part.confidence = step.part.confidence.min(sure);
                }
                None => self.strays += 1,
            }
        }
    }

    /// Served rather than asked, named nobody as its parent rather than somebody who never came,
    /// the earliest.
    fn root(&self) -> Option<usize> {
        (0..self.steps.len())
            .filter(|step| self.steps[*step].parent.is_none())
            .min_by_key(|step| {
                let part = &self.steps[*step].part;
                (
                    part.is_mention(),
                    !part.serves(),
                    part.source,
                    part.parent != 0,
                    part.start,
                )
            })
    }

    /// How well it fits at the best place, that place, and how many are as good.
    fn place_for(
        &self,
        orphan: usize,
        names: &Names,
        has_child: &[bool],
    ) -> Option<(u8, usize, usize)> {
        let part = &self.steps[orphan].part;
        let mut best: Option<((u8, i64), usize, usize)> = None;
        for (place, step) in self.steps.iter().enumerate() {
            let Some(rank) = fits(part, &step.part, names, has_child[place]) else {
                continue;
            };
            if place == orphan || self.is_below(place, orphan) {
                continue;
            }
            let key = (rank, step.part.length());
            match &mut best {
                Some((known, _, places)) if *known == key => *places += 1,
                Some((known, ..)) if *known < key => {}
                _ => best = Some((key, place, 1)),
            }
        }
        best.map(|((rank, _), place, places)| (rank, place, places))
    }

    fn is_below(&self, mut step: usize, above: usize) -> bool {
        while let Some(parent) = self.steps[step].parent {
            if parent == above {
                return true;
            }
            step = parent;
        }
        false
    }

    /// Puts the first root first and parents before children; keeps the order of time otherwise.
    fn in_order(&mut self) {
        let Some(root) = self.root() else { return };
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.steps.len()];
        let mut roots = vec![root];
        for (place, step) in self.steps.iter().enumerate() {
            match step.parent {
                Some(parent) => children[parent].push(place),
                None if place != root => roots.push(place),
                None => {}
            }
        }
        let mut order = Vec::with_capacity(self.steps.len());
        let mut stack: Vec<usize> = roots.into_iter().rev().collect();
        while let Some(step) = stack.pop() {
            order.push(step);
            stack.extend(children[step].iter().rev());
        }
        let mut new = vec![0; self.steps.len()];
        for (place, step) in order.iter().enumerate() {
            new[*step] = place;
        }
        self.steps = order
            .iter()
            .map(|step| Step {
                part: self.steps[*step].part,
                parent: self.steps[*step].parent.map(|parent| new[parent]),
            })
            .collect();
    }
}

/// How well `part` fits below `above`: the smaller the better.
fn fits(part: &Part, above: &Part, names: &Names, has_child: bool) -> Option<u8> {
    let blur = SLACK + part.blur();
    let inside = part.start + blur >= above.start && part.end <= above.end + blur + above.blur();
    let calls = |above: &Part| names.resolve(above.peer, above.node) == part.node;
    match (part.role, above.role) {
        (SpanKind::Server, SpanKind::Client) => {
            let rank = if calls(above) { 0 } else { BEYOND };
            // It names a parent that nobody told of: a service between the two keeps silent.
            let fits = rank == 0 || part.parent != 0;
            (inside && !has_child && above.peer != NONE && fits).then_some(rank)
        }
        (SpanKind::Server, SpanKind::Producer) => {
            (inside && !has_child && above.peer != NONE && calls(above)).then_some(0)
        }
        (SpanKind::Consumer, SpanKind::Producer) => {
            (part.start + blur >= above.start && part.peer == above.peer && part.peer != NONE)
                .then_some(u8::from(has_child))
        }
        (SpanKind::Client | SpanKind::Producer, SpanKind::Server | SpanKind::Consumer) => {
            (inside && part.node == above.node && part.instance == above.instance).then_some(1)
        }
        (SpanKind::Internal, SpanKind::Server | SpanKind::Consumer) => Some(4),
        (SpanKind::Server, SpanKind::Server | SpanKind::Consumer) => {
            (inside && part.node != above.node).then_some(3)
        }
        _ => None,
    }
}

/// By their ids. Also how many named a parent that is not there.
fn parents_by_id(parts: &[Part]) -> (Vec<Option<usize>>, u32) {
    let mut by_id: FxHashMap<u64, (usize, Option<usize>)> = FxHashMap::default();
    for (place, part) in parts.iter().enumerate() {
        if part.id == 0 {
            continue;
        }
        // Caller and callee may share an id (B3): the callee is found below the caller.
        let known = by_id.entry(part.id).or_insert((place, None));
        if known.0 != place {
            let (asks, serves) = if part.asks() {
                (place, known.0)
            } else {
                (known.0, place)
            };
            *known = (serves, Some(asks));
        }
    }
    let mut missing = 0;
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(parts.len());
    for (place, part) in parts.iter().enumerate() {
        let shared = by_id
            .get(&part.id)
            .filter(|_| part.id != 0)
            .and_then(|(serves, asks)| asks.filter(|asks| *serves == place && *asks != place));
        let parent = match (shared, part.parent) {
            (Some(asks), _) => Some(asks),
            (None, 0) => None,
            (None, parent) => {
                let found = by_id.get(&parent).map(|(serves, _)| *serves);
                missing += u32::from(found.is_none());
                found.filter(|found| *found != place)
            }
        };
        parents.push(parent);
    }
    break_cycles(&mut parents);
    (parents, missing)
}

/// Ids may say anything, also that A is below B and B below A.
fn break_cycles(parents: &mut [Option<usize>]) {
    // 0: not seen; otherwise the walk that saw it, from 1.
    let mut seen = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let mut step = start;
        while seen[step] == 0 {
            seen[step] = start + 1;
            match parents[step] {
                Some(parent) if seen[parent] == start + 1 => {
                    parents[step] = None;
                    break;
                }
                Some(parent) => step = parent,
                None => break,
            }
        }
    }
}

/// Inner spans only lead from one to the next; a mention is all that is known of its service.
fn without_internals(
    parts: Vec<Part>,
    parents: &mut [Option<usize>],
) -> (Vec<Part>, Vec<Option<usize>>) {
    let inner = |part: &Part| part.role == SpanKind::Internal && !part.is_mention();
    if !parts.iter().any(inner) {
        return (parts, parents.to_vec());
    }
    let mut new = vec![usize::MAX; parts.len()];
    let mut kept = 0;
    for (place, part) in parts.iter().enumerate() {
        if !inner(part) {
            new[place] = kept;
            kept += 1;
        }
    }
    let mut outer = Vec::with_capacity(kept);
    for (place, part) in parts.iter().enumerate() {
        if inner(part) {
            continue;
        }
        let mut parent = parents[place];
        while let Some(above) = parent.filter(|above| inner(&parts[*above])) {
            parent = parents[above];
        }
        outer.push(parent.map(|parent| new[parent]));
    }
    let parts = parts.into_iter().filter(|part| !inner(part)).collect();
    (parts, outer)
}
