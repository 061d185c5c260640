//! What people asked for: objectives, numbers out of log fields, probes.

use monitor_core::{ObjectiveView, ProbeView, View};

use super::apis::seconds;
use super::exposition::{Exposition, Kind};

pub(super) fn write(out: &mut Exposition, view: &View) {
    write_objectives(out, view);
    write_fields(out, view);
    write_probes(out, view);
}

fn write_objectives(out: &mut Exposition, view: &View) {
    if view.objectives.is_empty() {
        return;
    }
    let labels = |objective: &'_ ObjectiveView| {
        [
            ("service", objective.service.name.clone()),
            ("namespace", objective.service.namespace.clone()),
            ("environment", objective.environment.clone()),
            ("objective", objective.name.clone()),
        ]
    };
    type Read = fn(&ObjectiveView) -> Option<f64>;
    type Family<'a> = (&'a str, &'a str, &'a [(&'a str, Read)]);
    let families: [Family<'_>; 3] = [
        (
            "crosswatch_objective_ratio",
            "Of the calls, how many should be good.",
            &[("", |objective| Some(objective.ratio))],
        ),
        (
            "crosswatch_objective_error_budget_remaining_ratio",
            "What is left of the error budget; less than 0 when more was spent.",
            &[("", |objective| objective.budget_remaining)],
        ),
        (
            "crosswatch_objective_burn_rate",
            "How many times faster than evenly the error budget is spent.",
            &[
                ("1h", |objective| objective.burn_1h),
                ("6h", |objective| objective.burn_6h),
            ],
        ),
    ];
    for (name, help, reads) in families {
        let mut family = out.family(name, Kind::Gauge, help);
        for objective in &view.objectives {
            let named = labels(objective);
            for (window, read) in reads {
                let mut labels: Vec<(&str, &str)> = named
                    .iter()
                    .map(|(name, value)| (*name, &**value))
                    .collect();
                if !window.is_empty() {
                    labels.push(("window", window));
                }
                if let Some(value) = read(objective) {
                    family.sample(&labels, value);
                }
            }
        }
    }
}

fn write_fields(out: &mut Exposition, view: &View) {
    if view.fields.is_empty() {
        return;
    }
    let mut family = out.family(
        "crosswatch_field_value",
        Kind::Gauge,
        "The latest of a number that was asked for out of a log field, in the unit it is in there.",
    );
    for field in &view.fields {
        let labels = [
            ("service", &*field.service.name),
            ("namespace", &*field.service.namespace),
            ("environment", &*field.environment),
            ("name", &*field.name),
            ("unit", field.unit.as_deref().unwrap_or_default()),
        ];
        family.sample(&labels, field.value);
    }
}

fn write_probes(out: &mut Exposition, view: &View) {
    if view.probes.is_empty() {
        return;
    }
    type Read = fn(&ProbeView) -> f64;
    let families: [(&str, Kind, &str, Read); 5] = [
        (
            "crosswatch_probe_success",
            Kind::Gauge,
            "1 when the last probe was answered as expected, 0 otherwise.",
            |probe| f64::from(u8::from(probe.failure.is_none())),
        ),
        (
            "crosswatch_probe_duration_seconds",
            Kind::Gauge,
            "How long the last probe took.",
            |probe| probe.duration.as_secs_f64(),
        ),
        (
            "crosswatch_probe_timestamp_seconds",
            Kind::Gauge,
            "When the last probe was made.",
            |probe| seconds(probe.at),
        ),
        (
            "crosswatch_probes_total",
            Kind::Counter,
            "Probes made.",
            |probe| probe.made as f64,
        ),
        (
            "crosswatch_probes_failed_total",
            Kind::Counter,
            "Probes that were not answered as expected.",
            |probe| probe.failed as f64,
        ),
    ];
    for (name, kind, help, read) in families {
        let mut family = out.family(name, kind, help);
        for probe in view.probes.iter() {
            let labels = [
                ("service", &*probe.service.name),
                ("namespace", &*probe.service.namespace),
                (
                    "environment",
                    probe.environment.as_deref().unwrap_or_default(),
                ),
                ("probe", &*probe.name),
            ];
            family.sample(&labels, read(probe));
        }
    }
}
