//! `/metrics`: what is watched and how the monitor does, for Prometheus.
//!
//! Rendered from the latest view at each scrape, so that there is nothing to keep in step; the
//! counters of the monitor's parts come from their registry.

mod apis;
mod exposition;
mod journeys;
mod registry;
mod wanted;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use monitor_core::{AlertSeverity, AlertState, IngestView, Name, ServiceKey, Time, View};

use self::apis::seconds;
use self::exposition::{Exposition, Format, Kind};
use crate::Shared;
use crate::query::streams::unrecognised_records;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/metrics", get(scrape))
}

async fn scrape(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let wants_open_metrics = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("application/openmetrics-text"));
    let (format, content_type) = if wants_open_metrics {
        (
            Format::OpenMetrics,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )
    } else {
        (Format::Text, "text/plain; version=0.0.4; charset=utf-8")
    };
    (
        [(header::CONTENT_TYPE, content_type)],
        render(&shared, format),
    )
}

fn render(shared: &Shared, format: Format) -> String {
    let view = shared.ports.view.borrow().clone();
    let ingest = shared.ports.ingest.borrow().clone();
    let ready = shared.ports.ready.borrow().is_ok();
    let mut out = Exposition::new(format);
    write_monitor(&mut out, &view, ready);
    apis::write(&mut out, &view.apis);
    write_services(&mut out, &view);
    write_trouble(&mut out, &view);
    journeys::write(&mut out, &view.journeys);
    wanted::write(&mut out, &view);
    write_ingest(&mut out, &ingest);
    registry::write(&mut out, &shared.ports.registry);
    out.finish()
}

fn write_monitor(out: &mut Exposition, view: &View, ready: bool) {
    out.family(
        "crosswatch_build_info",
        Kind::Info,
        "The monitor's version.",
    )
    .sample(
        &[
            ("version", crate::VERSION),
            ("revision", crate::REVISION.unwrap_or("unknown")),
        ],
        1.0,
    );
    out.family(
        "crosswatch_ready",
        Kind::Gauge,
        "1 when the monitor is ready, 0 otherwise.",
    )
    .sample(&[], f64::from(u8::from(ready)));
    if view.at > Time::EPOCH {
        out.family(
            "crosswatch_watermark_timestamp_seconds",
            Kind::Gauge,
            "Everything that happened before this has been judged.",
        )
        .sample(&[], seconds(view.at));
    }
    let counts = &view.counts;
    for (name, help, value) in [
        (
            "crosswatch_engine_observations_total",
            "Calls, log records and histogram points that the engine has seen.",
            counts.observations,
        ),
        (
            "crosswatch_engine_overflowed_total",
            "Observations counted under ~other because of the limit on Apis.",
            counts.overflowed,
        ),
        (
            "crosswatch_engine_numbers_refused_total",
            "Values out of log fields that are not judged because of the limit on numbers.",
            counts.numbers_refused,
        ),
        (
            "crosswatch_engine_anomalies_total",
            "Anomalies that were found.",
            counts.anomalies_opened,
        ),
        (
            "crosswatch_engine_incidents_total",
            "Incidents that were opened.",
            counts.incidents_opened,
        ),
        (
            "crosswatch_engine_edges_refused_total",
            "Sights of one service calling another that were dropped because of the limit on edges.",
            counts.edges_refused,
        ),
        (
            "crosswatch_engine_levels_total",
            "Readings of how full something is, of gauges of runtimes, pools and disks.",
            counts.levels,
        ),
        (
            "crosswatch_engine_levels_refused_total",
            "Of these, those of more series of a service than are followed.",
            counts.levels_refused,
        ),
    ] {
        out.family(name, Kind::Counter, help)
            .sample(&[], value as f64);
    }
    let mut dropped = out.family(
        "crosswatch_engine_dropped_total",
        Kind::Counter,
        "Observations kept out of the signals because of their time; they are searchable.",
    );
    dropped.sample(&[("reason", "late")], counts.late as f64);
    dropped.sample(&[("reason", "future")], counts.future as f64);
}

