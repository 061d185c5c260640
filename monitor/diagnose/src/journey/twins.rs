//! Requests that are told twice, with different ids: by a span that knows its trace, and by a log
//! that knows a request's id only (a proxy's access log beside its tracing module, say).
//!
//! What carries the request's id further on would be a journey of its own, and the request would
//! count twice. So the spans of such services are remembered for a while, and a journey without a
//! trace looks for the span of the request that its log tells of: same replica, same operation, as
//! long, ended then. Where several are (whole seconds are written), what else the two journeys hold
//! decides: a request served by another service lies within a call to it that nobody else answered.

use std::collections::{BTreeMap, VecDeque};

use monitor_core::{CallSource, SpanKind};
use serde::{Deserialize, Serialize};

use super::names::{NONE, Names};
use super::part::Part;

/// Nanoseconds by which two readings of one request's end or length differ at most.
const SAME: i64 = 2_000_000;
/// What corrected clocks of two environments may still be off.
const SLACK: i64 = 6_000_000;
/// How long spans are remembered, in nanoseconds.
const KEPT: i64 = 70_000_000_000;
/// Spans remembered of one operation of one replica, and of all.
const MAX_OF_ONE: usize = 2_048;
const MAX_TOLD: usize = 100_000;
/// Spans that are looked at closely.
const CANDIDATES: usize = 32;

const APART: u8 = 1;
const SPANS: u8 = 2;

/// A request as its span told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    end: i64,
    length: i64,
    trace: u128,
    taken: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Twins {
    /// How each node tells of what it served.
    manners: Vec<u8>,
    /// By operation and replica, as they came.
    told: BTreeMap<(u32, u32), VecDeque<Told>>,
    held: usize,
    newest: i64,
}

/// The journey with a trace that one without belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) trace: u128,
    /// How sure that is.
    pub(super) sure: f32,
}

impl Twins {
    /// A hop with ids: of this trace, if any.
    pub(super) fn see(&mut self, part: &Part, trace: Option<u128>) {
        if part.role != SpanKind::Server || part.node == NONE || part.op == NONE {
            return;
        }
        match (part.source, trace) {
            (CallSource::Log, None) => self.mark(part.node, APART),
            (CallSource::Span, Some(trace)) => {
                self.mark(part.node, SPANS);
                if self.has(part.node, APART) {
                    self.remember(part, trace);
                }
            }
            _ => {}
        }
    }

    fn remember(&mut self, part: &Part, trace: u128) {
        if part.end > self.newest + KEPT {
            self.forget(part.end);
        }
        self.newest = self.newest.max(part.end);
        if self.held >= MAX_TOLD {
            self.forget(self.newest);
            if self.held >= MAX_TOLD {
                return;
            }
        }
        let queue = self.told.entry((part.op, part.instance)).or_default();
        let old = |told: &Told| told.end + KEPT < part.end;
        while queue.front().is_some_and(old) || queue.len() >= MAX_OF_ONE {
            queue.pop_front();
            self.held -= 1;
        }
        queue.push_back(Told {
            end: part.end,
            length: part.length(),
            trace,
            taken: false,
        });
        self.held += 1;
    }

    /// Drops all that ended long before `now`.
    fn forget(&mut self, now: i64) {
        self.told.retain(|_, queue| {
            queue.retain(|told| told.end + KEPT >= now);
            !queue.is_empty()
        });
        self.held = self.told.values().map(VecDeque::len).sum();
    }

    fn has(&self, node: u32, manner: u8) -> bool {
        (self.manners.get(node as usize)).is_some_and(|manners| manners & manner != 0)
    }

    fn mark(&mut self, node: u32, manner: u8) {
        let node = node as usize;
        if self.manners.len() <= node {
            self.manners.resize(node + 1, 0);
        }
        self.manners[node] |= manner;
    }

