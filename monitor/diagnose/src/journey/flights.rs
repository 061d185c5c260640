//! Journeys in flight, by their ids.
//!
//! Bounded in journeys, in hops of one and in hops of all. A hostile client that sends endless
//! traces of one span fills the share of its own: as a cache of many small queues, each origin's
//! oldest journey of one hop makes room for its next, so that others' journeys stay.
//! A journey is over when none of its hops came for a while, by the hops' own time.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::part::Part;

pub(super) const MAX_FLIGHTS: usize = 50_000;
/// Of all journeys in flight.
pub(super) const MAX_PARTS: usize = 400_000;
pub(super) const MAX_PARTS_OF_ONE: usize = 2_000;
/// Hops among which it is looked whether a service is known to be on the way.
const MENTIONS: usize = 64;
/// Ids by which one journey can be found.
const MAX_KEYS: usize = 64;
/// Origins told apart, by hash.
const ORIGINS: usize = 1_024;
/// Journeys of one hop that one origin may hold once the table is full.
const MAX_OF_ORIGIN: usize = MAX_FLIGHTS / 16;
/// Seconds without a hop after which a journey is over.
pub(super) const QUIET: i64 = 10;
/// The same for a journey that left a message in a queue and was not heard to have been taken out.
pub(super) const QUIET_QUEUED: i64 = 60;
/// Seconds without a hop after which a journey without a trace looks for one that tells the same,
/// and looks again.
const APART: i64 = 4;
/// Ids of journeys that are over, to know what comes too late.
const MAX_OVER: usize = 65_536;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Flight {
    pub(super) keys: SmallVec<[u128; 2]>,
    pub(super) parts: Vec<Part>,
    /// The second in which the last hop came.
    heard: i64,
    /// Messages that nobody was heard to take, less those that somebody took.
    queued: i32,
    pub(super) is_trace: bool,
    origin: u16,
    serial: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    slot: u32,
    serial: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<u32>,
    serial: u32,
    parts: usize,
    /// When to look whether a journey is over.
    due: BTreeMap<i64, Vec<Ticket>>,
    /// When to look whether a journey without a trace belongs to one with.
    apart: BTreeMap<i64, Vec<Ticket>>,
    /// Journeys that had one hop when they began, the oldest first.
    singles: VecDeque<Ticket>,
    /// Journeys of one hop, by origin: the oldest first.
    origins: BTreeMap<u16, VecDeque<Ticket>>,
    over: VecDeque<u128>,
    #[serde(skip)]
    by_key: FxHashMap<u128, u32>,
    #[serde(skip)]
    was: FxHashMap<u128, ()>,
}

/// What became of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    /// Its journey is over.
    Late,
    /// Its journey has more hops than we keep.
    Crowded,
}

