//! How a workload's owner wants it watched: objectives, format, ownership, read from annotations.
//!
//! Pod before workload before namespace, for each hint by itself. Ours before Coroot's, Grafana's,
//! Elastic's and Fluent Bit's.

use std::time::Duration;

use crate::facts::Subject;
use crate::identity::{Criticality, RESOURCE_PREFIX};
use crate::source::Sourced;
use crate::text;

pub const SLO_LATENCY_KEY: &str = "crosswatch.dev/slo-latency";
pub const SLO_AVAILABILITY_KEY: &str = "crosswatch.dev/slo-availability";
pub const TIER_KEY: &str = "crosswatch.dev/tier";
pub const JOURNEY_KEY: &str = "crosswatch.dev/journey";
pub const LOG_FORMAT_KEY: &str = "crosswatch.dev/log-format";
pub const EXCLUDE_PATHS_KEY: &str = "crosswatch.dev/exclude-paths";
pub const OWNER_KEY: &str = "crosswatch.dev/owner";
pub const RUNBOOK_KEY: &str = "crosswatch.dev/runbook-url";
const MAX_EXCLUDED_PATHS: usize = 100;
/// Of Coroot's latency objective, when only the threshold is given.
const COROOT_QUANTILE: f64 = 0.99;

/// A share of calls that must be faster than a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyObjective {
    /// 0 to 1, both excluded.
    pub quantile: f64,
    pub threshold: Duration,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    pub slo_latency: Option<Sourced<LatencyObjective>>,
    /// 0 to 1, both excluded.
    pub slo_availability: Option<Sourced<f64>>,
    pub criticality: Option<Sourced<Criticality>>,
    pub journey: Option<Sourced<String>>,
    /// `json`, `logfmt`, `nginx`, …
    pub log_format: Option<Sourced<String>>,
    pub exclude_paths: Option<Sourced<Vec<String>>>,
    pub owner: Option<Sourced<String>>,
    pub runbook_url: Option<Sourced<String>>,
    /// What a neighbour calls it.
    pub display_name: Option<Sourced<String>>,
    /// Coroot's category.
    pub category: Option<Sourced<String>>,
    /// What was found and not used, and why.
    pub notes: Vec<String>,
}

pub fn hints(subject: &Subject<'_>) -> Hints {
    let mut notes = Vec::new();
    let notes = &mut notes;
    let hints = Hints {
        slo_latency: text::first(around(subject, SLO_LATENCY_KEY), parse_latency, notes)
            .or_else(|| coroot_latency(subject, notes)),
        slo_availability: text::first(
            around(subject, SLO_AVAILABILITY_KEY)
                .chain(around(subject, "coroot.com/slo-availability-objective")),
            parse_ratio,
            notes,
        ),
        criticality: criticality(subject, notes),
        journey: text::first(around(subject, JOURNEY_KEY), text::name, notes),
        log_format: log_format(subject, notes),
        exclude_paths: text::first(around(subject, EXCLUDE_PATHS_KEY), parse_paths, notes),
        owner: text::first(around(subject, OWNER_KEY), text::name, notes),
        runbook_url: text::first(around(subject, RUNBOOK_KEY), parse_url, notes),
        display_name: text::first(
            around(subject, "coroot.com/custom-application-name")
                .chain(around(subject, "k8s.grafana.com/logs.job")),
            text::name,
            notes,
        ),
        category: text::first(
            around(subject, "coroot.com/application-category"),
            text::name,
            notes,
        ),
        notes: Vec::new(),
    };
    Hints {
        notes: std::mem::take(notes),
        ..hints
    }
}

/// Annotations only, except of ours, which may be labels too.
fn around<'a>(
    subject: &Subject<'a>,
    key: &'static str,
) -> impl Iterator<Item = Sourced<&'a str>> + use<'a> {
    subject
        .nearest_first()
        .flat_map(move |object| object.either(key))
}

/// How much depends on the workload: OpenTelemetry's word, or our tier.
pub(crate) fn criticality(
    subject: &Subject<'_>,
    notes: &mut Vec<String>,
) -> Option<Sourced<Criticality>> {
    let annotation = subject
        .pod_metadata()
        .annotation(&format!("{RESOURCE_PREFIX}service.criticality"));
    let candidates = annotation.into_iter().chain(around(subject, TIER_KEY));
    text::first(candidates, parse_criticality, notes)
}

fn parse_criticality(text: &str) -> Result<Criticality, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "critical" | "0" => Ok(Criticality::Critical),
        "high" | "1" => Ok(Criticality::High),
        "medium" | "2" => Ok(Criticality::Medium),
        "low" | "3" => Ok(Criticality::Low),
        _ => Err(format!(
            "{} is none of critical, high, medium, low and the tiers 0 to 3",
            text::quoted(text)
        )),
    }
}

