//! What faults say of themselves.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use sim_services::chaos::Experiment;
use sim_services::chaos::experiment::Placed;
use sim_services::chaos::measure::{Stretch, acted};
use sim_services::meter::{LinkCounts, Reading, ReplicaCounts};
use sim_services::topology::Topology;

fn placed(shop: &Topology, kind: &str, target: Value, parameters: Value) -> Placed {
    let fault = json!({ "kind": kind, "target": target, "parameters": parameters });
    let written = json!({ "metadata": { "name": "x" }, "spec": { "faults": [fault] } });
    let experiment: Experiment = serde_json::from_value(written).expect("an experiment");
    experiment
        .fit(shop, "")
        .expect("one that fits")
        .faults
        .remove(0)
}

struct Case {
    kind: &'static str,
    target: Value,
    parameters: Value,
    before: Reading,
    during: Reading,
}

impl Case {
    /// With nothing counted; all minutes are one long.
    fn new(kind: &'static str, target: Value, parameters: Value) -> Case {
        Case {
            kind,
            target,
            parameters,
            before: Reading::default(),
            during: Reading::default(),
        }
    }

    /// `count(counts, true)` fills in what was counted during the fault.
    fn at(mut self, service: &str, count: impl Fn(&mut ReplicaCounts, bool)) -> Case {
        for (reading, during) in [(&mut self.before, false), (&mut self.during, true)] {
            let key = (service.to_owned(), 0);
            count(reading.replicas.entry(key).or_default(), during);
        }
        self
    }

    fn on_link(mut self, from: &str, to: &str, count: impl Fn(&mut LinkCounts, bool)) -> Case {
        for (reading, during) in [(&mut self.before, false), (&mut self.during, true)] {
            let key = (from.to_owned(), to.to_owned());
            count(reading.links.entry(key).or_default(), during);
        }
        self
    }

    fn says(self, expected: Expect) {
        let shop = Topology::shop();
        let placed = placed(
            &shop,
            self.kind,
            self.target.clone(),
            self.parameters.clone(),
        );
        let minute = |did: &Reading| Stretch {
            did: did.clone(),
            length: Duration::from_secs(60),
        };
        let (before, during) = (minute(&self.before), minute(&self.during));
        let real = acted(&placed, &shop, &before, &during, 12);
        let untouched = acted(&placed, &shop, &before, &during, 0);
        assert!(!untouched.yes);
        // What was counted is the same as before: only some faults are there by their touch alone.
        let same = acted(&placed, &shop, &before, &before, 12);
        let text = format!(
            "{} {}\n{} without effect\n{}",
            if real.yes { "yes:" } else { "no:" },
            real.evidence,
            if same.yes { "yes" } else { "no" },
            untouched.evidence
        );
        expected.assert_eq(&text);
    }
}

fn requests(counts: &mut ReplicaCounts, millis: f64) {
    counts.requests = 240;
    counts.duration_ns = (240.0 * millis * 1e6) as u64;
}

