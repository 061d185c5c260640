//! Who belongs to whom: all candidates weighed at once.
//!
//! Each hop has one parent and each call one answer. Weights become probabilities by scaling rows
//! (children) and columns (parents) in turn (Sinkhorn and Knopp, 1967): what is left of a candidate
//! when all others had their say is how sure its connection is.

use std::collections::BTreeMap;

use monitor_core::SpanKind;

use super::super::names::{NONE, Names};
use super::super::part::Part;
use super::habits::Habits;

/// Nanoseconds that corrected clocks of two environments may be off.
const SLACK: i64 = 6_000_000;
/// Requests longer than this are looked at for as long only.
const LONGEST: i64 = 15_000_000_000;
/// Candidates of one hop; the nearest ones.
const CANDIDATES: usize = 48;
/// How long a message may lie in a queue and still be fitted.
const QUEUED: i64 = 5_000_000_000;
/// The weight of no parent at all.
const NOBODY: f64 = 1e-10;
const ROUNDS: usize = 12;
/// Less sure connections are not made.
const UNSURE: f64 = 0.2;
/// Habits are learned from what is as sure as this.
const SURE: f64 = 0.9;

#[derive(Clone, Copy, Debug)]
struct Candidate {
    child: usize,
    parent: usize,
    weight: f64,
    before: f64,
    after: f64,
}

/// Of each part, its parent and how sure that is. Habits are learned from those over before
/// `limit`.
pub(super) fn parents(
    parts: &[Part],
    names: &Names,
    habits: &mut Habits,
    limit: i64,
) -> Vec<Option<(usize, f32)>> {
    let mut candidates = candidates(parts, names, habits);
    let sure = scale(parts, habits, &mut candidates);
    // The surest first; each parent's place for this operation is filled as often as is usual.
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| sure[*b].total_cmp(&sure[*a]).then(a.cmp(b)));
    let mut chosen: Vec<Option<(usize, f32)>> = vec![None; parts.len()];
    let mut filled: BTreeMap<(usize, u32), f64> = BTreeMap::new();
    for place in order {
        let candidate = candidates[place];
        let (child, parent) = (candidate.child, candidate.parent);
        if chosen[child].is_some() || sure[place] < UNSURE {
            continue;
        }
        let column = column(parts, &candidate);
        let room = room(parts, habits, &candidate).ceil();
        let filled = filled.entry(column).or_default();
        if *filled >= room {
            continue;
        }
        *filled += 1.0;
        #[expect(clippy::cast_possible_truncation, reason = "a probability")]
        let certainty = sure[place].min(0.999) as f32;
        chosen[child] = Some((parent, certainty));
        let over = parts[child].end <= limit && parts[parent].end <= limit;
        // Once for each hop: what is over is handed over in this round.
        if over && sure[place] >= SURE {
            let pair = (parts[parent].op, parts[child].op);
            habits.saw(pair, candidate.before, candidate.after);
        }
    }
    for part in parts.iter().filter(|part| part.end <= limit) {
        habits.saw_parent(part.op);
    }
    chosen
}

fn candidates(parts: &[Part], names: &Names, habits: &Habits) -> Vec<Candidate> {
    // Calls by whom they ask, requests by who served them, messages by their queue. `parts` are in
    // order of their start, so these are.
    let mut calls: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut requests: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    let mut by_node: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut messages: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, part) in parts.iter().enumerate() {
        match part.role {
            SpanKind::Client => {
                let callee = names.resolve(part.peer, part.node);
                calls.entry(callee).or_default().push(place);
            }
            SpanKind::Producer => messages.entry(part.peer).or_default().push(place),
            SpanKind::Server | SpanKind::Consumer => {
                let known = requests.entry((part.node, part.instance)).or_default();
                known.push(place);
                by_node.entry(part.node).or_default().push(place);
            }
            SpanKind::Internal => {}
        }
    }
    let nobody = Vec::new();
    let mut found = Vec::new();
    for (child, part) in parts.iter().enumerate() {
        // What has ids knows its parent.
        let before = found.len();
        match part.role {
            SpanKind::Server => {
                let asked = calls.get(&part.node).unwrap_or(&nobody);
                within(parts, child, asked, SLACK, names, habits, &mut found);
                if found.len() == before && part.peer != NONE {
                    // Nobody tells of calls: the caller's name says among whose requests to look.
                    let caller = names.resolve(part.peer, part.node);
                    let around = by_node.get(&caller).unwrap_or(&nobody);
                    within(parts, child, around, SLACK, names, habits, &mut found);
                }
            }
            SpanKind::Consumer => {
                let sent = messages.get(&part.peer).unwrap_or(&nobody);
                after(parts, child, sent, habits, &mut found);
            }
            SpanKind::Client | SpanKind::Producer => {
                if part.id == 0 {
                    let key = (part.node, part.instance);
                    let around = requests.get(&key).unwrap_or(&nobody);
                    within(parts, child, around, 0, names, habits, &mut found);
                }
            }
            SpanKind::Internal => {}
        }
    }
    found
}

