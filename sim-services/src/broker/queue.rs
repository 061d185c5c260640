//! One queue: messages in order, at most so many, each given out once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Counts from 1 in each queue.
    pub id: u64,
    /// Those of the publisher's request that concern the message rather than the connection.
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

/// There was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
pub struct Queue {
    capacity: usize,
    held: Mutex<Held>,
    /// One permit at most: whoever takes and leaves some wakes the next.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Stored>,
    published: u64,
    refused: u64,
    taken: u64,
}

/// How a queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Depth {
    /// Messages that wait now.
    pub waiting: usize,
    pub published: u64,
    /// For want of room.
    pub refused: u64,
    pub taken: u64,
}

impl Queue {
    pub fn new(capacity: usize) -> Queue {
        Queue {
            capacity,
            held: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// The message's id.
    pub fn publish(&self, headers: BTreeMap<String, String>, body: Bytes) -> Result<u64, Full> {
        let id = {
            let mut held = self.lock();
            if held.messages.len() >= self.capacity {
                held.refused += 1;
                return Err(Full);
            }
            held.published += 1;
            let id = held.published;
            held.messages.push_back(Stored { id, headers, body });
            id
        };
        self.arrived.notify_one();
        Ok(id)
    }

    /// The oldest messages, at most `max`; waits up to `patience` for the first. What is taken is
    /// gone: at most once.
    pub async fn take(&self, max: usize, patience: Duration) -> Vec<Stored> {
        let until = Instant::now() + patience;
        loop {
            let (taken, more) = {
                let mut held = self.lock();
                let count = max.min(held.messages.len());
                let taken: Vec<Stored> = held.messages.drain(..count).collect();
                held.taken += taken.len() as u64;
                (taken, !held.messages.is_empty())
            };
            if more {
                self.arrived.notify_one();
            }
            if !taken.is_empty() || max == 0 {
                return taken;
            }
            if timeout_at(until, self.arrived.notified()).await.is_err() {
                return Vec::new();
            }
        }
    }

    pub fn depth(&self) -> Depth {
        let held = self.lock();
        Depth {
            waiting: held.messages.len(),
            published: held.published,
            refused: held.refused,
            taken: held.taken,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn publish(queue: &Queue, body: &'static str) -> Result<u64, Full> {
        queue.publish(BTreeMap::new(), Bytes::from_static(body.as_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_message_is_given_out_once_and_in_order() {
        let queue = Arc::new(Queue::new(3));
        for body in ["a", "b", "c"] {
            publish(&queue, body).unwrap();
        }
        assert_eq!(publish(&queue, "d"), Err(Full));
        let bodies = |taken: Vec<Stored>| -> Vec<Bytes> {
            taken.into_iter().map(|message| message.body).collect()
        };
        assert_eq!(bodies(queue.take(2, Duration::ZERO).await), ["a", "b"]);
        assert_eq!(bodies(queue.take(2, Duration::ZERO).await), ["c"]);
        assert!(queue.take(2, Duration::from_secs(1)).await.is_empty());
        let depth = queue.depth();
        assert_eq!((depth.waiting, depth.published), (0, 3));
        assert_eq!((depth.refused, depth.taken), (1, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_and_wakes_the_next() {
        let queue = Arc::new(Queue::new(10));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.take(1, Duration::from_secs(60)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let started = Instant::now();
        publish(&queue, "a").unwrap();
        publish(&queue, "b").unwrap();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().len(), 1);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    proptest::proptest! {
        /// Whatever the order of publishing and taking: nothing is lost, doubled or reordered.
        #[test]
        fn nothing_is_lost_or_doubled(steps in proptest::collection::vec(0_usize..6, 1..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let queue = Queue::new(8);
                let mut taken = Vec::new();
                for step in steps {
                    match step {
                        0..3 => drop(publish(&queue, "x")),
                        max => taken.extend(queue.take(max, Duration::ZERO).await),
                    }
                }
                taken.extend(queue.take(usize::MAX, Duration::ZERO).await);
                let ids: Vec<u64> = taken.iter().map(|message| message.id).collect();
                let all: Vec<u64> = (1..=queue.depth().published).collect();
                assert_eq!(ids, all);
            });
        }
    }
}