#[test]
fn of_what_gets_slower() {
    let slower = |counts: &mut ReplicaCounts, during| {
        requests(counts, if during { 31.2 } else { 3.9 });
        counts.statements = 240;
        counts.statement_ns = if during { 6_000_000_000 } else { 480_000_000 };
    };
    let ledger = || json!({ "service": "ledger" });
    Case::new("latency", ledger(), json!({}))
        .at("ledger", slower)
        .says(expect![[r#"
            yes: mean latency of ledger 31 ms, 3.9 ms before
            no without effect
            did not act: no request reached ledger"#]]);
    Case::new("database-slow", ledger(), json!({}))
        .at("ledger", slower)
        .says(expect![[r#"
            yes: mean latency of ledger 31 ms, 3.9 ms before; its statements 25 ms, 2.0 ms before
            no without effect
            did not act: no request reached ledger"#]]);
    Case::new(
        "planned-batch",
        json!({ "environment": "on-prem" }),
        json!({}),
    )
    .at("ledger", slower)
    .says(expect![[r#"
        yes: its statements 25 ms, 2.0 ms before
        yes without effect
        did not act: no request reached ledger"#]]);
    Case::new("pool-exhaustion", ledger(), json!({}))
        .at("ledger", |counts, during| {
            counts.statements = 200;
            counts.connection_timeouts = if during { 40 } else { 0 };
            counts.connection_wait_ns = if during { 40_000_000_000 } else { 2_000_000 };
        })
        .says(expect![[r#"
            yes: 40 statements of ledger waited in vain for a connection, mean wait 167 ms, 0.0 ms before
            no without effect
            did not act: no request reached ledger"#]]);
    Case::new("memory-leak", ledger(), json!({}))
        .at("ledger", |counts, during| {
            counts.out_of_memory_kills = u64::from(during) * 2
        })
        .says(expect![[r#"
            yes: a replica of ledger ran out of memory 2 times
            no without effect
            did not act: no request reached ledger"#]]);
    Case::new("configuration-change", ledger(), json!({ "workers": 1 }))
        .at("ledger", |counts, during| {
            requests(counts, 5.0);
            counts.queued_ns = if during { 8_400_000_000 } else { 2_400_000 };
        })
        .says(expect![[r#"
            yes: mean wait for a worker of ledger 35 ms, 0.0 ms before; 0 requests turned away
            no without effect
            did not act: no request reached ledger"#]]);
}

#[test]
fn of_what_fails() {
    let failing = |counts: &mut ReplicaCounts, during| {
        requests(counts, 4.0);
        counts.failed = if during { 123 } else { 1 };
        counts.denied = if during { 99 } else { 0 };
        counts.throttled = if during { 88 } else { 0 };
        counts.calls = 240;
        counts.call_failures = if during { 200 } else { 0 };
        counts.attempts = if during { 700 } else { 250 };
        counts.starts = u64::from(during) * 2;
    };
    let at = |kind, parameters| {
        Case::new(kind, json!({ "service": "payments" }), parameters)
            .at("payments", failing)
            .at("checkout", failing)
    };
    at("error-burst", json!({})).says(expect![[r#"
        yes: 123 of 240 requests to payments failed, 0.4 % before
        no without effect
        did not act: no request reached payments"#]]);
    at("authentication-failure", json!({})).says(expect![[r#"
        yes: 99 of 240 requests to payments denied, 0 % before
        no without effect
        did not act: no request reached payments"#]]);
    at("rate-limiting", json!({})).says(expect![[r#"
        yes: 88 of 240 requests to payments throttled, 0 % before
        no without effect
        did not act: no request reached payments"#]]);
    at("bad-deployment", json!({})).says(expect![[r#"
        yes: 123 of 240 requests to payments failed, 0.4 % before; mean latency of payments 4.0 ms, 4.0 ms before
        no without effect
        did not act: no request reached payments"#]]);
    at("benign-deployment", json!({})).says(expect![[r#"
        yes: 2 replicas of payments began anew for version 12.4.2
        no without effect
        did not act: no replica of payments was replaced"#]]);
    at("retry-storm", json!({})).says(expect![[r#"
        yes: attempts per call of checkout and orders 2.9, 1.0 before
        no without effect
        did not act: no request reached payments"#]]);
    at(
        "configuration-change",
        json!({ "callee": "ledger", "timeout": "5ms" }),
    )
    .says(expect![[r#"
        yes: 83 % of the calls of payments failed, 0 % before
        no without effect
        did not act: no request reached payments"#]]);
    at("certificate-expiry", json!({})).says(expect![[r#"
        yes: 12 connections met the expired certificate; requests answered by payments 4.0/s, 4.0/s before
        no without effect
        did not act: no connection was tried to payments"#]]);
    Case::new(
        "partial-failure",
        json!({ "service": "payments", "replica": 0 }),
        json!({}),
    )
    .at("payments", failing)
    .says(expect![[r#"
        yes: 123 of 240 requests to replica 0 of payments failed, 0.4 % before
        no without effect
        did not act: no request reached replica 0 of payments"#]]);
}

#[test]
fn of_what_stops() {
    let stopping = |counts: &mut ReplicaCounts, during: bool| {
        requests(counts, 4.0);
        counts.requests /= if during { 30 } else { 1 };
        counts.consumed = if during { 3 } else { 240 };
        counts.cache_hits = if during { 0 } else { 60 };
        counts.cache_misses = 40;
        counts.lines = if during { 9_000 } else { 500 };
        counts.muted = u64::from(during) * 1_204;
    };
    let at = |kind, service: &str| {
        Case::new(kind, json!({ "service": service }), json!({})).at(service, stopping)
    };
    at("dependency-down", "catalog").says(expect![[r#"
        yes: requests answered by catalog 0.1/s, 4.0/s before
        no without effect
        did not act: no connection was tried to catalog"#]]);
    at("consumer-stopped", "shipping").says(expect![[r#"
        yes: messages taken by shipping 0.1/s, 4.0/s before
        no without effect
        did not act: no message waited for shipping"#]]);
    at("cache-failure", "catalog").says(expect![[r#"
        yes: hit ratio of catalog 0 %, 60 % before
        no without effect
        did not act: no request reached catalog"#]]);
    at("service-silent", "catalog").says(expect![[r#"
        yes: 1204 lines and spans of catalog did not come out, 9000 did
        no without effect
        did not act: no line came from catalog"#]]);
    at("log-flood", "catalog").says(expect![[r#"
        yes: lines of catalog 150.0/s, 8.3/s before
        no without effect
        did not act: no line came from catalog"#]]);
    at("clock-skew", "catalog").says(expect![[r#"
        yes: 12 lines of catalog bore a time up to +90 s off
        yes without effect
        did not act: no line came from catalog"#]]);
    at("log-format-change", "catalog").says(expect![[r#"
        yes: 12 lines of catalog came as zap
        yes without effect
        did not act: no line came from catalog"#]]);
    let mut names = at("dns-failure", "catalog");
    names.during.dns_failures = 77;
    names.says(expect![[r#"
        yes: 77 look-ups failed, 0 before; requests answered by catalog 0.1/s, 4.0/s before
        no without effect
        did not act: no connection was tried to catalog"#]]);
}

#[test]
fn of_wires_and_clients() {
    let wire = |kind| {
        let target = json!({ "environment": "cloud-a" });
        Case::new(kind, target, json!({ "to": "on-prem" })).on_link(
            "on-prem",
            "cloud-a",
            |counts, during| {
                counts.chunks = 1_000;
                counts.bytes = 600_000;
                counts.delay_ns = if during {
                    130_000_000_000
                } else {
                    9_000_000_000
                };
                counts.lost = if during { 101 } else { 3 };
                counts.blocked = u64::from(during) * 31;
            },
        )
    };
    wire("link-latency").says(expect![[r#"
        yes: mean delay between cloud-a and on-prem 130 ms, 9.0 ms before
        no without effect
        did not act: nothing was sent between cloud-a and on-prem"#]]);
    wire("link-loss").says(expect![[r#"
        yes: 10 % lost between cloud-a and on-prem, 0.3 % before
        no without effect
        did not act: nothing was sent between cloud-a and on-prem"#]]);
    wire("partition").says(expect![[r#"
        yes: 31 chunks held back between cloud-a and on-prem, 10000 bytes/s went through, 10000 before
        no without effect
        did not act: nothing was sent between cloud-a and on-prem"#]]);
    let mut surge = Case::new("traffic-surge", json!({}), json!({}));
    surge.before.load.journeys = 1_200;
    surge.during.load.journeys = 9_000;
    surge.says(expect![[r#"
        yes: 150.0 journeys a second, 20.0 before
        no without effect
        did not act: no client would have come"#]]);
    let mut drop = Case::new("traffic-drop", json!({}), json!({}));
    drop.before.load.journeys = 1_200;
    drop.during.load.journeys = 240;
    drop.says(expect![[r#"
        yes: 4.0 journeys a second, 20.0 before
        no without effect
        did not act: no client would have come"#]]);
}