fn write_services(out: &mut Exposition, view: &View) {
    type Read = fn(&monitor_core::ServiceView) -> f64;
    let families: [(&str, Kind, &str, Read); 4] = [
        (
            "crosswatch_service_log_records_total",
            Kind::Counter,
            "Log records of a service.",
            |service| service.logs_total as f64,
        ),
        (
            "crosswatch_service_log_errors_total",
            Kind::Counter,
            "Log records of a service at ERROR or above.",
            |service| service.log_errors_total as f64,
        ),
        (
            "crosswatch_service_log_templates",
            Kind::Gauge,
            "Distinct log templates of a service.",
            |service| service.templates as f64,
        ),
        (
            "crosswatch_service_last_seen_timestamp_seconds",
            Kind::Gauge,
            "When a service was last heard of.",
            |service| seconds(service.last_seen),
        ),
    ];
    for (name, kind, help, read) in families {
        let mut family = out.family(name, kind, help);
        for service in &view.services {
            let labels = [
                ("service", &*service.service.name),
                ("namespace", &*service.service.namespace),
                ("environment", &*service.environment),
            ];
            family.sample(&labels, read(service));
        }
    }
}

fn write_trouble(out: &mut Exposition, view: &View) {
    let open = view
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.end.is_none())
        .count();
    out.family(
        "crosswatch_anomalies_open",
        Kind::Gauge,
        "Anomalies that last still.",
    )
    .sample(&[], open as f64);
    let open = view
        .incidents
        .iter()
        .filter(|incident| incident.ended.is_none())
        .count();
    out.family(
        "crosswatch_incidents_open",
        Kind::Gauge,
        "Incidents that last still.",
    )
    .sample(&[], open as f64);
    let mut alerts = out.family(
        "crosswatch_alerts",
        Kind::Gauge,
        "Alerts by state and severity.",
    );
    for state in [
        AlertState::Pending,
        AlertState::Firing,
        AlertState::Resolved,
    ] {
        for severity in [
            AlertSeverity::Critical,
            AlertSeverity::Warning,
            AlertSeverity::Info,
        ] {
            let count = view
                .alerts
                .iter()
                .filter(|alert| alert.state == state && alert.severity == severity)
                .count();
            let labels = [("state", state.as_str()), ("severity", severity.as_str())];
            alerts.sample(&labels, count as f64);
        }
    }
}

/// Streams are summed by service: a stream's name can be a path, and paths are many.
fn write_ingest(out: &mut Exposition, ingest: &IngestView) {
    let mut records: BTreeMap<(&ServiceKey, &Name), u64> = BTreeMap::new();
    let mut unread: BTreeMap<(&ServiceKey, &Name, &Name), u64> = BTreeMap::new();
    let mut recognised = [0u32; 2];
    for stream in &ingest.streams {
        *records
            .entry((&stream.service, &stream.environment))
            .or_insert(0) += stream.records;
        for (reason, count) in &stream.unrecognised {
            *unread
                .entry((&stream.service, &stream.environment, reason))
                .or_insert(0) += count;
        }
        recognised[usize::from(unrecognised_records(stream) == 0)] += 1;
    }
    let mut family = out.family(
        "crosswatch_ingest_records_total",
        Kind::Counter,
        "Records of a service that were taken in.",
    );
    for ((service, environment), count) in records {
        let labels = [
            ("service", &*service.name),
            ("namespace", &*service.namespace),
            ("environment", &**environment),
        ];
        family.sample(&labels, count as f64);
    }
    let mut family = out.family(
        "crosswatch_ingest_unrecognised_total",
        Kind::Counter,
        "Records that were kept as text only; they are searchable.",
    );
    for ((service, environment, reason), count) in unread {
        let labels = [
            ("service", &*service.name),
            ("namespace", &*service.namespace),
            ("environment", &**environment),
            ("reason", &**reason),
        ];
        family.sample(&labels, count as f64);
    }
    let mut streams = out.family(
        "crosswatch_ingest_streams",
        Kind::Gauge,
        "Streams of records, by whether all their records were recognised.",
    );
    streams.sample(&[("recognised", "true")], recognised[1].into());
    streams.sample(&[("recognised", "false")], recognised[0].into());
    out.family(
        "crosswatch_ingest_templates",
        Kind::Gauge,
        "Distinct log templates.",
    )
    .sample(&[], ingest.templates.len() as f64);
    out.family(
        "crosswatch_ingest_span_ids_forgotten_total",
        Kind::Counter,
        "Span ids forgotten before a parent or child of another service came, if one ever would.",
    )
    .sample(&[], ingest.edges.forgotten as f64);
    let mut redactions = out.family(
        "crosswatch_ingest_redactions_total",
        Kind::Counter,
        "Secrets removed before anything was stored, by kind.",
    );
    for (kind, count) in &ingest.redactions {
        redactions.sample(&[("kind", kind)], *count as f64);
    }
}
