//! The report as a person reads it.

use std::io::Write;

use super::super::faults::{FaultReport, FaultSummary};
use super::{ApiReport, IncidentReport, Report};

/// Apis shown; the rest is in `--json`.
const APIS: usize = 25;
/// Incidents shown.
const INCIDENTS: usize = 25;
/// Lines of what was unusual, for each fault.
const CAUSES: usize = 3;

pub(super) fn write(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    input(report, out)?;
    services(report, out)?;
    apis(report, out)?;
    incidents(&report.incidents, out)?;
    if let Some(summary) = &report.summary {
        faults(&report.faults, out)?;
        self::summary(summary, out)?;
    }
    writeln!(out, "\nWhat next")?;
    writeln!(out, "  crosswatch explain --data {}", report.folder)?;
    writeln!(
        out,
        "  crosswatch search --data {} 'severity:ERROR' --facet service",
        report.folder
    )?;
    Ok(())
}

fn input(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    let input = &report.input;
    writeln!(out, "Read")?;
    if let (Some(first), Some(last)) = (input.first, input.last) {
        writeln!(out, "  from {first} to {last}")?;
    }
    let mark = |same| if same { "" } else { "  <- DIFFERS" };
    writeln!(
        out,
        "  log records   {:>9} read, {:>9} searchable{}",
        input.log_rows,
        report.searchable.logs,
        mark(input.log_rows == report.searchable.logs)
    )?;
    if input.span_rows > 0 {
        writeln!(
            out,
            "  spans         {:>9} read, {:>9} searchable{}",
            input.span_rows,
            report.searchable.spans,
            mark(input.span_rows == report.searchable.spans)
        )?;
    }
    writeln!(out, "  rows refused  {:>9}", input.rejected)?;
    for rejection in &input.rejections {
        writeln!(out, "    {rejection}")?;
    }
    for file in &input.passed_over {
        writeln!(out, "  passed over, as no part of the recording: {file}")?;
    }
    writeln!(
        out,
        "  too late for the signals (but searchable): {}",
        report.late
    )?;
    if report.traces.logs_with_trace > 0 {
        writeln!(
            out,
            "  of {} log records with a trace id, {} ({:.1} %) meet spans of the same trace",
            report.traces.logs_with_trace,
            report.traces.logs_in_span_traces,
            100.0 * report.traces.logs_in_span_traces as f64 / report.traces.logs_with_trace as f64
        )?;
    }
    writeln!(out, "\nFormats")?;
    for (format, totals) in &report.formats {
        writeln!(
            out,
            "  {format:30} {:>5} streams {:>9} records",
            totals.streams, totals.records
        )?;
    }
    for stream in &report.unrecognised {
        writeln!(
            out,
            "  not recognised: {} of {} ({}): {}",
            stream.records, stream.service, stream.stream, stream.reason
        )?;
        for example in &stream.examples {
            writeln!(out, "    {}", one_line(example, 100))?;
        }
    }
    if !report.redactions.is_empty() {
        let kinds: Vec<String> = report
            .redactions
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        writeln!(out, "\nRedacted before storing: {}", kinds.join(", "))?;
    }
    Ok(())
}

fn services(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n{:36} {:>8} {:>8} {:>8} {:>9}",
        "Service", "logs", "errors", "spans", "templates"
    )?;
    for service in &report.services {
        writeln!(
            out,
            "{:36} {:>8} {:>8} {:>8} {:>9}",
            service.service, service.logs, service.error_logs, service.spans, service.templates
        )?;
    }
    Ok(())
}

