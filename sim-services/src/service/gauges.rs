//! What is read of a process now and then: its memory, by what its runtime calls it, and its pools of
//! connections.
//!
//! Names are those of OpenTelemetry's semantic conventions and of its collector's receivers. Runtimes
//! with an SDK tell of themselves; of other containers the node's agent knows how much of their limit
//! they use, and of what has a host of its own the host's agent, how much of its memory.

use std::time::Duration;

use super::Replica;
use super::family::Family;
use crate::clock::Moment;
use crate::telemetry::Gauge;

/// As scrapers are usually set.
pub(super) const EVERY: Duration = Duration::from_secs(15);
/// A collector runs when the young generation is full: so often, and then this share of what is free
/// was garbage.
const COLLECTIONS: Duration = Duration::from_secs(100);
const GARBAGE: f64 = 0.6;
const MB: f64 = 1_048_576.0;

type Attributes = Vec<(&'static str, String)>;

impl Replica {
    /// When it is read for the first time after `now`; replicas are not read all at once.
    pub(super) fn first_reading(&self, now: Moment) -> Moment {
        now + Duration::from_secs(u64::from(self.identity.replica) * 7 % EVERY.as_secs())
    }

    pub(super) fn tell_gauges(&self) {
        let now = self.clock.now();
        for (name, unit, value, attributes) in self.memory_gauges(now) {
            self.voice.gauge(Gauge {
                at: now,
                name,
                unit,
                value,
                attributes,
            });
        }
        if !self.plan.exports_spans {
            return;
        }
        for ((store, _), pool) in self.plan.stores.iter().zip(&self.pools) {
            let (busy, size) = (pool.busy(), pool.size());
            let of = |state: Option<&str>| {
                let state = state.map(|state| ("db.client.connection.state", state.to_owned()));
                let pool = ("db.client.connection.pool.name", store.clone());
                state.into_iter().chain([pool]).collect()
            };
            let count = "db.client.connection.count";
            for (name, value, attributes) in [
                (count, busy, of(Some("used"))),
                (count, size.saturating_sub(busy), of(Some("idle"))),
                ("db.client.connection.max", size, of(None)),
            ] {
                self.voice.gauge(Gauge {
                    at: now,
                    name,
                    unit: "{connection}",
                    value: f64::from(value),
                    attributes,
                });
            }
        }
    }

    fn memory_gauges(&self, now: Moment) -> Vec<(&'static str, &'static str, f64, Attributes)> {
        let limit = self.memory.limit_mb() * MB;
        let live = self.memory.share(now) * limit;
        let since = (now.0.rem_euclid(nanos(COLLECTIONS))) as f64 / nanos(COLLECTIONS) as f64;
        let used = live + GARBAGE * since * (limit - live);
        let told = self.plan.exports_spans;
        match self.plan.family {
            Family::Java if told => {
                let pool: Attributes = vec![
                    ("jvm.memory.type", "heap".to_owned()),
                    ("jvm.memory.pool.name", "G1 Old Gen".to_owned()),
                ];
                vec![
                    ("jvm.memory.used", "By", used, pool.clone()),
                    ("jvm.memory.used_after_last_gc", "By", live, pool.clone()),
                    ("jvm.memory.limit", "By", limit, pool),
                ]
            }
            Family::Node if told => {
                let space: Attributes = vec![("v8js.heap.space.name", "old_space".to_owned())];
                vec![
                    ("v8js.memory.heap.used", "By", live, space.clone()),
                    ("v8js.memory.heap.limit", "By", limit, space),
                ]
            }
            Family::Go if told => {
                let kind = |kind: &str| vec![("go.memory.type", kind.to_owned())];
                vec![
                    ("go.memory.used", "By", 0.98 * live, kind("other")),
                    ("go.memory.used", "By", 0.02 * live, kind("stack")),
                    ("go.memory.limit", "By", limit, Vec::new()),
                ]
            }
            _ => {
                let name = match self.identity.cluster {
                    Some(_) => "k8s.container.memory_limit_utilization",
                    None => "process.memory.utilization",
                };
                vec![(name, "1", live / limit, Vec::new())]
            }
        }
    }
}

fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}