    /// Whose request the hops `parts` without a trace tell of too; `parts_of` is what is known of a
    /// trace's journey. O(spans remembered of one operation of one replica).
    pub(super) fn find<'a>(
        &mut self,
        parts: &[Part],
        names: &Names,
        ahead: &[i64],
        parts_of: impl Fn(u128) -> Option<&'a [Part]>,
    ) -> Option<Found> {
        // The longest log of a service whose spans tell the same.
        let log = parts
            .iter()
            .filter(|part| {
                part.role == SpanKind::Server
                    && part.source == CallSource::Log
                    && self.has(part.node, APART)
                    && self.has(part.node, SPANS)
            })
            .max_by_key(|part| part.length())?;
        let queue = self.told.get_mut(&(log.op, log.instance))?;
        let fits = |told: &Told| !told.taken && is_same(told.end, told.length, log);
        let mut best: Option<((usize, i64), usize)> = None;
        let (mut alike, mut looked_at, mut fitting) = (0_u16, 0_u16, false);
        let near = (0..queue.len()).rev().filter(|place| fits(&queue[*place]));
        for place in near.take(CANDIDATES) {
            let told = &queue[place];
            let known = parts_of(told.trace);
            let misfits = known.map_or(parts.len(), |known| {
                misfits(parts, log, known, names, ahead, &self.manners)
            });
            looked_at += 1;
            let key = (misfits, (told.length - log.length()).abs());
            match best {
                Some((known, _)) if known < key => {}
                Some((known, _)) if known == key => alike = alike.saturating_add(1),
                _ => {
                    best = Some((key, place));
                    alike = 1;
                    // Of one that is over, nothing more is known.
                    fitting = misfits == 0 || known.is_none();
                }
            }
        }
        let (_, place) = best?;
        // Another one's, rather than this one with something missing, when there are others.
        if !fitting && looked_at > 1 {
            return None;
        }
        queue[place].taken = true;
        Some(Found {
            trace: queue[place].trace,
            sure: 1.0 / f32::from(alike.max(1)),
        })
    }
}

/// Whether a log tells of the request that a span of the same replica had ended then.
fn is_same(end: i64, length: i64, log: &Part) -> bool {
    (length - log.length()).abs() <= SAME
        && (log.end - SAME..=log.end + SAME + log.blur()).contains(&end)
}

/// Of `parts`, how many find no call in `known` that they would answer, and how many calls to those
/// who tell by request's id alone find no answer in them.
fn misfits(
    parts: &[Part],
    log: &Part,
    known: &[Part],
    names: &Names,
    ahead: &[i64],
    manners: &[u8],
) -> usize {
    let offset = |part: &Part| {
        let home = names.home(part.node) as usize;
        ahead.get(home).copied().unwrap_or(0)
    };
    let answers = |part: &Part, call: &Part| {
        let blur = SLACK + part.blur();
        let (start, end) = (part.start - offset(part), part.end - offset(part));
        names.resolve(call.peer, call.node) == part.node
            && start + blur >= call.start - offset(call)
            && end <= call.end - offset(call) + blur
    };
    let open = |call: &&Part| {
        call.role == SpanKind::Client
            && known
                .iter()
                .all(|part| part.parent != call.id || part.id == 0)
    };
    let others = || {
        parts
            .iter()
            .filter(|part| part.serves() && part.number != log.number)
    };
    let alone = |node: u32| {
        (manners.get(node as usize)).is_some_and(|manners| manners & (APART | SPANS) == APART)
    };
    let known_too = |log: &Part| {
        known.iter().any(|span| {
            span.role == log.role
                && span.node == log.node
                && span.instance == log.instance
                && is_same(span.end, span.length(), log)
        })
    };
    let unasked = others()
        .filter(|part| !known_too(part))
        .filter(|part| !known.iter().filter(open).any(|call| answers(part, call)))
        .count();
    let unanswered = known
        .iter()
        .filter(open)
        .filter(|call| {
            alone(names.resolve(call.peer, call.node)) && !others().any(|part| answers(part, call))
        })
        .count();
    unasked + unanswered
}
