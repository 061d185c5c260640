//! Runs told in seconds: what happened and what was said.
//!
//! A run is an hour; the first 100 s of it are learning. The platform has 24 Apis.

use sim_services::change::Target;
use sim_services::clock::Moment;
use sim_services::truth::{Acted, Cause, FaultTruth, Said, Statement, Suspect, Timeline};

/// So that times of day are easy to read.
const START: i64 = 1_767_265_200; // 2026-01-01 11:00 UTC

pub(super) fn at(secs: f64) -> Moment {
    Moment::from_secs(START).shifted((secs * 1e9).round() as i64)
}

pub(super) fn run(faults: Vec<FaultTruth>) -> Timeline {
    Timeline {
        topology: "shop".into(),
        seed: 1,
        virtual_time: true,
        started: at(0.0),
        judged_from: at(100.0),
        ended: at(3600.0),
        apis: (0..24)
            .map(|index| ("cloud-a".into(), "web".into(), format!("GET /{index}")))
            .collect(),
        faults,
    }
}

/// Of the ledger, which payments and the edge call; it bites as soon as it starts.
pub(super) fn fault(id: &str, from: f64, to: f64) -> FaultTruth {
    FaultTruth {
        id: id.into(),
        experiment: "database-slow".into(),
        kind: "database-slow".into(),
        description: "The ledger's database answers slowly.".into(),
        targets: vec![Target {
            service: Some("ledger".into()),
            ..Target::default()
        }],
        benign: false,
        ramp: false,
        cause: Cause {
            service: Some("ledger".into()),
            environment: Some("on-prem".into()),
            also: Vec::new(),
        },
        symptoms: ["ledger", "payments", "edge"].map(String::from).to_vec(),
        started: at(from),
        full: at(from),
        ended: at(to),
        first_affected: Some(at(from)),
        last_affected: Some(at(to)),
        affected: 250,
        breached: None,
        acted: Acted {
            yes: true,
            evidence: "mean latency of ledger 31 ms, 3.9 ms before".into(),
        },
    }
}

pub(super) fn with(fault: FaultTruth, change: impl FnOnce(&mut FaultTruth)) -> FaultTruth {
    let mut fault = fault;
    change(&mut fault);
    fault
}

/// Of search, which only the edge calls.
pub(super) fn at_search(fault: FaultTruth) -> FaultTruth {
    with(fault, |fault| {
        fault.kind = "error-burst".into();
        fault.experiment = "error-burst".into();
        fault.description = "Search fails now and then.".into();
        fault.targets[0].service = Some("search".into());
        fault.cause.service = Some("search".into());
        fault.cause.environment = Some("cloud-b".into());
        fault.symptoms = vec!["search".into(), "edge".into()];
    })
}

pub(super) fn benign(fault: FaultTruth) -> FaultTruth {
    with(fault, |fault| {
        fault.kind = "deployment".into();
        fault.experiment = "quiet-deployment".into();
        fault.description = "A new version with nothing wrong in it.".into();
        fault.benign = true;
    })
}

/// Did nothing.
pub(super) fn idle(fault: FaultTruth) -> FaultTruth {
    with(fault, |fault| {
        fault.acted = Acted {
            yes: false,
            evidence: "no request met it".into(),
        };
        fault.first_affected = None;
        fault.last_affected = None;
        fault.affected = 0;
    })
}

fn said(secs: f64, what: Statement) -> Said {
    Said { at: at(secs), what }
}

fn environment(service: &str) -> String {
    match service {
        "ledger" | "payments" | "inventory" => "on-prem",
        "search" | "catalog" => "cloud-b",
        _ => "cloud-a",
    }
    .into()
}

pub(super) fn anomaly(secs: f64, id: &str, service: &str) -> Said {
    said(
        secs,
        Statement::Anomaly {
            id: id.into(),
            service: service.into(),
            environment: environment(service),
            what: "latency 8 times above its band".into(),
        },
    )
}

pub(super) fn anomaly_over(secs: f64, id: &str) -> Said {
    said(secs, Statement::AnomalyOver { id: id.into() })
}

pub(super) fn page(secs: f64, id: &str, service: &str) -> Said {
    said(
        secs,
        Statement::Page {
            id: id.into(),
            service: service.into(),
            environment: environment(service),
            summary: format!("{service} is slow"),
        },
    )
}

pub(super) fn page_over(secs: f64, id: &str) -> Said {
    said(secs, Statement::PageOver { id: id.into() })
}

pub(super) fn incident(secs: f64, id: &str, services: &[&str], suspects: &[&str]) -> Said {
    said(
        secs,
        Statement::Incident {
            id: id.into(),
            services: services.iter().copied().map(String::from).collect(),
            suspects: suspects
                .iter()
                .map(|service| Suspect {
                    service: (*service).into(),
                    environment: environment(service),
                    between: false,
                    why: "it was slow first".into(),
                })
                .collect(),
        },
    )
}

