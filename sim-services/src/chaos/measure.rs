//! Whether a fault acted, by its own measure on its target.
//!
//! It compares what the platform counted while the fault was on with what it counted in
//! undisturbed time before. A fault that touched nothing did not act, whatever the counters say.

mod counted;
mod words;

use std::time::Duration;

use counted::Counted;
use words::{Times, each, millis, percent};

use super::experiment::Placed;
use super::kind::{Fault, needs::linked};
use crate::meter::{Reading, ReplicaCounts};
use crate::topology::Topology;
use crate::truth::Acted;

/// What happened in some stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// The difference of two readings.
    pub did: Reading,
    pub length: Duration,
}

/// Whether a fault acted that touched so many requests, connections, lines or arrivals.
pub fn acted(
    placed: &Placed,
    topology: &Topology,
    before: &Stretch,
    during: &Stretch,
    touched: u64,
) -> Acted {
    if touched == 0 {
        return Acted {
            yes: false,
            evidence: format!("did not act: {}", nothing(placed, topology)),
        };
    }
    let measure = Measure {
        placed,
        topology,
        before: Counted::new(placed, topology, before),
        during: Counted::new(placed, topology, during),
        touched,
    };
    let (yes, evidence) = measure.judge();
    Acted { yes, evidence }
}

/// What did not happen that it could have touched.
fn nothing(placed: &Placed, topology: &Topology) -> String {
    let who = counted::who(placed, topology);
    match placed.fault {
        Fault::ServiceSilent {}
        | Fault::ClockSkew { .. }
        | Fault::LogFlood { .. }
        | Fault::LogFormatChange { .. } => format!("no line came from {who}"),
        Fault::DependencyDown {} | Fault::DnsFailure { .. } | Fault::CertificateExpiry {} => {
            format!("no connection was tried to {who}")
        }
        Fault::ConsumerStopped {} => format!("no message waited for {who}"),
        Fault::LinkLatency { .. } | Fault::LinkLoss { .. } | Fault::Partition { .. } => {
            format!("nothing was sent between {who}")
        }
        Fault::TrafficSurge { .. } | Fault::TrafficDrop { .. } | Fault::MarketingPeak { .. } => {
            "no client would have come".to_owned()
        }
        Fault::BenignDeployment { .. } => format!("no replica of {who} was replaced"),
        _ => format!("no request reached {who}"),
    }
}

struct Measure<'a> {
    placed: &'a Placed,
    topology: &'a Topology,
    before: Counted,
    during: Counted,
    touched: u64,
}

