//! Who is at the other end of a queue, when that one exports no spans.
//!
//! A producer's span names the queue and the broker; a consumer without spans names the queue in its
//! logs (`handled message 17 of parcel-events`). Whoever mentions a known queue, and neither writes to
//! it nor keeps it, takes from it. A mention is a whole word, and a queue that is called by a plain
//! word is not looked for: `orders` would be found everywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{Name, Time};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Place;

/// Queues told apart; of more nothing is known.
const MAX_QUEUES: usize = 4_096;
/// Producers of one queue.
const MAX_PRODUCERS: usize = 16;
/// Kinds of messages that were looked at; beyond, all are looked at once more.
const MAX_LOOKED: usize = 65_536;
/// A service's message is looked at again after so long: meanwhile there may be other queues.
const AGAIN: Duration = Duration::from_secs(10);
/// A shorter name is in too many messages by chance.
const SHORTEST: usize = 5;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Queues {
    known: BTreeMap<Name, Queue>,
    /// When a template of a service was last looked at.
    #[serde(skip)]
    looked: FxHashMap<(u32, u64), Time>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Queue {
    producers: SmallVec<[u32; 4]>,
    broker: Option<u32>,
}

impl Queue {
    pub(super) fn producers(&self) -> impl Iterator<Item = Place> {
        self.producers.iter().copied().map(Place)
    }

    pub(super) fn broker(&self) -> Option<Place> {
        self.broker.map(Place)
    }
}

impl Queues {
    /// `producer` wrote to a queue, which `broker` keeps.
    pub(super) fn written(&mut self, name: &str, producer: Place, broker: Option<Place>) {
        if !is_distinctive(name) {
            return;
        }
        if !self.known.contains_key(name) {
            if self.known.len() >= MAX_QUEUES {
                return;
            }
            self.known.insert(name.into(), Queue::default());
        }
        let Some(queue) = self.known.get_mut(name) else {
            return;
        };
        if queue.producers.len() < MAX_PRODUCERS && !queue.producers.contains(&producer.0) {
            queue.producers.push(producer.0);
        }
        queue.broker = broker.map(|broker| broker.0).or(queue.broker);
    }

    /// The queue that `home` takes from, if its message of this template says so. O(1) for most
    /// messages, O(length) once in some seconds for each template.
    pub(super) fn taken_from(
        &mut self,
        home: Place,
        template: u64,
        message: &str,
        at: Time,
    ) -> Option<Queue> {
        if self.known.is_empty() {
            return None;
        }
        let key = (home.0, template);
        if self
            .looked
            .get(&key)
            .is_some_and(|last| at.since(*last) < AGAIN)
        {
            return None;
        }
        if self.looked.len() >= MAX_LOOKED {
            self.looked.clear();
        }
        self.looked.insert(key, at);
        let queue = words(message).find_map(|word| self.known.get(word))?;
        let is_other_end = !queue.producers.contains(&home.0) && queue.broker != Some(home.0);
        is_other_end.then(|| queue.clone())
    }
}

/// `message 17 of "parcel-events" failed:` has the word `parcel-events`, as `/queues/parcel-events/take`
/// has.
fn words(message: &str) -> impl Iterator<Item = &str> {
    message
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .map(|word| word.trim_matches('.'))
}

fn is_distinctive(name: &str) -> bool {
    name.len() >= SHORTEST
        && name.chars().any(char::is_alphabetic)
        && !name.chars().all(char::is_alphabetic)
        && words(name).next() == Some(name)
}
