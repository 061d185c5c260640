//! Types of journeys: found by their entry and by what they pass, and measured.
//!
//! Journeys of one entry are of one type as long as their Apis overlap: what a cache answers, what
//! fails half-way and what takes an optional step are parts of the whole. Only where an entry leads
//! to different places (one route for all operations) it has several types. A type keeps what it
//! learned for as long as it is known; its id follows from its entry and its place among its types.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monitor_core::{CallSource, JourneyTypeId, Outcome, Sketch, SpanKind};
use serde::{Deserialize, Serialize};

use super::critical::own_times;
use super::fares::Fares;
use super::names::{NONE, Names};
use super::needs::Needs;
use super::steps::Steps;
use super::tree::Tree;

const MAX_KINDS: usize = 1_000;
const MAX_OF_ENTRY: usize = 8;
/// Apis of one type; further ones are part of its length and not told apart.
const MAX_HOPS: usize = 64;
/// Minutes that numbers are of.
pub(super) const WINDOW: usize = 15;
/// Of the smaller of two sets of Apis, how many must be in the other.
const OVERLAP: f64 = 0.6;
/// An Api that so few of a type's journeys pass does not tell what the type is.
const RARE: f64 = 0.02;
/// An Api that so many pass is missed when a journey does not.
const ALWAYS: f64 = 0.98;
/// Journeys before a type knows what is usual.
pub(super) const FEW: u64 = 30;
/// A journey without its end is stuck when it takes so many times what 99 % of its type take.
const MANY_TIMES: f64 = 3.0;
/// How fast the usual follows: a minute's part of it.
const FOLLOW: f64 = 0.1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HopMinute {
    pub(super) passed: u64,
    pub(super) dropped: u64,
    /// Seconds of its own on critical paths.
    pub(super) own: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Minute {
    pub(super) minute: i64,
    pub(super) journeys: u64,
    pub(super) failed: u64,
    pub(super) incomplete: u64,
    pub(super) stuck: u64,
    pub(super) retried: u64,
    pub(super) duplicated: u64,
    pub(super) inferred: u64,
    pub(super) confidence: f64,
    pub(super) lengths: Sketch,
    pub(super) hops: BTreeMap<u32, HopMinute>,
    /// Seconds on the critical path between two environments.
    pub(super) wire: BTreeMap<(u32, u32), f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) id: JourneyTypeId,
    pub(super) entry: u32,
    pub(super) ordinal: usize,
    /// Journeys of all time that passed each Api.
    pub(super) passed: BTreeMap<u32, u64>,
    /// Usual own time of each Api in seconds: a mean that follows slowly.
    pub(super) usual: BTreeMap<u32, f64>,
    pub(super) total: u64,
    /// Successful and whole ones.
    whole: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) minutes: VecDeque<Minute>,
    pub(super) fares: Fares,
    pub(super) needs: Needs,
    pub(super) steps: Steps,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kinds {
    pub(super) kinds: Vec<Kind>,
    entries: BTreeMap<u32, Vec<u32>>,
    /// Of each Api, as an entry and as an inner hop: how often.
    seen: BTreeMap<u32, (u64, u64)>,
}

impl Minute {
    /// Adds another one's numbers.
    pub(super) fn absorb(&mut self, other: &Minute) {
        self.journeys += other.journeys;
        self.failed += other.failed;
        self.incomplete += other.incomplete;
        self.stuck += other.stuck;
        self.retried += other.retried;
        self.duplicated += other.duplicated;
        self.inferred += other.inferred;
        self.confidence += other.confidence;
        self.lengths.merge(&other.lengths);
        for (op, hop) in &other.hops {
            let sum = self.hops.entry(*op).or_default();
            sum.passed += hop.passed;
            sum.dropped += hop.dropped;
            sum.own += hop.own;
        }
        for (ends, time) in &other.wire {
            *self.wire.entry(*ends).or_default() += time;
        }
    }
}