impl Flights {
    pub(super) fn reindex(&mut self) {
        for (slot, flight) in (0..).zip(&self.slots) {
            for key in flight.iter().flat_map(|flight| &flight.keys) {
                self.by_key.insert(*key, slot);
            }
        }
        self.was = self.over.iter().map(|key| (*key, ())).collect();
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a hop to the journey of any of `keys`, which are one journey from now on. `evicted` is
    /// told how many journeys had to go for it.
    pub(super) fn put(
        &mut self,
        keys: &[u128],
        part: Option<Part>,
        is_trace: bool,
        origin: u32,
        second: i64,
        evicted: &mut u64,
    ) -> Put {
        let mut known: SmallVec<[u32; 2]> = SmallVec::new();
        for key in keys {
            if let Some(slot) = self.by_key.get(key)
                && !known.contains(slot)
            {
                known.push(*slot);
            }
        }
        let slot = match known.as_slice() {
            [] => {
                if keys.iter().any(|key| self.was.contains_key(key)) {
                    return Put::Late;
                }
                self.begin(keys, is_trace, origin, second, evicted)
            }
            [slot] => *slot,
            [first, others @ ..] => {
                let (first, others) = (*first, SmallVec::<[u32; 2]>::from_slice(others));
                for other in others {
                    self.merge(first, other);
                }
                first
            }
        };
        let Some(flight) = self.slots[slot as usize].as_mut() else {
            return Put::Late;
        };
        for key in keys {
            if flight.keys.len() < MAX_KEYS && !flight.keys.contains(key) {
                flight.keys.push(*key);
                self.by_key.insert(*key, slot);
            }
        }
        flight.is_trace |= is_trace;
        flight.heard = flight.heard.max(second);
        let Some(part) = part else {
            return Put::Taken;
        };
        // That its service was on the way needs to be said once; lines are many.
        if part.is_mention() && (flight.parts.iter().take(MENTIONS)).any(|it| it.node == part.node)
        {
            return Put::Taken;
        }
        if flight.parts.len() >= MAX_PARTS_OF_ONE {
            return Put::Crowded;
        }
        match part.role {
            monitor_core::SpanKind::Producer => flight.queued += 1,
            monitor_core::SpanKind::Consumer => flight.queued -= 1,
            _ => {}
        }
        if flight.parts.is_empty() {
            flight.parts.reserve_exact(1);
        }
        flight.parts.push(part);
        self.parts += 1;
        while self.parts > MAX_PARTS && self.evict(None) {
            *evicted += 1;
        }
        Put::Taken
    }

    /// Whether the journey of `key` is in flight, and has a hop.
    pub(super) fn has(&self, key: u128) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The journey of `key`, if it is in flight.
    pub(super) fn get(&self, key: u128) -> Option<&Flight> {
        self.slots.get(*self.by_key.get(&key)? as usize)?.as_ref()
    }

    /// Makes the journey of `from` a part of that of `into`. Nothing was heard of either by that.
    pub(super) fn join(&mut self, into: u128, from: u128) {
        let slot = |key: u128| self.by_key.get(&key).copied();
        if let (Some(into), Some(from)) = (slot(into), slot(from))
            && into != from
        {
            self.merge(into, from);
        }
    }

    /// What the journey of `key` holds so far belongs to it as surely as `sure` says.
    pub(super) fn doubt(&mut self, key: u128, sure: f32) {
        let slot = self.by_key.get(&key).map(|slot| *slot as usize);
        if let Some(Some(flight)) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            for part in &mut flight.parts {
                part.confidence *= sure;
            }
        }
    }

    /// Ends the journey of `key` without a trace of it. How many hops it had.
    pub(super) fn drop_all_of(&mut self, key: u128) -> u64 {
        let Some(slot) = self.by_key.get(&key).copied() else {
            return 0;
        };
        let Some(serial) = self.slots[slot as usize]
            .as_ref()
            .map(|flight| flight.serial)
        else {
            return 0;
        };
        let Some(flight) = self.remove(Ticket { slot, serial }) else {
            return 0;
        };
        self.remember(&flight);
        flight.parts.len() as u64
    }

    /// Journeys without a trace of which nothing came for a while, by one of their ids.
    pub(super) fn apart(&mut self, second: i64) -> Vec<u128> {
        let mut quiet = Vec::new();
        while let Some(first) = self.apart.first_entry()
            && *first.key() <= second
        {
            for ticket in first.remove() {
                let flight = self.slots[ticket.slot as usize]
                    .as_ref()
                    .filter(|flight| flight.serial == ticket.serial && !flight.is_trace);
                let Some(flight) = flight else { continue };
                if flight.heard + APART <= second {
                    quiet.extend(flight.keys.first());
                }
                self.apart.entry(second + APART).or_default().push(ticket);
            }
        }
        quiet
    }

    fn begin(
        &mut self,
        keys: &[u128],
        is_trace: bool,
        origin: u32,
        second: i64,
        evicted: &mut u64,
    ) -> u32 {
        let origin = u16::try_from(origin as usize % ORIGINS).unwrap_or(0);
        if self.len() >= MAX_FLIGHTS && self.evict(Some(origin)) {
            *evicted += 1;
        }
        self.serial = self.serial.wrapping_add(1);
        let flight = Flight {
            keys: SmallVec::from_slice(keys),
            parts: Vec::new(),
            heard: second,
            queued: 0,
            is_trace: false,
            origin,
            serial: self.serial,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(flight);
                slot
            }
            None => {
                self.slots.push(Some(flight));
                // Never more than MAX_FLIGHTS and the one that is about to be put.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        for key in keys {
            self.by_key.insert(*key, slot);
        }
        let ticket = Ticket {
            slot,
            serial: self.serial,
        };
        self.due.entry(second + QUIET).or_default().push(ticket);
        if !is_trace {
            self.apart.entry(second + APART).or_default().push(ticket);
        }
        self.drop_stale_heads(origin);
        self.singles.push_back(ticket);
        self.origins.entry(origin).or_default().push_back(ticket);
        slot
    }