/// `300ms`, `0.3s`, `p99 300ms`, `p99<300ms`. Without a quantile it is the 99th percentile.
fn parse_latency(text: &str) -> Result<LatencyObjective, String> {
    let wrong = || {
        format!(
            "{} is no latency objective; write `p99 300ms`",
            text::quoted(text)
        )
    };
    let trimmed = text.trim();
    let (quantile, threshold) = match trimmed.split_once(['<', ' ']) {
        Some((quantile, threshold)) => (
            quantile.trim(),
            threshold.trim().trim_start_matches(['<', '=']).trim(),
        ),
        None => ("p99", trimmed),
    };
    let digits = quantile.strip_prefix(['p', 'P']).ok_or_else(wrong)?;
    let quantile = percent(digits).ok_or_else(wrong)?;
    let threshold = duration(threshold).ok_or_else(wrong)?;
    Ok(LatencyObjective {
        quantile,
        threshold,
    })
}

fn coroot_latency(
    subject: &Subject<'_>,
    notes: &mut Vec<String>,
) -> Option<Sourced<LatencyObjective>> {
    let threshold = around(subject, "coroot.com/slo-latency-threshold");
    let parse = |text: &str| {
        duration(text.trim()).ok_or_else(|| format!("{} is no duration", text::quoted(text)))
    };
    let threshold = text::first(threshold, parse, notes)?;
    let objective = around(subject, "coroot.com/slo-latency-objective");
    let quantile = text::first(objective, parse_ratio, notes);
    Some(threshold.map(|threshold| LatencyObjective {
        quantile: quantile.map_or(COROOT_QUANTILE, |it| it.value),
        threshold,
    }))
}

/// `99.9%`, `99.9` and `0.999` are the same.
fn parse_ratio(text: &str) -> Result<f64, String> {
    let wrong = || {
        format!(
            "{} is no share between 0 and 100 %; write `99.9%`",
            text::quoted(text)
        )
    };
    let trimmed = text.trim();
    if let Some(number) = trimmed.strip_suffix('%') {
        return percent(number.trim()).ok_or_else(wrong);
    }
    match trimmed.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio < 1.0 => Ok(ratio),
        Ok(_) => percent(trimmed).ok_or_else(wrong),
        Err(_) => Err(wrong()),
    }
}

/// 99.9 becomes 0.999; rounded, so that it is the number that was meant.
fn percent(digits: &str) -> Option<f64> {
    let percent: f64 = digits.parse().ok()?;
    let ratio = (percent * 1e7).round() / 1e9;
    (ratio > 0.0 && ratio < 1.0).then_some(ratio)
}

fn duration(text: &str) -> Option<Duration> {
    /// Longer is a mistake.
    const LONGEST_SECONDS: f64 = 86_400.0;
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit_at].trim().parse().ok()?;
    let seconds = match text[unit_at..].trim() {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    };
    (seconds > 0.0 && seconds <= LONGEST_SECONDS).then(|| Duration::from_secs_f64(seconds))
}

/// Separated by commas: `/healthz,/internal/*`.
fn parse_paths(text: &str) -> Result<Vec<String>, String> {
    let text = text::value(text)?;
    let paths: Vec<String> = text
        .split(',')
        .map(|path| path.trim().to_owned())
        .filter(|path| !path.is_empty())
        .collect();
    if paths.len() > MAX_EXCLUDED_PATHS {
        return Err(format!(
            "it has {} paths, and at most {MAX_EXCLUDED_PATHS} are taken",
            paths.len()
        ));
    }
    if let Some(path) = paths.iter().find(|path| !path.starts_with(['/', '*'])) {
        return Err(format!(
            "{} is no path; paths begin with `/`",
            text::quoted(path)
        ));
    }
    if paths.is_empty() {
        return Err("it has no paths".to_owned());
    }
    Ok(paths)
}

fn parse_url(text: &str) -> Result<String, String> {
    let text = text::value(text)?;
    // It is shown as a link.
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text)
    } else {
        Err(format!(
            "{} does not begin with http:// or https://",
            text::quoted(&text)
        ))
    }
}

fn log_format(subject: &Subject<'_>, notes: &mut Vec<String>) -> Option<Sourced<String>> {
    let ours = around(subject, LOG_FORMAT_KEY);
    let parsers = ["fluentbit.io/parser", "co.elastic.logs/module"];
    let neighbours = parsers.into_iter().flat_map(|key| around(subject, key));
    let said = text::first(ours.chain(neighbours), parse_format, notes);
    said.or_else(|| {
        // Elastic's hint says how to decode, which says what it is.
        let keys = [
            "co.elastic.logs/json.keys_under_root",
            "co.elastic.logs/json.message_key",
        ];
        let mut found = keys.into_iter().flat_map(|key| around(subject, key));
        found.next().map(|it| it.map(|_| "json".to_owned()))
    })
}

fn parse_format(text: &str) -> Result<String, String> {
    let text = text::name(text)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.chars().all(plain) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{} names no format", text::quoted(&text)))
    }
}