pub(super) fn incident_over(secs: f64, id: &str) -> Said {
    said(secs, Statement::IncidentOver { id: id.into() })
}

pub(super) fn risk(secs: f64, id: &str, service: &str, expected: f64) -> Said {
    said(
        secs,
        Statement::Risk {
            id: id.into(),
            service: service.into(),
            environment: environment(service),
            expected: at(expected),
            probability: 0.8,
        },
    )
}

/// A run with one of each: found well, missed, predicted, on a wire, benign, idle and overlapping.
pub(super) fn campaign() -> (Timeline, Vec<Said>) {
    let faults = vec![
        fault("01-database-slow", 300.0, 420.0),
        at_search(fault("02-error-burst", 600.0, 660.0)),
        with(fault("03-memory-leak", 900.0, 1500.0), |leak| {
            leak.kind = "memory-leak".into();
            leak.description = "Payments leak memory until they are killed.".into();
            leak.ramp = true;
            leak.targets[0].service = Some("payments".into());
            leak.targets[0].environment = Some("on-prem".into());
            leak.cause.service = Some("payments".into());
            leak.symptoms = vec!["payments".into(), "edge".into()];
            leak.full = at(1500.0);
            leak.breached = Some(at(1380.0));
        }),
        benign(fault("04-deployment", 1700.0, 1820.0)),
        with(benign(fault("05-marketing-peak", 2000.0, 2200.0)), |peak| {
            peak.kind = "marketing-peak".into();
            peak.description = "Three times as many visitors, as planned.".into();
            peak.targets = vec![Target::default()];
            peak.full = at(2060.0);
            peak.symptoms = vec!["edge".into(), "web".into()];
        }),
        with(fault("06-partition", 2400.0, 2460.0), |partition| {
            partition.kind = "partition".into();
            partition.description = "Nothing gets from cloud-a to the data centre.".into();
            partition.targets = vec![Target {
                environment: Some("on-prem".into()),
                ..Target::default()
            }];
            partition.cause = Cause {
                service: None,
                environment: Some("on-prem".into()),
                also: vec!["checkout".into()],
            };
            partition.symptoms = vec!["checkout".into(), "payments".into(), "edge".into()];
        }),
        idle(at_search(fault("07-dns-failure", 2700.0, 2760.0))),
        fault("08-lock-contention", 3000.0, 3200.0),
        at_search(fault("09-error-burst", 3100.0, 3160.0)),
    ];
    let said = vec![
        anomaly(40.0, "a0", "edge"),
        anomaly(304.2, "a1", "ledger"),
        anomaly(306.0, "a2", "payments"),
        incident(
            307.0,
            "i1",
            &["ledger", "payments"],
            &["payments", "ledger"],
        ),
        page(312.0, "p1", "payments"),
        incident(
            330.0,
            "i1",
            &["ledger", "payments", "edge"],
            &["ledger", "payments"],
        ),
        anomaly_over(430.0, "a1"),
        anomaly_over(433.0, "a2"),
        page_over(441.5, "p1"),
        incident_over(445.0, "i1"),
        page(800.0, "p2", "catalog"),
        page_over(830.0, "p2"),
        risk(1080.0, "r1", "payments", 1400.0),
        risk(1200.0, "r1", "payments", 1390.0),
        anomaly(1290.0, "a3", "payments"),
        page(1390.0, "p3", "edge"),
        incident(
            1391.0,
            "i2",
            &["payments", "edge"],
            &["edge", "web", "payments"],
        ),
        anomaly_over(1530.0, "a3"),
        page_over(1575.0, "p3"),
        incident_over(1580.0, "i2"),
        page(2070.0, "p4", "edge"),
        page_over(2230.0, "p4"),
        anomaly(2403.0, "a4", "checkout"),
        incident(2405.0, "i3", &["checkout"], &["payments", "checkout"]),
        page(2406.0, "p5", "checkout"),
        incident(2409.0, "i4", &["edge"], &["edge"]),
        anomaly_over(2440.0, "a4"),
        page_over(2450.0, "p5"),
        anomaly(2720.0, "a5", "search"),
        anomaly_over(2725.0, "a5"),
        anomaly(3010.0, "a6", "ledger"),
        incident(3012.0, "i5", &["ledger", "edge"], &["payments", "edge"]),
        page(3020.0, "p6", "ledger"),
        anomaly(3105.0, "a7", "search"),
        page(3111.0, "p7", "edge"),
        page(3112.0, "p8", "catalog"),
        incident(
            3115.0,
            "i5",
            &["ledger", "edge", "search"],
            &["search", "ledger"],
        ),
        anomaly_over(3170.0, "a7"),
        page_over(3175.0, "p7"),
        page_over(3190.0, "p8"),
        anomaly_over(3300.0, "a6"),
        page_over(3310.0, "p6"),
    ];
    (run(faults), said)
}