impl Kinds {
    /// Counts a journey, of which nothing is expected after `heard`; its type, unless it served
    /// nobody or there are too many types.
    pub(super) fn add(&mut self, tree: &Tree, names: &Names, sure: f32, heard: i64) -> Option<u32> {
        let root = tree.steps.first()?;
        let mut ops: Vec<u32> = tree
            .steps
            .iter()
            .filter(|step| step.part.serves() && step.part.op != NONE)
            .map(|step| step.part.op)
            .collect();
        ops.sort_unstable();
        ops.dedup();
        ops.truncate(MAX_HOPS);
        if !root.part.serves() || root.part.op == NONE {
            return self.beheaded(&ops, root.part.start, heard);
        }
        // Its parent never came, and it is hardly ever where journeys begin.
        let (as_entry, as_inner) = self.seen.get(&root.part.op).copied().unwrap_or_default();
        if root.part.parent != 0 && as_inner > as_entry.saturating_mul(4) {
            return self.beheaded(&ops, root.part.start, heard);
        }
        self.count_sight(tree);
        let place = self.kind_of(root.part.op, &ops, names)?;
        let kind = &mut self.kinds[place as usize];
        kind.count(tree, names, &ops, sure);
        if root.part.outcome == Outcome::Ok && root.part.source == CallSource::Span {
            kind.steps.count(tree, heard.div_euclid(1_000_000_000));
        }
        let refused = matches!(root.part.outcome, Outcome::ServerError | Outcome::Throttled);
        let length = seconds(root.part.length());
        kind.fares
            .count(heard.div_euclid(1_000_000_000), length, refused);
        Some(place)
    }

    /// Without its beginning: of the type that passes most of what is left.
    fn beheaded(&mut self, ops: &[u32], start: i64, heard: i64) -> Option<u32> {
        let place = self.likely(ops)?;
        let kind = &mut self.kinds[place as usize];
        let stuck = kind
            .lengths()
            .quantile(0.99)
            .is_some_and(|p99| kind.total >= FEW && seconds(heard - start) > p99 * MANY_TIMES);
        let minute = kind.minute(heard);
        minute.incomplete += 1;
        minute.stuck += u64::from(stuck);
        Some(place)
    }

    /// The type that passes most of these Apis; of several, the more frequent.
    pub(super) fn likely(&self, ops: &[u32]) -> Option<u32> {
        (0..)
            .zip(&self.kinds)
            .map(|(place, kind)| {
                let common = ops.iter().filter(|op| kind.passed.contains_key(op)).count();
                (common, kind.total, std::cmp::Reverse(place))
            })
            .filter(|(common, ..)| *common > 0)
            .max()
            .map(|(.., place)| place.0)
    }

    fn count_sight(&mut self, tree: &Tree) {
        for (place, step) in tree.steps.iter().enumerate() {
            if step.part.serves() && step.part.op != NONE {
                let seen = self.seen.entry(step.part.op).or_default();
                if place == 0 {
                    seen.0 += 1;
                } else {
                    seen.1 += 1;
                }
            }
        }
    }