impl Measure<'_> {
    fn judge(&self) -> (bool, String) {
        match &self.placed.fault {
            Fault::Latency { .. }
            | Fault::SlowRamp { .. }
            | Fault::LockContention { .. }
            | Fault::CpuContention { .. } => self.slower(),
            Fault::DatabaseSlow { .. } => {
                let (_, latency) = self.slower();
                let (yes, statements) = self.statements(1.2);
                (yes, format!("{latency}; {statements}"))
            }
            // It is within what is usual: the touch alone says that it was there.
            Fault::PlannedBatch { .. } => (true, self.statements(1.0).1),
            Fault::ErrorBurst { status, .. }
            | Fault::PartialFailure { status, .. }
            | Fault::AuthenticationFailure { status, .. } => self.refused(*status),
            Fault::RateLimiting { .. } => self.refused(429),
            Fault::DependencyDown {} => self.fewer(),
            Fault::PoolExhaustion { .. } => self.pool(),
            Fault::RetryStorm { .. } => self.retries(),
            Fault::CacheFailure { .. } | Fault::CacheStampede { .. } => self.cache(),
            Fault::MemoryLeak { .. } => self.memory(),
            Fault::BadDeployment { .. } => {
                let (failed, failures) = self.refused(500);
                let (slower, latency) = self.slower();
                (failed || slower, format!("{failures}; {latency}"))
            }
            Fault::ConfigurationChange { workers: None, .. } => self.calls_failed(),
            Fault::ConfigurationChange { .. } => self.queued(),
            Fault::TrafficSurge { .. } | Fault::MarketingPeak { .. } => self.arrivals(Times::More),
            Fault::TrafficDrop { .. } => self.arrivals(Times::Fewer),
            Fault::ServiceSilent {} => self.muted(),
            Fault::ConsumerStopped {} => self.consumed(),
            Fault::LinkLatency { .. } => self.link_delay(),
            Fault::LinkLoss { .. } => self.link_loss(),
            Fault::Partition { .. } => self.link_blocked(),
            Fault::DnsFailure { .. } => self.names(),
            Fault::CertificateExpiry {} => {
                let (fewer, answered) = self.fewer();
                let connections = each(self.touched, "connection");
                let (failed, _) = self.callers_failed();
                (
                    fewer || failed,
                    format!("{connections} met the expired certificate; {answered}"),
                )
            }
            Fault::ClockSkew { millis } => {
                let lines = each(self.touched, "line");
                let off = *millis as f64 / 1_000.0;
                (
                    true,
                    format!("{lines} of {} bore a time up to {off:+} s off", self.who()),
                )
            }
            Fault::LogFlood { .. } => self.lines(),
            Fault::LogFormatChange { dialect } => {
                let lines = each(self.touched, "line");
                let dialect = serde_json::to_string(dialect).unwrap_or_default();
                let dialect = dialect.trim_matches('"');
                (true, format!("{lines} of {} came as {dialect}", self.who()))
            }
            Fault::BenignDeployment { version } => {
                let version = version.as_deref().unwrap_or_default();
                let starts = each(self.during.target.starts, "replica");
                let yes = self.during.target.starts > 0;
                (
                    yes,
                    format!(
                        "{starts} of {} began anew for version {version}",
                        self.who()
                    ),
                )
            }
        }
    }

    fn who(&self) -> String {
        counted::who(self.placed, self.topology)
    }

    fn pair(&self, of: impl Fn(&Counted) -> f64) -> (f64, f64) {
        (of(&self.during), of(&self.before))
    }

    fn slower(&self) -> (bool, String) {
        let mean = |counts: &ReplicaCounts| ratio(counts.duration_ns, counts.requests);
        let (now, before) = self.pair(|counted| mean(&counted.target));
        let said = format!(
            "mean latency of {} {}, {} before",
            self.who(),
            millis(now),
            millis(before)
        );
        (now > before * 1.1, said)
    }

    fn statements(&self, times: f64) -> (bool, String) {
        let mean = |counts: &ReplicaCounts| ratio(counts.statement_ns, counts.statements);
        let (now, before) = self.pair(|counted| mean(&counted.target));
        let said = format!("its statements {}, {} before", millis(now), millis(before));
        (now > before * times, said)
    }

    fn refused(&self, status: u16) -> (bool, String) {
        let (which, verb) = match status {
            401 | 403 => (
                (|counts| counts.denied) as fn(&ReplicaCounts) -> u64,
                "denied",
            ),
            429 => (
                (|counts| counts.throttled) as fn(&ReplicaCounts) -> u64,
                "throttled",
            ),
            400..500 => {
                let requests = each(self.touched, "request");
                return (
                    true,
                    format!("{requests} to {} answered with {status}", self.who()),
                );
            }
            _ => (
                (|counts| counts.failed) as fn(&ReplicaCounts) -> u64,
                "failed",
            ),
        };
        let (now, before) = (&self.during.target, &self.before.target);
        let share = |counts: &ReplicaCounts| ratio(which(counts), counts.requests);
        let said = format!(
            "{} of {} to {} {verb}, {} before",
            which(now),
            each(now.requests, "request"),
            self.who(),
            percent(share(before)),
        );
        (which(now) > 0 && share(now) > share(before), said)
    }

    fn fewer(&self) -> (bool, String) {
        let (now, before) = self.pair(|counted| counted.rate(counted.target.requests));
        let said = format!(
            "requests answered by {} {now:.1}/s, {before:.1}/s before",
            self.who()
        );
        (now < before * 0.5 || before == 0.0, said)
    }

    fn pool(&self) -> (bool, String) {
        let (now, before) = (&self.during.target, &self.before.target);
        let wait = |counts: &ReplicaCounts| {
            ratio(
                counts.connection_wait_ns,
                counts.statements + counts.connection_timeouts,
            )
        };
        let said = format!(
            "{} of {} waited in vain for a connection, mean wait {}, {} before",
            each(now.connection_timeouts, "statement"),
            self.who(),
            millis(wait(now)),
            millis(wait(before)),
        );
        (
            now.connection_timeouts > 0 || wait(now) > wait(before) * 2.0,
            said,
        )
    }

    fn retries(&self) -> (bool, String) {
        let (now, before) =
            self.pair(|counted| ratio(counted.callers.attempts, counted.callers.calls));
        let callers = self.during.caller_names.join(" and ");
        let said = format!("attempts per call of {callers} {now:.1}, {before:.1} before");
        (now > before * 1.1, said)
    }

    fn cache(&self) -> (bool, String) {
        let hits = |counts: &ReplicaCounts| {
            ratio(counts.cache_hits, counts.cache_hits + counts.cache_misses)
        };
        let (now, before) = self.pair(|counted| hits(&counted.target));
        let said = format!(
            "hit ratio of {} {}, {} before",
            self.who(),
            percent(now),
            percent(before)
        );
        (now < before * 0.95, said)
    }

    fn memory(&self) -> (bool, String) {
        let kills = self.during.target.out_of_memory_kills;
        if kills > 0 {
            let replicas = each(kills, "time");
            return (
                true,
                format!("a replica of {} ran out of memory {replicas}", self.who()),
            );
        }
        let (slower, latency) = self.slower();
        (
            slower,
            format!("no replica of {} was killed; {latency}", self.who()),
        )
    }

    fn calls_failed(&self) -> (bool, String) {
        let share = |counts: &ReplicaCounts| ratio(counts.call_failures, counts.calls);
        let (now, before) = self.pair(|counted| share(&counted.target));
        let said = format!(
            "{} of the calls of {} failed, {} before",
            percent(now),
            self.who(),
            percent(before)
        );
        (now > before, said)
    }

    fn callers_failed(&self) -> (bool, String) {
        let share = |counts: &ReplicaCounts| ratio(counts.call_failures, counts.calls);
        let (now, before) = self.pair(|counted| share(&counted.callers));
        (
            now > before,
            format!("{} of its callers' calls failed", percent(now)),
        )
    }

    fn queued(&self) -> (bool, String) {
        let (now, before) = (&self.during.target, &self.before.target);
        let wait = |counts: &ReplicaCounts| ratio(counts.queued_ns, counts.requests);
        let said = format!(
            "mean wait for a worker of {} {}, {} before; {} turned away",
            self.who(),
            millis(wait(now)),
            millis(wait(before)),
            each(now.overloaded, "request"),
        );
        // A hundredth of a millisecond is nobody's wait.
        let slower = wait(now) > (wait(before) * 1.5).max(10_000.0);
        (slower || now.overloaded > before.overloaded, said)
    }

    fn arrivals(&self, times: Times) -> (bool, String) {
        let (now, before) = self.pair(|counted| counted.rate(counted.load.journeys));
        let said = format!("{now:.1} journeys a second, {before:.1} before");
        let yes = match times {
            Times::More => now > before * 1.05,
            Times::Fewer => now < before * 0.95,
        };
        (yes, said)
    }

    fn muted(&self) -> (bool, String) {
        let counts = &self.during.target;
        let said = format!(
            "{} and spans of {} did not come out, {} did",
            each(counts.muted, "line"),
            self.who(),
            counts.lines + counts.spans,
        );
        (counts.muted > 0, said)
    }

    fn consumed(&self) -> (bool, String) {
        let (now, before) = self.pair(|counted| counted.rate(counted.target.consumed));
        let said = format!(
            "messages taken by {} {now:.1}/s, {before:.1}/s before",
            self.who()
        );
        (now < before * 0.5 || before == 0.0, said)
    }

    fn link_delay(&self) -> (bool, String) {
        let (now, before) = self.pair(|counted| ratio(counted.link.delay_ns, counted.link.chunks));
        let said = format!(
            "mean delay between {} {}, {} before",
            self.who(),
            millis(now),
            millis(before)
        );
        (now > before * 1.1, said)
    }

    fn link_loss(&self) -> (bool, String) {
        let (now, before) = self.pair(|counted| ratio(counted.link.lost, counted.link.chunks));
        let said = format!(
            "{} lost between {}, {} before",
            percent(now),
            self.who(),
            percent(before)
        );
        (now > before, said)
    }

    fn link_blocked(&self) -> (bool, String) {
        let blocked = each(self.during.link.blocked, "chunk");
        let (now, before) = self.pair(|counted| counted.rate(counted.link.bytes));
        let said = format!(
            "{blocked} held back between {}, {now:.0} bytes/s went through, {before:.0} before",
            self.who()
        );
        (self.during.link.blocked > 0 || now < before * 0.5, said)
    }

    fn names(&self) -> (bool, String) {
        let (now, before) = (self.during.dns_failures, self.before.dns_failures);
        let (fewer, answered) = self.fewer();
        let lookups = each(now, "look-up");
        (
            now > before || fewer,
            format!("{lookups} failed, {before} before; {answered}"),
        )
    }

    fn lines(&self) -> (bool, String) {
        let (now, before) = self.pair(|counted| counted.rate(counted.target.lines));
        let said = format!("lines of {} {now:.1}/s, {before:.1}/s before", self.who());
        (now > before * 1.2, said)
    }
}

/// Nothing of nothing is 0.
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// Both ends of the links that a fault is on: `cloud-b and on-prem`.
fn ends(placed: &Placed, topology: &Topology) -> Option<(String, Vec<String>)> {
    let to = match &placed.fault {
        Fault::LinkLatency { to, .. } | Fault::LinkLoss { to, .. } | Fault::Partition { to } => to,
        _ => return None,
    };
    let from = placed.target.environment.clone().unwrap_or_default();
    let to = if to.is_empty() {
        linked(topology, &from)
    } else {
        vec![to.clone()]
    };
    Some((from, to))
}
