//! How one workload is wanted to be watched.

use std::time::Duration;

use monitor_api::{Detection, FieldMetric, Objective, Probe, WorkloadSettings};
use monitor_core::{Name, PathPattern, RouteTemplate, Sense, ServiceKey, Tuning, Watching};
use monitor_ingest::formats::Hint;

use super::{Notes, shorten};

/// Names and addresses are not longer.
const LONGEST: usize = 2_048;
/// Templates, patterns, objectives and the like of one workload.
const MOST: usize = 200;
const MOST_FEW: usize = 20;
const SIGNALS: [&str; 4] = ["latency", "error_ratio", "traffic", "logs"];
/// The same bounds as the detectors' arithmetic has.
const FALSE_ALARMS: std::ops::RangeInclusive<f64> = 1e-4..=168.0;
const DAY_SECS: u64 = 86_400;

type Named = (ServiceKey, Option<Name>, Watching);

pub(super) fn understand(item: &WorkloadSettings, notes: &mut Notes) -> Result<Named, String> {
    if item.service.is_empty() {
        return Err("`service` is empty; write the `service.name` of its records".to_owned());
    }
    for name in [
        Some(&item.namespace),
        Some(&item.service),
        item.environment.as_ref(),
    ] {
        if name.is_some_and(|name| name.len() > LONGEST) {
            return Err(format!("a name is longer than {LONGEST} bytes"));
        }
    }
    let tuning = |signal: &str, notes: &mut Notes| match item.detection.get(signal) {
        Some(detection) => tuning(signal, detection, notes),
        None => Tuning::default(),
    };
    for signal in item.detection.keys() {
        if !SIGNALS.contains(&&**signal) {
            notes.add(format!(
                "`detection.{}` is no signal; signals are {}",
                shorten(signal),
                SIGNALS.join(", ")
            ));
        }
    }
    let watching = Watching {
        paused: item.paused,
        false_alarms_per_week: item.false_alarms_per_week.filter(|wanted| {
            let possible = FALSE_ALARMS.contains(wanted);
            if !possible {
                notes.add(format!(
                    "`false_alarms_per_week` is {wanted}; it is from {} to {}",
                    FALSE_ALARMS.start(),
                    FALSE_ALARMS.end()
                ));
            }
            possible
        }),
        latency: tuning("latency", notes),
        error_ratio: tuning("error_ratio", notes),
        traffic: tuning("traffic", notes),
        logs: tuning("logs", notes),
        routes: several("routes", &item.routes, MOST, notes, |text, _| {
            RouteTemplate::parse(text)
                .ok_or_else(|| "is no route; write `GET /orders/{id}` or `/orders/{id}`".to_owned())
        }),
        exclude_paths: several(
            "exclude_paths",
            &item.exclude_paths,
            MOST,
            notes,
            |text, _| {
                if text.starts_with(['/', '*']) {
                    Ok(PathPattern::new(text))
                } else {
                    Err("begins neither with `/` nor with `*`".to_owned())
                }
            },
        ),
        log_format: item
            .log_format
            .as_ref()
            .and_then(|name| log_format(name, notes)),
        objectives: objectives(&item.objectives, notes),
        metrics: metrics(&item.metrics, notes),
        probes: probes(&item.probes, notes),
        owner: short("owner", item.owner.as_ref(), notes),
        runbook_url: short("runbook_url", item.runbook_url.as_ref(), notes).filter(|url| {
            let usable = url.starts_with("http://") || url.starts_with("https://");
            if !usable {
                notes.add("`runbook_url` is no http:// or https:// address".to_owned());
            }
            usable
        }),
        criticality: item.criticality.as_ref().and_then(|level| {
            let known = ["critical", "high", "medium", "low"].contains(&&**level);
            if !known {
                notes.add(format!(
                    "`criticality` is `{}`; it is one of critical, high, medium, low",
                    shorten(level)
                ));
            }
            known.then(|| Name::from(&**level))
        }),
    };
    let service = ServiceKey::new(&item.namespace, &item.service);
    let environment = item.environment.as_deref().map(Name::from);
    Ok((service, environment, watching))
}