fn apis(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    let mut apis: Vec<&ApiReport> = report.apis.iter().collect();
    apis.sort_by_key(|api| std::cmp::Reverse(api.calls));
    writeln!(
        out,
        "\n{} Apis discovered; what is normal for them",
        apis.len()
    )?;
    writeln!(
        out,
        "  {:>8} {:>7} {:>9} {:>9} {:>9}  Api",
        "calls", "errors", "p50", "p95", "p99"
    )?;
    let ms = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{:.1} ms", seconds * 1e3),
        None => "-".to_owned(),
    };
    for api in apis.iter().take(APIS) {
        writeln!(
            out,
            "  {:>8} {:>6.2}% {:>9} {:>9} {:>9}  {} {} {}",
            api.calls,
            100.0 * api.errors as f64 / api.calls.max(1) as f64,
            ms(api.p50_seconds),
            ms(api.p95_seconds),
            ms(api.p99_seconds),
            api.service,
            api.method,
            api.route
        )?;
    }
    if apis.len() > APIS {
        writeln!(out, "  … and {} more (--json has all)", apis.len() - APIS)?;
    }
    writeln!(
        out,
        "\n{} anomalies were found as they happened (`crosswatch explain`)",
        report.anomalies
    )?;
    Ok(())
}

fn incidents(incidents: &[IncidentReport], out: &mut impl Write) -> anyhow::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nIncidents: what belongs together, and the likeliest causes"
    )?;
    for incident in incidents.iter().take(INCIDENTS) {
        if let (Some(began), Some(opened)) = (incident.began, incident.opened) {
            let until = match incident.ended {
                Some(ended) => format!("to {ended}"),
                None => "to the end".to_owned(),
            };
            writeln!(out, "  {began} {until}, told at {opened}")?;
        }
        writeln!(out, "    {}", one_line(&incident.services.join(", "), 150))?;
        for suspect in incident.suspects.iter().take(CAUSES) {
            writeln!(
                out,
                "    {:.2} {} @ {}: {}",
                suspect.score,
                suspect.service,
                suspect.environment,
                one_line(&suspect.why, 200)
            )?;
        }
    }
    if incidents.len() > INCIDENTS {
        writeln!(
            out,
            "  … and {} more (--json has all)",
            incidents.len() - INCIDENTS
        )?;
    }
    Ok(())
}

fn faults(faults: &[FaultReport], out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\nFaults that were injected: each minute against the nearest fault-free one"
    )?;
    for fault in faults {
        let place = match fault.rank {
            Some(rank) if fault.tied > 1 => format!("place {rank}, with {} others", fault.tied - 1),
            Some(rank) => format!("place {rank}"),
            None => "shows nothing".to_owned(),
        };
        writeln!(
            out,
            "\n  {} {} {}: {} of {} services unusual{}; the faulty one: {place}",
            fault.injected,
            fault.kind,
            fault.service,
            fault.unusual,
            fault.compared,
            if fault.faulty_unusual {
                ", the faulty one among them"
            } else {
                ""
            }
        )?;
        if let Some(reason) = &fault.not_compared {
            writeln!(out, "      {reason}")?;
        }
        for cause in &fault.services {
            let marker = if cause.service == fault.service {
                "*"
            } else {
                " "
            };
            writeln!(
                out,
                "    {marker} {} (evidence {:.1})",
                cause.service, cause.score
            )?;
            for why in cause.why.iter().take(CAUSES) {
                writeln!(out, "        {}", one_line(why, 150))?;
            }
        }
    }
    Ok(())
}

fn summary(summary: &FaultSummary, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n{:16} {:>6} {:>10} {:>10} {:>7} {:>7} {:>7}",
        "Fault", "cases", "unusual", "faulty in", "AS@1", "AS@3", "AS@5"
    )?;
    for row in summary.by_kind.iter().chain([&summary.all]) {
        writeln!(
            out,
            "{:16} {:>6} {:>10.1} {:>10} {:>7.3} {:>7.3} {:>7.3}",
            row.kind,
            row.cases,
            row.unusual_services,
            row.faulty_among,
            row.as_at_1,
            row.as_at_3,
            row.as_at_5
        )?;
    }
    if summary.not_compared > 0 {
        writeln!(
            out,
            "{} more faults are not in this table: the recording has nothing of their minutes",
            summary.not_compared
        )?;
    }
    writeln!(
        out,
        "unusual: services with something unusual, on average. faulty in: cases where the faulty \
         service\nwas among them. AS@k: cases where it was among the first k, ties as expected value."
    )?;
    Ok(())
}

fn one_line(text: &str, length: usize) -> String {
    let mut line: String = text.chars().take(length).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line.replace(['\n', '\r', '\t'], " ")
}
