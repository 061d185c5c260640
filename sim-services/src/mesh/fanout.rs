//! Hands every change of the conditions on to each part in a fixed order.
//!
//! Receivers of one `watch` channel are woken in an order that tokio chooses at random, which two
//! runs with the same seed must not see. So each part has a channel of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::change::Conditions;

pub(super) type Watched = watch::Receiver<Arc<Conditions>>;

#[derive(Debug, Default)]
pub(super) struct Fanout {
    parts: Mutex<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    latest: Arc<Conditions>,
    next: u64,
    /// In the order in which they came.
    senders: BTreeMap<u64, watch::Sender<Arc<Conditions>>>,
}

impl Fanout {
    /// A channel for one part, with what is on now.
    pub(super) fn subscribe(&self) -> Watched {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, receiver) = watch::channel(Arc::clone(&parts.latest));
        let id = parts.next;
        parts.next += 1;
        parts.senders.insert(id, sender);
        receiver
    }

    pub(super) fn publish(&self, conditions: &Arc<Conditions>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.latest = Arc::clone(conditions);
        parts
            .senders
            .retain(|_, sender| sender.send(Arc::clone(conditions)).is_ok());
    }

    /// Passes on what comes from `source` until `stop`.
    pub(super) async fn run(self: Arc<Self>, mut source: Watched, stop: CancellationToken) {
        loop {
            let conditions = Arc::clone(&source.borrow_and_update());
            self.publish(&conditions);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = source.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn parts_are_woken_in_the_order_in_which_they_came() {
        let fanout = Fanout::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for part in 0..20 {
            let (mut watched, order) = (fanout.subscribe(), Arc::clone(&order));
            tasks.spawn(async move {
                watched.changed().await.unwrap();
                order.lock().unwrap().push(part);
            });
        }
        tokio::task::yield_now().await;
        fanout.publish(&Arc::default());
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn parts_that_are_gone_are_forgotten() {
        let fanout = Fanout::default();
        drop(fanout.subscribe());
        let kept = fanout.subscribe();
        fanout.publish(&Arc::default());
        assert_eq!(fanout.parts.lock().unwrap().senders.len(), 1);
        assert!(kept.has_changed().unwrap());
    }
}