    fn drop_stale_heads(&mut self, origin: u16) {
        while let Some(head) = self.singles.front()
            && !is_single(&self.slots, *head)
        {
            self.singles.pop_front();
        }
        if let Some(queue) = self.origins.get_mut(&origin) {
            while let Some(head) = queue.front()
                && !is_single(&self.slots, *head)
            {
                queue.pop_front();
            }
        }
    }

    /// Makes room: the oldest journey of one hop of the same origin when that has more than its
    /// part, else the oldest of any, else the one that is due first.
    fn evict(&mut self, origin: Option<u16>) -> bool {
        if let Some(origin) = origin {
            self.drop_stale_heads(origin);
            if let Some(queue) = self.origins.get_mut(&origin)
                && queue.len() > MAX_OF_ORIGIN
                && let Some(ticket) = queue.pop_front()
            {
                self.remove(ticket);
                return true;
            }
        }
        while let Some(ticket) = self.singles.pop_front() {
            if is_single(&self.slots, ticket) {
                self.remove(ticket);
                return true;
            }
        }
        while let Some(mut first) = self.due.first_entry() {
            let Some(ticket) = first.get_mut().pop() else {
                first.remove();
                continue;
            };
            if self.remove(ticket).is_some() {
                return true;
            }
        }
        false
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Flight> {
        let place = self.slots.get_mut(ticket.slot as usize)?;
        let flight = place.take_if(|flight| flight.serial == ticket.serial)?;
        self.free.push(ticket.slot);
        self.parts -= flight.parts.len();
        for key in &flight.keys {
            self.by_key.remove(key);
        }
        Some(flight)
    }

    fn merge(&mut self, into: u32, from: u32) {
        let Some(other) = self.slots[from as usize].take() else {
            return;
        };
        self.free.push(from);
        let Some(flight) = self.slots[into as usize].as_mut() else {
            return;
        };
        for key in other.keys {
            self.by_key.insert(key, into);
            if flight.keys.len() < MAX_KEYS {
                flight.keys.push(key);
            } else {
                self.by_key.remove(&key);
            }
        }
        let room = MAX_PARTS_OF_ONE.saturating_sub(flight.parts.len());
        self.parts -= other.parts.len().saturating_sub(room);
        flight.parts.extend(other.parts.into_iter().take(room));
        flight.heard = flight.heard.max(other.heard);
        flight.queued += other.queued;
        flight.is_trace |= other.is_trace;
    }

    /// Those that are over at `second`, in the order in which they became so.
    pub(super) fn over(&mut self, second: i64, out: &mut Vec<Flight>) {
        while let Some(first) = self.due.first_entry()
            && *first.key() <= second
        {
            for ticket in first.remove() {
                let Some(flight) = self.slots[ticket.slot as usize]
                    .as_ref()
                    .filter(|flight| flight.serial == ticket.serial)
                else {
                    continue;
                };
                let quiet = if flight.queued > 0 {
                    QUIET_QUEUED
                } else {
                    QUIET
                };
                let due = flight.heard + quiet;
                if due > second {
                    self.due.entry(due).or_default().push(ticket);
                } else if let Some(flight) = self.remove(ticket) {
                    self.remember(&flight);
                    out.push(flight);
                }
            }
        }
    }

    fn remember(&mut self, flight: &Flight) {
        for key in &flight.keys {
            if self.over.len() >= MAX_OVER
                && let Some(oldest) = self.over.pop_front()
            {
                self.was.remove(&oldest);
            }
            self.over.push_back(*key);
            self.was.insert(*key, ());
        }
    }

    /// In no particular order, but the same for the same input.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.slots.iter().flatten()
    }
}

fn is_single(slots: &[Option<Flight>], ticket: Ticket) -> bool {
    slots
        .get(ticket.slot as usize)
        .and_then(Option::as_ref)
        .is_some_and(|flight| flight.serial == ticket.serial && flight.parts.len() <= 1)
}