/// Those of `around` that contain the child.
fn within(
    parts: &[Part],
    child: usize,
    around: &[usize],
    slack: i64,
    names: &Names,
    habits: &Habits,
    out: &mut Vec<Candidate>,
) {
    let part = &parts[child];
    let blur = slack + part.blur();
    let last = around.partition_point(|place| parts[*place].start <= part.start + blur);
    let nearest = around[..last]
        .iter()
        .rev()
        .take_while(|place| parts[**place].start >= part.start - LONGEST)
        .filter(|place| {
            let above = &parts[**place];
            **place != child && part.end <= above.end + blur + above.blur()
        })
        .take(CANDIDATES);
    for parent in nearest {
        let above = &parts[*parent];
        let (before, after) = (
            millis(part.start - above.start),
            millis(above.end - part.end),
        );
        let pair = (above.op, part.op);
        let alike = above.role != SpanKind::Client || alike(above.op, part.op, names);
        out.push(Candidate {
            child,
            parent: *parent,
            weight: habits.weight(pair, before, after, alike),
            before,
            after,
        });
    }
}

/// Those of `sent` that were sent before the child began.
fn after(parts: &[Part], child: usize, sent: &[usize], habits: &Habits, out: &mut Vec<Candidate>) {
    let part = &parts[child];
    let last = sent.partition_point(|place| parts[*place].start <= part.start + SLACK);
    let nearest = sent[..last]
        .iter()
        .rev()
        .take_while(|place| parts[**place].start >= part.start - QUEUED)
        .take(CANDIDATES);
    for parent in nearest {
        let above = &parts[*parent];
        let before = millis(part.start - above.start);
        out.push(Candidate {
            child,
            parent: *parent,
            weight: habits.weight((above.op, part.op), before, 0.0, true),
            before,
            after: 0.0,
        });
    }
}

/// Whether a call's name is that of what was served, apart from a method before it.
fn alike(asked: u32, served: u32, names: &Names) -> bool {
    let (Some(asked), Some(served)) = (names.find(asked), names.find(served)) else {
        return false;
    };
    let (asked, served) = (&*asked.name, &*served.name);
    let bare = |name: &str| name.rsplit(' ').next().unwrap_or(name).to_owned();
    asked == served || bare(asked) == bare(served)
}

/// What a child takes: of a call its one answer, of a request one call of this operation.
fn column(parts: &[Part], candidate: &Candidate) -> (usize, u32) {
    let parent = &parts[candidate.parent];
    let op = if parent.asks() {
        NONE
    } else {
        parts[candidate.child].op
    };
    (candidate.parent, op)
}

fn room(parts: &[Part], habits: &Habits, candidate: &Candidate) -> f64 {
    let parent = &parts[candidate.parent];
    if parent.asks() {
        1.0
    } else {
        habits.most((parent.op, parts[candidate.child].op))
    }
}

/// The candidates' probabilities, in their order.
fn scale(parts: &[Part], habits: &Habits, candidates: &mut [Candidate]) -> Vec<f64> {
    let mut columns: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    let mut rooms = Vec::new();
    let mut of: Vec<usize> = Vec::with_capacity(candidates.len());
    for candidate in &*candidates {
        let key = column(parts, candidate);
        let next = rooms.len();
        let place = *columns.entry(key).or_insert(next);
        if place == next {
            rooms.push(room(parts, habits, candidate));
        }
        of.push(place);
    }
    let mut sure: Vec<f64> = candidates
        .iter()
        .map(|candidate| candidate.weight)
        .collect();
    let mut nobody: Vec<f64> = vec![NOBODY; parts.len()];
    for _ in 0..ROUNDS {
        let mut rows = nobody.clone();
        for (candidate, sure) in candidates.iter().zip(&sure) {
            rows[candidate.child] += sure;
        }
        for (candidate, sure) in candidates.iter().zip(&mut sure) {
            *sure /= rows[candidate.child];
        }
        for (nobody, row) in nobody.iter_mut().zip(&rows) {
            *nobody /= row;
        }
        let mut taken = vec![0.0; rooms.len()];
        for (column, sure) in of.iter().zip(&sure) {
            taken[*column] += sure;
        }
        for (column, sure) in of.iter().zip(&mut sure) {
            if taken[*column] > rooms[*column] {
                *sure *= rooms[*column] / taken[*column];
            }
        }
    }
    // As shares of each child's row once more.
    let mut rows = nobody;
    for (candidate, sure) in candidates.iter().zip(&sure) {
        rows[candidate.child] += sure;
    }
    for (candidate, sure) in candidates.iter().zip(&mut sure) {
        *sure /= rows[candidate.child];
    }
    sure
}

fn millis(nanos: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a length of a request")]
    let nanos = nanos as f64;
    nanos / 1e6
}
