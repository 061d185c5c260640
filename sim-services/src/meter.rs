//! Counts of what really happened, kept by the platform itself.
//!
//! Faults prove by them that they acted, and tests compare them with theory. Nothing here reaches
//! the watcher. Counters only grow; differences of two [`Reading`]s are what a stretch of time did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($(#[$doc:meta])* $live:ident, $read:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $live { $($(#[$field_doc])* pub $field: AtomicU64,)* }

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $read { $($(#[$field_doc])* pub $field: u64,)* }

        impl $live {
            pub fn read(&self) -> $read {
                $read { $($field: self.$field.load(Ordering::Relaxed),)* }
            }

            /// Counts what somebody else counted.
            pub fn add(&self, more: &$read) {
                $(self.$field.fetch_add(more.$field, Ordering::Relaxed);)*
            }
        }

        impl $read {
            /// What came since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &$read) -> $read {
                $read { $($field: self.$field.saturating_sub(earlier.$field),)* }
            }

            /// Both together.
            #[must_use]
            pub fn and(&self, other: &$read) -> $read {
                $read { $($field: self.$field.saturating_add(other.$field),)* }
            }
        }
    };
}

counters! {
    /// Of one replica.
    ReplicaMeter, ReplicaCounts {
        /// Requests answered.
        requests,
        /// Of these, with 5xx or a gRPC code that is the server's fault.
        failed,
        /// Of these, with 401 or 403 (gRPC 16 or 7).
        denied,
        /// Of these, with 429 (gRPC 8).
        throttled,
        /// Of these, for want of a worker.
        overloaded,
        /// From the first byte to the answer, all requests together, in ns.
        duration_ns,
        /// Waiting for a worker, all together, in ns.
        queued_ns,
        /// Calls to other services, each counted once …
        calls,
        /// … and each of their attempts.
        attempts,
        call_failures,
        breaker_opened,
        cache_hits,
        cache_misses,
        statements,
        /// Of all statements, without waiting for a connection.
        statement_ns,
        connection_wait_ns,
        connection_timeouts,
        published,
        consumed,
        /// Lines and spans that came out.
        lines,
        spans,
        /// Lines and spans that did not, because it was muted.
        muted,
        starts,
        out_of_memory_kills,
    }
}

counters! {
    /// Of the wire from one environment to another.
    LinkMeter, LinkCounts {
        connections,
        bytes,
        chunks,
        /// All chunks' delays together, in ns.
        delay_ns,
        lost,
        /// Chunks held back by a partition.
        blocked,
    }
}

counters! {
    /// Of the clients.
    LoadMeter, LoadCounts {
        journeys,
        requests,
        failed,
        throttled,
        /// From the intended start to the answer, all together, in ns.
        latency_ns,
        /// Journeys that were not begun because too many were under way.
        shed,
    }
}

/// `(service, replica)`.
pub type ReplicaKey = (String, u32);
/// `(from, to)`.
pub type LinkKey = (String, String);

/// All counters of a platform. Handles are fetched once and then counted on without a lock.
#[derive(Debug, Default)]
pub struct Meters {
    replicas: Mutex<BTreeMap<ReplicaKey, Arc<ReplicaMeter>>>,
    links: Mutex<BTreeMap<LinkKey, Arc<LinkMeter>>>,
    pub load: LoadMeter,
    /// Names that could not be resolved.
    pub dns_failures: AtomicU64,
}

/// All counters at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub replicas: BTreeMap<ReplicaKey, ReplicaCounts>,
    pub links: BTreeMap<LinkKey, LinkCounts>,
    pub load: LoadCounts,
    pub dns_failures: u64,
}

impl Meters {
    /// A replica that was replaced goes on counting where the one before it stopped.
    pub fn replica(&self, service: &str, replica: u32) -> Arc<ReplicaMeter> {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(replicas.entry((service.to_owned(), replica)).or_default())
    }

    pub fn link(&self, from: &str, to: &str) -> Arc<LinkMeter> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(links.entry((from.to_owned(), to.to_owned())).or_default())
    }

    pub fn read(&self) -> Reading {
        let replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        Reading {
            replicas: replicas
                .iter()
                .map(|(key, meter)| (key.clone(), meter.read()))
                .collect(),
            links: links
                .iter()
                .map(|(key, meter)| (key.clone(), meter.read()))
                .collect(),
            load: self.load.read(),
            dns_failures: self.dns_failures.load(Ordering::Relaxed),
        }
    }
}

impl Reading {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Reading) -> Reading {
        Reading {
            replicas: self
                .replicas
                .iter()
                .map(|(key, counts)| {
                    let before = earlier.replicas.get(key).copied().unwrap_or_default();
                    (key.clone(), counts.since(&before))
                })
                .collect(),
            links: self
                .links
                .iter()
                .map(|(key, counts)| {
                    let before = earlier.links.get(key).copied().unwrap_or_default();
                    (key.clone(), counts.since(&before))
                })
                .collect(),
            load: self.load.since(&earlier.load),
            dns_failures: self.dns_failures.saturating_sub(earlier.dns_failures),
        }
    }

    /// All replicas of a service together.
    pub fn service(&self, service: &str) -> ReplicaCounts {
        self.replicas
            .iter()
            .filter(|((name, _), _)| name == service)
            .fold(ReplicaCounts::default(), |sum, (_, counts)| sum.and(counts))
    }
}

/// Counts one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts `more`.
pub fn count_by(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_time_is_a_difference_of_readings() {
        let meters = Meters::default();
        let replica = meters.replica("cart", 0);
        count(&replica.requests);
        let before = meters.read();
        count_by(&replica.requests, 2);
        count(&meters.replica("cart", 1).requests);
        let did = meters.read().since(&before);
        assert_eq!(did.replicas[&("cart".to_owned(), 0)].requests, 2);
        assert_eq!(did.service("cart").requests, 3);
        assert_eq!(did.service("orders"), ReplicaCounts::default());
    }
}