fn tuning(signal: &str, wanted: &Detection, notes: &mut Notes) -> Tuning {
    let mut at_least_zero = |name: &str, value: Option<f64>| {
        value.filter(|value| {
            let possible = value.is_finite() && *value >= 0.0;
            if !possible {
                notes.add(format!(
                    "`detection.{signal}.{name}` is {value}; it is at least 0"
                ));
            }
            possible
        })
    };
    let min_dev_from_expected =
        at_least_zero("min_dev_from_expected", wanted.min_dev_from_expected);
    let min_rel_dev_from_expected = at_least_zero(
        "min_rel_dev_from_expected",
        wanted.min_rel_dev_from_expected,
    );
    let data_range = wanted.data_range.and_then(|[low, high]| {
        let possible = low.is_finite() && high.is_finite() && low < high;
        if !possible {
            notes.add(format!(
                "`detection.{signal}.data_range` is [{low}, {high}]; write the lower end first"
            ));
        }
        possible.then_some((low, high))
    });
    Tuning {
        enabled: wanted.enabled,
        data_range,
        direction: wanted
            .detection_direction
            .as_ref()
            .and_then(|text| direction(signal, text, notes)),
        min_dev_from_expected,
        min_rel_dev_from_expected,
    }
}

/// Only traffic is judged in both directions: nobody has to be told of fewer failures.
fn direction(signal: &str, text: &str, notes: &mut Notes) -> Option<Sense> {
    let sense = match text {
        "both" => Sense::Both,
        "above_expected" => Sense::Above,
        "below_expected" => Sense::Below,
        _ => {
            notes.add(format!(
                "`detection.{signal}.detection_direction` is `{}`; it is one of both, \
                 above_expected, below_expected",
                shorten(text)
            ));
            return None;
        }
    };
    if signal == "traffic" || sense == Sense::Above {
        return Some(sense);
    }
    notes.add(format!(
        "`detection.{signal}.detection_direction`: {signal} is judged only above what is expected; \
         with `enabled: false` it is not judged at all"
    ));
    None
}

fn log_format(name: &str, notes: &mut Notes) -> Option<Name> {
    let known = Hint::of(name);
    if known.is_none() {
        notes.add(format!(
            "`log_format` is `{}`; formats are {}. Without one the format is recognised",
            shorten(name),
            Hint::ALL.map(Hint::as_str).join(", ")
        ));
    }
    known.map(|hint| hint.as_str().into())
}

fn objectives(wanted: &[Objective], notes: &mut Notes) -> Vec<monitor_core::Objective> {
    several("objectives", wanted, MOST_FEW, notes, |wanted, known| {
        let known: &[monitor_core::Objective] = known;
        if wanted.name.is_empty() || wanted.name.len() > LONGEST {
            return Err("has no name".to_owned());
        }
        if known.iter().any(|known| *known.name == *wanted.name) {
            return Err(format!("`{}` is there twice", shorten(&wanted.name)));
        }
        if !(wanted.objective_ratio > 0.0 && wanted.objective_ratio < 1.0) {
            return Err(format!(
                "`{}`: `objective_ratio` is {}; it lies between 0 and 1, such as 0.999",
                shorten(&wanted.name),
                wanted.objective_ratio
            ));
        }
        if !(3_600..=90 * DAY_SECS).contains(&wanted.window_seconds) {
            return Err(format!(
                "`{}`: `window_seconds` is {}; it is from 3600 (an hour) to {} (90 days)",
                shorten(&wanted.name),
                wanted.window_seconds,
                90 * DAY_SECS
            ));
        }
        if wanted
            .latency_threshold_seconds
            .is_some_and(|limit| !limit.is_finite() || limit <= 0.0)
        {
            return Err(format!(
                "`{}`: `latency_threshold_seconds` is not more than 0",
                shorten(&wanted.name)
            ));
        }
        let route = match &wanted.route {
            None => None,
            Some(text) => Some(RouteTemplate::parse(text).ok_or_else(|| {
                format!(
                    "`{}`: its route is none; write `GET /orders/{{id}}`",
                    shorten(&wanted.name)
                )
            })?),
        };
        Ok(monitor_core::Objective {
            name: Name::from(&*wanted.name),
            ratio: wanted.objective_ratio,
            latency_threshold: wanted.latency_threshold_seconds,
            window: Duration::from_secs(wanted.window_seconds),
            route,
        })
    })
}

