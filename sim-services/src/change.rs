//! What is different from a good day: changes to services, wires and load, and whom they touch.
//!
//! Faults are made of these. The mesh, the links and the load each look for their own in the
//! published [`Conditions`] and mark in a change's [`Touch`] what it did; nothing here knows why.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::random::{Dist, length};
use crate::topology::{Dialect, Level};

/// Where a change applies; what is not said applies to all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Of the clients' ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Only replicas of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One thing that is different. Ratios are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    // Requests at a service.
    /// The worker is held for so much longer.
    Delay(Dist),
    /// `work` steps take so many times as long.
    WorkFactor(f64),
    /// A share of the requests is answered so, at once.
    Fail {
        ratio: f64,
        /// HTTP's; a gRPC service answers with the code that corresponds.
        status: u16,
        /// `error.type` and the logged exception.
        error: String,
    },
    /// Nothing listens.
    Down,
    /// It works, but its logs and spans do not come out.
    Mute,
    /// So many workers instead.
    Workers(u32),
    // What a service leans on.
    /// Statements take so many times as long.
    StoreFactor {
        store: String,
        factor: f64,
    },
    /// Somebody else holds every lock of the store for so long, again and again.
    StoreLock {
        store: String,
        held: Dist,
    },
    /// So many connections are left in the pool.
    Connections {
        store: String,
        left: u32,
    },
    /// Every look-up misses.
    CacheOff {
        cache: String,
    },
    /// Emptied once, when it comes on.
    CacheFlush {
        cache: String,
    },
    // How it calls others: `callee` of the target's calls, all when empty.
    Retries {
        callee: String,
        attempts: u32,
        #[serde(with = "length")]
        backoff: Duration,
    },
    CallTimeout {
        callee: String,
        #[serde(with = "length")]
        timeout: Duration,
    },
    // The process.
    /// Memory grows; requests slow down as it gets scarce; at the limit the replica is killed.
    Leak {
        mb_per_second: f64,
    },
    /// Replicas are replaced one after the other by this version; back when the change ends.
    Version(String),
    /// Replicas log that they read a new configuration; what it does is another change.
    ConfigReloaded {
        key: String,
        value: String,
    },
    LogFlood {
        lines_per_second: f64,
    },
    LogDialect(Dialect),
    LogLevel(Level),
    /// Its clock is off by so much more.
    ClockSkew {
        millis: i64,
    },
    /// Shows a certificate that has expired.
    CertificateExpired,
    /// No more queue messages are taken.
    StopConsuming,
    // The wire between the target's environment and `to`, both ways; all others when empty.
    Link {
        to: String,
        #[serde(with = "length")]
        latency: Duration,
        #[serde(with = "length")]
        jitter: Duration,
        loss: f64,
        /// Nothing gets through.
        partition: bool,
        megabits_per_second: Option<f64>,
    },
    /// The target's name cannot be resolved, in a share of the attempts.
    DnsFailure {
        ratio: f64,
    },
    // Clients.
    /// So many times as many journeys (or those of a class, when not empty).
    Load {
        factor: f64,
        clients: String,
    },
}

/// What a change has done so far.
#[derive(Debug)]
pub struct Touch {
    first: AtomicI64,
    last: AtomicI64,
    count: AtomicU64,
}

impl Default for Touch {
    fn default() -> Touch {
        Touch {
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
            count: AtomicU64::new(0),
        }
    }
}

impl Touch {
    /// It affected a request, a connection, a line or an arrival at `now`.
    pub fn mark(&self, now: Moment) {
        self.first.fetch_min(now.0, Ordering::Relaxed);
        self.last.fetch_max(now.0, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// What somebody else saw of it: the first, the last, and how many.
    pub fn absorb(&self, first: Moment, last: Moment, count: u64) {
        if count > 0 {
            self.first.fetch_min(first.0, Ordering::Relaxed);
            self.last.fetch_max(last.0, Ordering::Relaxed);
            self.count.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub fn first(&self) -> Option<Moment> {
        (self.count() > 0).then(|| Moment(self.first.load(Ordering::Relaxed)))
    }

    pub fn last(&self) -> Option<Moment> {
        (self.count() > 0).then(|| Moment(self.last.load(Ordering::Relaxed)))
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// A change that is on.
#[derive(Clone, Debug)]
pub struct Active {
    /// The same for as long as it is on, also when its strength changes.
    pub id: u64,
    pub target: Target,
    pub change: Change,
    pub touch: Arc<Touch>,
}

/// All that is on; a new one is published with `tokio::sync::watch` whenever anything changes.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Vec<Active>);

/// Who is asked whether a target means them.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub service: &'a str,
    pub environment: &'a str,
    pub replica: u32,
    pub version: &'a str,
}

impl Target {
    /// Whether it means this replica; route, client and tenant are the request's matter.
    pub fn covers(&self, place: &Place<'_>) -> bool {
        let is =
            |wanted: &Option<String>, got: &str| wanted.as_ref().is_none_or(|wanted| wanted == got);
        is(&self.service, place.service)
            && is(&self.environment, place.environment)
            && is(&self.version, place.version)
            && self.replica.is_none_or(|wanted| wanted == place.replica)
    }

    /// Whether it means this request, given that it means the replica.
    pub fn covers_request(&self, route: &str, client: Option<&str>, tenant: Option<&str>) -> bool {
        self.route.as_ref().is_none_or(|wanted| wanted == route)
            && (self.client.is_none() || self.client.as_deref() == client)
            && (self.tenant.is_none() || self.tenant.as_deref() == tenant)
    }
}

/// `ledger in on-prem, replica 1, POST /entries`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match (&self.service, &self.environment) {
            (Some(service), Some(environment)) => parts.push(format!("{service} in {environment}")),
            (Some(service), None) => parts.push(service.clone()),
            (None, Some(environment)) => parts.push(environment.clone()),
            (None, None) => {}
        }
        parts.extend(self.replica.map(|replica| format!("replica {replica}")));
        parts.extend(
            self.version
                .as_ref()
                .map(|version| format!("version {version}")),
        );
        parts.extend(self.route.clone());
        parts.extend(
            self.client
                .as_ref()
                .map(|client| format!("client {client}")),
        );
        parts.extend(
            self.tenant
                .as_ref()
                .map(|tenant| format!("tenant {tenant}")),
        );
        if parts.is_empty() {
            parts.push("everything".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_does_not_say_applies_to_all() {
        let place = Place {
            service: "ledger",
            environment: "on-prem",
            replica: 1,
            version: "2.0.1",
        };
        let target = Target {
            service: Some("ledger".into()),
            ..Target::default()
        };
        assert!(target.covers(&place));
        assert!(target.covers_request("POST /entries", None, None));
        assert!(
            !Target {
                replica: Some(0),
                ..target.clone()
            }
            .covers(&place)
        );
        let narrow = Target {
            tenant: Some("acme".into()),
            ..target
        };
        assert!(!narrow.covers_request("POST /entries", None, None));
        assert!(narrow.covers_request("POST /entries", None, Some("acme")));
        assert_eq!(narrow.to_string(), "ledger, tenant acme");
    }

    #[test]
    fn a_touch_remembers_the_first_and_the_last() {
        let touch = Touch::default();
        assert_eq!((touch.first(), touch.last()), (None, None));
        for at in [20, 10, 30] {
            touch.mark(Moment(at));
        }
        assert_eq!(touch.first(), Some(Moment(10)));
        assert_eq!(touch.last(), Some(Moment(30)));
        assert_eq!(touch.count(), 3);
    }
}