    fn kind_of(&mut self, entry: u32, ops: &[u32], names: &Names) -> Option<u32> {
        let own = self.entries.entry(entry).or_default();
        let best = own
            .iter()
            .map(|place| {
                let kind = &self.kinds[*place as usize];
                (kind.overlap(ops), kind.total, std::cmp::Reverse(*place))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        if let Some((overlap, _, place)) = best
            && (overlap >= OVERLAP || own.len() >= MAX_OF_ENTRY || self.kinds.len() >= MAX_KINDS)
        {
            return Some(place.0);
        }
        if self.kinds.len() >= MAX_KINDS {
            return None;
        }
        let api = names.find(entry)?.api.as_ref()?;
        let ordinal = own.len();
        let place = u32::try_from(self.kinds.len()).ok()?;
        own.push(place);
        self.kinds.push(Kind {
            id: JourneyTypeId(hash(&format!("{api}\n{ordinal}"))),
            entry,
            ordinal,
            passed: BTreeMap::new(),
            usual: BTreeMap::new(),
            total: 0,
            whole: 0,
            first: i64::MAX,
            last: i64::MIN,
            minutes: VecDeque::new(),
            fares: Fares::default(),
            needs: Needs::default(),
            steps: Steps::default(),
        });
        Some(place)
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn has(&self, id: JourneyTypeId) -> bool {
        self.kinds.iter().any(|kind| kind.id == id)
    }
}

impl Kind {
    /// Of the smaller set, how much is in the other: 1 when one contains the other. The entry,
    /// which they have in common, tells nothing.
    fn overlap(&self, ops: &[u32]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let rare = self.total as f64 * RARE;
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let usual = |op: &u32| self.passed.get(op).is_some_and(|n| *n as f64 >= rare);
        let others = ops.iter().filter(|op| **op != self.entry);
        let (mut size, mut common) = (0_u32, 0_u32);
        for op in others {
            size += 1;
            common += u32::from(usual(op));
        }
        let own = self
            .passed
            .keys()
            .filter(|op| **op != self.entry && usual(op))
            .count();
        let smaller = size.min(u32::try_from(own).unwrap_or(u32::MAX));
        if smaller == 0 {
            return 1.0;
        }
        f64::from(common) / f64::from(smaller)
    }

    fn count(&mut self, tree: &Tree, names: &Names, ops: &[u32], sure: f32) {
        let root = &tree.steps[0].part;
        let failed = root.failed();
        let missing = !failed && self.whole >= FEW && self.misses(ops);
        let incomplete = missing || tree.missing > 0 && tree.strays > 0;
        let own = own_times(tree);
        let retried = has_retry(tree);
        let duplicated = tree.repeated == 0 && serves_twice(tree);
        let inferred = tree.steps.iter().any(|step| step.part.confidence < 1.0);
        let dropped = failed.then(|| drop_off(tree)).flatten();
        self.needs.count(tree, names, !failed && !incomplete);
        self.total += 1;
        self.whole += u64::from(!failed);
        self.first = self.first.min(root.start);
        self.last = self.last.max(root.end);
        for op in ops {
            if self.passed.len() < MAX_HOPS || self.passed.contains_key(op) {
                *self.passed.entry(*op).or_default() += 1;
            }
        }
        let known = std::mem::take(&mut self.passed);
        let minute = self.minute(root.end);
        minute.journeys += 1;
        minute.failed += u64::from(failed);
        minute.incomplete += u64::from(incomplete);
        minute.retried += u64::from(retried);
        minute.duplicated += u64::from(duplicated);
        minute.inferred += u64::from(inferred);
        minute.confidence += f64::from(sure);
        minute.lengths.add(seconds(root.length()));
        for op in ops.iter().filter(|op| known.contains_key(op)) {
            minute.hops.entry(*op).or_default().passed += 1;
        }
        if let Some(op) = dropped.filter(|op| known.contains_key(op)) {
            minute.hops.entry(op).or_default().dropped += 1;
        }
        for (place, step) in tree.steps.iter().enumerate() {
            if own[place] == 0 {
                continue;
            }
            let time = seconds(own[place]);
            if step.part.serves() && known.contains_key(&step.part.op) {
                minute.hops.entry(step.part.op).or_default().own += time;
            } else if step.part.role == SpanKind::Client {
                let callee = tree.callee_of(place, names);
                let ends = (names.home(step.part.node), names.home(callee));
                if ends.1 != NONE {
                    *minute.wire.entry(ends).or_default() += time;
                }
            }
        }
        self.passed = known;
    }

    fn misses(&self, ops: &[u32]) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let always = |n: u64| n as f64 >= ALWAYS * self.whole as f64;
        self.passed
            .iter()
            .any(|(op, n)| always(*n) && ops.binary_search(op).is_err())
    }

    /// The minute of `end`, or the oldest that is kept.
    fn minute(&mut self, end: i64) -> &mut Minute {
        let minute = end.div_euclid(60_000_000_000);
        let newest = self.minutes.back().map(|newest| newest.minute);
        if newest.is_none_or(|newest| minute > newest) {
            self.learn();
            if self.minutes.len() >= WINDOW {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Minute {
                minute,
                ..Minute::default()
            });
        }
        let place = self
            .minutes
            .iter()
            .rposition(|known| known.minute <= minute);
        let place = place.unwrap_or(0);
        &mut self.minutes[place]
    }

    /// What is usual follows the minute that is over.
    fn learn(&mut self) {
        let Some(minute) = self.minutes.back().filter(|minute| minute.journeys > 0) else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let journeys = minute.journeys as f64;
        let known: BTreeSet<u32> = (minute.hops.keys())
            .chain(self.usual.keys())
            .copied()
            .collect();
        for op in &known {
            let own = minute.hops.get(op).map_or(0.0, |hop| hop.own / journeys);
            let usual = self.usual.entry(*op).or_insert(own);
            *usual += (own - *usual) * FOLLOW;
        }
    }

    /// Counts another type's journeys as its own, minute by minute.
    pub(super) fn absorb(&mut self, other: &Kind) {
        for (op, n) in &other.passed {
            *self.passed.entry(*op).or_default() += n;
        }
        let parts = [self.total, other.total].map(seldom);
        let all: BTreeSet<u32> = (self.usual.keys())
            .chain(other.usual.keys())
            .copied()
            .collect();
        for op in all {
            let usual = |kind: &Kind| kind.usual.get(&op).copied().unwrap_or(0.0);
            let mean = (usual(self) * parts[0] + usual(other) * parts[1]) / (parts[0] + parts[1]);
            self.usual.insert(op, mean);
        }
        self.needs.absorb(&other.needs);
        self.fares.absorb(&other.fares);
        self.total += other.total;
        self.whole += other.whole;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for minute in &other.minutes {
            match (self.minutes).binary_search_by_key(&minute.minute, |own| own.minute) {
                Ok(place) => self.minutes[place].absorb(minute),
                Err(place) => self.minutes.insert(place, minute.clone()),
            }
        }
        // Of minutes that one of them is too old to have, the other's are left out.
        while self.minutes.len() > WINDOW {
            self.minutes.pop_front();
        }
    }

    /// All lengths of the window.
    pub(super) fn lengths(&self) -> Sketch {
        let mut all = Sketch::new();
        for minute in &self.minutes {
            all.merge(&minute.lengths);
        }
        all
    }
}

impl Tree {
    /// Who served what a step asked for: its child's workload, or whom its peer's name means.
    pub(super) fn callee_of(&self, step: usize, names: &Names) -> u32 {
        let part = &self.steps[step].part;
        self.steps[step + 1..]
            .iter()
            .find(|below| below.parent == Some(step) && below.part.serves())
            .map_or_else(
                || names.resolve(part.peer, part.node),
                |below| below.part.node,
            )
    }
}

/// An attempt after one that failed, of the same caller to the same callee.
fn has_retry(tree: &Tree) -> bool {
    (0..tree.steps.len()).any(|step| is_retry(tree, step))
}

pub(super) fn is_retry(tree: &Tree, place: usize) -> bool {
    let step = &tree.steps[place];
    if !step.part.asks() {
        return false;
    }
    step.part.resent
        || tree.steps.iter().any(|other| {
            other.parent == step.parent
                && other.part.op == step.part.op
                && other.part.peer == step.part.peer
                && other.part.asks()
                && other.part.failed()
                && other.part.end <= step.part.start
        })
}

/// One call, or one message, and two that served it.
fn serves_twice(tree: &Tree) -> bool {
    tree.steps.iter().enumerate().any(|(place, step)| {
        step.part.source == CallSource::Span
            && step.part.serves()
            && step.parent.is_some_and(|parent| {
                tree.steps[parent].part.asks()
                    && tree.steps[..place].iter().any(|other| {
                        other.parent == Some(parent)
                            && other.part.op == step.part.op
                            && other.part.serves()
                    })
            })
    })
}

/// The Api where a failed journey failed first: below it nothing that it waited for did.
fn drop_off(tree: &Tree) -> Option<u32> {
    let mut at = 0;
    loop {
        let next = tree
            .steps
            .iter()
            .enumerate()
            .skip(at + 1)
            .find(|(_, step)| {
                step.part.failed()
                    && step.part.role != SpanKind::Consumer
                    && step.parent.is_some_and(|parent| {
                        parent == at
                            || (tree.steps[parent].parent == Some(at)
                                && tree.steps[parent].part.asks())
                    })
                    && step.part.serves()
            });
        match next {
            Some((place, _)) => at = place,
            None => return Some(tree.steps.get(at)?.part.op),
        }
    }
}

/// A count, at least one.
fn seldom(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let n = n.max(1) as f64;
    n
}

pub(super) fn seconds(nanos: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a length of a journey")]
    let nanos = nanos.max(0) as f64;
    nanos / 1e9
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