fn metrics(wanted: &[FieldMetric], notes: &mut Notes) -> Vec<monitor_core::FieldMetric> {
    several("metrics", wanted, MOST_FEW, notes, |wanted, known| {
        let known: &[monitor_core::FieldMetric] = known;
        if wanted.name.is_empty() || wanted.field.is_empty() {
            return Err("needs a `name` and a `field`".to_owned());
        }
        if wanted.name.len() + wanted.field.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        if known.iter().any(|known| *known.name == *wanted.name) {
            return Err(format!("`{}` is there twice", shorten(&wanted.name)));
        }
        Ok(monitor_core::FieldMetric {
            name: Name::from(&*wanted.name),
            field: Name::from(&*wanted.field),
            unit: wanted.unit.as_deref().map(Name::from),
        })
    })
}

fn probes(wanted: &[Probe], notes: &mut Notes) -> Vec<monitor_core::Probe> {
    several("probes", wanted, MOST_FEW, notes, |wanted, known| {
        let known: &[monitor_core::Probe] = known;
        let name = shorten(&wanted.name);
        if wanted.name.is_empty() || wanted.name.len() > LONGEST {
            return Err("has no name".to_owned());
        }
        if known.iter().any(|known| *known.name == *wanted.name) {
            return Err(format!("`{name}` is there twice"));
        }
        super::alerting::address(&wanted.url).map_err(|why| format!("`{name}`: {why}"))?;
        let method = if wanted.method.is_empty() {
            "GET"
        } else {
            &wanted.method
        };
        if !["GET", "HEAD", "OPTIONS"].contains(&method) {
            return Err(format!(
                "`{name}`: a probe asks with GET, HEAD or OPTIONS and changes nothing"
            ));
        }
        let interval = match wanted.interval_seconds {
            0 => 30,
            given => given,
        };
        let timeout = match wanted.timeout_seconds {
            0 => 10.min(interval),
            given => given,
        };
        if !(5..=DAY_SECS).contains(&interval) || timeout > interval {
            return Err(format!(
                "`{name}`: `interval_seconds` is from 5 to {DAY_SECS}, and `timeout_seconds` is not \
                 more"
            ));
        }
        if wanted.expect_status.len() > 100
            || wanted
                .expect_status
                .iter()
                .any(|code| !(100..600).contains(code))
        {
            return Err(format!(
                "`{name}`: `expect_status` holds codes from 100 to 599"
            ));
        }
        Ok(monitor_core::Probe {
            name: Name::from(&*wanted.name),
            url: Name::from(&*wanted.url),
            method: Name::from(method),
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
            expect_status: wanted.expect_status.clone(),
        })
    })
}

/// Those that can be used; the others are noted one by one.
fn several<T, U>(
    field: &str,
    wanted: &[T],
    most: usize,
    notes: &mut Notes,
    one: impl Fn(&T, &[U]) -> Result<U, String>,
) -> Vec<U> {
    if wanted.len() > most {
        notes.add(format!(
            "`{field}` has {} entries; those after the first {most} are not in force",
            wanted.len()
        ));
    }
    let mut found = Vec::new();
    for (at, wanted) in wanted.iter().take(most).enumerate() {
        match one(wanted, &found) {
            Ok(understood) => found.push(understood),
            Err(why) => notes.add(format!("`{field}` number {}: {why}", at + 1)),
        }
    }
    found
}

fn short(field: &str, text: Option<&String>, notes: &mut Notes) -> Option<Name> {
    let text = text.filter(|text| !text.is_empty())?;
    if text.len() > LONGEST {
        notes.add(format!("`{field}` is longer than {LONGEST} bytes"));
        return None;
    }
    Some(Name::from(&**text))
}
